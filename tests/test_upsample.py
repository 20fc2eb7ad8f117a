"""Upsampling against SciPy and Pillow, its laws, and refused arguments."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinybnn.model.gradcheck import adjoint_gap
from tinybnn.ops.binarize import sign
from tinybnn.ops.bitpack import pack
from tinybnn.ops.conv import conv2d
from tinybnn.ops.upsample import (
    BILINEAR,
    BILINEAR_CORNERS,
    NEAREST,
    UPSAMPLERS,
    depth_to_space,
    interpolation,
    space_to_depth,
    upsample_bilinear,
    upsample_bilinear_backward,
    upsample_nearest,
    upsample_nearest_backward,
    upsample_nearest_packed,
)
from tinybnn.testing.strategies import distinct, generators, integers, pairs

law = settings(derandomize=True, database=None, deadline=None, max_examples=30)


@st.composite
def maps(draw):
    """A map of whole numbers and a scale."""
    return integers(draw(generators()), *draw(distinct(4, 1, 6))), draw(pairs(1, 4))


# -- outside oracles ------------------------------------------------------------------------------------------------


@law
@given(maps())
def test_nearest_is_the_kronecker_product_with_ones(case):
    x, scale = case
    expected = np.stack([[np.kron(c, np.ones(scale)) for c in image.transpose(2, 0, 1)] for image in x])
    np.testing.assert_array_equal(upsample_nearest(x, scale=scale)[0], expected.transpose(0, 2, 3, 1))


@law
@given(maps(), st.booleans())
def test_bilinear_is_scipys_zoom(case, align_corners):
    from scipy.ndimage import zoom

    x, scale = case
    expected = zoom(x, (1, *scale, 1), order=1, mode="nearest", grid_mode=not align_corners)
    got = upsample_bilinear(x, scale=scale, align_corners=align_corners)[0]
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-13)


@law
@given(maps())
def test_half_pixel_bilinear_is_pillows(case):
    from PIL import Image

    x, (SH, SW) = case
    plane = x[0, :, :, 0].astype(np.float32)
    size = plane.shape[1] * SW, plane.shape[0] * SH
    expected = np.asarray(Image.fromarray(plane).resize(size, Image.Resampling.BILINEAR))
    got = upsample_bilinear(plane[None, :, :, None], scale=(SH, SW))[0][0, :, :, 0]
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-6)


# -- laws -----------------------------------------------------------------------------------------------------------


@law
@given(maps())
def test_nearest_commutes_with_sign_and_with_packing(case):
    x, scale = case
    low, high = sign(x), sign(upsample_nearest(x, scale=scale)[0])
    np.testing.assert_array_equal(upsample_nearest(low, scale=scale)[0], high)
    np.testing.assert_array_equal(upsample_nearest_packed(pack(low), scale=scale), pack(high))


@law
@given(maps(), generators())
def test_nearest_commutes_with_a_1x1_convolution(case, rng):
    x, scale = case
    w = integers(rng, 1, 1, x.shape[-1], 5)
    first = conv2d(upsample_nearest(x, scale=scale)[0], w)[0]
    np.testing.assert_array_equal(upsample_nearest(conv2d(x, w)[0], scale=scale)[0], first)


def phase_kernels(w):
    """The 2x2 kernels that a 3x3 kernel becomes after nearest x2: {(a, b): kernel for output rows 2i + a, cols 2j + b}.

    In an even output row, the three taps read input rows i - 1, i, i; in an odd one, rows i, i, i + 1.
    """
    fold = {0: np.array([[1, 0, 0], [0, 1, 1]]), 1: np.array([[1, 1, 0], [0, 0, 1]])}
    return {(a, b): np.einsum("ph,qw,hwcf->pqcf", fold[a], fold[b], w) for a in (0, 1) for b in (0, 1)}


@law
@given(maps(), generators())
def test_nearest_and_a_3x3_kernel_are_four_2x2_phase_kernels(case, rng):
    x, _ = case
    w = integers(rng, 3, 3, x.shape[-1], 2)
    whole = conv2d(upsample_nearest(x)[0], w, pad=1)[0]
    for (a, b), kernel in phase_kernels(w).items():
        padded = np.pad(x, ((0, 0), (1 - a, a), (1 - b, b), (0, 0)))
        np.testing.assert_array_equal(conv2d(padded, kernel)[0], whole[:, a::2, b::2])


def test_phase_kernels_of_a_binary_kernel_are_no_longer_binary():
    kernels = phase_kernels(np.ones((3, 3, 1, 1)))
    assert sorted(kernels[0, 0].ravel()) == [1, 2, 2, 4]
    assert all(k.max() == 4 for k in kernels.values()) and all(
        k.min() == -4 for k in phase_kernels(-np.ones((3, 3, 1, 1))).values()
    )


def test_bilinear_does_not_commute_with_sign():
    x = np.array([4.0, -1.0]).reshape(1, 1, 2, 1)
    third = upsample_bilinear(x, scale=(1, 2))[0].ravel()[2]
    signs_first = upsample_bilinear(sign(x), scale=(1, 2))[0].ravel()[2]
    assert third == 0.25 and signs_first == -0.5


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("scale", [1, 2, 3, 5])
@pytest.mark.parametrize("n", [1, 2, 7])
def test_interpolation_weights_are_two_a_row_and_add_to_one(n, scale, align_corners):
    A = interpolation(n, scale, align_corners)
    assert A.shape == (n * scale, n)
    np.testing.assert_allclose(A.sum(1), 1, rtol=0, atol=1e-15)
    assert ((A > 1e-15).sum(1) <= 2).all() and (A >= 0).all()


def test_corners_stay_where_each_convention_puts_them():
    ramp = np.arange(4.0).reshape(1, 1, 4, 1)
    points = upsample_bilinear(ramp, scale=(1, 3), align_corners=True)[0].ravel()
    np.testing.assert_allclose(points, np.linspace(0, 3, 12), rtol=0, atol=1e-15)
    squares = upsample_bilinear(ramp, scale=(1, 2))[0].ravel()
    np.testing.assert_array_equal(squares, [0, 0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3])


@law
@given(maps(), generators())
def test_adjoint_identities_hold_exactly(case, rng):
    x, scale = case
    y, cache = upsample_nearest(x, scale=scale)
    y = integers(rng, *y.shape)
    assert (
        adjoint_gap(lambda v: upsample_nearest(v, scale=scale)[0], lambda d: upsample_nearest_backward(d, cache), x, y)
        == 0
    )
    _, cache = upsample_bilinear(x, scale=(2, 4))  # weights in eighths: exact
    y = integers(rng, x.shape[0], 2 * x.shape[1], 4 * x.shape[2], x.shape[3])
    gap = adjoint_gap(
        lambda v: upsample_bilinear(v, scale=(2, 4))[0], lambda d: upsample_bilinear_backward(d, cache), x, y
    )
    assert gap == 0


@law
@given(maps())
def test_depth_to_space_and_space_to_depth_undo_each_other(case):
    x, scale = case
    large = np.concatenate([x] * (scale[0] * scale[1]), axis=-1)
    np.testing.assert_array_equal(space_to_depth(depth_to_space(large, scale=scale)[0], scale=scale)[0], large)


@law
@given(maps())
def test_depth_to_space_of_copied_channels_is_nearest(case):
    x, (SH, SW) = case
    copies = np.concatenate([x] * (SH * SW), axis=-1)  # block-major: one run of channels a position
    np.testing.assert_array_equal(depth_to_space(copies, scale=(SH, SW))[0], upsample_nearest(x, scale=(SH, SW))[0])


def test_upsamplers_by_name_are_the_functions_of_that_name():
    assert UPSAMPLERS == {"nearest": NEAREST, "bilinear": BILINEAR, "bilinear-corners": BILINEAR_CORNERS}
    x = np.arange(6.0).reshape(1, 2, 3, 1)
    by_hand = {
        "nearest": upsample_nearest(x, scale=(2, 4)),
        "bilinear": upsample_bilinear(x, scale=(2, 4)),
        "bilinear-corners": upsample_bilinear(x, scale=(2, 4), align_corners=True),
    }
    for name, up in UPSAMPLERS.items():
        np.testing.assert_array_equal(up.forward(x, scale=(2, 4))[0], by_hand[name][0])


@pytest.mark.parametrize("up", UPSAMPLERS.values(), ids=UPSAMPLERS)
def test_the_backward_pass_of_every_upsampler_is_its_transpose(up):
    x, dy = np.arange(6.0).reshape(1, 2, 3, 1), np.arange(48.0).reshape(1, 4, 12, 1) - 20
    _, cache = up.forward(x, scale=(2, 4))
    gap = adjoint_gap(lambda v: up.forward(v, scale=(2, 4))[0], lambda d: up.backward(d, cache), x, dy)
    assert abs(gap) < 1e-12 * (abs(x).sum() * abs(dy).sum())


@pytest.mark.parametrize("operation", [upsample_nearest, upsample_bilinear, depth_to_space, space_to_depth])
def test_scale_1_is_the_identity_and_still_a_copy(operation):
    x = np.arange(24.0).reshape(1, 2, 3, 4)
    y, _ = operation(x, scale=1)
    np.testing.assert_array_equal(y, x)
    assert not np.shares_memory(y, x)


@pytest.mark.parametrize("up", UPSAMPLERS.values(), ids=UPSAMPLERS)
def test_gradients_keep_single_precision(up):
    y, cache = up.forward(np.ones((1, 2, 3, 4), np.float32), scale=3)
    assert y.dtype == up.backward(y, cache).dtype == np.float32


# -- what it refuses ------------------------------------------------------------------------------------------------

ZEROS = np.zeros((1, 2, 3, 4))


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: upsample_nearest(ZEROS[0]), r"upsample_nearest: x has shape \(2, 3, 4\), expected \(N, H, W, C\)"),
        (
            lambda: upsample_nearest(ZEROS.astype(int)),
            "upsample_nearest: x has dtype int64, expected float32 or float64",
        ),
        (lambda: upsample_nearest(ZEROS, scale=0), "upsample_nearest: scale is 0, expected a whole number >= 1"),
        (lambda: upsample_bilinear(ZEROS, scale=1.5), "upsample_bilinear: scale is 1.5, expected a whole number or a"),
        (
            lambda: upsample_bilinear(ZEROS, scale=(1, 2, 3)),
            r"upsample_bilinear: scale is \(1, 2, 3\), expected .* pair",
        ),
        (lambda: upsample_nearest_packed(ZEROS), "upsample_nearest_packed: words has dtype float64, expected uint64"),
        (lambda: depth_to_space(ZEROS, scale=3), "depth_to_space: x has 4 channels, expected a multiple of 3 x 3"),
        (lambda: space_to_depth(ZEROS), "space_to_depth: x is 2 x 3, expected multiples of 2 x 2"),
        (
            lambda: upsample_nearest_backward(ZEROS, upsample_nearest(ZEROS)[1]),
            r"upsample_nearest_backward: dy has shape \(1, 2, 3, 4\), expected \(N, 4, 6, C\)",
        ),
        (
            lambda: upsample_bilinear_backward(ZEROS, upsample_bilinear(ZEROS)[1]),
            r"upsample_bilinear_backward: dy has shape \(1, 2, 3, 4\), expected \(N, 4, 6, C\)",
        ),
    ],
)
def test_errors_name_what_came_and_what_was_expected(call, message):
    with pytest.raises((ValueError, TypeError), match=f"^{message}"):
        call()
