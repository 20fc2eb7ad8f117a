"""Pooling against SciPy and Pillow, its gradient at ties, laws of maxima and means, and refused arguments."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinybnn.model.gradcheck import adjoint_gap
from tinybnn.ops.binarize import sign
from tinybnn.ops.bitpack import pack
from tinybnn.ops.pool import (
    adaptive_avg_pool2d,
    adaptive_avg_pool2d_backward,
    avg_pool2d,
    avg_pool2d_backward,
    cells,
    max_pool2d,
    max_pool2d_backward,
    max_pool2d_packed,
)
from tinybnn.testing.strategies import distinct, generators, integers, pairs, reals

law = settings(derandomize=True, database=None, deadline=None, max_examples=30)


@st.composite
def pooled(draw):
    """A map of whole numbers, full of ties; a kernel, a stride and a padding that fit."""
    x = integers(draw(generators()), *draw(distinct(4, 3, 8)))
    KH, KW = draw(distinct(2, 1, 3))
    pad = draw(st.integers(0, KH - 1)), draw(st.integers(0, KW - 1))
    return x, {"kernel": (KH, KW), "stride": draw(pairs(1, 3))}, pad


# -- outside oracles ------------------------------------------------------------------------------------------------


def sampled(filtered, kernel, stride, pad, size):
    """The values of a centred filter's output that belong to the windows of a pooling."""
    rows, cols = (np.arange(n) * s - p + k // 2 for n, s, p, k in zip(size, stride, pad, kernel))
    border = 3  # the map was filtered with a border, because some windows have their centre outside the map
    return filtered[:, rows + border][:, :, cols + border]


@law
@given(pooled())
def test_maxima_are_scipys_maximum_filter(case):
    from scipy.ndimage import maximum_filter

    x, options, pad = case
    y, _ = max_pool2d(x, **options, pad=pad)
    wide = np.pad(x, ((0, 0), (3, 3), (3, 3), (0, 0)), constant_values=-np.inf)
    filtered = maximum_filter(wide, (1, *options["kernel"], 1), mode="constant", cval=-np.inf)
    expected = sampled(filtered, options["kernel"], options["stride"], pad, y.shape[1:3])
    np.testing.assert_array_equal(y, expected)


@law
@given(pooled())
def test_means_are_scipys_uniform_filter(case):
    from scipy.ndimage import uniform_filter

    x, options, _ = case
    y, _ = avg_pool2d(x, **options)
    wide = np.pad(x, ((0, 0), (3, 3), (3, 3), (0, 0)))
    filtered = uniform_filter(wide, (1, *options["kernel"], 1), mode="constant")
    expected = sampled(filtered, options["kernel"], options["stride"], (0, 0), y.shape[1:3])
    np.testing.assert_allclose(y, expected, rtol=0, atol=1e-13)


@law
@given(generators(), pairs(1, 4), pairs(1, 4))
def test_means_of_blocks_are_pillows_reduce(rng, kernel, blocks):
    from PIL import Image

    plane = reals(rng, kernel[0] * blocks[0], kernel[1] * blocks[1]).astype(np.float32)
    expected = np.asarray(Image.fromarray(plane).reduce(kernel[::-1]))
    got = avg_pool2d(plane[None, :, :, None], kernel=kernel)[0][0, :, :, 0]
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-6)


# -- the maximum ----------------------------------------------------------------------------------------------------


def test_at_a_tie_the_first_maximum_in_row_major_order_takes_the_gradient():
    x = np.array([[1.0, 2.0, 2.0], [2.0, 2.0, 2.0], [0.0, 0.0, 0.0]]).reshape(1, 3, 3, 1)
    _, cache = max_pool2d(x, stride=1)
    dy = np.array([[1.0, 10.0], [100.0, 1000.0]]).reshape(1, 2, 2, 1)
    expected = [[0, 11, 0], [100, 1000, 0], [0, 0, 0]]
    assert max_pool2d_backward(dy, cache)[0, :, :, 0].tolist() == expected


def first_maxima(x, dy, *, kernel, stride, pad):
    """The gradient in plain loops: it goes to the first largest value of each window, row by row."""
    dx = np.zeros_like(x)
    for n, i, j, c in np.ndindex(dy.shape):
        top, left = i * stride[0] - pad[0], j * stride[1] - pad[1]
        inside = [
            (row, col)
            for row in range(max(top, 0), min(top + kernel[0], x.shape[1]))
            for col in range(max(left, 0), min(left + kernel[1], x.shape[2]))
        ]
        row, col = max(inside, key=lambda at: x[(n, *at, c)])  # max returns the first of equal values
        dx[n, row, col, c] += dy[n, i, j, c]
    return dx


@law
@given(pooled(), generators())
def test_each_gradient_goes_to_exactly_one_value_even_at_ties(case, rng):
    x, options, pad = case
    y, cache = max_pool2d(x, **options, pad=pad)
    dy = integers(rng, *y.shape)
    dx = max_pool2d_backward(dy, cache)
    np.testing.assert_array_equal(dx, first_maxima(x, dy, **options, pad=pad))
    assert dx.sum() == dy.sum()


@law
@given(pooled())
def test_the_maximum_commutes_with_sign_and_with_packing(case):
    x, options, _ = case
    high = sign(max_pool2d(x, **options)[0])
    np.testing.assert_array_equal(max_pool2d(sign(x), **options)[0], high)
    np.testing.assert_array_equal(max_pool2d_packed(pack(sign(x)), **options), pack(high))


def test_the_mean_does_not_commute_with_sign():
    x = np.array([3.0, -1.0]).reshape(1, 1, 2, 1)
    assert sign(avg_pool2d(x, kernel=(1, 2))[0]).item() == 1 and avg_pool2d(sign(x), kernel=(1, 2))[0].item() == 0


# -- means ----------------------------------------------------------------------------------------------------------


@law
@given(generators(), distinct(4, 4, 8), pairs(1, 4))
def test_adjoint_identities_hold_exactly(rng, shape, stride):
    x = integers(rng, *shape)
    options = {"kernel": (4, 2), "stride": stride}  # eighths: exact
    y, cache = avg_pool2d(x, **options)
    dy = integers(rng, *y.shape)
    assert adjoint_gap(lambda v: avg_pool2d(v, **options)[0], lambda d: avg_pool2d_backward(d, cache), x, dy) == 0
    x = integers(rng, 2, 8, 4, 3)
    y, cache = adaptive_avg_pool2d(x, size=(4, 3))  # cells of 2 rows and 2 columns, which share columns
    dy = integers(rng, *y.shape)
    gap = adjoint_gap(
        lambda v: adaptive_avg_pool2d(v, size=(4, 3))[0], lambda d: adaptive_avg_pool2d_backward(d, cache), x, dy
    )
    assert gap == 0


@law
@given(generators(), pairs(1, 4), pairs(1, 4))
def test_a_grid_that_divides_the_map_is_a_pooling_by_blocks(rng, kernel, grid):
    x = reals(rng, 2, kernel[0] * grid[0], kernel[1] * grid[1], 3)
    blocks, _ = avg_pool2d(x, kernel=kernel)
    np.testing.assert_allclose(adaptive_avg_pool2d(x, size=grid)[0], blocks, rtol=0, atol=1e-14)


@law
@given(generators(), distinct(4, 1, 6))
def test_a_grid_of_one_cell_is_the_mean_and_of_the_maps_own_size_a_copy(rng, shape):
    x = reals(rng, *shape)
    np.testing.assert_allclose(adaptive_avg_pool2d(x, size=1)[0][:, 0, 0], x.mean((1, 2)), rtol=0, atol=1e-14)
    same, _ = adaptive_avg_pool2d(x, size=shape[1:3])
    np.testing.assert_array_equal(same, x)
    assert not np.shares_memory(same, x)


@pytest.mark.parametrize("n, m", [(1, 1), (7, 3), (3, 7), (8, 4), (10, 6)])
def test_cells_are_means_that_reach_every_value(n, m):
    A = cells(n, m)
    np.testing.assert_allclose(A.sum(1), 1, rtol=0, atol=1e-15)
    assert A.shape == (m, n) and (A > 0).any(0).all() and (np.diff((A > 0).argmax(1)) >= 0).all()


@pytest.mark.parametrize("operation", [max_pool2d, avg_pool2d])
def test_windows_of_one_are_the_identity_and_still_a_copy(operation):
    x = np.arange(24.0).reshape(1, 2, 3, 4)
    y, _ = operation(x, kernel=1)
    np.testing.assert_array_equal(y, x)
    assert not np.shares_memory(y, x)


def test_gradients_keep_single_precision():
    x = np.random.default_rng(0).normal(size=(1, 4, 5, 3)).astype(np.float32)
    for forward, backward, options in (
        (max_pool2d, max_pool2d_backward, {"kernel": 3, "pad": 1}),
        (avg_pool2d, avg_pool2d_backward, {"kernel": 3}),
        (adaptive_avg_pool2d, adaptive_avg_pool2d_backward, {"size": 3}),
    ):
        y, cache = forward(x, **options)
        dx = backward(y, cache)
        assert y.dtype == dx.dtype == np.float32 and dx.shape == x.shape


# -- what it refuses ------------------------------------------------------------------------------------------------

X = np.zeros((1, 4, 6, 2))


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: max_pool2d(X[0]), r"max_pool2d: x has shape \(4, 6, 2\), expected \(N, H, W, C\)"),
        (lambda: max_pool2d(X, kernel=0), "max_pool2d: kernel is 0, expected a whole number >= 1"),
        (lambda: max_pool2d(X, stride=0), "max_pool2d: stride is 0, expected a whole number >= 1"),
        (lambda: max_pool2d(X, kernel=(2, 3), pad=2), r"max_pool2d: pad is \(2, 2\), expected less than the kernel's"),
        (
            lambda: max_pool2d(X, kernel=(3, 2), pad=(0, 2)),
            r"max_pool2d: pad is \(0, 2\), expected less than .* \(3, 2\)",
        ),
        (lambda: max_pool2d(X, pad=-1), "max_pool2d: pad is -1, expected a whole number >= 0"),
        (lambda: max_pool2d_packed(X.astype(np.uint64), kernel=5), r"max_pool2d_packed: the kernel spans \(5, 5\)"),
        (lambda: avg_pool2d(X, kernel=5), r"avg_pool2d: the kernel spans \(5, 5\), expected at most .* \(4, 6\)"),
        (lambda: max_pool2d(X, kernel=5), r"max_pool2d: the kernel spans \(5, 5\), expected at most .* \(4, 6\)"),
        (
            lambda: max_pool2d_backward(X, max_pool2d(X)[1]),
            r"max_pool2d_backward: dy has shape \(1, 4, 6, 2\), expected \(1, 2, 3, 2\)",
        ),
        (lambda: max_pool2d_packed(X), "max_pool2d_packed: words has dtype float64, expected uint64"),
        (lambda: avg_pool2d(X.astype(int)), "avg_pool2d: x has dtype int64, expected float32 or float64"),
        (
            lambda: avg_pool2d_backward(X, avg_pool2d(X)[1]),
            r"avg_pool2d_backward: dy has shape \(1, 4, 6, 2\), expected \(N, 2, 3, C\)",
        ),
        (lambda: adaptive_avg_pool2d(X, size=0), "adaptive_avg_pool2d: size is 0, expected a whole number >= 1"),
        (
            lambda: adaptive_avg_pool2d_backward(X, adaptive_avg_pool2d(X, size=3)[1]),
            r"adaptive_avg_pool2d_backward: dy has shape \(1, 4, 6, 2\), expected \(N, 3, 3, C\)",
        ),
    ],
)
def test_errors_name_what_came_and_what_was_expected(call, message):
    with pytest.raises((ValueError, TypeError), match=f"^{message}"):
        call()


@pytest.mark.parametrize("kernel", [64, (1, 1500), (1500, 1)])
def test_the_mean_of_a_large_window_is_accurate_in_float32(kernel):
    H, W = kernel if isinstance(kernel, tuple) else (kernel, kernel)
    y, _ = avg_pool2d(np.full((1, H, W, 2), 100.3, np.float32), kernel=kernel)
    np.testing.assert_allclose(y, np.float32(100.3), rtol=1e-6)


def test_minus_infinity_beside_padding_keeps_its_gradient():
    """The padding is -inf too, but no value."""
    y, cache = max_pool2d(np.full((1, 2, 2, 1), -np.inf), kernel=2, stride=1, pad=1)
    assert (y == -np.inf).all() and max_pool2d_backward(np.ones(y.shape), cache).sum() == y.size
