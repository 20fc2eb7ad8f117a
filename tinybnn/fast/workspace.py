"""Memory to work in, kept from call to call: fresh memory is handed out by the page, and every page costs a fault.

A tile's buffers take a megabyte. Asked for anew, each of its 256 pages is found, cleared and mapped when it is first
written, which takes as long as the arithmetic done on it. So a :class:`Workspace` keeps its blocks, and whoever needs
one borrows it, alone, and brings it back::

    with borrow() as space:
        total = space.array("total", (768, 64), np.float32)         # what it holds is anybody's guess

What comes out of a workspace must not be returned to a caller: it belongs to the next one.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from math import prod

import numpy as np
from numpy.typing import DTypeLike

from ..notation import Array


class Workspace:
    """Blocks of memory by name; each grows to the largest size ever asked for."""

    def __init__(self) -> None:
        self._blocks: dict[str, Array] = {}

    def array(self, name: str, shape: tuple[int, ...], dtype: DTypeLike) -> Array:
        """An uninitialised array in the block ``name``. Two names never share memory, one name always does."""
        size = prod(shape) * np.dtype(dtype).itemsize
        if name not in self._blocks or self._blocks[name].nbytes < size:
            self._blocks[name] = np.empty(size, np.uint8)
        return self._blocks[name][:size].view(dtype).reshape(shape)


_FREE: list[Workspace] = []


@contextmanager
def borrow() -> Iterator[Workspace]:
    """A workspace of one's own until the block ends; ``pop`` and ``append`` are one step each, in any thread."""
    try:
        space = _FREE.pop()
    except IndexError:
        space = Workspace()
    try:
        yield space
    finally:
        _FREE.append(space)
