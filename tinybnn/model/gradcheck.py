"""Is a backward pass the derivative of its forward pass? Three ways to find out.

1. :func:`numeric_vjp`: central differences on every element of every argument, against a random cotangent.
2. :func:`adjoint_gap`: for a linear map, <A x, y> - <x, A^T y>, which is exactly 0 on small integers.
3. :func:`check_gradients`: (1) for a whole network, given as a loss of a dict of parameters.

A cotangent is the gradient ``dy`` that a backward pass gets. Differences through ``sign`` are always zero, so relax the
quantizers first (:meth:`tinybnn.ops.binarize.Quantizer.relaxed`). Everything here is for float64.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..notation import Array

STEP = 1e-6
"""Half the width of a central difference: truncation (STEP**2) and rounding (eps / STEP) both stay near 1e-10."""


def numeric_vjp(f: Callable[..., Array], args: Sequence[Any], dy: Array, step: float = STEP) -> tuple[Any, ...]:
    """The vector-Jacobian product by central differences: for each float array in ``args``, d<f(args), dy> / darg.

    Returns a tuple as long as ``args``, with None where an argument is not a float64 array.

    >>> numeric_vjp(lambda x: x**2, (np.array([3.0]),), np.array([1.0]))[0].round(6)
    array([6.])
    """
    args = tuple(a.copy() if isinstance(a, np.ndarray) else a for a in args)
    gradients: list[Any] = []
    for a in args:
        if not (isinstance(a, np.ndarray) and a.dtype == np.float64):
            gradients.append(None)
            continue
        da = np.zeros_like(a)
        for i in np.ndindex(a.shape):
            here = a[i]
            a[i] = here + step
            above = np.array(f(*args))  # a copy: f may return its argument, which changes below
            a[i] = here - step
            below = np.array(f(*args))
            a[i] = here
            da[i] = ((above - below) * dy).sum() / (2 * step)
        gradients.append(da)
    return tuple(gradients)


def adjoint_gap(forward: Callable[[Array], Array], backward: Callable[[Array], Array], x: Array, y: Array) -> float:
    """``<forward(x), y> - <x, backward(y)>``, exactly 0 on integers when ``backward`` is the transpose of ``forward``.

    >>> A = np.array([[1.0, 2.0], [3.0, 4.0]])
    >>> adjoint_gap(lambda x: A @ x, lambda y: A.T @ y, np.array([1.0, -2.0]), np.array([5.0, 3.0]))
    0.0
    """
    return float((forward(x) * y).sum() - (x * backward(y)).sum())


def check_gradients(
    loss: Callable[[dict[str, Array]], float], parameters: dict[str, Array], gradients: dict[str, Array],
    step: float = STEP,
) -> tuple[float, str]:  # fmt: skip
    """The largest difference between ``gradients`` and central differences of ``loss``, over every single parameter.

    Parameters
    ----------
    loss : callable
        From the dict of parameters to a number. Its quantizers are relaxed.
    parameters, gradients : dict of float64 ndarrays with the same keys

    Returns
    -------
    (worst, where) : float and str
        ``|numeric - analytic| / max(1, |numeric|)``, and the parameter and index at which it was found.

    Examples
    --------
    >>> worst, where = check_gradients(lambda p: (p["w"] ** 2).sum(), {"w": np.ones(2)}, {"w": np.array([2.0, 2.5])})
    >>> round(worst, 3), where
    (0.25, 'w[1]')
    """
    if parameters.keys() != gradients.keys():
        raise ValueError(f"check_gradients: gradients for {sorted(gradients)}, expected {sorted(parameters)}")
    worst, where = 0.0, "nowhere"
    for key, value in parameters.items():

        def loss_of(v, key=key):
            return np.asarray(loss({**parameters, key: v}))

        (numeric,) = numeric_vjp(loss_of, (value,), np.ones(()), step)
        gap = np.abs(numeric - gradients[key]) / np.maximum(1, np.abs(numeric))
        i = np.unravel_index(gap.argmax(), gap.shape)
        if gap[i] > worst:
            worst, where = float(gap[i]), f"{key}{[int(k) for k in i]}"
    return worst, where
