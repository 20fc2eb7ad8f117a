"""A named wrong version of one operation: what the checks must be able to catch."""

from collections.abc import Callable
from typing import NamedTuple


class Mutant(NamedTuple):
    """``wrong`` stands in for the ``rung`` ("forward", "backward" or "packed") of operation ``op``."""

    op: str
    rung: str
    reason: str
    wrong: Callable
