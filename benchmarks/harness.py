"""How times are measured: all functions in turn, in one process, after their answers were checked.

A single time means little on a machine that also does other things. So the functions that are compared run in turn,
round after round, and the ratio is computed within each round. If the machine is slow for a moment, it is slow for
both. The result is the median of at least fifteen rounds.

A benchmark is a file with a function ``rows()`` that yields a :class:`Row` for each case. It runs in a child process of
its own (:mod:`benchmarks.child`) whose threads are set before NumPy is loaded.
"""

import json
import os
import time
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

ROUNDS = 15
THREADS = int(os.environ.get("OMP_NUM_THREADS", "1"))


class Row(NamedTuple):
    """One measured number: a ratio, unless ``unit`` says otherwise. ``bound`` is the value that it should reach."""

    claim: str
    case: str
    value: float
    detail: str = ""  # the times or sizes behind it
    bound: float | None = None
    most: bool = False  # the bound is an upper one
    unit: str = "x"

    @property
    def reached(self) -> bool | None:
        if self.bound is None:
            return None
        return self.value <= self.bound if self.most else self.value >= self.bound


class Timed(NamedTuple):
    """Seconds of every function in every round: (functions, rounds)."""

    names: tuple[str, ...]
    seconds: np.ndarray

    def ratio(self, slow: str, fast: str) -> float:
        """The time of ``slow`` over the time of ``fast``: the median over the rounds."""
        return float(np.median(self._of(slow) / self._of(fast)))

    def ms(self, *names: str) -> str:
        """Medians in words."""
        return ", ".join(f"{name} {1000 * np.median(self._of(name)):.3g} ms" for name in names or self.names)

    def fastest(self, *names: str) -> str:
        return min(names, key=lambda name: float(np.median(self._of(name))))

    def _of(self, name: str) -> np.ndarray:
        return self.seconds[self.names.index(name)]


def in_turn(functions: dict[str, Callable[[], Any]], rounds: int = ROUNDS, settle: bool = False) -> Timed:
    """Run all functions in turn, ``rounds`` times, after two rounds that do not count.

    ``settle`` is for libraries with their own thread pools. Their threads stay active for a while after their work, on
    the cores that the next library needs. So each function waits until they sleep, and runs once unmeasured.
    """
    seconds = np.empty((len(functions), rounds))
    for i in range(-2, rounds):
        for j, function in enumerate(functions.values()):
            if settle and THREADS > 1:
                time.sleep(0.1)
                function()
            start = time.perf_counter()
            function()
            if i >= 0:
                seconds[j, i] = time.perf_counter() - start
    return Timed(tuple(functions), seconds)


def peak(function: Callable[[], Any]) -> int:
    """The most bytes that were allocated at once during a call, its result included."""
    function()  # so that caches are filled before the measurement
    tracemalloc.start()
    function()
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return most


def check(name: str, got: Any, expected: Any, within: float = 0.0) -> None:
    """Refuse to time a wrong answer. Answers are compared by ``==``, or ``within`` a fraction of the largest value."""
    got, expected = np.asarray(got), np.asarray(expected)
    gap = np.abs(got.astype(np.float64) - expected).max() if got.shape == expected.shape else np.inf
    if not gap <= within * np.abs(expected).max():
        raise SystemExit(f"{name}: the answer is wrong by {gap}; nothing is timed")


def emit(rows: Iterator[Row]) -> None:
    """Print rows as lines of JSON for the parent process."""
    for row in rows:
        print(json.dumps(row), flush=True)


def installed(module: str) -> Any:
    """The module, or None if it is not installed."""
    from importlib import import_module, util

    return import_module(module) if util.find_spec(module) else None
