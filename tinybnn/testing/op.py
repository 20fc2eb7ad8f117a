"""The record of one operation: everything a test, a benchmark or an outside kernel needs to know about it."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..notation import Array


class Case(NamedTuple):
    """Arguments and options of one call."""

    args: tuple
    options: dict[str, Any] = {}


class Op(NamedTuple):
    """One operation and its rungs.

    ``spec`` is the loop specification; ``forward`` and ``backward`` the fast pair; ``packed`` a function of the same
    arguments as ``spec`` that packs its operands and runs the packed form. ``cases`` is a Hypothesis strategy of
    :class:`Case`, ``boundary`` the cases that always run. ``roundings`` is the longest chain of float roundings
    between an input and an output: results may differ by so many units in the last place of the largest value, and
    0 means ``==``. ``result`` takes the value to compare out of what ``forward`` returns.
    """

    name: str
    spec: Callable
    forward: Callable
    cases: Any
    backward: Callable | None = None
    packed: Callable | None = None
    boundary: tuple[Case, ...] = ()
    roundings: int = 0
    result: Callable = lambda out: out[0]


def ignoring(spec: Callable, *names: str) -> Callable:
    """``spec`` without the options that do not change its value: a surrogate, for one."""

    def call(*args, **options):
        return spec(*args, **{k: v for k, v in options.items() if k not in names})

    return call


def itself(out: Any) -> Array:
    """The ``result`` of an operation that returns its value alone, with no cache."""
    return np.asarray(out)
