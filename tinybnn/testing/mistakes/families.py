"""Mistakes that look alike in many functions, each made once: counts of bits, dtypes, memory, caches, scores."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ...notation import IGNORE, Array
from ...ops.binary_conv import conv2d_packed
from ...ops.upsample_conv import upsample_conv2d_packed
from ..forms import FORMS
from .mistake import Mistake, substituted

# fmt: off

# -- popcount: four functions that count bits -----------------------------------------------------------------------

RIGHT = "n - 2 * popcount(a ^ b)"
FORMULA = ("tensorpack/tensorpack#26", "JDAI-CV/dabnn#40", "Xilinx/finn#31")
COUNTS: tuple[tuple[str, ...], ...] = (
    ("2 popcount - n after XOR: counts disagreements as agreements", "2 * popcount(a ^ b) - n",
     "every product has the wrong sign and the right size; a row with itself gives -n", *FORMULA),
    ("n - 2 popcount after XNOR", "n - 2 * popcount(~(a ^ b))",
     "every product has the wrong sign; with 65 channels also the wrong size, for the tail agrees", *FORMULA),
    ("2 popcount - n after XNOR, the tail counted as agreement", "2 * popcount(~(a ^ b)) - n",
     "64 channels pass, 65 fail: every product is too large by twice the bits that are no channels",
     "JDAI-CV/dabnn#28"),
    ("n is the number of bits stored, tail included", "64 * a.shape[-1] - 2 * popcount(a ^ b)",
     "64 channels pass, 65 fail: every product is too large by the bits that are no channels",
     "larq/compute-engine#527", "JDAI-CV/dabnn#28"),
    ("the number of agreements, without 2 p - n", "n - popcount(a ^ b)",
     "products are never negative, and half as far apart as they should be",
     "Xilinx/finn#31", "MatthieuCourbariaux/BinaryNet#5"),
    ("the number of disagreements, without n - 2 p", "popcount(a ^ b)",
     "products are never negative, and the more alike two rows are the smaller", "JDAI-CV/dabnn#40"),
    ("AND and popcount, as for bits that mean 0 and 1", "popcount(a & b)",
     "products are never negative; only places where both sides are -1 count", "tensorpack/tensorpack#26"),
    ("AND in place of XOR", "n - 2 * popcount(a & b)",
     "rows of +1 always give n, whatever the other side is", "tensorpack/tensorpack#26"),
    ("8-bit counter overflows beyond 255", "n - 2 * popcount(a ^ b, np.uint8).astype(np.int64)",
     "right up to 255 disagreeing bits; a 3x3 layer over 64 channels has up to 576, and sometimes is off by 512"),
    ("result kept in 8 bits", "(n - 2 * popcount(a ^ b)).astype(np.int8)",
     "right between -128 and 127, where most products of random rows lie; large ones change sign"),
    ("unsigned result: negative products wrap round", "(n - 2 * popcount(a ^ b)).astype(np.uint32)",
     "half of the outputs are about four thousand million", "numpy/numpy#21237"),
    ("32-bit popcount of a 64-bit word", "n - 2 * popcount((a ^ b) & np.uint64(0xFFFFFFFF))",
     "right up to 32 channels; beyond, differences in the upper half of every word are not seen",
     "AlexeyAB/darknet#2382"),
    ("forgets the last word where it is not full", "n - 2 * popcount((a ^ b)[..., : n // 64])",
     "right for multiples of 64 channels; otherwise the last few count as if they always agreed"),
    ("forgets every word but the first", "n - 2 * popcount((a ^ b)[..., :1])",
     "right up to 64 channels; beyond, they count as if they always agreed"),
    ("one side's bytes in reverse: big-endian words", "n - 2 * popcount(a ^ np.ascontiguousarray(b).byteswap())",
     "products look like those of random rows: around 0"),
    ("one side's bits in the other order within a byte", "n - 2 * popcount(a ^ mirrored(b))",
     "products look like those of random rows, except where neighbouring channels are alike", "numpy/numpy#9398"),
    ("one side's 32-bit halves exchanged", "n - 2 * popcount(a ^ (b >> np.uint64(32) | b << np.uint64(32)))",
     "products look like those of random rows; with 32 channels or fewer everything is compared with the empty half"),
)
"""Reason, the wrong line in place of :data:`RIGHT`, symptom, threads."""


def popcount(words: Array, dtype: Any = np.int64) -> Array:
    """Bits of 1 in each row of words, counted in ``dtype``."""
    return np.bitwise_count(words).sum(-1, dtype=dtype)


def mirrored(words: Array) -> Array:
    """The bits of every byte in the other order."""
    bits = np.unpackbits(np.ascontiguousarray(words).view(np.uint8), axis=-1)
    return np.packbits(bits, axis=-1, bitorder="little").view(np.uint64)


def of_dot(dot: Callable) -> dict[str, Callable]:
    """The four functions with another dot product of packed rows."""
    dots = "dots(columns[:, None], wg.reshape(len(wg), -1), n)"
    pieces = [("(n - 2 * differing_bits(columns, wg.reshape(len(wg), -1)))", dots), ("z -= conv2d(", "z = z - conv2d(")]
    conv = substituted(conv2d_packed, pieces, dots=dot)
    return {
        "packed_dot": dot,
        "packed_matmul": lambda a, b, n: dot(a[:, None], b, n),
        "conv2d_packed": conv,
        "upsample_conv2d_packed": substituted(upsample_conv2d_packed, [], conv2d_packed=conv),
    }


POPCOUNT = [
    Mistake(name, reason, wrong, symptom, tuple(met), RIGHT, line)
    for reason, line, symptom, *met in COUNTS
    for name, wrong in of_dot(eval(f"lambda a, b, n: {line}", globals())).items()  # noqa: S307  the lines above
]

# -- dtypes, memory, caches, scores ---------------------------------------------------------------------------------


def in_float64(function: Callable) -> Callable:
    """The right numbers in the wrong dtype, as from ``np.where(..., 1.0, -1.0)`` or one float64 scalar."""
    def wrong(*args: Any, **options: Any) -> Any:
        out = function(*args, **options)
        if hasattr(out, "_fields"):  # gradients
            return type(out)(*(part.astype(np.float64) for part in out))
        return (out[0] if isinstance(out, tuple) else out).astype(np.float64)
    return wrong


def as_it_lies(a: Any) -> Any:
    """What a kernel reads from a bare pointer: the first values in memory, whatever ``a.strides`` say."""
    if not isinstance(a, np.ndarray) or a.flags.c_contiguous:
        return a
    owner = a if a.base is None else np.asarray(a.base)
    return owner.ravel(order="K")[: a.size].reshape(a.shape)


def from_the_pointer(function: Callable) -> Callable:
    return lambda *args, **options: function(*map(as_it_lies, args), **options)


def into_its_input(function: Callable) -> Callable:
    """Right, but the first argument holds other values afterwards."""
    def wrong(x: Array, *args: Any, **options: Any) -> Any:
        out = function(x, *args, **options)
        x += 1
        return out
    return wrong


def spends_its_cache(function: Callable) -> Callable:
    """Right once: the arrays of the cache hold other values afterwards."""
    def wrong(dy: Array, cache: Any) -> Any:
        out = function(dy, cache)
        for array in cache if isinstance(cache, tuple) else (cache,):
            if isinstance(array, np.ndarray) and array.dtype.kind == "f":
                array += 1
        return out
    return wrong


def of_stretched(score: Callable) -> Callable:
    """The score of a prediction that is first stretched to [0, 1], as ``py_sod_metrics`` does."""
    def wrong(p: Array, target: Array, **options: float) -> Array:
        return score((p - p.min()) / (p.max() - p.min()) if p.max() > p.min() else p, target, **options)
    return wrong


def of_background(score: Callable) -> Callable:
    """The score of a prediction whose ignored pixels count as background."""
    return lambda p, target, **options: score(p, np.where(target == IGNORE, 0, target), **options)


WIDE = "right values; everything after it takes twice the memory and time"
FAMILIES: tuple[tuple[Callable, str, str, tuple[str, ...], str], ...] = (
    (from_the_pointer, "reads from the pointer, whatever the strides",
     "right for fresh arrays; slices and transposed arrays give rubbish without any error",
     ("mzechmeister/serval#8", "fwilliams/numpyeigen#40", "pyccel/pyccel#1288"),
     "pack unpack binarize_packed packed_dot packed_matmul conv2d conv2d_packed upsample_conv2d_packed max_pool2d "
     "confusion_matrix"),
    (in_float64, "turns float32 into float64", WIDE, (),
     "sign binarize binarize_backward mean_abs conv2d conv2d_backward binary_conv2d batch_norm batch_norm_inference "
     "hardtanh hardtanh_backward max_pool2d_backward avg_pool2d_backward cross_entropy cross_entropy_backward "
     "binary_cross_entropy binary_cross_entropy_backward dice dice_backward mae f_curve e_curve s_measure "
     "attention_backward latent_step bop_step"),
    (in_float64, "turns float32 into float64", WIDE, ("Theano/Theano#4483", "Lasagne/Lasagne#677"), "prelu"),
    (in_float64, "np.sqrt(D) is a float64, and turns float32 into float64", WIDE,
     ("bh107/bohrium#16", "netket/netket#1218"), "attention binary_attention"),
    (into_its_input, "writes into its input",
     "this layer is right; a shortcut, a second branch or the backward pass reads other values", (),
     "sign binarize batch_norm update_running hardtanh rprelu cross_entropy attend"),
    (into_its_input, "writes into its input", "if a slope is negative, the backward pass cannot know the sign of x",
     ("pytorch/pytorch#31938",), "prelu"),
    (spends_its_cache, "uses up its cache",
     "nothing in a plain training loop; a second backward pass, as in a gradient check, gives other numbers", (),
     "binarize_backward batch_norm_backward sigmoid_backward multi_branch_upsample_backward cross_entropy_backward "
     "binary_cross_entropy_backward"),
    (of_stretched, "stretches the prediction to [0, 1]",
     "too good for a network that never predicts 0 or 1; right for one that predicts both", ("py_sod_metrics",),
     "mae f_curve e_curve s_measure"),
    (of_background, "counts ignored pixels, as background",
     "right for masks without ignored pixels; worse the wider the border that is to be ignored", (),
     "mae f_curve e_curve s_measure"),
)
"""How a right function is spoilt, reason, symptom, threads, and the functions."""

MISTAKES = [
    Mistake(name, reason, spoilt(FORMS[name].function), symptom, met)
    for spoilt, reason, symptom, met, names in FAMILIES
    for name in names.split()
]
