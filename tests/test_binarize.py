"""Signs of zero and NaN, the shapes of the surrogates, and why the best scale is mean |w|."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinybnn.model.gradcheck import numeric_vjp
from tinybnn.ops import binarize as module
from tinybnn.ops.binarize import (
    QUANTIZERS,
    Quantizer,
    binarize,
    binarize_backward,
    binarize_loops,
    clipped,
    identity,
    mean_abs,
    mean_abs_backward,
    polynomial,
    real,
    sign,
    swish_sign,
    tanh,
    tanh_sharpness,
)

law = settings(derandomize=True, database=None, deadline=None, max_examples=40)
GRID = np.linspace(-3, 3, 601)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sign_has_two_values_and_keeps_the_dtype(dtype):
    x = np.array([-np.inf, -1, -5e-324, -0.0, 0.0, 5e-324, 1, np.inf], dtype)
    y = sign(x)
    assert y.dtype == dtype and set(y) == {-1, 1}
    assert list(y[3:5]) == [1, 1] and y[0] == -1 and y[-1] == 1


def test_nan_has_no_sign():
    with pytest.raises(ValueError, match=r"sign: x\[1, 0\] is nan, which has no sign"):
        sign(np.array([[0.0], [np.nan]]))
    with pytest.raises(ValueError, match="nan"):
        binarize(np.array([[np.nan]]), np.zeros(1))


@pytest.mark.parametrize(
    "quantizer", [*QUANTIZERS.values(), tanh(0.1), tanh(10.0), swish_sign(1.0)], ids=lambda q: q.name
)
def test_dsoft_is_the_derivative_of_soft(quantizer):
    x = GRID[np.abs(np.abs(GRID) - 1) > 1e-3]
    x = x[np.abs(x) > 1e-3]  # not at the kinks, where the slope jumps
    (numeric,) = numeric_vjp(quantizer.soft, (x,), np.ones_like(x))
    assert np.abs(numeric - quantizer.dsoft(x)).max() < 1e-7
    assert np.array_equal(quantizer.hard(GRID), sign(GRID))


def test_every_quantizer_has_its_name_and_its_line():
    made = {q.name for q in vars(module).values() if isinstance(q, Quantizer)} - {"real"}
    assert made <= {q.name for q in QUANTIZERS.values()}, "add it to QUANTIZERS in tinybnn/ops/binarize.py"
    for name, quantizer in QUANTIZERS.items():
        assert quantizer.name.split("(")[0] == name, f"the Quantizer {quantizer.name} stands under another key: {name}"
        assert re.search(rf"^    {name}\b", module.__doc__, re.M), f"{name} has no line in the table of binarize.py"


@pytest.mark.parametrize("quantizer", [*QUANTIZERS.values(), real], ids=lambda q: q.name)
def test_surrogates_are_odd_and_keep_float32(quantizer):
    x = GRID.astype(np.float32)
    assert quantizer.soft(x).dtype == quantizer.dsoft(x).dtype == np.float32
    np.testing.assert_allclose(quantizer.soft(-GRID), -quantizer.soft(GRID), atol=1e-12)


def test_the_mask_is_on_x_and_passes_at_one():
    assert clipped.dsoft(np.array([-1.0001, -1, 0, 1, 1.0001])).tolist() == [0, 1, 1, 1, 0]
    assert polynomial.dsoft(np.array([-2.0, -1, 0, 0.5, 1])).tolist() == [0, 0, 2, 1, 0]
    assert identity.dsoft(np.array([-9.0, 9.0])).tolist() == [1, 1]


def test_thresholds_belong_to_the_last_axis():
    x, tau = np.arange(-12.0, 12.0).reshape(2, 3, 4), np.array([-9.0, -3.0, 0.0, 5.0])
    assert np.array_equal(binarize_loops(x, tau), binarize(x, tau)[0])


def test_the_gradient_itself_is_not_clipped():
    _, cache = binarize(np.array([[0.5, 1.5]]), np.zeros(2))
    assert binarize_backward(np.array([[7.0, 7.0]]), cache).dx.tolist() == [[7, 0]]


@pytest.mark.parametrize("make, parameter", [(tanh, 0.5), (tanh, 2.0), (swish_sign, 0.5), (swish_sign, 2.0)])
def test_surrogates_of_other_sharpness_have_the_right_derivative_and_name(make, parameter):
    """Sharpness on both sides of 1, where the scale of tanh changes."""
    quantizer = make(parameter)
    (numeric,) = numeric_vjp(quantizer.soft, (GRID,), np.ones_like(GRID))
    assert np.abs(numeric - quantizer.dsoft(GRID)).max() < 1e-7
    assert np.array_equal(quantizer.hard(GRID), sign(GRID))
    assert quantizer.name == f"{make.__name__}({parameter:g})"


def test_slope_of_soft_at_zero_and_its_limits():
    assert [tanh(t).dsoft(np.zeros(1)).item() for t in (0.5, 2.0)] == [1, 2]
    assert swish_sign(2.0).dsoft(np.zeros(1)).item() == 2
    far = np.array([-40.0, 40.0])
    assert tanh(0.5).soft(far).tolist() == [-2, 2] and swish_sign(1.0).soft(10 * far).tolist() == [-1, 1]


def test_tanh_changes_from_a_line_to_a_sign():
    x = np.array([-0.5, 0.5])
    np.testing.assert_allclose(tanh(tanh_sharpness(0)).soft(x), x, rtol=1e-3)
    np.testing.assert_allclose(tanh(tanh_sharpness(1)).soft(x), np.sign(x), rtol=1e-3)
    np.testing.assert_allclose([tanh_sharpness(p) for p in (0, 0.5, 1)], [0.1, 1, 10], rtol=1e-15)


def test_the_derivative_of_swish_sign_is_negative_far_from_zero():
    assert swish_sign().dsoft(np.array([0.0]))[0] == 5 and swish_sign().dsoft(np.array([0.8]))[0] < 0


def test_relaxed_runs_soft_and_keeps_dsoft():
    soft = polynomial.relaxed()
    assert soft.hard is polynomial.soft and soft.dsoft is polynomial.dsoft and soft.name == "relaxed polynomial"


@law
@given(st.integers(0, 2**16), st.floats(-1, 1))
def test_no_other_scale_is_nearer_than_mean_abs(seed, delta):
    """The least |w - alpha sgn(w)|^2 is |w|^2 - n alpha^2; at alpha + delta it is n delta^2 more (Rastegari 2016)."""
    w = np.random.default_rng(seed).normal(size=(3, 2, 4, 1))
    (alpha,), _ = mean_abs(w)

    def error(a):
        return ((w - a * sign(w)) ** 2).sum()

    np.testing.assert_allclose(error(alpha), (w**2).sum() - w.size * alpha**2, rtol=1e-12)
    np.testing.assert_allclose(error(alpha + delta), error(alpha) + w.size * delta**2, rtol=1e-9)


def test_the_slope_of_mean_abs_at_zero_is_that_of_sign():
    assert mean_abs_backward(np.array([6.0]), np.array([[0.0], [-0.0], [-2.0]])).ravel().tolist() == [2, 2, -2]


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: sign(np.array([1])), "sign: x has dtype int64, expected float32 or float64"),
        (lambda: sign([1.0]), "sign: x is a list, expected a NumPy array"),
        (
            lambda: binarize(np.zeros((2, 3)), np.zeros(2)),
            r"binarize: tau has shape \(2,\), expected \(C,\) with C = 3 from x",
        ),
        (
            lambda: binarize_backward(np.zeros(2), binarize(np.zeros((2, 3)), np.zeros(3))[1]),
            r"binarize_backward: dy has shape \(2,\)",
        ),
        (lambda: tanh(0), "tanh: sharpness is 0, expected a number in"),
        (lambda: swish_sign("5"), "swish_sign: beta is '5', expected a number in"),
        (lambda: tanh_sharpness(2), r"tanh_sharpness: progress is 2, expected a number in \[0, 1\]"),
        (
            lambda: mean_abs_backward(np.zeros(3), np.zeros((2, 2))),
            r"mean_abs_backward: dalpha has shape \(3,\), expected \(F,\) with F = 2 from w$",
        ),
    ],
)
def test_errors_name_what_came_and_what_was_expected(call, message):
    with pytest.raises((ValueError, TypeError), match=f"^{message}"):
        call()
