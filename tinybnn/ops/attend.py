"""The last step of all attention, a weighted mean of values, and the layouts of tokens for it.

Score (t, s) says how well key s fits query t. Softmax turns a row of scores into weights, positive and of sum 1, and
:func:`attend` averages the values with them. With weights w and their gradient g, the gradient of the scores is
``dscores = w (g - sum(w g))``.

Tokens are (N, T, A D): head a has the channels ``a D`` to ``(a + 1) D``. :func:`split_heads` gives each head an array
of its own, :func:`transpose_heads` exchanges tokens and channels, :func:`pack_heads` keeps only signs, 64 to a word.
"""

import math
from collections import namedtuple

import numpy as np

from ..notation import Array
from ..validate import need_dtype, need_finite, need_float, need_gradient, need_int, need_shape, need_sides
from .bitpack import differing_bits, pack_bits, words


def attend_loops(scores: Array, v: Array) -> Array:
    """Specification of :func:`attend`; any axes may stand before the last two."""
    *outer, T, S = scores.shape
    y = np.zeros((*outer, T, v.shape[-1]), v.dtype)
    for i in np.ndindex(*outer, T):
        top = max(float(score) for score in scores[i])
        e = [math.exp(float(score) - top) for score in scores[i]]
        for s, d in np.ndindex(S, v.shape[-1]):
            y[i + (d,)] += e[s] / sum(e) * v[i[:-1] + (s, d)]
    return y


AttendCache = namedtuple("AttendCache", "weights v")  # weights (N, A, T, S) sum to 1 over S
AttendGrads = namedtuple("AttendGrads", "dscores dv")


def attend(scores: Array, v: Array) -> tuple[Array, AttendCache]:
    """Average the values with softmax weights: ``y[t] = sum over s of softmax(scores[t])[s] v[s]``.

    A constant added to a row of scores changes nothing; the row's maximum is subtracted, so that exp never overflows.
    The result has shape (N, A, T, D).
    Exactness: agrees with :func:`attend_loops` to the rounding of a sum of S terms.
    Source: Vaswani 2017, arXiv 1706.03762, eq. 1; status exact.

    Parameters
    ----------
    scores : float ndarray of shape (N, A, T, S)
    v : float ndarray of shape (N, A, S, D)

    Examples
    --------
    >>> scores = np.log([[[[1.0, 3.0]]]])                    # weights 1/4 and 3/4
    >>> attend(scores, np.array([[[[8.0], [4.0]]]]))[0].round(12).item()
    5.0
    """
    need_float("attend", scores=scores, v=v)
    N, A, T, S = need_shape("attend", "scores", scores, "N A T S")
    need_shape("attend", "v", v, "N A S D", N=(N, "scores"), A=(A, "scores"), S=(S, "scores"))
    need_finite("attend", v=v)
    weights = scores - scores.max(-1, keepdims=True)  # (1)
    np.exp(weights, out=weights)  # in place: scores are the largest arrays there are
    weights /= weights.sum(-1, keepdims=True)
    return weights @ v, AttendCache(weights, v)  # (2)


def attend_backward(dy: Array, cache: AttendCache) -> AttendGrads:
    """``dscores = weights * (dweights - their mean under the weights)``. A row sums to 0, because weights sum to 1."""
    weights, v = cache
    need_gradient("attend_backward", dy, (*weights.shape[:3], v.shape[3]))
    dweights, dv = dy @ transposed(v), transposed(weights) @ dy  # (2)
    need_finite("attend_backward", total=dv, dy=dy)
    return AttendGrads(weights * (dweights - (weights * dweights).sum(-1, keepdims=True)), dv)  # (1)


def split_heads(x: Array, heads: int) -> Array:
    """Tokens (N, T, A D) as heads (N, A, T, D): a view."""
    N, T, width = x.shape
    return x.reshape(N, T, heads, width // heads).transpose(0, 2, 1, 3)


def split_gradient(op: str, dy: Array, q: Array) -> Array:
    """``dy`` as heads. Its shape must be that of the tokens before they were split into the heads ``q``."""
    N, A, T, D = q.shape
    need_gradient(op, dy, (N, T, A * D), finite=True)
    return split_heads(dy, A)


def merge_heads(x: Array) -> Array:
    """Undo :func:`split_heads`."""
    N, A, T, D = x.shape
    return x.transpose(0, 2, 1, 3).reshape(N, T, A * D)


def transpose_heads(x: Array, heads: int = 1) -> Array:
    """Exchange tokens and channels within each head: (N, T, A D) to (N, D, A T). Twice is the identity.

    >>> transpose_heads(np.array([[[1, 2, 3, 4], [5, 6, 7, 8]]]), heads=2)          # heads hold 1 2 5 6 and 3 4 7 8
    array([[[1, 5, 3, 7],
            [2, 6, 4, 8]]])
    """
    N, T, width = x.shape
    return x.reshape(N, T, heads, width // heads).transpose(0, 3, 2, 1).reshape(N, width // heads, heads * T)


def transposed(x: Array) -> Array:
    """The last two axes exchanged: a view."""
    return x.swapaxes(-1, -2)


def need_tokens(op: str, q: Array, k: Array, v: Array, heads: int, **scales: Array) -> tuple[int, int, int]:
    """Refuse queries, keys, values and scales that do not fit one another; return (N, T, A D)."""
    need_float(op, q=q, k=k, v=v, **scales)
    N, T, D = need_shape(op, "q", q, "N T D")
    S = need_shape(op, "k", k, "N S D", N=(N, "q"), D=(D, "q"))[1]
    need_shape(op, "v", v, "N S D", N=(N, "q"), S=(S, "k"), D=(D, "q"))
    if D % need_int(op, "heads", heads, 1):
        raise ValueError(f"{op}: q has width {D}, expected a multiple of heads = {heads}")
    for name, scale in scales.items():
        need_shape(op, name, scale, "A", A=(heads, "heads"))
    need_finite(op, q=q, k=k, v=v, **scales)
    return N, T, D


def pack_heads(x: Array, heads: int = 1) -> Array:
    """The signs of tokens (N, T, A D) as words (N, A, T, ceil(D / 64)): every head of every token starts a new word."""
    need_sides("pack_heads", "x", x)
    return pack_bits(split_heads(x, heads) < 0)


def packed_dots(q: Array, k: Array, D: int) -> Array:
    """The integers inside binary scores, (N, A, T, S), from words of :func:`pack_heads`: ``D - 2 popcount(q ^ k)``.

    >>> q, k = pack_heads(np.array([[[0.5, -2.0]]])), pack_heads(np.array([[[0.1, -0.1], [-3.0, 3.0]]]))
    >>> packed_dots(q, k, 2)
    array([[[[ 2, -2]]]], dtype=int32)
    """
    need_dtype("packed_dots", "q", q, np.uint64)
    need_dtype("packed_dots", "k", k, np.uint64)
    stored = words(need_int("packed_dots", "D", D, 1)), f"D = {D}"
    N, A, *_ = need_shape("packed_dots", "q", q, "N A T words", words=stored)
    need_shape("packed_dots", "k", k, "N A S words", N=(N, "q"), A=(A, "q"), words=stored)
    return D - 2 * differing_bits(q, k)
