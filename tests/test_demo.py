"""The demo, shortened: what it prints, what it leaves, and what it does when interrupted or when bits differ."""

import json

import numpy as np
import pytest
from PIL import Image

from tinybnn.app import demo as demo_module
from tinybnn.app.cli import main
from tinybnn.app.variants import VARIANTS
from tinybnn.model.deploy import load_packed
from tinybnn.model.train import load_run

PICTURES = ["attention.png", "branches.png", "curves.png", "predictions.png"]


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    out = tmp_path_factory.mktemp("demo")
    assert main(["demo", "--out", str(out), "--steps", "2"]) == 0
    return out


def test_everything_is_written(done):
    assert sorted(p.name for p in done.iterdir()) == sorted([*PICTURES, "metrics.json", "model.npz", "packed.npz"])
    for name in PICTURES:
        assert np.asarray(Image.open(done / name)).std() > 10, f"{name} is blank"


def test_the_record_says_what_was_measured(done):
    record = json.loads((done / "metrics.json").read_text())
    assert list(record["networks"]) == list(VARIANTS) and record["packed"]["differing logits"] == 0
    for row in record["networks"].values():
        assert {"IoU", "MAE", "max-F", "parameters", "bytes", "binary MACs", "float MACs", "ms a crop"} <= row.keys()
    assert load_run(done / "model.npz").config == load_packed(done / "packed.npz").config


def test_the_same_seed_gives_the_same_numbers(done, tmp_path):
    main(["demo", "--out", str(tmp_path), "--steps", "2"])

    def numbers(folder):
        networks = json.loads((folder / "metrics.json").read_text())["networks"]
        return {name: {k: v for k, v in row.items() if k != "ms a crop"} for name, row in networks.items()}

    assert numbers(tmp_path) == numbers(done)


def interrupt_at(monkeypatch, variant):
    def train_variant(name, *args, **options):
        if name == variant:
            raise KeyboardInterrupt
        return original(name, *args, **options)

    original = demo_module.train_variant
    monkeypatch.setattr(demo_module, "train_variant", train_variant)


def test_an_interrupt_keeps_what_is_done(tmp_path, monkeypatch, capsys):
    interrupt_at(monkeypatch, "binary, 3 branches")
    assert main(["demo", "--out", str(tmp_path), "--steps", "1"]) == 130
    record = json.loads((tmp_path / "metrics.json").read_text())
    assert list(record["networks"]) == ["float twin", "binary, nearest"]
    assert "what was done is kept" in capsys.readouterr().err


def test_an_interrupt_before_anything_is_done_writes_nothing(tmp_path, monkeypatch):
    interrupt_at(monkeypatch, "float twin")
    assert main(["demo", "--out", str(tmp_path / "out"), "--steps", "1"]) == 130
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("verb", ["demo", "compare"])
def test_a_folder_that_cannot_be_made_is_refused_before_anything_is_trained(verb, tmp_path, capsys, monkeypatch):
    (tmp_path / "file").write_text("")
    interrupt_at(monkeypatch, "float twin")
    assert main([verb, "--out", str(tmp_path / "file" / "out"), "--steps", "1"]) == 2
    assert "cannot be written, expected a folder" in capsys.readouterr().err


def test_one_differing_bit_is_an_error(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(demo_module, "differing_logits", lambda *args: 1)
    assert main(["demo", "--out", str(tmp_path), "--steps", "1"]) == 1
    assert "1 logits differ" in capsys.readouterr().err


def test_compare_prints_paired_differences(tmp_path, capsys):
    assert main(["compare", "--seeds", "2", "--steps", "1", "--out", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "binary, 3 branches - binary, nearest" in out and "/2)" in out
    scores = json.loads((tmp_path / "comparison.json").read_text())["scores"]
    assert list(scores) == list(VARIANTS) and all(len(runs) == 2 for runs in scores.values())
