"""The roofline of this machine, with each form of the product of signs: work per second against work per byte.

A roofline has two parts. A program below the slanted line waits for memory: the more it does with each byte, the faster
it is. A program below the flat line waits for arithmetic. Work is counted in binary multiply-accumulates. Bytes are
those of both operands and of the result, each counted once. ``python -m benchmarks.roofline`` draws
``docs/roofline.png``.
"""

import json
import sys

import numpy as np

from tinybnn.fast.product import digit_filters, digit_product, digit_rows, popcount_product, words_first
from tinybnn.ops.bitpack import pack, packed_matmul, packed_matmul_loops

from .harness import Row, check, in_turn

M, F, N = 4096, 64, 576
C_KERNEL = 17.0
"""A C kernel with vector popcount, times BLAS with AVX-512: measured once, on another machine."""


def rows():
    rng = np.random.default_rng(0)
    a, b = (rng.choice(np.float32([-1, 1]), (rows, N)) for rows in (M, F))
    bt, y = np.ascontiguousarray(b.T), np.empty((M, F), np.float32)
    words = pack(a).nbytes + pack(b).nbytes
    functions = {"BLAS, float32": lambda: np.matmul(a, bt, out=y)}
    nbytes = {"BLAS, float32": a.nbytes + b.nbytes + y.nbytes}
    packed_a, packed_b = pack(a), pack(b)
    words_a, words_b = words_first(packed_a), words_first(packed_b)
    digits_a, digits_b = digit_rows(packed_a, N), digit_filters(packed_b, N)
    functions |= {
        "packed NumPy, plain popcount": lambda: packed_matmul(packed_a, packed_b, N),
        "packed NumPy, popcount": lambda: popcount_product(words_a, words_b, N),
        "packed NumPy, digits": lambda: digit_product(digits_a, digits_b),
    }
    for name in list(functions)[1:]:
        result = functions[name]()
        check(name, result, a @ bt)
        operands = digits_a.nbytes + digits_b.w.nbytes if "digits" in name else words
        nbytes[name] = operands + result.nbytes
    naive = "packed NumPy, one broadcast"
    functions[naive] = lambda: N - 2 * np.bitwise_count(packed_a[:, None] ^ packed_b).sum(-1, dtype=np.int32)
    nbytes[naive] = words + 4 * y.size
    timed, macs = in_turn(functions), M * F * N
    for name in functions:
        seconds = np.median(timed.seconds[timed.names.index(name)])
        yield Row("roofline", name, macs / seconds / 1e9, f"{macs / nbytes[name]:.1f} a byte", unit="GMAC/s")
    small = pack(a[:8]), pack(b[:4])
    loop = in_turn({"loops": lambda: packed_matmul_loops(*small, N)})
    yield Row(
        "roofline",
        "Python loops over words",
        8 * 4 * N / np.median(loop.seconds) / 1e9,
        f"{8 * 4 * N / (small[0].nbytes + small[1].nbytes + 128):.1f} a byte",
        unit="GMAC/s",
    )
    large = np.ones(2**25, np.float32)
    copied = in_turn({"memory": lambda: np.add(large, 1, out=large)})
    yield Row("roofline", "memory", 2 * large.nbytes / np.median(copied.seconds) / 1e9, "read and written", unit="GB/s")


def draw(measured, path):
    """``measured``: rows as dicts of case, value and detail."""
    from tinybnn.app.pictures import new_figure, save_figure

    points = {r["case"]: (float(r["detail"].split()[0]), r["value"]) for r in measured if r["unit"] == "GMAC/s"}
    memory = next(r["value"] for r in measured if r["unit"] == "GB/s")
    blas = points["BLAS, float32"]
    low, high = 1, max(x for x, _ in points.values()) * 3
    fig = new_figure(7, 4.6)
    axis = fig.subplots()
    x = np.geomspace(low, high, 200)
    for roof, name in (
        (blas[1], "float32 multiply-add, as BLAS reaches it"),
        (C_KERNEL * blas[1], "vector popcount, in C (another machine)"),
    ):
        axis.plot(x, np.minimum(memory * x, roof), color="#888888", lw=1.2)
        axis.text(high, roof * 1.08, name, ha="right", fontsize=7, color="#555555")
    axis.text(low * 1.1, memory * low * 1.5, f"memory: {memory:.0f} GB/s", fontsize=7, color="#555555", rotation=28)
    for i, (name, (work, speed)) in enumerate(points.items()):
        axis.plot(work, speed, "o", ms=6, color=f"C{i}", label=f"{name}: {speed:.3g} GMAC/s")
    words = points["packed NumPy, popcount"][0]
    axis.plot(
        words,
        C_KERNEL * blas[1],
        "x",
        ms=7,
        color="#c0392b",
        label=f"C with vector popcount: {C_KERNEL:.0f} times BLAS",
    )
    axis.set(
        xscale="log", yscale="log", xlim=(low, high), xlabel="binary multiply-accumulates a byte of operands and result"
    )
    axis.set_ylabel("binary multiply-accumulates a second, in 10⁹")
    axis.legend(fontsize=7, loc="lower right")
    axis.grid(alpha=0.25, which="both")
    save_figure(fig, path)


if __name__ == "__main__":
    draw([row._asdict() for row in rows()], sys.argv[1] if len(sys.argv) > 1 else "docs/roofline.png")
    print(json.dumps({"drawn": True}))
