"""Wrong functions without names: to be caught by a property, and only then asked what is wrong with them.

:func:`suspects` draws them from the catalogue of mistakes; :func:`check_property` wants the library's own function
accepted, and every suspect rejected.
"""

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .candidate import in_one_line
from .checks import Mismatch
from .mistakes import MISTAKES, Mistake
from .op import Case
from .rungs import rung_of


class Suspect:
    """A wrong version of the public function ``operation``, to be called in its place; what is wrong is not said."""

    def __init__(self, number: int, mistake: Mistake) -> None:
        self.number, self.operation, self._mistake = number, mistake.name, mistake
        self.__name__ = f"suspect_{number}"
        self.__signature__ = inspect.signature(mistake.wrong)

    def __call__(self, *args: Any, **options: Any) -> Any:
        with np.errstate(all="ignore"):
            return self._mistake.wrong(*args, **options)

    def __repr__(self) -> str:
        return f"<suspect {self.number}: {self.operation}>"

    def confess(self) -> str:
        """What is wrong with it, in the words of the catalogue: ask last."""
        return self._mistake.reason


def suspects(*operations: str, count: int = 10, seed: int = 0) -> list[Suspect]:
    """``count`` wrong versions of these public functions, numbered from 1 in an order that does not tell.

    Parameters
    ----------
    operations : str
    count, seed : int
        No mistake is drawn twice, and the same seed draws the same.

    Raises
    ------
    ValueError
        For an operation that is not known, and for more suspects than there are mistakes.

    Examples
    --------
    >>> suspects("packed_dot", count=2)
    [<suspect 1: packed_dot>, <suspect 2: packed_dot>]
    """
    known = [mistake for name in operations for mistake in MISTAKES[rung_of(name).name]]
    if not 1 <= count <= len(known):
        names = ", ".join(operations) or "no operation"
        raise ValueError(f"suspects: count is {count}, expected 1 to {len(known)}, the mistakes of {names}")
    drawn = np.random.default_rng(seed).permutation(len(known))[:count]
    return [Suspect(number, known[k]) for number, k in enumerate(drawn, 1)]


def check_property(holds: Callable, suspects: Sequence[Suspect], *, beside: Sequence[Callable] = ()) -> None:
    """Ask of a property what it is for: the right function keeps it, every wrong one breaks it.

    Parameters
    ----------
    holds : callable
        Takes a function, returns whether the property holds of it. In a test's manner ``None`` is yes, an error is no.
    suspects : sequence of Suspect
    beside : sequence of callables
        Properties that were there before: what one of them rejects, ``holds`` need not.

    Raises
    ------
    Mismatch
        In one line: it is not written yet, rejects the right function, or lets suspects through; their numbers alone.

    Examples
    --------
    >>> a = np.zeros((1, 5), np.uint64)                                                     # 300 times +1
    >>> check_property(lambda dot: dot(a, a, 300) == 300, suspects("packed_dot", count=3))
    Traceback (most recent call last):
    tinybnn.testing.checks.Mismatch: property: number 2 gets through
    """
    fault = fault_of(holds, suspects, beside)
    if fault:
        raise Mismatch(f"property: {fault}", Case((holds,)))


def fault_of(holds: Callable, suspects: Sequence[Suspect], beside: Sequence[Callable]) -> str | None:
    """What is wrong with a property, if anything is."""
    for name in dict.fromkeys(suspect.operation for suspect in suspects):
        said = objection(holds, rung_of(name).function)
        if said is not None:
            return said if said.startswith("not written yet") else f"rejects the right {name}{said and ': ' + said}"
    through = [suspect for suspect in suspects if objection(holds, suspect) is None]
    if len(through) == len(suspects) > 1:
        return "rejects nothing, right or wrong: is a `return` or an `assert` missing?"
    *others, last = [str(s.number) for s in through if all(objection(p, s) is None for p in beside)] or [""]
    if others:
        return f"numbers {', '.join(others)} and {last} get through"
    return f"number {last} gets through" if last else None


def objection(holds: Callable, function: Callable) -> str | None:
    """None where ``function`` keeps the property; else what the property said of it, "" if it only said no."""
    try:
        verdict = holds(function)
        return None if verdict is None or verdict else ""
    except NotImplementedError as error:
        return f"not written yet ({in_one_line(error)})"
    except AssertionError as error:
        return in_one_line(error)
    except Exception as error:
        return f"raised {type(error).__name__}: {in_one_line(error)}"
