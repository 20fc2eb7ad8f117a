"""Simplify a failing input. Hypothesis makes sizes small; here values become 0, or +1 if all are signs.

Options are simplified too: strides, dilations and scales become 1 and paddings 0, if the input then still fails.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..notation import Array
from .op import Case, array_of, is_float


def size(case: Case) -> int:
    """The number of elements in all arguments."""
    return sum(np.size(array_of(a)) for a in case.args)


def plainer(case: Case, fails: Callable[[Case], bool]) -> Case:
    """``case`` with every option and every float as simple as possible, such that ``fails`` still holds."""
    for name in [name for name in LEAST if name in case.options]:
        for value in lower(case.options[name], LEAST[name]):
            other = Case(case.args, case.options | {name: value})
            if fails(other):
                case = other
                break
    for i, a in enumerate(case.args):
        if is_float(a):
            case = plainer_argument(case, i, fails)
    return case


LEAST = {"stride": 1, "dilation": 1, "scale": 1, "pad": 0}
"""The simplest value of each option that has one."""


def lower(value: Any, least: int) -> Iterator[Any]:
    """Lower values, the lowest first; of a pair first both values are lowered, then one."""
    if isinstance(value, tuple):
        rows, columns = value
        for r, c in ((least, least), (least, least + 1), (least + 1, least), (least, columns), (rows, least)):
            if r <= rows and c <= columns and (r, c) != value:
                yield r, c
    elif isinstance(value, int):
        yield from range(least, value)


def plainer_argument(case: Case, i: int, fails: Callable[[Case], bool]) -> Case:
    """The same for one argument: try all values at once, then halves, quarters and so on; then fewer decimals."""

    def put(values: Array) -> Case:
        return Case((*case.args[:i], values, *case.args[i + 1 :]), case.options)

    best = case.args[i]
    plain = 1.0 if np.isin(best, (-1.0, 1.0)).all() else 0.0
    pieces = [np.arange(best.size)] if best.size else []
    while pieces:
        piece = pieces.pop(0)
        trial = best.copy()
        trial.ravel()[piece] = plain
        if np.array_equal(trial, best):
            continue
        if fails(put(trial)):
            best = trial
        elif len(piece) > 1:
            pieces += np.array_split(piece, 2)
    for decimals in (0, 1):
        rounded = np.round(best, decimals)
        if not np.array_equal(rounded, best) and fails(put(rounded)):
            return put(rounded)
    return put(best)
