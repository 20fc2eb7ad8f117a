"""The catalogue of wrong versions, room by room."""

from . import binarize, conv, loss, upsample

MUTANTS = tuple(m for room in (binarize, conv, upsample, loss) for m in room.MUTANTS)
