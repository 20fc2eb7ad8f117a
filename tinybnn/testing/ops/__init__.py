"""The table of operations: the one list that tests, mutants and outside kernels read."""

from . import attention, binarize, conv, loss, upsample

OPS = {op.name: op for room in (binarize, conv, upsample, loss, attention) for op in room.OPS}
