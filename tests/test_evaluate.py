"""Prediction of any size: the padding continues an image by its mirror image, and cropping removes the padding."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinybnn.model.evaluate import crop_back, pad_to_multiple, predict

sides = st.integers(1, 40)
IMAGE = np.random.default_rng(0).random((5, 6, 3))


def mirrored(n, length):
    """The positions 0 .. n - 1, forward and backward in turn."""
    return [*range(n), *reversed(range(n))] * (length // n + 1)


@given(sides, sides, st.integers(1, 50))
def test_padding_continues_the_image_and_is_cropped_back(H, W, m):
    image = np.arange(3 * H * W, dtype=np.float32).reshape(H, W, 3)
    padded, size = pad_to_multiple(image, m)
    PH, PW = (m * next(k for k in range(1, 99) if k * m >= n) for n in (H, W))
    assert size == (H, W) and padded.shape == (PH, PW, 3) and padded.dtype == np.float32
    np.testing.assert_array_equal(padded, image[mirrored(H, PH)[:PH]][:, mirrored(W, PW)[:PW]])
    np.testing.assert_array_equal(crop_back(padded, size), image)
    np.testing.assert_array_equal(crop_back(padded[..., 0], size), image[..., 0])


def test_a_prediction_has_the_size_of_its_image_and_is_made_at_a_multiple_of_the_stride():
    shapes = []

    def logits_of(x):
        shapes.append(x.shape)
        return 2 * x

    np.testing.assert_array_equal(predict(logits_of, IMAGE, 4), 2 * IMAGE)
    assert shapes == [(1, 8, 8, 3)]


@pytest.mark.parametrize(
    "call, text",
    [
        (lambda: pad_to_multiple(IMAGE[:0], 4), "pad_to_multiple: H is 0, expected a whole number >= 1"),
        (lambda: pad_to_multiple(IMAGE, 0), "pad_to_multiple: m is 0, expected a whole number >= 1"),
        (lambda: pad_to_multiple(IMAGE[0], 4), "pad_to_multiple: image has shape (6, 3), expected (H, W, C)"),
        (lambda: crop_back(IMAGE, (9, 2)), "crop_back: array has shape (5, 6, 3), expected at least (9, 2)"),
    ],
)
def test_bad_input_is_one_line(call, text):
    with pytest.raises(ValueError, match=rf"\A{re.escape(text)}[^\n]*\Z"):
        call()
