"""The laws of multi-branch upsampling, its float twin, its cost, and what it refuses."""

import numpy as np
import pytest
from hypothesis import given, settings

from tinybnn.model.gradcheck import numeric_vjp
from tinybnn.ops.binarize import binarize, clipped, polynomial, real, sign
from tinybnn.ops.binary_conv import binary_conv2d, pack_weights
from tinybnn.ops.conv import conv2d
from tinybnn.ops.multibranch import (
    multi_branch_upsample,
    multi_branch_upsample_backward,
    multi_branch_upsample_loops,
    multi_branch_upsample_packed,
)
from tinybnn.ops.upsample import BILINEAR, BILINEAR_CORNERS, NEAREST, upsample_nearest
from tinybnn.testing.ops.multibranch import branch_cases
from tinybnn.testing.strategies import Limits

law = settings(derandomize=True, database=None, deadline=None, max_examples=25)


def simulated(*args, **options):
    """The value of the float form."""
    return multi_branch_upsample(*args, **options)[0]


def packed_branches(x, tau, w, alpha, theta, **options):
    """Pack the weights of each branch and run the packed form."""
    words = np.stack([pack_weights(sign(branch)) for branch in w])
    return multi_branch_upsample_packed(x, tau, words, alpha, theta, **options)


def arguments(rng, R=3, N=2, H=3, W=4, C=5, F=2, dtype=np.float64):
    """x, tau, w, alpha and per-channel theta."""
    shapes = (N, H, W, C), (R, C), (R, 3, 3, C, F), (R, F), (R, F)
    return [rng.normal(size=shape).astype(dtype) for shape in shapes]


def without(r, *args):
    """The arguments with branch ``r`` taken out."""
    return [np.delete(a, r, axis=0) for a in args]


# -- the gates ------------------------------------------------------------------------------------------------------


@law
@given(branch_cases(Limits()))
def test_a_gate_at_minus_infinity_removes_its_branch(case):
    x, tau, w, alpha, theta = case.args
    R, ups = len(tau), case.options["upsamplers"]
    for r in range(R) if R > 1 else ():
        shut = theta.copy()
        shut[r] = -np.inf
        options = case.options | {"upsamplers": ups[:r] + ups[r + 1 :]}
        fewer = simulated(x, *without(r, tau, w, alpha, theta), **options)
        np.testing.assert_array_equal(simulated(x, tau, w, alpha, shut, **case.options), fewer)


@law
@given(branch_cases(Limits()))
def test_gates_at_zero_give_half_the_sum_and_open_gates_the_sum(case):
    x, tau, w, alpha, theta = case.args
    whole, cache = multi_branch_upsample(x, tau, w, alpha, np.full_like(theta, np.inf), **case.options)
    np.testing.assert_array_equal(whole, sum(cache.outputs))
    np.testing.assert_array_equal(simulated(x, tau, w, alpha, 0 * theta, **case.options), whole / 2)


@law
@given(branch_cases(Limits()))
def test_one_branch_with_its_gate_open_is_plain_binary_upsampling(case):
    x, tau, w, alpha, theta = (a[:1] if i else a for i, a in enumerate(case.args))
    up, *_ = case.options["upsamplers"]
    u, _ = up.forward(x, scale=case.options["scale"])
    options = {k: case.options[k] for k in ("pad_value", "pad")}
    plain, _ = binary_conv2d(binarize(u, tau[0])[0], w[0], alpha[0], **options)
    got = simulated(x, tau, w, alpha, np.full_like(theta, np.inf), **case.options | {"upsamplers": (up,)})
    np.testing.assert_array_equal(got, plain)


@law
@given(branch_cases(Limits()))
def test_linear_in_every_branch(case):
    """Doubling the scale of one branch adds that branch once more, times its gate."""
    x, tau, w, alpha, theta = case.args
    y, cache = multi_branch_upsample(x, tau, w, alpha, theta, **case.options)
    for r in range(len(tau)):
        doubled = alpha.copy()
        doubled[r] *= 2
        more = simulated(x, tau, w, doubled, theta, **case.options)
        size = sum(abs(b) for b in cache.outputs).max()
        np.testing.assert_allclose(more, y + cache.gates[r] * cache.outputs[r], rtol=0, atol=1e-15 * (1 + 4 * size))


def test_a_gates_gradient_is_g_times_1_minus_g_times_its_branch():
    rng = np.random.default_rng(0)
    x, tau, w, alpha, _ = arguments(rng, N=1)
    theta = rng.normal(size=(3, 6, 8, 2))
    y, cache = multi_branch_upsample(x, tau, w, alpha, theta, pad_value=1)
    g = 1 / (1 + np.exp(-theta))
    expected = np.stack([g[r] * (1 - g[r]) * cache.outputs[r][0] for r in range(3)])
    got = multi_branch_upsample_backward(np.ones_like(y), cache).dtheta
    np.testing.assert_allclose(got, expected, rtol=1e-14, atol=0)


def test_gates_per_channel_equal_gates_per_position_that_are_all_alike():
    rng = np.random.default_rng(1)
    x, tau, w, alpha, theta = arguments(rng)
    spread = np.broadcast_to(theta[:, None, None], (3, 6, 8, 2)).copy()
    y, cache = multi_branch_upsample(x, tau, w, alpha, theta, pad_value=0)
    z, spread_cache = multi_branch_upsample(x, tau, w, alpha, spread, pad_value=0)
    np.testing.assert_array_equal(y, z)
    dy = rng.normal(size=y.shape)
    per_channel = multi_branch_upsample_backward(dy, cache).dtheta
    per_position = multi_branch_upsample_backward(dy, spread_cache).dtheta
    np.testing.assert_allclose(per_position.sum((1, 2)), per_channel, rtol=1e-12, atol=1e-12)


# -- the signs of the branches --------------------------------------------------------------------------------------


@pytest.mark.parametrize("R", [1, 2, 5, 8])
def test_R_thresholds_turn_one_sign_into_R_plus_1_levels(R):
    x = np.linspace(-1, 1, 101).reshape(1, 1, 101, 1)
    tau = np.linspace(-0.9, 0.9, R)[:, None] if R > 1 else np.zeros((1, 1))
    one, open_wide = np.ones((R, 1)), np.full((R, 1), np.inf)
    y = simulated(x, tau, np.ones((R, 1, 1, 1, 1)), one, open_wide, pad_value=1, pad=0)
    np.testing.assert_array_equal(np.unique(y), np.arange(-R, R + 1, 2))
    assert (np.diff(y[0, 0, :, 0]) >= 0).all()  # a staircase: the more levels, the nearer to a straight line


def test_a_bilinear_branch_takes_signs_after_interpolating():
    x = np.array([4.0, -1.0]).reshape(1, 1, 2, 1)
    args = np.zeros((1, 1)), np.ones((1, 1, 1, 1, 1)), np.ones((1, 1)), np.full((1, 1), np.inf)
    options = {"pad_value": 1, "pad": 0, "scale": (1, 2)}
    np.testing.assert_array_equal(simulated(x, *args, **options, upsamplers=(BILINEAR,)).ravel(), [1, 1, 1, -1])
    np.testing.assert_array_equal(simulated(x, *args, **options, upsamplers=(NEAREST,)).ravel(), [1, 1, -1, -1])


def test_the_default_upsampler_is_nearest():
    args = arguments(np.random.default_rng(2))
    told = simulated(*args, pad_value=-1, upsamplers=(NEAREST,) * 3)
    np.testing.assert_array_equal(simulated(*args, pad_value=-1), told)


# -- float twin, precision, packed ----------------------------------------------------------------------------------


def test_without_a_quantizer_it_is_a_float_layer():
    rng = np.random.default_rng(3)
    x, tau, w, alpha, theta = arguments(rng)
    y, cache = multi_branch_upsample(x, tau, w, alpha, theta, pad_value=0, quantizer=real)
    u, _ = upsample_nearest(x)
    expected = sum(alpha[r] / (1 + np.exp(-theta[r])) * conv2d(u - tau[r], w[r], pad=1)[0] for r in range(3))
    np.testing.assert_allclose(y, expected, rtol=1e-12, atol=1e-12)
    dy = rng.normal(size=y.shape)
    numeric = numeric_vjp(lambda *a: simulated(*a, pad_value=0, quantizer=real), (x, tau, w, alpha, theta), dy)
    for got, want in zip(multi_branch_upsample_backward(dy, cache), numeric):
        np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("quantizer", [clipped, polynomial, real], ids=lambda q: q.name)
def test_single_precision_stays_single_forward_and_backward(quantizer):
    args = arguments(np.random.default_rng(4), dtype=np.float32)
    ups = NEAREST, BILINEAR, BILINEAR_CORNERS
    y, cache = multi_branch_upsample(*args, pad_value=1, upsamplers=ups, quantizer=quantizer)
    gradients = multi_branch_upsample_backward(y, cache)
    assert {y.dtype, *(g.dtype for g in gradients)} == {np.dtype(np.float32)}
    assert [g.shape for g in gradients] == [a.shape for a in args]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("pad_value", [-1, 0, 1])
@pytest.mark.parametrize(
    "kinds", [(NEAREST, BILINEAR, BILINEAR_CORNERS, NEAREST), (NEAREST, BILINEAR) * 2, (BILINEAR,) * 4]
)
def test_packed_gives_the_same_bits_on_a_larger_map(dtype, pad_value, kinds):
    rng = np.random.default_rng(5)
    args = arguments(rng, R=4, H=9, W=11, C=70, F=6, dtype=dtype)
    options = {"pad_value": pad_value, "upsamplers": kinds}
    got = packed_branches(*args, **options)
    assert got.dtype == dtype
    np.testing.assert_array_equal(got, simulated(*args, **options))


# -- cost -----------------------------------------------------------------------------------------------------------


class Counted(float):
    """A number that counts its multiplications."""

    multiplications = 0

    def __mul__(self, other):
        Counted.multiplications += 1
        return Counted(float(self) * float(other))

    __rmul__ = __mul__


def counted(array):
    return np.array([Counted(v) for v in array.flat] + [None], object)[:-1].reshape(array.shape)


@pytest.mark.parametrize("R", [1, 2, 3])
def test_R_branches_cost_R_times_one(R):
    """Each output of a branch takes KH KW C binary products, one product by its scale and one by its gate."""
    args = arguments(np.random.default_rng(6), R=R, N=1, H=2, W=3, C=2, F=3)
    Counted.multiplications = 0
    y = multi_branch_upsample_loops(*map(counted, args), pad_value=-1)
    assert Counted.multiplications == R * (4 * 6 * 3) * (3 * 3 * 2 + 2)
    np.testing.assert_array_equal(y, multi_branch_upsample_loops(*args, pad_value=-1))


# -- what it refuses ------------------------------------------------------------------------------------------------


def changed(**changes):
    names = "x", "tau", "w", "alpha", "theta"
    args = dict(zip(names, arguments(np.random.default_rng(7))))
    return [*(args | {k: v for k, v in changes.items() if k in names}).values()], {
        "pad_value": 1,
        **{k: v for k, v in changes.items() if k not in names},
    }


nan = np.full((2, 3, 4, 5), np.nan)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"x": np.zeros((3, 4, 5))}, r"x has shape \(3, 4, 5\), expected \(N, H, W, C\)"),
        ({"tau": np.zeros((3, 4))}, r"tau has shape \(3, 4\), expected \(R, C\) with C = 5 from x"),
        ({"tau": np.zeros((0, 5))}, r"tau has shape \(0, 5\), expected \(R, C\) .* of sizes of at least 1"),
        ({"alpha": np.zeros((2, 2))}, r"alpha has shape \(2, 2\), expected \(R, F\) with R = 3 from tau, F = 2 from w"),
        ({"theta": np.zeros((3, 1))}, r"theta has shape \(3, 1\), expected \(R, F\) with R = 3 from tau, F = 2 from w"),
        (
            {"theta": np.zeros((3, 3, 4, 2))},  # gates of the low-resolution map
            r"theta has shape \(3, 3, 4, 2\), expected \(R, OH, OW, F\) with R = 3 from tau, "
            "OH = 6 from the output, OW = 8 from the output, F = 2 from w",
        ),
        ({"theta": np.zeros((3, 8, 6, 2))}, r"theta has shape \(3, 8, 6, 2\), expected .* OH = 6 .*, OW = 8"),
        ({"theta": np.zeros((3, 2), np.float32)}, "mixed dtypes .*theta float32.*, expected one float dtype"),
        ({"upsamplers": (NEAREST,) * 2}, "upsamplers has 2 entries, expected R = 3 from tau"),
        ({"scale": 0}, "scale is 0, expected a whole number >= 1"),
        ({"pad": -1}, "pad is -1, expected a whole number >= 0"),
        ({"pad_value": 2}, "pad_value is 2, expected one of -1, 0, 1"),
        ({"w": np.zeros((3, 7, 3, 5, 2)), "pad": 0}, r"the kernel spans \(7, 3\), expected at most .* \(6, 8\)"),
        ({"x": nan}, "nan, expected finite values"),
    ],
)
@pytest.mark.parametrize("form", [simulated, packed_branches], ids=["float", "packed"])
def test_errors_name_what_came_and_what_was_expected(form, changes, message):
    args, options = changed(**changes)
    op = "multi_branch_upsample" + "_packed" * (form is packed_branches)
    with pytest.raises((ValueError, TypeError), match=f"^{op}: {message}" if "x" not in changes else message):
        form(*args, **options)


def test_weights_of_another_number_of_branches_are_refused():
    (x, tau, w, alpha, theta), options = changed()
    with pytest.raises(
        ValueError, match=r"upsample: w has shape \(2, .*expected \(R, KH, KW, C, F\) with R = 3 from tau"
    ):
        multi_branch_upsample(x, tau, w[:2], alpha, theta, **options)
    with pytest.raises(ValueError, match="^multi_branch_upsample: w has shape .* with R = 3 from tau, C = 5 from x$"):
        multi_branch_upsample(x, tau, w[..., :4, :], alpha, theta, **options)
    words = np.stack([pack_weights(sign(branch)) for branch in w[:2]])
    with pytest.raises(ValueError, match=r"packed: w has shape \(2, .*expected \(R, F, KH, KW, words\) with R = 3"):
        multi_branch_upsample_packed(x, tau, words, alpha, theta, **options)
    with pytest.raises(TypeError, match="multi_branch_upsample_packed: w has dtype float64, expected uint64"):
        multi_branch_upsample_packed(x, tau, w, alpha, theta, **options)


def test_a_gradient_of_the_low_resolution_map_is_refused():
    args, options = changed()
    _, cache = multi_branch_upsample(*args, **options)
    with pytest.raises(ValueError, match=r"multi_branch_upsample_backward: dy has shape \(2, 3, 4, 2\), expected"):
        multi_branch_upsample_backward(np.zeros((2, 3, 4, 2)), cache)
