"""The table of operations: the one list that tests, mutants and outside kernels read."""

from . import binarize, conv, upsample

OPS = {op.name: op for room in (binarize, conv, upsample) for op in room.OPS}
