"""The shipped photo crops: each as index.csv lists it, nothing unlisted, and no photograph in both splits."""

import csv
import hashlib
import importlib.util
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from tinybnn.data.samples import load

SAMPLES = Path(__file__).parent.parent / "data_samples" / "photos"
LIMIT = 1_900_000
TRACED = json.loads((SAMPLES.parent / "photos_outlines.json").read_text(encoding="utf-8"))

with open(SAMPLES / "index.csv", encoding="utf-8", newline="") as file:
    ROWS = list(csv.DictReader(file))


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("make_photos", SAMPLES.parent / "make_photos.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def paths(row):
    folder = SAMPLES / row["split"]
    return folder / "images" / f"{row['file']}.jpg", folder / "ground_truth_mask" / f"{row['file']}.png"


def sources(split):
    """The photographs that the crops of a split show, in front or behind."""
    rows = [row for row in ROWS if row["split"] == split]
    return {row["object"].partition(":")[0] for row in rows} | {row["background"] for row in rows}


def objects(split):
    names = [row["object"].partition(":")[2].split("+") for row in ROWS if row["split"] == split]
    return {name for shown in names for name in shown}


def test_every_listed_file_is_there_with_its_sha256():
    for row in ROWS:
        for path, key in zip(paths(row), ("image_sha256", "mask_sha256")):
            assert hashlib.sha256(path.read_bytes()).hexdigest() == row[key], path


def test_nothing_is_unlisted_and_all_stays_small():
    files = {path for path in SAMPLES.rglob("*") if path.is_file()}
    assert files == {SAMPLES / "index.csv", SAMPLES / "README.md", *(path for row in ROWS for path in paths(row))}
    assert sum(path.stat().st_size for path in files) < LIMIT


def test_every_crop_is_96_by_96_and_its_mask_has_both_values_and_no_other():
    for row in ROWS:
        with Image.open(paths(row)[0]) as image, Image.open(paths(row)[1]) as mask:
            assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (96, 96)), row
            assert (mask.format, mask.mode, mask.size) == ("PNG", "L", (96, 96)), row
            label = np.asarray(mask)
        assert np.unique(label).tolist() == [0, 255], row
        assert 0.1 <= (label == 255).mean() <= 0.65, row


def test_no_photograph_serves_both_splits():
    assert not sources("train") & sources("val")
    assert len(objects("train")) >= 7 and len(objects("val")) >= 4
    assert len({row["background"] for row in ROWS if row["split"] == "val"}) >= 4


@pytest.mark.parametrize("split, natural, composite", [("train", 60, 180), ("val", 24, 40)])
def test_a_natural_crop_has_one_photograph_and_a_composite_two(split, natural, composite):
    kinds = {"natural": 0, "composite": 0}
    for row in ROWS:
        if row["split"] == split:
            kinds[row["kind"]] += 1
            assert (row["object"].partition(":")[0] == row["background"]) == (row["kind"] == "natural"), row
    assert kinds == {"natural": natural, "composite": composite}


def test_every_object_named_was_traced_in_the_photograph_named():
    for row in ROWS:
        photo, _, shown = row["object"].partition(":")
        assert all(TRACED["objects"][name]["photo"] == photo for name in shown.split("+")), row


def test_the_readme_tells_of_every_photograph_its_split_package_rights_and_sha256():
    readme = (SAMPLES / "README.md").read_text(encoding="utf-8")
    assert sources("train") | sources("val") == set(TRACED["photos"])
    for name, photo in TRACED["photos"].items():
        assert photo["rights"].startswith(("public domain; ", "CC0, "))
        assert name in sources(photo["split"])
        line = next(line for line in readme.splitlines() if line.startswith(f"| {name} | {photo['split']} |"))
        for key in ("package", "file", "sha256", "rights"):
            assert photo[key] in line, (name, key)
        for traced in (k for k, o in TRACED["objects"].items() if o["photo"] == name):
            assert traced in line


@pytest.mark.parametrize("split, count", [("train", 240), ("val", 64)])
def test_the_loader_reads_them(split, count):
    crops = load("photos", split)
    assert len(crops) == count
    assert crops[0].image.shape == (96, 96, 3) and set(np.unique(crops[0].label)) == {0, 1}


# -- the script that cuts them, without its photographs -----------------------------------------------------------


def test_a_view_and_its_coverage_see_the_same_square(script):
    """A photograph of an object's own shape, seen through any view, is that object's coverage."""
    rng = np.random.default_rng(0)
    for name, traced in TRACED["objects"].items():
        points = np.array([p for ring in traced["outlines"] for p in ring])
        width, height = points.max(0) + 40
        drawn = Image.new("L", (int(width), int(height)))
        for ink, rings in ((255, traced["outlines"]), (0, traced["holes"])):
            for ring in rings:
                ImageDraw.Draw(drawn).polygon([tuple(p) for p in ring], fill=ink)
        side = 0.8 * np.sqrt(script.area([name]))
        view = script.View(*points[len(points) // 2], side, mirrored=rng.random() < 0.5, turn=rng.uniform(-1, 1))
        seen = view.pixels(drawn.convert("RGB"))[..., 0] >= 128
        assert 0.05 < seen.mean() < 0.95, name
        assert (seen != (np.asarray(view.coverage([name])) >= 128)).mean() < 0.02, name


def test_the_area_is_the_shoelace_of_all_outlines(script):
    assert script.area(["clock"]) == pytest.approx(np.pi * 73 * 60, rel=0.02)
    assert script.area(["clock", "clock"]) == 2 * script.area(["clock"])


def test_a_cut_object_stays_at_the_border_where_its_photograph_cuts_it(script):
    rng, box = np.random.default_rng(0), (0, 0, 512, 600)
    views = [view for _ in range(60) if (view := script.aim(rng, ["officer"], box, (False, False, True, True)))]
    assert len(views) > 10 and any(view.x - view.side / 2 < 0 for view in views)
    for view in views:
        assert view.x + view.side / 2 <= 512 + 1e-9 and view.y + view.side / 2 <= 600 + 1e-9


def test_checking_names_every_wrong_file_and_no_other(script, tmp_path):
    fresh, root = tmp_path / "fresh", tmp_path / "photos"
    shutil.copytree(SAMPLES, fresh)
    shutil.copytree(SAMPLES, root)
    assert list(script.differences(root, fresh, ROWS)) == []

    missing, altered, other, stray = "val/images/0001.jpg", "val/ground_truth_mask/0002.png", "0003", "val/images/x.jpg"
    (root / missing).unlink()
    Image.new("L", (96, 96)).save(root / altered)
    (root / stray).write_bytes(b"")
    mask = np.asarray(Image.open(fresh / f"val/ground_truth_mask/{other}.png")).copy()
    mask[40, 40] = 255 - mask[40, 40]
    Image.fromarray(mask).save(fresh / f"val/ground_truth_mask/{other}.png")
    image = np.asarray(Image.open(fresh / f"val/images/{other}.jpg"), np.uint8)
    Image.fromarray(image[:, ::-1]).save(fresh / f"val/images/{other}.jpg", quality=88)
    found = list(script.differences(root, fresh, [row | {"kind": "composite"} for row in ROWS]))
    assert sorted(found) == sorted([
        "index.csv: lists other crops than this script cuts",
        f"{missing}: missing",
        f"{stray}: not listed in index.csv",
        f"{altered}: sha256 is not the one in index.csv",
        f"val/ground_truth_mask/{other}.png: not what this script cuts",
        f"val/images/{other}.jpg: not what this script cuts",
    ])  # fmt: skip
