"""Compare one result with the expected one: first whether it is an array, its shape and its dtype, then every value."""

from typing import Any

import numpy as np

from ..notation import Array
from .forms import Trial
from .op import Words, array_of
from .say import Failure


class Unreadable(str):
    """Takes the place of a result that could not be read; the text says why."""


def judge(trial: Trial, results: tuple) -> Failure | None:
    """The first thing that is wrong with the results of a call, or None. Nothing is broadcast."""
    for name, got, expected, bound in zip(trial.names, results, trial.expected, trial.bounds):
        failure = wrong_kind(trial, name, got, expected) or wrong_values(trial, name, got, expected, bound)
        if failure:
            return failure
    return None


def wrong_kind(trial: Trial, name: str, got: Any, expected: Any) -> Failure | None:
    """What is wrong with a result before its values are compared."""
    if isinstance(got, Unreadable):
        return Failure("type", str(got), trial)
    right, dtype = np.asarray(array_of(expected)), dtype_of(trial, expected)
    if got.dtype.kind not in "biuf":
        return Failure("type", f"{name} has dtype {got.dtype}, expected numbers", trial)
    if got.shape != right.shape:
        return Failure("shape", f"{name} has shape {got.shape}, expected {right.shape}", trial)
    if dtype is not None and got.dtype != dtype or (got.dtype.kind == "b") != (right.dtype.kind == "b"):
        return Failure("dtype", f"{name} has dtype {got.dtype}, expected {dtype or right.dtype}", trial)
    return None


def dtype_of(trial: Trial, expected: Any) -> Any:
    """The dtype that a result must have; None if any will do, since a count may be an integer of any width."""
    if isinstance(expected, Words):
        return np.dtype(np.uint64)
    return np.dtype(trial.dtype) if trial.dtype is not None and np.asarray(expected).dtype.kind == "f" else None


def wrong_values(trial: Trial, name: str, got: Array, expected: Any, bound: Any) -> Failure | None:
    """The first wrong value, and the number of wrong values."""
    right = np.asarray(array_of(expected))
    wrong = differs(got, right, bound)
    if not wrong.any():
        return None
    at = tuple(int(k) for k in np.argwhere(wrong)[0])
    place = f"{name}[{', '.join(map(str, at))}]" if at else name
    g, r = (hex(a[at]) if isinstance(expected, Words) else repr(a[at].item()) for a in (got, right))
    count = f" ({int(wrong.sum())} of {wrong.size} values are wrong)" if wrong.size > 1 else ""
    return Failure("value", f"{place} is {g}, expected {r}{count}", trial, got, right)


def differs(got: Array, expected: Array, bound: Any) -> Array:
    """Where values differ by more than ``bound``. NaN equals NaN, and infinity equals infinity."""
    with np.errstate(invalid="ignore", over="ignore"):
        same = (got == expected) | ((got != got) & (expected != expected))
        if np.any(np.asarray(bound) > 0):
            same |= np.abs(np.subtract(got, expected, dtype=np.float64)) <= bound
    return np.asarray(~same)
