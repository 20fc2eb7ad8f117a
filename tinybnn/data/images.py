"""Image and label files: a file becomes an array, or an error of one line says why it cannot.

Published data sets store the classes in three ways, and one function reads each: :func:`city_label` (ids),
:func:`road_label` (colours) and :func:`object_label` (grey). The special cases in them come from published files.
Predictions are written as PNG: :func:`save_label` writes classes, :func:`save_overlay` colours over the image.
"""

from pathlib import Path
from typing import Any

import numpy as np

from ..notation import HW, IGNORE, Array
from .store import write_whole

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


class DataError(ValueError):
    """A folder or a file is not as its kind requires. The message has one line; the command line exits with 2."""


def read_image(path: Path | str) -> Array:
    """The image in a file as a viewer shows it: float32 of shape (H, W, 3), 0 for black and 1 for white.

    The values are the stored bytes over 255. Grey and palette images become RGB, an alpha channel is dropped, and the
    EXIF orientation is applied, because masks are traced on what a viewer shows. A file that is missing, truncated, no
    image, or has more than 8 bits a channel raises a :class:`DataError`, here and in the functions below.

    Exactness: ``rint(255 image)`` equals Pillow's ``convert("RGB")`` by ``==``. Source: ours.
    """
    modes = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr")
    return _rgb(_open(path, modes, "8 bits a channel")) / np.float32(255)


def _open(path: Path | str, modes: tuple[str, ...], expected: str) -> Any:
    """The decoded file, turned by its EXIF orientation, or a :class:`DataError`."""
    from PIL import Image, ImageOps

    try:
        with Image.open(path) as file:
            file.load()
            image = ImageOps.exif_transpose(file)
    except Exception as error:  # for broken bytes: OSError, SyntaxError, ValueError, TypeError, struct.error, ...
        words = "not an image" if isinstance(error, Image.UnidentifiedImageError) else str(error)
        reason = " ".join((getattr(error, "strerror", None) or words or type(error).__name__).split())
        raise DataError(f"read: {path} cannot be read: {reason}") from error
    if image.mode not in modes:
        raise DataError(f"read: {path} has mode {image.mode}, expected {expected}")
    return image


def _rgb(image: Any) -> Array:
    """The bytes (H, W, 3) of a Pillow image of any mode, without an alpha channel."""
    if "transparency" in image.info:
        image = image.convert("RGBA")  # Pillow warns if such a palette is converted to RGB at once
    return np.asarray(image.convert("RGB"))


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
    trainIds are 0..18 and 255.

    Exactness: equals ``Image.point`` with the same table by ``==``.
    Source: Cordts 2016, arXiv 1604.01685, and the label table of the official scripts; status exact.
    """
    image = _open(path, ("L", "P"), "one 8-bit channel of label ids")
    if image.mode == "P" and not _coloured(_palette(image)).any():
        image = image.convert("L")
    ids = np.asarray(image)
    done = path.name.endswith("_labelTrainIds.png")
    last = len(CITY_CLASSES) - 1 if done else max(CITY_CLASSES.values())
    unknown = (ids > last) & (ids != IGNORE)
    if unknown.any():
        i, j = np.argwhere(unknown)[0]
        raise DataError(f"read: {path} has label {ids[i, j]} at row {i}, column {j}, expected 0..{last} or {IGNORE}")
    return ids.copy() if done else TRAIN_ID[ids]


def road_label(path: Path) -> Array:
    """KITTI road colours as classes, uint8 of shape (H, W): ``label = 255 where R = 0, else 1 where B > 0, else 0``.

    Magenta is road (1), red is another place that counts (0), and **black is ignored (255): it is not background**.

    Exactness: the rule by ``==``. Source: the KITTI road development kit of Fritsch 2013; status from code. The
    official scores are computed in bird's-eye view, ours in the perspective image.
    """
    rgb = _rgb(_open(path, ("RGB", "RGBA", "P"), "colours: red valid, magenta road, black ignored"))
    road = (rgb[..., 2] > 0).astype(np.uint8)
    return np.where(rgb[..., 0] > 0, road, np.uint8(IGNORE))


def object_label(path: Path) -> Array:
    """A saliency mask as classes, uint8 of shape (H, W): 1 (object) where grey > 128, else 0 (background).

    In a one-bit file, 1 is grey 255. A palette image is read as its greys, unless one of its pixels or entry 1 of the
    palette has a colour. Then the file is a map of labels and is read as its indices: 0 is background, 255 is ignored
    (some data sets mark borders so), and every other index is object. Colours without a palette are refused.

    Exactness: the rule by ``==``. Source: grey > 128 as in PySODMetrics, status from code; the palette rule is ours.
    """
    mask = _open(path, ("1", "L", "LA", "P", "RGB", "RGBA"), "8 bits of grey")
    rgb = _rgb(mask)
    coloured = _coloured(rgb)
    if mask.mode == "P" and (coloured.any() or _coloured(_palette(mask)[1:2]).any()):
        index = np.asarray(mask)
        return np.where(index == IGNORE, np.uint8(IGNORE), (index > 0).astype(np.uint8))
    if coloured.any():
        i, j = (int(at) for at in np.argwhere(coloured)[0])
        raise DataError(f"read: {path} has colour {tuple(rgb[i, j].tolist())} at row {i}, column {j}, expected grey")
    return (rgb[..., 0] > 128).astype(np.uint8)


def fit_label(label: Array, size: HW, path: Path) -> Array:
    """The label at the size ``(H, W)`` of its image: ``label[floor((i + 1/2) h / H), floor((j + 1/2) w / W)]``.

    Each pixel takes the class of its nearest neighbour. A size that differs by more than :data:`SLACK` pixels a side is
    refused, because the two files then do not belong together.
    """
    from PIL import Image

    (h, w), (H, W) = label.shape, size
    if max(abs(h - H), abs(w - W)) > SLACK:
        raise DataError(f"read: {path} is {h} x {w}, expected {H} x {W} as its image, or within {SLACK} pixels of it")
    return label if (h, w) == (H, W) else np.array(Image.fromarray(label).resize((W, H), Image.Resampling.NEAREST))


CITY_COLOURS = np.array([
    (128, 64, 128), (244, 35, 232), (70, 70, 70), (102, 102, 156), (190, 153, 153), (153, 153, 153), (250, 170, 30),
    (220, 220, 0), (107, 142, 35), (152, 251, 152), (70, 130, 180), (220, 20, 60), (255, 0, 0), (0, 0, 142),
    (0, 0, 70), (0, 60, 100), (0, 80, 100), (0, 0, 230), (119, 11, 32),
], np.uint8)  # fmt: skip
"""The usual colours of the 19 classes of Cityscapes."""

TWO_COLOURS = np.array([(38, 44, 66), (255, 176, 59)], np.uint8)
"""The colours of two classes: dark background, bright object or road."""


def colours(label: Array, classes: int) -> Array:
    """A label map (...) as RGB (..., 3), uint8; ignored pixels are black."""
    palette = np.zeros((256, 3), np.uint8)
    palette[:classes] = TWO_COLOURS if classes == 2 else np.resize(CITY_COLOURS, (classes, 3))
    palette[IGNORE] = 0
    return palette[label]


def save_label(path: Path | str, label: Array) -> None:
    """Write class numbers (H, W) as a grey PNG."""
    _save_png(path, label.astype(np.uint8))


def save_overlay(path: Path | str, image: Array, label: Array) -> None:
    """Write the image (H, W, 3) with the colours of the label over it."""
    classes = 2 if label.max() < 2 else len(CITY_COLOURS)
    tints = 0.45 * colours(np.arange(256), classes) / 255
    overlay = np.empty(image.shape, np.uint8)
    for over, row, ids in zip(overlay, image, label):  # row by row, because floats of the whole take 24 bytes a pixel
        over[:] = np.rint(255 * (0.55 * row + tints[ids]))
    _save_png(path, overlay)


def _save_png(path: Path | str, array: Array) -> None:
    from PIL import Image

    write_whole(path, lambda file: Image.fromarray(array).save(file, format="PNG"))
