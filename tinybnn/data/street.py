"""Streets drawn from random numbers, with exact labels: as much data as anyone wants.

:func:`street_scene` paints a scene from back to front, so near things cover far ones: the sky, the ground, the houses
and gardens beside the street, then cars, people, posts and trees. Each thing is one small function of a place. It
consists of rectangles in the world; the camera says which pixels each rectangle covers, and :func:`paint` sets the
colour and the label of the same pixels. The labels are therefore exact. A pixel is the mean of nine rays, and its label
is that of the middle ray. Colours, light and haze are random for every scene, and walls have the same greys as tar, so
colour alone does not tell the class: a network must also learn place, shape and texture.

World coordinates are in metres: X to the right of the camera, Y above the ground, Z ahead. Pixels have row i, column j.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.random import Generator

from ..notation import Array
from ..validate import need_choice, need_int

UNLABELED, EGO, ROAD, SIDEWALK, BUILDING, POLE, LIGHT, SIGN = 0, 1, 7, 8, 11, 17, 19, 20
VEGETATION, TERRAIN, SKY, PERSON, CAR = 21, 22, 23, 24, 26
LABELS = (UNLABELED, EGO, ROAD, SIDEWALK, BUILDING, POLE, LIGHT, SIGN, VEGETATION, TERRAIN, SKY, PERSON, CAR)
"""Every id that a scene may hold: labelIds of Cityscapes. The first two are not scored."""

RAYS = 3
"""Rays of a pixel in each direction. The number is odd, so that one ray goes through the middle of the pixel."""

# -- camera and canvas -----------------------------------------------------------------------------------------------


class Scene(NamedTuple):
    """The canvas, the camera and the weather."""

    rgb: Array  # (3, H, W)
    label: Array  # (H, W)
    i0: float  # row and column of the point straight ahead
    j0: float
    focal: float  # in pixels
    eye: float  # height of the camera
    haze: Array  # its colour
    sight: float  # the distance at which half of a colour is haze
    light: Array  # its colour
    sun: int  # -1: on the left, +1: on the right
    grain: Array  # random numbers of shape (2^k, 2^k)


class Face(NamedTuple):
    """A rectangle as the camera sees it: a window of pixels, the point (X, Y, Z) that each ray meets, and whether
    that point is inside the rectangle. X, Y and Z have shapes that broadcast."""

    held: str  # the coordinate that is constant
    window: tuple[slice, slice]
    X: Array
    Y: Array
    Z: Array
    inside: Array


def pixels(low: float, high: float, size: int) -> tuple[slice, Array]:
    """The slice of the pixels whose middles are in (low, high], and these middles."""
    first, last = (int(min(max(np.floor(edge + 0.5), 0), size)) for edge in (low, high))
    return slice(first, max(first, last)), np.arange(first, max(first, last)) + 0.5


def facing(scene: Scene, z: float, x0: float, x1: float, y0: float, y1: float) -> Face:
    """A rectangle across the street, at distance z."""
    scale = scene.focal / z
    rows, i = pixels(scene.i0 + scale * (scene.eye - y1), scene.i0 + scale * (scene.eye - y0), len(scene.label))
    cols, j = pixels(scene.j0 + scale * x0, scene.j0 + scale * x1, scene.label.shape[1])
    X, Y = (j[None] - scene.j0) / scale, scene.eye - (i[:, None] - scene.i0) / scale
    return Face("Z", (rows, cols), X, Y, np.full((1, 1), float(z)), np.ones((len(i), len(j)), bool))


def along(scene: Scene, x: float, z0: float, z1: float, y0: float, y1: float) -> Face:
    """A rectangle along the street, at distance x to the right of the camera."""
    ends = [scene.i0 + scene.focal * (scene.eye - y) / z for y in (y0, y1) for z in (z0, z1)]
    rows, i = pixels(min(ends), max(ends), len(scene.label))
    left, right = sorted(scene.j0 + scene.focal * x / z for z in (z0, z1))
    cols, j = pixels(left, right, scene.label.shape[1])
    Z = scene.focal * x / (j[None] - scene.j0)
    Y = scene.eye - (i[:, None] - scene.i0) * Z / scene.focal
    return Face("X", (rows, cols), np.full((1, 1), float(x)), Y, Z, (y0 <= Y) & (y1 >= Y))


def level(scene: Scene, y: float, x0: float, x1: float, z0: float, z1: float) -> Face:
    """A horizontal rectangle at height y, below the eye."""
    top, bottom = (scene.i0 + scene.focal * (scene.eye - y) / z for z in (z1, z0))
    left, right = (f(scene.j0 + scene.focal * x / z for z in (z0, z1)) for f, x in ((min, x0), (max, x1)))
    rows, i = pixels(top, bottom, len(scene.label))
    cols, j = pixels(left, right, scene.label.shape[1])
    Z = scene.focal * (scene.eye - y) / (i[:, None] - scene.i0)
    X = (j[None] - scene.j0) * Z / scene.focal
    return Face("Y", (rows, cols), X, np.full((1, 1), float(y)), Z, (x0 <= X) & (x1 >= X))


def box(scene: Scene, x0: float, x1: float, y0: float, y1: float, z0: float, z1: float) -> Iterator[Face]:
    """The faces of a box that the camera may see, from back to front: its top, one side, its front."""
    if y1 < scene.eye:
        yield level(scene, y1, x0, x1, z0, z1)
    if x0 > 0 or x1 < 0:
        yield along(scene, x0 if x0 > 0 else x1, z0, z1, y0, y1)
    yield facing(scene, z0, x0, x1, y0, y1)


def paint(scene: Scene, face: Face, label: int, colour: Array, where: Array | bool = True) -> None:
    """Set the colour and the label of a face ``where`` it is wanted; light tints the colour, distance adds haze."""
    where, lit = face.inside & where, colour * scene.light
    seen = lit + (scene.haze - lit) * (face.Z / (face.Z + scene.sight))
    rows, cols = face.window
    np.copyto(scene.rgb[:, rows, cols], seen, where=where)
    np.copyto(scene.label[rows, cols], np.uint8(label), where=where)


def darken(scene: Scene, face: Face, share: float, where: Array | bool = True) -> None:
    """Throw a shadow: multiply the colours by ``share`` and keep the labels."""
    colours = scene.rgb[:, face.window[0], face.window[1]]
    np.multiply(colours, share, out=colours, where=face.inside & where)


# -- texture and colour ----------------------------------------------------------------------------------------------


def grain(scene: Scene, u: Array, v: Array) -> Array:
    """A random number in [0, 1) for every unit square of the plane (u, v), such as a brick, a leaf or a window."""
    last = len(scene.grain) - 1  # 2^k - 1, so & is the remainder, for negative numbers too
    return scene.grain[np.floor(u).astype(np.intp) & last, np.floor(v).astype(np.intp) & last]


def blur(scene: Scene, u: Array, v: Array) -> Array:
    """The same numbers, interpolated between the squares: clouds, hills, patches of tar."""
    s, t = u - np.floor(u), v - np.floor(v)
    near = grain(scene, u, v) * (1 - t) + grain(scene, u, v + 1) * t
    return near * (1 - s) + (grain(scene, u + 1, v) * (1 - t) + grain(scene, u + 1, v + 1) * t) * s


def disc(face: Face, x: float, y: float, rx: float, ry: float) -> Array:
    """A number below 1 inside the ellipse with centre (x, y) and radii (rx, ry), and above 1 outside."""
    return ((face.X - x) / rx) ** 2 + ((face.Y - y) / ry) ** 2


def rgb(red: float, green: float, blue: float) -> Array:
    """A colour of shape (3, 1, 1), so that ``colour * texture`` is a picture with channels first."""
    return np.array([red, green, blue], float).reshape(3, 1, 1)


def some(rng: Generator, low: float, high: float) -> float:
    """A random number between low and high."""
    return low + (high - low) * rng.random()


def tone(rng: Generator, low: float, high: float, tint: float) -> Array:
    """A random grey between low and high, with up to ``tint`` added to or taken from each channel."""
    return some(rng, low, high) + tint * (2 * rng.random((3, 1, 1)) - 1)


GLASS, TYRE, WHITE, RED, BLUE = rgb(46, 58, 68), rgb(24, 24, 26), rgb(226, 226, 220), rgb(188, 28, 26), rgb(24, 66, 150)

# -- things ----------------------------------------------------------------------------------------------------------


def house(scene: Scene, rng: Generator, x0: float, x1: float, z0: float, z1: float) -> None:
    """Walls of one colour with a grid of windows, a band for the roof, and shops or a plinth at the bottom."""
    wall, roof, trim = tone(rng, 60, 220, 24), tone(rng, 40, 120, 30), tone(rng, 60, 230, 40)
    storey, bay, height = some(rng, 2.8, 3.6), some(rng, 2.0, 3.6), some(rng, 5, 19)
    wide, tall, shop, course = some(rng, 0.3, 0.8), some(rng, 0.4, 0.7), rng.random() < 0.5, some(rng, 0.2, 0.6)
    shade = 1.0 if x0 * scene.sun < 0 else some(rng, 0.45, 0.7)
    for face in box(scene, x0, x1, 0, height, z0, z1):
        u, v = np.broadcast_arrays(face.Z if face.held == "X" else face.X, face.Y)
        lit = shade if face.held == "X" else 0.8
        stone = wall * lit * (0.94 + 0.12 * grain(scene, u / course, v / course))
        paint(scene, face, BUILDING, stone)
        paint(scene, face, BUILDING, trim * lit, v < 0.7)
        column, row = u / bay, v / storey
        pane = (np.abs(column % 1 - 0.5) < wide / 2) & (np.abs(row % 1 - 0.55) < tall / 2) & (v < height - 1.2)
        pane |= shop & (row < 1) & (np.abs(column % 1 - 0.5) < 0.42) & (v > 0.5) & (v < 2.4)
        inside = grain(scene, column + 7, row + 31)
        glass = GLASS + (scene.haze - GLASS) * (0.35 * inside + 0.01 * v) * lit
        paint(scene, face, BUILDING, np.where(inside > 0.86, trim, glass), pane)
        paint(scene, face, BUILDING, roof * lit, v > height - 1.0)


def leaves(scene: Scene, x: float, y: float, z: float, rx: float, ry: float, green: Array) -> None:
    """Leaves: a disc with a rough edge and dark holes, brighter towards the sun."""
    face = facing(scene, z, x - 1.2 * rx, x + 1.2 * rx, max(y - 1.2 * ry, 0), y + 1.2 * ry)
    u, v = np.broadcast_arrays(face.X, face.Y)
    leaf = 0.6 * grain(scene, u / 0.3, v / 0.3) + 0.4 * grain(scene, u / 0.8 + 9, v / 0.8)
    shine = 0.55 + 0.75 * leaf + 0.18 * (v - y) / ry + 0.1 * scene.sun * (u - x) / rx
    paint(scene, face, VEGETATION, green * shine, disc(face, x, y, rx, ry) < 0.55 + 0.7 * leaf)


def tree(scene: Scene, rng: Generator, x: float, z: float) -> None:
    """A trunk and five discs of leaves, in a colour between spring green and autumn brown."""
    high, wide = some(rng, 4, 9), some(rng, 1.2, 2.4)
    green = rgb(some(rng, 35, 125), some(rng, 65, 120), some(rng, 20, 60))
    darken(scene, level(scene, 0, x - wide, x + wide, z - 1, z + 1), 0.65)
    paint(scene, facing(scene, z, x - 0.16, x + 0.16, 0, high * 0.7), VEGETATION, tone(rng, 45, 85, 12))
    for _ in range(5):
        at = x + wide * some(rng, -0.6, 0.6), high * some(rng, 0.55, 0.95)
        leaves(scene, *at, z, wide * some(rng, 0.6, 0.9), wide * some(rng, 0.6, 0.9), green)


def garden(scene: Scene, rng: Generator, x0: float, x1: float, z0: float, z1: float) -> None:
    """Bushes and trees from far to near. The grass is already there."""
    for step in sorted(rng.random(rng.integers(2, 7)))[::-1]:
        x, z = some(rng, x0, x1), z0 + step * (z1 - z0)
        if rng.random() < 0.5:
            tree(scene, rng, x, z)
        else:
            leaves(scene, x, 0.6, z, some(rng, 1, 2.2), some(rng, 0.7, 1.6), tone(rng, 55, 85, 20) * rgb(0.8, 1.3, 0.6))


def car(scene: Scene, rng: Generator, x: float, z: float) -> None:
    """A car or a van from the front or from behind: a body with wheels, lamps and a plate, and a cabin of glass."""
    van, going = rng.random() < 0.15, x > -1 or rng.random() < 0.3
    half, belt, high, long = (0.98, 1.15, some(rng, 1.9, 2.2), 4.8) if van else (some(rng, 0.82, 0.92), 0.88, 1.46, 4.2)
    colour = tone(rng, 25, 235, 8) if rng.random() < 0.6 else tone(rng, 30, 150, 90).clip(8, 240)
    lamp = RED if going else rgb(250, 246, 214)
    darken(scene, level(scene, 0, x - half - 0.25, x + half + 0.25, z - 0.2, z + long + 0.2), 0.4)
    for face in box(scene, x - half, x + half, 0.02, belt, z, z + long):
        front, side = face.held == "Z", face.held == "X"
        light = {"Y": 1.05, "X": 1.0 if x * scene.sun < 0 else 0.65, "Z": 0.85}[face.held]
        paint(scene, face, CAR, colour * light, face.Y > 0.24)
        paint(scene, face, CAR, TYRE, (face.Y < 0.4) & front & (np.abs(np.abs(face.X - x) - half + 0.14) < 0.13))
        paint(scene, face, CAR, TYRE * 1.4, (face.Y > 0.2) & (face.Y < 0.42) & front)
        paint(scene, face, CAR, WHITE, (np.abs(face.Y - 0.5) < 0.07) & front & (np.abs(face.X - x) < 0.27))
        paint(scene, face, CAR, lamp, (np.abs(face.Y - 0.68) < 0.1) & front & (np.abs(face.X - x) > half - 0.36))
        for hub in (z + 0.75, z + long - 0.85):
            wheel = ((face.Z - hub) ** 2 + (face.Y - 0.33) ** 2) / 0.11
            paint(scene, face, CAR, TYRE, (wheel < 1) & side)
            paint(scene, face, CAR, WHITE * 0.6, (wheel < 0.3) & side)
    near, far = (0.15, long - 0.3) if van else (0.5 if going else 1.2, long - (1.2 if going else 0.5))
    for face in box(scene, x - half + 0.1, x + half - 0.1, belt, high, z + near, z + far):
        lean = 1 - 0.3 * (face.Y - belt) / (high - belt)
        reach, middle = (far - near) / 2, z + (near + far) / 2
        across = np.abs(face.Z - middle) / reach if face.held == "X" else np.abs(face.X - x) / (half - 0.1)
        paint(scene, face, CAR, colour, across < lean)
        pane = (across < 0.86 * lean) & (face.Y < high - 0.1) & (face.held != "Y")
        paint(scene, face, CAR, GLASS + (scene.haze - GLASS) * 0.25 * (face.Y - belt) / (high - belt), pane)


def person(scene: Scene, rng: Generator, x: float, z: float) -> None:
    """Legs that walk, a coat, arms, and a head with hair. Children are smaller."""
    size, stride, turn = some(rng, 0.65, 1.05), some(rng, 0.05, 0.3), rng.integers(2) * 2 - 1
    coat, trousers = tone(rng, 30, 200, 70).clip(10, 240), tone(rng, 20, 120, 30).clip(8, 200)
    hair, skin = tone(rng, 25, 130, 20), some(rng, 90, 225) * rgb(0.95, 0.75, 0.6)
    darken(scene, level(scene, 0, x - 0.5 * size, x + 0.5 * size, z - 0.25, z + 0.25), 0.55)
    world = facing(scene, z, x - 0.7 * size, x + 0.7 * size, 0, 1.85 * size)
    face = world._replace(X=(world.X - x) / size, Y=world.Y / size)  # coordinates of a person of 1.8 m at X = 0
    for leg in (-1, 1):
        off, light = leg * (0.09 + stride * (0.9 - face.Y) * 0.9), 1.0 if leg == turn else 0.75
        paint(scene, face, PERSON, trousers * light, (np.abs(face.X - off) < 0.1) & (face.Y < 0.95))
        off = leg * (0.27 + 0.5 * stride * (1.4 - face.Y))
        paint(scene, face, PERSON, coat * 0.8, (np.abs(face.X - off) < 0.07) & (np.abs(face.Y - 1.12) < 0.32))
    paint(scene, face, PERSON, coat, disc(face, 0, 1.15, 0.27, 0.4) < 1)
    paint(scene, face, PERSON, skin, disc(face, 0, 1.64, 0.12, 0.16) < 1)
    paint(scene, face, PERSON, hair, (disc(face, -0.03 * turn, 1.68, 0.14, 0.15) < 1) & (face.Y > 1.66))


def pole(scene: Scene, rng: Generator, x: float, z: float) -> None:
    """A post with a street lamp, a traffic sign or a traffic light."""
    kind, metal = rng.integers(3), tone(rng, 50, 150, 10)
    top = some(rng, 5, 7.5) if kind == 0 else some(rng, 2.6, 3.6)
    face = facing(scene, z, x - 1.6, x + 1.6, 0, top + 0.6)
    right, up = face.X - x, face.Y - top
    paint(scene, face, POLE, metal, (np.abs(right) < 0.09) & (up < 0))
    if kind == 0:
        reach = -right * np.sign(x)  # towards the street
        paint(scene, face, POLE, metal, (np.abs(up) < 0.08) & (reach > 0) & (reach < 1.5))
        paint(scene, face, POLE, WHITE, (np.abs(up + 0.12) < 0.1) & (reach > 0.8) & (reach < 1.5))
    elif kind == 1:
        shape, a, b = rng.integers(3), np.abs(right), np.abs(up)  # disc, square, triangle
        size = (np.sqrt(right**2 + up**2), np.maximum(a, b), np.maximum(1.9 * a + 1.05 * up, -up))[shape]
        rim, field = ((RED, WHITE), (WHITE, BLUE), (BLUE, BLUE * 1.3))[rng.integers(3)] if shape < 2 else (RED, WHITE)
        paint(scene, face, SIGN, rim, size < 0.43)
        paint(scene, face, SIGN, field, size < 0.3)
    else:
        paint(scene, face, LIGHT, TYRE, (np.abs(right) < 0.24) & (np.abs(up) < 0.6))
        on = rng.integers(3)
        for k, lamp in enumerate((RED * 1.25, rgb(235, 150, 40), rgb(34, 200, 105))):
            bright = 1.0 if k == on else 0.25
            paint(scene, face, LIGHT, lamp * bright, right**2 + (up - 0.38 + 0.38 * k) ** 2 < 0.025)


def dustbin(scene: Scene, rng: Generator, x: float, z: float) -> None:
    """A dustbin. Cityscapes has no such class, so it is unlabeled."""
    colour = tone(rng, 30, 130, 40).clip(5, 200)
    for face in box(scene, x - 0.3, x + 0.3, 0, 1.0, z, z + 0.6):
        paint(scene, face, UNLABELED, colour * (0.8 + 0.2 * (face.held == "Z")))


def bonnet(scene: Scene, rng: Generator) -> None:
    """The front of the camera's own car, at the lower edge of the picture."""
    low = scene.eye - (len(scene.label) - scene.i0) / scene.focal
    face = facing(scene, 1, -0.3, 0.3, low, low + 0.05)
    paint(scene, face, EGO, tone(rng, 20, 200, 10), disc(face, 0, low, 0.24, 0.045) < 1)


# -- the street ------------------------------------------------------------------------------------------------------


def heavens(scene: Scene, rng: Generator) -> None:
    """A sky with clouds that fades into haze, and a skyline of trees and far houses that hides the horizon."""
    top = rgb(some(rng, 60, 200), some(rng, 110, 205), some(rng, 170, 235))
    H, W = scene.label.shape
    up, right = (scene.i0 - np.arange(H)[:, None]) / scene.focal, (np.arange(W) - scene.j0) / scene.focal
    cloud = sum(share * blur(scene, right * 7 / share, up * 17 / share) for share in (4 / 7, 2 / 7, 1 / 7))
    cloud = np.clip(3 * cloud - some(rng, 0.8, 2.2), 0, 0.8)
    sky = scene.haze + (top - scene.haze) * np.clip(up * scene.focal / scene.i0, 0, 1)
    scene.rgb[:] = sky + (245 - sky) * cloud
    scene.label[:] = SKY
    for z, label in ((240, BUILDING), (160, VEGETATION)):
        face = facing(scene, z, -3000, 3000, 0, 30)
        u, v = np.broadcast_arrays(face.X / some(rng, 3, 9), face.Y)
        if label == BUILDING:
            edge, colour = 4 + 14 * grain(scene, u, 0 * u), tone(rng, 50, 150, 20)
        else:
            edge, colour = 4 + 8 * blur(scene, u, 0 * u), rgb(60, 85, 45)
        paint(scene, face, label, colour * (0.8 + 0.4 * grain(scene, 3 * u, v)), v < edge)


def ground(scene: Scene, rng: Generator, left: float, right: float, walk: float, lanes: int) -> None:
    """Tar with patches, lane markings (they are road), a kerb, paving stones, and grass beside them."""
    tar, stone, grass = tone(rng, 60, 130, 7), tone(rng, 85, 175, 15), tone(rng, 60, 100, 10) * rgb(0.85, 1.15, 0.6)
    face = level(scene, 0, -3000, 3000, 0.5, 300)
    X, Z = np.broadcast_arrays(face.X, face.Z)
    patches = 0.8 + 0.25 * blur(scene, X / 1.5, Z / 4) + 0.1 * grain(scene, X / 0.15, Z / 0.3)
    blades = 0.6 + 0.5 * blur(scene, X, Z) + 0.3 * grain(scene, X / 0.2, Z / 0.4)
    slab = 0.85 + 0.15 * grain(scene, X / 0.8, Z / 0.8) + 0.1 * grain(scene, X / 0.1, Z / 0.2)
    paint(scene, face, TERRAIN, grass * blades)
    paint(scene, face, SIDEWALK, stone * slab, (X > left - walk) & (X < right + walk))
    paint(scene, face, SIDEWALK, stone * 1.25, (X > left - 0.25) & (X < right + 0.25))
    paint(scene, face, ROAD, tar * patches, (X > left) & (X < right))
    if lanes:  # the markings
        width, paintwork = (right - left) / lanes, WHITE * some(rng, 0.75, 1)
        for k in range(1, lanes):
            dashed = Z % 6 < 3 if 2 * k != lanes or lanes == 2 else True
            paint(scene, face, ROAD, paintwork, (np.abs(X - left - k * width) < 0.09) & dashed)
        for edge in (left + 0.3, right - 0.3):
            paint(scene, face, ROAD, paintwork, np.abs(X - edge) < 0.08)
        if rng.random() < 0.3:
            zebra = (np.abs(Z - some(rng, 9, 25)) < 1.5) & (X % 1 < 0.5)
            paint(scene, face, ROAD, paintwork, zebra & (X > left) & (X < right))
    if rng.random() < 0.5:  # the shadow of the houses on the side of the sun
        reach = some(rng, left - 1, right + 1) + 1.5 * grain(scene, Z / 9, 0 * Z)
        darken(scene, face, some(rng, 0.45, 0.7), (X - reach) * scene.sun > 0)


def roadside(scene: Scene, rng: Generator, x: float, side: int) -> None:
    """Houses and gardens from x outwards, from far to near, with a gap here and there."""
    leafy, z, plots = rng.random(), 1.5, []
    while z < 110:
        plots.append((z, z := z + some(rng, 7, 18)))
        z += some(rng, 0, 6) if rng.random() < 0.3 else 0
    for z0, z1 in plots[::-1]:
        draw, near, far = (garden, 1, 9) if rng.random() < leafy else (house, 0, 25)
        x0, x1 = sorted((x + near * side, x + far * side))
        draw(scene, rng, x0, x1, z0, z1)


def traffic(scene: Scene, rng: Generator, left: float, right: float, walk: float, lane: float) -> None:
    """Cars that park or drive, and people, posts, trees and dustbins on the pavement, from far to near."""
    things = []
    for x in (left + 1.1, right - 1.1):
        if abs(x) > 1.9 and rng.random() < 0.7:
            things += [(car, x, z + some(rng, 0, 1)) for z in range(8, 70, 6) if rng.random() < 0.5]
    for x in (0, left + lane / 2 + 0.4):
        if rng.random() < 0.5:
            things.append((car, x + some(rng, -0.3, 0.3), some(rng, 9, 45)))
    for draw, most, near in ((person, 7, 5), (pole, 6, 6), (tree, 4, 9), (dustbin, 2, 9)):
        for _ in range(rng.integers(most + 1)):
            off = some(rng, 0.4, walk - 0.3) if draw is person else 0.5
            things.append((draw, right + off if rng.random() < 0.5 else left - off, some(rng, near, 45)))
    if rng.random() < 0.3:
        things.append((person, some(rng, left, right), some(rng, 9, 30)))
    for draw, x, z in sorted(things, key=lambda thing: -thing[2]):
        draw(scene, rng, x, z)


def street_scene(
    rng: Generator, height: int = 64, width: int = 128, *, lanes: int | None = None
) -> tuple[Array, Array]:
    """Draw one street: an RGB image of shape (H, W, 3) and its label ids of shape (H, W), both uint8.

    Each id is one of :data:`LABELS`.
    Exactness: label_ids[i, j] is the id of the first thing that the ray through the middle of pixel (i, j) meets.
    Source: ours; the ids are those of Cordts 2016, arXiv 1604.01685, status exact.

    Parameters
    ----------
    rng : numpy.random.Generator; the same state draws the same scene
    height, width : int; at least 32
    lanes : {None, 0, 2, 4}; marked lanes; 0 is a narrow street without markings, None a random choice

    Examples
    --------
    >>> image, label_ids = street_scene(np.random.default_rng(0), 32, 64)
    >>> image.shape, label_ids.shape
    ((32, 64, 3), (32, 64))
    """
    H, W = (RAYS * need_int("street_scene", name, size, 32) for name, size in (("height", height), ("width", width)))
    lanes = (0, 2, 2, 4)[rng.integers(4)] if lanes is None else need_choice("street_scene", "lanes", lanes, (0, 2, 4))
    scene = Scene(
        rgb=np.zeros((3, H, W)), label=np.zeros((H, W), np.uint8),
        i0=H * some(rng, 0.38, 0.5), j0=W * some(rng, 0.35, 0.65), focal=1.8 * H, eye=some(rng, 1.3, 1.7),
        haze=tone(rng, 150, 225, 11), sight=some(rng, 60, 400), light=some(rng, 0.65, 1.2) * tone(rng, 1, 1, 0.07),
        sun=2 * int(rng.integers(2)) - 1, grain=rng.random((64, 64)),
    )  # fmt: skip
    lane, walk = some(rng, 2.9, 3.5), some(rng, 1.6, 4.2)
    right = lane / 2 + some(rng, 0, 2.8) if lanes else some(rng, 1.8, 3.4)
    left = right - (lanes * lane + some(rng, 0, 2) if lanes else 2 * lane - 1)
    heavens(scene, rng)
    ground(scene, rng, left, right, walk, lanes)
    roadside(scene, rng, left - walk, -1)
    roadside(scene, rng, right + walk, +1)
    traffic(scene, rng, left, right, walk, lane)
    if rng.random() < 0.25:
        bonnet(scene, rng)
    fine = np.clip(np.rint(scene.rgb), 0, 255).astype(np.int64).reshape(3, height, RAYS, width, RAYS)
    image = fine.sum(axis=(2, 4)).transpose(1, 2, 0) // (4 * RAYS**2) * 4  # six bits a channel, for small files
    return np.ascontiguousarray(image, np.uint8), scene.label[RAYS // 2 :: RAYS, RAYS // 2 :: RAYS].copy()
