"""The catalogue of mistakes: wrong versions that people write, by the name of the function that they replace."""

from . import activation, attention, bits, conv, course, families, loss, metrics  # noqa: I001
from . import multibranch, norm, pool, reduced_attention, saliency, signs, upsample
from .mistake import Mistake

ROOMS = (signs, conv, norm, activation, pool, upsample, multibranch, loss, metrics, saliency, attention,
         reduced_attention, course, families)  # fmt: skip

MISTAKES: dict[str, list[Mistake]] = {}
"""The mistakes of every public function, by its name."""

for entry in (*families.POPCOUNT, *bits.MISTAKES, *(entry for room in ROOMS for entry in room.MISTAKES)):
    MISTAKES.setdefault(entry.name, []).append(entry)

__all__ = ["MISTAKES", "Mistake"]
