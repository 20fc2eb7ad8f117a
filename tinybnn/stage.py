"""A stage to paint on: a camera in a street, three kinds of plane, one stroke. After this page you can draw a world.

All sizes are metres in the world of a camera that looks along the street: X to the right of it, Y up from the ground,
Z away from it. With focal length f, eye height e and vanishing point (i0, j0) a point of the world is seen at::

    row i = i0 + f (e - Y) / Z        column j = j0 + f X / Z

Three planes suffice, one for each letter held fixed: :func:`facing` (Z), :func:`along` (X) and :func:`level` (Y). On
each the equations are solved for the other two letters, so that whoever paints thinks in metres. :func:`paint` puts
colour and label down by one stroke; whoever paints later hides what is behind, in both alike.

Nothing but ``+ - * /``, ``sqrt`` and rounding touches a pixel. IEEE 754 fixes these to the last bit, so every machine
draws the same picture from the same random numbers.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.random import Generator

from .notation import Array


class Scene(NamedTuple):
    """The canvas and what every stroke needs to know: the camera, the air, the light, one table of random grain."""

    rgb: Array
    label: Array
    i0: float
    j0: float
    focal: float
    eye: float
    haze: Array
    sight: float  # metres at which half of a colour is haze
    light: Array
    sun: int  # -1: it stands on the left, +1: on the right
    grain: Array


class Face(NamedTuple):
    """A piece of a plane as the camera sees it: the window of pixels, where each ray meets it, and which rays do."""

    held: str  # the letter that is held fixed
    window: tuple[slice, slice]
    X: Array
    Y: Array
    Z: Array
    inside: Array


def pixels(low: float, high: float, size: int) -> tuple[slice, Array]:
    """The slice of pixels whose middles lie in (low, high], and the middles."""
    first, last = (int(min(max(np.floor(edge + 0.5), 0), size)) for edge in (low, high))
    return slice(first, max(first, last)), np.arange(first, max(first, last)) + 0.5


def facing(scene: Scene, z: float, x0: float, x1: float, y0: float, y1: float) -> Face:
    """The rectangle that stands across the street at distance z."""
    scale = scene.focal / z
    rows, i = pixels(scene.i0 + scale * (scene.eye - y1), scene.i0 + scale * (scene.eye - y0), len(scene.label))
    cols, j = pixels(scene.j0 + scale * x0, scene.j0 + scale * x1, scene.label.shape[1])
    X, Y = (j[None] - scene.j0) / scale, scene.eye - (i[:, None] - scene.i0) / scale
    return Face("Z", (rows, cols), X, Y, np.full((1, 1), float(z)), np.ones((len(i), len(j)), bool))


def along(scene: Scene, x: float, z0: float, z1: float, y0: float, y1: float) -> Face:
    """The rectangle that stands beside the street at a distance x to the right of the camera."""
    ends = [scene.i0 + scene.focal * (scene.eye - y) / z for y in (y0, y1) for z in (z0, z1)]
    rows, i = pixels(min(ends), max(ends), len(scene.label))
    left, right = sorted(scene.j0 + scene.focal * x / z for z in (z0, z1))
    cols, j = pixels(left, right, scene.label.shape[1])
    Z = scene.focal * x / (j[None] - scene.j0)
    Y = scene.eye - (i[:, None] - scene.i0) * Z / scene.focal
    return Face("X", (rows, cols), np.full((1, 1), float(x)), Y, Z, (y0 <= Y) & (y1 >= Y))


def level(scene: Scene, y: float, x0: float, x1: float, z0: float, z1: float) -> Face:
    """The rectangle that lies at height y, below the eye."""
    top, bottom = (scene.i0 + scene.focal * (scene.eye - y) / z for z in (z1, z0))
    left, right = (f(scene.j0 + scene.focal * x / z for z in (z0, z1)) for f, x in ((min, x0), (max, x1)))
    rows, i = pixels(top, bottom, len(scene.label))
    cols, j = pixels(left, right, scene.label.shape[1])
    Z = scene.focal * (scene.eye - y) / (i[:, None] - scene.i0)
    X = (j[None] - scene.j0) * Z / scene.focal
    return Face("Y", (rows, cols), X, np.full((1, 1), float(y)), Z, (x0 <= X) & (x1 >= X))


def box(scene: Scene, x0: float, x1: float, y0: float, y1: float, z0: float, z1: float) -> Iterator[Face]:
    """The faces of a box that the camera may see, back to front: its top, one side, its front."""
    if y1 < scene.eye:
        yield level(scene, y1, x0, x1, z0, z1)
    if x0 > 0 or x1 < 0:
        yield along(scene, x0 if x0 > 0 else x1, z0, z1, y0, y1)
    yield facing(scene, z0, x0, x1, y0, y1)


def paint(scene: Scene, face: Face, label: int, colour: Array, where: Array | bool = True) -> None:
    """One stroke, picture and label together: the colour in this light, fading into the haze with distance."""
    where, lit = face.inside & where, colour * scene.light
    seen = lit + (scene.haze - lit) * (face.Z / (face.Z + scene.sight))
    rows, cols = face.window
    np.copyto(scene.rgb[:, rows, cols], seen, where=where)
    np.copyto(scene.label[rows, cols], np.uint8(label), where=where)


def darken(scene: Scene, face: Face, share: float, where: Array | bool = True) -> None:
    """A shadow: it changes the light, not what lies there."""
    rows, cols = face.window
    under = scene.rgb[:, rows, cols]
    np.multiply(under, share, out=under, where=face.inside & where)


def grain(scene: Scene, u: Array, v: Array) -> Array:
    """A random number in [0, 1) for every unit square of the plane (u, v): brick, window, leaf, paving stone."""
    last = len(scene.grain) - 1  # 2^k - 1, so that & is the remainder, below zero too
    return scene.grain[np.floor(u).astype(np.intp) & last, np.floor(v).astype(np.intp) & last]


def blur(scene: Scene, u: Array, v: Array) -> Array:
    """The same numbers, but sliding from one to the next: cloud, hill, patch of tar."""
    s, t = u - np.floor(u), v - np.floor(v)
    near = grain(scene, u, v) * (1 - t) + grain(scene, u, v + 1) * t
    return near * (1 - s) + (grain(scene, u + 1, v) * (1 - t) + grain(scene, u + 1, v + 1) * t) * s


def disc(face: Face, x: float, y: float, rx: float, ry: float) -> Array:
    """Below 1 inside the ellipse around (x, y), above 1 outside."""
    return ((face.X - x) / rx) ** 2 + ((face.Y - y) / ry) ** 2


def rgb(red: float, green: float, blue: float) -> Array:
    """A colour: three numbers of shape (3, 1, 1), so that ``colour * texture`` is a picture, channels first."""
    return np.array([red, green, blue], float).reshape(3, 1, 1)


def some(rng: Generator, low: float, high: float) -> float:
    """A number between low and high."""
    return low + (high - low) * rng.random()


def tone(rng: Generator, low: float, high: float, tint: float) -> Array:
    """A grey between low and high, each of its three channels off by up to tint."""
    return some(rng, low, high) + tint * (2 * rng.random((3, 1, 1)) - 1)
