"""The gradient check itself: it finds wrong gradients, and through a sign it sees only zeros."""

import numpy as np
import pytest

from tinybnn.model.gradcheck import adjoint_gap, check_gradients, numeric_vjp
from tinybnn.ops.binarize import clipped, sign
from tinybnn.validate import need_finite, need_pm1, need_shape


def test_central_differences_are_good_to_eight_digits():
    x = np.random.default_rng(0).normal(size=(2, 3))
    dy = np.random.default_rng(1).normal(size=(2, 3))
    (numeric,) = numeric_vjp(np.sin, (x,), dy)
    np.testing.assert_allclose(numeric, np.cos(x) * dy, atol=1e-8)


def test_a_function_that_returns_its_argument_is_differentiated_too():
    assert numeric_vjp(lambda x: x, (np.zeros(2),), np.array([3.0, 4.0]))[0].round(6).tolist() == [3, 4]


def test_arguments_are_not_changed_and_integers_have_no_gradient():
    x, k = np.ones(2), np.array([1, 2])
    gradients = numeric_vjp(lambda x, k, s: x * k * s, (x, k, "ab".__len__()), np.ones(2))
    assert gradients[1] is gradients[2] is None and gradients[0].round(6).tolist() == [2, 4]
    assert x.tolist() == [1, 1]


def test_through_a_sign_finite_differences_see_only_zero():
    x = np.array([-0.5, 0.3])
    assert numeric_vjp(sign, (x,), np.ones(2))[0].tolist() == [0, 0]
    assert numeric_vjp(clipped.relaxed().hard, (x,), np.ones(2))[0].round(6).tolist() == [1, 1]


def test_the_adjoint_gap_is_zero_for_the_transpose_alone():
    A = np.random.default_rng(2).integers(-3, 4, (4, 3)).astype(float)
    x, y = np.array([1.0, 2, 3]), np.array([1.0, -1, 2, 0])
    assert adjoint_gap(lambda x: A @ x, lambda y: A.T @ y, x, y) == 0
    assert adjoint_gap(lambda x: A @ x, lambda y: (A + 1).T @ y, x, y) != 0


def test_the_worst_parameter_is_found_and_named():
    p = {"a": np.ones((2, 2)), "b": np.ones(1)}
    good = {"a": 3 * np.ones((2, 2)), "b": np.array([2.0])}
    bad = {**good, "a": np.array([[3, 3], [3.3, 3]])}

    def loss(p):
        return (p["a"] ** 3).sum() + (p["b"] ** 2).sum()

    assert check_gradients(loss, p, good)[0] < 1e-8
    assert check_gradients(loss, p, bad)[1] == "a[1, 0]"
    with pytest.raises(ValueError, match=r"check_gradients: gradients for \['a'\], expected \['a', 'b'\]"):
        check_gradients(loss, p, {"a": good["a"]})


def test_validation_says_where():
    with pytest.raises(ValueError, match=r"op: x\[1\] is inf, expected finite values"):
        need_finite("op", x=np.array([0, np.inf]))
    with pytest.raises(ValueError, match=r"op: x\[0, 1\] is 0.5, expected every value to be -1 or \+1"):
        need_pm1("op", "x", np.array([[1, 0.5]]))
    with pytest.raises(TypeError, match="op: x is a list, expected a NumPy array"):
        need_shape("op", "x", [1], "N")
    assert need_shape("op", "x", np.zeros((3, 2)), "3 C", C=(2, "w")) == (3, 2)
