"""Image and label files: a file becomes an array, or an error of one line says why it cannot.

Published data sets store the classes in three ways, and one function reads each: :func:`city_label` (ids),
:func:`road_label` (colours) and :func:`object_label` (grey). The special cases in them come from published files.
Predictions are written as PNG: :func:`save_label` writes classes, :func:`save_overlay` colours over the image.
The page on files, ``docs/files.md``, lists what is accepted, refused and converted.
"""

import warnings
from pathlib import Path
from typing import Any

import numpy as np

from ..notation import HW, IGNORE, Array
from .store import write_whole

FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
"""The formats that are read, whatever a file is called. Of others Pillow may read fewer bits, or run a program."""

SLACK = 8
"""The size of a label may differ from that of its image by this many pixels a side, because some published masks do."""

CITY_CLASSES = {
    "road": 7, "sidewalk": 8, "building": 11, "wall": 12, "fence": 13, "pole": 17, "traffic light": 19,
    "traffic sign": 20, "vegetation": 21, "terrain": 22, "sky": 23, "person": 24, "rider": 25, "car": 26,
    "truck": 27, "bus": 28, "train": 31, "motorcycle": 32, "bicycle": 33,
}  # fmt: skip
"""The 19 classes of Cityscapes in the order of their trainId, each with its labelId on disk."""

TRAIN_ID = np.full(256, IGNORE, np.uint8)
"""``TRAIN_ID[ids]`` maps an image of labelIds to trainIds; ids that are not scored become 255, which is ignored."""
TRAIN_ID[list(CITY_CLASSES.values())] = np.arange(len(CITY_CLASSES))

LABEL_ID = np.zeros(256, np.uint8)
"""``LABEL_ID[label]`` maps classes back to labelIds; other numbers become 0, which is "unlabeled"."""
LABEL_ID[: len(CITY_CLASSES)] = list(CITY_CLASSES.values())


class DataError(ValueError):
    """A folder or a file is not as its kind requires. The message has one line; the command line exits with 2."""


class DataWarning(UserWarning):
    """Files were converted or left out. The text names a folder, not a file, so a data set gives one line."""


def read_image(path: Path | str) -> Array:
    """The image in a file as a viewer shows it: float32 of shape (H, W, 3), 0 for black and 1 for white.

    The values are the stored bytes over 255: see :func:`read_bytes`, and :func:`as_float`.
    """
    return as_float(read_bytes(path))


def as_float(image: Array) -> Array:
    """Bytes as float32 in [0, 1]: ``image / 255``. Floats are returned as they are."""
    return image / np.float32(255) if image.dtype == np.uint8 else image


def read_bytes(path: Path | str) -> Array:
    """The image in a file as a viewer shows it: uint8 of shape (H, W, 3).

    Grey and palette images become RGB, an alpha channel is dropped, and the EXIF orientation is applied, because masks
    are traced on what a viewer shows. A file that is missing, truncated, no image, animated, or has more than 8 bits a
    channel raises a :class:`DataError`, here and in the functions below. So does a PNG with a wrong checksum; other
    formats have none.

    Exactness: equals Pillow's ``convert("RGB")`` by ``==``. Source: ours.
    """
    image = _open(path, (*GREYS, "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr"), "8 bits a channel")
    if "transparency" in image.info:
        image = image.convert("RGBA")  # Pillow warns if such a palette is converted to RGB at once
    return np.asarray(image.convert("RGB"))


GREYS = ("1", "L", "L;2", "L;4")
"""Grey of 1, 8, 2 and 4 bits, read as 0..255."""


def _open(path: Path | str, modes: tuple[str, ...], expected: str) -> Any:
    """The decoded file, turned by its EXIF orientation, or a :class:`DataError`."""
    from PIL import Image, ImageOps

    try:
        with Image.open(path, formats=FORMATS) as file:
            file.verify()  # compares the checksums of a PNG, which load() does not; after it, no pixel can be read
        with Image.open(path, formats=FORMATS) as file:
            mode, frames = _stored_mode(file), 1 if file.format == "MPO" else getattr(file, "n_frames", 1)
            file.load()
            image = ImageOps.exif_transpose(file)
    except Exception as error:  # for broken bytes: OSError, SyntaxError, ValueError, TypeError, struct.error, ...
        unknown = f"not an image in {', '.join(FORMATS)}"
        words = unknown if isinstance(error, Image.UnidentifiedImageError) else str(error)
        reason = " ".join((getattr(error, "strerror", None) or words or type(error).__name__).split())
        raise DataError(f"read: {path} cannot be read: {reason}") from error
    if frames > 1:  # a camera's MPO is a JPEG with a smaller copy behind it
        raise DataError(f"read: {path} has {frames} frames, expected one image")
    if mode not in modes:
        raise DataError(f"read: {path} has mode {mode}, expected {expected}")
    if mode == "P" and np.ptp(np.asarray(image)) and not np.ptp(_palette(image), axis=0).any():
        return Image.fromarray(np.asarray(image))  # a palette that nobody has filled: the indices are all there is
    return image


def _stored_mode(file: Any) -> str:
    """Pillow's mode of an opened file, or how the pixels are stored where Pillow changes their bits in silence.

    It reads 16 bits a channel as 8 if there are three channels, and grey of 2 or 4 bits as 8 bits from 0 to 255.
    """
    stored = file.tile[0][3] if file.tile else ""
    stored = (stored if isinstance(stored, tuple) else (stored,)) or ("",)
    first, last, bits = stored[0], stored[-1], 8
    if file.format == "TIFF":
        bits = max(file.tag_v2.get(258, (1,)))
    elif file.format == "PPM" and isinstance(last, int):  # the largest value
        bits = last.bit_length()
    elif file.format == "PNG" and ";16" in first:
        bits = 16
    return f"{file.mode} of {bits} bits" if bits > 8 else first if first in GREYS[2:] else file.mode


def _coloured(rgb: Array) -> Array:
    """Where red, green and blue differ: (..., 3) -> (...)."""
    return (rgb != rgb[..., :1]).any(-1)


def _palette(image: Any) -> Array:
    """The palette of an image, (entries, 3)."""
    return np.reshape(image.getpalette() or [], (-1, 3))


def city_label(path: Path) -> Array:
    """Cityscapes ids as classes 0..18 or 255, uint8 of shape (H, W): ``label[i, j] = TRAIN_ID[id[i, j]]``.

    A file named ``..._labelTrainIds.png`` already holds the classes. In a palette image the ids are the indices if the
    palette has colours, and the greys if it has none: programs that make PNG files smaller turn a grey channel into a
    palette. Other ids than these are refused: labelIds are 0..33 and 255, which stands for the licence plate's -1;
    trainIds are 0..18 and 255. LabelIds without any from 19 to 33 (sky, plants, people, cars) are probably trainIds:
    with 255, which the official labelIds never hold, they are refused; without it, a :class:`DataWarning` says so.

    Exactness: equals ``Image.point`` with the same table by ``==``.
    Source: Cordts 2016, arXiv 1604.01685, and the label table of the official scripts; status exact.
    """
    image = _open(path, ("L", "P"), "one 8-bit channel of label ids")
    if image.mode == "P" and not _coloured(_palette(image)).any():
        image = image.convert("L")
    ids = np.asarray(image)
    done = path.name.endswith("_labelTrainIds.png")
    classes = len(CITY_CLASSES)
    last = classes - 1 if done else max(CITY_CLASSES.values())
    unknown = (ids > last) & (ids != IGNORE)
    if unknown.any():
        i, j = np.argwhere(unknown)[0]
        raise DataError(f"read: {path} has label {ids[i, j]} at row {i}, column {j}, expected 0..{last} or {IGNORE}")
    if not done and not ((ids >= classes) & (ids != IGNORE)).any():
        if (ids == IGNORE).any():
            raise DataError(f"read: {path} has trainIds (255, and none from 19 to 33), expected labelIds; rename it")
        text = f"{path.parent} has labelIds without any from 19 to 33: are these trainIds? Then rename the files"
        warnings.warn(text, DataWarning, stacklevel=2)
    return ids.copy() if done else TRAIN_ID[ids]


def road_label(path: Path) -> Array:
    """KITTI road colours as classes, uint8 of shape (H, W): ``label = 255 where R = 0, else 1 where B > 0, else 0``.

    Magenta is road (1), red is another place that counts (0), and **black is ignored (255): it is not background**.
    A file without colour, without red, or with an alpha channel that varies is another kind of mask: it is refused.
    So is one with blue where red should be: OpenCV exchanges the two.

    Exactness: the rule by ``==``. Source: the KITTI road development kit of Fritsch 2013; status from code. The
    official scores are computed in bird's-eye view, ours in the perspective image.
    """
    expected = "colours: red valid, magenta road, black ignored"
    rgba = np.asarray(_open(path, ("RGB", "RGBA", "P"), expected).convert("RGBA"))
    red, _, blue, alpha = np.moveaxis(rgba, 2, 0)
    grey = not _coloured(rgba[..., :3]).any()
    swapped = ((red == 0) & (blue > 0)).any() and not ((red > 0) & (blue == 0)).any()
    wrong = {"only greys": grey, "no red": not red.any(), "blue for red": swapped, "a mask as alpha": np.ptp(alpha)}
    if what := [name for name, found in wrong.items() if found]:
        raise DataError(f"read: {path} has {what[0]}, expected {expected}")
    return np.where(red > 0, (blue > 0).astype(np.uint8), np.uint8(IGNORE))


def object_label(path: Path) -> Array:
    """A saliency mask as classes, uint8 of shape (H, W): 1 (object) where grey > 128, else 0 (background).

    In a one-bit file, 1 is grey 255. A palette image is read as its greys, unless one of its pixels or entry 1 of the
    palette has a colour. Then the file is a map of labels and is read as its indices: 0 is background, 255 is ignored
    (some data sets mark borders so), and every other index is object. Colours without a palette are refused.

    A mask of the greys 0 and 1 is read as background and object, and a :class:`DataWarning` says so. Where the rule
    would be wrong in silence, the file is refused: its largest grey is from 2 to 128; it has 255 and otherwise only
    greys up to 20 (labels with an ignored border, without a palette); or its alpha channel is another mask.

    Exactness: the rule by ``==``. Source: grey > 128 as in PySODMetrics, status from code; all else is ours.
    """
    mask = _open(path, (*GREYS, "LA", "P", "RGB", "RGBA"), "8 bits of grey")
    rgba = np.asarray(mask.convert("RGBA"))
    grey, alpha, coloured = rgba[..., 0], rgba[..., 3], _coloured(rgba[..., :3])
    if mask.mode == "P" and (coloured.any() or _coloured(_palette(mask)[1:2]).any()):
        index = np.asarray(mask)
        return np.where(index == IGNORE, np.uint8(IGNORE), (index > 0).astype(np.uint8))
    if coloured.any():
        i, j = (int(at) for at in np.argwhere(coloured)[0])
        colour = tuple(rgba[i, j, :3].tolist())
        raise DataError(f"read: {path} has colour {colour} at row {i}, column {j}, expected grey")
    if np.ptp(alpha) and ((alpha > 128) != (grey > 128)).any():
        raise DataError(f"read: {path} has another mask in its alpha channel than in its greys, expected grey alone")
    if grey.max() == 1:
        text = f"{path.parent} has masks of the greys 0 and 1, read as background and object"
        warnings.warn(text, DataWarning, stacklevel=2)
        return grey.copy()
    low = grey[grey < IGNORE].max(initial=0)
    if 0 < low <= (20 if low < grey.max() else 128):
        last = f"{low} and 255" if low < grey.max() else low
        expected = "expected 0 background, 255 object; or labels in a palette"
        raise DataError(f"read: {path} has greys up to {last} only, {expected}")
    return (grey > 128).astype(np.uint8)


def fit_label(label: Array, size: HW, path: Path) -> Array:
    """The label at the size ``(H, W)`` of its image: ``label[floor((i + 1/2) h / H), floor((j + 1/2) w / W)]``.

    Each pixel takes the class of its nearest neighbour. A size that differs by more than :data:`SLACK` pixels a side,
    or whose sides are exchanged, is refused, because the two files then do not belong together.
    """
    from PIL import Image

    (h, w), (H, W) = label.shape, size
    if max(abs(h - H), abs(w - W)) > SLACK or (h, w) == (W, H) != (H, W):
        raise DataError(f"read: {path} is {h} x {w}, expected {H} x {W} as its image, or within {SLACK} pixels of it")
    return label if (h, w) == (H, W) else np.array(Image.fromarray(label).resize((W, H), Image.Resampling.NEAREST))


def shrink(image: Array, label: Array, k: int) -> tuple[Array, Array]:
    """Bytes (H, W, 3) and label (H, W) as ``(ceil(H / k), ceil(W / k))``: means of squares, labels of their middles.

    At the right and lower edge a square holds what is left of the image. Where k is even, the pixel below and to the
    right of the middle counts. Exactness: means are rounded half up, in whole numbers. Source: ours.
    """
    if k == 1:
        return image, label
    rows, cols = (np.arange(0, n, k) for n in label.shape)
    tall, wide = (np.minimum(k, n - at) for at, n in zip((rows, cols), label.shape))
    sums = np.add.reduceat(np.add.reduceat(image, rows, 0, dtype=np.uint32), cols, 1, dtype=np.int64)
    count = np.multiply.outer(tall, wide)[..., None]
    means = (2 * sums + count) // (2 * count)
    return means.astype(np.uint8), label[(rows + tall // 2)[:, None], cols + wide // 2]


CITY_COLOURS = np.array([
    (128, 64, 128), (244, 35, 232), (70, 70, 70), (102, 102, 156), (190, 153, 153), (153, 153, 153), (250, 170, 30),
    (220, 220, 0), (107, 142, 35), (152, 251, 152), (70, 130, 180), (220, 20, 60), (255, 0, 0), (0, 0, 142),
    (0, 0, 70), (0, 60, 100), (0, 80, 100), (0, 0, 230), (119, 11, 32),
], np.uint8)  # fmt: skip
"""The usual colours of the 19 classes of Cityscapes."""

TWO_COLOURS = np.array([(38, 44, 66), (255, 176, 59)], np.uint8)
"""The colours of two classes: dark background, bright object or road."""


def palette(classes: int) -> Array:
    """The colours of 256 labels as RGB (256, 3), uint8; ignored pixels are black."""
    table = np.zeros((256, 3), np.uint8)
    table[:classes] = TWO_COLOURS if classes == 2 else np.resize(CITY_COLOURS, (classes, 3))
    table[IGNORE] = 0
    return table


def colours(label: Array, classes: int) -> Array:
    """A label map (...) as RGB (..., 3), uint8."""
    return palette(classes)[label]


def save_label(path: Path | str, label: Array, classes: int = 0) -> None:
    """Write numbers 0..255 (H, W) as a grey PNG, or as the indices of the palette of so many ``classes``."""
    _save_png(path, label.astype(np.uint8), palette(classes) if classes else None)


def save_overlay(path: Path | str, image: Array, label: Array, classes: int) -> None:
    """Write the image (H, W, 3) with the colours of the label over it."""
    tints = 0.45 * colours(np.arange(256), classes) / 255
    overlay = np.empty(image.shape, np.uint8)
    for over, row, ids in zip(overlay, image, label):  # row by row, because floats of the whole take 24 bytes a pixel
        over[:] = np.rint(255 * (0.55 * row + tints[ids]))
    _save_png(path, overlay)


def _save_png(path: Path | str, array: Array, table: Array | None = None) -> None:
    from PIL import Image

    image = Image.fromarray(array)
    if table is not None:
        image.putpalette(table.tobytes())
    write_whole(path, lambda file: image.save(file, format="PNG"))
