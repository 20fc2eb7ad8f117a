"""Checks as a parametrized pytest test: each candidate has its own name, and known failures are marked."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from .checks import Mismatch, check
from .forms import form_of


def parametrize_with_checks(
    candidates: Mapping[str, Callable], expected_failures: Mapping[str, str] | None = None, **chosen: Any
) -> Any:
    """A pytest decorator: the test runs once for each candidate; its argument ``check()`` checks that candidate.

    Parameters
    ----------
    candidates : mapping
        From the name of an operation to the function to check.
    expected_failures : mapping, optional
        From the name of a candidate that is known to be wrong to the reason. If it passes, the test fails, because the
        reason is no longer true.
    **chosen
        Further options of :func:`tinybnn.testing.check`, the same for all.

    Examples
    --------
    >>> import numpy as np
    >>> @parametrize_with_checks({"sign": np.sign}, expected_failures={"sign": "NumPy's sign has three values"})
    ... def test_my_kernels(check):
    ...     check()
    """
    import pytest

    failures = dict(expected_failures or {})
    unknown = sorted(set(failures) - set(candidates))
    if unknown:
        raise ValueError(f"parametrize_with_checks: no candidate is called {', '.join(unknown)}")
    cases = []
    for name, candidate in candidates.items():
        form_of(name)
        marks = [pytest.mark.xfail(reason=failures[name], raises=Mismatch, strict=True)] if name in failures else []
        cases.append(pytest.param(partial(check, name, candidate, **chosen), id=name, marks=marks))
    return pytest.mark.parametrize("check", cases)
