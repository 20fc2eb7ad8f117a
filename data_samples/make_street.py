"""Draw ``data_samples/street`` again: ``python data_samples/make_street.py``.

Scene k is ``street_scene(default_rng([SEED, k]), lanes=...)`` with 0, 2 or 4 marked lanes in turn. The first 96 scenes
are for training, the next 32 are held out. All scenes are written a second time in the layout and the colours of KITTI
road, where the number of lanes gives the category: uu has no markings, um two lanes, umm four.

``--check`` draws everything again, writes nothing, and compares: the pixels with those of the committed files, because
the bytes of a PNG depend on the compression library, and the sha256 of each file with the README.
"""

import argparse
import hashlib
import os
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from tinybnn.data.street import ROAD, street_scene

HERE = Path(__file__).resolve().parent / "street"
SEED = 1874
CITIES = (("train", "bithaven", 48), ("train", "signhausen", 48), ("val", "popcountia", 32))
CATEGORIES = (("uu", 0), ("um", 2), ("umm", 4))

README = """# Street samples

Small street scenes, 64 x 128 pixels, drawn by this project's own `tinybnn/data/street.py`. They contain nothing from
photographs, other data sets or models.

- **Origin**: scene k is `street_scene(np.random.default_rng([{seed}, k]), lanes=(0, 2, 4)[k % 3])`; k is the number in
  its name. `python data_samples/make_street.py` draws all of them again; with `--check` it compares them with these
  files, pixel by pixel.
- **Licence**: CC0 1.0. To the extent the law allows, the authors of tinybnn waive all rights to these pictures:
  <https://creativecommons.org/publicdomain/zero/1.0/>. The program that draws them is under the MIT licence.
- **`cityscapes/`**: {train} scenes to train on (cities bithaven and signhausen), {val} held out (popcountia), in the
  layout of Cityscapes, with labelIds as labels. The classes are 7 road, 8 sidewalk, 11 building, 17 pole,
  19 traffic light, 20 traffic sign, 21 vegetation, 22 terrain, 23 sky, 24 person and 26 car. Two ids are not scored:
  0 unlabeled (dustbins) and 1 ego vehicle (the bonnet). The other eight scored classes do not occur, so leave them out
  of a mean, as `mean_iou` does.
- **`kitti-road/`**: the same scenes in the layout of KITTI road; scene k is number k // 3 of category uu (no lane
  markings), um (two lanes) or umm (four lanes), for k % 3 = 0, 1, 2. Magenta is road, red is not road, black is
  ignored. Numbers divisible by five are held out, because `tinybnn.data.samples` does so with this layout.

## sha256 of each file

`grep -E '^[0-9a-f]{{64}} ' README.md | sha256sum -c` checks them.

```
{sums}
```
"""


def kitti_road_colours(label_ids):
    """KITTI road's colours of a map of labelIds: magenta is road, red is no road, black (ids 0..6) is ignored."""
    none = np.zeros_like(label_ids)
    return np.stack([label_ids > 6, none, label_ids == ROAD], axis=-1).astype(np.uint8) * np.uint8(255)


def scenes():
    """Every file of the samples: its path under ``street/`` and its pixels."""
    k = 0
    for split, city, count in CITIES:
        for _ in range(count):
            category, lanes = CATEGORIES[k % 3]
            image, label_ids = street_scene(np.random.default_rng([SEED, k]), lanes=lanes)
            frame = f"{split}/{city}/{city}_000000_{k:06d}"
            yield f"cityscapes/leftImg8bit/{frame}_leftImg8bit.png", image
            yield f"cityscapes/gtFine/{frame}_gtFine_labelIds.png", label_ids
            yield f"kitti-road/training/image_2/{category}_{k // 3:06d}.png", image
            yield f"kitti-road/training/gt_image_2/{category}_road_{k // 3:06d}.png", kitti_road_colours(label_ids)
            k += 1


def replace(path, write):
    """Write to a temporary name beside ``path``, then rename, so that a file is either complete or absent."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    write(part)
    os.replace(part, path)


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def make(root):
    """Draw everything below ``root``, and its README."""
    names = []
    for name, array in scenes():
        picture = Image.fromarray(array)
        replace(root / name, lambda part, picture=picture: picture.save(part, format="PNG", optimize=True))
        names.append(name)
    count = {split: sum(n for s, _, n in CITIES if s == split) for split in ("train", "val")}
    sums = "\n".join(f"{sha256(root / name)}  {name}" for name in sorted(names))
    text = README.format(seed=SEED, sums=sums, **count)
    replace(root / "README.md", lambda part: part.write_text(text, encoding="utf-8", newline="\n"))


def listed(root):
    """What the README says: ``{name: sha256}``."""
    lines = (root / "README.md").read_text(encoding="utf-8").splitlines()
    return {line[66:]: line[:64] for line in lines if line[64:66] == "  " and "/" in line[66:]}


def differences(root, drawn):
    """A line for each file that is missing, unknown, unlisted, altered, or not as ``drawn``, pairs as of scenes()."""
    drawn, sums = dict(drawn), listed(root)
    here = {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()} - {"README.md"}
    for name in sorted(here | set(drawn) | set(sums)):
        if name not in here:
            yield f"{name}: missing"
        elif name not in drawn:
            yield f"{name}: not drawn by this script"
        elif sums.get(name) != sha256(root / name):
            yield f"{name}: sha256 is not the one in README.md"
        else:
            with Image.open(root / name) as picture:
                if not np.array_equal(np.asarray(picture), drawn[name]):
                    yield f"{name}: pixels differ from what the generator draws"


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare with the committed files, write nothing")
    if not parser.parse_args(arguments).check:
        make(HERE)
        total = sum(path.stat().st_size for path in HERE.rglob("*") if path.is_file())
        print(f"{HERE.name}: {len(listed(HERE))} pictures, {total} bytes with README.md")
        return 0
    found = list(differences(HERE, scenes()))
    print("\n".join(found) or f"{HERE.name}: {len(listed(HERE))} pictures as drawn")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
