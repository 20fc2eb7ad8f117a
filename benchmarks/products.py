"""Exact products of matrices of signs against float32 BLAS on the same values, operands ready on both sides."""

import numpy as np

from tinybnn.fast.product import digit_filters, digit_product, digit_rows, popcount_product, words_first
from tinybnn.ops.bitpack import pack, packed_matmul, packed_matmul_loops

from .harness import Row, check, in_turn

SHAPES = (4096, 64, 576), (16384, 128, 1152), (4096, 256, 2304), (16384, 32, 288)
"""(M, F, n): rows, filters, signs. These are 3x3 convolutions with 64, 128, 256 and 32 channels."""

POPCOUNT_BOUND = {"Haswell": 1.5, "Zen": 1.5}
"""What popcount is to reach, by BLAS kernel; 0.9 against any AVX-512 kernel."""


def rows():
    from .child import environment

    kernel = environment()["kernel"]
    rng = np.random.default_rng(0)
    for M, F, n in SHAPES:
        a, b = (rng.choice(np.float32([-1, 1]), (rows, n)) for rows in (M, F))
        bt, product, packed_a, packed_b = np.ascontiguousarray(b.T), np.empty((M, F), np.float32), pack(a), pack(b)
        words_a, words_b = words_first(packed_a), words_first(packed_b)
        digits_a, digits_b = digit_rows(packed_a, n), digit_filters(packed_b, n)
        functions = {
            "BLAS": lambda a=a, bt=bt, product=product: np.matmul(a, bt, out=product),
            "digits": lambda x=digits_a, f=digits_b: digit_product(x, f),
            "popcount": lambda x=words_a, f=words_b, n=n: popcount_product(x, f, n),
            "plain popcount": lambda x=packed_a, f=packed_b, n=n: packed_matmul(x, f, n),
        }
        for name in ("digits", "popcount", "plain popcount"):
            y = functions[name]()
            check(name, y[:3, :2], packed_matmul_loops(packed_a[:3], packed_b[:2], n))
            check(name, y, a @ bt)
        timed = in_turn(functions)
        case = f"{M} x {n} by {n} x {F}"
        best = timed.fastest("digits", "popcount")
        yield Row("best exact binary product over BLAS", f"{case}: {best}", timed.ratio("BLAS", best), timed.ms(), 2.0)
        bound = POPCOUNT_BOUND.get(kernel, 0.9)
        size = f"operands {(a.nbytes + b.nbytes) / (packed_a.nbytes + packed_b.nbytes):.1f} times smaller"
        yield Row("popcount product over BLAS", case, timed.ratio("BLAS", "popcount"), size, bound)
