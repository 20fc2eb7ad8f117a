"""What every operation owes its caller before it computes: whoever is refused is told what, and defaults agree.

The laws of refusal are the same for all: the message begins with the operation, then comes the argument, and axes and
origins bear the names that a caller knows.
"""

import inspect
import re
from functools import lru_cache
from importlib import import_module

import numpy as np
import pytest
from hypothesis import given, settings
from test_docs import promised_shapes

from tinybnn.attend import packed_dots
from tinybnn.attention import binary_attention_packed
from tinybnn.bitpack import binarize_packed, packed_dot, unpack
from tinybnn.fold import Threshold, fold_batch_norm, threshold_sign
from tinybnn.multibranch_packed import multi_branch_upsample_packed
from tinybnn.norm import batch_norm_inference, scale_shift
from tinybnn.packed_conv import conv2d_packed, upsample_conv2d_packed
from tinybnn.pool import max_pool2d_packed
from tinybnn.product import packed_matmul
from tinybnn.reduced_attention import channel_attention_packed, pooled_attention_packed
from tinybnn.testing import OPS
from tinybnn.upsample import upsample_nearest_packed


def words(*shape):
    return np.zeros(shape, np.uint64)


C2, TOKENS = np.ones(2), np.ones((1, 6, 2))
OTHERS = {
    binarize_packed: ((np.ones((4, 2)), C2), {}),
    unpack: ((words(3, 1), 8), {}),
    packed_dot: ((words(3, 1), words(3, 1), 8), {}),
    packed_matmul: ((words(3, 1), words(2, 1), 8), {}),
    conv2d_packed: ((words(1, 5, 4, 1), words(2, 3, 2, 1), 8), {"pad_value": 1}),
    upsample_conv2d_packed: ((words(1, 5, 4, 1), words(2, 3, 2, 1), 8), {"pad_value": 1}),
    max_pool2d_packed: ((words(1, 5, 4, 1),), {}),
    upsample_nearest_packed: ((words(1, 5, 4, 1),), {}),
    multi_branch_upsample_packed: (
        (np.ones((1, 5, 4, 3)), np.ones((2, 3)), words(2, 2, 3, 3, 1), np.ones((2, 2)), np.ones((2, 2))),
        {"pad_value": 1},
    ),
    packed_dots: ((words(1, 2, 3, 1), words(1, 2, 4, 1), 8), {}),
    binary_attention_packed: ((TOKENS, TOKENS, TOKENS, C2), {"heads": 2}),
    pooled_attention_packed: ((TOKENS, TOKENS, TOKENS, C2), {"heads": 2, "grid": (2, 3), "levels": (1, 2)}),
    channel_attention_packed: ((TOKENS, TOKENS, TOKENS, C2), {"heads": 2}),
    batch_norm_inference: ((np.ones((4, 2)), C2, C2, C2, C2), {}),
    scale_shift: ((C2, C2, C2, C2), {}),
    fold_batch_norm: ((C2, C2, C2, C2, C2, 9), {}),
    threshold_sign: ((np.ones((4, 2), int), Threshold(np.ones(2, int), C2 > 0)), {}),
}
"""Public functions that no record names, with arguments that fit."""

PUBLIC = {
    name: op.forward
    for name, op in OPS.items()
    if op.forward.__name__ == name and getattr(import_module(op.forward.__module__), name, None) is op.forward
}
FUNCTIONS = PUBLIC | {f.__name__: f for f in OTHERS}
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


@lru_cache
def drawn(name):
    """Some cases of an operation's record."""
    cases = []

    @settings(max_examples=40, derandomize=True, database=None, deadline=None)
    @given(OPS[name].cases)
    def collect(case):
        cases.append((case.args, case.options))

    collect()
    return cases


def fitting(name):
    """Arguments and options that the function takes."""
    return drawn(name)[-1] if name in PUBLIC else OTHERS[FUNCTIONS[name]]


def arrays(name):
    """The arrays among the arguments, by name: ``(index, parameter, array)``."""
    parameters = list(inspect.signature(FUNCTIONS[name]).parameters)
    return [(i, parameters[i], a) for i, a in enumerate(fitting(name)[0]) if isinstance(a, np.ndarray)]


def refusal(name, i, wrong):
    """What it says to another argument ``i``; None if it takes it."""
    args, options = fitting(name)
    try:
        FUNCTIONS[name](*args[:i], wrong, *args[i + 1 :], **options)
    except (ValueError, TypeError) as error:
        return str(error)


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
    known = "|".join(inspect.signature(FUNCTIONS[name]).parameters)
    origin = rf"\w+ = \d+ from (?:{known}|heads|x and groups|the output|its rows|[CDn] = \d+)"
    for i, parameter, a in arrays(name):
        message = refusal(name, i, a[None])
        if message is None:
            assert promised_shapes(FUNCTIONS[name]).get(parameter, ("...",))[0] == "...", f"{name} takes {parameter}"
            continue
        told = rf"has shape \([\d, ]*\), expected {AXES}(?: with {origin}(?:, {origin})*| from a)?"
        assert re.fullmatch(rf"(?:{speakers(name)}): (?:{known}|levels_to_real\(z\)) {told}", message), message


OTHER_KINDS = "quantizer upsamplers form class_weights ignore dtype align_corners threshold".split()
UNCHECKED = ["size", "D"]  # of conv_transpose2d and packed_dots: compared with other sizes, not looked at by itself


@pytest.mark.parametrize("name", FUNCTIONS)
def test_an_option_that_is_no_number_is_refused_by_name(name):
    args, options = fitting(name)
    for i, parameter in enumerate(inspect.signature(FUNCTIONS[name]).parameters.values()):
        if i < len(args) and isinstance(args[i], np.ndarray) or parameter.name in OTHER_KINDS + UNCHECKED:
            continue
        with pytest.raises(ValueError) as refused:
            if i < len(args):
                FUNCTIONS[name](*args[:i], "no", *args[i + 1 :], **options)
            else:
                FUNCTIONS[name](*args, **options | {parameter.name: "no"})
        assert re.match(rf"(?:{speakers(name)}): {parameter.name} is 'no', expected", str(refused.value)), refused.value


GIVES_BACK = {
    "rprelu": "prelu_backward",
    "depth_to_space": "space_to_depth",
    "space_to_depth": "depth_to_space",
    "pooled_attention": "binary_attention_backward",
    "two_part_attention": "binary_attention_backward",
}
"""Whose backward pass hands the gradient on before it looks at it."""
BACKWARD = {name: op.backward for name, op in OPS.items() if op.backward and name in PUBLIC}


@pytest.mark.parametrize("name", BACKWARD)
def test_a_gradient_with_one_axis_too_many_is_refused_by_name(name):
    args, options = fitting(name)
    y, cache = PUBLIC[name](*args, **options)
    if y.ndim == 0:
        return  # a loss: its gradient is any number
    pattern = (
        rf"{GIVES_BACK.get(name, name + '_backward')}: (?:dy|dx|dalpha|x) has shape \([\d, ]+\), expected {AXES}.*"
    )
    with pytest.raises(ValueError) as refused:
        BACKWARD[name](y[None], cache)
    assert re.fullmatch(pattern, str(refused.value)), refused.value


# -- what is left out -----------------------------------------------------------------------------------------------

OPTIONAL = [n for n, f in PUBLIC.items() if any(p.default != p.empty for p in inspect.signature(f).parameters.values())]


@pytest.mark.parametrize("name", OPTIONAL)
def test_an_option_left_out_means_the_same_to_the_specification_and_to_every_form(name):
    op, parameters = OPS[name], inspect.signature(PUBLIC[name]).parameters
    fit = 0
    for args, options in drawn(name):
        needed = {k: v for k, v in options.items() if parameters[k].default is inspect.Parameter.empty}
        try:
            got = op.result(op.forward(*args, **needed))
        except ValueError:
            continue  # made for other options
        fit += 1
        np.testing.assert_allclose(got, op.spec(*args, **needed), rtol=1e-9, atol=1e-9)
        if op.packed:
            np.testing.assert_allclose(op.packed(*args, **needed), got, rtol=1e-9, atol=1e-9)
    assert fit


def test_words_are_pooled_and_made_large_by_two_unless_told():
    x, w = np.random.default_rng(0).integers(0, 256, (1, 4, 6, 1), np.uint64), words(2, 3, 3, 1)
    np.testing.assert_array_equal(max_pool2d_packed(x), max_pool2d_packed(x, kernel=2))
    np.testing.assert_array_equal(upsample_nearest_packed(x), upsample_nearest_packed(x, scale=2))
    y = upsample_conv2d_packed(x, w, 8, pad_value=1, scale=2)
    np.testing.assert_array_equal(upsample_conv2d_packed(x, w, 8, pad_value=1), y)
