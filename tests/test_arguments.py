"""What every operation owes its caller before it computes: whoever is refused is told what, and defaults agree.

The laws of refusal are the same for all: the message begins with the operation, then comes the argument, and axes and
origins bear the names that a caller knows.
"""

import inspect
import re
import sys

import numpy as np
import pytest
from test_docs import promised_shapes

from tinybnn.ops.attend import packed_dots
from tinybnn.ops.norm import scale_shift
from tinybnn.testing import FORMS, OPS


def real(*shape):
    """Numbers, the same for the same shape."""
    return np.random.default_rng(shape).normal(size=shape)


def signs(*shape):
    return np.where(real(*shape) < 0, -1.0, 1.0)


def share(*shape):
    """Numbers between 0 and 1."""
    return np.random.default_rng(shape).random(shape)


def labels(*shape):
    return np.random.default_rng(shape).integers(0, 2, shape)


def words(*shape):
    """Words of eight signs."""
    return np.random.default_rng(shape).integers(0, 256, shape, np.uint64)


MAP, TOKENS = real(2, 6, 4, 8), (real(2, 12, 4), real(2, 12, 4)[::-1], real(2, 12, 4) + 1)
FITTING = {
    "binarize": {"sign": (MAP,), "binarize": (MAP, real(8)), "mean_abs": (MAP,)},
    "bitpack": {
        "pack": (signs(2, 8),),
        "binarize_packed": (MAP, real(8)),
        "unpack": (words(3, 1), 8),
        "packed_dot": (words(3, 1), words(3, 1) ^ 1, 8),
    },
    "product": {"packed_matmul": (words(3, 1), words(2, 1), 8)},
    "conv": {"conv2d": (MAP, real(3, 2, 8, 5)), "conv_transpose2d": (MAP, real(3, 2, 5, 8))},
    "binary_conv": {"binary_conv2d": (MAP, real(3, 2, 8, 5), real(5))},
    "upsample_conv": {"upsample_conv2d": (MAP, real(3, 2, 8, 5))},
    "packed_conv": {
        "conv2d_packed": (words(2, 6, 4, 1), words(5, 3, 2, 1), 8),
        "upsample_conv2d_packed": (words(2, 6, 4, 1), words(5, 3, 2, 1), 8),
    },
    "norm": {
        "batch_norm": (MAP, real(8), real(8) + 1),
        "batch_norm_inference": (MAP, real(8), real(8) + 1, real(8) + 2, share(8)),
        "scale_shift": (real(8), real(8) + 1, real(8) + 2, share(8)),
    },
    "fold": {"fold_batch_norm": (share(8), real(8), real(8) + 1, real(8) + 2, share(8), 9)},
    "activation": {
        "hardtanh": (MAP,),
        "prelu": (MAP, real(8)),
        "rprelu": (MAP, real(8), real(8) + 1, real(8) + 2),
        "sigmoid": (MAP,),
    },
    "pool": {
        "max_pool2d": (MAP,),
        "max_pool2d_packed": (words(2, 6, 4, 1),),
        "avg_pool2d": (MAP,),
        "adaptive_avg_pool2d": (MAP,),
    },
    "upsample": {
        "upsample_nearest": (MAP,),
        "upsample_nearest_packed": (words(2, 6, 4, 1),),
        "upsample_bilinear": (MAP,),
    },
    "subpixel": {"depth_to_space": (MAP,), "space_to_depth": (MAP,)},
    "multibranch": {"multi_branch_upsample": (MAP, real(3, 8), real(3, 3, 2, 8, 5), real(3, 5), real(3, 5) + 1)},
    "multibranch_packed": {
        "multi_branch_upsample_packed": (MAP, real(3, 8), words(3, 5, 3, 2, 1), real(3, 5), real(3, 5) + 1)
    },
    "loss": {
        "cross_entropy": (MAP, labels(2, 6, 4)),
        "binary_cross_entropy": (MAP, labels(2, 6, 4, 8)),
        "dice": (MAP, labels(2, 6, 4, 8)),
    },
    "metrics": {
        "confusion_matrix": (labels(3, 4), labels(3, 4)[::-1], 2),
        "iou_per_class": (labels(2, 2) + 1,),
        "mean_iou": (labels(2, 2) + 1,),
        "pixel_accuracy": (labels(2, 2) + 1,),
        "threshold_counts": (share(3, 4), labels(3, 4)),
        "road_scores": (labels(256, 4) + 1,),
    },
    "saliency": {name: (share(3, 4), labels(3, 4)) for name in ("mae", "f_curve", "e_curve", "e_measure")}
    | {"max_f": (share(3, 256),)},
    "structure": {"s_measure": (share(3, 4), labels(3, 4))},
    "attend": {
        "attend": (real(2, 3, 4, 5), real(2, 3, 5, 4)),
        "packed_dots": (words(2, 3, 4, 1), words(2, 3, 5, 1), 8),
    },
    "attention": {
        "attention": TOKENS,
        "binary_attention": (*TOKENS, real(1)),
        "binary_attention_packed": (*TOKENS, real(1)),
        "linear_attention": TOKENS,
    },
    "pyramid": {"pyramid_pool": (MAP,)},
    "reduced_attention": {
        "pooled_attention": (*TOKENS, real(1)),
        "pooled_attention_packed": (*TOKENS, real(1)),
        "channel_attention": (*TOKENS, real(1)),
        "channel_attention_packed": (*TOKENS, real(1)),
        "two_part_attention": (*TOKENS, real(1), real(1) + 1),
    },
}
"""Arguments that fit, by room and function. Two refuse in the names of their parts and stand elsewhere:
``two_part_attention_packed``, and ``threshold_sign``, whose second argument is a pair."""

NEEDED = {"pad_value": 1, "size": (3, 2), "grid": (3, 4)}
"""Options without a default, where a function has one of that name."""

ELSEWHERE = {f.__name__: f for f in (scale_shift, packed_dots)}
ARGUMENTS = {name: args for functions in FITTING.values() for name, args in functions.items()}
FUNCTIONS = {name: FORMS[name].function if name in FORMS else ELSEWHERE[name] for name in ARGUMENTS}
PARAMETERS = {name: inspect.signature(f).parameters for name, f in FUNCTIONS.items()}
OPTIONS = {
    name: {k: v for k, v in NEEDED.items() if k in p and p[k].default is p[k].empty} for name, p in PARAMETERS.items()
}
SPEAKS_FOR = {
    "binary_conv2d": "conv2d",
    "upsample_conv2d": "conv2d",
    "batch_norm_inference": "scale_shift",
    "fold_batch_norm": "fold_threshold scale_shift",
    "pooled_attention": "pyramid_pool",
    "two_part_attention": "pooled_attention pyramid_pool",
    "pooled_attention_packed": "pyramid_pool",
    "mean_iou": "iou_per_class",
}
"""Who may refuse in another's name: the step that it hands its argument on to."""


def speakers(name):
    return "|".join([name, *SPEAKS_FOR.get(name, "").split()])


def call(name, *args, **options):
    return FUNCTIONS[name](*args, **OPTIONS[name] | options)


def arrays(name):
    """The arrays among the arguments, by name: ``(index, parameter, array)``."""
    return [(i, p, a) for i, (p, a) in enumerate(zip(PARAMETERS[name], ARGUMENTS[name])) if isinstance(a, np.ndarray)]


def refusal(name, i, wrong):
    """What it says to another argument ``i``; None if it takes it."""
    args = ARGUMENTS[name]
    try:
        call(name, *args[:i], wrong, *args[i + 1 :])
    except (ValueError, TypeError) as error:
        return str(error)


def test_no_operation_is_left_out():
    apart = {"phase_kernel", "threshold_sign", "update_running"}  # refused in other tests, or never by itself
    apart |= {"latent_step", "bop_step"}  # records of the course, around functions of dicts
    assert {name.split(" by ")[0] for name in OPS} - apart <= set(FUNCTIONS)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_an_array_of_another_kind_is_refused_by_name(name):
    for i, parameter, a in arrays(name):
        wrong, expected = {
            "f": (a.astype(np.int64), "float32 or float64"),
            "u": (a.astype(np.float64), "uint64|integer"),
            "i": (a.astype(np.float64), "integer"),
            "b": (a.astype(np.float64), "bool|integer"),
        }[a.dtype.kind]
        message = refusal(name, i, wrong)
        pattern = rf"(?:{speakers(name)}): {parameter} has dtype {wrong.dtype}, expected (?:{expected})"
        assert message and re.fullmatch(pattern, message), message


@pytest.mark.parametrize("name", FUNCTIONS)
def test_two_float_dtypes_are_refused_and_both_are_named(name):
    floats = [(i, parameter, a) for i, parameter, a in arrays(name) if a.dtype.kind == "f"]
    for i, parameter, a in floats if len(floats) > 1 else ():
        listed = ", ".join(f"{p} float{32 if p == parameter else 64}" for _, p, _ in floats)
        assert refusal(name, i, a.astype(np.float32)) == f"{name}: mixed dtypes ({listed}), expected one float dtype"


AXES = r"\((?:\.\.\., )?(?:(?:[A-Z]{1,2}|\d+|words|depth|images)(?:, |,?(?=\))))+\)"
"""Axes by their letters, or by the size that they must have."""


@pytest.mark.parametrize("name", FUNCTIONS)
def test_one_axis_too_many_is_refused_and_every_name_in_the_message_is_one_that_the_caller_knows(name):
    known = "|".join(PARAMETERS[name])
    origin = rf"\w+ = \d+ from (?:{known}|heads|x and groups|the output|its rows|[CDn] = \d+)"
    for i, parameter, a in arrays(name):
        message = refusal(name, i, a[None])
        if message is None:
            assert promised_shapes(FUNCTIONS[name]).get(parameter, ("...",))[0] == "...", f"{name} takes {parameter}"
            continue
        told = rf"has shape \([\d, ]*\), expected {AXES}(?: with {origin}(?:, {origin})*| from a)?"
        assert re.fullmatch(rf"(?:{speakers(name)}): (?:{known}|levels_to_real\(z\)) {told}", message), message


OTHER_KINDS = "quantizer upsamplers form class_weights ignore dtype align_corners".split()
UNCHECKED = [("conv_transpose2d", "size"), ("packed_dots", "D")]  # compared with other sizes, not looked at by itself


@pytest.mark.parametrize("name", FUNCTIONS)
def test_an_option_that_is_no_number_is_refused_by_name(name):
    args = ARGUMENTS[name]
    for i, option in enumerate(PARAMETERS[name]):
        if i < len(args) and isinstance(args[i], np.ndarray) or option in OTHER_KINDS or (name, option) in UNCHECKED:
            continue
        with pytest.raises(ValueError) as refused:
            call(name, *args[:i], "no", *args[i + 1 :]) if i < len(args) else call(name, *args, **{option: "no"})
        assert re.match(rf"(?:{speakers(name)}): {option} is 'no', expected", str(refused.value)), refused.value


GIVES_BACK = {
    "rprelu": "prelu_backward",
    "depth_to_space": "space_to_depth",
    "space_to_depth": "depth_to_space",
    "pooled_attention": "binary_attention_backward",
    "two_part_attention": "binary_attention_backward",
}
"""Whose backward pass hands the gradient on before it looks at it."""


def beside(suffix):
    """The functions whose name with that suffix is one too: their backward passes, or their specifications."""
    rooms = {name: sys.modules[f.__module__] for name, f in FUNCTIONS.items()}
    return {name: getattr(room, name + suffix) for name, room in rooms.items() if hasattr(room, name + suffix)}


BACKWARD, LOOPS = beside("_backward"), beside("_loops")


@pytest.mark.parametrize("name", [name for name in BACKWARD if name not in FITTING["loss"]])
def test_a_gradient_with_one_axis_too_many_is_refused_by_name(name):
    y, cache = call(name, *ARGUMENTS[name])
    told = rf"(?:dy|dx|dalpha|x) has shape \([\d, ]+\), expected {AXES}.*"
    with pytest.raises(ValueError) as refused:
        BACKWARD[name](y[None], cache)
    assert re.fullmatch(rf"{GIVES_BACK.get(name, name + '_backward')}: {told}", str(refused.value)), refused.value


# -- what is left out -----------------------------------------------------------------------------------------------


def value(out):
    return out[0] if type(out) is tuple else out


@pytest.mark.parametrize("name", [n for n in LOOPS if any(p.default is not p.empty for p in PARAMETERS[n].values())])
def test_an_option_left_out_means_the_same_to_the_specification(name):
    got = value(call(name, *ARGUMENTS[name]))
    np.testing.assert_allclose(got, LOOPS[name](*ARGUMENTS[name], **OPTIONS[name]), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", ["binary_attention", "pooled_attention", "channel_attention"])
def test_an_option_left_out_means_the_same_to_the_packed_form(name):
    got = call(name + "_packed", *ARGUMENTS[name])
    np.testing.assert_array_equal(got, value(call(name, *ARGUMENTS[name])))


def test_words_are_pooled_and_made_large_by_two_unless_told():
    for name, option in ("max_pool2d", "kernel"), ("upsample_nearest", "scale"), ("upsample_conv2d", "scale"):
        args = ARGUMENTS[name + "_packed"]
        np.testing.assert_array_equal(call(name + "_packed", *args), call(name + "_packed", *args, **{option: 2}))
