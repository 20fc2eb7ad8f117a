"""Prediction of any size: the padding continues an image by its mirror image, and cropping removes the padding.

A network predicts bands of rows. They have the bits of the whole image, and their memory does not grow with it.
"""

import re
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_deploy import BINARY, trained_looking
from test_net import TINY, VARIANTS

from tinybnn.fast.network import prepare
from tinybnn.model import deploy, evaluate, net
from tinybnn.model.blocks import ATTENTION
from tinybnn.model.evaluate import crop_back, memory_needed, pad_to_multiple, predict, predict_bands
from tinybnn.ops.upsample import UPSAMPLERS

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


def forms(config, seed=0, dtype=np.float32):
    """The simulation, the packed forms if there are any, and a whole image's logits, by a plain call."""
    params, state = trained_looking(config, seed, dtype)
    size = (config.size, config.size) if config.gate == "position" else (29 + 8 * seed, 11)
    image = np.random.default_rng(seed).uniform(size=(*size, 3)).astype(dtype)
    padded, size = pad_to_multiple(image, config.stride)
    logits = crop_back(net.forward(params, state, padded[None], config)[0][0], size)
    found = [net.network(params, state, config)]
    if config.binary:
        packed = deploy.pack_network(params, state, config)
        found += [deploy.network(packed), prepare(packed)]
    return found, image, logits


def joined(network, image, pixels):
    """All bands as one array; each lies where the one before it ends."""
    y = []
    for rows, logits in predict_bands(network, image, network.config.stride, pixels):
        assert rows == slice(sum(map(len, y)), sum(map(len, y)) + len(logits))
        y.append(logits)
    return np.concatenate(y)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", BINARY)
def test_bands_have_the_bits_of_the_whole_image(name, dtype):
    found, image, logits = forms(TINY._replace(**BINARY[name]), 1, dtype)
    for network in found:
        for pixels in (1, 100, 200, 10**6):
            assert np.array_equal(joined(network, image, pixels), logits)
        assert np.array_equal(predict(network, image, network.config.stride), logits)


@settings(max_examples=40, derandomize=True, database=None, deadline=None)
@given(
    width=st.sampled_from([1, 3, 16]),
    stages=st.integers(1, 3),
    depth=st.integers(1, 3),
    branches=st.integers(1, 3),
    upsample=st.sampled_from(list(UPSAMPLERS)),
    pad_value=st.sampled_from([-1, 0, 1]),
    residual=st.booleans(),
    attention=st.sampled_from(["none", *ATTENTION]),
    classes=st.sampled_from([2, 19]),
    seed=st.integers(0, 9),
    pixels=st.integers(1, 999),
)
def test_bands_of_random_networks_have_the_bits_of_the_whole_image(seed, pixels, **options):
    found, image, logits = forms(TINY._replace(**options), seed)
    for network in found:
        assert np.array_equal(joined(network, image, pixels), logits)


@pytest.mark.parametrize("part", ["encoder", "decoder"])
@pytest.mark.parametrize("upsample", ["nearest", "bilinear"])
def test_a_halo_that_is_too_small_is_noticed(part, upsample, monkeypatch):
    (network, *_), image, logits = forms(TINY._replace(upsample=upsample, width=8))
    above, below = evaluate.halos(network.config)
    monkeypatch.setattr(evaluate, "halos", lambda c: (0, below) if part == "encoder" else (above, below - 1))
    assert not np.array_equal(joined(network, image, 1), logits)


def test_interpolated_rows_do_not_depend_on_the_height():
    x = np.random.default_rng(0).normal(size=(1, 500, 8, 16)).astype(np.float32)
    whole, _ = UPSAMPLERS["bilinear"].forward(x, scale=2)
    for first in range(0, 400, 37):
        band, _ = UPSAMPLERS["bilinear"].forward(x[:, first : first + 100], scale=2)
        assert np.array_equal(band[:, 2:-2], whole[:, 2 * first + 2 : 2 * first + 198])


def test_bands_of_the_float_twin_agree_to_rounding():
    (twin,), image, logits = forms(TINY._replace(**VARIANTS["float twin"]))
    np.testing.assert_allclose(joined(twin, image, 1), logits, rtol=1e-4, atol=1e-5)


def peak(network, image, pixels):
    """The most bytes at once, during a prediction whose bands are thrown away."""
    tracemalloc.start()
    for _ in predict_bands(network, image, network.config.stride, pixels):
        pass
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return most


def test_memory_does_not_grow_with_the_image():
    found, _, _ = forms(net.Config(classes=19, attention="none"))
    for network in found:
        small, large = (peak(network, np.zeros((H, 64, 3), np.float32), 2**12) for H in (128, 1024))
        assert large < 1.5 * small


@pytest.mark.parametrize("change", [{}, {"attention": "full"}, {"upsample": "bilinear-corners"}, {"branches": 1}])
def test_the_memory_that_is_said_is_the_memory_that_is_needed(change):
    found, _, _ = forms(net.Config(classes=19, **change))
    image = np.zeros((256, 256, 3), np.float32)
    for network, most in zip(found, (1.7, 1.7, 4)):  # the fast form of the decoder needs less than the plain one
        used = (peak(network, image, evaluate.BAND) + image.nbytes) / 1e6
        assert 0.8 * used < memory_needed(network, (256, 256)) < most * used


def test_an_image_that_does_not_fit_is_one_line():
    (network, *_), image, _ = forms(TINY)

    def attention(name, x):
        raise MemoryError

    with pytest.raises(ValueError, match="^predict: 32 x 12 pixels need about 0 MB of memory, more than there are$"):
        predict(replace(network, attention=attention), image, 4)


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
    scores, same = (evaluate.evaluate(right_or_nearly, s, **SALIENCY, normalise=normalise) for s in (scenes, wide))
    assert scores == same and scores["IoU"] == 1
    assert (scores["MAE"] < 0.03) == normalise


def test_what_cannot_be_scored_is_one_line():
    with pytest.raises(ValueError, match="^evaluate: no pixel of the samples counts, expected labels other than 255$"):
        evaluate.evaluate(right_or_nearly, [(scene(0)[0], np.full((20, 28), 255, np.uint8), "")], **SALIENCY)
    with pytest.raises(ValueError, match="^evaluate: normalise is for saliency, and the task is 'road'$"):
        evaluate.evaluate(right_or_nearly, [scene(0)], **SALIENCY | {"task": "road"}, normalise=True)
    with pytest.raises(ValueError, match="^evaluate: task is 'no', expected one of 'labels', 'road', 'saliency'$"):
        evaluate.evaluate(right_or_nearly, [scene(0)], **SALIENCY | {"task": "no"})
    with pytest.raises(ValueError, match=r"^evaluate: len\(samples\) is 0, expected a whole number >= 1$"):
        evaluate.evaluate(right_or_nearly, [], **SALIENCY)


@pytest.mark.parametrize(
    "call, text",
    [
        (lambda: pad_to_multiple(IMAGE[:0], 4), "pad_to_multiple: image has shape (0, 6, 3), expected (H, W, C)"),
        (lambda: pad_to_multiple(IMAGE, 0), "pad_to_multiple: m is 0, expected a whole number >= 1"),
        (lambda: pad_to_multiple(IMAGE[0], 4), "pad_to_multiple: image has shape (6, 3), expected (H, W, C)"),
        (lambda: crop_back(IMAGE, (9, 2)), "crop_back: array has shape (5, 6, 3), expected at least (9, 2)"),
    ],
)
def test_bad_input_is_one_line(call, text):
    with pytest.raises(ValueError, match=rf"\A{re.escape(text)}[^\n]*\Z"):
        call()
