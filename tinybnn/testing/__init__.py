"""The oracle: every operation with its specification, and :func:`check`, which holds a candidate against it."""

try:
    import hypothesis as _  # noqa: F401
except ImportError as error:
    raise ImportError("tinybnn.testing draws its cases with Hypothesis: pip install 'tinybnn[test]'") from error

from .adapters import Adapter, dlpack, words
from .checks import Mismatch, check
from .forms import FORMS, Form, form_of
from .lesson import check_prediction
from .mistakes import MISTAKES, Mistake
from .op import Case, Law, Op, Words
from .ops import OPS
from .suite import parametrize_with_checks
from .vector_files import load_vectors, save_vectors
from .vectors import vectors
from .wrong_versions import WrongVersion, check_property, wrong_versions

__all__ = [
    "FORMS",
    "MISTAKES",
    "OPS",
    "Adapter",
    "Case",
    "Form",
    "Law",
    "Mismatch",
    "Mistake",
    "Op",
    "Words",
    "WrongVersion",
    "check",
    "check_prediction",
    "check_property",
    "dlpack",
    "form_of",
    "load_vectors",
    "parametrize_with_checks",
    "save_vectors",
    "vectors",
    "words",
    "wrong_versions",
]
