"""The forms of an operation, each a public function: ``conv2d``, ``conv2d_backward`` and ``conv2d_packed``.

A form turns a case into trials. A trial is a single call with its expected results. The check, the search for the
cause and the golden vectors all use trials.
"""

import difflib
import inspect
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from ..model.gradcheck import numeric_vjp
from ..notation import Array
from ..ops.binarize import Quantizer
from ..ops.bitpack import pack
from .op import Case, Op, Packed, Words, bare, in_dtype, is_float
from .ops import OPS
from .strategies import Limits

DTYPES = (np.float64, np.float32)

GRADIENT_BOUND = 1e-6
"""Central differences in float64 are accurate to about 1e-9; a wrong backward pass is wrong in the first digits."""

UNBOUNDED = ", not all finite"
"""What the note of a trial with infinities and NaN ends in."""

SMALL = 100
"""Arguments of at most so many elements are also tried with infinities and NaN in them."""

SINGLE_BOUND = 1e-3
"""Relative to the largest gradient, in float32. Only a wrong dtype or an overflow is not found in float64 already."""


class Trial(NamedTuple):
    """One call and its expected results: each result has a name and a bound (0 means ``==``); floats have ``dtype``.

    For a backward pass, ``of`` is the forward call that made its cache.
    """

    args: tuple
    options: dict[str, Any]
    names: tuple[str, ...]
    expected: tuple[Any, ...]
    bounds: tuple[Any, ...]
    dtype: Any
    note: str
    of: Case | None = None


class Form(NamedTuple):
    """One public function of an operation; ``kind`` is "forward", "backward" or "packed"."""

    name: str
    op: Op
    kind: str

    @property
    def packed(self) -> Packed | None:
        """The record of the packed form; None for the other two."""
        return self.op.packed if self.kind == "packed" else None

    @property
    def function(self) -> Callable:
        """The library's own function."""
        if self.kind == "backward" and self.op.backward:
            return self.op.backward
        return self.packed.function if self.packed else self.op.forward

    @property
    def implementations(self) -> dict[str, Callable]:
        """The library's own function and its other functions that compute the same, by name."""
        others = (self.packed or self.op).others
        return {self.name: self.function} | ({} if self.kind == "backward" else others)

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names of the positional arguments of a case."""
        kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.POSITIONAL_ONLY)
        of = self.op.forward if self.kind == "backward" else self.function
        return tuple(p.name for p in inspect.signature(of).parameters.values() if p.kind in kinds)

    def cases(self, limits: Limits) -> Any:
        """The Hypothesis strategy of the form's cases."""
        own = self.packed.cases if self.packed else None
        return (own or self.op.cases)(limits)

    @property
    def boundary(self) -> tuple[Case, ...]:
        """The cases that always run."""
        return (self.packed or self.op).boundary

    def trials(self, case: Case, dtypes: tuple = DTYPES, forward: Callable | None = None) -> Iterator[Trial]:
        """The calls of a case. ``forward`` makes the cache for a backward pass; None means the library's function."""
        if self.kind == "forward":
            return forward_trials(self.op, case, dtypes)
        if self.kind == "packed":
            return packed_trials(self.op, case, dtypes)
        return backward_trials(self, case, dtypes, forward or self.op.forward)


FORMS = {
    name: Form(name, op, kind)
    for op in OPS.values()
    for kind, name in (
        ("forward", op.name),
        ("backward", op.backward and f"{op.name}_backward"),
        ("packed", op.packed and op.packed.function.__name__),
    )
    if name
}
"""Every function that can be checked, by name."""


def form_of(name: str) -> Form:
    """The form with this name; the error for an unknown name suggests similar names."""
    if name not in FORMS:
        close = difflib.get_close_matches(str(name), FORMS, n=3)
        hint = f"did you mean {' or '.join(close)}?" if close else "`tinybnn check --list` names them"
        raise ValueError(f"check: no operation is called {name!r}; {hint}")
    return FORMS[name]


# -- memory order ---------------------------------------------------------------------------------------------------


def each(args: tuple, change: Callable[[Array], Array]) -> tuple:
    """``args`` with every array changed, also inside words and named tuples."""
    changed = []
    for a in args:
        if isinstance(a, np.ndarray):
            a = change(a)
        elif isinstance(a, tuple) and hasattr(a, "_fields"):
            a = type(a)(*each(a, change))
        changed.append(a)
    return tuple(changed)


def fortran(args: tuple) -> tuple:
    return each(args, np.asfortranarray)


def strided(args: tuple) -> tuple:
    """Every array as every second element of a wider one."""
    return each(args, lambda a: np.repeat(a, 2, axis=-1)[..., ::2] if a.ndim else a)


def orders(note: str, every: bool) -> dict[str, Callable[[tuple], tuple]]:
    """The memory orders of a call, by the note that a message adds: the usual one, and with ``every`` the others."""
    return {note: tuple} | ({"in Fortran order": fortran, "not contiguous": strided} if every else {})


def name_of(dtype: Any) -> str:
    return np.dtype(dtype).name if dtype else ""


# -- forward --------------------------------------------------------------------------------------------------------


def forward_trials(op: Op, case: Case, dtypes: tuple) -> Iterator[Trial]:
    """One call in each precision; in the first precision also the other memory orders, and values that are not finite.

    The last only for small arguments, because the specification is slow.
    """
    floats = any(map(is_float, case.args))
    for dtype in dtypes if floats else (None,):
        args = in_dtype(case.args, dtype) if floats else case.args
        expected = specified(op.spec, case, dtype, op.idle)
        bound = bound_of(op, case, expected, dtype or np.float64)
        if op.words:
            expected = Words(expected, op.words(case))
        for note, order in orders(name_of(dtype), dtype in (None, dtypes[0])).items():
            yield Trial(order(args), case.options, ("y",), (expected,), (bound,), dtype, note)
    if op.spreads and sum(map(np.size, case.args)) <= SMALL:
        other = not_finite(case, op.spreads)
        args, expected = in_dtype(other.args, dtypes[0]), specified(op.spec, other, dtypes[0], op.idle)
        bound = bound_of(op, case, expected, dtypes[0])
        note = f"{name_of(dtypes[0])}{UNBOUNDED}"
        yield Trial(args, case.options, ("y",), (expected,), (bound,), dtypes[0], note)


@lru_cache(maxsize=2048)
def not_finite(case: Case, spreads: tuple) -> Case:
    """The case with infinities and NaN at some places of the arguments that may hold them."""
    args = list(case.args)
    for i, values in spreads:
        args[i] = np.array(args[i])
        if args[i].size:
            args[i].flat[np.random.default_rng(args[i].size).integers(args[i].size, size=len(values))] = values
    return Case(tuple(args), case.options)


@lru_cache(maxsize=2048)  # all checks of one function share most of their cases
def specified(spec: Callable, case: Case, dtype: Any, idle: tuple[str, ...]) -> Any:
    """The specification's result for arguments in ``dtype``; it takes no options that do not change the value."""
    args = in_dtype(case.args, dtype) if dtype else case.args
    with np.errstate(all="ignore"):
        return spec(*bare(in_dtype(args, np.float64)), **{k: v for k, v in case.options.items() if k not in idle})


def bound_of(op: Op, case: Case, expected: Any, dtype: Any) -> float:
    """For each rounding of the longest chain one unit in the last place of the largest value."""
    roundings = op.roundings(case) if callable(op.roundings) else op.roundings
    finite = np.abs(np.asarray(expected, float))
    largest = max(1.0, float(finite[np.isfinite(finite)].max(initial=0)))
    return float(roundings * np.finfo(dtype).eps * largest)


# -- packed ---------------------------------------------------------------------------------------------------------


def packed_trials(op: Op, case: Case, dtypes: tuple) -> Iterator[Trial]:
    """The numbers of the float forward function, by ``==``, in each precision.

    The specification would not do: after the integers come a softmax or a sum of branches in floats, and the packed
    form must round there as the forward function does.
    """
    if op.packed is None:
        raise TypeError(f"{op.name} has no packed form")
    for dtype in dtypes:
        real = any(map(is_float, op.packed.feed(Case(in_dtype(case.args, dtype), case.options)).args))
        for note, order in orders(name_of(dtype) if real else "", dtype == dtypes[0]).items():
            args = order(in_dtype(case.args, dtype))
            fed = op.packed.feed(Case(args, case.options))
            value = op.result(op.forward(*args, **case.options), case)
            expected = Words(pack(value), value.shape[-1]) if op.packed.words else value
            yield Trial(order(fed.args), fed.options, ("y",), (expected,), (0.0,), dtype if real else None, note)
        if not real:
            return


# -- backward -------------------------------------------------------------------------------------------------------


def backward_trials(form: Form, case: Case, dtypes: tuple, forward: Callable) -> Iterator[Trial]:
    """Central differences of the relaxed forward function, for every element, in each precision.

    In the first precision there are two more calls: one with the same cache, which a backward pass must not use up,
    and one with a gradient in Fortran order. The last trial has its inputs on kinks and ties. Differences have no
    limit there, so it expects the gradients of the library's own backward pass.
    """
    op = form.op
    args, options, dy, numeric = differences(op.forward, case)
    names = tuple(f"d{name}" for name, n in zip(form.parameters, numeric) if n is not None)
    expected = tuple(n for n in numeric if n is not None)
    for dtype in dtypes:
        cache, d = cache_of(form, forward, in_dtype(args, dtype), options), dy.astype(dtype)
        calls = [(name_of(dtype), d)]
        if dtype == dtypes[0]:
            calls += [("a second call with the same cache", d), ("dy in Fortran order", np.array(d, order="F"))]
        for note, given in calls:
            bounds = gradient_bounds(expected, dtype)
            yield Trial((given, cache), {}, names, expected, bounds, dtype, note, Case(args, options))
    if op.backward:
        dtype, args = dtypes[0], in_dtype(case.args, dtypes[0])
        y, cache = op.forward(*args, **case.options)
        dy = random_like(y).astype(dtype)
        expected = gradients_of(op.backward(dy, cache))
        cache, bounds = cache_of(form, forward, args, case.options), gradient_bounds(expected, dtype)
        of = Case(args, case.options)
        yield Trial((dy, cache), {}, names, expected, bounds, dtype, "on kinks and ties", of)


@lru_cache(maxsize=2048)
def differences(forward: Callable, case: Case) -> tuple[tuple, dict[str, Any], Array, tuple]:
    """Arguments without kinks and ties, options with relaxed quantizers, a random gradient, and central differences."""
    args = in_dtype(in_dtype(off_the_grid(case.args), np.float32), np.float64)
    options = {k: v.relaxed() if isinstance(v, Quantizer) else v for k, v in case.options.items()}
    dy = np.float64(np.float32(random_like(forward(*args, **options)[0])))
    return args, options, dy, numeric_vjp(lambda *a: forward(*a, **options)[0], args, dy)


def random_like(y: Any) -> Array:
    """A random gradient for this result, the same for the same size."""
    return np.random.default_rng(np.size(y)).normal(size=np.shape(y))


def gradients_of(found: Any) -> tuple:
    """The gradients that a backward pass returns, as a tuple; it may return a single array."""
    return found if isinstance(found, tuple) else (found,)


def gradient_bounds(expected: tuple, dtype: Any) -> tuple:
    """Relative to the size of each element in float64, and to the size of the largest one in float32."""
    if dtype == np.float64:
        return tuple(GRADIENT_BOUND * np.maximum(1, np.abs(n)) for n in expected)
    return tuple(SINGLE_BOUND * np.abs(n).max(initial=1) for n in expected)


def cache_of(form: Form, forward: Callable, args: tuple, options: dict[str, Any]) -> Any:
    """The cache that ``forward`` makes for its backward pass."""
    try:
        out = forward(*args, **options)
    except Exception as error:
        raise TypeError(f"{form.name}: the forward function raised {type(error).__name__}: {error}") from error
    if not isinstance(out, tuple) or len(out) != 2:
        raise TypeError(f"{form.name}: the forward function returned no (y, cache) pair")
    return out[1]


def off_the_grid(args: tuple) -> tuple:
    """Whole and half numbers, where kinks and ties are, moved by less than 1/8, each by a different amount."""
    rng = np.random.default_rng(len(args))
    return tuple(a + rng.uniform(0.02, 0.12, a.shape) if is_float(a) else a for a in args)
