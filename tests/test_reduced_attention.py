"""Attention to anchors, over channels and in two parts: laws, comparison with SciPy, and refused arguments."""

import numpy as np
import pytest
from scipy.special import softmax
from test_attention import A, D, N, S, T, close, draw, heads_of, refused, whole

from tinybnn.model.gradcheck import adjoint_gap
from tinybnn.ops.attend import transpose_heads
from tinybnn.ops.attention import binary_attention, binary_attention_backward, binary_attention_packed
from tinybnn.ops.pyramid import pyramid_pool, pyramid_pool_backward, pyramid_pool_loops
from tinybnn.ops.reduced_attention import (
    channel_attention,
    channel_attention_backward,
    channel_attention_loops,
    channel_attention_packed,
    pooled_attention,
    pooled_attention_packed,
    two_part_attention,
    two_part_attention_packed,
)


def test_channel_attention_agrees_with_scipy():
    q, k, v = (heads_of(x) for x in draw(*[(N, S, A * D)] * 3))
    scale = np.array([0.5, 1.0, 3.0])
    scores = np.einsum("ntac,ntad->nacd", np.where(q >= 0, 1, -1), np.where(k >= 0, 1, -1))
    weights = softmax(scores * scale[:, None, None] / np.sqrt(S), axis=-1)
    expected = np.einsum("nacd,ntad->ntac", weights, v).reshape(N, S, A * D)
    got, cache = channel_attention(*(x.reshape(N, S, A * D) for x in (q, k, v)), scale, heads=A)
    close(got, expected)
    close(cache.weights, weights)


def test_the_pyramid_has_110_anchors_of_which_the_first_is_the_mean():
    x = whole((2, 16, 32, 3))[0]
    anchors, _ = pyramid_pool(x)
    assert anchors.shape == (2, 110, 3)
    close(anchors[:, 0], x.mean((1, 2)))
    close(anchors[:, 46:].mean(1), x.mean((1, 2)))  # 8 x 8 cells tile the map
    assert (pyramid_pool(x[:, :, :16], levels=(16,))[0] == x[:, :, :16].reshape(2, 256, 3)).all()


def test_the_pyramid_has_its_exact_transpose():
    x, dy = whole((2, 8, 4, 3), (2, 21, 3))
    levels = (1, 2, 4)

    def backward(d):
        return pyramid_pool_backward(d, pyramid_pool(x, levels=levels)[1])

    assert adjoint_gap(lambda a: pyramid_pool(a, levels=levels)[0], backward, x, dy) == 0


def test_with_one_cell_a_pixel_pooled_attention_is_full():
    q, k, v = draw((N, T, A * D), (N, 9, A * D), (N, 9, A * D))
    scale = np.array([0.5, 1.0, 3.0])
    pooled, cache = pooled_attention(q, k, v, scale, grid=(3, 3), levels=(3,), heads=A)
    full, expected = binary_attention(q, k, v, scale, heads=A)
    assert (pooled == full).all() and (cache.weights == expected.weights).all()


def test_one_anchor_gives_every_query_the_mean_of_the_map():
    q, k, v = whole((N, T, D), (N, 8, D), (N, 8, D))
    y, _ = pooled_attention(q, k, v, np.ones(1), grid=(2, 4), levels=(1,))
    close(y, np.broadcast_to(v.mean(1, keepdims=True), y.shape))


def test_specifications_return_the_dtype_of_the_values():
    x = draw((N, S, A * D), dtype=np.float32)[0]
    assert channel_attention_loops(x, x, x, np.ones(A, np.float32), heads=A).dtype == np.float32
    assert pyramid_pool_loops(x.reshape(N, 2, 4, -1), levels=(1, 2)).dtype == np.float32


def test_transposing_heads_twice_is_the_identity_and_turns_one_attention_into_the_other():
    q, k, v, dy = draw(*[(N, S, A * D)] * 4)
    scale = np.array([0.5, 1.0, 3.0])
    assert transpose_heads(q, A).shape == (N, D, A * S) and (transpose_heads(transpose_heads(q, A), A) == q).all()
    by_token, tokens_cache = binary_attention(*(transpose_heads(x, A) for x in (q, k, v)), scale, heads=A)
    by_channel, channels_cache = channel_attention(q, k, v, scale, heads=A)
    assert (transpose_heads(by_token, A) == by_channel).all()
    gradients = binary_attention_backward(transpose_heads(dy, A), tokens_cache)
    assert (transpose_heads(gradients.dq, A) == channel_attention_backward(dy, channels_cache).dq).all()


def test_channel_attention_does_not_depend_on_the_order_of_tokens():
    q, k, v = draw(*[(N, S, A * D)] * 3)
    order = np.random.default_rng(1).permutation(S)
    y = channel_attention(q, k, v, np.ones(A), heads=A)[0]
    close(channel_attention(*(x[:, order] for x in (q, k, v)), np.ones(A), heads=A)[0], y[:, order])


def test_two_parts_are_the_sum_of_the_two():
    q, k, v = draw(*[(N, 12, A * D)] * 3)
    p, c = np.array([0.5, 1.0, 3.0]), np.array([2.0, 0.1, 1.0])
    y, cache = two_part_attention(q, k, v, p, c, grid=(3, 4), levels=(1, 2), heads=A)
    position, cache_p = pooled_attention(q, k, v, p, grid=(3, 4), levels=(1, 2), heads=A)
    channel, cache_c = channel_attention(q, k, v, c, heads=A)
    assert (y == position + channel).all()
    assert (cache.position.weights == cache_p.weights).all() and (cache.channel.weights == cache_c.weights).all()


def test_two_packed_parts_have_one_head_by_default():
    x, (p, c) = draw((N, 12, D))[0], (np.array([0.5]), np.array([2.0]))
    got = two_part_attention_packed(x, x, x, p, c, grid=(3, 4))
    assert (got == two_part_attention(x, x, x, p, c, grid=(3, 4), heads=1)[0]).all()


GRID = {"grid": (16, 16)}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "form, packed, parts, options",
    [
        (binary_attention, binary_attention_packed, 1, {}),
        (pooled_attention, pooled_attention_packed, 1, GRID),
        (channel_attention, channel_attention_packed, 1, {}),
        (two_part_attention, two_part_attention_packed, 2, GRID),
    ],
)
def test_packed_gives_the_same_bits_at_the_size_of_a_network(form, packed, parts, options, dtype):
    q, k, v = draw(*[(2, 16 * 16, 130)] * 3, dtype=dtype)
    k[:, ::7] = 0  # the sign of 0 is +1 in both forms
    scales = np.array([[0.3, 1.7], [2.1, 0.9]], dtype)[:parts]
    got, expected = packed(q, k, v, *scales, heads=2, **options), form(q, k, v, *scales, heads=2, **options)[0]
    assert got.dtype == dtype and (got == expected).all()


def test_what_does_not_fit_is_refused_in_one_line():
    x, one = np.zeros((1, 6, 4)), np.ones(1)
    with refused(ValueError, "pooled_attention: k has 6 tokens, expected H W = 8 from grid = (2, 4)"):
        pooled_attention(x, x, x, one, grid=(2, 4))
    with refused(ValueError, "two_part_attention: scale_channel has shape (2,), expected (A,) with A = 1 from heads"):
        two_part_attention(x, x, x, one, np.ones(2), grid=(2, 3))
    with refused(ValueError, "pooled_attention: levels is (), expected a tuple of whole numbers"):
        pooled_attention(x, x, x, one, grid=(2, 3), levels=())
    with refused(ValueError, "pooled_attention: levels[1] is 0, expected a whole number >= 1"):
        pooled_attention(x, x, x, one, grid=(2, 3), levels=(1, 0))
    with refused(ValueError, "pyramid_pool_backward: dy has shape (1, 4, 4), expected (N, 5, C)"):
        pyramid_pool_backward(x[:, :4], pyramid_pool(np.zeros((1, 2, 3, 4)), levels=(1, 2))[1])
    with refused(ValueError, "channel_attention: k has shape (1, 5, 4), expected (N, T, D) with T = 6 from q"):
        channel_attention(x, x[:, :5], x[:, :5], one)
    with refused(ValueError, "channel_attention_backward: dy has shape (1, 5, 4), expected (1, 6, 4)"):
        channel_attention_backward(x[:, :5], channel_attention(x, x, x, one)[1])
