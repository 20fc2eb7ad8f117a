"""The former name of :mod:`tinybnn.testing.forms`, until the page of mistakes uses the new one."""

from .forms import FORMS as RUNGS

__all__ = ["RUNGS"]
