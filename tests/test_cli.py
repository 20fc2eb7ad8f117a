"""The command line as people type it: every verb, every refusal in one line, and what is left on disk."""

import json
import re
import shutil
import warnings

import numpy as np
import pytest
from conftest import TINY
from PIL import Image

from tinybnn.app import verbs
from tinybnn.app.cli import main
from tinybnn.app.verbs import model_of
from tinybnn.data.images import TRAIN_ID, read_image
from tinybnn.data.samples import samples_root
from tinybnn.data.store import save_json
from tinybnn.model.deploy import load_packed
from tinybnn.model.evaluate import predict, probability
from tinybnn.model.train import load_run, save_run


def refused(capsys, *argv):
    """The one line with which the program refuses."""
    capsys.readouterr()
    assert main([str(a) for a in argv]) == 2
    captured = capsys.readouterr()
    lines = [line for line in captured.err.splitlines() if line.strip() and "step/s" not in line]  # no progress bar
    assert len(lines) == 1 and lines[0].startswith("tinybnn: ") and "Traceback" not in captured.err
    return lines[0]


def test_train_leaves_run_config_and_scores(run):
    assert sorted(p.name for p in run.iterdir()) == ["config.json", "run.npz", "scores.json"]
    assert json.loads((run / "config.json").read_text())["network"]["width"] == 4
    assert list(json.loads((run / "scores.json").read_text())) == ["IoU", "MAE", "max-F", "S", "E"]
    assert load_run(run / "run.npz").step == 3


def test_a_config_file_speaks_and_options_overrule_it(run, tmp_path):
    config = json.loads((run / "config.json").read_text())
    config["network"].pop("classes")
    (tmp_path / "c.json").write_text(json.dumps({"network": config["network"], "training": {"steps": 1, "batch": 1}}))
    argv = [
        "train",
        "--data",
        "photos",
        "--out",
        tmp_path / "r",
        "--config",
        tmp_path / "c.json",
        "--crop",
        "32",
        "--batch",
        "2",
    ]
    assert main([str(a) for a in argv]) == 0
    new = load_run(tmp_path / "r" / "run.npz")
    assert (new.config.width, new.training.steps, new.training.batch, new.training.crop) == (4, 1, 2, 32)


def test_evaluate_gives_the_scores_of_training(run, capsys):
    before = (run / "scores.json").read_text()
    assert main(["evaluate", str(run)]) == 0
    assert "max-F" in capsys.readouterr().out and (run / "scores.json").read_text() == before


def test_pack_then_evaluate_the_packed_file_gives_the_same_scores(run, capsys):
    assert main(["pack", str(run)]) == 0
    said = capsys.readouterr().out
    assert "fast packed form: logits equal those of the simulation, bit for bit, on 64 held-out images" in said
    main(["evaluate", str(run)])
    simulated = capsys.readouterr().out
    assert main(["evaluate", str(run / "packed.npz"), "--data", "photos"]) == 0
    assert capsys.readouterr().out == simulated
    assert load_packed(run / "packed.npz").config.binary


@pytest.mark.parametrize("size", [(33, 47), (8, 8), (5, 90)])
def test_predict_any_size(run, tmp_path, size):
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    Image.fromarray(image).save(tmp_path / "in.png")
    assert main(["predict", str(tmp_path / "in.png"), "--model", str(run), "--out", str(tmp_path / "out")]) == 0
    label, overlay = (np.asarray(Image.open(tmp_path / "out" / f"in_{kind}.png")) for kind in ("label", "overlay"))
    assert label.shape == size and set(np.unique(label)) <= {0, 1} and overlay.shape == (*size, 3)


def test_a_picture_that_does_not_fit_is_refused_before_anything_is_written(run, tmp_path, capsys, monkeypatch):
    Image.fromarray(np.zeros((64, 96, 3), np.uint8)).save(tmp_path / "in.png")
    assert verbs.free_memory() > 50
    monkeypatch.setattr(verbs, "free_memory", lambda: 0.25)
    line = refused(capsys, "predict", tmp_path / "in.png", "--model", run, "--out", tmp_path / "out")
    assert re.search(r"in.png, 64 x 96, needs about [1-9] MB of memory, 0 are free", line)
    assert not (tmp_path / "out").exists()


@pytest.fixture(scope="module")
def street(tmp_path_factory):
    """A small trained run on the shipped streets."""
    folder = tmp_path_factory.mktemp("street") / "run"
    assert main(["train", "--data", "street", "--out", str(folder), "--steps", "2", *TINY]) == 0
    return folder


def stored(path):
    with Image.open(path) as file:
        file.load()
    return file


def test_predict_writes_what_is_asked(run, street, tmp_path, capsys):
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (9, 12, 3), np.uint8)).save(tmp_path / "a.png")
    image, out = str(tmp_path / "a.png"), tmp_path / "out"
    kinds = ["labels", "trainIds", "labelIds", "overlay"]
    assert main(["predict", image, "--model", str(street), "--out", str(out), "--write", *kinds]) == 0
    files = ["a_label.png", "a_overlay.png", "labelIds/a.png", "trainIds/a.png"]
    assert sorted(p.relative_to(out).as_posix() for p in out.rglob("*.png")) == files
    label, ids, train_ids = (stored(out / name) for name in (files[0], *files[2:]))
    assert (label.mode, ids.mode, train_ids.mode) == ("P", "L", "L")
    np.testing.assert_array_equal(label, train_ids)
    np.testing.assert_array_equal(TRAIN_ID[np.asarray(ids)], train_ids)
    assert main(["predict", image, "--model", str(run), "--out", str(out), "--write", "probability", "labels"]) == 0
    model, pixels = model_of(run), read_image(image)
    p = probability(predict(model.logits_of, pixels, model.config.stride))
    np.testing.assert_array_equal(stored(out / "probability" / "a.png"), np.rint(255 * p))
    for folder, kind, has, need in ((run, "labelIds", 2, 19), (street, "probability", 19, 2)):
        line = refused(capsys, "predict", image, "--model", folder, "--out", tmp_path / "none", "--write", kind)
        assert (
            f"--write is {kind}, and the network has {has} classes, expected {need}" in line
            and not (tmp_path / "none").exists()
        )


def test_results_of_one_name_are_refused_before_anything_is_computed(run, tmp_path, capsys):
    names = ["a/1.png", "b/1.png", "a/1.jpg", "a/N\u00e9.png", "b/ne\u0301.PNG", "2.png"]
    for name in [*names, "out/2_label.png", "out/probability/3.png"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8)).save(tmp_path / name)
    for one, other, *write in (
        ("a/1.png", "b/1.png"), ("a/1.png", "a/1.jpg"), ("a/1.png", "b/../a/1.png"), (names[3], names[4]),
        ("2.png", "out/2_label.png"), ("a/1.png", "out/probability/3.png", "--write", "probability"),
    ):  # fmt: skip
        before = sorted(tmp_path.rglob("*"))
        argv = [tmp_path / one, tmp_path / other, "--model", tmp_path / "no model", "--out", tmp_path / "out", *write]
        assert "expected other names, or another --out" in refused(capsys, "predict", *argv)
        assert sorted(tmp_path.rglob("*")) == before


def test_the_official_scorer_of_cityscapes_reads_the_predictions(street, tmp_path, monkeypatch):
    reason = "the witness needs: pip install cityscapesscripts"
    scorer = pytest.importorskip("cityscapesscripts.evaluation.evalPixelLevelSemanticLabeling", reason=reason)
    root = samples_root() / "street" / "cityscapes"
    images = sorted(map(str, root.glob("leftImg8bit/val/*/*.png")))
    assert main(["predict", *images, "--model", str(street), "--out", str(tmp_path), "--write", "labelIds"]) == 0
    for name, value in {"predictionPath": tmp_path, "predictionWalk": None, "evalInstLevelScore": False,
                        "JSONOutput": False, "quiet": True, "evalLabels": []}.items():  # fmt: skip
        monkeypatch.setattr(scorer.args, name, value)
    truths = sorted(map(str, root.glob("gtFine/val/*/*_labelIds.png")))
    found = scorer.evaluateImgLists([scorer.getPrediction(scorer.args, t) for t in truths], truths, scorer.args)
    ours = json.loads((street / "scores.json").read_text())["mIoU"]
    np.testing.assert_allclose(found["averageScoreClasses"], ours, rtol=1e-12)


def test_info_prints_the_layer_table(run, capsys):
    assert main(["info", "--branches", "2", "--image", "32", "64"]) == 0
    out = capsys.readouterr().out
    assert "binary upsampling, 2 branches" in out and out.splitlines()[-2].startswith("total")
    assert main(["info", str(run)]) == 0
    assert "has its own options, but width was given" in refused(capsys, "info", run, "--width", "4")


def test_resume_continues_and_keeps_its_options(run, tmp_path, capsys):
    argv = ["train", "--data", "photos", "--out", str(run), "--resume"]
    assert main(argv) == 0 and load_run(run / "run.npz").step == 3
    assert "--resume keeps the run's options, but lr was given" in refused(capsys, *argv, "--lr", "0.5")


@pytest.mark.parametrize(
    "argv, message",
    [
        (["train", "--data", "nowhere:/x", "--out", "OUT"], "kind is 'nowhere', expected one of"),
        (["train", "--data", "ecssd:OUT/none", "--out", "OUT"], "none"),
        (["train", "--data", "photos", "--out", "OUT", "--crop", "30"], "crop is 30, expected a multiple of 8"),
        (["train", "--data", "photos", "--out", "OUT", "--optimizer", "magic"], "optimizer is 'magic'"),
        (["train", "--data", "photos", "--out", "OUT", "--width", "0"], "width is 0, expected a whole number"),
        (["train", "--data", "photos", "--out", "OUT", "--config", "OUT/none.json"], "none.json"),
        (["train", "--data", "photos", "--out", "OUT", "--steps", "0"], "steps is 0, expected a whole number >= 1"),
        (["train", "--data", "photos", "--out", "OUT", "--every", "0"], "every is 0, expected a whole number >= 1"),
        (["train", "--data", "photos", "--out", "OUT", "--zoom", "1"], "zoom is (1.0,), expected a list of 2 values"),
        (["train", "--data", "street", "--out", "OUT", "--loss", "dice"], "loss 'dice' is for 2 classes"),
        (
            ["train", "--data", "photos", "--out", "OUT", "--gate", "position"],
            "of 64, expected no side of 96",
        ),
        (["train", "--data", "photos", "--out", "OUT", "--resume", "--overwrite"], "expected one of the two"),
        (["train", "--data", "photos", "--out", "OUT", "--stages", "1000000000"], "stages is 1000000000"),
        (["train", "--data", "photos", "--out", "OUT", "--resume"], "no such file, expected a tinybnn run"),
        (["evaluate", "OUT"], "no such file, expected a tinybnn run"),
        (["evaluate", "OUT/none.npz"], "no such file, expected a tinybnn packed network"),
        (["info", "--image", "30", "32"], "image is 30 x 32, expected multiples of 8"),
        (["info", "--image", "0", "8"], "info: image is 0, expected a whole number >= 1"),
        (["compare", "--out", __file__], "test_cli.py: cannot be written"),
        (["demo", "--data", "ecssd"], "ecssd"),
        (["demo", "--steps", "0", "--out", "OUT/demo"], "demo: steps is 0, expected a whole number >= 1"),
        (["compare", "--seeds", "0"], "compare: seeds is 0, expected a whole number >= 1"),
    ],
)
def test_refusals_are_one_line_and_leave_nothing(argv, message, tmp_path, capsys):
    line = refused(capsys, *(str(a).replace("OUT", str(tmp_path)) for a in argv))
    assert message in line and not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "content, words",
    [
        (b'{"network": {"binary": "false"}}', "net.Config: binary is 'false', expected true or false"),
        (b'{"network": {"stages": 1000000000}}', "net.Config: stages is 1000000000"),
        (b'{"network": {"classes": 3}}', "the network has 3 classes, the data 2"),
        (b'{"network": {"width": "4"}}', "net.Config: width is '4', expected a whole number"),
        (b'{"network": []}', "network is [], expected names and values"),
        (b'{"training": null}', "training is None"),
        (b"[]", "expected names and values"),
        (b"", "not JSON in UTF-8"),
        ('{"training": {}}'.encode("utf-16"), "not JSON in UTF-8"),
        (b"[" * 100_000, "not JSON in UTF-8"),
    ],
)
def test_a_config_file_is_refused_by_name_and_field(content, words, tmp_path, capsys):
    (tmp_path / "c.json").write_bytes(content)
    argv = ["train", "--data", "photos", "--out", tmp_path / "run", "--config", tmp_path / "c.json", "--width", "4"]
    line = refused(capsys, *argv)
    assert f"{tmp_path / 'c.json'}: " in line and words in line and not (tmp_path / "run").exists()


def test_a_run_is_overwritten_only_when_asked_for(run, tmp_path, capsys):
    out = tmp_path / "run"
    shutil.copytree(run, out)
    (out / "packed.npz").write_text("of the old network")
    argv = ["train", "--data", "photos", "--out", out, "--steps", "1", *TINY]
    assert f"{out} holds a run, expected another --out, or --resume or --overwrite" in refused(capsys, *argv)
    assert load_run(out / "run.npz").step == 3
    assert main([str(a) for a in (*argv, "--overwrite")]) == 0 and load_run(out / "run.npz").step == 1
    assert sorted(p.name for p in out.iterdir()) == ["config.json", "run.npz", "scores.json"]


def test_data_belong_to_the_run(run, tmp_path, capsys):
    photos = samples_root() / "photos"
    shutil.copytree(photos, tmp_path / "moved")
    shutil.copytree(photos, tmp_path / "other")
    (tmp_path / "other" / "val" / "images" / "0001.jpg").write_bytes(b"another size")
    shutil.copytree(run, tmp_path / "run")
    argv = ["train", "--out", tmp_path / "run", "--resume", "--data"]
    assert "kind is street, the run's photos" in refused(capsys, *argv, "street")
    assert "other names or sizes" in refused(capsys, *argv, f"photos:{tmp_path / 'other'}")
    assert main([str(a) for a in (*argv, f"photos:{tmp_path / 'moved'}")]) == 0
    assert "is finished: all of its 3 steps are done" in capsys.readouterr().err
    save_json(tmp_path / "run" / "config.json", {"data": "street", "network": {"classes": 19}})  # only a copy
    assert main(["evaluate", str(tmp_path / "run")]) == 0
    (tmp_path / "moved" / "val" / "images" / "0001.jpg").write_bytes(b"another size")
    assert "is not what the run was trained on" in refused(capsys, "evaluate", tmp_path / "run")
    assert "is not what the run was trained on" in refused(capsys, "pack", tmp_path / "run")
    assert main(["evaluate", str(tmp_path / "run"), "--data", "photos"]) == 0
    save_run(tmp_path / "run" / "run.npz", load_run(run / "run.npz")._replace(source=None))
    assert "does not say what the network was trained on" in refused(capsys, "evaluate", tmp_path / "run")


def test_pack_does_not_write_over_a_run(run, capsys):
    assert "the name of a run" in refused(capsys, "pack", run, "--out", run / "run.npz")


@pytest.mark.parametrize("error", [MemoryError("4 TB"), RecursionError("deep"), OSError(28, "No space left on device")])
def test_errors_of_the_machine_are_one_line(error, monkeypatch, capsys):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr("tinybnn.app.verbs.load", fail)
    line = refused(capsys, "train", "--data", "photos", "--out", "nowhere")
    assert str(error.args[-1]) in line and "Errno" not in line


def test_an_out_that_cannot_be_written_is_refused_before_the_first_step(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    argv = ["train", "--data", "photos", *TINY, "--out"]
    assert refused(capsys, *argv, tmp_path / "file") == f"tinybnn: {tmp_path / 'file'}: File exists"
    assert f"{tmp_path / 'file' / 'run'}" in refused(capsys, *argv, tmp_path / "file" / "run")


def test_a_float_twin_cannot_be_packed(tmp_path, capsys):
    main(["train", "--data", "photos", "--out", str(tmp_path), "--steps", "1", "--no-binary", *TINY])
    assert "config.binary is False" in refused(capsys, "pack", tmp_path)


def test_a_broken_image_is_refused_before_anything_is_written(run, tmp_path, capsys):
    whole = next((samples_root() / "photos" / "val" / "images").iterdir())
    (tmp_path / "cut.jpg").write_bytes(whole.read_bytes()[:500])
    line = refused(capsys, "predict", whole, tmp_path / "cut.jpg", "--model", run, "--out", tmp_path / "out")
    assert "cut.jpg" in line and not (tmp_path / "out").exists()


def test_the_network_and_the_data_must_agree_on_classes(run, capsys):
    assert "2 classes, the data 19" in refused(capsys, "evaluate", run, "--data", "street")


# -- the published layouts, read from the shipped samples, which keep to them ---------------------------------------

LAYOUTS = {
    "cityscapes": ("street/cityscapes", "mIoU"),
    "kitti-road": ("street/kitti-road", "max_f"),
    "ecssd": ("photos/train", "max-F"),
}


@pytest.mark.parametrize("kind", LAYOUTS)
def test_every_published_layout_trains_and_evaluates(kind, tmp_path, capsys):
    folder, measure = LAYOUTS[kind]
    data = f"{kind}:{samples_root() / folder}"
    assert main(["train", "--data", data, "--out", str(tmp_path / "run"), "--steps", "1", *TINY]) == 0
    capsys.readouterr()
    assert main(["evaluate", str(tmp_path / "run")]) == 0
    assert measure in capsys.readouterr().out


def six_photographs(root):
    """A folder in ECSSD's layout."""
    for folder in ("images", "ground_truth_mask"):
        (root / folder).mkdir(parents=True)
        for path in sorted((samples_root() / "photos" / "train" / folder).iterdir())[:6]:
            shutil.copy(path, root / folder)


def spoil(root, how):
    """One thing wrong with a folder in ECSSD's layout."""
    image, mask = root / "images" / "0001.jpg", root / "ground_truth_mask" / "0001.png"
    if how == "missing folder":
        shutil.rmtree(root)
    elif how == "empty split":
        for path in (*image.parent.iterdir(), *mask.parent.iterdir()):
            path.unlink()
    elif how == "no held-out split":
        image.with_stem("0005").unlink()
        mask.with_stem("0005").unlink()
    elif how == "an unknown label":
        Image.fromarray(np.full((96, 96, 3), (255, 0, 0), np.uint8)).save(mask)
    elif how == "a truncated PNG":
        mask.write_bytes(mask.read_bytes()[:100])


@pytest.mark.parametrize(
    "how, words",
    [
        ("missing folder", "copy"),
        ("empty split", "empty"),
        ("no held-out split", "empty val split"),
        ("an unknown label", "0001.png"),
        ("a truncated PNG", "0001.png"),
    ],
)
def test_what_is_wrong_with_data_is_one_line_and_status_two(how, words, tmp_path, capsys):
    six_photographs(tmp_path / "copy")
    spoil(tmp_path / "copy", how)
    # batches of many, so that the spoilt file is certain to be drawn
    argv = ["train", "--data", f"ecssd:{tmp_path / 'copy'}", "--out", tmp_path / "run", "--steps", "9", *TINY]
    assert words in refused(capsys, *argv)


def test_what_is_converted_or_left_out_is_said_once_and_strict_refuses(tmp_path, capsys):
    six_photographs(tmp_path / "copy")
    for path in (tmp_path / "copy" / "ground_truth_mask").iterdir():
        Image.fromarray(np.asarray(stored(path)) // 255).save(path)  # 0 and 1
    (tmp_path / "copy" / "images" / "0001.jpg").unlink()
    data = f"ecssd:{tmp_path / 'copy'}"
    capsys.readouterr()
    assert main(["train", "--data", data, "--out", str(tmp_path / "run"), "--steps", "5", *TINY]) == 0
    said = [line for line in capsys.readouterr().err.replace("\r", "\n").splitlines() if line.startswith("tinybnn: ")]
    assert len(said) == 2, said
    assert "1 of 6 files have no image and are left out: " in said[0]
    assert said[1].endswith("ground_truth_mask has masks of the greys 0 and 1, read as background and object")
    for argv in (["train", "--data", data, "--out", tmp_path / "b"], ["evaluate", tmp_path / "run"],
                 ["compare", "--data", data]):  # fmt: skip
        assert "0001.png has no image, expected " in refused(capsys, *argv, "--strict")


def test_a_network_is_trained_and_scored_on_shrunken_images(tmp_path, capsys):
    data, run = f"cityscapes:{samples_root() / 'street' / 'cityscapes'}", tmp_path / "run"
    argv = ["train", "--data", data, "--out", str(run), "--steps", "2", *TINY, "--crop", "16", "--shrink", "2"]
    assert main(argv) == 0 and load_run(run / "run.npz").training.shrink == 2
    trained = (run / "scores.json").read_text()
    assert main(["evaluate", str(run)]) == 0 and (run / "scores.json").read_text() == trained
    assert main(["evaluate", str(run), "--shrink", "1"]) == 0 and (run / "scores.json").read_text() != trained
    assert main(["pack", str(run)]) == 0
    packed = ["evaluate", str(run / "packed.npz"), "--data", data, "--shrink"]
    printed = []
    for k in "21":
        capsys.readouterr()
        assert main([*packed, k]) == 0
        printed.append(capsys.readouterr().out.split()[1])
    assert printed[0] == f"{json.loads(trained)['mIoU']:.4f}" != printed[1]
    assert "shrink is 0, expected a whole number >= 1" in refused(capsys, "evaluate", run, "--shrink", "0")


def test_compare_takes_any_data_and_the_options_of_train(tmp_path, capsys):
    six_photographs(tmp_path / "copy")
    data, out = f"ecssd:{tmp_path / 'copy'}", tmp_path / "out"
    argv = ["compare", "--data", data, "--seeds", "1", "--steps", "2", "--shrink", "3", *TINY, "--lr", "0.01"]
    assert main([*argv, "--normalise", "--out", str(out)]) == 0
    assert "marking every pixel as object would have an IoU of" in capsys.readouterr().out
    record = json.loads((out / "comparison.json").read_text())
    assert record["data"] == data and record["held out"] == 1 and len(record["scores"]) == 4
    assert record["options"]["network"]["width"] == 4 and record["options"]["shrink"] == 3
    assert "crop is 30, expected a multiple of 4" in refused(capsys, *argv, "--crop", "30")
    street = ["compare", "--data", "street", "--seeds", "1", "--steps", "1", *TINY, "--normalise"]
    assert "normalise is for saliency, and the task is 'labels'" in refused(capsys, *street)


def test_pysodmetrics_scores_the_predictions_as_evaluate_does(run, tmp_path, capsys):
    reason = "the witness needs: pip install pysodmetrics opencv-python-headless scikit-image"
    reference = pytest.importorskip("py_sod_metrics", reason=reason)
    root = samples_root() / "photos" / "val"
    images = sorted(root.glob("images/*"))
    assert (
        main(["predict", *map(str, images), "--model", str(run), "--out", str(tmp_path), "--write", "probability"]) == 0
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of its own future
        metrics = [getattr(reference, kind)() for kind in ("MAE", "Fmeasure", "Smeasure", "Emeasure")]
    for image in images:
        pair = (stored(p) for p in (tmp_path / "probability" / f"{image.stem}.png",
                                    root / "ground_truth_mask" / f"{image.stem}.png"))  # fmt: skip
        for metric in metrics:
            metric.step(*map(np.asarray, pair := list(pair)))
    mae, f, s, e = (metric.get_results() for metric in metrics)
    capsys.readouterr()
    main(["evaluate", str(run), "--normalise"])
    ours = json.loads((run / "scores.json").read_text())
    main(["evaluate", str(run)])
    theirs = {"MAE": mae["mae"], "max-F": f["fm"]["curve"].max(), "S": s["sm"], "E": e["em"]["curve"].mean()}
    for name, value in theirs.items():  # they truncate 255 p, so p = k / 255 may fall below k
        np.testing.assert_allclose(ours[name], value, rtol=0, atol=1e-10 if name in ("MAE", "S") else 1e-3)
