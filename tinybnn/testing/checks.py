"""``check``: compare a candidate with an operation. If they differ, give the smallest input and the likely cause.

A right candidate passes in silence. The same check accepts the library's own functions and rejects every wrong version
in :mod:`tinybnn.testing.mistakes`. It uses those also to name the cause.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from hypothesis.errors import Flaky, Unsatisfiable

from .adapters import Adapter
from .candidate import Candidate
from .cause import causes
from .drawing import for_each_case, some_cases
from .forms import DTYPES, UNBOUNDED, Form, form_of
from .op import Case, bare
from .say import Failure, message
from .smaller import plainer, size
from .strategies import Limits

KEPT = 16
"""So many cases are used to find the cause, besides the failing one."""

SMALLER = 200
"""So many calls are made to find a smaller failing input, and as many to make its values simpler."""

UNSTEADY = "gives different results when it is called again with the same input"


class Mismatch(AssertionError):
    """A candidate and its specification differ. ``case`` holds the smallest failing arguments and options."""

    def __init__(self, text: str, case: Case) -> None:
        super().__init__(text)
        self.case = case

    def _render_traceback_(self) -> list[str]:
        """A notebook shows only the message, because the frames of this package help nobody."""
        return [str(self)]


def check(
    op: str,
    candidate: Callable,
    *,
    adapter: Adapter | None = None,
    channels: Sequence[int] | None = None,
    pad_values: Sequence[float] | None = None,
    layout: str = "NHWC",
    dtypes: Sequence[Any] | None = None,
    max_examples: int = 100,
    seed: int = 0,
    options: Mapping[str, Any] | None = None,
    forward: Callable | None = None,
) -> None:
    """Compare ``candidate`` with operation ``op``: shape and dtype first, then every value. Silent if all is right.

    Parameters
    ----------
    op : str
        The name of a public function: ``"conv2d"``, ``"conv2d_backward"``, ``"conv2d_packed"``, ...
    candidate : callable
        It takes the arguments of that function. A forward function may return its value or ``(value, cache)``.
    adapter : Adapter, optional
        Converts words or arrays: see :class:`Adapter`, :func:`words` and :func:`dlpack`.
    channels, pad_values : sequences, optional
        The values that the candidate can do, if it cannot do all.
    layout : "NHWC" or "NCHW"
        With "NCHW" maps have channels first, and kernels are OIHW.
    dtypes : sequence of float dtypes, optional
        Default float64 and float32.
    max_examples : int
        The number of cases to draw, besides the boundary cases that always run.
    seed : int
        Another seed draws other cases. The same seed draws the same cases and gives the same result.
    options : mapping, optional
        Further limits: for an option the one value, or a list of the values, that the candidate can do, such as
        ``{"groups": 1, "stride": [1, 2]}``. A candidate need not take an option that is limited to one value.
    forward : callable, optional
        For a backward candidate with a cache of its own: the forward function that makes this cache.

    Raises
    ------
    Mismatch
        The candidate is wrong. The message says where, on which input, and the likely cause.
    ValueError, TypeError
        The call of ``check`` is wrong: an unknown operation, or a limit that the operation does not have.

    Notes
    -----
    Exactness: results of integers are compared by ``==``. Floats may differ by one unit in the last place for each
    rounding of the longest chain in the specification, gradients from central differences by 1e-6 of their size.
    Source: ours.

    Examples
    --------
    >>> check("sign", lambda x: np.where(x >= 0, 1, -1).astype(x.dtype))
    >>> check("sign", np.sign)                                                      # doctest: +ELLIPSIS
    Traceback (most recent call last):
    tinybnn.testing.checks.Mismatch: sign: y[0, 0, 0] is 0.0, expected 1.0
      likely cause: ternary: sign(0) = 0
    ...
    """
    form = form_of(op)
    if not callable(candidate):
        raise TypeError(f"check: the candidate for {op} is a {type(candidate).__name__}, expected a function")
    if max_examples < 1:
        raise ValueError(f"check: max_examples is {max_examples}, expected at least 1")
    held = {k: list(v) if isinstance(v, list | set | range) else [v] for k, v in (options or {}).items()}
    held |= {k: list(v) for k, v in (("channels", channels), ("pad_value", pad_values)) if v is not None}
    limits = Limits(**held)
    single = {k for k, values in held.items() if len(values) == 1}
    asked = Candidate(form, candidate, adapter, layout, tuple(map(np.dtype, dtypes or DTYPES)), forward, single)
    admitted = limits.among(form.boundary)
    found = search(asked, admitted, limits, max_examples, seed)
    if limits.unused():
        raise ValueError(f"check: {op} has no {', '.join(limits.unused())} to limit")
    if not found:
        return
    smallest = min(found, key=size)
    fails = fails_alike(asked, smallest)
    smallest = plainer(smallest, lambda case: limits.admit(case) and fails(case))
    failure, *again = (asked.failure(smallest) for _ in range(5))
    if failure is None or not all(same(failure, other) for other in again):
        raise Mismatch(f"{op}: {UNSTEADY}", smallest)
    why = causes(asked, failure, [smallest, *admitted, *some_cases(form, KEPT, seed, limits)[len(admitted) :]])
    raise Mismatch(message(form, failure, why), smallest)


def search(asked: Candidate, boundary: Sequence[Case], limits: Limits, max_examples: int, number: int) -> list[Case]:
    """Failing cases, if there are any: a boundary case, and drawn cases of decreasing size."""
    failing = [case for case in boundary if asked.failure(case)][:1]
    spent, tried = 0, len(boundary)

    class Found(Exception):
        pass

    def one(case: Case) -> None:
        nonlocal spent, tried
        if limits.given and refused_by_the_library(asked.form, case):
            return
        tried += 1
        spent += bool(failing)
        failure = asked.failure(case) if spent <= SMALLER else None
        if failure and (not failing or not unbounded(failure) or unbounded(asked.failure(failing[0]))):
            failing.append(case)
            raise Found

    try:
        for_each_case(asked.form, limits, one, count=max_examples, number=number, shrink=True)
    except Found:
        return failing
    except Flaky:
        if spent <= SMALLER:
            raise Mismatch(f"{asked.form.name}: {UNSTEADY}", failing[-1]) from None
    except Unsatisfiable:
        tried = 0
    if not tried:
        raise ValueError(f"check: no case of {asked.form.name} keeps within these limits")
    return failing


def same(failure: Failure, other: Failure | None) -> bool:
    """Whether a call failed like the one before. Error messages may differ, for example by a counter."""
    return other is not None and (failure.kind == other.kind == "raised" or failure.what == other.what)


def refused_by_the_library(form: Form, case: Case) -> bool:
    """Whether a limit has made an invalid case, such as a padding as wide as the kernel."""
    try:
        form.op.forward(*bare(case.args), **case.options)
    except (ValueError, TypeError):
        return True
    return False


def unbounded(failure: Failure | None) -> bool:
    """Whether a call with infinities or NaN failed. Where calls with finite numbers fail too, these are shown."""
    return failure is not None and failure.trial.note.endswith(UNBOUNDED)


def way(failure: Failure) -> tuple:
    """The kind of failure, the precision in which it came, and whether infinities or NaN were needed."""
    return failure.kind, failure.trial.dtype, unbounded(failure)


def fails_alike(asked: Candidate, case: Case) -> Callable[[Case], bool]:
    """A function that says whether another case fails in the same way as ``case``. After many calls it says no."""
    first, left = asked.failure(case), SMALLER

    def fails(other: Case) -> bool:
        nonlocal left
        left -= 1
        if left < 0 or first is None:
            return False
        try:
            failure = asked.failure(other)
        except (ValueError, TypeError):
            return False  # the specification refuses this input
        return failure is not None and way(failure) == way(first)

    return fails
