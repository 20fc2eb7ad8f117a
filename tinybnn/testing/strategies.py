"""How cases are drawn: sizes that differ from one another, channels across word edges, values from a drawn seed.

Equal sizes hide exchanged axes, square kernels hide exchanged rows and columns, and 64 channels hide a dirty tail:
so sizes are drawn pairwise distinct, and channel counts from both sides of a word's edge.
"""

import numpy as np
from hypothesis import strategies as st

from ..binarize import QUANTIZERS
from ..notation import Array

word_edges = st.sampled_from([1, 3, 63, 64, 65, 127, 130])
"""Channel counts on both sides of one and two words."""

quantizers = st.sampled_from(list(QUANTIZERS.values()))
pad_values = st.sampled_from([-1, 0, 1])


def pairs(least: int, most: int) -> st.SearchStrategy[tuple[int, int]]:
    """A (rows, columns) pair of whole numbers."""
    return st.tuples(st.integers(least, most), st.integers(least, most))


def distinct(count: int, least: int, most: int) -> st.SearchStrategy[list[int]]:
    """``count`` pairwise distinct sizes."""
    return st.lists(st.integers(least, most), min_size=count, max_size=count, unique=True)


@st.composite
def generators(draw: st.DrawFn) -> np.random.Generator:
    """An explicit random generator, from a seed that Hypothesis draws and shrinks."""
    return np.random.default_rng(draw(st.integers(0, 2**16)))


def integers(rng: np.random.Generator, *shape: int) -> Array:
    """Whole numbers from -3 to 3 as float64: linear maps of them are exact."""
    return rng.integers(-3, 4, shape).astype(np.float64)


def signs(rng: np.random.Generator, *shape: int) -> Array:
    """-1 and +1 as float64."""
    return rng.choice([-1.0, 1.0], shape)


def reals(rng: np.random.Generator, *shape: int) -> Array:
    """Standard normal values, no two alike."""
    return rng.normal(size=shape)
