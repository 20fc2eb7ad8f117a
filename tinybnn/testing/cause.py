"""The likely cause: a known mistake that gives the same results as the candidate.

Many mistakes give the same result on one input. So a cause is named only if it agrees with the candidate on every
input that was tried, where the candidate is right and where it is wrong.
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
"""At most so many causes are named if several mistakes agree with the candidate on every input."""


def causes(asked: Candidate, failure: Failure, cases: Sequence[Case]) -> Iterator[str]:
    """Lines of the message: the known mistakes that agree with the candidate, or else a law that it breaks."""
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
    """Every trial of a case with the candidate's results or its failure."""
    for trial in asked.form.trials(case, asked.dtypes, asked.forward):
        yield trial, asked.call(trial)


def agrees(asked: Candidate, wrong: Callable, observed: Sequence[tuple[Case, list]]) -> bool:
    """Whether a known mistake gives the candidate's results on all of these cases."""
    known = Candidate(asked.form, wrong, dtypes=asked.dtypes)
    for case, seen in observed:
        trials = (trial for trial, _ in seen) if asked.forward is None else known.form.trials(case, known.dtypes)
        for trial, (_, outcome) in zip(trials, seen):
            if not alike(outcome, known.call(trial), trial):
                return False
    return True


def alike(a: Any, b: Any, trial: Trial) -> bool:
    """Whether two outcomes are equal results, up to rounding, or failures of the same kind."""
    if isinstance(a, Failure) or isinstance(b, Failure):
        return isinstance(a, Failure) and isinstance(b, Failure) and same_failure(a, b)
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


def same_failure(a: Failure, b: Failure) -> bool:
    """Two functions may raise errors on the same input for different reasons, so their messages must be equal too."""
    return a.kind == b.kind and (a.kind != "raised" or a.what == b.what)


def broken_laws(asked: Candidate, cases: Sequence[Case]) -> Iterator[Law]:
    """The laws that the candidate breaks on a case on which the library's own function obeys them."""
    op = asked.form.op
    if asked.form.kind != "forward":
        return

    def own(*args: Any, **options: Any) -> Any:
        return op.result(op.forward(*args, **options), Case(args, options))

    def theirs(*args: Any, **options: Any) -> Any:
        outcome = asked.call(next(asked.form.trials(Case(args, options), asked.dtypes)))
        if isinstance(outcome, Failure):
            raise ArithmeticError(outcome.what)
        return outcome[0]

    def kept(law: Law, function: Callable, case: Case) -> bool:
        try:
            return holds(law, function, [case])
        except (ArithmeticError, ValueError, TypeError):
            return function is theirs  # without a result the law says nothing

    for law in op.laws:
        if any(kept(law, own, case) and not kept(law, theirs, case) for case in cases):
            yield law
