"""The catalogue of mistakes: wrong versions that people write, by the name of the function that they replace."""

from . import (
    activation,
    attention,
    binarize,
    binarize_packed,
    conv,
    course,
    loss,
    metrics,
    multibranch,
    norm,
    packed_matmul,
    packing,
    pool,
    product,
    reduced_attention,
    saliency,
    scales,
    upsample,
)
from .mistake import Mistake

ROOMS = (
    *(binarize, binarize_packed, scales, packing, product, packed_matmul),
    *(conv, norm, activation, pool, upsample, multibranch),
    *(loss, metrics, saliency, attention, reduced_attention, course),
)

MISTAKES: dict[str, list[Mistake]] = {}
for room in ROOMS:
    for entry in room.MISTAKES:
        MISTAKES.setdefault(entry.name, []).append(entry)

__all__ = ["MISTAKES", "Mistake"]
