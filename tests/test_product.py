"""Two ways to count, one answer: over word edges, beyond one digit, for more rows than a tile on either side."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinybnn.bitpack import pack
from tinybnn.digits import UNIT, count_digits, cut, digits, filters, narrow, octets, signs
from tinybnn.phases import phase_kernel
from tinybnn.product import DIGITS, POPCOUNT, RUN, TILE, faster, packed_matmul
from tinybnn.testing.strategies import generators, word_edges
from tinybnn.testing.strategies import signs as random_signs
from tinybnn.workspace import borrow

FORMS = pytest.mark.parametrize("form", [POPCOUNT, DIGITS], ids=lambda form: form.name)
law = settings(max_examples=40, derandomize=True, database=None, deadline=None)


@FORMS
@law
@given(
    rng=generators(),
    n=word_edges | st.sampled_from([255, 256, 300, 511, 2000]),
    rows=st.tuples(*[st.integers(1, 9)] * 2),
)
def test_both_forms_give_the_product(form, rng, n, rows):
    a, b = (random_signs(rng, m, n) for m in rows)
    assert np.array_equal(packed_matmul(pack(a), pack(b), n, form=form), a @ b.T)


@FORMS
@pytest.mark.parametrize("rows", [(3 * TILE + 2, 2), (2, 3 * TILE + 2), (RUN + 1, 1), (1, RUN + 1), (0, 3)])
def test_more_rows_than_a_tile_on_either_side_and_none(form, rows):
    rng = np.random.default_rng(0)
    a, b = (random_signs(rng, m, 70) for m in rows)
    assert np.array_equal(packed_matmul(pack(a), pack(b), 70, form=form), a @ b.T)


@FORMS
@pytest.mark.parametrize("n", [2**14 + 1, 2**15 - 1, 2**15])
def test_counts_that_outgrow_sixteen_bits(form, n):
    """All disagree: -n must come out, where n's double no longer fits, and where n itself does not."""
    a = random_signs(np.random.default_rng(1), 4, n)
    y = packed_matmul(pack(a), pack(-a), n, form=form)
    assert np.array_equal(y, a @ -a.T) and y.dtype == narrow(n) == (np.int16 if n < 2**15 else np.int32)


def test_a_product_of_digits_is_three_products():
    """By hand: the digits of one product, read as bytes, are the disagreements of three rows with a filter."""
    rng = np.random.default_rng(2)
    a, w = random_signs(rng, 3, 64), random_signs(rng, 64, 1)
    x = digits(*(octets(pack(row[None]), 64) for row in a))
    total = x @ w.astype(np.float32) + np.float32(UNIT * (w < 0).sum())
    assert total.astype("<i4").view(np.uint8)[0, :3].tolist() == [int((row != w[:, 0]).sum()) for row in a]


@pytest.mark.parametrize("C", [1, 8, 16, 64, 96, 200, 600])
@pytest.mark.parametrize("kernel, scale", [((1, 1), (1, 1)), ((3, 3), (1, 1)), ((3, 3), (2, 2)), ((2, 5), (3, 1))])
def test_no_piece_can_count_beyond_a_digit_and_none_is_lost(C, kernel, scale):
    taps = phase_kernel(np.ones((*kernel, C, 1)), scale)
    taps = taps.reshape(len(taps), -1, taps.shape[-1])
    seen = np.zeros(taps.shape[:2], int)
    for piece in cut(kernel, C, scale):
        assert np.array_equal(piece.taps, sum(taps[row, columns].sum(0) for row, columns in piece.products))
        assert piece.most <= 255
        for row, columns in piece.products:
            seen[row, columns] += 1
    assert (seen == 1).all()


def test_sums_of_signs_are_counted_too():
    """Taps that were added up: weights of -2, 0 and +2 stand for two signs each."""
    rng = np.random.default_rng(3)
    a, pairs = random_signs(rng, 3, 16), random_signs(rng, 2, 16, 5)
    x = digits(*(octets(pack(row[None]), 16) for row in a))
    pieces = cut((2, 1), 16, (2, 1))  # in one of two phases both taps share a pixel
    kernel = phase_kernel(pairs[:, None].astype(np.float32), (2, 1)).reshape(2, 16, 10)
    with borrow() as space:
        dots = count_digits([x, x], filters(kernel, pieces), 32, space)
        assert np.array_equal(dots[:, 0, :5], a @ pairs.sum(0)), "both rows of the kernel met the same bits"
        assert np.array_equal(dots[:, 0, 5:], a @ pairs.sum(0))


def test_signs_of_words_are_the_signs():
    a = random_signs(np.random.default_rng(4), 3, 70)
    unpacked = signs(pack(a), 70)
    assert np.array_equal(unpacked[:, :70], a) and (unpacked[:, 70:] == 1).all() and unpacked.shape == (3, 72)


def test_the_choice_is_one_of_the_two():
    assert {faster(M, F, n).name for M in (1, 64, 4096) for F in (1, 64) for n in (8, 576)} == {"popcount", "digits"}
