"""The fast form of every operation against its specification in loops, on a large case."""

from functools import partial

import numpy as np

from tinybnn.ops.binarize import clipped
from tinybnn.ops.bitpack import pack
from tinybnn.ops.fold import Threshold
from tinybnn.ops.norm import batch_norm, update_running
from tinybnn.ops.upsample import NEAREST
from tinybnn.testing import FORMS, Case
from tinybnn.testing.op import bare

from .harness import Row, check, in_turn

RNG = np.random.default_rng(0)


def real(*shape):
    return RNG.normal(size=shape)


def positive(*shape):
    return RNG.uniform(0.1, 0.9, shape)


def signs(*shape):
    return RNG.choice([-1.0, 1.0], shape)


def labels(classes, *shape):
    return RNG.integers(0, classes, shape).astype(np.uint8)


def geometry(**options):
    return {"stride": (1, 1), "pad": (1, 1), "dilation": (1, 1), "groups": 1} | options


def branches(**options):
    args = real(1, 5, 6, 8), real(3, 8), real(3, 3, 3, 8, 4), positive(3, 4), real(3, 4)
    return Case(args, {"pad_value": 1, "scale": (2, 2), "pad": (1, 1), "upsamplers": (NEAREST,) * 3} | options)


def tokens(*scales, **options):
    """64 tokens of width 16."""
    return Case((real(1, 64, 16), real(1, 64, 16), real(1, 64, 16), *(positive(2) for _ in scales)), options)


GRID = {"grid": (8, 8), "levels": (1, 2, 3), "heads": 2, "quantizer": clipped}
MAP = Case((real(2, 32, 32, 16),), {})
PLANE, MASK = positive(96, 128), labels(2, 96, 128)

CASES = {
    "sign": MAP,
    "binarize": Case((*MAP.args, real(16)), {"quantizer": clipped}),
    "binarize_packed": Case((real(600, 130), real(130))),
    "mean_abs": Case((real(3, 3, 64, 64),)),
    "pack": Case((signs(600, 130),)),
    "unpack": Case((pack(signs(600, 130)), 130)),
    "packed_dot": Case((pack(signs(4000, 300)), pack(signs(4000, 300)), 300)),
    "packed_matmul": Case((pack(signs(128, 300)), pack(signs(64, 300)), 300)),
    "conv2d": Case((real(1, 10, 12, 8), real(3, 3, 8, 12)), geometry(pad_value=0.0)),
    "conv_transpose2d": Case((real(1, 10, 12, 12), real(3, 3, 8, 12)), geometry(size=(10, 12))),
    "binary_conv2d": Case(
        (signs(1, 10, 12, 8), real(3, 3, 8, 12), positive(12)), geometry(pad_value=1, quantizer=clipped)
    ),
    "conv2d_packed": Case((signs(1, 10, 12, 64), signs(3, 3, 64, 4)), geometry(pad_value=1)),
    "phase_kernel": Case((real(3, 3, 32, 64), (2, 2))),
    "upsample_conv2d": Case((real(1, 5, 6, 8), real(3, 3, 8, 12)), {"scale": (2, 2), "pad": (1, 1), "pad_value": 0.0}),
    "upsample_conv2d_packed": Case(
        (signs(1, 5, 6, 64), signs(3, 3, 64, 4)), {"scale": (2, 2), "pad": (1, 1), "pad_value": 1}
    ),
    "batch_norm": Case((*MAP.args, real(16), real(16)), {"eps": 1e-5}),
    "update_running": Case((real(16), positive(16), real(2, 64, 64, 16)), {"momentum": 0.9}),
    "batch_norm_inference": Case((*MAP.args, real(16), real(16), real(16), positive(16)), {"eps": 1e-5}),
    "fold_batch_norm": Case((positive(16), real(16), real(16), real(16), positive(16), 576)),
    "threshold_sign": Case(
        (RNG.integers(-9, 10, (2000, 16)), Threshold(RNG.integers(-9, 10, 16), RNG.random(16) < 0.5))
    ),
    "hardtanh": MAP,
    "prelu": Case((*MAP.args, real(16))),
    "rprelu": Case((*MAP.args, real(16), real(16), real(16))),
    "sigmoid": MAP,
    "max_pool2d": Case(MAP.args, {"kernel": (2, 2), "stride": None, "pad": (0, 0)}),
    "max_pool2d_packed": Case((signs(2, 32, 32, 16),), {"kernel": (2, 2), "stride": None}),
    "avg_pool2d": Case(MAP.args, {"kernel": (2, 2), "stride": None}),
    "adaptive_avg_pool2d": Case(MAP.args, {"size": 6}),
    "upsample_nearest": Case((real(2, 16, 16, 16),), {"scale": 2}),
    "upsample_nearest_packed": Case((signs(2, 16, 16, 16),), {"scale": 2}),
    "upsample_bilinear": Case((real(1, 16, 16, 16),), {"scale": 2, "align_corners": False}),
    "depth_to_space": Case((real(2, 16, 16, 64),), {"scale": (2, 2)}),
    "space_to_depth": Case((real(2, 32, 32, 16),), {"scale": (2, 2)}),
    "multi_branch_upsample": branches(quantizer=clipped),
    "multi_branch_upsample_packed": branches(),
    "cross_entropy": Case((real(2, 32, 32, 19), labels(19, 2, 32, 32)), {"class_weights": None, "ignore": 255}),
    "binary_cross_entropy": Case((real(2, 96, 96), labels(2, 2, 96, 96)), {"ignore": 255}),
    "dice": Case((real(2, 96, 96), labels(2, 2, 96, 96)), {"ignore": 255, "smooth": 1.0}),
    "confusion_matrix": Case((labels(19, 2, 96, 96), labels(19, 2, 96, 96), 19), {"ignore": 255}),
    "iou_per_class": Case((RNG.integers(0, 99, (150, 150)),)),
    "mean_iou": Case((RNG.integers(0, 99, (150, 150)),)),
    "pixel_accuracy": Case((RNG.integers(0, 99, (400, 400)),)),
    "threshold_counts": Case((positive(12, 16), labels(2, 12, 16)), {"ignore": 255}),
    "road_scores": Case((np.sort(RNG.integers(1, 999, (256, 4)), axis=0)[::-1].copy(),)),
    "mae": Case((PLANE, MASK)),
    "f_curve": Case((positive(12, 16), labels(2, 12, 16)), {"beta2": 0.3}),
    "max_f": Case((positive(400, 256),)),
    "s_measure": Case((positive(32, 32), labels(2, 32, 32)), {"alpha": 0.5}),
    "e_curve": Case((positive(6, 8), labels(2, 6, 8))),
    "e_measure": Case((positive(6, 8), labels(2, 6, 8))),
    "attend": Case((real(1, 2, 48, 48), real(1, 2, 48, 8))),
    "attention": tokens(heads=2),
    "binary_attention": tokens("scale", heads=2, quantizer=clipped),
    "linear_attention": tokens(heads=2),
    "pyramid_pool": Case((real(1, 48, 48, 16),), {"levels": (1, 3, 6, 8)}),
    "pooled_attention": tokens("scale", **GRID),
    "channel_attention": tokens("scale", heads=2, quantizer=clipped),
    "two_part_attention": tokens("position", "channel", **GRID),
    "latent_step": Case((real(3, 3, 64, 64), real(3, 3, 64, 64)), {"lr": 0.5}),
    "bop_step": Case((signs(3, 3, 64, 64), *real(2, 3, 3, 64, 64)), {"gamma": 0.5, "threshold": 0.5}),
}
"""One large case for each function that is timed; the cases that records draw are too small for that."""


def rows():
    for name, case in CASES.items():
        form = FORMS[name]
        op, packed = form.op, form.kind == "packed"
        asked = op.packed.feed(case) if packed else case
        loops = partial(op.spec, *case.args, **{k: v for k, v in case.options.items() if k not in op.idle})
        fast = partial(form.function, *bare(asked.args), **asked.options)
        expected = pack(loops()) if packed and op.packed.words else loops()
        check(name, op.result(fast(), case), expected, within=1e-9)
        if name == "update_running":  # batch norm, measured above, computes the statistics of the batch
            mean, var, x = case.args
            cache = batch_norm(x, np.ones(16), np.zeros(16))[1]
            fast = partial(update_running, mean, var, cache, **case.options)
        timed = in_turn({"loops": loops, "fast": fast})
        yield Row("fast form over its loops", name, timed.ratio("loops", "fast"), timed.ms(), 50.0)
