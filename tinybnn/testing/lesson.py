"""A check for lessons besides :func:`~tinybnn.testing.check`: did the reader predict a result correctly?"""

from typing import Any

import numpy as np

from .checks import Mismatch
from .op import Case


def check_prediction(prediction: Any, truth: Any, *, decimals: int = 2) -> None:
    """Compare numbers that were worked out by hand with the true ones, without printing the true ones.

    Parameters
    ----------
    prediction : number, list or ndarray
        ``...`` means: not made yet.
    truth : number or ndarray
    decimals : int
        A prediction may be rounded to this many decimals.

    Raises
    ------
    Mismatch
        One line: the prediction is missing, has another shape, or is wrong, and the first place where it is wrong.

    Examples
    --------
    >>> check_prediction([1, -1], np.array([1.0, -1.0]))
    >>> check_prediction([1, 0], np.array([1.0, -1.0]))
    Traceback (most recent call last):
    tinybnn.testing.checks.Mismatch: prediction: 1 of 2 is wrong, the first at [1]
    >>> check_prediction(..., 3)
    Traceback (most recent call last):
    tinybnn.testing.checks.Mismatch: prediction: not made yet
    """
    fault = fault_of(prediction, np.asarray(truth, float), 0.5 * 10.0**-decimals)
    if fault:
        raise Mismatch(f"prediction: {fault}", Case((prediction,)))


def fault_of(prediction: Any, truth: np.ndarray, slack: float) -> str | None:
    """What is wrong with a prediction, or None."""
    if prediction is ... or (isinstance(prediction, list | tuple) and ... in prediction):
        return "not made yet"
    try:
        given = np.asarray(prediction, float)
    except (TypeError, ValueError):
        return f"{prediction!r} is no number, and no list of numbers"
    if given.shape != truth.shape:
        return f"has shape {given.shape}, expected {truth.shape}"
    wrong = ~(np.abs(given - truth) <= slack * (1 + 1e-9))
    if not wrong.any():
        return None
    if given.ndim == 0:
        return f"{prediction} is wrong"
    first = ", ".join(map(str, np.argwhere(wrong)[0].tolist()))
    return f"{wrong.sum()} of {wrong.size} {'is' if wrong.sum() == 1 else 'are'} wrong, the first at [{first}]"
