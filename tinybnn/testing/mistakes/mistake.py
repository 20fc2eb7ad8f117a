"""A known mistake: a wrong version of one public function, with a name, what one sees of it, and where it was met."""

from collections.abc import Callable
from typing import NamedTuple


class Mistake(NamedTuple):
    """``wrong`` stands in for the public function ``name``.

    ``reason`` is the mistake in a line, ``symptom`` what its maker notices, if anything, ``met`` the public threads in
    which it was met, as owner/repository#number; none if we know of none.
    """

    name: str
    reason: str
    wrong: Callable
    symptom: str
    met: tuple[str, ...] = ()
