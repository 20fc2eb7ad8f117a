"""Packed convolution tile by tile: both products, every geometry, memory that does not grow with the image."""

import tracemalloc

import numpy as np
import pytest
from tinybnn.fast.packed_conv import conv2d_packed, pack_activations, pack_weights, upsample_conv2d_packed
from tinybnn.fast.packed_tiles import conv_tiles, convolve, plan_conv, prepare

from tinybnn.fast import packed_tiles
from tinybnn.fast.product import DIGITS, POPCOUNT, TRIPLES
from tinybnn.ops.bitpack import unpack
from tinybnn.ops.conv import conv2d
from tinybnn.ops.upsample import upsample_nearest
from tinybnn.testing.strategies import signs

RNG = np.random.default_rng(0)
FORMS = pytest.mark.parametrize("form", [POPCOUNT, DIGITS], ids=lambda form: form.name)


@FORMS
@pytest.mark.parametrize("pad_value", [-1, 0, 1])
@pytest.mark.parametrize("tile", [1, 7, 1024])
def test_however_small_the_tile(form, pad_value, tile, monkeypatch):
    """Tiles of one row, tiles within a strip, one tile a strip; even heights and odd; rows that no stride reaches."""
    monkeypatch.setattr(packed_tiles, "TILE", tile)
    monkeypatch.setattr(packed_tiles, "RUN", tile)
    for H, stride, dilation in (
        (5, 1, 1),
        (6, 2, 1),
        (7, 1, 2),
        (9, (1, 2), 1),
        (9, (2, 1), 1),
        (8, 1, (2, 1)),
        (6, 4, 1),
    ):
        x, w = signs(RNG, 2, H, 6, 10), signs(RNG, 3, 2, 5, 4)
        options = {"pad": (2, 1), "pad_value": pad_value, "stride": stride, "dilation": dilation, "groups": 2}
        y = conv2d_packed(pack_activations(x, 2), pack_weights(w), 10, form=form, **options)
        assert np.array_equal(y, conv2d(x, w, **options)[0])
        x, w = signs(RNG, 2, H, 3, 9), signs(RNG, 3, 4, 9, 2)
        options = {"pad": (1, 2), "pad_value": pad_value}
        y = upsample_conv2d_packed(pack_activations(x), pack_weights(w), 9, scale=(2, 3), form=form, **options)
        assert np.array_equal(y, conv2d(upsample_nearest(x, scale=(2, 3))[0], w, **options)[0])


@pytest.mark.parametrize("size", [(46, 46), (683, 3), (3, 683)])
def test_a_kernel_too_large_for_a_digit_is_counted_by_popcount(size):
    """One pixel may stand for all taps of a kernel, and for more than 2047."""
    x, w = signs(RNG, 1, 2, 2, 1), signs(RNG, *size, 1, 1)
    y = upsample_conv2d_packed(pack_activations(x), pack_weights(w), 1, pad_value=1, scale=size)
    assert y.dtype == np.int32 and np.array_equal(y, conv2d(upsample_nearest(x, scale=size)[0], w)[0])


@FORMS
@pytest.mark.parametrize("kernel, pad", [((1, 1), (3, 2)), ((1, 2), (1, 0)), ((1, 2), (0, 1)), ((2, 2), (3, 2))])
def test_padding_of_zero_counts_nowhere_on_one_side_or_where_nothing_else_is_seen(form, kernel, pad):
    """A map of one row: the lower half of a well padded one begins below it."""
    x, w = signs(RNG, 1, 1, 3, 10), signs(RNG, *kernel, 10, 4)
    y = conv2d_packed(pack_activations(x), pack_weights(w), 10, form=form, pad=pad, pad_value=0)
    assert np.array_equal(y, conv2d(x, w, pad=pad, pad_value=0.0)[0])


@FORMS
def test_filters_are_prepared_once_for_images_of_any_size(form):
    w = signs(RNG, 3, 3, 20, 6)
    words = pack_weights(w)
    kernels = None
    for H, W in ((4, 9), (12, 5)):
        x = signs(RNG, 2, H, W, 20)
        g = plan_conv("test", pack_activations(x), words, 20, pad_value=0, pad=1)
        kernels = kernels or prepare(words, g, form)
        assert [kernel.form for kernel in kernels] == [form]
        y = np.empty((2, H, W, 6), np.float32)
        for where, z in conv_tiles(pack_activations(x), kernels, g, np.float32):
            y[where] = z
        assert np.array_equal(y, conv2d(x, w, pad=1, pad_value=0.0)[0])


@FORMS
@pytest.mark.parametrize("size", [(1, 1), (4, 7), (5, 3), (64, 40)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32])
def test_the_whole_is_the_same_in_every_dtype(form, size, dtype):
    """Float32 tiles are made in the result itself, others are brought there; odd heights leave half a row over."""
    w = signs(RNG, 3, 3, 20, 6)
    x, words = pack_activations(signs(RNG, 3, *size, 20)), pack_weights(w)
    g = plan_conv("test", x, words, 20, pad_value=0, pad=1)
    y = convolve(x, prepare(words, g, form), g, dtype)
    assert y.dtype == dtype and y.shape == (3, *size, 6)
    assert np.array_equal(y, conv2d(unpack(x, 20), w.astype(np.float32), pad=1)[0])


@FORMS
@pytest.mark.parametrize("dtype", [np.float32, np.int32])
def test_the_whole_of_several_groups_is_the_same_in_every_dtype(form, dtype):
    x, w = signs(RNG, 2, 5, 4, 20), signs(RNG, 3, 3, 10, 6)
    words, filters = pack_activations(x, 2), pack_weights(w)
    g = plan_conv("test", words, filters, 20, pad_value=1, pad=1, groups=2)
    y = convolve(words, prepare(filters, g, form), g, dtype)
    assert y.dtype == dtype and np.array_equal(y, conv2d(x, w, pad=1, pad_value=1.0, groups=2)[0])


@FORMS
@pytest.mark.parametrize("dtype", [np.float32, np.int32])
def test_the_whole_of_a_map_made_large_on_the_way_is_the_same_in_every_dtype(form, dtype):
    x, w = signs(RNG, 2, 5, 3, 20), signs(RNG, 3, 3, 20, 6)
    words, filters = pack_activations(x), pack_weights(w)
    g = plan_conv("test", words, filters, 20, pad_value=1, pad=1, scale=2)
    y = convolve(words, prepare(filters, g, form), g, dtype)
    assert y.dtype == dtype and np.array_equal(y, conv2d(upsample_nearest(x)[0], w, pad=1, pad_value=1.0)[0])


def test_unless_told_a_convolution_is_neither_padded_nor_strided():
    x, w = pack_activations(signs(RNG, 1, 4, 5, 8)), pack_weights(signs(RNG, 3, 2, 8, 6))
    g = plan_conv("test", x, w, 8, pad_value=1)
    assert g.size == (2, 4) and (g.stride, g.pad, g.dilation, g.groups) == ((1, 1), (0, 0), (1, 1), 1)
    assert g.phases is None


@FORMS
def test_memory_beyond_the_result_does_not_grow_with_the_image(form):
    """Four times the pixels: the words are four times as many, and all else stays within a few tiles."""
    w = pack_weights(signs(RNG, 3, 3, 64, 16))
    extra = []
    for size in (96, 192):
        x = pack_activations(signs(RNG, 1, size, size, 64))
        conv2d_packed(x, w, 64, pad=1, pad_value=1, form=form)  # workspaces are there
        tracemalloc.start()
        y = conv2d_packed(x, w, 64, pad=1, pad_value=1, form=form)
        extra.append(tracemalloc.get_traced_memory()[1] - y.nbytes - x.nbytes)
        tracemalloc.stop()
    assert extra[1] < extra[0] + 1e6
    assert extra[1] < 0.1 * 4 * 9 * 64 * 192 * 192, "im2col in float32 would be ten times as much"


def test_what_does_not_fit_is_refused():
    x, w = pack_activations(signs(RNG, 1, 3, 3, 8)), pack_weights(signs(RNG, 3, 3, 8, 2))
    with pytest.raises(ValueError, match="upsample_conv2d_packed: scale is 0, expected a whole number >= 1"):
        upsample_conv2d_packed(x, w, 8, pad_value=1, scale=0)
    with pytest.raises(
        ValueError, match=r"^upsample_conv2d_packed: the kernel spans \(3, 3\), expected at most .* map's \(3, 1\)"
    ):
        upsample_conv2d_packed(x[:, :1, :1], w, 8, pad_value=1, scale=(3, 1))
    with pytest.raises(ValueError, match="prepare: form is TRIPLES, expected one of None, POPCOUNT, DIGITS"):
        conv2d_packed(x, w, 8, pad_value=1, form=TRIPLES)
    with pytest.raises(ValueError, match="prepare: form is TRIPLES, expected one of None, POPCOUNT, DIGITS"):
        upsample_conv2d_packed(x, w, 8, pad_value=1, form=TRIPLES)
    with pytest.raises(ValueError, match="conv2d_packed: stride is 0"):
        conv2d_packed(x, w, 8, pad_value=1, stride=0)
