"""How cases are drawn: sizes that are all different, channel counts around word edges, values from a drawn seed.

Equal sizes hide swapped axes, square kernels hide swapped rows and columns, and 64 channels hide nonzero tail bits. So
sizes are drawn pairwise distinct, and channel counts on both sides of a word's edge. In one draw of eight all sizes are
the smallest possible: failing cases shrink towards these.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st

from ..notation import Array
from ..ops.binarize import QUANTIZERS
from .op import Case, Words

FAR = 987_654_321_987
"""Hypothesis sometimes draws a number that it finds in the source of the running program. No number there is near this
one, so the same seed draws the same cases in every program."""


def whole(least: int, most: int) -> st.SearchStrategy[int]:
    """A whole number from ``least`` to ``most``, shrinking to the least."""
    return st.integers(FAR, FAR + most - least).map(lambda k: k - FAR + least)


def one_of(*choices: Any) -> st.SearchStrategy[Any]:
    """One of these values, shrinking to the first. If it is a strategy, a value is drawn from it."""
    drawn = [c if isinstance(c, st.SearchStrategy) else st.just(c) for c in choices]
    # Not drawn.__getitem__: Hypothesis identifies that function by its address, which changes from run to run.
    return whole(0, len(drawn) - 1).flatmap(lambda k: drawn[k])


word_edges = one_of(1, 3, 63, 64, 65, 127, 130)
"""Channel counts on both sides of one and two words."""

quantizers = one_of(*QUANTIZERS.values())
pad_values = one_of(-1, 0, 1)


def pairs(least: int, most: int) -> st.SearchStrategy[tuple[int, int]]:
    """A (rows, columns) pair of whole numbers."""
    return st.tuples(whole(least, most), whole(least, most))


@st.composite
def distinct(draw: st.DrawFn, count: int, least: int, most: int) -> list[int]:
    """``count`` pairwise distinct sizes; sometimes all of them the least."""
    if draw(whole(0, 7)) == 0:
        return [least] * count
    pool = list(range(least, most + 1))
    return [pool.pop(draw(whole(0, len(pool) - 1))) for _ in range(count)]


def generators() -> st.SearchStrategy[np.random.Generator]:
    """An explicit random generator, from a seed that Hypothesis draws and shrinks."""
    return whole(0, 2**16).map(np.random.default_rng)


class Limits:
    """The channel counts, paddings, strides and so on that a candidate can do, if it cannot do all.

    A strategy draws from ``limits(name, usual)`` instead of ``usual``. A limit that no strategy has used is a mistake
    of the caller; :meth:`unused` returns these.
    """

    def __init__(self, **given: Sequence[Any]) -> None:
        self.given, self.asked = given, set[str]()

    def __call__(self, name: str, usual: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        self.asked.add(name)
        return one_of(*self.given[name]) if name in self.given else usual

    def unused(self) -> list[str]:
        """Limits without effect."""
        return sorted(set(self.given) - self.asked)

    def admit(self, case: Case) -> bool:
        """Whether a fixed case is within the limits; channels are the last axis of the first argument."""
        first = case.args[0]
        C = first.n if isinstance(first, Words) else first.shape[-1]
        of_case = {"channels": C, **case.options}
        return all(self.spellings(name, of_case[name]) for name in self.given if name in of_case)

    def spellings(self, name: str, value: Any) -> list[Any]:
        """The allowed values that mean the same, as 1 and (1, 1) do. Without a limit, ``value`` itself."""
        if name not in self.given:
            return [value]
        return [a for a in self.given[name] if a is value or a == value or (a, a) == value or a == (value, value)]

    def among(self, cases: Sequence[Case]) -> list[Case]:
        """The fixed cases within the limits, with their options written as in the limits."""
        if not self.given:
            return list(cases)
        return [
            Case(case.args, {name: self.spellings(name, value)[0] for name, value in case.options.items()})
            for case in cases
            if self.admit(case)
        ]


def integers(rng: np.random.Generator, *shape: int) -> Array:
    """Whole numbers from -3 to 3 as float64: linear maps of them are exact."""
    return rng.integers(-3, 4, shape).astype(np.float64)


def signs(rng: np.random.Generator, *shape: int) -> Array:
    """-1 and +1 as float64."""
    return rng.choice([-1.0, 1.0], shape)


def reals(rng: np.random.Generator, *shape: int) -> Array:
    """Standard normal values, no two alike."""
    return rng.normal(size=shape)


def pair_of(value: Any) -> tuple[Any, Any]:
    """An option for rows and for columns: 2 means (2, 2)."""
    return value if isinstance(value, tuple) else (value, value)
