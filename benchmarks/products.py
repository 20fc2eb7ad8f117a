"""Exact products of matrices of signs against float32 BLAS on the same values, operands ready on both sides."""

import numpy as np

from tinybnn.fast.product import DIGITS, POPCOUNT, TRIPLES, narrow, packed_matmul_loops
from tinybnn.ops.bitpack import pack

from .harness import Row, check, in_turn

SHAPES = (4096, 64, 576), (16384, 128, 1152), (4096, 256, 2304), (16384, 32, 288)
"""(M, F, n): rows, filters, signs. Those of 3x3 convolutions of 64, 128, 256 and 32 channels."""

POPCOUNT_BOUND = {"Haswell": 1.5, "Zen": 1.5}
"""What the popcount form is to reach by BLAS kernel; 0.9 against any AVX-512 kernel."""


def rows():
    from .child import environment

    kernel = environment()["kernel"]
    rng = np.random.default_rng(0)
    for M, F, n in SHAPES:
        a, b = (rng.choice(np.float32([-1, 1]), (rows, n)) for rows in (M, F))
        bt, product, y = np.ascontiguousarray(b.T), np.empty((M, F), np.float32), np.empty((M, F), narrow(n))
        functions = {"BLAS": lambda a=a, bt=bt, product=product: np.matmul(a, bt, out=product)}
        for form in (TRIPLES, DIGITS, POPCOUNT):
            left, right = form.left(pack(a), n), form.right(pack(b), n)
            y[...] = 0
            form.dots(left, right, n, y)
            check(form.name, y[:3, :2], packed_matmul_loops(pack(a[:3]), pack(b[:2]), n))
            check(form.name, y, a @ bt)
            functions[form.name] = lambda form=form, left=left, right=right, n=n, y=y: form.dots(left, right, n, y)
        timed = in_turn(functions)
        case = f"{M} x {n} by {n} x {F}"
        best = timed.fastest("triples", "digits", "popcount")
        yield Row("best exact binary product over BLAS", f"{case}: {best}", timed.ratio("BLAS", best), timed.ms(), 2.0)
        bound = POPCOUNT_BOUND.get(kernel, 0.9)
        size = f"operands {(a.nbytes + b.nbytes) / (pack(a).nbytes + pack(b).nbytes):.1f} times smaller"
        yield Row("popcount product over BLAS", case, timed.ratio("BLAS", "popcount"), size, bound)
