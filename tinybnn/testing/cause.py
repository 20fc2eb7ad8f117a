"""The likely cause: which known mistake gives the very results that the candidate gave.

One input proves little, for many mistakes agree on it. So a cause is named only if it agrees with the candidate on
every input that was tried, right results and wrong ones alike.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from .candidate import Candidate
from .forms import Trial
from .judgement import differs
from .laws import holds
from .mistakes import MISTAKES
from .op import Case, Law, array_of, bare
from .say import Failure

NAMED = 3
"""Causes that are named where no input tells them apart."""


def causes(asked: Candidate, failure: Failure, cases: Sequence[Case]) -> Iterator[str]:
    """Lines that say why: the known mistakes that behave as the candidate does; else the laws that it breaks."""
    if failure.kind in ("signature", "unwritten"):
        return
    whole = [(case, list(outcomes(asked, case))) for case in cases]
    for says, observed in (("likely cause", whole), ("on this input, though not on all, it could be", whole[:1])):
        named = [m.reason for m in MISTAKES.get(asked.form.name, ()) if agrees(asked, m.wrong, observed)]
        if named and (failure.kind != "raised" or len(observed) > 1):
            yield f"{says}: {named[0]}" + (f" (or: {'; or: '.join(named[1:NAMED])})" if named[1:] else "")
            return
    if failure.kind != "value":
        return
    broken = [law.says for law in broken_laws(asked, [Case(bare(c.args), c.options) for c in cases[:4]])]
    if broken:
        yield f"no known mistake. It breaks a law: {broken[0]}"


def outcomes(asked: Candidate, case: Case) -> Iterator[tuple[Trial, Any]]:
    """Every call of a case, and what came of it."""
    for trial in asked.form.trials(case, asked.dtypes, asked.forward):
        yield trial, asked.call(trial)


def agrees(asked: Candidate, wrong: Callable, observed: Sequence[tuple[Case, list]]) -> bool:
    """Whether a known mistake gives what the candidate gave, on all of these cases."""
    known = Candidate(asked.form, wrong, dtypes=asked.dtypes)
    for case, seen in observed:
        trials = (trial for trial, _ in seen) if asked.forward is None else known.form.trials(case, known.dtypes)
        for trial, (_, came) in zip(trials, seen):
            if not alike(came, known.call(trial), trial):
                return False
    return True


def alike(a: Any, b: Any, trial: Trial) -> bool:
    """Equal results, within what rounding explains; or the same kind of trouble."""
    if isinstance(a, Failure) or isinstance(b, Failure):
        return isinstance(a, Failure) and isinstance(b, Failure) and trouble(a) == trouble(b)
    for x, y, expected, bound in zip(a, b, trial.expected, trial.bounds):
        if isinstance(x, str) or isinstance(y, str):  # unreadable
            return False
        same = x.dtype == y.dtype if trial.dtype is not None else x.dtype.kind == y.dtype.kind
        if x.shape != y.shape or not same or x.dtype.kind not in "biuf":
            return False
        slack = bound if x.shape == np.shape(array_of(expected)) else np.max(bound, initial=0)
        if differs(x, y, slack).any():
            return False
    return True


def trouble(failure: Failure) -> tuple[str, str]:
    """Its kind, and what an error says: two functions that refuse an input need not do so for one reason."""
    return failure.kind, failure.what if failure.kind == "raised" else ""


def broken_laws(asked: Candidate, cases: Sequence[Case]) -> Iterator[Law]:
    """The laws that the library's forward function keeps on some of these cases, and the candidate does not."""
    op = asked.form.op
    if asked.form.kind != "forward":
        return

    def own(*args: Any, **options: Any) -> Any:
        return op.result(op.forward(*args, **options), Case(args, options))

    def theirs(*args: Any, **options: Any) -> Any:
        came = asked.call(next(asked.form.trials(Case(args, options), asked.dtypes)))
        if isinstance(came, Failure):
            raise ArithmeticError(came.what)
        return came[0]

    def kept(law: Law, function: Callable, case: Case) -> bool:
        try:
            return holds(law, function, [case])
        except (ArithmeticError, ValueError, TypeError):
            return function is theirs  # no result, so nothing that a law could say of it

    for law in op.laws:
        if any(kept(law, own, case) and not kept(law, theirs, case) for case in cases):
            yield law
