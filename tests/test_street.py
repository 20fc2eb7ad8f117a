"""The street generator and its shipped samples: exact labels, the same bytes everywhere, nothing unlisted."""

import importlib.util
import shutil
from pathlib import Path

import numpy as np
import pytest

from tinybnn.data import street as stage
from tinybnn.data.samples import CITY_CLASSES, load, road_label
from tinybnn.data.street import EGO, LABELS, ROAD, SKY, UNLABELED, street_scene

SAMPLES = Path(__file__).parent.parent / "data_samples" / "street"
LIMIT = 2_800_000


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("make_street", SAMPLES.parent / "make_street.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def drawn(script):
    """Every sample, drawn now."""
    return dict(script.scenes())


@pytest.fixture(scope="module")
def label_maps(drawn):
    return np.stack([array for name, array in drawn.items() if name.endswith("_labelIds.png")])


def scene(seed=0, height=40, width=72, **options):
    return street_scene(np.random.default_rng(seed), height, width, **options)


# -- the stage ----------------------------------------------------------------------------------------------------


def empty_stage(height=90, width=150):
    return stage.Scene(
        rgb=np.zeros((3, height, width)), label=np.zeros((height, width), np.uint8),
        i0=40.3, j0=70.8, focal=160.0, eye=1.5,
        haze=stage.rgb(200, 210, 220), sight=100.0, light=stage.rgb(1, 1, 1), sun=1,
        grain=np.random.default_rng(0).random((8, 8)),
    )  # fmt: skip


@pytest.mark.parametrize(
    "face, corners",
    [
        (lambda s: stage.facing(s, 7.0, -1.0, 2.0, 0.2, 3.0), dict(X=(-1, 2), Y=(0.2, 3), Z=(7, 7))),
        (lambda s: stage.along(s, 2.5, 4.0, 30.0, 0.1, 6.0), dict(X=(2.5, 2.5), Y=(0.1, 6), Z=(4, 30))),
        (lambda s: stage.along(s, -3.0, 4.0, 30.0, 0.1, 1.0), dict(X=(-3, -3), Y=(0.1, 1), Z=(4, 30))),
        (lambda s: stage.level(s, 0.4, -2.0, 3.0, 5.1, 50.0), dict(X=(-2, 3), Y=(0.4, 0.4), Z=(5.1, 50))),
    ],
)
def test_a_face_is_what_rays_through_every_pixel_hit(face, corners):
    """Ray by ray: through the middle of pixel (i, j) goes (X, Y, Z) = t (j + .5 - j0, i0 - i - .5, f) / f + eye."""
    s = empty_stage()
    f = face(s)
    held = f.held
    seen = np.zeros(s.label.shape, bool)
    seen[f.window] = f.inside
    at = {letter: np.broadcast_to(getattr(f, letter), f.inside.shape) for letter in "XYZ"}
    hits = 0
    for i, j in np.ndindex(s.label.shape):
        ray = dict(X=(j + 0.5 - s.j0) / s.focal, Y=(s.i0 - i - 0.5) / s.focal, Z=1.0)
        t = (corners[held][0] - (s.eye if held == "Y" else 0)) / ray[held]
        point = {letter: t * ray[letter] + (s.eye if letter == "Y" else 0) for letter in "XYZ"}
        hit = t > 0 and all(low < point[k] <= high for k, (low, high) in corners.items() if k != held)
        assert seen[i, j] == hit, (i, j, point)
        if hit:
            hits += 1
            for letter in "XYZ":
                row, col = i - f.window[0].start, j - f.window[1].start
                assert at[letter][row, col] == pytest.approx(point[letter], rel=1e-12)
    assert hits > 50


def test_a_stroke_sets_colour_and_label_of_the_same_pixels_and_fades_with_distance():
    s = empty_stage()
    near, far = stage.facing(s, 5.0, -1, 1, 0, 1), stage.facing(s, 100.0, -10, 10, 3, 15)
    for face, label in ((near, 11), (far, 26)):
        stage.paint(s, face, label, stage.rgb(100, 100, 100), face.X > 0)
    assert ((s.rgb > 0).all(0) == (s.label > 0)).all()
    assert {11, 26} <= set(s.label.flat)
    assert np.unique(s.rgb[:, s.label == 26]).tolist() == [150, 155, 160]  # at Z = sight half is haze
    assert (s.rgb[:, s.label == 11].max(1) < 106).all()
    before = s.label.copy()
    stage.darken(s, near, 0.5)
    assert (s.label == before).all() and (s.rgb[:, s.label == 11].max(1) < 53).all()


def test_grain_is_constant_on_unit_squares_and_blur_meets_it_at_their_corners():
    s = empty_stage()
    u, v = np.meshgrid(np.arange(-9.0, 9), np.arange(-9.0, 9))
    whole = stage.grain(s, u, v)
    assert (whole == s.grain[u.astype(int) % 8, v.astype(int) % 8]).all()
    assert (stage.grain(s, u + 0.99, v + 0.5) == whole).all()
    assert (stage.blur(s, u, v) == whole).all()
    halfway = stage.blur(s, u + 0.5, v)
    assert np.allclose(halfway, (whole + stage.grain(s, u + 1, v)) / 2, rtol=0, atol=1e-15)


# -- the generator ------------------------------------------------------------------------------------------------


def test_the_same_generator_draws_the_same_scene_and_another_one_another():
    (image, label), (again, label_again), (other, _) = scene(3), scene(3), scene(4)
    assert (image == again).all() and (label == label_again).all()
    assert (image != other).mean() > 0.5


def test_the_random_numbers_used_are_these_and_the_global_state_is_left_alone():
    state = np.random.get_state(legacy=False)["state"]["key"].copy()
    rng = np.random.default_rng(5)
    first, _ = street_scene(rng, 32, 32)
    second, _ = street_scene(rng, 32, 32)
    assert (first != second).any()
    assert (np.random.get_state(legacy=False)["state"]["key"] == state).all()


@pytest.mark.parametrize("height, width", [(32, 32), (33, 47), (64, 128), (120, 40), (32, 400)])
@pytest.mark.parametrize("lanes", [None, 0, 2, 4])
def test_any_size_from_32_up(height, width, lanes):
    image, label = scene(1, height, width, lanes=lanes)
    assert image.shape == (height, width, 3) and label.shape == (height, width)
    assert image.dtype == label.dtype == np.uint8
    assert image.flags.c_contiguous and label.flags.c_contiguous
    assert set(label.flat) <= set(LABELS)
    assert not (label[: height // 4] == ROAD).any() and not (label[3 * height // 4 :] == SKY).any()


@pytest.mark.parametrize(
    "arguments, message",
    [
        ((31, 64), "street_scene: height is 31, expected a whole number >= 32"),
        ((64, 8), "street_scene: width is 8, expected a whole number >= 32"),
        ((64.0, 64), "street_scene: height is 64.0, expected a whole number >= 32"),
    ],
)
def test_sizes_too_small_are_refused(arguments, message):
    with pytest.raises(ValueError) as error:
        street_scene(np.random.default_rng(0), *arguments)
    assert str(error.value) == message


def test_other_numbers_of_lanes_are_refused():
    with pytest.raises(ValueError, match="street_scene: lanes is 3, expected one of 0, 2, 4"):
        scene(lanes=3)


def test_every_label_is_of_cityscapes_and_every_class_is_there(label_maps):
    ids = set(np.unique(label_maps).tolist())
    assert ids == set(LABELS)
    assert ids - {UNLABELED, EGO} <= set(CITY_CLASSES.values())


def test_classes_come_as_often_as_in_a_street(label_maps):
    """Per cent of all pixels, and of the first 50 scenes those that hold the class at all."""
    share = {name: 100 * (label_maps == i).mean() for name, i in CITY_CLASSES.items()}
    scenes = {name: (label_maps[:50] == i).any(axis=(1, 2)).sum() for name, i in CITY_CLASSES.items()}
    bounds = {
        "road": (20, 45, 50), "sidewalk": (5, 15, 45), "building": (15, 40, 45), "vegetation": (8, 25, 45),
        "sky": (4, 16, 45), "car": (2, 10, 40), "terrain": (0.5, 5, 30), "person": (0.4, 2, 30), "pole": (0.3, 2, 30),
        "traffic sign": (0.05, 1, 15), "traffic light": (0.05, 1, 15),
    }  # fmt: skip
    for name, (low, high, least) in bounds.items():
        assert low < share[name] < high and scenes[name] >= least, (name, share[name], scenes[name])
    assert all(share[name] == 0 for name in CITY_CLASSES.keys() - bounds.keys())
    ignored = 100 * ((label_maps == UNLABELED) | (label_maps == EGO)).mean()
    assert 0.1 < ignored < 3


def test_colour_alone_does_not_give_the_class_away(drawn):
    """The best class for each of 4096 colours, learnt on the training scenes, misses a third of held-out pixels."""
    counts, right, all_of_them = np.zeros((4096, 34)), 0, 0
    for split in ("train", "val"):
        for name, image in drawn.items():
            if f"leftImg8bit/{split}/" in name:
                label = drawn[name.replace("leftImg8bit/", "gtFine/", 1).replace("leftImg8bit.", "gtFine_labelIds.")]
                scored = label > EGO
                r, g, b = np.moveaxis(image[scored].astype(int) // 16, -1, 0)
                colour = (r * 16 + g) * 16 + b
                if split == "train":
                    np.add.at(counts, (colour, label[scored]), 1)
                else:
                    right += (counts.argmax(1)[colour] == label[scored]).sum()
                    all_of_them += scored.sum()
    assert 0.4 < right / all_of_them < 0.67


# -- the road colour code -----------------------------------------------------------------------------------------


def test_road_colours_say_what_the_labels_say(script):
    label = np.arange(40, dtype=np.uint8).reshape(5, 8)
    colours = script.kitti_road_colours(label)
    assert colours.dtype == np.uint8
    for i, j in np.ndindex(label.shape):
        expected = (0, 0, 0) if label[i, j] <= 6 else (255, 0, 255) if label[i, j] == 7 else (255, 0, 0)
        assert tuple(colours[i, j].tolist()) == expected


# -- the shipped samples ------------------------------------------------------------------------------------------


def test_the_samples_are_what_the_script_draws_and_every_sha256_is_listed(script, drawn):
    assert list(script.differences(SAMPLES, drawn)) == []
    assert len(script.listed(SAMPLES)) == len(drawn) == 4 * (96 + 32)


def test_the_samples_are_small():
    files = [path for path in SAMPLES.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < LIMIT
    everything = [path for path in SAMPLES.parent.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in everything) < 4_000_000


def test_the_check_notices_every_kind_of_difference(script, drawn, tmp_path):
    few = dict(list(drawn.items())[:8])
    for name in few:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(SAMPLES / name, tmp_path / name)
    lines = (SAMPLES / "README.md").read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if "/" not in line[66:] or line[66:] in few]
    (tmp_path / "README.md").write_text("\n".join(kept), encoding="utf-8")
    assert list(script.differences(tmp_path, few)) == []

    image, labels, road, colours, altered, *_ = few
    few[image] = few[image].copy()
    few[image][5, 7, 1] ^= 4
    (tmp_path / labels).unlink()
    del few[road]
    (tmp_path / altered).write_bytes((tmp_path / altered).read_bytes() + b"\0")
    kept = [line for line in kept if not line.endswith(colours)]
    (tmp_path / "README.md").write_text("\n".join(kept), encoding="utf-8")
    assert sorted(script.differences(tmp_path, few)) == sorted([
        f"{image}: pixels differ from what the generator draws",
        f"{labels}: missing",
        f"{road}: not drawn by this script",
        f"{colours}: sha256 is not the one in README.md",
        f"{altered}: sha256 is not the one in README.md",
    ])  # fmt: skip


def test_making_writes_what_checking_accepts(script, drawn, tmp_path, monkeypatch, capsys):
    few = list(drawn.items())[:6]
    monkeypatch.setattr(script, "scenes", lambda: iter(few))
    monkeypatch.setattr(script, "HERE", tmp_path / "street")
    assert script.main([]) == 0 and script.main(["--check"]) == 0
    assert "6 pictures as drawn" in capsys.readouterr().out
    assert not list(tmp_path.rglob("*.part"))
    next((tmp_path / "street").rglob("*_labelIds.png")).unlink()
    assert script.main(["--check"]) == 1
    assert "missing" in capsys.readouterr().out


def test_the_loader_reads_both_layouts():
    train, val = load("street", "train"), load("street", "val")
    assert (len(train), len(val)) == (96, 32)
    assert train[0].image.shape == (64, 128, 3)
    roads = [load(f"kitti-road:{SAMPLES / 'kitti-road'}", split) for split in ("train", "val")]
    assert [len(road) for road in roads] == [101, 27]


def test_the_two_layouts_show_the_same_scenes(drawn):
    for k in (0, 1, 35):
        road = SAMPLES / f"kitti-road/training/gt_image_2/{('uu', 'um', 'umm')[k % 3]}_road_{k // 3:06d}.png"
        label_ids = drawn[f"cityscapes/gtFine/train/bithaven/bithaven_000000_{k:06d}_gtFine_labelIds.png"]
        assert (road_label(road) == np.where(label_ids <= 6, 255, label_ids == 7)).all()
