"""Wrong versions without names: a test is tried on them before anybody says what is wrong with each.

:func:`wrong_versions` draws them from the catalogue of mistakes. :func:`check_property` demands that a property accepts
the library's own function and rejects every wrong version.
"""

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .candidate import in_one_line
from .checks import Mismatch
from .forms import form_of
from .mistakes import MISTAKES, Mistake
from .op import Case


class WrongVersion:
    """A wrong version of the public function ``operation``, called in the same way; its name does not say why."""

    def __init__(self, number: int, mistake: Mistake) -> None:
        self.number, self.operation, self._mistake = number, mistake.name, mistake
        self.__name__ = f"wrong_version_{number}"
        self.__signature__ = inspect.signature(mistake.wrong)

    def __call__(self, *args: Any, **options: Any) -> Any:
        with np.errstate(all="ignore"):
            return self._mistake.wrong(*args, **options)

    def __repr__(self) -> str:
        return f"<wrong version {self.number}: {self.operation}>"

    def reason(self) -> str:
        """What is wrong with it, in the words of the catalogue."""
        return self._mistake.reason


def wrong_versions(*operations: str, count: int = 10, seed: int = 0) -> list[WrongVersion]:
    """``count`` wrong versions of these public functions, numbered from 1 in random order.

    Parameters
    ----------
    operations : str
    count, seed : int
        No mistake is drawn twice. The same seed draws the same mistakes.

    Raises
    ------
    ValueError
        For an unknown operation, and if ``count`` is larger than the number of known mistakes.

    Examples
    --------
    >>> wrong_versions("packed_dot", count=2)
    [<wrong version 1: packed_dot>, <wrong version 2: packed_dot>]
    """
    known = [mistake for name in operations for mistake in MISTAKES[form_of(name).name]]
    if not 1 <= count <= len(known):
        names = ", ".join(operations) or "no operation"
        raise ValueError(f"wrong_versions: count is {count}, expected 1 to {len(known)}, the mistakes of {names}")
    drawn = np.random.default_rng(seed).permutation(len(known))[:count]
    return [WrongVersion(number, known[k]) for number, k in enumerate(drawn, 1)]


def check_property(holds: Callable, wrong: Sequence[WrongVersion], *, beside: Sequence[Callable] = ()) -> None:
    """Check that the right function has a property and that no wrong version has it.

    Parameters
    ----------
    holds : callable
        Takes a function and returns whether the property holds for it. It may also be written as a test: then
        returning None means yes, and an error means no.
    wrong : sequence of WrongVersion
    beside : sequence of callables
        Other properties. A wrong version that one of them rejects may have the property ``holds``.

    Raises
    ------
    Mismatch
        One line: the property is not written yet, rejects the right function, or lets wrong versions through. It gives
        only their numbers.

    Examples
    --------
    >>> a = np.zeros((1, 5), np.uint64)                                                     # 300 times +1
    >>> check_property(lambda dot: dot(a, a, 300) == 300, wrong_versions("packed_dot", count=3))
    Traceback (most recent call last):
    tinybnn.testing.checks.Mismatch: property: number 2 gets through
    """
    fault = fault_of(holds, wrong, beside)
    if fault:
        raise Mismatch(f"property: {fault}", Case((holds,)))


def fault_of(holds: Callable, wrong: Sequence[WrongVersion], beside: Sequence[Callable]) -> str | None:
    """What is wrong with a property; None if nothing is."""
    for name in dict.fromkeys(version.operation for version in wrong):
        said = objection(holds, form_of(name).function)
        if said is not None:
            return said if said.startswith("not written yet") else f"rejects the right {name}{said and ': ' + said}"
    through = [version for version in wrong if objection(holds, version) is None]
    if len(through) == len(wrong) > 1:
        return "rejects nothing, right or wrong: is a `return` or an `assert` missing?"
    *others, last = [str(v.number) for v in through if all(objection(p, v) is None for p in beside)] or [""]
    if others:
        return f"numbers {', '.join(others)} and {last} get through"
    return f"number {last} gets through" if last else None


def objection(holds: Callable, function: Callable) -> str | None:
    """None if ``function`` has the property; else the property's error message, or "" if it only returned False."""
    try:
        verdict = holds(function)
        return None if verdict is None or verdict else ""
    except NotImplementedError as error:
        return f"not written yet ({in_one_line(error)})"
    except AssertionError as error:
        return in_one_line(error)
    except Exception as error:
        return f"raised {type(error).__name__}: {in_one_line(error)}"
