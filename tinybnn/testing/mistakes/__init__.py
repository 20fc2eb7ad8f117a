"""The catalogue of mistakes: wrong versions that people write, by the name of the function they stand in for."""

from . import (
    activation,
    attend,
    attention,
    avg_pool,
    binarize,
    binarize_packed,
    binary_attention,
    binary_conv,
    channel_attention,
    conv,
    conv_transpose,
    course,
    fold,
    linear_attention,
    loss,
    metrics,
    multibranch,
    norm,
    packed_attention,
    packed_conv,
    packed_matmul,
    packed_multibranch,
    packing,
    phases,
    pool,
    pooled_attention,
    prelu,
    product,
    pyramid,
    saliency,
    scales,
    subpixel,
    two_part_attention,
    upsample,
)
from .mistake import Mistake

ROOMS = (
    *(binarize, binarize_packed, scales, packing, product, packed_matmul),
    *(conv, conv_transpose, binary_conv, packed_conv, phases, norm, fold, activation, prelu, pool, avg_pool),
    *(upsample, subpixel, multibranch, packed_multibranch),
    *(loss, metrics, saliency),
    *(attend, attention, linear_attention, binary_attention, packed_attention, pyramid),
    *(pooled_attention, channel_attention, two_part_attention, course),
)

MISTAKES: dict[str, list[Mistake]] = {}
for room in ROOMS:
    for entry in room.MISTAKES:
        MISTAKES.setdefault(entry.name, []).append(entry)

__all__ = ["MISTAKES", "Mistake"]
