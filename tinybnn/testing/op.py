"""The record of one operation: everything that a test, a benchmark or an outside kernel needs to know about it."""

import math
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..notation import Array


class Case(NamedTuple):
    """Arguments and options of one call. A case equals only itself, so what is computed for it can be kept."""

    args: tuple
    options: dict[str, Any] = {}

    def __hash__(self) -> int:
        return id(self)

    def __eq__(self, other: object) -> bool:
        return self is other


class Words(NamedTuple):
    """Packed rows and the number of bits in a row, which the words alone do not say."""

    array: Array
    n: int


INFINITE = ((0, (np.inf, -np.inf)),)
"""The first argument may be infinite."""

ANYTHING = ((0, (np.inf, -np.inf, np.nan)),)
"""The first argument may be infinite or NaN."""


class Law(NamedTuple):
    """An identity that holds exactly for every input: ``sides(function, case)`` gives its left and its right side.

    A law needs no second implementation: it compares results of one function with each other or with constants.
    """

    says: str
    sides: Callable[[Callable, Case], tuple[Any, Any]]


class Refusal(NamedTuple):
    """A call that must raise an error, and a part of the error message."""

    case: Case
    says: str


def call(*args: Any, **options: Any) -> Case:
    """The case of a call: ``call(x, w, stride=2)``."""
    return Case(args, options)


def refused(says: str, *args: Any, **options: Any) -> Refusal:
    """This call must be refused with a message that contains ``says``."""
    return Refusal(Case(args, options), says)


class Packed(NamedTuple):
    """The packed form of an operation.

    ``feed`` turns a case of the float forward function into the arguments of the packed one. ``words`` says that the
    result is words too: the packed signs of the float result. ``others`` are further functions that compute the same.
    Without ``cases`` of its own the form is tested on the cases of the operation.
    """

    function: Callable
    feed: Callable[[Case], Case]
    cases: Callable[..., Any] | None = None
    boundary: tuple[Case, ...] = ()
    words: bool = False
    others: dict[str, Callable] = {}


def value_alone(out: Any, case: Case) -> Any:
    """The value of a result that is ``value`` or ``(value, cache)``."""
    return out[0] if isinstance(out, tuple) and out else out


class Op(NamedTuple):
    """One operation and its forms.

    ``spec`` is the specification in loops; ``version`` is raised by one when its numbers change. ``forward`` and
    ``backward`` are the fast pair. ``cases`` takes :class:`~tinybnn.testing.strategies.Limits` and returns a
    Hypothesis strategy of :class:`Case`; the cases of ``boundary`` always run. ``refuses`` lists only what
    ``tests/test_arguments.py`` does not try on every function. ``roundings``, a number or a function of the case, is
    the length of the longest chain of float roundings from an input to an output: a result may differ by so many
    units in the last place of the largest value; 0 means ``==``. ``spreads`` lists the arguments that need not be
    finite, with the values that are put into them in one more call. ``result`` takes the value to compare out of what a
    candidate returns. ``words`` gives the number of bits in a row if the result is words. ``axes`` names the axes of
    every argument and of the result if there are other layouts. ``idle`` lists options that do not change the value.
    """

    name: str
    spec: Callable
    forward: Callable
    cases: Callable[..., Any]
    laws: tuple[Law, ...]
    spreads: tuple[tuple[int, tuple[float, ...]], ...] = ()
    refuses: tuple[Refusal, ...] = ()
    backward: Callable | None = None
    packed: Packed | None = None
    boundary: tuple[Case, ...] = ()
    roundings: float | Callable[[Case], float] = 0
    result: Callable[[Any, Case], Any] = value_alone
    words: Callable[[Case], int] | None = None
    axes: str = ""
    idle: tuple[str, ...] = ()
    others: dict[str, Callable] = {}
    version: int = 1


def record(forward: Callable, cases: Callable[..., Any], **fields: Any) -> Op:
    """The record of ``forward``; its specification and backward pass are in the same file, as ``NAME_loops`` and
    ``NAME_backward``, unless ``fields`` gives them."""
    name, file = forward.__name__, vars(sys.modules[forward.__module__])
    pair: dict[str, Any] = {"spec": file.get(f"{name}_loops"), "backward": file.get(f"{name}_backward")}
    return Op(name=name, forward=forward, cases=cases, **pair | fields)


def of_a_sum(n: int) -> int:
    """Roundings of a sum of n terms done well: in runs of 32 terms, then runs of 32 such sums, and so on.

    One after the other the terms would be rounded n times, and errors of equal terms add up.
    """
    return min(n, 32 * math.ceil(math.log(max(n, 2), 32)))


MANY = np.full(5000, np.float32(452.6), float)
"""Equal numbers of 24 bits: their running sum is exact in float64, and in float32 wrong in the fifth digit."""


def bare(args: tuple) -> tuple:
    """Arguments as the library's own functions take them: words without their number of bits."""
    return tuple(map(array_of, args))


def array_of(a: Any) -> Any:
    """The array of :class:`Words`; everything else is returned unchanged."""
    return a.array if isinstance(a, Words) else a


def is_float(a: Any) -> bool:
    """Whether ``a`` is an array of floats. Such arguments are differentiated and come in several precisions."""
    return isinstance(a, np.ndarray) and a.dtype.kind == "f"


def in_dtype(args: tuple, dtype: Any) -> tuple:
    """The same arguments with every array of floats in ``dtype``."""
    return tuple(a.astype(dtype) if is_float(a) else a for a in args)
