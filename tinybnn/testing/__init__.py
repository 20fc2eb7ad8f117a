"""The oracle: every operation with its specification, and :func:`check`, which holds a candidate against it."""

try:
    import hypothesis as _  # noqa: F401
except ImportError as error:
    raise ImportError("tinybnn.testing draws its cases with Hypothesis: pip install 'tinybnn[test]'") from error

from .adapters import Adapter, dlpack, words
from .checks import Mismatch, check
from .lesson import check_prediction
from .mistakes import MISTAKES, Mistake
from .op import Case, Law, Op, Words
from .ops import OPS
from .rungs import RUNGS, Rung, rung_of
from .suite import parametrize_with_checks
from .suspects import Suspect, check_property, suspects
from .vector_files import load_vectors, save_vectors
from .vectors import vectors

__all__ = [
    "MISTAKES",
    "OPS",
    "RUNGS",
    "Adapter",
    "Case",
    "Law",
    "Mismatch",
    "Mistake",
    "Op",
    "Rung",
    "Suspect",
    "Words",
    "check",
    "check_prediction",
    "check_property",
    "dlpack",
    "load_vectors",
    "parametrize_with_checks",
    "rung_of",
    "save_vectors",
    "suspects",
    "vectors",
    "words",
]
