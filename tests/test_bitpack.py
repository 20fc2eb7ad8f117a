"""The meaning and order of bits, the zero tail, and the words of Larq Compute Engine computed by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinybnn.ops.binarize import binarize, sign
from tinybnn.ops.bitpack import (
    binarize_packed,
    pack,
    pack_bits,
    pack_loops,
    packed_dot,
    packed_dot_loops,
    packed_matmul,
    unpack,
    unpack_loops,
    words,
)
from tinybnn.testing.strategies import generators, signs, word_edges

law = settings(derandomize=True, database=None, deadline=None, max_examples=40)


@law
@given(word_edges, generators())
def test_packing_and_unpacking_lose_nothing(C, rng):
    x = signs(rng, 2, 3, C)
    assert np.array_equal(unpack(pack(x), C, np.float64), x)


@pytest.mark.parametrize("outer", [(), (3,), (2, 5)])
def test_the_last_axis_is_packed_for_any_number_of_axes(outer):
    x, y = (signs(np.random.default_rng(seed), *outer, 65) for seed in (0, 1))
    a, b = pack(x), pack(y)
    assert np.array_equal(a, pack_loops(x)) and np.array_equal(unpack(a, 65), unpack_loops(a, 65))
    dots = packed_dot_loops(a, b, 65)
    assert (
        dots.dtype == np.int64 and np.array_equal(packed_dot(a, b, 65), dots) and np.array_equal(dots, (x * y).sum(-1))
    )


@law
@given(word_edges, generators())
def test_the_tail_is_zero(C, rng):
    last = pack(-np.ones(C))[-1]
    used = C - 64 * (words(C) - 1)
    assert int(last) == 2**used - 1


def test_the_bytes_are_those_of_32_bit_words_least_significant_bit_first():
    """Larq Compute Engine's words: 32 bits, bit i of word j is channel 32 j + i, 1 means -1."""
    x = signs(np.random.default_rng(0), 100)
    expected = [sum(int(x[32 * j + i] < 0) << i for i in range(32) if 32 * j + i < 100) for j in range(4)]
    assert pack(x).view("<u4").tolist() == expected


@law
@given(word_edges, generators(), st.integers(1, 4), st.integers(1, 5))
def test_packed_products_are_the_products(n, rng, M, F):
    a, b = signs(rng, M, n), signs(rng, F, n)
    assert np.array_equal(packed_matmul(pack(a), pack(b), n), a @ b.T)
    assert np.array_equal(packed_dot(pack(a), pack(np.resize(b, a.shape)), n), (a * np.resize(b, a.shape)).sum(-1))


def test_binarize_packed_is_pack_of_binarize_with_ties_and_both_zeros():
    x, tau = np.array([[0.5, -0.0, 0.0, -1.0], [0.4999, 0.0, -0.0, 1.0]]), np.array([0.5, 0.0, -0.0, -1.0])
    assert np.array_equal(binarize_packed(x, tau), pack(binarize(x, tau)[0]))


def test_pack_refuses_zero():
    with pytest.raises(ValueError, match=r"pack: x\[2\] is 0.0, expected every value to be -1 or \+1"):
        pack(np.array([1.0, -1.0, 0.0]))
    assert pack(sign(np.array([1.0, -1.0, 0.0])))[0] == 2


ROW = pack(np.ones((3, 65)))


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: pack(np.ones(3, int)), "pack: x has dtype int64, expected float32 or float64"),
        (lambda: pack_bits(np.ones(3)), "pack_bits: negative has dtype float64, expected bool"),
        (lambda: unpack(np.ones(2), 65), "unpack: packed has dtype float64, expected uint64"),
        (lambda: unpack(ROW, 64), "unpack: packed has 2 words a row, expected 1 for C = 64"),
        (lambda: unpack(ROW, 0), "unpack: C is 0, expected a whole number >= 1"),
        (lambda: unpack(ROW[None], 64), "unpack: packed has 2 words a row, expected 1 for C = 64"),
        (lambda: packed_dot(ROW[None], ROW[None], 64), "packed_dot: a has 2 words a row, expected 1 for n = 64"),
        (lambda: binarize_packed(np.ones((4, 3)), np.zeros(1)), r"binarize_packed: tau has .* with C = 3 from x$"),
        (lambda: packed_dot(ROW, ROW, 64), "packed_dot: a has 2 words a row, expected 1 for n = 64"),
        (lambda: packed_dot(ROW, ROW[:1], 65), r"packed_dot: b has shape \(1, 2\), expected \(3, 2\) from a$"),
        (lambda: packed_matmul(ROW[0], ROW, 65), r"packed_matmul: a has shape \(2,\), expected \(M, words\)"),
        (
            lambda: binarize_packed(np.zeros(1), np.array([np.nan])),
            r"binarize_packed: tau\[0\] is nan, expected finite values",
        ),
        (
            lambda: binarize_packed(np.array([np.nan]), np.zeros(1)),
            r"binarize_packed: x\[0\] is nan, which has",
        ),
    ],
)
def test_errors_name_what_came_and_what_was_expected(call, message):
    with pytest.raises((ValueError, TypeError), match=f"^{message}"):
        call()
