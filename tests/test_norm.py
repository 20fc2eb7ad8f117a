"""Batch norm: its algebra and precision, folding into integers for all kinds of parameters, and refused arguments."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinybnn.model.net import classifier_backward
from tinybnn.ops.activation import prelu, prelu_backward, rprelu, rprelu_backward
from tinybnn.ops.binarize import binarize, binarize_backward, channel_sum, sign
from tinybnn.ops.binary_conv import binary_conv2d, binary_conv2d_backward, conv2d_packed, pack_activations, pack_weights
from tinybnn.ops.bitpack import pack, pack_bits
from tinybnn.ops.conv import conv2d
from tinybnn.ops.fold import Threshold, fold_batch_norm, fold_threshold, threshold_sign, threshold_sign_loops
from tinybnn.ops.multibranch import multi_branch_upsample, multi_branch_upsample_backward
from tinybnn.ops.norm import (
    batch_norm,
    batch_norm_backward,
    batch_norm_inference,
    scale_shift,
    update_running,
    update_running_loops,
)
from tinybnn.testing.strategies import distinct, generators, reals, signs


def classifier_bias(dy, conv):
    """The gradient of a bias, after a place for that of its input."""
    return None, classifier_backward(dy, conv)[1]["b"]


law = settings(derandomize=True, database=None, deadline=None, max_examples=30)
dtypes = st.sampled_from([np.float32, np.float64])


@st.composite
def batches(draw):
    """A batch in which every channel has a variance, with gamma and beta."""
    rng, (N, H, W, C) = draw(generators()), draw(distinct(4, 2, 6))
    return reals(rng, N, H, W, C), reals(rng, C), reals(rng, C)


# -- the pair -------------------------------------------------------------------------------------------------------


@law
@given(batches())
def test_without_gamma_and_beta_it_is_scipys_zscore(case):
    from scipy.stats import zscore

    x, _, _ = case
    C = x.shape[-1]
    expected = zscore(x.reshape(-1, C), axis=0).reshape(x.shape)
    np.testing.assert_allclose(batch_norm(x, np.ones(C), np.zeros(C), eps=1e-12)[0], expected, rtol=0, atol=1e-10)


@law
@given(batches(), st.floats(-5, 5), st.floats(0.5, 5))
def test_a_shift_and_a_positive_scale_of_its_input_change_nothing(case, shift, scale):
    x, gamma, beta = case
    y, _ = batch_norm(x, gamma, beta, eps=1e-12)
    np.testing.assert_allclose(batch_norm(x * scale + shift, gamma, beta, eps=1e-12)[0], y, rtol=0, atol=1e-9)


@law
@given(batches())
def test_its_gradient_has_no_constant_part_and_no_part_along_the_centred_input(case):
    x, gamma, beta = case
    y, cache = batch_norm(x, gamma, beta, eps=1e-12)
    dx, _, _ = batch_norm_backward(np.sin(np.arange(float(y.size))).reshape(y.shape), cache)
    np.testing.assert_allclose(dx.sum((0, 1, 2)), 0, atol=1e-10)
    np.testing.assert_allclose((dx * cache.centred).sum((0, 1, 2)), 0, atol=1e-10)


def test_float32_stays_precise_if_the_mean_is_far_above_the_deviation():
    x = np.random.default_rng(0).normal(1000, 1, (8 * 32 * 32, 4)).astype(np.float32)
    one, zero = np.ones(4, np.float32), np.zeros(4, np.float32)
    _, cache = batch_norm(x, one, zero)
    exact = x.astype(np.float64).var(0)
    naive = (x * x).mean(0) - x.mean(0) ** 2
    assert np.abs(cache.var - exact).max() < 1e-5 < 1e-2 < np.abs(naive - exact).max()


def worst_of_a_constant(value):
    """The largest result of batch norm for a channel of equal values, which should be 0."""
    one = np.ones(2, np.float32)
    y, _ = batch_norm(np.full((8, 64, 64, 2), value, np.float32), one, 0 * one)
    return float(np.abs(y).max())


def worst_of_many_rows(rows, around):
    """The largest error of batch norm for so many values around a number, against the same values in float64."""
    x, one = np.random.default_rng(0).normal(around, 1, (rows, 2)).astype(np.float32), np.ones(2)
    y, expected = (batch_norm(x.astype(t), one.astype(t), 0 * one.astype(t))[0] for t in (np.float32, np.float64))
    return float(np.abs(y - expected).max())


def test_a_constant_channel_becomes_0_and_many_values_far_from_0_keep_their_mean():
    assert max(worst_of_a_constant(value) for value in (5.3, 100.3, -1e-3, 1e5)) < 1e-4
    assert worst_of_many_rows(2_000_000, 1000) < 1e-4


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_no_channel_depends_on_how_many_there_are(dtype):
    x = np.random.default_rng(0).normal(1000, 1, (1500, 65)).astype(dtype)
    one = np.ones(65, dtype)
    y, cache = batch_norm(x, one, one)
    grads = batch_norm_backward(y, cache)
    for some in (slice(0, 1), slice(64, 65), slice(3, 63)):
        own, own_cache = batch_norm(x[:, some], one[some], one[some])
        np.testing.assert_array_equal(own, y[:, some])
        for alone, among in zip(batch_norm_backward(own, own_cache), grads):
            np.testing.assert_array_equal(alone, among[..., some])


@pytest.mark.parametrize("n", [1, 2, 31, 32, 33, 64, 1023, 1024, 1025, 50_000])
def test_a_channel_sum_is_accurate_for_every_number_of_rows(n):
    x = np.full((n, 3), [0.1, 100.3, -1000.1], np.float32)
    np.testing.assert_allclose(channel_sum(x), x.sum(0, dtype=np.float64), rtol=2e-6)
    whole = np.random.default_rng(n).integers(-9, 10, (n, 3)).astype(np.float32)
    np.testing.assert_array_equal(channel_sum(whole), whole.sum(0))


def scaled(x, alpha):
    return binary_conv2d(sign(x), np.ones((1, 1, 2, 2), x.dtype), alpha, pad_value=1)


def gated(x, theta):
    w, one = np.ones((1, 1, 1, 2, 2), x.dtype), np.ones((1, 2), x.dtype)
    return multi_branch_upsample(x, 0 * one, w, one, theta[None], pad_value=1, scale=1, pad=0)


SUMS = {
    "binarize": (binarize, binarize_backward, 1),
    "prelu": (prelu, prelu_backward, 1),
    "rprelu": (rprelu, rprelu_backward, 3),
    "batch_norm": (batch_norm, batch_norm_backward, 2),
    "a scale": (scaled, lambda dy, cache: (None, binary_conv2d_backward(dy, cache).dalpha), 1),
    "a gate": (gated, lambda dy, cache: (None, multi_branch_upsample_backward(dy, cache).dtheta[0]), 1),
    "a bias": (lambda x, b: (x, conv2d(x, np.ones((1, 1, 2, 2), x.dtype))[1]), classifier_bias, 1),
}


@pytest.mark.parametrize("name", SUMS)
def test_gradients_of_channels_are_sums_done_well(name):
    forward, backward, vectors = SUMS[name]
    rng = np.random.default_rng(0)
    x, dy = (rng.uniform(-1.2, 0.8, (8, 128, 128, 2)).astype(np.float32) + np.float32(0.9) * i for i in (0, 1))
    args = x, *(np.full(2, 0.3, np.float32) for _ in range(vectors))
    single, double = (
        backward(dy.astype(t), forward(*(a.astype(t) for a in args))[1]) for t in (np.float32, np.float64)
    )
    for got, expected in zip(single[1:], double[1:]):
        np.testing.assert_allclose(got, expected, rtol=0, atol=5e-7 * dy[..., 0].size, err_msg=name)


def test_gradients_keep_single_precision_and_running_statistics_too():
    x, one = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32), np.ones(3, np.float32)
    y, cache = batch_norm(x, one, one)
    arrays = y, *batch_norm_backward(y, cache), *update_running(one, one, cache), *scale_shift(one, one, one, one)
    assert {a.dtype for a in arrays} == {np.dtype(np.float32)}


# -- inference ------------------------------------------------------------------------------------------------------


@law
@given(batches())
def test_inference_by_the_batchs_own_statistics_is_training(case):
    x, gamma, beta = case
    y, cache = batch_norm(x, gamma, beta)
    np.testing.assert_allclose(batch_norm_inference(x, gamma, beta, cache.mean, cache.var), y, rtol=0, atol=1e-12)


@law
@given(batches(), dtypes)
def test_inference_is_one_multiplication_and_one_addition_to_the_bit(case, dtype):
    x, gamma, beta = (a.astype(dtype) for a in case)
    mean, var = beta[::-1], gamma**2
    scale, shift = scale_shift(gamma, beta, mean, var, eps=0.25)
    y = batch_norm_inference(x, gamma, beta, mean, var, eps=0.25)
    assert scale.dtype == shift.dtype == y.dtype == dtype
    np.testing.assert_array_equal(y, x * scale + shift)


@law
@given(batches())
def test_running_statistics_that_keep_nothing_are_the_batchs_unbiased_ones(case):
    x, gamma, beta = case
    old = np.full_like(gamma, 7)
    mean, var = update_running(old, old, batch_norm(x, gamma, beta)[1], momentum=0.0)
    np.testing.assert_allclose(mean, x.mean((0, 1, 2)), rtol=0, atol=1e-12)
    np.testing.assert_allclose(var, x.var((0, 1, 2), ddof=1), rtol=1e-12)
    kept = update_running(old, old, batch_norm(x, gamma, beta)[1]), update_running_loops(old, old, x)
    np.testing.assert_allclose(*kept, rtol=1e-12, err_msg="the default momentum is 0.9")


def test_two_values_a_channel_are_enough_for_a_variance():
    zero = np.zeros(1)
    _, cache = batch_norm(np.array([[1.0], [5.0]]), zero + 1, zero)
    assert update_running(zero, zero, cache, momentum=0.5) == (1.5, 4)


# -- folding --------------------------------------------------------------------------------------------------------


def levels(n, F):
    return np.repeat(np.arange(-n, n + 1, dtype=np.int32)[:, None], F, axis=1)


def with_ties(rng, n, F, dtype):
    """Parameters of F filters, each of which gives exactly 0 at one integer from -n to n."""
    alpha, gamma, zero = rng.uniform(0.1, 2, F).astype(dtype), rng.normal(size=F).astype(dtype), np.zeros(F, dtype)
    var = rng.uniform(0.1, 2, F).astype(dtype)
    scale, _ = scale_shift(gamma, zero, zero, var)
    tie = rng.integers(-n, n + 1, F).astype(dtype)
    return alpha, gamma, -(alpha * tie * scale), zero, var


@st.composite
def parameters(draw):
    """n and five vectors. gamma is positive, negative, +0, -0 or subnormal; some filters have ties."""
    rng, n, F, dtype = draw(generators()), draw(st.integers(1, 70)), 16, draw(dtypes)
    alpha, gamma, beta, mean, var = with_ties(rng, n, F, dtype)
    tiny = np.finfo(dtype).smallest_subnormal
    gamma[:6] = [0, -0.0, tiny, -tiny, 8 * tiny, np.finfo(dtype).tiny]
    beta[:6] = rng.choice(np.array([0.0, -0.0, 1.0, -1.0, tiny, -tiny, 2 * n * tiny], dtype), 6)
    mean[4:10] = rng.normal(size=6)
    var[3] = 0
    return n, alpha, gamma, beta, mean, var


@settings(law, max_examples=200)
@given(parameters())
def test_a_folded_sign_is_the_sign_for_every_integer(case):
    n, alpha, *statistics = case
    z = levels(n, len(alpha))
    expected = sign(batch_norm_inference(alpha * z.astype(alpha.dtype), *statistics))
    negative = threshold_sign(z, fold_batch_norm(alpha, *statistics, n))
    np.testing.assert_array_equal(negative, expected < 0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_ties_made_on_purpose_are_ties_and_count_as_plus(dtype):
    alpha, *statistics = with_ties(np.random.default_rng(0), 20, 64, dtype)
    z = levels(20, 64)
    ties = batch_norm_inference(alpha * z.astype(dtype), *statistics) == 0
    assert (ties.sum(0) == 1).all()
    assert not threshold_sign(z, fold_batch_norm(alpha, *statistics, 20))[ties].any()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_closed_formula_is_wrong_where_it_rounds_differently_from_the_network(dtype):
    """It gives -1 where popcount > floor((n - z*) / 2). For a negative gamma, -z and -z* replace z and z*."""
    n, F = 576, 256
    alpha, gamma, beta, mean, var = with_ties(np.random.default_rng(0), n, F, dtype)
    z = levels(n, F)[::2]
    crossing = (mean - beta * np.sqrt(var + dtype(1e-5)) / gamma) / alpha
    turn = np.where(gamma < 0, -1, 1)
    closed = (n - turn * z) // 2 > np.floor((n - turn * crossing) / 2)
    folded = threshold_sign(z, fold_batch_norm(alpha, gamma, beta, mean, var, n))
    wrong = closed != folded
    assert 0 < wrong.sum() <= F and (np.abs(z - crossing)[wrong] < 1e-3).all()  # wrong only at ties


@law
@given(generators(), st.sampled_from([-1, 0, 1]), dtypes)
def test_a_binary_layer_can_run_from_words_to_words_without_a_float(rng, pad_value, dtype):
    x, w = signs(rng, 2, 4, 5, 3).astype(dtype), reals(rng, 3, 2, 3, 7).astype(dtype)
    alpha, *statistics = with_ties(rng, 18, 7, dtype)
    real = batch_norm_inference(binary_conv2d(x, w, alpha, pad=1, pad_value=pad_value)[0], *statistics)
    z = conv2d_packed(pack_activations(x), pack_weights(sign(w)), 3, pad=1, pad_value=pad_value)
    folded = pack_bits(threshold_sign(z, fold_batch_norm(alpha, *statistics, 18)))
    np.testing.assert_array_equal(folded, pack(sign(real)))


def test_any_rising_or_falling_function_can_be_folded():
    rng = np.random.default_rng(0)
    scale, shift_in, slope, shift_out = reals(rng, 5), reals(rng, 5), rng.uniform(0.1, 1, 5), reals(rng, 5)

    def f(z):
        return rprelu(z * scale, shift_in, slope, shift_out)[0]

    z = levels(9, 5)
    np.testing.assert_array_equal(threshold_sign(z, fold_threshold(f, 9, 5)), f(z) < 0)


def test_thresholds_are_integers_and_belong_to_the_last_axis():
    threshold = fold_threshold(lambda z: z * np.array([1.0, -1.0, 2.0]) + 0.5, 4, 3)
    assert threshold.t.dtype == np.int32 and threshold.flip.dtype == bool
    z = np.arange(-12, 12).reshape(2, 4, 3)
    np.testing.assert_array_equal(threshold_sign(z, threshold), threshold_sign_loops(z, threshold))


# -- what it refuses ------------------------------------------------------------------------------------------------

X, C3, C4 = np.zeros((2, 5, 3)), np.ones(3), np.ones(4)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: batch_norm(X, C4, C3), r"batch_norm: gamma has shape \(4,\), expected \(C,\) with C = 3 from x"),
        (lambda: batch_norm(X, C3, C4), r"batch_norm: beta has shape \(4,\), expected \(C,\) with C = 3 from x"),
        (lambda: batch_norm(np.array(1.0), C3, C3), r"batch_norm: x has shape \(\), expected axes"),
        (lambda: batch_norm(X, C3, C3, eps=0), "batch_norm: eps is 0, expected a number in"),
        (lambda: batch_norm(X.astype("f4"), C3, C3), "batch_norm: mixed dtypes .x float32, gamma float64"),
        (
            lambda: batch_norm_backward(X[0], batch_norm(X, C3, C3)[1]),
            r"batch_norm_backward: dy has shape \(5, 3\), expected \(2, 5, 3\)",
        ),
        (
            lambda: update_running(C3, C3, batch_norm(X[0, :1], C3, C3)[1]),
            "update_running: the batch had 1 value a channel, expected at least 2 for a variance$",
        ),
        (
            lambda: update_running(C4, C3, batch_norm(X, C3, C3)[1]),
            r"update_running: mean has shape \(4,\), expected \(C,\) with C = 3 from cache.mean",
        ),
        (
            lambda: update_running(C3, C4, batch_norm(X, C3, C3)[1]),
            r"update_running: var has shape \(4,\), expected \(C,\) with C = 3 from cache.mean",
        ),
        (
            lambda: update_running(C3, C3, batch_norm(X, C3, C3)[1], momentum=1.5),
            "update_running: momentum is 1.5, expected a number in",
        ),
        (lambda: scale_shift(C3, C3, C3, C3, eps=0), "scale_shift: eps is 0, expected a number in"),
        (lambda: batch_norm_inference(X, C3, C3, C3, C4), r"batch_norm_inference: var has shape \(4,\)"),
        (
            lambda: batch_norm_inference(X, C3, C3, C3, np.array([0.0, -2.0, 1.0])),
            r"batch_norm_inference: var\[1\] is -2.0, expected a variance >= 0",
        ),
        (lambda: fold_threshold(lambda z: z, 3, 0), "fold_threshold: F is 0, expected a whole number >= 1"),
        (lambda: fold_batch_norm(C3, C3, C3, C3, C4, 9), r"fold_batch_norm: var has shape \(4,\)"),
        (lambda: fold_batch_norm(C3, C3, C3, C3, C3, -1), "fold_batch_norm: n is -1, expected a whole number >= 0"),
        (
            lambda: fold_threshold(lambda z: np.array([0.0, 1.0]) * z * z - 1.5, 3, 2),
            "fold_threshold: filter 1 changes its sign more than once, expected a rising or falling function",
        ),
        (lambda: fold_threshold(lambda z: z * np.array([1.0, np.nan]), 3, 2), "fold_threshold: filter 1 is nan"),
        (
            lambda: fold_threshold(lambda z: z[0] * 1.0, 3, 2),
            r"fold_threshold: levels_to_real\(z\) has shape \(2,\), expected \(7, 2\)",
        ),
        (lambda: threshold_sign(X, Threshold(C3, C3 > 0)), "threshold_sign: z has dtype float64, expected integer"),
        (
            lambda: threshold_sign(X.astype(int), Threshold(np.arange(4), np.arange(4) > 2)),
            r"threshold_sign: threshold.t has shape \(4,\), expected \(F,\) with F = 3 from z",
        ),
    ],
)
def test_errors_name_what_came_and_what_was_expected(call, message):
    with pytest.raises((ValueError, TypeError), match=f"^{message}"):
        call()
