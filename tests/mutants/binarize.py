"""Wrong versions of sign, scales and packing."""

import numpy as np

from tinybnn import binarize, bitpack
from tinybnn.binarize import BinarizeGrads
from tinybnn.digits import signs
from tinybnn.product import DIGITS, TRIPLES, forms, packed_matmul, packed_matmul_loops
from tinybnn.testing.ops.binarize import packed_rows

from .mutant import Mutant


def binarize_with(rule):
    """The forward of binarize with another comparison."""

    def forward(x, tau, *, quantizer=binarize.clipped):
        return rule(x, tau).astype(x.dtype), None

    return forward


def strict_mask(dy, cache):
    dx = dy * (np.abs(cache.shifted) < 0.9)
    return BinarizeGrads(dx, -dx.sum(0))


def clips_the_gradient(dy, cache):
    dx = np.clip(dy, -1, 1)
    return BinarizeGrads(dx, -dx.sum(0))


def tau_not_negated(dy, cache):
    good = binarize.binarize_backward(dy, cache)
    return good._replace(dtau=-good.dtau)


def tau_averaged(dy, cache):
    good = binarize.binarize_backward(dy, cache)
    return good._replace(dtau=good.dtau / len(dy))


def accumulates(dy, cache):
    cache.shifted[...] += 1e-3
    return binarize.binarize_backward(dy, cache)


def packed_strictly(x, tau, **_):
    return bitpack.unpack(bitpack.pack_bits(x <= tau), x.shape[-1], dtype=x.dtype)


def pack_msb_first(x):
    C = x.shape[-1]
    octets = np.zeros((*x.shape[:-1], bitpack.words(C) * 8), np.uint8)
    octets[..., : -(-C // 8)] = np.packbits(x < 0, axis=-1, bitorder="big")
    return octets.view(np.uint64)


def pack_one_is_plus(x):
    return bitpack.pack_bits(x > 0)


def pack_dirty_tail(x):
    words = bitpack.pack(x)
    words[..., -1] |= np.uint64(1 << 63)
    return words


def dot_counts_agreements(a, b):
    return packed_rows(lambda p, q, n: 2 * np.bitwise_count(p ^ q).sum(-1, dtype=np.int64) - n, a, b)


def dot_of_all_bits(a, b):
    return packed_rows(lambda p, q, n: p.shape[-1] * 64 - 2 * np.bitwise_count(p ^ q).sum(-1, dtype=np.int64), a, b)


def dot_in_eight_bits(a, b):
    return packed_rows(lambda p, q, n: n - 2 * np.bitwise_count(p ^ q).sum(-1, dtype=np.uint8).astype(int), a, b)


def matmul_in_eight_bits(a, b):
    return packed_rows(
        lambda p, q, n: n - 2 * np.bitwise_count(p[:, None] ^ q).sum(-1, dtype=np.uint8).astype(int), a, b
    )


def matmul_first_word_only(a, b):
    return packed_rows(lambda p, q, n: packed_matmul_loops(p[:, :1], q[:, :1], n), a, b)


def with_form(spoilt=DIGITS, **changes):
    """packed_matmul by digits or triples, with a part of the form spoilt."""
    form = spoilt._replace(**changes)
    return lambda a, b: packed_rows(packed_matmul, a, b, form=form)


def in_one_piece(b, n):
    """Filters whose digits are told apart once, however many signs were added up."""
    f = DIGITS.right(b, n)
    return f._replace(pieces=(tuple(part for piece in f.pieces for part in piece),))


def triples_in_one_piece(b, n):
    """Read once, however many bits disagree: a byte carries into the next."""
    f, w = TRIPLES.right(b, n), DIGITS.right(b, n).w[0]
    biases = sum(f.w[piece.stop - 1] for piece in f.pieces)
    return f._replace(w=np.concatenate([w, biases[None]]), pieces=(slice(0, len(w) + 1),))


def triples_in_one_piece_rows(a, n):
    x, f = TRIPLES.left(a, n), TRIPLES.right(a, n)
    ones = [piece.stop - 1 for piece in f.pieces[:-1]]
    return np.delete(x, ones, axis=1)


def triples_without_biases(b, n):
    """Bytes borrow from the next wherever more bits of 1 meet -1 than +1."""
    f = TRIPLES.right(b, n)
    w = f.w.copy()
    w[[piece.stop - 1 for piece in f.pieces]] = 0
    return f._replace(w=w)


def halves_exchanged(a, b, n, y):
    """The high digit's rows before the low one's."""
    DIGITS.dots(a, b, n, y)
    half = len(a)
    whole = np.zeros((2 * half, y.shape[1]), y.dtype)
    whole[: len(y)] = y
    y[...] = np.roll(whole, half, axis=0)[: len(y)]
    return y


def tails_count(b, n):
    """Filters whose tail is +1: what lies beyond n is added up."""
    w = signs(b, 64 * b.shape[1])[:, : 8 * -(-n // 8)]
    return DIGITS.right(b, n)._replace(w=w.T[None])


MUTANTS = (
    Mutant("binarize", "packed", "a tie counts as -1", packed_strictly),
    Mutant("sign", "packed", "bit 1 read as +1", lambda x: -binarize.sign(x)),
    Mutant("sign", "forward", "ternary: sign(0) = 0", lambda x: np.sign(x)),
    Mutant("sign", "forward", "treats 0 as -1", lambda x: np.where(x > 0, 1, -1).astype(x.dtype)),
    Mutant("sign", "forward", "reads the sign bit, so -0.0 becomes -1", lambda x: np.copysign(x.dtype.type(1), x)),
    Mutant("sign", "forward", "returns booleans", lambda x: x >= 0),
    Mutant(
        "binarize", "forward", "strict comparison at the threshold", binarize_with(lambda x, t: np.where(x > t, 1, -1))
    ),
    Mutant("binarize", "forward", "adds the threshold", binarize_with(lambda x, t: np.where(x + t >= 0, 1, -1))),
    Mutant("binarize", "forward", "ignores the threshold", binarize_with(lambda x, t: np.where(x >= 0, 1, -1))),
    Mutant("binarize", "backward", "masks too early, and the same for every surrogate", strict_mask),
    Mutant("binarize", "backward", "clips the gradient instead of masking by x", clips_the_gradient),
    Mutant("binarize", "backward", "forgets the minus sign of dtau", tau_not_negated),
    Mutant("binarize", "backward", "averages dtau instead of summing", tau_averaged),
    Mutant("binarize", "backward", "writes into its cache", accumulates),
    Mutant(
        "mean_abs", "forward", "sums |w| instead of averaging", lambda w: (np.abs(w).reshape(-1, w.shape[-1]).sum(0), w)
    ),
    Mutant("mean_abs", "forward", "one scale for all filters", lambda w: (np.full(w.shape[-1], np.abs(w).mean()), w)),
    Mutant("mean_abs", "backward", "treats the scale as a constant", lambda d, w: np.zeros_like(w)),
    Mutant("mean_abs", "backward", "divides by all weights, not by one filter's", lambda d, w: np.sign(w) * d / w.size),
    Mutant("pack", "forward", "most significant bit first", pack_msb_first),
    Mutant("pack", "forward", "1 means +1", pack_one_is_plus),
    Mutant("pack", "forward", "leaves ones in the tail", pack_dirty_tail),
    Mutant("unpack", "forward", "bit 1 read as +1", lambda x: -x),
    Mutant("packed_dot", "packed", "2 popcount - n: counts disagreements as agreements", dot_counts_agreements),
    Mutant("packed_dot", "packed", "n is the number of bits stored, tail included", dot_of_all_bits),
    Mutant("packed_dot", "packed", "8-bit counter overflows beyond 255", dot_in_eight_bits),
    *(
        Mutant(name, "packed", reason, wrong)
        for name in forms("packed_matmul", TRIPLES)
        for reason, wrong in {
            "8-bit counter overflows beyond 255": matmul_in_eight_bits,
            "forgets every word but the first": matmul_first_word_only,
        }.items()
    ),
    *(
        Mutant("packed_matmul by digits", "packed", reason, wrong)
        for reason, wrong in {
            "a digit carries into the other": with_form(right=in_one_piece),
            "the halves exchanged": with_form(dots=halves_exchanged),
            "the tail is added up": with_form(right=tails_count),
        }.items()
    ),
    *(
        Mutant("packed_matmul by triples", "packed", reason, wrong)
        for reason, wrong in {
            "a byte carries into the next": with_form(
                TRIPLES, right=triples_in_one_piece, left=triples_in_one_piece_rows
            ),
            "forgets the filter's -1: bytes borrow": with_form(TRIPLES, right=triples_without_biases),
        }.items()
    ),
)
