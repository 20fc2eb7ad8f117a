"""The catalogue of wrong versions, room by room."""

from . import binarize, conv, upsample

MUTANTS = tuple(m for room in (binarize, conv, upsample) for m in room.MUTANTS)
