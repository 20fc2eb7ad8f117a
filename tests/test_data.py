"""The five layouts, written file by file in a temporary folder, with everything that goes wrong in such folders."""

import re
import shutil

import numpy as np
import pytest
from PIL import Image

from tinybnn.data import samples as data
from tinybnn.data.augment import draw_batch
from tinybnn.data.samples import LAYOUTS, DataError, DataWarning, Sample, load

ROAD = np.array([[[0, 0, 0], [255, 0, 0], [255, 0, 255]]] * 2, np.uint8)


def put(path, array=None):
    """A small file, in folders that are made for it; without ``array``, one that no reader accepts as a label."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((9, 99), 99, np.uint8) if array is None else array).save(path)


def cityscapes(root):
    for split, city, frame in ("train", "ulm", 1), ("train", "aachen", 2), ("train", "aachen", 1), ("val", "bonn", 7):
        name = f"{split}/{city}/{city}_000000_{frame:06}"
        put(root / f"leftImg8bit/{name}_leftImg8bit.png", np.full((2, 3, 3), 51, np.uint8))
        put(root / f"gtFine/{name}_gtFine_labelIds.png", np.array([[0, 7, 8], [33, 26, 255]], np.uint8))
        put(root / f"gtFine/{name}_gtFine_color.png")
        put(root / f"gtFine/{name}_gtFine_instanceIds.png")
        (root / f"gtFine/{name}_gtFine_polygons.json").write_text("{}")
    (root / "leftImg8bit/train/aachen/._aachen_000000_000001_leftImg8bit.png").write_text("left by a file manager")
    (root / "leftImg8bit/train/.DS_Store").write_text("")


def kitti(root):
    for cat, count in ("um", 11), ("umm", 6), ("uu", 5):
        for number in range(count):
            put(root / f"training/image_2/{cat}_{number:06}.png", np.full((2, 3, 3), number, np.uint8))
            put(root / f"training/gt_image_2/{cat}_road_{number:06}.png", ROAD)
            if cat == "um":
                put(root / f"training/gt_image_2/um_lane_{number:06}.png", ROAD[::-1])
    put(root / "testing/image_2/um_000000.png")


def ecssd(root, numbers=range(1, 12)):
    for number in numbers:
        put(root / f"images/{number:04}.jpg", np.full((4, 6), 20 * number, np.uint8))
        put(root / f"ground_truth_mask/{number:04}.png", np.eye(4, 6) > 0)
    (root / "images/Thumbs.db").write_text("")
    (root / "images/0099.jpg~").write_text("left by an editor")


def photos(root):
    ecssd(root / "train", [1, 2, 5])
    ecssd(root / "val", [1])


WRITERS = {"cityscapes": cityscapes, "street": cityscapes, "kitti-road": kitti, "ecssd": ecssd, "photos": photos}


@pytest.fixture(scope="module")
def roots(tmp_path_factory):
    """One good folder of each kind; not to be written into."""
    roots = {kind: tmp_path_factory.mktemp(kind) for kind in LAYOUTS}
    for kind, root in roots.items():
        WRITERS[kind](root)
    return roots


def refused(text, spec, split="train", **options):
    with pytest.raises(DataError) as caught:
        dataset = load(spec, split, **options)
        list(dataset)
    assert str(caught.value) == text


# -- what is there ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", LAYOUTS)
@pytest.mark.parametrize("split", ["train", "val"])
def test_every_kind_gives_samples(kind, split, roots):
    dataset = load(f"{kind}:{roots[kind]}", split)
    assert dataset.kind == kind and dataset.classes == LAYOUTS[kind].classes
    samples = list(dataset)
    assert len(dataset) == len(samples) == len(dataset.pairs) > 0
    assert [sample.name for sample in samples] == list(dataset.names)
    for image, label, _ in samples:
        assert image.dtype == np.float32 and label.dtype == np.uint8 and image.shape == (*label.shape, 3)
        assert set(np.unique(label)) <= {*range(len(dataset.classes)), 255}
    assert isinstance(dataset[-1], Sample) and dataset[-1].name == samples[-1].name
    with pytest.raises(IndexError):
        dataset[len(dataset)]


@pytest.mark.parametrize("kind", ["cityscapes", "street"])
def test_cityscapes(kind, roots):
    dataset = load(f"{kind}:{roots[kind]}", "train")
    assert dataset.task == "labels" and len(dataset.classes) == 19
    assert dataset.names == ("aachen_000000_000001", "aachen_000000_000002", "ulm_000000_000001")
    np.testing.assert_array_equal(dataset[0].label, [[255, 0, 1], [18, 13, 255]])
    np.testing.assert_array_equal(dataset[0].image, np.full((2, 3, 3), np.float32(0.2)))
    assert load(f"{kind}:{roots[kind]}", "val").names == ("bonn_000000_000007",)


def test_train_ids_stand_in_only_where_ids_are_absent(tmp_path):
    cityscapes(tmp_path)
    labels = tmp_path / "gtFine/train"
    put(labels / "ulm/ulm_000000_000001_gtFine_labelTrainIds.png", np.full((2, 3), 5, np.uint8))
    put(labels / "aachen/aachen_000000_000001_gtFine_labelTrainIds.png", np.full((2, 3), 5, np.uint8))
    (labels / "ulm/ulm_000000_000001_gtFine_labelIds.png").unlink()
    dataset = load(f"cityscapes:{tmp_path}", "train")
    np.testing.assert_array_equal(dataset[2].label, np.full((2, 3), 5))
    np.testing.assert_array_equal(dataset[0].label, [[255, 0, 1], [18, 13, 255]])


def test_kitti_road(roots):
    train, val = (load(f"kitti-road:{roots['kitti-road']}", split) for split in ("train", "val"))
    assert train.task == "road" and train.classes == ("non-road", "road")
    assert val.names == ("um_000000", "um_000005", "um_000010", "umm_000000", "umm_000005", "uu_000000")
    assert len(train) == 22 - 6 and not set(train.names) & set(val.names)
    assert {name.partition("_")[0] for name in train.names} == {"um", "umm", "uu"}
    for sample in train:  # the road, not the lane: the lane files are upside down
        np.testing.assert_array_equal(sample.label, [[255, 0, 1]] * 2)
        assert round(float(sample.image[0, 0, 0] * 255)) == int(sample.name[-6:])


def test_ecssd(roots):
    train, val = (load(f"ecssd:{roots['ecssd']}", split) for split in ("train", "val"))
    assert train.task == "saliency" and train.classes == ("background", "object")
    assert val.names == ("0005", "0010") and len(train) == 9
    np.testing.assert_array_equal(val[0].label, np.eye(4, 6))  # written as a one-bit file
    assert abs(val[0].image.mean() * 255 - 100) < 2  # JPEG


def test_photos(roots):
    train, val = (load(f"photos:{roots['photos']}", split) for split in ("train", "val"))
    assert train.task == "saliency" and train.names == ("0001", "0002", "0005") and val.names == ("0001",)


def test_real_counts_of_the_held_out_frames():
    """KITTI road has um 0..94, umm 0..95, uu 0..97; ECSSD 1..1000."""
    held = [sum(number % data.HELD_OUT == 0 for number in numbers) for numbers in (range(95), range(96), range(98))]
    assert held == [19, 20, 20]
    assert sum(number % data.HELD_OUT == 0 for number in range(1, 1001)) == 200


def test_loading_reads_no_pixel(tmp_path):
    ecssd(tmp_path)
    (tmp_path / "images/0001.jpg").write_text("not yet")
    dataset = load(f"ecssd:{tmp_path}", "train")
    dataset[1]
    with pytest.raises(
        DataError, match=re.escape(f"read: {tmp_path / 'images/0001.jpg'} cannot be read: not an image")
    ):
        dataset[0]


def test_shipped_samples_are_found_beside_or_inside_the_package(tmp_path, monkeypatch):
    monkeypatch.setattr(data, "__file__", str(tmp_path / "site/tinybnn/data/samples.py"))
    inside, beside = tmp_path / "site/tinybnn/data_samples", tmp_path / "site/data_samples"
    with pytest.raises(DataError) as caught:
        data.samples_root()
    want = f"samples_root: neither {inside} nor {beside} exists, expected the shipped samples in one"
    assert str(caught.value) == want
    photos(beside / "photos")
    assert data.samples_root() == beside and len(load("photos", "train")) == 3
    cityscapes(inside / "street/cityscapes")
    assert data.samples_root() == inside and len(load("street", "val")) == 1


def test_a_folder_may_be_given_from_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    ecssd(tmp_path / "sets")
    assert len(load("ecssd:~/sets", "val")) == 2


# -- what is wrong ------------------------------------------------------------------------------------------------


def test_specs_and_splits():
    kinds = "photos, street, cityscapes, kitti-road, ecssd"
    refused(f"load: kind is 'voc', expected one of {kinds}", "voc:/tmp")
    refused("load: 'ecssd' names no folder, expected 'ecssd:PATH'", "ecssd")
    refused("load: 'photos:' names no folder, expected 'photos:PATH'", "photos:")
    refused("load: split is 'test', expected 'train' or 'val'", "photos", "test")


@pytest.mark.parametrize(
    "kind, folder, template",
    [
        ("cityscapes", "leftImg8bit/val", "leftImg8bit/val/{city}/{frame}_leftImg8bit.png"),
        ("street", "gtFine/val", "gtFine/val/{city}/{frame}_gtFine_labelTrainIds.png"),
        ("kitti-road", "training/gt_image_2", "training/gt_image_2/{category}_road_{number}.png"),
        ("ecssd", "images", "images/{number}.jpg"),
        ("photos", "val/ground_truth_mask", "val/ground_truth_mask/{number}.png"),
    ],
)
def test_a_missing_folder(kind, folder, template, tmp_path):
    WRITERS[kind](tmp_path)
    shutil.rmtree(tmp_path / folder)
    refused(f"load: {tmp_path / folder} is not a folder, expected it to hold {template}", f"{kind}:{tmp_path}", "val")


@pytest.mark.parametrize(
    "kind, gone, stays, lacks",
    [
        (
            "cityscapes",
            "gtFine/train/ulm/ulm_000000_000001_gtFine_labelIds.png",
            "leftImg8bit/train/ulm/ulm_000000_000001_leftImg8bit.png",
            "label",
        ),
        (
            "cityscapes",
            "leftImg8bit/train/ulm/ulm_000000_000001_leftImg8bit.png",
            "gtFine/train/ulm/ulm_000000_000001_gtFine_labelIds.png",
            "image",
        ),
        ("kitti-road", "training/gt_image_2/um_road_000003.png", "training/image_2/um_000003.png", "label"),
        ("kitti-road", "training/image_2/uu_000003.png", "training/gt_image_2/uu_road_000003.png", "image"),
        ("ecssd", "ground_truth_mask/0004.png", "images/0004.jpg", "label"),
        ("ecssd", "images/0004.jpg", "ground_truth_mask/0004.png", "image"),
        ("photos", "train/images/0002.jpg", "train/ground_truth_mask/0002.png", "image"),
    ],
)
def test_a_file_without_its_partner(kind, gone, stays, lacks, tmp_path):
    WRITERS[kind](tmp_path)
    (tmp_path / gone).unlink()
    spec, text = f"{kind}:{tmp_path}", f"{tmp_path / stays} has no {lacks}, expected {tmp_path / gone}"
    refused(f"load: {text}", spec, strict=True)
    with pytest.warns(
        DataWarning, match=rf"\Aload: 1 of \d+ files have no {lacks} and are left out: {re.escape(text)}\Z"
    ):
        dataset = load(spec, "train")
    assert data.name_of(tmp_path / stays) not in dataset.names and len(list(dataset)) > 1


def test_what_is_there_is_taken_and_what_is_not_is_counted(tmp_path):
    kitti(tmp_path)
    for number in (0, 1, 2, 5, 7):
        (tmp_path / f"training/gt_image_2/um_road_{number:06}.png").unlink()
    with pytest.warns(
        DataWarning, match=r"\Aload: 5 of 22 files have no label and are left out: [^\n]+um_000000.png has"
    ):
        train, val = (load(f"kitti-road:{tmp_path}", split) for split in ("train", "val"))
    assert len(val) == 4 and len(train) == 13 and "um_000003" in train.names
    for path in (tmp_path / "training/gt_image_2").glob("*_road_*"):
        path.unlink()
    with pytest.warns(DataWarning, match="22 of 22 files"), pytest.raises(DataError, match="has an empty train split"):
        load(f"kitti-road:{tmp_path}", "train")


# -- shrunken, and kept in memory -----------------------------------------------------------------------------------


@pytest.mark.parametrize("size, k", [((12, 8), 4), ((13, 10), 4), ((7, 9), 3), ((3, 2), 5)])
def test_shrinking_takes_the_mean_of_the_image_and_the_middle_of_the_label(size, k, tmp_path):
    rng = np.random.default_rng(0)
    image, mask = rng.integers(0, 256, (*size, 3), np.uint8), rng.integers(0, 2, size, np.uint8)
    put(tmp_path / "images/0001.jpg", image)
    put(tmp_path / "ground_truth_mask/0001.png", mask > 0)
    dataset = load(f"ecssd:{tmp_path}", "train")
    image, small = dataset[0].image.astype(np.float64) * 255, dataset.shrunk(k)[0]
    H, W = (-(-n // k) for n in size)
    assert small.image.shape == (H, W, 3) and small.label.shape == (H, W) and small.name == "0001"
    for i, j in np.ndindex(H, W):
        rows, cols = np.s_[i * k : (i + 1) * k], np.s_[j * k : (j + 1) * k]
        np.testing.assert_allclose(small.image[i, j] * 255, image[rows, cols].mean((0, 1)), atol=0.5 + 1e-4)
        part = mask[rows, cols]
        assert small.label[i, j] == part[part.shape[0] // 2, part.shape[1] // 2]
    with pytest.raises(ValueError, match="^Dataset: shrink is 0, expected a whole number >= 1$"):
        dataset.shrunk(0)


@pytest.mark.parametrize("k", [1, 2])
def test_what_is_kept_changes_no_batch(k, tmp_path, monkeypatch):
    ecssd(tmp_path)
    plain = list(load(f"ecssd:{tmp_path}", "train").shrunk(k))
    reads = []
    read = data.read_bytes
    monkeypatch.setattr(data, "read_bytes", lambda path: (reads.append(path), read(path))[1])
    for room, expected in ((data.KEPT, 9), (3 * (4 * 6 // k**2) * 4, 9 * 40 // 2), (0, 40)):
        monkeypatch.setattr(data, "KEPT", room)
        dataset = load(f"ecssd:{tmp_path}", "train").shrunk(k)
        reads.clear()
        for step in range(20):
            x, labels = draw_batch(dataset, np.random.default_rng(step), 2, 5)
            y, other = draw_batch(plain, np.random.default_rng(step), 2, 5)
            np.testing.assert_array_equal(x, y)
            np.testing.assert_array_equal(labels, other)
        assert len(reads) == expected if room in (0, 2**31) else 9 < len(reads) < 40
    dataset[0].label[:] = 9
    assert dataset[0].label.max() < 2


def test_an_empty_split(tmp_path):
    for folder in ("images", "ground_truth_mask"):
        (tmp_path / folder).mkdir()
    refused(f"load: {tmp_path} has an empty train split, expected images images/{{number}}.jpg", f"ecssd:{tmp_path}")
    ecssd(tmp_path, [1, 2])
    few = "an empty {} split, expected an image with a number {}divisible by 5"
    refused(f"load: {tmp_path} has {few.format('val', '')}", f"ecssd:{tmp_path}", "val")
    shutil.rmtree(tmp_path)
    ecssd(tmp_path, [5])
    refused(f"load: {tmp_path} has {few.format('train', 'not ')}", f"ecssd:{tmp_path}")


def test_an_unknown_label_and_a_wrong_size_name_the_file(tmp_path):
    cityscapes(tmp_path)
    path = tmp_path / "gtFine/val/bonn/bonn_000000_000007_gtFine_labelIds.png"
    put(path, np.array([[7, 7, 7], [7, 77, 7]], np.uint8))
    refused(f"read: {path} has label 77 at row 1, column 1, expected 0..33 or 255", f"cityscapes:{tmp_path}", "val")
    put(path, np.full((2, 12), 26, np.uint8))
    few = "expected 2 x 3 as its image, or within 8 pixels of it"
    refused(f"read: {path} is 2 x 12, {few}", f"cityscapes:{tmp_path}", "val")
    put(path, np.full((4, 2), 26, np.uint8))
    np.testing.assert_array_equal(load(f"cityscapes:{tmp_path}", "val")[0].label, np.full((2, 3), 13))


def test_a_truncated_label_names_the_file(tmp_path):
    kitti(tmp_path)
    path = tmp_path / "training/gt_image_2/um_road_000001.png"
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(DataError, match=rf"\Aread: {re.escape(str(path))} cannot be read: [^\n]+\Z"):
        list(load(f"kitti-road:{tmp_path}", "train"))
