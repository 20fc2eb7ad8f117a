"""The catalogue of wrong versions, room by room."""

from . import attention, binarize, conv, loss, multibranch, reduced_attention, upsample

ROOMS = (binarize, conv, upsample, multibranch, loss, attention, reduced_attention)
MUTANTS = tuple(m for room in ROOMS for m in room.MUTANTS)
