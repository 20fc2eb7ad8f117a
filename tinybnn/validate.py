"""Checks of arguments. Every error names the operation, the argument, its value, and what was expected::

    conv2d: w has shape (3, 3, 4, 8), expected (KH, KW, C, F) with C = 2 from x

A public operation begins with calls of ``need_*``. Each raises ``ValueError`` for a wrong value or shape, and
``TypeError`` for a wrong type. Some return what they checked.
"""

import math
from collections.abc import Collection
from typing import Any

import numpy as np

from .notation import HW, Array

# -- shapes and dtypes ----------------------------------------------------------------------------------------------


def need_shape(op: str, name: str, array: Array, letters: str, **known: tuple[int, str]) -> tuple[int, ...]:
    """Check ``array.shape`` against ``letters``, such as ``"N H W C"``, and return the shape.

    A size that another argument has fixed is given as ``C=(3, "x")``: the number, and the name of that argument.
    A number in ``letters`` means itself.

    >>> need_shape("conv2d", "x", np.zeros((1, 4, 5, 2)), "N H W C")
    (1, 4, 5, 2)
    """
    if not isinstance(array, np.ndarray):
        raise TypeError(f"{op}: {name} is a {type(array).__name__}, expected a NumPy array")
    names = letters.split()
    fits = array.ndim == len(names)
    for n, size in zip(names, array.shape):
        fits = fits and (known[n][0] == size if n in known else not n.isdigit() or int(n) == size)
    if not fits:
        shape = f"({', '.join(names)}{',' if len(names) == 1 else ''})"
        sizes = ", ".join(f"{n} = {known[n][0]} from {known[n][1]}" for n in dict.fromkeys(names) if n in known)
        raise ValueError(f"{op}: {name} has shape {array.shape}, expected {shape}{sizes and f' with {sizes}'}")
    return array.shape


def need_float(op: str, **arrays: Array) -> None:
    """Refuse every dtype but float32 and float64, and both of them in one call."""
    dtypes = {}
    for name, array in arrays.items():
        dtype = getattr(array, "dtype", None)
        if dtype not in (np.float32, np.float64):
            raise TypeError(f"{op}: {name} has dtype {dtype or type(array).__name__}, expected float32 or float64")
        dtypes[name] = dtype
    if len(set(dtypes.values())) > 1:
        words = ", ".join(f"{name} {dtype}" for name, dtype in dtypes.items())
        raise TypeError(f"{op}: mixed dtypes ({words}), expected one float dtype")


def need_channels(op: str, **arrays: Array) -> None:
    """Refuse all but floats of one dtype, the first of shape (..., C) and the others of shape (C,)."""
    need_float(op, **arrays)
    (first, x), *vectors = arrays.items()
    if x.ndim == 0:
        raise ValueError(f"{op}: {first} has shape (), expected (..., C)")
    for name, vector in vectors:
        need_shape(op, name, vector, "C", C=(x.shape[-1], first))


def need_dtype(op: str, name: str, array: Array, kind: type) -> None:
    """Refuse an array whose dtype is not a subtype of ``kind`` (``np.integer``, ``np.uint64``, ``np.bool_`` ...)."""
    if not np.issubdtype(np.asarray(array).dtype, kind):
        raise TypeError(f"{op}: {name} has dtype {np.asarray(array).dtype}, expected {kind.__name__}")


# -- the values in an array -----------------------------------------------------------------------------------------


def _refuse(op: str, name: str, array: Array, bad: Array, why: str, kind: type[ValueError] = ValueError) -> None:
    """Raise an error about the first value of ``array`` where ``bad`` is true, if there is one."""
    if bad.any():
        at = tuple(int(i) for i in np.argwhere(bad)[0])
        raise kind(f"{op}: {name}{list(at)} is {array[at]}, {why}")


def need_pm1(op: str, name: str, array: Array) -> None:
    """Refuse an array with any value other than -1 and +1."""
    _refuse(op, name, array, np.abs(array) != 1, "expected every value to be -1 or +1")


def need_finite(op: str, name: str, array: Array) -> None:
    """Refuse NaN and infinity."""
    _refuse(op, name, array, ~np.isfinite(array), "expected finite values")


class NoSignError(ValueError):
    """A value is NaN where a sign is taken."""


def need_sides(op: str, name: str, array: Array) -> None:
    """Refuse NaN, which is neither below zero nor at or above it."""
    if np.isnan(array.min(initial=np.inf)):  # the minimum is NaN if any value is: one pass, and no mask is made
        _refuse(op, name, array, np.isnan(array), "which has no sign", NoSignError)


def need_probability(op: str, name: str, array: Array) -> None:
    """Refuse NaN and every value outside [0, 1]."""
    _refuse(op, name, array, ~((array >= 0) & (array <= 1)), "expected a probability in [0, 1]")


def need_labels(op: str, name: str, labels: Array, shape: tuple[int, ...], L: int, ignore: int | None = None) -> Array:
    """Refuse all but whole numbers of this ``shape``, each 0..L-1 or ``ignore``; return where a label counts.

    >>> need_labels("cross_entropy", "labels", np.array([0, 255, 1]), (3,), 2, 255)
    array([ True, False,  True])
    """
    need_shape(op, name, labels, " ".join(map(str, shape)))
    need_dtype(op, name, labels, np.integer)
    counted = np.ones(shape, bool) if ignore is None else np.asarray(labels != ignore)
    others = "" if ignore is None else f", or {ignore} for ignored"
    _refuse(op, name, labels, counted & ((labels < 0) | (labels >= L)), f"expected 0..{L - 1}{others}")
    return counted


def need_mask(op: str, probability: Array, target: Array, ignore: int | None = None) -> Array:
    """Refuse all but a map of probabilities (H, W) and its mask of 0, 1 and ``ignore``; return where a pixel counts."""
    need_float(op, probability=probability)
    H, W = need_shape(op, "probability", probability, "H W")
    if H * W == 0:
        raise ValueError(f"{op}: probability has shape {(H, W)}, expected at least one pixel")
    need_shape(op, "target", target, "H W", H=(H, "probability"), W=(W, "probability"))
    plain = target.dtype == bool
    counted = np.ones((H, W), bool) if plain else need_labels(op, "target", target, (H, W), 2, ignore)
    if not counted.any():
        raise ValueError(f"{op}: target is {ignore} everywhere, expected at least one pixel that counts")
    need_probability(op, "probability", np.where(counted, probability, 0))
    return counted


# -- options --------------------------------------------------------------------------------------------------------


def need_int(op: str, name: str, value: Any, least: int) -> int:
    """Refuse all but a whole number of at least ``least``."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise ValueError(f"{op}: {name} is {value!r}, expected a whole number >= {least}")
    return int(value)


def need_pair(op: str, name: str, value: Any, least: int) -> HW:
    """Return one whole number, or a (rows, columns) pair of them, as a pair."""
    if not isinstance(value, (tuple, list)):
        return (need_int(op, name, value, least),) * 2
    if len(value) != 2:
        raise ValueError(f"{op}: {name} is {value!r}, expected a whole number or a (rows, columns) pair")
    return need_int(op, name, value[0], least), need_int(op, name, value[1], least)


def need_choice(op: str, name: str, value: Any, choices: Collection[Any]) -> Any:
    """Refuse a value that is not one of ``choices``."""
    if value not in choices:
        raise ValueError(f"{op}: {name} is {value!r}, expected one of {', '.join(map(repr, choices))}")
    return value


def need_number(op: str, name: str, value: Any, low: float = -math.inf, high: float = math.inf) -> float:
    """Refuse all but a finite number in [low, high]."""
    scalar = np.isscalar(value)
    if isinstance(value, (bool, str)) or not scalar or not (low <= value <= high) or not math.isfinite(value):
        span = f"number in [{low}, {high}]" if (low, high) != (-math.inf, math.inf) else "finite number"
        raise ValueError(f"{op}: {name} is {value!r}, expected a {span}")
    return value
