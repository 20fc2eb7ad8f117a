"""What is fast equals the plain form: products, convolutions with tiles of any size, memory that does not grow."""

import itertools
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinybnn.fast import conv as fast
from tinybnn.fast.conv import conv2d_packed, convolve, filters, plan, upsample_conv2d_packed
from tinybnn.fast.digits import BASE, MOST, cut, signs
from tinybnn.fast.product import RUN, TILE, digit_rows, packed_matmul_digits, packed_matmul_popcount
from tinybnn.ops.binary_conv import pack_activations, pack_weights
from tinybnn.ops.bitpack import pack, packed_matmul, unpack
from tinybnn.ops.conv import conv2d
from tinybnn.ops.upsample import upsample_nearest
from tinybnn.ops.upsample_conv import phase_kernel
from tinybnn.testing.strategies import generators, word_edges
from tinybnn.testing.strategies import signs as random_signs

RNG = np.random.default_rng(0)
PRODUCTS = pytest.mark.parametrize("product", [packed_matmul_popcount, packed_matmul_digits, packed_matmul])
law = settings(max_examples=40, derandomize=True, database=None, deadline=None)

# -- products -------------------------------------------------------------------------------------------------------


@PRODUCTS
@law
@given(
    rng=generators(),
    n=word_edges | st.sampled_from([255, 256, 511, 2047, 2048]),
    rows=st.tuples(*[st.integers(1, 9)] * 2),
)
def test_every_method_gives_the_product(product, rng, n, rows):
    a, b = (random_signs(rng, m, n) for m in rows)
    assert np.array_equal(product(pack(a), pack(b), n), a @ b.T)


@PRODUCTS
@pytest.mark.parametrize("rows", [(2 * TILE + 1, 2), (2, 2 * TILE + 1), (RUN + 1, 1), (1, RUN + 1), (0, 3)])
def test_more_rows_than_a_tile_on_either_side_and_none(product, rows):
    a, b = (random_signs(RNG, m, 70) for m in rows)
    assert np.array_equal(product(pack(a), pack(b), 70), a @ b.T)


@PRODUCTS
@pytest.mark.parametrize("n", [2**14 + 1, 2**15])
def test_counts_that_need_more_than_sixteen_bits(product, n):
    a = random_signs(RNG, 4, n)
    assert np.array_equal(product(pack(a), pack(-a), n), a @ -a.T)


@PRODUCTS
def test_words_that_do_not_fit_are_refused(product):
    a = pack(random_signs(RNG, 2, 70))
    with pytest.raises(ValueError, match=f"{product.__name__}: a has 2 words a row, expected 3 for n = 130"):
        product(a, a, 130)
    with pytest.raises(TypeError, match=f"{product.__name__}: b has dtype uint32"):
        product(a, a.astype(np.uint32), 70)


def test_a_product_of_digits_is_two_products():
    """By hand: rounding gives one of them, and what rounding took away gives the other."""
    low, high, w = (random_signs(RNG, 64) for _ in range(3))
    total = (digit_rows(pack(np.stack([low, high])), 64) @ w.astype(np.float32)).item()
    assert round(total) == high @ w and (total - round(total)) * BASE == low @ w


@pytest.mark.parametrize("n", [1, 576, MOST])
def test_up_to_2047_signs_the_digits_can_be_separated(n):
    """Every pair of extremes, where a carry from the low digit would change the rounding of the high one."""
    for low, high in itertools.product((-n, n, 0), repeat=2):
        total = np.float32(high) + np.float32(low / BASE)
        assert np.rint(total) == high and (total - np.rint(total)) * BASE == low
    assert np.float32(MOST + MOST / BASE) * BASE == MOST * BASE + MOST < 2**24


@pytest.mark.parametrize("C", [1, 8, 16, 64, 200, 600, 2100])
@pytest.mark.parametrize("kernel, scale", [((1, 1), (1, 1)), ((3, 3), (1, 1)), ((3, 3), (2, 2)), ((2, 5), (3, 1))])
def test_no_piece_holds_too_many_signs_and_none_is_lost(C, kernel, scale):
    taps = phase_kernel(np.ones((*kernel, C, 1)), scale)
    taps = taps.reshape(len(taps), -1, taps.shape[-1])
    seen = np.zeros(taps.shape[:2], int)
    for piece in cut(kernel, C, scale):
        assert sum(taps[row, columns].sum(0) for row, columns in piece).max() <= MOST
        for row, columns in piece:
            seen[row, columns] += 1
    assert (seen == 1).all()


def test_a_pixel_that_stands_for_too_many_taps_is_refused():
    with pytest.raises(ValueError, match="cut: 2116 taps of a 46 x 46 kernel share a pixel, expected at most 2047"):
        cut((46, 46), 8, (46, 46))


def test_signs_of_words_are_the_signs():
    a = random_signs(RNG, 3, 70)
    unpacked = signs(pack(a), 70)
    assert np.array_equal(unpacked[:, :70], a) and (unpacked[:, 70:] == 0).all() and unpacked.shape == (3, 72)


# -- convolution ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pad_value", [-1, 0, 1])
@pytest.mark.parametrize("tile", [1, 7, 1024])
def test_however_small_the_tile(pad_value, tile, monkeypatch):
    """Tiles of one row, several tiles in one half, one tile; even heights and odd; rows that no stride reads."""
    monkeypatch.setattr(fast, "TILE", tile)
    geometries = (5, 1, 1), (6, 2, 1), (7, 1, 2), (9, (1, 2), 1), (9, (2, 1), 1), (8, 1, (2, 1)), (6, 4, 1)
    for H, stride, dilation in geometries:
        x, w = random_signs(RNG, 2, H, 6, 10), random_signs(RNG, 3, 2, 10, 4)
        options = {"pad": (2, 1), "pad_value": pad_value, "stride": stride, "dilation": dilation}
        y = conv2d_packed(pack_activations(x), pack_weights(w), 10, **options)
        assert np.array_equal(y, conv2d(x, w, **options)[0])
        x, w = random_signs(RNG, 2, H, 3, 9), random_signs(RNG, 3, 4, 9, 2)
        options = {"pad": (1, 2), "pad_value": pad_value}
        y = upsample_conv2d_packed(pack_activations(x), pack_weights(w), 9, scale=(2, 3), **options)
        assert np.array_equal(y, conv2d(upsample_nearest(x, scale=(2, 3))[0], w, **options)[0])


@pytest.mark.parametrize("size", [(46, 46), (683, 3), (3, 683)])
def test_a_kernel_too_large_for_a_digit_is_left_to_the_plain_form(size):
    x, w = random_signs(RNG, 1, 2, 2, 1), random_signs(RNG, *size, 1, 1)
    y = upsample_conv2d_packed(pack_activations(x), pack_weights(w), 1, pad_value=1, scale=size)
    assert y.dtype == np.int32 and np.array_equal(y, conv2d(upsample_nearest(x, scale=size)[0], w)[0])


@pytest.mark.parametrize("kernel, pad", [((1, 1), (3, 2)), ((1, 2), (1, 0)), ((1, 2), (0, 1)), ((2, 2), (3, 2))])
def test_padding_with_zero_adds_nothing(kernel, pad):
    """A map of one row with wide padding: the lower half begins below the map."""
    x, w = random_signs(RNG, 1, 1, 3, 10), random_signs(RNG, *kernel, 10, 4)
    y = conv2d_packed(pack_activations(x), pack_weights(w), 10, pad=pad, pad_value=0)
    assert np.array_equal(y, conv2d(x, w, pad=pad, pad_value=0.0)[0])


@pytest.mark.parametrize("scale", [1, 2])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32])
def test_filters_are_prepared_once_for_images_of_any_size(scale, dtype):
    w = random_signs(RNG, 3, 3, 20, 6).astype(np.float32)
    words, f = pack_weights(w), None
    for size in (4, 9), (12, 5), (1, 1), (64, 40):
        x = pack_activations(random_signs(RNG, 2, *size, 20))
        g = plan("test", x, words, 20, pad_value=0, pad=1, scale=scale)
        f = f or filters(words, 20, g.scale)
        y = convolve(x, f, g, dtype)
        assert y.dtype == dtype
        assert np.array_equal(y, conv2d(upsample_nearest(unpack(x, 20), scale=scale)[0], w, pad=1)[0])


def test_memory_beyond_the_result_does_not_grow_with_the_image():
    """Four times the pixels: there are four times as many words, and all else stays within a few tiles."""
    w = pack_weights(random_signs(RNG, 3, 3, 64, 16))
    extra = []
    for size in (96, 192):
        x = pack_activations(random_signs(RNG, 1, size, size, 64))
        tracemalloc.start()
        y = conv2d_packed(x, w, 64, pad=1, pad_value=1)
        extra.append(tracemalloc.get_traced_memory()[1] - y.nbytes - x.nbytes)
        tracemalloc.stop()
    assert extra[1] < extra[0] + 1e6
    assert extra[1] < 0.1 * 4 * 9 * 64 * 192 * 192, "im2col in float32 would be ten times as much"


def test_what_does_not_fit_is_refused():
    x, w = pack_activations(random_signs(RNG, 1, 3, 3, 8)), pack_weights(random_signs(RNG, 3, 3, 8, 2))
    with pytest.raises(ValueError, match="upsample_conv2d_packed: scale is 0, expected a whole number >= 1"):
        upsample_conv2d_packed(x, w, 8, pad_value=1, scale=0)
    with pytest.raises(ValueError, match=r"^upsample_conv2d_packed: the kernel spans \(3, 3\), expected .* \(3, 1\)"):
        upsample_conv2d_packed(x[:, :1, :1], w, 8, pad_value=1, scale=(3, 1))
    with pytest.raises(ValueError, match="conv2d_packed: stride is 0"):
        conv2d_packed(x, w, 8, pad_value=1, stride=0)
