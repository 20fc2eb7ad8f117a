"""What stands in a street, each thing a few strokes: houses, trees, cars, people, poles.

Each is one function of a place on the ground: it paints the thing's picture and its label together, on the stage of
:mod:`tinybnn.stage`, with every choice left to chance drawn from the generator it is given.
"""

import numpy as np
from numpy.random import Generator

from .notation import Array
from .stage import Scene, box, darken, disc, facing, grain, level, paint, rgb, some, tone

UNLABELED, EGO, ROAD, SIDEWALK, BUILDING, POLE, LIGHT, SIGN = 0, 1, 7, 8, 11, 17, 19, 20
VEGETATION, TERRAIN, SKY, PERSON, CAR = 21, 22, 23, 24, 26
LABELS = (UNLABELED, EGO, ROAD, SIDEWALK, BUILDING, POLE, LIGHT, SIGN, VEGETATION, TERRAIN, SKY, PERSON, CAR)
"""Every id a scene may hold: Cityscapes labelIds, of which the first two are not scored."""

GLASS, TYRE, WHITE, RED, BLUE = rgb(46, 58, 68), rgb(24, 24, 26), rgb(226, 226, 220), rgb(188, 28, 26), rgb(24, 66, 150)


def house(scene: Scene, rng: Generator, x0: float, x1: float, z0: float, z1: float) -> None:
    """Walls of one colour, windows in a grid (some lit, some curtained), a roof band, shops or a plinth below."""
    wall, roof, trim = tone(rng, 60, 220, 24), tone(rng, 40, 120, 30), tone(rng, 60, 230, 40)
    storey, bay, height = some(rng, 2.8, 3.6), some(rng, 2.0, 3.6), some(rng, 5, 19)
    wide, tall, shop, course = some(rng, 0.3, 0.8), some(rng, 0.4, 0.7), rng.random() < 0.5, some(rng, 0.2, 0.6)
    shade = 1.0 if x0 * scene.sun < 0 else some(rng, 0.45, 0.7)
    for face in box(scene, x0, x1, 0, height, z0, z1):
        u = (face.Z if face.held == "X" else face.X) + 0 * face.Y
        v = face.Y + 0 * u
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
    """A clump of leaves: a ragged disc, bright towards the sun, with dark holes."""
    face = facing(scene, z, x - 1.2 * rx, x + 1.2 * rx, max(y - 1.2 * ry, 0), y + 1.2 * ry)
    u, v = face.X + 0 * face.Y, face.Y + 0 * face.X
    leaf = 0.6 * grain(scene, u / 0.3, v / 0.3) + 0.4 * grain(scene, u / 0.8 + 9, v / 0.8)
    shine = 0.55 + 0.75 * leaf + 0.18 * (v - y) / ry + 0.1 * scene.sun * (u - x) / rx
    paint(scene, face, VEGETATION, green * shine, disc(face, x, y, rx, ry) < 0.55 + 0.7 * leaf)


def tree(scene: Scene, rng: Generator, x: float, z: float) -> None:
    """A trunk and five clumps of leaves, from spring green to autumn brown."""
    high, wide = some(rng, 4, 9), some(rng, 1.2, 2.4)
    green = rgb(some(rng, 35, 125), some(rng, 65, 120), some(rng, 20, 60))
    darken(scene, level(scene, 0, x - wide, x + wide, z - 1, z + 1), 0.65)
    paint(scene, facing(scene, z, x - 0.16, x + 0.16, 0, high * 0.7), VEGETATION, tone(rng, 45, 85, 12))
    for _ in range(5):
        at = x + wide * some(rng, -0.6, 0.6), high * some(rng, 0.55, 0.95)
        leaves(scene, *at, z, wide * some(rng, 0.6, 0.9), wide * some(rng, 0.6, 0.9), green)


def garden(scene: Scene, rng: Generator, x0: float, x1: float, z0: float, z1: float) -> None:
    """Bushes, and behind one another a few trees; the grass is there already."""
    for step in sorted(rng.random(rng.integers(2, 7)))[::-1]:
        x, z = some(rng, x0, x1), z0 + step * (z1 - z0)
        if rng.random() < 0.5:
            tree(scene, rng, x, z)
        else:
            leaves(scene, x, 0.6, z, some(rng, 1, 2.2), some(rng, 0.7, 1.6), tone(rng, 55, 85, 20) * rgb(0.8, 1.3, 0.6))


def car(scene: Scene, rng: Generator, x: float, z: float) -> None:
    """Two boxes on wheels: a body with lamps and plate, a cabin of glass. Sometimes a van. It comes or it goes."""
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
    """Legs in mid-stride, a coat, arms, a head with hair; children are smaller."""
    size, stride, turn = some(rng, 0.65, 1.05), some(rng, 0.05, 0.3), rng.integers(2) * 2 - 1
    coat, trousers = tone(rng, 30, 200, 70).clip(10, 240), tone(rng, 20, 120, 30).clip(8, 200)
    hair, skin = tone(rng, 25, 130, 20), some(rng, 90, 225) * rgb(0.95, 0.75, 0.6)
    darken(scene, level(scene, 0, x - 0.5 * size, x + 0.5 * size, z - 0.25, z + 0.25), 0.55)
    world = facing(scene, z, x - 0.7 * size, x + 0.7 * size, 0, 1.85 * size)
    face = world._replace(X=(world.X - x) / size, Y=world.Y / size)  # as if 1.8 m tall, at X = 0
    for leg in (-1, 1):
        off, light = leg * (0.09 + stride * (0.9 - face.Y) * 0.9), 1.0 if leg == turn else 0.75
        paint(scene, face, PERSON, trousers * light, (np.abs(face.X - off) < 0.1) & (face.Y < 0.95))
        off = leg * (0.27 + 0.5 * stride * (1.4 - face.Y))
        paint(scene, face, PERSON, coat * 0.8, (np.abs(face.X - off) < 0.07) & (np.abs(face.Y - 1.12) < 0.32))
    paint(scene, face, PERSON, coat, disc(face, 0, 1.15, 0.27, 0.4) < 1)
    paint(scene, face, PERSON, skin, disc(face, 0, 1.64, 0.12, 0.16) < 1)
    paint(scene, face, PERSON, hair, (disc(face, -0.03 * turn, 1.68, 0.14, 0.15) < 1) & (face.Y > 1.66))


def pole(scene: Scene, rng: Generator, x: float, z: float) -> None:
    """A post: with a lamp on an arm, with a traffic sign, or with a traffic light."""
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
        size = (
            np.sqrt(right**2 + up**2),
            np.maximum(np.abs(right), np.abs(up)),
            np.maximum(1.9 * np.abs(right) + 1.05 * up, -up),
        )[shape := rng.integers(3)]  # disc, square, triangle
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
    """A dustbin: Cityscapes scores no such class, so it is unlabeled."""
    colour = tone(rng, 30, 130, 40).clip(5, 200)
    for face in box(scene, x - 0.3, x + 0.3, 0, 1.0, z, z + 0.6):
        paint(scene, face, UNLABELED, colour * (0.8 + 0.2 * (face.held == "Z")))


def bonnet(scene: Scene, rng: Generator) -> None:
    """Our own, at the lower edge of the picture, one metre away."""
    low = scene.eye - (len(scene.label) - scene.i0) / scene.focal
    face = facing(scene, 1, -0.3, 0.3, low, low + 0.05)
    paint(scene, face, EGO, tone(rng, 20, 200, 10), disc(face, 0, low, 0.24, 0.045) < 1)
