"""One way to refuse bad input: every error names the operation, the argument, what came, what was expected.

``need_*`` functions return what they checked, or raise ``ValueError`` (a wrong value or shape) or
``TypeError`` (a wrong dtype). They are the first lines of every public operation::

    conv2d: w has shape (3, 3, 4, 8), expected (KH, KW, C, F) with C = 2 from x
"""

import math
from collections.abc import Collection
from typing import Any

import numpy as np

from .notation import Array


def need_shape(op: str, name: str, array: Array, letters: str, **known: tuple[int, str]) -> tuple[int, ...]:
    """Check ``array.shape`` against ``letters`` and return the sizes in that order.

    ``letters`` is a string such as ``"N H W C"``. A size known from elsewhere is given as
    ``C=(3, "x")``: the number, and the argument it came from. A digit in ``letters`` stands for itself.

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
        known_words = [f"{n} = {known[n][0]} from {known[n][1]}" for n in dict.fromkeys(names) if n in known]
        raise ValueError(
            f"{op}: {name} has shape {array.shape}, expected {shape}"
            + (f" with {', '.join(known_words)}" if known_words else "")
        )
    return array.shape


def need_float(op: str, **arrays: Array) -> None:
    """Refuse anything but float32 or float64, and two float dtypes in one call."""
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


def need_pm1(op: str, name: str, array: Array) -> None:
    """Refuse an array with any value other than -1 and +1."""
    bad = np.abs(array) != 1
    if bad.any():
        at = tuple(int(i) for i in np.argwhere(bad)[0])
        raise ValueError(f"{op}: {name}{list(at)} is {array[at]}, expected every value to be -1 or +1")


def need_finite(op: str, name: str, array: Array) -> None:
    """Refuse NaN and infinity, and say where the first one is."""
    bad = ~np.isfinite(array)
    if bad.any():
        at = tuple(int(i) for i in np.argwhere(bad)[0])
        raise ValueError(f"{op}: {name}{list(at)} is {array[at]}, expected finite values")


class NoSignError(ValueError):
    """A value is NaN where a sign is taken."""


def need_sides(op: str, name: str, array: Array) -> None:
    """Refuse NaN, which lies on no side of zero, and say where the first one is."""
    if np.isnan(array.min(initial=np.inf)):  # one pass where there is none
        at = tuple(int(i) for i in np.argwhere(np.isnan(array))[0])
        raise NoSignError(f"{op}: {name}{list(at)} is nan, which has no sign")


def need_probability(op: str, name: str, array: Array) -> None:
    """Refuse NaN and whatever is not in [0, 1], and say where the first one is."""
    bad = ~((array >= 0) & (array <= 1))
    if bad.any():
        at = tuple(int(i) for i in np.argwhere(bad)[0])
        raise ValueError(f"{op}: {name}{list(at)} is {array[at]}, expected a probability in [0, 1]")


def need_labels(op: str, name: str, labels: Array, shape: tuple[int, ...], L: int, ignore: int | None = None) -> Array:
    """Refuse labels that are not whole numbers of that ``shape``, each 0..L-1 or ``ignore``; return which ones count.

    >>> need_labels("cross_entropy", "labels", np.array([0, 255, 1]), (3,), 2, 255)
    array([ True, False,  True])
    """
    need_shape(op, name, labels, " ".join(map(str, shape)))
    need_dtype(op, name, labels, np.integer)
    counted = np.ones(shape, bool) if ignore is None else np.asarray(labels != ignore)
    bad = counted & ((labels < 0) | (labels >= L))
    if bad.any():
        at = tuple(int(i) for i in np.argwhere(bad)[0])
        expected = f"0..{L - 1}" + ("" if ignore is None else f", or {ignore} for ignored")
        raise ValueError(f"{op}: {name}{list(at)} is {labels[at]}, expected {expected}")
    return counted


def need_mask(op: str, probability: Array, target: Array) -> Array:
    """Refuse what is not a map of probabilities (H, W) and its mask of 0 and 1; return the mask as booleans."""
    need_float(op, probability=probability)
    H, W = need_shape(op, "probability", probability, "H W")
    if H * W == 0:
        raise ValueError(f"{op}: probability has shape {(H, W)}, expected at least one pixel")
    need_probability(op, "probability", probability)
    need_shape(op, "target", target, "H W", H=(H, "probability"), W=(W, "probability"))
    if target.dtype != bool:
        need_labels(op, "target", target, (H, W), 2)
    return target == 1


def need_int(op: str, name: str, value: Any, least: int) -> int:
    """Refuse what is not a whole number of at least ``least``."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise ValueError(f"{op}: {name} is {value!r}, expected a whole number >= {least}")
    return int(value)


def need_pair(op: str, name: str, value: Any, least: int) -> tuple[int, int]:
    """One whole number, or a (rows, columns) pair of them, as a pair."""
    if isinstance(value, (tuple, list)):
        if len(value) != 2:
            raise ValueError(f"{op}: {name} is {value!r}, expected a whole number or a (rows, columns) pair")
        return need_int(op, name, value[0], least), need_int(op, name, value[1], least)
    return (need_int(op, name, value, least),) * 2


def need_choice(op: str, name: str, value: Any, choices: Collection[Any]) -> Any:
    """Refuse a value outside ``choices``, and list them."""
    if value not in choices:
        raise ValueError(f"{op}: {name} is {value!r}, expected one of {', '.join(map(repr, choices))}")
    return value


def need_number(op: str, name: str, value: Any, low: float = -math.inf, high: float = math.inf) -> float:
    """Refuse what is not a finite number in [low, high]."""
    scalar = np.isscalar(value)
    if isinstance(value, (bool, str)) or not scalar or not (low <= value <= high) or not math.isfinite(value):
        span = f"number in [{low}, {high}]" if (low, high) != (-math.inf, math.inf) else "finite number"
        raise ValueError(f"{op}: {name} is {value!r}, expected a {span}")
    return value


def ceil_div(n: int, d: int) -> int:
    """``n / d`` rounded up, in whole numbers.

    >>> ceil_div(7, 3)
    3
    """
    return -(-n // d)
