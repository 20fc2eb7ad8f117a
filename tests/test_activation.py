"""Activations: their kinks, their special cases, SciPy's sigmoid, and refused arguments."""

import numpy as np
import pytest
from hypothesis import given, settings

from tinybnn.ops.activation import (
    hardtanh,
    hardtanh_backward,
    prelu,
    prelu_backward,
    rprelu,
    rprelu_backward,
    sigmoid,
    sigmoid_backward,
    sigmoid_loops,
)
from tinybnn.ops.binarize import clipped, sign
from tinybnn.testing.strategies import distinct, generators, integers, reals

law = settings(derandomize=True, database=None, deadline=None, max_examples=30)


@law
@given(generators(), distinct(3, 1, 6))
def test_hardtanh_keeps_the_sign_and_its_gradient_is_the_straight_through_mask(rng, shape):
    x, dy = integers(rng, *shape) / 2, reals(rng, *shape)
    y, cache = hardtanh(x)
    np.testing.assert_array_equal(sign(y), sign(x))
    np.testing.assert_array_equal(hardtanh_backward(dy, cache), dy * clipped.dsoft(x))


@law
@given(generators(), distinct(3, 1, 6))
def test_prelus_slope_makes_it_the_identity_relu_or_the_absolute_value(rng, shape):
    x, one = integers(rng, *shape), np.ones(shape[-1])
    np.testing.assert_array_equal(prelu(x, one)[0], x)
    np.testing.assert_array_equal(prelu(x, 0 * one)[0], np.maximum(x, 0))
    np.testing.assert_array_equal(prelu(x, -one)[0], np.abs(x))


@law
@given(generators(), distinct(3, 1, 6))
def test_rprelu_is_prelu_with_a_shifted_kink(rng, shape):
    x, (a, slope, b) = integers(rng, *shape), integers(rng, 3, shape[-1])
    np.testing.assert_array_equal(rprelu(x + a, a, slope, b)[0], prelu(x, slope)[0] + b)


@pytest.mark.parametrize("zero", [0.0, -0.0])
def test_the_gradient_passes_at_a_kink(zero):
    half = np.array([0.5])
    assert hardtanh_backward(np.full(2, 3.0), np.array([-1.0, 1.0])).tolist() == [3, 3]
    dx, dslope = prelu_backward(np.array([3.0]), prelu(np.array([zero]), half)[1])
    assert (dx, dslope) == (3, 0)
    dx, *_ = rprelu_backward(np.array([3.0]), rprelu(half + zero, half, half, half)[1])
    assert dx == 3


@law
@given(generators(), distinct(3, 1, 6))
def test_sigmoid_is_scipys_and_symmetric(rng, shape):
    from scipy.special import expit

    x = 10 * reals(rng, *shape)
    y, _ = sigmoid(x)
    np.testing.assert_allclose(y, expit(x), rtol=0, atol=1e-15)
    np.testing.assert_allclose(sigmoid_loops(x), expit(x), rtol=1e-13)
    np.testing.assert_allclose(sigmoid(-x)[0], 1 - y, rtol=0, atol=1e-15)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_sigmoid_of_any_number_is_from_0_to_1(dtype):
    largest = np.finfo(dtype).max
    y, cache = sigmoid(np.array([-np.inf, -largest, -1000, 1000, largest, np.inf], dtype))
    assert y.tolist() == [0, 0, 0, 1, 1, 1]
    assert sigmoid_backward(np.ones_like(y), cache).tolist() == [0] * 6


def test_gradients_keep_single_precision():
    x, c = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32), np.ones(3, np.float32)
    passes = (
        (hardtanh(x), hardtanh_backward),
        (prelu(x, c), prelu_backward),
        (rprelu(x, c, c, c), rprelu_backward),
        (sigmoid(x), sigmoid_backward),
    )
    for (y, cache), backward in passes:
        gradients = backward(y, cache)
        gradients = gradients if isinstance(gradients, tuple) else (gradients,)
        assert {a.dtype for a in (y, *gradients)} == {np.dtype(np.float32)}


X, C3, C4 = np.zeros((5, 3)), np.ones(3), np.ones(4)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: hardtanh(X.astype(int)), "hardtanh: x has dtype int64, expected float32 or float64"),
        (lambda: hardtanh_backward(X, X[0]), r"hardtanh_backward: dy has shape \(5, 3\), expected \(3,\)"),
        (lambda: prelu(X, C4), r"prelu: slope has shape \(4,\), expected \(C,\) with C = 3 from x"),
        (lambda: prelu(np.array(1.0), C3), r"prelu: x has shape \(\), expected axes"),
        (lambda: prelu_backward(X[0], prelu(X, C3)[1]), r"prelu_backward: dy has shape \(3,\), expected \(5, 3\)"),
        (lambda: rprelu(X, C3, C3, C4), r"rprelu: shift_out has shape \(4,\), expected \(C,\) with C = 3 from x"),
        (lambda: rprelu(X, C3, C3.astype("f4"), C3), "rprelu: mixed dtypes"),
        (lambda: sigmoid([0.0]), "sigmoid: x is a list, expected a NumPy array"),
        (lambda: sigmoid_backward(X[0], X), r"sigmoid_backward: dy has shape \(3,\), expected \(5, 3\)"),
    ],
)
def test_errors_name_what_came_and_what_was_expected(call, message):
    with pytest.raises((ValueError, TypeError), match=f"^{message}"):
        call()
