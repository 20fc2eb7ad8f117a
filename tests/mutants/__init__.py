"""The catalogue of wrong versions, room by room."""

from . import binarize, conv

MUTANTS = tuple(m for room in (binarize, conv) for m in room.MUTANTS)
