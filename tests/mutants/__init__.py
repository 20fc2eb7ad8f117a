"""The catalogue of wrong versions, room by room."""

from . import attention, binarize, conv, loss, reduced_attention, upsample

ROOMS = (binarize, conv, upsample, loss, attention, reduced_attention)
MUTANTS = tuple(m for room in ROOMS for m in room.MUTANTS)
