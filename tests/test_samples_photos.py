"""The shipped photo crops: each as index.csv lists it, nothing unlisted, and no photograph in both splits."""

import csv
import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tinybnn.data import load

SAMPLES = Path(__file__).parent.parent / "data_samples" / "photos"
LIMIT = 1_900_000
TRACED = json.loads((SAMPLES.parent / "photos_outlines.json").read_text(encoding="utf-8"))

with open(SAMPLES / "index.csv", encoding="utf-8", newline="") as file:
    ROWS = list(csv.DictReader(file))


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
