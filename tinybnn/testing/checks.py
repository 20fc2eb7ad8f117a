"""What every operation owes its specification, as three checks that any candidate can be put through.

``check_forward``, ``check_backward`` and ``check_packed`` take an operation's record and a candidate for that rung.
They pass in silence, or raise :class:`Mismatch` with the operation, the place, what came and what was expected.
The same checks that pass the library's own code must reject every mutant in ``tests/mutants``.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from hypothesis import HealthCheck, Phase, given, settings

from ..binarize import Quantizer
from ..gradcheck import numeric_vjp
from .op import Case, Op

EXAMPLES = 20
GRADIENT_BOUND = 1e-6
"""Central differences are good to about 1e-9; a wrong backward pass is wrong in the first digits."""


class Mismatch(AssertionError):
    """A candidate and its specification differ."""


def check_forward(op: Op, candidate: Callable, examples: int = EXAMPLES) -> None:
    """``candidate`` gives the specification's shapes, dtypes and values, from any memory order, and writes nothing."""

    def one(case):
        def call(*args):
            return op.result(candidate(*args, **case.options))

        expected = op.spec(*case.args, **case.options)
        for args in (case.args, *_memory_orders(case.args)):
            _compare(op, case, _untouched(op, case, call, args), expected, np.float64)
        if not any(map(_is_float, case.args)):  # labels and counts know no single precision
            return
        single = _astype(case.args, np.float32)
        expected = op.spec(*_astype(single, np.float64), **case.options)
        _compare(op, case, call(*single), expected, np.float32)

    _run(op, one, examples)


def check_backward(op: Op, forward: Callable, candidate: Callable, examples: int = EXAMPLES) -> None:
    """``candidate(dy, cache)`` agrees with central differences of the relaxed forward, on every element, every time."""

    def one(case):
        options = {k: v.relaxed() if isinstance(v, Quantizer) else v for k, v in case.options.items()}
        args = _off_the_grid(case.args)
        y, cache = forward(*args, **options)
        dy = np.random.default_rng(y.size).normal(size=y.shape)
        numeric = numeric_vjp(lambda *a: forward(*a, **options)[0], args, dy)
        numeric = tuple(n for n in numeric if n is not None)
        for attempt in ("gradient", "a second call's gradient"):
            gradients = _untouched(op, case, lambda d: _tuple(candidate(d, cache)), (dy,))
            if len(gradients) != len(numeric):
                raise Mismatch(f"{op.name}: {len(gradients)} gradients, expected {len(numeric)}, one a float argument")
            for i, (got, expected) in enumerate(zip(gradients, numeric)):
                what = f"{op.name}: {attempt} {i}"
                _same_shape(what, case, got, expected, np.float64)
                gap = np.abs(got - expected) / np.maximum(1, np.abs(expected))
                _report(what, case, ~(gap <= GRADIENT_BOUND), got, expected)

    _run(op, one, examples)


def check_packed(op: Op, candidate: Callable, examples: int = EXAMPLES) -> None:
    """``candidate`` gives, on the packed operands, exactly the float forward's numbers, in float64 and in float32.

    The forward, not the specification, is what a packed form owes its bits to: real arithmetic after the integer, a
    softmax or a sum of branches, rounds as the forward rounds.
    """

    def one(case):
        for args in (case.args, _astype(case.args, np.float32)):
            expected = op.result(op.forward(*args, **case.options))
            got = np.asarray(_untouched(op, case, lambda *a: candidate(*a, **case.options), args))
            _same_shape(op.name, case, got, expected, got.dtype)
            _report(op.name, case, got != expected, got, expected)

    _run(op, one, examples)


# -- how -----------------------------------------------------------------------------------------------------------


def describe(case: Case) -> str:
    """The case in one line: shapes of the arguments, and the options."""
    shapes = ", ".join(str(a.shape) if isinstance(a, np.ndarray) else repr(a) for a in case.args)
    options = ", ".join(f"{k}={getattr(v, 'name', v)!r}" for k, v in case.options.items())
    return f"arguments {shapes}" + (f"; {options}" if options else "")


def _run(op: Op, one: Callable[[Case], None], examples: int) -> None:
    for case in op.boundary:
        one(case)
    quiet = settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
        print_blob=False,
    )
    quiet(given(op.cases)(one))()


def _is_float(a: Any) -> bool:
    return isinstance(a, np.ndarray) and a.dtype == np.float64


def _astype(args: tuple, dtype: type) -> tuple:
    return tuple(a.astype(dtype) if isinstance(a, np.ndarray) and a.dtype.kind == "f" else a for a in args)


def _tuple(value: Any) -> tuple:
    """Gradients as a tuple: a NamedTuple is one already, a lone array is not."""
    return tuple(value) if isinstance(value, tuple) else (value,)


def _off_the_grid(args: tuple) -> tuple:
    """Move whole and half numbers, where kinks and ties sit, by less than an eighth, each by its own amount."""
    rng = np.random.default_rng(len(args))
    return tuple(a + rng.uniform(0.02, 0.12, a.shape) if _is_float(a) else a for a in args)


def _memory_orders(args: tuple) -> Iterator[tuple]:
    """The same values in Fortran order, and as every second element of a wider array."""
    yield tuple(np.asfortranarray(a) if isinstance(a, np.ndarray) else a for a in args)
    yield tuple(np.repeat(a, 2, axis=-1)[..., ::2] if isinstance(a, np.ndarray) and a.ndim else a for a in args)


def _untouched(op: Op, case: Case, call: Callable, args: tuple) -> Any:
    """``call(*args)``, refused if it wrote into an argument."""
    before = [a.copy() if isinstance(a, np.ndarray) else a for a in args]
    value = call(*args)
    for i, (a, b) in enumerate(zip(args, before)):
        if isinstance(a, np.ndarray) and not np.array_equal(a, b):
            raise Mismatch(f"{op.name}: wrote into argument {i}; {describe(case)}")
    return value


def _same_shape(what: str, case: Case, got: Any, expected: Any, dtype: Any) -> None:
    if np.shape(got) != np.shape(expected):
        raise Mismatch(f"{what}: shape {np.shape(got)}, expected {np.shape(expected)}; {describe(case)}")
    if np.asarray(expected).dtype.kind == "f" and np.asarray(got).dtype != dtype:
        raise Mismatch(f"{what}: dtype {np.asarray(got).dtype}, expected {np.dtype(dtype)}; {describe(case)}")


def _compare(op: Op, case: Case, got: Any, expected: Any, dtype: Any) -> None:
    _same_shape(op.name, case, got, expected, dtype)
    bound = op.roundings * np.finfo(dtype).eps * max(1.0, float(np.abs(expected).max(initial=0)))
    wrong = got != expected if op.roundings == 0 else ~(np.abs(got - expected) <= bound)
    _report(op.name, case, wrong, got, expected)


def _report(what: str, case: Case, wrong: Any, got: Any, expected: Any) -> None:
    if np.any(wrong):
        i = tuple(int(k) for k in np.argwhere(np.atleast_1d(wrong))[0])
        g, e = np.atleast_1d(got)[i], np.atleast_1d(expected)[i]
        raise Mismatch(f"{what}: at {list(i)} got {g!r}, expected {e!r}; {describe(case)}")
