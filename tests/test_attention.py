"""Attention: its laws, exact if possible; comparison with SciPy's softmax; and refused arguments."""

import re

import numpy as np
import pytest
from scipy.special import softmax

from tinybnn.model.gradcheck import adjoint_gap
from tinybnn.ops import binarize
from tinybnn.ops.attend import (
    attend,
    attend_backward,
    attend_loops,
    merge_heads,
    pack_heads,
    packed_dots,
    split_heads,
    transpose_heads,
    transposed,
)
from tinybnn.ops.attention import (
    attention,
    attention_backward,
    attention_loops,
    binary_attention,
    binary_attention_backward,
    binary_attention_loops,
    binary_attention_packed,
    linear_attention,
    linear_attention_backward,
    linear_attention_loops,
)

N, T, S, A, D = 2, 5, 8, 3, 4
ATOL = 1e-13
"""A few hundred roundings of numbers near 1."""


def draw(*shapes, seed=0, dtype=np.float64):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=shape).astype(dtype) for shape in shapes]


def whole(*shapes, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.integers(-3, 4, shape).astype(float) for shape in shapes]


def tokens(**options):
    return draw((N, T, A * D), (N, S, A * D), (N, S, A * D), **options)


def heads_of(x):
    """(N, tokens, A, D), without the code of split_heads."""
    return np.stack([x[:, :, a * D : (a + 1) * D] for a in range(A)], axis=2)


def close(got, expected):
    np.testing.assert_allclose(got, expected, rtol=0, atol=ATOL)


# -- against SciPy --------------------------------------------------------------------------------------------------


def scipy_attention(q, k, v, factor):
    """``softmax(factor[a] q k^T) v`` by SciPy and einsum on (N, tokens, A, D)."""
    scores = np.einsum("ntad,nsad->nats", q, k) * factor[:, None, None]
    return np.einsum("nats,nsad->ntad", softmax(scores, axis=-1), v).reshape(N, -1, A * D)


def test_full_attention_agrees_with_scipy():
    q, k, v = tokens()
    expected = scipy_attention(*(heads_of(x) for x in (q, k, v)), np.full(A, 1 / np.sqrt(D)))
    close(attention(q, k, v, heads=A)[0], expected)


def test_binary_attention_agrees_with_scipy():
    q, k, v = tokens()
    scale = np.array([0.5, 1.0, 3.0])
    q_signs, k_signs = (np.where(heads_of(x) >= 0, 1.0, -1.0) for x in (q, k))
    expected = scipy_attention(q_signs, k_signs, heads_of(v), scale / np.sqrt(D))
    close(binary_attention(q, k, v, scale, heads=A)[0], expected)


# -- laws of the weighted mean --------------------------------------------------------------------------------------


def test_weights_are_positive_and_sum_to_one():
    q, k, v = tokens()
    scale = np.full(A, 2.0)
    for _, cache in attention(q, k, v, heads=A), binary_attention(q, k, v, scale, heads=A):
        assert cache.weights.shape == (N, A, T, S) and (cache.weights > 0).all()
        close(cache.weights.sum(-1), np.ones((N, A, T)))


def test_a_constant_added_to_a_row_of_scores_changes_nothing():
    scores, v, constant = whole((N, A, T, S), (N, A, S, D), (N, A, T, 1))
    assert (attend(scores + 1000 * constant, v)[0] == attend(scores, v)[0]).all()


def test_a_row_of_the_scores_gradient_sums_to_zero():
    scores, v, dy = draw((N, A, T, S), (N, A, S, D), (N, A, T, D))
    dscores = attend_backward(dy, attend(scores, v)[1]).dscores
    close(dscores.sum(-1), np.zeros((N, A, T)))
    assert np.abs(dscores).max() > 0.1


def test_with_one_key_every_query_gets_its_value():
    q, k, v = draw((N, T, A * D), (N, 1, A * D), (N, 1, A * D))
    expected = np.broadcast_to(v, q.shape)
    assert (attention(q, k, v, heads=A)[0] == expected).all()
    assert (binary_attention(q, k, v, np.ones(A), heads=A)[0] == expected).all()


def test_equal_keys_give_the_mean_and_one_much_better_key_gives_its_value():
    q, k, v = whole((N, T, D), (N, S, D), (N, S, D))
    mean = np.broadcast_to(v.mean(1, keepdims=True), q.shape)  # exact: S is a power of two
    assert (attention(q, np.ones_like(k), v)[0] == mean).all()
    best = -np.ones_like(k)
    best[:, 3] = 1
    chosen = np.broadcast_to(v[:, 3:4], q.shape)
    assert (binary_attention(np.ones_like(q), best, v, np.array([500.0]))[0] == chosen).all()


@pytest.mark.parametrize("form", [attention, lambda *a, **o: binary_attention(*a, np.full(A, 0.7), **o)])
def test_order_of_keys_does_not_matter_and_order_of_queries_is_kept(form):
    q, k, v = tokens()
    y, rng = form(q, k, v, heads=A)[0], np.random.default_rng(1)
    keys, queries = rng.permutation(S), rng.permutation(T)
    close(form(q, k[:, keys], v[:, keys], heads=A)[0], y)
    close(form(q[:, queries], k, v, heads=A)[0], y[:, queries])


def test_heads_are_attention_on_each_run_of_channels():
    q, k, v = tokens()
    y = attention(q, k, v, heads=A)[0]
    for a in range(A):
        run = np.s_[..., a * D : (a + 1) * D]
        close(y[run], attention(q[run], k[run], v[run])[0])
    assert (merge_heads(split_heads(q, A)) == q).all()
    assert (transpose_heads(q) == q.swapaxes(1, 2)).all(), "all channels are one head by default"
    assert (transposed(q) == q.swapaxes(1, 2)).all(), "the last two axes, for any number of axes"


# -- binary scores --------------------------------------------------------------------------------------------------


def test_binary_scores_are_bounded_have_the_parity_of_D_and_ignore_magnitudes():
    q, k, v = tokens()
    scale = np.array([0.5, 1.0, 3.0])
    y, cache = binary_attention(q, k, v, scale, heads=A)
    assert (np.abs(cache.dots) <= D).all() and (cache.dots % 2 == D % 2).all()
    assert (np.abs(cache.dots * cache.factor) <= (scale * np.sqrt(D))[:, None, None] * (1 + 1e-15)).all()
    assert (binary_attention(7 * q, 0.01 * k, v, scale, heads=A)[0] == y).all()


def test_without_quantizer_it_is_float_attention_with_a_temperature():
    q, k, v = tokens()
    y, cache = binary_attention(q, k, v, np.full(A, 1.0), heads=A, quantizer=binarize.real)
    expected, full = attention(q, k, v, heads=A)
    close(y, expected)
    dy = draw(y.shape, seed=1)[0]
    for got, want in zip(binary_attention_backward(dy, cache), attention_backward(dy, full)):
        close(got, want)
    close(binary_attention(q, k, v, np.full(A, 2.0), heads=A, quantizer=binarize.real)[0],
          attention(2 * q, k, v, heads=A)[0])  # fmt: skip


def test_the_surrogate_passes_no_gradient_outside_minus_one_to_one():
    q, k, v = tokens()
    y, cache = binary_attention(q, k, v, np.ones(A), heads=A)
    grads = binary_attention_backward(np.ones_like(y) + v[:, :T], cache)
    for x, dx in (q, grads.dq), (k, grads.dk):
        assert (dx[np.abs(x) > 1] == 0).all()
        assert (dx[np.abs(x) <= 1] != 0).all()


@pytest.mark.parametrize("S", [1, 3])
@pytest.mark.parametrize("D", [64, 65, 130])
def test_packed_dots_of_heads_of_several_words_are_the_products_of_signs(S, D):
    q, k = (binarize.sign(x) for x in draw((N, T, A * D), (N, S, A * D)))
    dots = packed_dots(pack_heads(q, A), pack_heads(k, A), D)
    assert dots.dtype == np.int32
    assert (dots == split_heads(q, A) @ split_heads(k, A).swapaxes(2, 3)).all()


# -- linear ---------------------------------------------------------------------------------------------------------


def test_linear_attention_equals_the_other_bracketing():
    q, k, v = whole((N, T, A * D), (N, S, A * D), (N, S, A * D))
    y = linear_attention(q, k, v, heads=A)[0]
    scores = np.einsum("ntad,nsad->nats", heads_of(q), heads_of(k))
    assert (y == np.einsum("nats,nsad->ntad", scores, heads_of(v)).reshape(N, T, A * D) / S).all()


def test_linear_attention_is_linear_in_each_operand_with_the_exact_transpose():
    operands = whole((N, T, A * D), (N, S, A * D), (N, S, A * D))
    dy = whole((N, T, A * D), seed=1)[0]
    for i in range(3):

        def forward(x, i=i):
            return linear_attention(*operands[:i], x, *operands[i + 1 :], heads=A)

        def backward(d, i=i):
            return linear_attention_backward(d, forward(operands[i], i)[1])[i]

        assert adjoint_gap(lambda x, f=forward: f(x)[0], backward, operands[i], dy) == 0
        assert (forward(2 * operands[i])[0] == 2 * forward(operands[i])[0]).all()


# -- dtypes and refusals --------------------------------------------------------------------------------------------


def test_specifications_return_the_dtype_of_the_values():
    q, k, v = tokens(dtype=np.float32)
    scale, scores = np.ones(A, np.float32), np.zeros((N, T, S), np.float32)
    assert binary_attention_loops(q, k, v, scale, heads=A).dtype == attend_loops(scores, v).dtype == np.float32
    assert attention_loops(q, k, v, heads=A).dtype == linear_attention_loops(q, k, v, heads=A).dtype == np.float32


def refused(kind, message):
    """The error starts with ``message``."""
    return pytest.raises(kind, match=f"^{re.escape(message)}")


def test_what_does_not_fit_is_refused_in_one_line():
    x, one = np.zeros((1, 6, 4)), np.ones(1)
    with refused(ValueError, "attention: k has shape (1, 6, 5), expected (N, S, D) with N = 1 from q, D = 4 from q"):
        attention(x, np.zeros((1, 6, 5)), x)
    with refused(ValueError, "attention: v has shape (1, 5, 4), expected (N, S, D) with N = 1 from q, S = 6 from k"):
        attention(x, x, x[:, :5])
    with refused(
        ValueError, "attention: v has shape (1, 6, 2), expected (N, S, D) with N = 1 from q, S = 6 from k, D = 4"
    ):
        attention(x, x, x[..., :2])
    with refused(ValueError, "attention: q has shape (1, 6, 0), expected axes of size 1"):
        attention(*[x[..., :0]] * 3)
    with refused(ValueError, "linear_attention: q has width 4, expected a multiple of heads = 3"):
        linear_attention(x, x, x, heads=3)
    with refused(ValueError, "linear_attention: k has shape (1, 0, 4), expected axes of size 1"):
        linear_attention(x, x[:, :0], x[:, :0])
    with refused(TypeError, "attention: mixed dtypes (q float64, k float32, v float64), expected one float dtype"):
        attention(x, x.astype(np.float32), x)
    with refused(ValueError, "binary_attention: scale has shape (3,), expected (A,) with A = 1 from heads"):
        binary_attention(x, x, x, np.ones(3))
    with refused(ValueError, "binary_attention_packed: q[0, 2, 1] is nan, expected finite values"):
        bad = x.copy()
        bad[0, 2, 1] = np.nan
        binary_attention_packed(bad, x, x, one)
    with refused(ValueError, "attend: scores has shape (1, 1, 2, 0), expected axes of size 1"):
        attend(np.zeros((1, 1, 2, 0)), np.zeros((1, 1, 0, 3)))
    scores, v = np.zeros((2, 3, 4, 5)), np.zeros((2, 3, 5, 6))
    for wrong in (v[:1], v[:, :2], v[:, :, :4]):
        fit = "expected (N, A, S, D) with N = 2 from scores, A = 3 from scores, S = 5 from scores"
        with refused(ValueError, f"attend: v has shape {wrong.shape}, {fit}"):
            attend(scores, wrong)
    with refused(ValueError, "attention_backward: dy has shape (1, 5, 4), expected (1, 6, 4)"):
        attention_backward(x[:, :5], attention(x, x, x)[1])


def test_words_that_do_not_fit_are_refused_in_one_line():
    words = pack_heads(np.ones((1, 2, 65)))
    message = "packed_dots: q has shape (1, 1, 2, 2), expected (N, A, T, words) with words = 1 from D = 64"
    with refused(ValueError, message):
        packed_dots(words, words, 64)
    for k in np.tile(words, (2, 1, 1, 1)), np.tile(words, (1, 2, 1, 1)), words[..., :1]:
        with refused(
            ValueError, f"packed_dots: k has shape {k.shape}, expected (N, A, S, words) with N = 1 from q, A = 1"
        ):
            packed_dots(words, k, 65)
    with refused(TypeError, "packed_dots: k has dtype float64, expected uint64"):
        packed_dots(words, np.ones((1, 1, 2, 2)), 65)
