"""What every function demands of its arguments before it computes: it says what is wrong, and defaults agree.

The rules are the same for all functions. A message begins with the function and the argument. Axes and sizes in it
have the names that the caller knows. The arguments are drawn from the records, so a new operation needs no entry here.
"""

import inspect
import re
import sys
from functools import cache

import numpy as np
import pytest
from test_docs import promised_shapes

from tinybnn.ops.attend import packed_dots
from tinybnn.ops.norm import scale_shift
from tinybnn.testing import FORMS, Case
from tinybnn.testing.drawing import for_each_case
from tinybnn.testing.op import bare
from tinybnn.testing.strategies import Limits

RNG = np.random.default_rng(0)
BY_HAND = {
    scale_shift: (*RNG.normal(size=(3, 8)), RNG.random(8)),
    packed_dots: (*(RNG.integers(0, 256, (2, 3, n, 1), np.uint64) for n in (4, 5)), 8),  # words of eight signs
}
"""Functions without a record, and arguments for them."""

FUNCTIONS = {
    name: form.function
    for name, form in FORMS.items()
    if form.kind != "backward" and form.function.__module__.split(".")[1] != "testing"
} | {f.__name__: f for f in BY_HAND}
PARAMETERS = {name: inspect.signature(f).parameters for name, f in FUNCTIONS.items()}


@cache
def fitting(name):
    """Of the drawn calls with every option at its default, the one that fits worst if axes are confused."""
    if FUNCTIONS[name] in BY_HAND:
        return Case(BY_HAND[FUNCTIONS[name]])
    drawn, packed = [], FORMS[name].packed
    defaults = {p.name: [p.default] for p in PARAMETERS[name].values() if p.default is not p.empty}

    def keep(case):
        args, options = packed.feed(case) if packed else case
        drawn.append(Case(bare(args), {k: v for k, v in options.items() if k not in defaults}))

    for_each_case(FORMS[name], Limits(**defaults), keep, count=100, number=0)
    return max(drawn, key=variety)


def variety(case):
    """How few axes have size 1, then how many sizes differ, in the arrays that have the most axes."""
    shapes = [a.shape[:-1] if a.dtype == np.uint64 else a.shape for a in case.args if isinstance(a, np.ndarray)]
    sizes = [n for shape in shapes if len(shape) == max(map(len, shapes)) for n in shape]
    return -sizes.count(1), len(set(sizes))


def call(name, *args, **options):
    return FUNCTIONS[name](*args, **fitting(name).options | options)


def arrays(name):
    """The arrays among the arguments, by name: ``(index, parameter, array)``."""
    return [
        (i, p, a) for i, (p, a) in enumerate(zip(PARAMETERS[name], fitting(name).args)) if isinstance(a, np.ndarray)
    ]


def refusal(name, i, wrong):
    """What it says to another argument ``i``; None if it takes it."""
    args = fitting(name).args
    try:
        call(name, *args[:i], wrong, *args[i + 1 :])
    except (ValueError, TypeError) as error:
        return str(error)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_drawn_arguments_fit_and_nearly_every_axis_is_longer_than_1(name):
    ones, _ = variety(fitting(name))
    assert ones >= -2, fitting(name)
    call(name, *fitting(name).args)


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
        pattern = rf"{name}: {parameter} has dtype {wrong.dtype}, expected (?:{expected})"
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
        assert re.fullmatch(rf"{name}: (?:{known}|levels_to_real\(z\)) {told}", message), message


WRONG = "no", None, True, 1.5, -1, (1, 2, 3), ("no", 2), [], np.array([1, 2]), object(), 10**400
"""What no option takes, or only a few: those that are a number, a flag, or None by default."""


@pytest.mark.parametrize("name", FUNCTIONS)
def test_an_option_of_another_kind_is_refused_by_name_or_means_something(name):
    args = fitting(name).args
    for i, option in enumerate(PARAMETERS[name]):
        if i < len(args) and isinstance(args[i], np.ndarray):
            continue
        for wrong in WRONG:
            try:
                call(name, *args[:i], wrong, *args[i + 1 :]) if i < len(args) else call(name, *args, **{option: wrong})
                assert plausible(wrong) or option == "levels", f"{name} takes {option}={wrong!r}"
            except (ValueError, TypeError) as error:
                named = r"\w+.*" if plausible(wrong) else rf"{option}(\[\d\])? (is|has) .*"
                assert re.match(rf"{name}: {named}, expected ", str(error)), (wrong, error)


def plausible(option):
    """Whether it is a number, a flag or None: some options take it, others refuse it beside another argument."""
    return option is None or isinstance(option, (int, float))


# -- sizes of 0, no axes, and arrays that are not plain -------------------------------------------------------------


def first_letter(name, parameter):
    """The docstring's first letter of an argument's shape; what has none is a map of any shape."""
    return promised_shapes(FUNCTIONS[name]).get(parameter, ("...",))[0]


WEIGHTS = {"conv2d_packed": "w", "upsample_conv2d_packed": "w", "multi_branch_upsample_packed": "tau w alpha theta"}
WEIGHTS |= {"multi_branch_upsample": "theta", "mean_abs": "w", "scale_shift": "gamma beta mean var"}
"""Arguments whose first axis is no batch, though no letter in a docstring says so."""
SINGLE = "iou_per_class mean_iou pixel_accuracy mae f_curve max_f e_curve e_measure s_measure road_scores".split()
"""They take one image or table, without a batch."""


def batches(name):
    """Which arguments have a batch as their first axis."""
    weights = [*WEIGHTS.get(name, "").split(), "scale", "scale_position", "scale_channel"]
    return [
        (i, a) for i, parameter, a in arrays(name)
        if name not in SINGLE and parameter not in weights and first_letter(name, parameter) in ("N", "M", "...")
    ]  # fmt: skip


@pytest.mark.parametrize("name", FUNCTIONS)
def test_an_empty_batch_gives_an_empty_result_and_gradients_of_zero(name):
    args, whole = list(fitting(name).args), np.shape(value(call(name, *fitting(name).args)))
    for i, a in batches(name):
        args[i] = a[:0]
    if not batches(name):
        return
    out = call(name, *args)
    if np.shape(value(out)) != whole:  # losses and tables of counts have the same shape for any batch
        assert np.shape(value(out)) == (0, *whole[1:])
    if name in BACKWARD:
        gradients = BACKWARD[name](*out)
        for gradient, a in zip(gradients if isinstance(gradients, tuple) else (gradients,), args):
            assert gradient.shape == a.shape and not gradient.any()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_any_other_size_of_0_and_an_array_without_axes_are_refused_by_name(name):
    known, batch = "|".join(PARAMETERS[name]), [i for i, _ in batches(name)]
    for i, parameter, a in arrays(name):
        empty = [np.take(a, [], axis) for axis in range(i in batch, a.ndim)]
        for wrong in (*empty, np.array(a.flat[0])):
            message = refusal(name, i, wrong)
            assert message and re.match(rf"{name}: (?:{known})(?:\[0\])? (?:has|is) ", message), (parameter, message)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_masked_array_a_list_and_a_scalar_are_refused_by_name(name):
    for i, parameter, a in arrays(name):
        for wrong in (np.ma.masked_array(a, np.zeros(a.shape)), "no", a.flat[0], a.view(np.recarray)):
            told = f"{name}: {parameter} is a {type(wrong).__name__}, expected a NumPy array"
            assert refusal(name, i, wrong) == told


@pytest.mark.parametrize("name", ["mae", "f_curve", "s_measure", "e_curve", "e_measure"])
def test_ignore_is_looked_at_beside_a_mask_of_booleans_too(name):
    with pytest.raises(ValueError, match=rf"^{name}: ignore is \[0, 255\], expected a whole number or None$"):
        FUNCTIONS[name](np.ones((2, 2)), np.ones((2, 2), bool), ignore=[0, 255])


@pytest.mark.parametrize("wrong", [np.True_, 1 + 0j])
def test_only_a_real_number_is_a_padding(wrong):
    for name in [name for name in FUNCTIONS if "pad_value" in PARAMETERS[name]]:
        with pytest.raises(ValueError, match=rf"^{name}: pad_value is .*, expected "):
            call(name, *fitting(name).args, pad_value=wrong)


def beside(suffix):
    """The backward passes or the specifications of the functions: they have the same name with a suffix."""
    files = {name: sys.modules[f.__module__] for name, f in FUNCTIONS.items()}
    return {name: getattr(file, name + suffix) for name, file in files.items() if hasattr(file, name + suffix)}


BACKWARD, LOOPS = beside("_backward"), beside("_loops")


@pytest.mark.parametrize("name", [name for name in BACKWARD if not FUNCTIONS[name].__module__.endswith(".loss")])
def test_a_gradient_with_one_axis_too_many_is_refused_by_name(name):
    y, cache = call(name, *fitting(name).args)
    told = rf"(?:dy|dx|dalpha|x) has shape \([\d, ]+\), expected {AXES}.*"
    with pytest.raises(ValueError) as refused:
        BACKWARD[name](y[None], cache)
    assert re.fullmatch(rf"{name}_backward: {told}", str(refused.value)), refused.value


@pytest.mark.parametrize("name", BACKWARD)
def test_a_gradient_that_is_no_array_of_floats_is_refused_by_name(name):
    y, cache = call(name, *fitting(name).args)
    for wrong in ("no", None, [1.0], np.ones(3, int), np.ma.masked_array(y), np.ones((0, 2))):
        with pytest.raises(
            (ValueError, TypeError), match=rf"^{name}_backward: (dy|dx|dalpha|dloss) (has|is) .*, expected"
        ):
            BACKWARD[name](wrong, cache)


# -- what is left out -----------------------------------------------------------------------------------------------


def value(out):
    return out[0] if type(out) is tuple else out


@pytest.mark.parametrize("name", [n for n in LOOPS if any(p.default is not p.empty for p in PARAMETERS[n].values())])
def test_an_option_left_out_means_the_same_to_the_specification(name):
    got = value(call(name, *fitting(name).args))
    np.testing.assert_allclose(got, LOOPS[name](*fitting(name).args, **fitting(name).options), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", ["binary_attention", "pooled_attention", "channel_attention"])
def test_an_option_left_out_means_the_same_to_the_packed_form(name):
    got = call(name + "_packed", *fitting(name).args, **fitting(name).options)
    np.testing.assert_array_equal(got, value(call(name, *fitting(name).args)))


def test_words_are_pooled_and_made_large_by_two_unless_told():
    for name, option in ("max_pool2d", "kernel"), ("upsample_nearest", "scale"), ("upsample_conv2d", "scale"):
        args = fitting(name + "_packed").args
        np.testing.assert_array_equal(call(name + "_packed", *args), call(name + "_packed", *args, **{option: 2}))
