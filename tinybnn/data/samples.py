"""Images and their label maps on disk: each of five kinds of folder becomes a list of samples.

::

    KIND         image                                                label
    cityscapes   leftImg8bit/{split}/{city}/{frame}_leftImg8bit.png   gtFine/{split}/{city}/{frame}_gtFine_labelIds.png
    street       as cityscapes; drawn by this project and shipped with it
    kitti-road   training/image_2/{category}_{number}.png             training/gt_image_2/{category}_road_{number}.png
    ecssd        images/{number}.jpg                                  ground_truth_mask/{number}.png
    photos       {split}/images/{number}.jpg                          {split}/ground_truth_mask/{number}.png

:data:`LAYOUTS` holds these strings, and the code finds files by them. A file with another name (``um_lane_...``,
``..._gtFine_color.png``, a thumbnail) is ignored. Where a layout has no ``{split}``, every frame whose number is
divisible by five is held out as "val". That split is ours, so scores on it cannot be compared with a paper's.

``images.py`` reads the pixels of a file. Every fault of a folder or a file raises a
:class:`~tinybnn.data.images.DataError` of one line. Images without a label are left out, and a warning says how many.
"""

import re
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from ..notation import Array
from ..validate import need_int
from .images import (
    CITY_CLASSES,
    DataError,
    DataWarning,
    as_float,
    city_label,
    fit_label,
    object_label,
    read_bytes,
    road_label,
    shrink,
)

KEPT = 2 * 1024**3
"""The bytes that a data set keeps in memory of the samples that were drawn: 2 GB, all of Cityscapes at a quarter."""

SPLITS = "train", "val"

HELD_OUT = 5
"""Where a layout has no split, a frame is in "val" if its number is divisible by this (status ours)."""


class Sample(NamedTuple):
    """One image and its label map: float32 (H, W, 3) in [0, 1], uint8 (H, W) with 255 ignored, and a name."""

    image: Array
    label: Array
    name: str


class Dataset:
    """A list of samples; ``dataset[i]`` reads the files of one sample, ``list(dataset)`` reads all of them.

    ``pairs`` are the paths of each image and its label. ``task`` says which metrics apply: "labels" (mIoU), "road"
    (MaxF) or "saliency" (MAE, max-F, S, E). A sample that was asked for by its number is kept in memory, in bytes and
    shrunken, until :data:`KEPT` bytes are full; then others are read again each time. Nothing else depends on this.
    """

    def __init__(self, kind: str, classes: tuple[str, ...], task: str, pairs: tuple[tuple[Path, Path], ...]) -> None:
        self.kind, self.classes, self.task, self.pairs = kind, classes, task, pairs
        self._shrink, self._room, self._kept = 1, KEPT, dict[int, Sample]()

    def shrunk(self, k: int) -> "Dataset":
        """The same samples, each made ``k`` times smaller by :func:`~tinybnn.data.images.shrink` when it is read."""
        other = Dataset(self.kind, self.classes, self.task, self.pairs)
        other._shrink = need_int("Dataset", "shrink", k, 1)
        return other

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, i: int) -> Sample:
        image, label, name = self.stored(i)
        return Sample(as_float(image), label.copy(), name)

    def __iter__(self) -> Iterator[Sample]:
        for i in range(len(self)):  # reads all, and keeps none
            image, label, name = self._kept.get(i) or self._read(i)
            yield Sample(as_float(image), label.copy(), name)

    def stored(self, i: int) -> Sample:
        """The sample as it is kept, with the bytes of its image; not to be written into."""
        i = range(len(self))[i]
        sample = self._kept.get(i) or self._read(i)
        size = sample.image.nbytes + sample.label.nbytes
        if i not in self._kept and size <= self._room:
            self._kept[i], self._room = sample, self._room - size
        return sample

    def _read(self, i: int) -> Sample:
        image_path, label_path = self.pairs[i]
        image, label = read_bytes(image_path), LAYOUTS[self.kind].decode(label_path)
        label = fit_label(label, image.shape[:2], label_path)
        return Sample(*shrink(image, label, self._shrink), name_of(image_path))

    @property
    def names(self) -> tuple[str, ...]:
        """The name of every sample; no file is read."""
        return tuple(name_of(image) for image, _ in self.pairs)


def name_of(image_path: Path) -> str:
    """The name of a sample, by its image: ``0001``, ``um_000000``, ``frankfurt_000000_000294``."""
    return image_path.stem.removesuffix("_leftImg8bit")


class Layout(NamedTuple):
    """Names and meaning of the files of one kind. Of several label files for an image, the first one counts."""

    image: str
    labels: tuple[str, ...]
    classes: tuple[str, ...]
    task: str
    decode: Callable[[Path], Array]


_CITY = Layout(
    "leftImg8bit/{split}/{city}/{frame}_leftImg8bit.png",
    tuple("gtFine/{split}/{city}/{frame}_gtFine_" + coding for coding in ("labelIds.png", "labelTrainIds.png")),
    tuple(CITY_CLASSES), "labels", city_label,
)  # fmt: skip
_ROAD = Layout(
    "training/image_2/{category}_{number}.png", ("training/gt_image_2/{category}_road_{number}.png",),
    ("non-road", "road"), "road", road_label,
)  # fmt: skip
_ECSSD = Layout(
    "images/{number}.jpg", ("ground_truth_mask/{number}.png",), ("background", "object"), "saliency", object_label
)
_PHOTOS = _ECSSD._replace(image="{split}/" + _ECSSD.image, labels=("{split}/" + _ECSSD.labels[0],))

LAYOUTS = {"photos": _PHOTOS, "street": _CITY, "cityscapes": _CITY, "kitti-road": _ROAD, "ecssd": _ECSSD}
"""The layout of each kind."""

SHIPPED = {"photos": "photos", "street": "street/cityscapes"}
"""The kinds that are shipped, and their folders below :func:`samples_root`."""

FIELDS = {"city": r"[^/.][^/]*", "frame": r"[^/.][^/]*", "category": r"um|umm|uu", "number": r"[0-9]+"}
"""The regular expression of each field of a layout."""


def samples_root() -> Path:
    """The folder ``data_samples``: inside the package where it is installed, beside it in a checkout."""
    places = [folder / "data_samples" for folder in Path(__file__).resolve().parents[1:3]]
    for place in places:
        if place.is_dir():
            return place
    raise DataError(f"samples_root: neither {places[0]} nor {places[1]} exists, expected the shipped samples in one")


def load(spec: str, split: str, *, strict: bool = False) -> Dataset:
    """The samples of one split of a data set: ``load("kitti-road:~/kitti", "train")``.

    An unknown kind or split, a missing folder or an empty split raises a :class:`~tinybnn.data.images.DataError`;
    ``dataset[i]`` raises it for a file with unexpected contents. An image without its label or a label without its
    image is left out, and a :class:`~tinybnn.data.images.DataWarning` says how many there are; ``strict`` refuses them.
    The samples are sorted by path, and no image has been read yet.

    Source: the layouts are the publishers', status exact; the splits of kitti-road and ecssd are ours.
    See also: :func:`tinybnn.data.augment.draw_batch`.

    Parameters
    ----------
    spec : str; ``KIND:PATH``, KIND a key of :data:`LAYOUTS`; or ``photos`` or ``street`` alone, for the shipped samples
    split : str; "train" or "val"
    strict : bool
    """
    kind, colon, path = str(spec).partition(":")
    if kind not in LAYOUTS:
        raise DataError(f"load: kind is {kind!r}, expected one of {', '.join(LAYOUTS)}")
    if split not in SPLITS:
        raise DataError(f"load: split is {split!r}, expected 'train' or 'val'")
    if not path and (colon or kind not in SHIPPED):
        raise DataError(f"load: {spec!r} names no folder, expected '{kind}:PATH'")
    root = Path(path).expanduser() if path else samples_root() / SHIPPED[kind]
    layout = LAYOUTS[kind]
    image, *label = (template.replace("{split}", split) for template in (layout.image, *layout.labels))

    images, labels = _find(root, image), dict[tuple, Path]()
    for template in reversed(label):  # the first template is the preferred one, so it comes last and overwrites
        labels |= _find(root, template)
    _pair(root, images, labels, "label", label[0], strict)
    _pair(root, labels, images, "image", image, strict)
    if not images:
        raise DataError(f"load: {root} has an empty {split} split, expected images {image}")

    if image == layout.image:  # the layout has no {split}
        images = {f: path for f, path in images.items() if (int(dict(f)["number"]) % HELD_OUT == 0) == (split == "val")}
        if not images:
            some = "a number divisible" if split == "val" else "a number not divisible"
            raise DataError(f"load: {root} has an empty {split} split, expected an image with {some} by {HELD_OUT}")
    return Dataset(kind, layout.classes, layout.task, tuple((path, labels[f]) for f, path in images.items()))


def _find(root: Path, template: str) -> dict[tuple, Path]:
    """The files that fit ``template``, sorted, by their fields: ``{(("city", "ulm"), ("frame", ...)): path}``."""
    folder = template[: template.index("{")].rpartition("/")[0]
    if not (root / folder).is_dir():
        raise DataError(f"load: {root / folder} is not a folder, expected it to hold {template}")
    pattern = re.sub(r"\\{(\w+)\\}", lambda field: f"(?P<{field[1]}>{FIELDS[field[1]]})", re.escape(template))
    below, found = "/".join("*" * (template.count("/") - folder.count("/"))), {}
    for path in sorted((root / folder).glob(below)):
        if match := re.fullmatch(pattern, path.relative_to(root).as_posix()):
            found[tuple(match.groupdict().items())] = path
    return found


def _pair(
    root: Path, files: dict[tuple, Path], partners: dict[tuple, Path], what: str, template: str, strict: bool
) -> None:
    """Take out the files without a partner, and say how many and which is the first; or refuse them."""
    if alone := sorted(files.keys() - partners.keys()):
        first = f"{files[alone[0]]} has no {what}, expected {root / template.format(**dict(alone[0]))}"
        if strict:
            raise DataError(f"load: {first}")
        all_of = f"{len(alone)} of {len(files)} files have no {what} and are left out"
        warnings.warn(f"load: {all_of}: {first}", DataWarning, stacklevel=3)
        for fields in alone:
            del files[fields]
