"""The catalogue of mistakes: wrong versions that people write, by the name of the function they stand in for."""

from . import (
    activation,
    attend,
    attention,
    avg_pool,
    binarize,
    binarize_packed,
    binary_attention,
    binary_loss,
    channel_attention,
    conv,
    course,
    fold,
    linear_attention,
    loss,
    loss_gradient,
    metrics,
    multibranch,
    norm,
    packed_attention,
    packed_matmul,
    packing,
    pool,
    pooled_attention,
    prelu,
    product,
    pyramid,
    road,
    saliency,
    scales,
    structure,
    two_part_attention,
    upsample,
)
from .mistake import Mistake

ROOMS = (
    *(binarize, binarize_packed, scales, packing, product, packed_matmul),
    *(conv, norm, fold, activation, prelu, pool, avg_pool),
    *(upsample, multibranch),
    *(loss, binary_loss, loss_gradient, metrics, road, saliency, structure),
    *(attend, attention, linear_attention, binary_attention, packed_attention, pyramid),
    *(pooled_attention, channel_attention, two_part_attention, course),
)

MISTAKES: dict[str, list[Mistake]] = {}
for room in ROOMS:
    for entry in room.MISTAKES:
        MISTAKES.setdefault(entry.name, []).append(entry)

__all__ = ["MISTAKES", "Mistake"]
