"""Computed on the small map, a convolution of the large map is exact for every scale, kernel and padding."""

import itertools

import numpy as np
import pytest

from tinybnn.ops.conv import conv2d, conv2d_backward
from tinybnn.ops.upsample import upsample_nearest, upsample_nearest_backward
from tinybnn.ops.upsample_conv import (
    phase_kernel,
    shared_taps,
    upsample_conv2d,
    upsample_conv2d_backward,
    upsample_conv2d_loops,
)

GEOMETRIES = list(itertools.product((1, 2, 3), (1, 2, 4), (1, 2, 3, 4, 5), (1, 3), (0, 1, 2, 3), (0, 1)))


@pytest.mark.parametrize("SH", [1, 2, 3])
def test_every_small_geometry(SH):
    rng = np.random.default_rng(SH)
    for _, SW, KH, KW, PH, PW in (g for g in GEOMETRIES if g[0] == SH):
        if 3 * SH + 2 * PH < KH or 2 * SW + 2 * PW < KW:
            continue
        x, w = rng.integers(-3, 4, (2, 3, 2, 2)).astype(float), rng.integers(-3, 4, (KH, KW, 2, 3)).astype(float)
        u, copied = upsample_nearest(x, scale=(SH, SW))
        y, cache = conv2d(u, w, pad=(PH, PW), pad_value=2.0)
        got, small = upsample_conv2d(x, w, scale=(SH, SW), pad=(PH, PW), pad_value=2.0)
        assert np.array_equal(got, y)
        dy = rng.integers(-3, 4, y.shape).astype(float)
        du, dw = conv2d_backward(dy, cache)
        assert np.array_equal(upsample_conv2d_backward(dy, small).dx, upsample_nearest_backward(du, copied))
        assert np.array_equal(upsample_conv2d_backward(dy, small).dw, dw)


def test_padding_is_zero_by_default():
    rng = np.random.default_rng(0)
    x, w = rng.integers(-3, 4, (1, 2, 3, 2)).astype(float), rng.integers(-3, 4, (3, 3, 2, 1)).astype(float)
    y, _ = conv2d(upsample_nearest(x)[0], w, pad=1, pad_value=0.0)
    assert np.array_equal(upsample_conv2d(x, w, pad=1)[0], y) and np.array_equal(upsample_conv2d_loops(x, w, pad=1), y)


def test_scale_2_and_a_3x3_kernel_need_16_products_instead_of_36():
    w = np.random.default_rng(0).choice([-1.0, 1.0], (3, 3, 1, 1))
    kernel = phase_kernel(w, (2, 2))
    assert kernel.shape == (2, 2, 1, 4) and kernel.size == 16
    assert set(np.abs(kernel).ravel()) - {0.0, 1.0, 2.0, 4.0} == set(), "sums of signs are not signs"
    assert kernel.reshape(4, 4).sum() == 4 * w.sum(), "every phase has every tap once"


def test_every_tap_reads_one_pixel_in_every_phase():
    for K, S in itertools.product(range(1, 6), range(1, 5)):
        assert np.array_equal(shared_taps(K, S).sum(1), np.ones((S, K)))
    with pytest.raises(ValueError, match="read-only"):
        shared_taps(3, 2)[0] = 7


def test_a_kernel_larger_than_the_large_map_is_refused():
    with pytest.raises(ValueError, match=r"upsample_conv2d: the kernel spans \(5, 1\), expected at most .* \(4, 2\)"):
        upsample_conv2d(np.zeros((1, 2, 1, 1)), np.zeros((5, 1, 1, 1)))
    with pytest.raises(ValueError, match=r"upsample_conv2d: the kernel spans \(9, 1\), expected at most .* \(8, 4\)"):
        upsample_conv2d(np.zeros((1, 2, 2, 1)), np.zeros((9, 1, 1, 1)), pad=(2, 0))
    with pytest.raises(ValueError, match=r"upsample_conv2d: w has shape \(3, 3, 2, 1\), expected .* with C = 1 from x"):
        upsample_conv2d(np.zeros((1, 2, 1, 1)), np.zeros((3, 3, 2, 1)))


def test_a_gradient_of_other_filters_is_refused():
    _, cache = upsample_conv2d(np.zeros((1, 4, 3, 1)), np.zeros((2, 2, 1, 5)), scale=(2, 3))
    with pytest.raises(ValueError, match=r"^upsample_conv2d_backward: dy has shape .*, expected \(1, 7, 8, 5\)$"):
        upsample_conv2d_backward(np.zeros((1, 7, 8, 30)), cache)
