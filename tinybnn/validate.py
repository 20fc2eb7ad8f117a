"""Checks of arguments. Every error names the operation, the argument, its value, and what was expected::

    conv2d: w has shape (3, 3, 4, 8), expected (KH, KW, C, F) with C = 2 from x

A public operation begins with calls of ``need_*``. Each raises ``ValueError`` for a wrong value or shape, and
``TypeError`` for a wrong type. Some return what they checked.
"""

import math
import sys
from collections.abc import Collection
from typing import Any

import numpy as np

from .notation import HW, Array

# -- shapes and dtypes ----------------------------------------------------------------------------------------------


def need_array(op: str, name: str, array: Any) -> None:
    """Refuse all but a plain NumPy array. Only its first axis, the batch, may be empty.

    Of the subclasses of ``ndarray`` only a memory map computes as a plain array: a masked array skips values.
    """
    if type(array) not in (np.ndarray, np.memmap):
        raise TypeError(f"{op}: {name} is a {type(array).__name__}, expected a NumPy array")
    if array.ndim == 0 or 0 in array.shape[1:]:
        raise ValueError(f"{op}: {name} has shape {array.shape}, expected axes of size 1 or more (the batch may be 0)")


def need_shape(
    op: str, name: str, array: Array, letters: str | tuple[int, ...], **known: tuple[int, str]
) -> tuple[int, ...]:
    """Check ``array.shape`` against ``letters``, such as ``"N H W C"``, or another shape, and return the shape.

    A size that another argument has fixed is given as ``C=(3, "x")``: the number, and the name of that argument.
    A number in ``letters`` means itself. Sizes are at least 1, but a batch ``N`` and rows ``M`` may be empty.

    >>> need_shape("conv2d", "x", np.zeros((1, 4, 5, 2)), "N H W C")
    (1, 4, 5, 2)
    """
    names = letters.split() if isinstance(letters, str) else list(map(str, letters))
    fits = isinstance(array, np.ndarray) and array.ndim == len(names)
    for n, size in zip(names, array.shape) if fits else ():
        wanted = known[n][0] if n in known else int(n) if n.isdigit() else size
        fits = fits and size == wanted and (size > 0 or n in ("N", "M", "0"))
    if not fits:
        need_array(op, name, array)
        shape = f"({', '.join(names)}{',' if len(names) == 1 else ''})"
        sizes = ", ".join(f"{n} = {known[n][0]} from {known[n][1]}" for n in dict.fromkeys(names) if n in known)
        empty = ", of sizes of at least 1" if 0 in array.shape else ""
        raise ValueError(f"{op}: {name} has shape {array.shape}, expected {shape}{sizes and f' with {sizes}'}{empty}")
    return array.shape


def need_float(op: str, **arrays: Array) -> None:
    """Refuse every dtype but float32 and float64, and both of them in one call."""
    dtypes = {}
    for name, array in arrays.items():
        need_array(op, name, array)
        dtypes[name] = array.dtype
        if array.dtype not in (np.float32, np.float64):
            raise TypeError(f"{op}: {name} has dtype {array.dtype}, expected float32 or float64")
    if len(set(dtypes.values())) > 1:
        words = ", ".join(f"{name} {dtype}" for name, dtype in dtypes.items())
        raise TypeError(f"{op}: mixed dtypes ({words}), expected one float dtype")


def need_channels(op: str, **arrays: Array) -> None:
    """Refuse all but floats of one dtype: the first of shape (..., C), the others of shape (C,) and finite."""
    need_float(op, **arrays)
    (first, x), *vectors = arrays.items()
    if x.shape[-1] == 0:
        raise ValueError(f"{op}: {first} has shape {x.shape}, expected (..., C) with C at least 1")
    for name, vector in vectors:
        if vector.shape != x.shape[-1:]:
            need_shape(op, name, vector, "C", C=(x.shape[-1], first))
    need_finite(op, **dict(vectors))


def need_gradient(
    op: str, gradient: Array, letters: str | tuple[int, ...], name: str = "dy", *, finite: bool = False
) -> tuple[int, ...]:
    """Refuse all but floats, or with ``finite`` finite ones, of the forward result's shape; return the shape."""
    need_float(op, **{name: gradient})
    shape = need_shape(op, name, gradient, letters)
    if finite:
        need_finite(op, **{name: gradient})
    return shape


def need_dtype(op: str, name: str, array: Array, kind: type) -> None:
    """Refuse an array whose dtype is not a subtype of ``kind`` (``np.integer``, ``np.uint64``, ``np.bool_`` ...)."""
    need_array(op, name, array)
    if not np.issubdtype(array.dtype, kind) or not array.dtype.isnative:
        raise TypeError(f"{op}: {name} has dtype {array.dtype}, expected {kind.__name__}")


# -- the values in an array -----------------------------------------------------------------------------------------


def _refuse(op: str, name: str, array: Array, bad: Array, why: str, kind: type[ValueError] = ValueError) -> None:
    """Raise an error about the first value of ``array`` where ``bad`` is true, if there is one."""
    if bad.any():
        at = tuple(int(i) for i in np.argwhere(bad)[0])
        raise kind(f"{op}: {name}{list(at)} is {array[at]}, {why}")


def need_pm1(op: str, name: str, array: Array) -> None:
    """Refuse an array with any value other than -1 and +1."""
    _refuse(op, name, array, np.abs(array) != 1, "expected every value to be -1 or +1")


class NotFiniteError(ValueError):
    """A value is infinite or NaN, or only NaN, where the operation refuses it."""


def squares_add_up(array: Array) -> bool:
    """Whether the sum of squares is finite; then all values are. It is the fastest pass, and makes no mask."""
    return math.isfinite(np.vdot(array, array))


def need_finite(op: str, *, where: Array | bool = True, total: Array | None = None, **arrays: Array) -> None:
    """Refuse NaN and infinity, except where ``where`` is false.

    All ``arrays`` are part of ``total``, if it is given: if that is finite, none of them is read.
    """
    if total is not None and squares_add_up(total):
        return
    for name, array in arrays.items():
        if not squares_add_up(array):
            _refuse(op, name, array, ~np.isfinite(array) & where, "expected finite values", NotFiniteError)


def need_sides(op: str, name: str, array: Array, why: str = "which has no sign") -> None:
    """Refuse NaN, which is neither below a number nor at or above it."""
    if np.isnan(array.min(initial=np.inf)):  # the minimum is NaN if any value is: one pass, and no mask is made
        _refuse(op, name, array, np.isnan(array), why, NotFiniteError)


def need_probability(op: str, name: str, array: Array) -> None:
    """Refuse NaN and every value outside [0, 1]."""
    _refuse(op, name, array, ~((array >= 0) & (array <= 1)), "expected a probability in [0, 1]")


def need_labels(op: str, name: str, labels: Array, shape: tuple[int, ...], L: int, ignore: int | None = None) -> Array:
    """Refuse all but whole numbers of this ``shape``, each 0..L-1 or ``ignore``; return where a label counts.

    >>> need_labels("cross_entropy", "labels", np.array([0, 255, 1]), (3,), 2, 255)
    array([ True, False,  True])
    """
    if not (ignore is None or _is_whole(ignore)):
        raise ValueError(f"{op}: ignore is {shown(ignore)}, expected a whole number or None")
    need_shape(op, name, labels, shape)
    need_dtype(op, name, labels, np.integer)
    counted = np.ones(shape, bool) if ignore is None else np.asarray(labels != ignore)
    others = "" if ignore is None else f", or {ignore} for ignored"
    _refuse(op, name, labels, counted & ((labels < 0) | (labels >= L)), f"expected 0..{L - 1}{others}")
    return counted


def need_mask(op: str, probability: Array, target: Array, ignore: int | None = None) -> Array:
    """Refuse all but a map of probabilities (H, W) and its mask of 0, 1 and ``ignore``; return where a pixel counts."""
    need_float(op, probability=probability)
    H, W = need_shape(op, "probability", probability, "H W")
    need_shape(op, "target", target, "H W", H=(H, "probability"), W=(W, "probability"))
    labels = target.astype(np.uint8) if target.dtype == bool else target
    counted = need_labels(op, "target", labels, (H, W), 2, ignore)
    if not counted.any():
        raise ValueError(f"{op}: target is {ignore} everywhere, expected at least one pixel that counts")
    need_probability(op, "probability", np.where(counted, probability, 0))
    return counted


# -- options --------------------------------------------------------------------------------------------------------


def shown(value: Any) -> str:
    """A wrong value in one line of a message."""
    text = " ".join(repr(value).split())
    return text if len(text) <= 80 else f"{text[:77]}..."


def _is_whole(value: Any) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def need_int(op: str, name: str, value: Any, least: int) -> int:
    """Refuse all but a whole number of at least ``least``."""
    if not _is_whole(value) or value < least:
        raise ValueError(f"{op}: {name} is {shown(value)}, expected a whole number >= {least}")
    if value >= 2**31:
        raise ValueError(f"{op}: {name} is {shown(value)}, expected a whole number below 2**31")
    return int(value)


def need_pair(op: str, name: str, value: Any, least: int) -> HW:
    """Return one whole number, or a (rows, columns) pair of them, as a pair."""
    if _is_whole(value):
        return (need_int(op, name, value, least),) * 2
    return need_hw(op, name, value, least, "a whole number or ")


def need_hw(op: str, name: str, value: Any, least: int, other: str = "") -> HW:
    """Refuse all but a (rows, columns) pair of whole numbers."""
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        raise ValueError(f"{op}: {name} is {shown(value)}, expected {other}a (rows, columns) pair")
    return need_int(op, name, value[0], least), need_int(op, name, value[1], least)


def need_choice(op: str, name: str, value: Any, choices: Collection[Any]) -> Any:
    """Refuse a value that is not one of ``choices``."""
    if isinstance(value, (bool, np.bool_)) or np.iscomplexobj(value) or not np.isscalar(value) or value not in choices:
        raise ValueError(f"{op}: {name} is {shown(value)}, expected one of {', '.join(map(repr, choices))}")
    return value


def need_kind(op: str, name: str, value: Any, kind: type) -> Any:
    """Refuse a value of another type."""
    if not isinstance(value, kind):
        raise TypeError(f"{op}: {name} is {shown(value)}, expected a {kind.__name__}")
    return value


def need_number(op: str, name: str, value: Any, low: float = -math.inf, high: float = math.inf) -> float:
    """Refuse all but a finite number in [low, high]."""
    number, largest = value.item() if isinstance(value, np.generic) else value, sys.float_info.max
    real = isinstance(number, (int, float)) and not isinstance(number, bool)
    if not real or not (max(float(low), -largest) <= number <= min(float(high), largest)):
        span = f"number in [{low}, {high}]" if (low, high) != (-math.inf, math.inf) else "finite number"
        raise ValueError(f"{op}: {name} is {shown(value)}, expected a {span}")
    return value
