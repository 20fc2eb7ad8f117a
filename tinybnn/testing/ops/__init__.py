"""The table of operations: the one list that tests, mutants and outside kernels read."""

from . import binarize, conv, loss, upsample

OPS = {op.name: op for room in (binarize, conv, upsample, loss) for op in room.OPS}
