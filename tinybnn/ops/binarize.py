"""Sign, and the function that replaces its derivative. After this page you can train through a sign.

The derivative of ``sign`` is 0 wherever it exists, so nothing could be learnt through it. Every binary network runs one
function forward (``hard``) and differentiates another one (``soft``), its **surrogate**. A :class:`Quantizer` holds
both, and the derivative of ``soft``::

    name             soft(x)                           dsoft(x) = d soft / dx        source
    identity         x                                 1                             Bengio 2013
    clipped          min(max(x, -1), 1)                1 where |x| <= 1              Hubara 2016
    polynomial       x (2 - |x|), +-1 outside          2 - 2|x| where |x| <= 1       Liu 2018, Bi-Real Net
    tanh(t)          k tanh(t x), k = max(1/t, 1)      k t (1 - tanh(t x)^2)         Qin 2020, IR-Net
    swish_sign(b)    h + (1 - h^2) z / 2               b (1 - h^2) (2 - z h) / 2     Darabi 2018, BNN+
                     with z = b x, h = tanh(z / 2)

Finite differences of ``hard`` are zero and test nothing. A **relaxed quantizer**, ``quantizer.relaxed()``, runs
``soft`` forward too. Then the same backward code must agree with finite differences.
"""

from collections import namedtuple
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ..notation import Array
from ..validate import need_finite, need_float, need_gradient, need_kind, need_number, need_shape, need_sides


def sign_loops(x: Array) -> Array:
    """Specification of :func:`sign`, one scalar at a time."""
    y = np.empty(x.shape)
    for i in np.ndindex(x.shape):
        y[i] = 1.0 if x[i] >= 0 else -1.0
    return y


def sign(x: Array) -> Array:
    """The sign of every element, with no third value: ``y = +1 if x >= 0 else -1``.

    Exactness: equals :func:`sign_loops` by ``==``. Source: Hubara 2016, arXiv 1602.02830, eq. 1; status exact.
    ``np.sign``, ``torch.sign`` and ONNX ``Sign`` differ: they give 0 at 0, and a network that uses them is ternary.
    See also: :func:`tinybnn.ops.bitpack.pack`.

    Parameters
    ----------
    x : float ndarray of any shape; NaN has no sign and is refused

    Examples
    --------
    >>> sign(np.array([-0.5, -0.0, 0.0, 2.0]))
    array([-1.,  1.,  1.,  1.])
    """
    need_float("sign", x=x)
    need_sides("sign", "x", x)
    return (x >= 0) * x.dtype.type(2) - x.dtype.type(1)  # np.where would be some fifteen times slower


class Quantizer(NamedTuple):
    """What runs forward (``hard``), its surrogate (``soft``), and the derivative of the surrogate (``dsoft``)."""

    name: str
    hard: Callable[[Array], Array]
    soft: Callable[[Array], Array]
    dsoft: Callable[[Array], Array]

    def relaxed(self) -> "Quantizer":
        """The same quantizer with ``hard := soft``: differentiable, so that backward code can be checked."""
        return self._replace(name=f"relaxed {self.name}", hard=self.soft)


identity = Quantizer("identity", sign, lambda x: x, np.ones_like)

clipped = Quantizer("clipped", sign, lambda x: np.clip(x, -1, 1), lambda x: (np.abs(x) <= 1).astype(x.dtype))

polynomial = Quantizer(
    "polynomial", sign,
    lambda x: np.clip(x, -1, 1) * (2 - np.abs(np.clip(x, -1, 1))), lambda x: 2 - 2 * np.minimum(np.abs(x), 1),
)  # fmt: skip

real = Quantizer("real", lambda x: x, lambda x: x, np.ones_like)
"""No quantizer: with it a binary network is its float twin."""


def tanh(sharpness: float) -> Quantizer:
    """IR-Net's surrogate. Raise ``sharpness`` from 0.1 to 10 during training (:func:`tanh_sharpness`)."""
    t = need_number("tanh", "sharpness", sharpness, low=1e-6)
    k = max(1 / t, 1)
    return Quantizer(f"tanh({t:g})", sign, lambda x: k * np.tanh(t * x), lambda x: k * t * (1 - np.tanh(t * x) ** 2))


def tanh_sharpness(progress: float, low: float = 0.1, high: float = 10.0) -> float:
    """Sharpness after a fraction ``progress`` of training, in [0, 1]: ``low`` to ``high``, evenly in its logarithm.

    >>> [round(tanh_sharpness(p), 3) for p in (0, 0.5, 1)]
    [0.1, 1.0, 10.0]
    """
    need_number("tanh_sharpness", "progress", progress, 0, 1)
    return low * (high / low) ** progress


def swish_sign(beta: float = 5.0) -> Quantizer:
    """BNN+'s surrogate. Far from 0 its derivative is slightly negative: there the gradient changes its sign."""
    b = need_number("swish_sign", "beta", beta, low=1e-6)

    def soft(x):
        z = np.clip(b * x, -99, 99)  # beyond, 1 - h^2 is 0, and 0 times infinity would be NaN
        h = np.tanh(z / 2)
        return h + (1 - h**2) * z / 2

    def dsoft(x):
        z = np.clip(b * x, -99, 99)
        h = np.tanh(z / 2)
        return b / 2 * (1 - h**2) * (2 - z * h)

    return Quantizer(f"swish_sign({b:g})", sign, soft, dsoft)


QUANTIZERS = {
    "identity": identity, "clipped": clipped, "polynomial": polynomial, "tanh": tanh(1.0), "swish_sign": swish_sign(),
}  # fmt: skip
"""The surrogates by name, for options and tests. With each of them ``sign`` runs forward."""


def binarize_loops(x: Array, tau: Array) -> Array:
    """Specification of :func:`binarize` for a hard quantizer: is each value at least its channel's threshold?"""
    y = np.empty(x.shape)
    for i in np.ndindex(x.shape):
        y[i] = 1.0 if x[i] >= tau[i[-1]] else -1.0
    return y


BinarizeCache = namedtuple("BinarizeCache", "shifted quantizer")
BinarizeGrads = namedtuple("BinarizeGrads", "dx dtau")


def binarize(x: Array, tau: Array, *, quantizer: Quantizer = clipped) -> tuple[Array, BinarizeCache]:
    """Binarize against a threshold learnt per channel: ``y[..., c] = sign(x[..., c] - tau[c])``.

    Exactness: equals :func:`binarize_loops` by ``==``, because in IEEE arithmetic with subnormals ``x - tau`` is zero
    only where ``x == tau``.
    Source: RSign of ReActNet, Liu 2020, arXiv 2003.03488, eq. 1; status exact.

    Parameters
    ----------
    x : float ndarray of shape (..., C); NaN is refused where a sign is taken
    tau : float ndarray of shape (C,); ``tau = 0`` is plain sign
    quantizer : Quantizer; its surrogate is for the backward pass; :data:`real` gives ``x - tau`` itself

    Examples
    --------
    >>> binarize(np.array([[0.2, 0.2]]), np.array([0.1, 0.3]))[0]
    array([[ 1., -1.]])
    """
    need_float("binarize", x=x, tau=tau)
    need_shape("binarize", "tau", tau, "C", C=(x.shape[-1], "x"))
    need_kind("binarize", "quantizer", quantizer, Quantizer)
    need_finite("binarize", tau=tau)
    shifted = x - tau  # (1)
    try:
        return quantizer.hard(shifted), BinarizeCache(shifted, quantizer)  # (2)
    except ValueError:
        need_sides("binarize", "x", x)  # the same error, in the caller's words
        raise


def binarize_backward(dy: Array, cache: BinarizeCache) -> BinarizeGrads:
    """``dx = dy * dsoft(x - tau)``, and ``dtau`` is minus the sum of ``dx`` over all axes but channels."""
    need_gradient("binarize_backward", dy, cache.shifted.shape)
    dx = dy * cache.quantizer.dsoft(cache.shifted)  # (2)
    dtau = -channel_sum(dx)  # (1)
    need_finite("binarize_backward", total=dtau, dy=dy)
    return BinarizeGrads(dx, dtau)


RUN = 32
"""So many rows at most are added one after the other."""


def channel_sum(x: Array) -> Array:
    """Sum over all axes but the last: runs of :data:`RUN` rows, then runs of these sums, and so on.

    A sum of n rows has at most ``RUN`` roundings for each power of ``RUN`` in n. One after the other (``x.sum(0)``, or
    a product with a row of ones) it has n, and in float32 the mean of two million values around 1,000 is 5 too large.
    The sum of a channel has the same bits whatever other channels there are.
    """
    rows = x.reshape(-1, x.shape[-1])
    if rows.shape[1] == 1:  # NumPy adds a single column in another order than several
        return channel_sum(rows.repeat(2, axis=1))[:1]
    while len(rows) > RUN:
        m = len(rows) // RUN
        sums = rows[: m * RUN].reshape(RUN, -1).sum(0)  # long rows: fast
        rows = np.concatenate([sums.reshape(m, -1), rows[m * RUN :]])
    return rows.sum(0)


def mean_abs_loops(w: Array) -> Array:
    """Specification of :func:`mean_abs`."""
    *inner, F = w.shape
    alpha = np.zeros(F)
    for f in range(F):
        for i in np.ndindex(*inner):
            alpha[f] += abs(w[i + (f,)])
        alpha[f] /= np.prod(inner)
    return alpha


def mean_abs(w: Array) -> tuple[Array, Array]:
    """The best scale of each binary filter: ``alpha[f] = mean |w[..., f]|``.

    Among all ``alpha * sgn(w)`` this one is nearest to ``w``. For a filter of ``n`` weights the squared error is
    ``sum(w^2) - n alpha^2``. The result has shape (F,); the cache is ``w`` itself.

    Exactness: agrees with :func:`mean_abs_loops` to the rounding of one sum.
    Source: XNOR-Net, Rastegari 2016, arXiv 1603.05279, eq. 6; status exact.

    Parameters
    ----------
    w : float ndarray of shape (..., F)
        **Latent weights**: the floats that training changes and whose signs are the binary weights. Filters last.

    Examples
    --------
    >>> mean_abs(np.array([[1.0, -4.0], [-3.0, 0.0]]))[0]
    array([2., 2.])
    """
    need_float("mean_abs", w=w)
    if w.size == 0:
        raise ValueError(f"mean_abs: w has shape {w.shape}, expected (..., F) with at least one weight")
    alpha = channel_sum(np.abs(w)) / (w.size // w.shape[-1])
    need_finite("mean_abs", total=alpha, w=w)
    return alpha, w


def mean_abs_backward(dalpha: Array, w: Array) -> Array:
    """``dw = sgn(w) dalpha / n``. The slope of ``|w|`` at 0 is taken as +1, as in :func:`sign`."""
    need_float("mean_abs_backward", dalpha=dalpha, w=w)
    need_shape("mean_abs_backward", "dalpha", dalpha, "F", F=(w.shape[-1], "w"))
    return sign(w) * (dalpha / (w.size // w.shape[-1]))
