"""Augmentation: image and label stay aligned, the generator is the only source of chance, no argument changes."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tinybnn.data.augment import (
    colour_jitter,
    draw_batch,
    hflip,
    random_crop,
    random_scale,
    recolour,
    resize,
)
from tinybnn.notation import IGNORE

sides = st.integers(1, 40)
seeds = st.integers(0, 2**32)


def coded(H, W):
    """A pair in which every pixel tells its place: ``image = (row, column, label) / 256``, no label is 255."""
    rows, cols = np.mgrid[:H, :W]
    label = ((7 * rows + 13 * cols) % 251).astype(np.uint8)
    return np.stack([rows, cols, label], -1).astype(np.float32) / 256, label


def ramps(H, W, axis):
    """A pair that grows along one axis, both by one a pixel."""
    label = np.indices((H, W))[axis].astype(np.uint8)
    return np.repeat(label[..., None], 3, -1).astype(np.float32), label


# -- crop ---------------------------------------------------------------------------------------------------------


@given(sides, sides, sides, sides, seeds)
def test_a_crop_is_a_window_and_stays_aligned(H, W, OH, OW, seed):
    image, label = coded(H, W)
    y, t = random_crop(image, label, (OH, OW), np.random.default_rng(seed))
    assert y.shape == (OH, OW, 3) and t.shape == (OH, OW) and y.dtype == np.float32 and t.dtype == np.uint8
    seen = t != IGNORE
    np.testing.assert_array_equal(y[..., 2][seen] * 256, t[seen])
    assert seen.sum() == min(H, OH) * min(W, OW)
    i, j = np.argwhere(seen)[0]
    top, left = round(float(y[i, j, 0]) * 256) - i, round(float(y[i, j, 1]) * 256) - j
    big = np.pad(image, ((OH, OH), (OW, OW), (0, 0)), mode="symmetric")
    np.testing.assert_array_equal(y, big[OH + top :, OW + left :][:OH, :OW])


def test_every_window_is_drawn_equally_often():
    image, label = coded(5, 4)
    rng, counts = np.random.default_rng(0), {}
    for _ in range(3000):
        y, _ = random_crop(image, label, (3, 2), rng)
        corner = tuple(np.rint(y[0, 0, :2] * 256).astype(int).tolist())
        counts[corner] = counts.get(corner, 0) + 1
    assert set(counts) == {(i, j) for i in range(3) for j in range(3)}
    assert max(abs(count - 3000 / 9) for count in counts.values()) < 5 * np.sqrt(3000 / 9)


def test_a_small_image_falls_anywhere_in_the_window():
    image, label = coded(2, 3)
    rng, corners = np.random.default_rng(0), set()
    for _ in range(300):
        _, t = random_crop(image, label, (4, 5), rng)
        corners.add(tuple(np.argwhere(t != IGNORE)[0].tolist()))
    assert corners == {(i, j) for i in range(3) for j in range(3)}


# -- flip, scale, jitter ------------------------------------------------------------------------------------------


@given(sides, sides)
def test_a_flip_exchanges_left_and_right_of_both(H, W):
    image, label = coded(H, W)
    y, t = hflip(image, label)
    np.testing.assert_array_equal(y[..., 2] * 256, t)
    np.testing.assert_array_equal(y[..., 1] * 256, np.broadcast_to(np.arange(W)[::-1], (H, W)))
    np.testing.assert_array_equal(y[..., 0] * 256, np.broadcast_to(np.arange(H)[:, None], (H, W)))
    for once, twice in zip((image, label), hflip(y, t), strict=True):
        np.testing.assert_array_equal(once, twice)


@given(sides, sides, sides, sides)
def test_resizing_takes_the_nearest_label(H, W, OH, OW):
    _, label = coded(H, W)
    _, t = resize(np.zeros((H, W, 3)), label, (OH, OW))
    rows, cols = ((2 * np.arange(o) + 1) * n / (2 * o) for n, o in ((H, OH), (W, OW)))
    clear = (rows % 1 != 0)[:, None] & (cols % 1 != 0)  # on a border both neighbours are nearest
    np.testing.assert_array_equal(t[clear], label[rows.astype(int)][:, cols.astype(int)][clear])


@given(sides, sides, sides, sides, seeds)
def test_resizing_is_that_of_pillow(H, W, OH, OW, seed):
    image = np.random.default_rng(seed).random((H, W, 2), np.float32)
    label = np.arange(H * W, dtype=np.uint8).reshape(H, W)
    y, t = resize(image, label, (OH, OW))
    for c in range(2):
        plane = Image.fromarray(image[..., c]).resize((OW, OH), Image.Resampling.BILINEAR)
        np.testing.assert_allclose(y[..., c], plane, rtol=0, atol=2.4e-7)  # two roundings of float32
    np.testing.assert_array_equal(t, Image.fromarray(label).resize((OW, OH), Image.Resampling.NEAREST))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_resizing_interpolates_the_image(dtype):
    image = np.array([[0, 4], [8, 12]], dtype)[..., None]
    y, _ = resize(image, np.zeros((2, 2), np.uint8), (2, 4))
    assert y.dtype == dtype
    np.testing.assert_array_equal(y[..., 0], [[0, 1, 3, 4], [8, 9, 11, 12]])
    y, _ = resize(image, np.zeros((2, 2), np.uint8), (1, 1))
    np.testing.assert_array_equal(y[..., 0], [[6]])


@pytest.mark.parametrize("axis", [0, 1])
@given(H=st.integers(8, 60), W=st.integers(8, 60), scale=st.floats(0.5, 2.0), seed=seeds)
def test_scaling_keeps_image_and_label_in_the_same_place(axis, H, W, scale, seed):
    image, label = ramps(H, W, axis)
    y, t = random_scale(image, label, np.random.default_rng(seed), low=scale, high=scale)
    assert y.shape[:2] == t.shape == (round(scale * H), round(scale * W)) and y.dtype == np.float32
    edge = [2 if axis == a else 0 for a in (0, 1)]  # the ramp ends there, and interpolation with it
    inner = np.s_[edge[0] : t.shape[0] - edge[0], edge[1] : t.shape[1] - edge[1]]
    assert np.abs(y[inner] - t[inner][..., None]).max(initial=0) <= 0.5 + 1e-4


@given(seeds)
def test_scales_lie_between_the_ends(seed):
    _, t = random_scale(*coded(100, 60), np.random.default_rng(seed), low=0.5, high=2.0)
    assert 50 <= t.shape[0] <= 200 and 30 <= t.shape[1] <= 120


def test_scales_are_even_in_the_logarithm():
    rng, pair = np.random.default_rng(0), coded(40, 4)
    heights = np.array([random_scale(*pair, rng, low=0.5, high=2.0)[1].shape[0] for _ in range(1000)])
    assert abs((heights < 40).mean() - 0.5) < 0.06 and heights.min() < 22 and heights.max() > 76


def test_nothing_asked_nothing_changed():
    image, label = coded(5, 9)
    rng = np.random.default_rng(0)
    for y, t in (
        random_scale(image, label, rng, low=1, high=1),
        colour_jitter(image, label, rng, brightness=0, contrast=0),
        random_crop(image, label, (5, 9), rng),
    ):
        np.testing.assert_array_equal(y, image)
        np.testing.assert_array_equal(t, label)
    x, labels = draw_batch([(image, label)], rng, 3, (5, 9), scale=(1, 1), flip=0, jitter=0)
    np.testing.assert_array_equal(x, np.stack([image] * 3))
    np.testing.assert_array_equal(labels, np.stack([label] * 3))


@given(seeds, st.sampled_from([(0.4, 0.7), (0.4, 0.0), (0.0, 0.7)]))
def test_jitter_is_the_formula_and_leaves_the_label(seed, amounts):
    image = np.random.default_rng(seed).random((6, 5, 3))
    label = np.zeros((6, 5), np.uint8)
    y, t = colour_jitter(image, label, np.random.default_rng(seed), brightness=amounts[0], contrast=amounts[1])
    b, c = 1 + np.array(amounts) * np.random.default_rng(seed).uniform(-1, 1, 2)
    mean = b * image.sum() / image.size
    np.testing.assert_allclose(y, np.minimum(np.maximum(c * (b * image - mean) + mean, 0), 1), rtol=0, atol=1e-12)
    assert t is label


@given(seeds)
def test_recolouring_exchanges_and_bends_channels_and_keeps_their_order(seed):
    """Within a channel what was brighter stays brighter; black and white stay; the label is untouched."""
    image = np.stack([np.linspace(0, 1, 7), np.linspace(0, 1, 7) ** 2, np.linspace(1, 0, 7)], -1)[None].astype(
        np.float32
    )
    label = np.arange(7, dtype=np.uint8)[None]
    before = image.copy()
    y, t = recolour(image, label, np.random.default_rng(seed), grey=0)
    assert t is label and np.array_equal(image, before) and y.dtype == np.float32
    assert 0 <= y.min() and y.max() <= 1 and set(y[0, 0]) <= {0, 1}
    assert sorted(np.sign(np.diff(y[0], axis=0)).mean(0)) == [-1, 1, 1]
    grey, _ = recolour(image, label, np.random.default_rng(seed), grey=1)
    assert np.array_equal(grey[..., 0], grey[..., 2]) and np.allclose(grey[..., 0], y.mean(-1))


def test_paint_is_the_share_of_recoloured_samples():
    flat = np.full((4, 4, 3), (0.2, 0.5, 0.8), np.float32), np.zeros((4, 4), np.uint8)
    options = {"scale": (1, 1), "flip": 0, "jitter": 0}
    drawn = [draw_batch([flat], np.random.default_rng(1), 200, 4, paint=p, **options)[0] for p in (0, 0.5, 1)]
    changed = [(x[:, 0, 0] != flat[0][0, 0]).any(-1).mean() for x in drawn]
    assert changed[0] == 0 and 0.4 < changed[1] < 0.6 and changed[2] == 1


# -- batches ------------------------------------------------------------------------------------------------------


@given(st.integers(1, 5), sides, sides, seeds)
def test_batches_stay_aligned_through_crop_and_flip(N, OH, OW, seed):
    samples = [coded(12, 31), coded(40, 7), coded(1, 1)]
    x, labels = draw_batch(samples, np.random.default_rng(seed), N, (OH, OW), scale=(1, 1), jitter=0)
    assert x.shape == (N, OH, OW, 3) and labels.shape == (N, OH, OW)
    assert x.dtype == np.float32 and labels.dtype == np.uint8
    seen = labels != IGNORE
    np.testing.assert_array_equal(x[..., 2][seen] * 256, labels[seen])


@given(st.integers(1, 60), st.integers(1, 60), sides, sides, st.sampled_from([(0.3, 0.5), (1, 1), (0.6, 2.0)]), seeds)
def test_a_batch_is_scaled_then_cropped_though_only_the_crop_is_computed(H, W, OH, OW, scale, seed):
    rng = np.random.default_rng(seed)
    image, label = rng.integers(0, 256, (H, W, 3), np.uint8), rng.integers(0, 19, (H, W), np.uint8)
    x, labels = draw_batch([(image, label)], np.random.default_rng(seed), 1, (OH, OW), scale=scale, flip=0, jitter=0)
    rng = np.random.default_rng(seed)
    rng.integers(1, size=1)  # which sample
    whole = random_scale(image / np.float32(255), label, rng, low=scale[0], high=scale[1])
    y, expected = random_crop(*whole, (OH, OW), rng)
    np.testing.assert_array_equal(x[0], y)
    np.testing.assert_array_equal(labels[0], expected)


def test_a_batch_is_a_function_of_seed_and_step_alone():
    samples = [coded(50, 61), coded(33, 47), coded(20, 90)]
    run = [draw_batch(samples, np.random.default_rng([7, step]), 4, 32) for step in range(4)]
    again = draw_batch(samples, np.random.default_rng([7, 2]), 4, 32)
    np.testing.assert_array_equal(again[0].view(np.uint32), run[2][0].view(np.uint32))
    np.testing.assert_array_equal(again[1], run[2][1])
    for other in (run[1], run[3], draw_batch(samples, np.random.default_rng([8, 2]), 4, 32)):
        assert (other[0] != again[0]).any()


def test_every_sample_and_both_sides_are_drawn():
    samples = [(np.full((4, 4, 3), k, np.float32) / 4 + np.arange(4)[:, None] / 100, np.full((4, 4), k, np.uint8))
               for k in range(4)]  # fmt: skip
    x, labels = draw_batch(samples, np.random.default_rng(0), 400, 4, scale=(1, 1), jitter=0)
    counts = np.bincount(labels[:, 0, 0], minlength=4)
    assert counts.min() > 60 and len(counts) == 4
    assert 0.15 < (labels[1:, 0, 0] == labels[:-1, 0, 0]).mean() < 0.35  # not in turn
    flipped = (x[:, 0, 0, 0] > x[:, 0, 3, 0]).mean()
    assert 0.4 < flipped < 0.6
    bright, _ = draw_batch(samples[2:3], np.random.default_rng(0), 50, 4, scale=(1, 1), flip=0, jitter=0.1)
    assert len(np.unique(bright.mean((1, 2, 3)))) == 50
    always, _ = draw_batch(samples, np.random.default_rng(0), 50, 4, scale=(1, 1), flip=1, jitter=0)
    assert (always[:, 0, 0, 0] > always[:, 0, 3, 0]).all()


def test_a_dataset_is_read_only_where_drawn():
    class Samples:
        read = []

        def __len__(self):
            return 1000

        def __getitem__(self, i):
            assert type(i) is int
            self.read.append(i)
            return (*coded(8, 8), "name")

    draw_batch(Samples(), np.random.default_rng(0), 3, 8)
    assert len(Samples.read) == 3


def test_arguments_are_not_written_and_any_memory_order_is_taken():
    image, label = coded(9, 12)
    strided = np.asfortranarray(image), np.repeat(label, 2, 1)[:, ::2]
    for array in (image, label, *strided):
        array.flags.writeable = False
    for seed in range(5):
        plain = draw_batch([(image, label)], np.random.default_rng(seed), 2, (7, 16))
        other = draw_batch([strided], np.random.default_rng(seed), 2, (7, 16))
        np.testing.assert_array_equal(plain[0], other[0])
        np.testing.assert_array_equal(plain[1], other[1])


# -- refusals -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "call, text",
    [
        (lambda i, t, r: random_crop(i, t[1:], 4, r), "random_crop: label has shape (4, 6), expected (H, W) with"),
        (lambda i, t, r: random_crop(i, t, 0, r), "random_crop: size is 0, expected a whole number >= 1"),
        (lambda i, t, r: hflip(i[..., 0], t), "hflip: image has shape (5, 6), expected (H, W, C)"),
        (lambda i, t, r: random_scale(i, t, r, low=2, high=1), "random_scale: high is 1, expected a number in [2, "),
        (lambda i, t, r: resize(i, t.astype(int), (3, 3)), "resize: label.dtype is 'int64', expected one of 'uint8'"),
        (lambda i, t, r: colour_jitter(i, t, r, contrast=2), "colour_jitter: contrast is 2, expected a number in [0,"),
        (lambda i, t, r: draw_batch([], r, 1, 4), "draw_batch: len(samples) is 0, expected a whole number >= 1"),
        (lambda i, t, r: draw_batch([(i, t)], r, 0, 4), "draw_batch: batch_size is 0, expected"),
        (lambda i, t, r: draw_batch([(i, t[1:])], r, 1, 4), "draw_batch: label has shape (4, 6), expected (H, W) with"),
        (lambda i, t, r: draw_batch([(i, t)], r, 1, 4, flip=2), "draw_batch: flip is 2, expected a number in [0, 1]"),
        (lambda i, t, r: draw_batch([(i, t)], r, 1, 4, jitter=2), "draw_batch: jitter is 2, expected a number in ["),
        (lambda i, t, r: draw_batch([(i, t)], r, 1, 4, scale=1), "draw_batch: scale is 1, expected a (low, high) pair"),
        (lambda i, t, r: draw_batch([(i, t)], r, 1, 4, scale=(2, 1)), "draw_batch: scale[1] is 1, expected a number"),
    ],
)
def test_bad_input_is_one_line(call, text):
    with pytest.raises(ValueError, match=rf"\A{re.escape(text)}[^\n]*\Z"):
        call(*coded(5, 6), np.random.default_rng(0))


@pytest.mark.parametrize("wrong", [0, None, "0"])
def test_what_is_no_generator_is_refused_by_name(wrong):
    image, label = coded(5, 6)
    for f in (random_scale, colour_jitter, recolour):
        with pytest.raises(TypeError, match=rf"^{f.__name__}: rng is .*, expected a Generator$"):
            f(image, label, wrong)
    with pytest.raises(TypeError, match=r"^random_crop: rng is .*, expected a Generator$"):
        random_crop(image, label, 4, wrong)
    with pytest.raises(TypeError, match=r"^draw_batch: rng is .*, expected a Generator$"):
        draw_batch([(image, label)], wrong, 1, 4)
    with pytest.raises(TypeError, match=r"^draw_batch: samples is .*, expected a sequence of samples$"):
        draw_batch(None, np.random.default_rng(0), 1, 4)
