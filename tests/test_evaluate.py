"""Prediction of any size: the padding continues an image by its mirror image, and cropping removes the padding."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinybnn.model.evaluate import crop_back, evaluate, pad_to_multiple, predict

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


SALIENCY = {"task": "saliency", "classes": ("background", "object"), "stride": 4}


def right_or_nearly(x):
    """Logits of a network that sees the object in the first channel, and is never sure."""
    return np.stack([0 * x[..., 0], 2 * x[..., 0] - 1 + x[..., 1] / 9], -1)


def scene(seed, H=20, W=28):
    image, label = np.random.default_rng(seed).random((H, W, 3), np.float32), np.zeros((H, W), np.uint8)
    label[4 : H - 7, 5 : W - 4] = 1
    image[..., 0] = label
    return image, label, "name"


@pytest.mark.parametrize("normalise", [False, True])
def test_an_ignored_border_changes_no_score(normalise):
    scenes = [scene(seed) for seed in range(3)]
    border = ((8, 4), (4, 8))  # multiples of the stride, so that the network sees the same squares
    wide = [(np.pad(x, (*border, (0, 0)), constant_values=1), np.pad(t, border, constant_values=255), n)
            for x, t, n in scenes]  # fmt: skip
    wide.append((scenes[0][0], np.full_like(scenes[0][1], 255), "nothing counts"))
    scores, same = (evaluate(right_or_nearly, s, **SALIENCY, normalise=normalise) for s in (scenes, wide))
    assert scores == same and scores["IoU"] == 1
    assert (scores["MAE"] < 0.03) == normalise


def test_what_cannot_be_scored_is_one_line():
    with pytest.raises(ValueError, match="^evaluate: no pixel of the samples counts, expected labels other than 255$"):
        evaluate(right_or_nearly, [(scene(0)[0], np.full((20, 28), 255, np.uint8), "")], **SALIENCY)
    with pytest.raises(ValueError, match="^evaluate: normalise is for saliency, and the task is 'road'$"):
        evaluate(right_or_nearly, [scene(0)], **SALIENCY | {"task": "road"}, normalise=True)


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
