"""Image files. After this page a PNG or JPEG is an array and a label file a map of classes, or one line says why not.

What a label file means is decided by one small function for each coding: :func:`city_label` (ids),
:func:`road_label` (colours) and :func:`object_label` (grey). Their traps were met in published data sets.
"""

from pathlib import Path
from typing import Any

import numpy as np

from ..notation import IGNORE, Array

SLACK = 8
"""A label may differ from its image by this many pixels a side; some published masks do (status ours)."""

CITY_CLASSES = {
    "road": 7, "sidewalk": 8, "building": 11, "wall": 12, "fence": 13, "pole": 17, "traffic light": 19,
    "traffic sign": 20, "vegetation": 21, "terrain": 22, "sky": 23, "person": 24, "rider": 25, "car": 26,
    "truck": 27, "bus": 28, "train": 31, "motorcycle": 32, "bicycle": 33,
}  # fmt: skip
"""The 19 classes of Cityscapes in the order of their trainId, each with its labelId on disk."""

TRAIN_ID = np.full(256, IGNORE, np.uint8)
"""labelId -> trainId: ``TRAIN_ID[ids]`` maps a whole image; every id that is not scored becomes 255, ignored."""
TRAIN_ID[list(CITY_CLASSES.values())] = np.arange(len(CITY_CLASSES))


class DataError(ValueError):
    """A folder or a file is not what its kind promises. One line; the command line exits with status 2."""


def _open(path: Path | str, modes: tuple[str, ...], expected: str) -> Any:
    """The decoded file, turned as its EXIF orientation asks, or a :class:`DataError`."""
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
    """The bytes (H, W, 3) of a Pillow image of any mode, without its alpha channel."""
    if "transparency" in image.info:
        image = image.convert("RGBA")  # straight to RGB, Pillow warns about palettes with several transparent entries
    return np.asarray(image.convert("RGB"))


def _coloured(rgb: Array) -> Array:
    """Where red, green and blue are not the same: (..., 3) -> (...)."""
    return (rgb != rgb[..., :1]).any(-1)


def _palette(image: Any) -> Array:
    """The entries of a palette image, (entries, 3)."""
    return np.reshape(image.getpalette() or [], (-1, 3))


def read_image(path: Path | str) -> Array:
    """The image in a file, as people see it: ``image[i, j, c]`` is 0 for black and 1 for white.

    Grey and palette images become RGB, an alpha channel is dropped, the EXIF orientation is applied (a mask is
    traced on what a viewer shows). More than 8 bits a channel is refused rather than guessed at.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    ndarray of shape (H, W, 3)
        float32 in [0, 1]: the stored bytes over 255.

    Raises
    ------
    DataError
        If the file is missing, truncated, no image, or not of 8 bits.

    Notes
    -----
    Exactness: equals Pillow's ``convert("RGB")`` by ``==`` after ``rint(255 image)``.
    Source: ours.
    """
    modes = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr")
    image = _open(path, modes, "8 bits a channel")
    return _rgb(image).astype(np.float32) / np.float32(255)


def city_label(path: Path) -> Array:
    """Cityscapes ids to classes: ``label[i, j] = TRAIN_ID[id[i, j]]``.

    A file named ``..._labelTrainIds.png`` holds the classes already; :func:`tinybnn.data.samples.load` takes it only where
    labelIds is absent.

    Parameters
    ----------
    path : Path
        One channel of ids. In a palette of colours the index is the id; in one of greys (what optimisers of PNG
        files make of one channel) the grey is.

    Returns
    -------
    ndarray of shape (H, W)
        uint8, 0..18 or 255.

    Raises
    ------
    DataError
        For an id that Cityscapes does not have: labelIds are 0..33 and 255 (the licence plate's -1 in a byte),
        trainIds are 0..18 and 255.

    Notes
    -----
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
    """KITTI road colours to classes: ``label = IGNORE where R = 0, else 1 where B > 0, else 0``.

    Magenta is road, red is valid and no road; **black is ignored, it is not background**.

    Parameters
    ----------
    path : Path

    Returns
    -------
    ndarray of shape (H, W)
        uint8, 0 (non-road), 1 (road) or 255.

    Raises
    ------
    DataError
        If the file cannot be read or holds no colours.

    Notes
    -----
    Exactness: the rule by ``==``.
    Source: the KITTI road development kit of Fritsch 2013; status from code. Official scores are taken in
    bird's-eye view; ours are of the perspective image.
    """
    colours = _open(path, ("RGB", "RGBA", "P"), "colours: red valid, magenta road, black ignored")
    rgb = _rgb(colours)
    road = (rgb[..., 2] > 0).astype(np.uint8)
    return np.where(rgb[..., 0] > 0, road, np.uint8(IGNORE))


def object_label(path: Path) -> Array:
    """A saliency mask to classes: ``label = 1 where grey > 128, else 0``.

    One-bit files become grey first (as booleans, none would exceed 128). Pixels whose palette gives greys read as
    greys. A palette whose pixels, or whose entry 1, are coloured is a map of labels and reads as its indices:
    0 background, 255 ignored (the border some sets draw), else object.

    Parameters
    ----------
    path : Path

    Returns
    -------
    ndarray of shape (H, W)
        uint8, 0 (background) or 1 (object), or 255 from a palette of colours.

    Raises
    ------
    DataError
        If the file cannot be read, is not of 8 bits, or is coloured without a palette.

    Notes
    -----
    Exactness: the rule by ``==``.
    Source: grey > 128 as in PySODMetrics, status from code; palettes ours.
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


def fit_label(label: Array, size: tuple[int, int], path: Path) -> Array:
    """The label at the size ``(H, W)`` of its image: ``label[floor((i + 1/2) h / H), floor((j + 1/2) w / W)]``.

    Up to :data:`SLACK` pixels a side are stretched, nearest neighbour, so that no class is invented and none moves by
    more than that. A larger difference, or a portrait mask for a landscape: the two files do not belong together.
    """
    from PIL import Image

    (h, w), (H, W) = label.shape, size
    if max(abs(h - H), abs(w - W)) > SLACK:
        raise DataError(f"read: {path} is {h} x {w}, expected {H} x {W} as its image, or within {SLACK} pixels of it")
    return label if (h, w) == (H, W) else np.array(Image.fromarray(label).resize((W, H), Image.Resampling.NEAREST))
