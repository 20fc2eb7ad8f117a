"""The catalogue of wrong versions, room by room."""

from . import (
    activation,
    attention,
    binarize,
    conv,
    loss,
    metrics,
    multibranch,
    norm,
    pool,
    reduced_attention,
    saliency,
    upsample,
)

ROOMS = (
    binarize,
    conv,
    norm,
    activation,
    pool,
    upsample,
    multibranch,
    loss,
    metrics,
    saliency,
    attention,
    reduced_attention,
)
MUTANTS = tuple(m for room in ROOMS for m in room.MUTANTS)
