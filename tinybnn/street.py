"""Streets drawn from random numbers, with exact labels. After this page you have any amount of data from one world.

A scene is painted back to front, as a theatre is built: sky, skyline, ground, houses from far to near, then whatever
stands in the street from far to near. Each thing is one small function of a place, and each of its strokes sets picture
and labels together (:func:`tinybnn.stage.paint`), so the labels are exact. Nine rays a pixel are averaged, as a lens
does; the label is that of the middle ray. Colours, light and haze are drawn anew for every scene: walls and tar share
their greys, so that place, shape and texture must be learnt beside colour.
"""

import numpy as np
from numpy.random import Generator

from .notation import Array
from .stage import Scene, blur, darken, facing, grain, level, paint, rgb, some, tone
from .street_things import (
    BUILDING,
    ROAD,
    SIDEWALK,
    SKY,
    TERRAIN,
    VEGETATION,
    WHITE,
    bonnet,
    car,
    dustbin,
    garden,
    house,
    person,
    pole,
    tree,
)
from .validate import need_choice, need_dtype, need_int, need_shape

RAYS = 3
"""Rays a pixel has, per side; odd, so that one goes through its middle."""


def heavens(scene: Scene, rng: Generator) -> None:
    """Sky from zenith to haze with clouds, and a skyline of trees and far houses to hide the horizon."""
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
        u, v = face.X / some(rng, 3, 9) + 0 * face.Y, face.Y + 0 * face.X
        edge, colour = (4 + 14 * grain(scene, u, 0 * u), tone(rng, 50, 150, 20)) if label == BUILDING else (
            4 + 8 * blur(scene, u, 0 * u), rgb(60, 85, 45))  # fmt: skip
        paint(scene, face, label, colour * (0.8 + 0.4 * grain(scene, 3 * u, v)), v < edge)


def ground(scene: Scene, rng: Generator, left: float, right: float, walk: float, lanes: int) -> None:
    """Tar with patches and lane markings (they are road), a kerb, paving stones, and grass beyond."""
    tar, stone, grass = tone(rng, 60, 130, 7), tone(rng, 85, 175, 15), tone(rng, 60, 100, 10) * rgb(0.85, 1.15, 0.6)
    face = level(scene, 0, -3000, 3000, 0.5, 300)
    X, Z = face.X, face.Z + 0 * face.X
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
    if rng.random() < 0.5:  # on the sunny side the houses throw their shadow over the street
        reach = some(rng, left - 1, right + 1) + 1.5 * grain(scene, Z / 9, 0 * Z)
        darken(scene, face, some(rng, 0.45, 0.7), (X - reach) * scene.sun > 0)


def roadside(scene: Scene, rng: Generator, x: float, side: int) -> None:
    """Plot beside plot from x outwards, far to near: houses, gardens, and now and then a gap between."""
    leafy, z, plots = rng.random(), 1.5, []
    while z < 110:
        plots.append((z, z := z + some(rng, 7, 18)))
        z += some(rng, 0, 6) if rng.random() < 0.3 else 0
    for z0, z1 in plots[::-1]:
        if rng.random() < leafy:
            x0, x1 = sorted((x + side, x + 9 * side))
            garden(scene, rng, x0, x1, z0, z1)
        else:
            x0, x1 = sorted((x, x + 25 * side))
            house(scene, rng, x0, x1, z0, z1)


def traffic(scene: Scene, rng: Generator, left: float, right: float, walk: float, lane: float) -> None:
    """Cars parked where there is room, and driving; people, posts, trees, dustbins on the pavement; far to near."""
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
    """Draw one street and its exact labels.

    Parameters
    ----------
    rng : numpy.random.Generator
        Every choice comes from here: the same state draws the same scene.
    height, width : int
        At least 32.
    lanes : {None, 0, 2, 4}, optional
        Marked lanes; 0 is a narrow street without markings, None chooses.

    Returns
    -------
    image : ndarray of shape (H, W, 3)
        uint8, RGB.
    label_ids : ndarray of shape (H, W)
        uint8, each one of :data:`tinybnn.street_things.LABELS`.

    Raises
    ------
    ValueError
        If height or width is below 32, or lanes is none of those named.

    Notes
    -----
    Exactness: label[i, j] is the id of what the ray through the middle of pixel (i, j) meets first.
    Source: ours; the ids are those of Cordts 2016, arXiv 1604.01685, status exact.

    Examples
    --------
    >>> image, label_ids = street_scene(np.random.default_rng(0), 32, 64)
    >>> image.shape, label_ids.shape
    ((32, 64, 3), (32, 64))
    """
    H, W = (RAYS * need_int("street_scene", name, size, 32) for name, size in (("height", height), ("width", width)))
    lanes = (0, 2, 2, 4)[rng.integers(4)] if lanes is None else need_choice("street_scene", "lanes", lanes, (0, 2, 4))
    scene = Scene(
        rgb=np.zeros((3, H, W)),
        label=np.zeros((H, W), np.uint8),
        i0=H * some(rng, 0.38, 0.5),
        j0=W * some(rng, 0.35, 0.65),
        focal=1.8 * H,
        eye=some(rng, 1.3, 1.7),
        haze=tone(rng, 150, 225, 11),
        sight=some(rng, 60, 400),
        light=some(rng, 0.65, 1.2) * tone(rng, 1, 1, 0.07),
        sun=2 * int(rng.integers(2)) - 1,
        grain=rng.random((64, 64)),
    )
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
    image = fine.sum(axis=(2, 4)).transpose(1, 2, 0) // (4 * RAYS**2) * 4  # six bits a channel keep the files small
    return np.ascontiguousarray(image, np.uint8), scene.label[RAYS // 2 :: RAYS, RAYS // 2 :: RAYS].copy()


def kitti_road_colours(label_ids: Array) -> Array:
    """The KITTI road colour code of a label map: magenta road, red valid and no road, black ignored.

    Parameters
    ----------
    label_ids : ndarray of shape (H, W)
        Cityscapes labelIds; 0..6 are the ids that mean nothing in particular, and are ignored.

    Returns
    -------
    ndarray of shape (H, W, 3)
        uint8, RGB: R > 0 is the valid area, B > 0 is road.

    Raises
    ------
    ValueError, TypeError
        If the map is not two-dimensional, or not of integers.

    Notes
    -----
    Exactness: the code by ``==``.
    Source: Fritsch 2013 and the KITTI road development kit; status exact.

    Examples
    --------
    >>> kitti_road_colours(np.array([[7, 11, 0]])).tolist()
    [[[255, 0, 255], [255, 0, 0], [0, 0, 0]]]
    """
    need_shape("kitti_road_colours", "label_ids", label_ids, "H W")
    need_dtype("kitti_road_colours", "label_ids", label_ids, np.integer)
    none = np.zeros_like(label_ids, bool)
    return np.stack([label_ids > 6, none, label_ids == ROAD], axis=-1).astype(np.uint8) * np.uint8(255)
