"""The record of one operation: everything a test, a benchmark or an outside kernel needs to know about it."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..notation import Array


class Case(NamedTuple):
    """Arguments and options of one call."""

    args: tuple
    options: dict[str, Any] = {}


class Words(NamedTuple):
    """Packed rows, and how many bits each holds: words alone do not tell, and other layouts must know."""

    array: Array
    n: int


class Law(NamedTuple):
    """An identity that holds exactly, whatever the input: ``sides(function, case)`` gives both of its sides.

    Unlike the specification, a law needs no second implementation: it holds a function against itself.
    """

    says: str
    sides: Callable[[Callable, Case], tuple[Any, Any]]


class Refusal(NamedTuple):
    """A call that must be refused, and a piece of what the refusal must say."""

    case: Case
    says: str


class Packed(NamedTuple):
    """The form on words. ``feed`` turns a case of the float forward into the packed function's own arguments.

    ``words`` says that the result is words too: those of the forward's signs. ``others`` are further ways to compute
    the same. Without ``cases`` of its own the form is asked those of the operation.
    """

    function: Callable
    feed: Callable[[Case], Case]
    cases: Callable[..., Any] | None = None
    boundary: tuple[Case, ...] = ()
    words: bool = False
    others: dict[str, Callable] = {}


def value_alone(out: Any, case: Case) -> Any:
    """The value, of ``value`` as of ``(value, cache)``."""
    return out[0] if isinstance(out, tuple) and out else out


class Op(NamedTuple):
    """One operation and its forms.

    ``spec`` is the loop specification, and ``version`` counts the times its numbers changed; ``forward`` and
    ``backward`` are the fast pair. ``cases`` makes, from :class:`~tinybnn.testing.strategies.Limits`, a Hypothesis
    strategy of :class:`Case`; ``boundary`` are the cases that always run. ``roundings`` is the longest chain of float
    roundings between an input and an output, a number or a function of the case: results may differ by so many units
    in the last place of the largest value, and 0 means ``==``. ``result`` takes the value to compare out of what a
    candidate returns. ``words`` gives the bits in a row where the result is words. ``axes`` names the axes of every
    argument and of the result, where there are other layouts. ``idle`` are options that do not change the value.
    """

    name: str
    spec: Callable
    forward: Callable
    cases: Callable[..., Any]
    laws: tuple[Law, ...]
    refuses: tuple[Refusal, ...]
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


def bare(args: tuple) -> tuple:
    """Arguments as the library's own functions take them: words without their number of bits."""
    return tuple(map(array_of, args))


def array_of(a: Any) -> Any:
    """Words without their number of bits; everything else as it is."""
    return a.array if isinstance(a, Words) else a


def is_float(a: Any) -> bool:
    """Whether ``a`` is an array of floats, the arguments that are differentiated and come in several precisions."""
    return isinstance(a, np.ndarray) and a.dtype.kind == "f"


def in_dtype(args: tuple, dtype: Any) -> tuple:
    """The same arguments with every array of floats in ``dtype``."""
    return tuple(a.astype(dtype) if is_float(a) else a for a in args)
