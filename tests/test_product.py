"""Two ways to count, one answer: over word edges, beyond one digit, for more rows than a tile on either side."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinybnn.fast.digits import BASE, MOST, cut, digits, octets, signs
from tinybnn.fast.product import DIGITS, POPCOUNT, RUN, TILE, TRIPLES, faster, narrow, packed_matmul
from tinybnn.ops.binary_conv import conv2d_packed, pack_activations, pack_weights
from tinybnn.ops.bitpack import pack
from tinybnn.ops.upsample_conv import phase_kernel
from tinybnn.testing.strategies import generators, word_edges
from tinybnn.testing.strategies import signs as random_signs

FORMS = pytest.mark.parametrize("form", [POPCOUNT, DIGITS, TRIPLES], ids=lambda form: form.name)
law = settings(max_examples=40, derandomize=True, database=None, deadline=None)


@FORMS
@law
@given(
    rng=generators(),
    n=word_edges | st.sampled_from([255, 256, 511, 2047, 2048]),
    rows=st.tuples(*[st.integers(1, 9)] * 2),
)
def test_both_forms_give_the_product(form, rng, n, rows):
    a, b = (random_signs(rng, m, n) for m in rows)
    assert np.array_equal(packed_matmul(pack(a), pack(b), n, form=form), a @ b.T)


@FORMS
@pytest.mark.parametrize("rows", [(2 * TILE + 1, 2), (2, 2 * TILE + 1), (RUN + 1, 1), (1, RUN + 1), (0, 3)])
def test_more_rows_than_a_tile_on_either_side_and_none(form, rows):
    rng = np.random.default_rng(0)
    a, b = (random_signs(rng, m, 70) for m in rows)
    assert np.array_equal(packed_matmul(pack(a), pack(b), 70, form=form), a @ b.T)


@pytest.mark.parametrize(
    "form, dtype",
    [(form, d) for form in (POPCOUNT, DIGITS, TRIPLES) for d in (np.int16, np.int32)] + [(DIGITS, np.float32)],
)
def test_a_left_side_of_many_tiles_may_be_prepared_at_once(form, dtype):
    rng = np.random.default_rng(3)
    a, b = random_signs(rng, 5 * TILE + 1, 71), random_signs(rng, 200, 71)
    y = np.empty((len(a), len(b)), dtype)
    form.dots(form.left(pack(a), 71), form.right(pack(b), 71), 71, y)
    assert np.array_equal(y, a @ b.T)


@FORMS
@pytest.mark.parametrize("n", [2**14 + 1, 2**15 - 1, 2**15])
def test_counts_that_outgrow_sixteen_bits(form, n):
    """All disagree: -n must come out, where n's double no longer fits, and where n itself does not."""
    a = random_signs(np.random.default_rng(1), 4, n)
    y = packed_matmul(pack(a), pack(-a), n, form=form)
    assert np.array_equal(y, a @ -a.T) and y.dtype == narrow(n) == (np.int16 if n < 2**15 else np.int32)


def test_a_product_of_digits_is_two_products():
    """By hand: rounding gives the one, and what rounding took away the other."""
    rng = np.random.default_rng(2)
    low, high, w = random_signs(rng, 64), random_signs(rng, 64), random_signs(rng, 64)
    x = digits(*(octets(pack(row[None]), 64) for row in (low, high)))
    total = (x @ w.astype(np.float32)).item()
    assert round(total) == high @ w and (total - round(total)) * BASE == low @ w


@pytest.mark.parametrize("shape", [(2,), (3, 2), (2, 3, 2)])
def test_bytes_become_digits_in_place_whatever_axes_stand_before_them(shape):
    x = digits(np.zeros(shape, np.uint8), np.full(shape, 255, np.uint8))
    assert x.shape == (*shape[:-1], 16) and (x == -1 + 1 / BASE).all()


def test_a_product_of_triples_is_three_products():
    """By hand: the bytes of one product are the disagreements of three rows with a filter."""
    rng = np.random.default_rng(2)
    a, w = random_signs(rng, 3, 64), random_signs(rng, 64, 1)
    f = TRIPLES.right(pack(w.T), 64)
    total = TRIPLES.left(pack(a), 64) @ f.w
    assert total.astype("<i4").view(np.uint8).ravel()[:3].tolist() == [int((row != w[:, 0]).sum()) for row in a]


@pytest.mark.parametrize("n", [1, 254, 255, 256, 1000])
def test_no_byte_overflows_however_the_bits_fall(n):
    """All +1 against all -1 and back: 0 and n disagreements in every digit, next to every other."""
    rows = np.stack([np.ones(n), -np.ones(n), random_signs(np.random.default_rng(n), n)])
    a = np.stack(list(itertools.product(rows, repeat=3))).reshape(-1, n)
    assert np.array_equal(packed_matmul(pack(a), pack(rows), n, form=TRIPLES), a @ rows.T)


@pytest.mark.parametrize("n", [1, 576, MOST])
def test_up_to_2047_signs_the_digits_stay_apart_however_they_fall(n):
    """Every pair of extremes, where a carry from the low digit would round the high one to its neighbour."""
    for low, high in itertools.product((-n, n, 0), repeat=2):
        total = np.float32(high) + np.float32(low / BASE)
        assert np.rint(total) == high and (total - np.rint(total)) * BASE == low
    assert np.float32(MOST + MOST / BASE) * BASE == MOST * BASE + MOST < 2**24


@pytest.mark.parametrize("C", [1, 8, 16, 64, 200, 600, 2100])
@pytest.mark.parametrize("kernel, scale", [((1, 1), (1, 1)), ((3, 3), (1, 1)), ((3, 3), (2, 2)), ((2, 5), (3, 1))])
def test_no_piece_holds_more_than_can_be_told_apart_and_none_is_lost(C, kernel, scale):
    taps = phase_kernel(np.ones((*kernel, C, 1)), scale)
    taps = taps.reshape(len(taps), -1, taps.shape[-1])
    seen = np.zeros(taps.shape[:2], int)
    for piece in cut(kernel, C, scale):
        assert sum(taps[row, columns].sum(0) for row, columns in piece).max() <= MOST
        for row, columns in piece:
            seen[row, columns] += 1
    assert (seen == 1).all()


def test_a_convolution_of_more_than_2047_signs_is_cut_and_exact():
    x, w = np.ones((1, 3, 4, 2100)), -np.ones((2, 2, 2100, 1))
    y = conv2d_packed(pack_activations(x), pack_weights(w), 2100, pad_value=1, form=DIGITS)
    assert (y == -4 * 2100).all()


def test_signs_of_words_are_the_signs():
    a = random_signs(np.random.default_rng(4), 3, 70)
    unpacked = signs(pack(a), 70)
    assert np.array_equal(unpacked[:, :70], a) and (unpacked[:, 70:] == 0).all() and unpacked.shape == (3, 72)


def test_the_choice_grows_towards_digits_with_the_filters_and_towards_popcount_with_few():
    chosen = [faster(4096, F, 576).name for F in (1, 8, 64, 256)]
    assert chosen == sorted(chosen, reverse=True) and set(chosen) == {"popcount", "digits"}
