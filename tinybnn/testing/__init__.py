"""The oracle: every operation with its specification, and the checks that hold a candidate against it."""

from .checks import Mismatch, check_backward, check_forward, check_packed
from .op import Case, Op
from .ops import OPS

__all__ = ["OPS", "Case", "Mismatch", "Op", "check_backward", "check_forward", "check_packed"]
