"""The table of operations: the one list that tests, benchmarks, documents and outside kernels read."""

from . import activation, attention, binarize, conv, course, loss, metrics, multibranch, norm, pool, saliency, upsample

ROOMS = (binarize, conv, norm, activation, pool, upsample, multibranch, loss, metrics, saliency, attention, course)
OPS = {op.name: op for room in ROOMS for op in room.OPS}
