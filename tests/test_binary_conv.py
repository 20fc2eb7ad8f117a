"""Binary convolution: the three paddings, the two paths of the gradient, and refused words."""

import numpy as np
import pytest

from tinybnn.model.gradcheck import numeric_vjp
from tinybnn.ops.binarize import mean_abs, mean_abs_backward, polynomial, sign
from tinybnn.ops.binary_conv import (
    binary_conv2d,
    binary_conv2d_backward,
    binary_conv2d_loops,
    conv2d_packed,
    pack_activations,
    pack_weights,
)
from tinybnn.ops.conv import conv2d
from tinybnn.testing.strategies import signs

RNG = np.random.default_rng(0)
X, W, ALPHA = signs(RNG, 1, 4, 5, 3), signs(RNG, 3, 3, 3, 2), np.ones(2)


def test_the_three_paddings_are_three_different_networks():
    outputs = [binary_conv2d(X, W, ALPHA, pad=1, pad_value=v)[0] for v in (-1, 0, 1)]
    assert not any(np.array_equal(a, b) for a, b in zip(outputs, outputs[1:]))
    inside = [y[:, 1:-1, 1:-1] for y in outputs]
    assert all(np.array_equal(y, inside[0]) for y in inside), "padding reaches no further than one tap"
    assert np.array_equal(outputs[1], (outputs[0] + outputs[2]) / 2), "zero is the mean of the two"


def test_zero_padding_breaks_the_parity_of_binary_sums():
    """A sum of n values of +-1 has the parity of n; with zeros among them it may not."""
    parity = [set(np.unique(binary_conv2d(X, W, ALPHA, pad=1, pad_value=v)[0] % 2)) for v in (-1, 0, 1)]
    assert parity[0] == parity[2] == {1.0} and parity[1] == {0.0, 1.0}


def test_only_the_signs_of_latent_weights_matter():
    latent = W * RNG.uniform(0.01, 9, W.shape)
    same = [binary_conv2d(X, w, ALPHA, pad_value=1)[0] for w in (W, latent)]
    assert np.array_equal(*same)


def test_the_specification_takes_both_zeros_as_plus_one():
    latent = np.where(W > 0, 0.0, -0.0)
    assert np.array_equal(
        binary_conv2d_loops(X, latent, ALPHA, pad_value=1), binary_conv2d(X, abs(W), ALPHA, pad_value=1)[0]
    )
    assert np.array_equal(
        binary_conv2d(X, latent, ALPHA, pad_value=1)[0], binary_conv2d(X, abs(W), ALPHA, pad_value=1)[0]
    )


def test_if_alpha_is_mean_abs_the_weights_get_two_gradients():
    w = RNG.uniform(-0.9, 0.9, W.shape)
    soft = polynomial.relaxed()

    def forward(w):
        return binary_conv2d(X, w, mean_abs(w)[0], pad_value=1, quantizer=soft)

    y, cache = forward(w)
    dy = RNG.normal(size=y.shape)
    _, dw, dalpha = binary_conv2d_backward(dy, cache)
    (numeric,) = numeric_vjp(lambda w: forward(w)[0], (w,), dy)
    assert np.abs(dw + mean_abs_backward(dalpha, w) - numeric).max() < 1e-7
    assert np.abs(dw - numeric).max() > 1e-3, "the path through alpha is not nothing"


@pytest.mark.parametrize("C", [1, 63, 64, 65, 127, 130])
def test_sums_of_n_and_minus_n_at_word_edges(C):
    x, w = np.ones((1, 3, 3, C)), np.ones((3, 3, C, 1))
    for s in (1, -1):
        y = conv2d_packed(pack_activations(x), pack_weights(s * w), C, pad_value=1)
        assert y.item() == s * 9 * C


def test_sums_in_float32_are_exact():
    """Float32 adds up to 2**24 signs exactly; 3x3 over 2048 channels has 18 432."""
    x, w = signs(RNG, 1, 3, 3, 2048).astype(np.float32), signs(RNG, 3, 3, 2048, 2).astype(np.float32)
    exact = np.einsum("nijc,ijcf->nf", x.astype(np.int64), w.astype(np.int64))
    assert np.array_equal(conv2d(x, w)[0][:, 0, 0], exact)


WORDS, FILTERS = pack_activations(X), pack_weights(W)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: binary_conv2d(X, W, ALPHA, pad_value=2), "binary_conv2d: pad_value is 2, expected one of -1, 0, 1"),
        (
            lambda: binary_conv2d(X, W, np.ones(3), pad_value=1),
            r"binary_conv2d: alpha has shape \(3,\), expected \(F,\) with F = 2 from w",
        ),
        (
            lambda: pack_activations(0 * X),
            r"pack_activations: x\[0, 0, 0, 0\] is 0.0, expected every value to be -1 or \+1",
        ),
        (
            lambda: conv2d_packed(WORDS, FILTERS, 65, pad_value=1),
            r"conv2d_packed: w has shape .* with words = 2 from C = 65",
        ),
        (lambda: conv2d_packed(X, FILTERS, 3, pad_value=1), "conv2d_packed: x has dtype float64, expected uint64"),
        (
            lambda: conv2d_packed(np.tile(WORDS, 3), FILTERS, 3, pad_value=1, groups=3),
            "conv2d_packed: C = 3 and F = 2, expected multiples of groups = 3",
        ),
        (
            lambda: conv2d_packed(np.tile(WORDS, 2), FILTERS, 3, pad_value=1),
            r"conv2d_packed: x has shape \(1, 4, 5, 2\), expected \(N, H, W, words\) with words = 1 from C = 3",
        ),
        (
            lambda: conv2d_packed(WORDS[:, :2], FILTERS, 3, pad_value=1),
            r"conv2d_packed: the kernel spans \(3, 3\), expected at most the padded input's \(2, 5\)",
        ),
        (lambda: conv2d_packed(WORDS, FILTERS, 3, pad_value=0.5), "conv2d_packed: pad_value is 0.5, expected one of"),
        (
            lambda: binary_conv2d_backward(X, binary_conv2d(X, W, ALPHA, pad_value=1)[1]),
            "binary_conv2d_backward: dy has shape",
        ),
    ],
)
def test_errors_name_what_came_and_what_was_expected(call, message):
    with pytest.raises((ValueError, TypeError), match=f"^{message}"):
        call()


def test_pad_value_has_no_default():
    with pytest.raises(TypeError, match="pad_value"):
        binary_conv2d(X, W, ALPHA)
    assert set(np.unique(sign(np.zeros(3)))) == {1.0}
