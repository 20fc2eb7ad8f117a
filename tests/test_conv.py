"""Convolution against SciPy, its exact adjoint, and what it refuses."""

import numpy as np
import pytest
from hypothesis import given, settings
from scipy.signal import convolve2d, correlate

from tinybnn.model.gradcheck import adjoint_gap
from tinybnn.ops.conv import (
    conv2d,
    conv2d_backward,
    conv2d_loops,
    conv_transpose2d,
    conv_transpose2d_backward,
    conv_transpose2d_loops,
)
from tinybnn.testing.ops.conv import geometry
from tinybnn.testing.strategies import Limits, generators, integers

law = settings(derandomize=True, database=None, deadline=None, max_examples=40)


def test_one_channel_is_scipys_correlation_and_not_its_convolution():
    rng = np.random.default_rng(0)
    x, w = integers(rng, 7, 9), integers(rng, 3, 2)
    y = conv2d(x[None, ..., None], w[..., None, None])[0][0, ..., 0]
    assert np.array_equal(y, correlate(x, w, "valid", method="direct"))
    assert not np.array_equal(y, convolve2d(x, w, "valid"))


def test_padding_is_zero_by_default():
    rng = np.random.default_rng(7)
    x, w = integers(rng, 1, 4, 5, 2), integers(rng, 3, 3, 2, 2)
    wide = conv2d(np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0))), w)[0]
    assert np.array_equal(conv2d(x, w, pad=1)[0], wide) and np.array_equal(conv2d_loops(x, w, pad=1), wide)


def test_many_channels_are_sums_of_scipys_correlations():
    rng = np.random.default_rng(1)
    x, w = integers(rng, 2, 6, 5, 3), integers(rng, 2, 3, 3, 4)
    y, _ = conv2d(x, w)
    for n, f in np.ndindex(2, 4):
        expected = sum(correlate(x[n, ..., c], w[..., c, f], "valid", method="direct") for c in range(3))
        assert np.array_equal(y[n, ..., f], expected)


def test_transposed_convolution_is_scipys_full_convolution():
    rng = np.random.default_rng(2)
    y, w = integers(rng, 5, 4), integers(rng, 3, 2)
    x = conv_transpose2d(y[None, ..., None], w[..., None, None])[0][0, ..., 0]
    assert np.array_equal(x, convolve2d(y, w, "full"))


def test_the_default_size_of_the_transpose_is_the_smallest():
    rng = np.random.default_rng(6)
    y, w, options = (
        integers(rng, 2, 3, 4, 3),
        integers(rng, 2, 3, 2, 3),
        {"stride": (2, 3), "pad": (1, 2), "dilation": (2, 1)},
    )
    x, _ = conv_transpose2d(y, w, **options)
    assert x.shape == (2, 5, 8, 2) and np.array_equal(x, conv_transpose2d_loops(y, w, **options))
    y = integers(rng, 1, 2, 3, 3)
    assert np.array_equal(conv_transpose2d(y, w, stride=2)[0], conv_transpose2d_loops(y, w, stride=2))


@law
@given(geometry(Limits()), generators())
def test_the_transpose_is_the_adjoint_exactly(shapes, rng):
    x_shape, w_shape, options = shapes
    x, w = integers(rng, *x_shape), integers(rng, *w_shape)
    y = integers(rng, *conv2d(x, w, **options)[0].shape)
    gap = adjoint_gap(
        lambda x: conv2d(x, w, **options)[0],
        lambda y: conv_transpose2d(y, w, size=x_shape[1:3], **options)[0],
        x,
        y,
    )
    assert gap == 0


@law
@given(geometry(Limits()), generators())
def test_backward_is_linear_in_each_operand_exactly(shapes, rng):
    """<y, dy> = <x, dx> = <w, dw> without padding values: the map is bilinear."""
    x_shape, w_shape, options = shapes
    x, w = integers(rng, *x_shape), integers(rng, *w_shape)
    y, cache = conv2d(x, w, **options)
    dy = integers(rng, *y.shape)
    dx, dw = conv2d_backward(dy, cache)
    assert (y * dy).sum() == (x * dx).sum() == (w * dw).sum()


def test_groups_are_separate_convolutions():
    rng = np.random.default_rng(3)
    x, w = integers(rng, 1, 5, 6, 6), integers(rng, 3, 2, 2, 9)
    parts = [conv2d(x[..., 2 * g : 2 * g + 2], w[..., 3 * g : 3 * g + 3])[0] for g in range(3)]
    assert np.array_equal(conv2d(x, w, groups=3)[0], np.concatenate(parts, axis=-1))


def test_a_dilated_kernel_is_a_kernel_with_holes():
    rng = np.random.default_rng(4)
    x, w = integers(rng, 1, 7, 8, 2), integers(rng, 2, 3, 2, 1)
    holes = np.zeros((3, 7, 2, 1))
    holes[::2, ::3] = w
    assert np.array_equal(conv2d(x, w, dilation=(2, 3))[0], conv2d(x, holes)[0])


@pytest.mark.parametrize("band", [1, 50, 10**9])
def test_the_size_of_a_band_changes_nothing(band, monkeypatch):
    rng = np.random.default_rng(5)
    x, w = integers(rng, 3, 6, 5, 2), integers(rng, 3, 3, 2, 4)
    y, cache = conv2d(x, w, pad=1)
    gradients = conv2d_backward(y, cache)
    monkeypatch.setattr("tinybnn.ops.conv.BAND", band)
    again, cache = conv2d(x, w, pad=1)
    assert np.array_equal(y, again)
    assert all(np.array_equal(a, b) for a, b in zip(gradients, conv2d_backward(y, cache)))


X, W = np.zeros((1, 5, 6, 2)), np.zeros((3, 3, 2, 4))


@pytest.mark.parametrize(
    "call, message",
    [
        (
            lambda: conv2d(X, W[:, :, :1]),
            r"conv2d: w has shape \(3, 3, 1, 4\), expected \(KH, KW, C, F\) with C = 2 from x$",
        ),
        (lambda: conv2d(X[0], W), r"conv2d: x has shape \(5, 6, 2\), expected \(N, H, W, C\)"),
        (lambda: conv2d(X, W.astype(np.float32)), r"conv2d: mixed dtypes \(x float64, w float32\)"),
        (lambda: conv2d(X.astype(int), W), "conv2d: x has dtype int64, expected float32 or float64"),
        (lambda: conv2d(X, W, stride=0), "conv2d: stride is 0, expected a whole number >= 1"),
        (lambda: conv2d(X, W, stride=(1, 2, 3)), r"conv2d: stride is \(1, 2, 3\), expected a whole number or a"),
        (lambda: conv2d(X, W, pad=-1), "conv2d: pad is -1, expected a whole number >= 0"),
        (lambda: conv2d(X, W, pad=1.5), "conv2d: pad is 1.5, expected a whole number or a "),
        (lambda: conv2d(X, W, pad_value=np.nan), "conv2d: pad_value is nan, expected a finite number"),
        (lambda: conv2d(X, W, groups=3), "conv2d: 2 channels in and 4 filters, expected multiples of 3 groups"),
        (lambda: conv2d(X, W, groups=2), r"conv2d: w has shape .*\(KH, KW, C, F\) with C = 1 from x and groups$"),
        (
            lambda: conv2d(X, W[..., :3], groups=2),
            "conv2d: 2 channels in and 3 filters, expected multiples of 2 groups",
        ),
        (
            lambda: conv2d(X[:, :2], W),
            r"conv2d: the kernel spans \(3, 3\), expected at most the padded input's \(2, 6\)",
        ),
        (lambda: conv2d_backward(X, conv2d(X, W)[1]), r"conv2d_backward: dy has shape .* expected \(1, 3, 4, 4\)"),
        (lambda: conv_transpose2d(X, W), r"conv_transpose2d: y has shape .* with F = 4 from w"),
        (
            lambda: conv_transpose2d(np.zeros((1, 3, 4, 4)), W, size=(9, 9)),
            r"conv_transpose2d: size is \(9, 9\), expected one that conv2d maps to y's \(3, 4\)",
        ),
        (
            lambda: conv_transpose2d(np.zeros((1, 3, 4, 4)), W, size=(2, 9)),
            r"conv_transpose2d: the kernel spans \(3, 3\), expected at most the padded input's \(2, 9\)",
        ),
        (
            lambda: conv_transpose2d_backward(X[:, :4], conv_transpose2d(np.zeros((1, 3, 4, 4)), W)[1]),
            "conv_transpose2d_backward: dx has shape",
        ),
    ],
)
def test_errors_name_what_came_and_what_was_expected(call, message):
    with pytest.raises((ValueError, TypeError), match=f"^{message}"):
        call()
