"""The catalogue of mistakes: wrong versions that people write, by the name of the function they stand in for."""

from . import (
    activation,
    attention,
    binarize,
    binarize_packed,
    binary_conv,
    conv,
    conv_transpose,
    course,
    loss,
    metrics,
    multibranch,
    norm,
    packed_conv,
    packed_matmul,
    packed_multibranch,
    packing,
    phases,
    pool,
    product,
    reduced_attention,
    saliency,
    scales,
    subpixel,
    upsample,
)
from .mistake import Mistake

ROOMS = (
    *(binarize, binarize_packed, scales, packing, product, packed_matmul),
    *(conv, conv_transpose, binary_conv, packed_conv, phases, norm, activation, pool),
    *(upsample, subpixel, multibranch, packed_multibranch),
    *(loss, metrics, saliency),
    *(attention, reduced_attention, course),
)

MISTAKES: dict[str, list[Mistake]] = {}
for room in ROOMS:
    for entry in room.MISTAKES:
        MISTAKES.setdefault(entry.name, []).append(entry)

__all__ = ["MISTAKES", "Mistake"]
