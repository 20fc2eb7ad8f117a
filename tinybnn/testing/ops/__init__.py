"""The table of operations: the one list that tests, mutants and outside kernels read."""

from . import attention, binarize, conv, loss, multibranch, upsample

OPS = {op.name: op for room in (binarize, conv, upsample, multibranch, loss, attention) for op in room.OPS}
