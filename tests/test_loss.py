"""Laws of the losses, SciPy as an outside oracle, and refused arguments."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinybnn.ops.loss import (
    binary_cross_entropy,
    binary_cross_entropy_backward,
    cross_entropy,
    cross_entropy_backward,
    dice,
    dice_backward,
)
from tinybnn.testing.ops.loss import class_cases, labels_of, target_cases
from tinybnn.testing.strategies import Limits, distinct, generators, reals

law = settings(derandomize=True, database=None, deadline=None, max_examples=40)

PAIRS = {
    "cross_entropy": (cross_entropy, cross_entropy_backward),
    "binary_cross_entropy": (binary_cross_entropy, binary_cross_entropy_backward),
    "dice": (dice, dice_backward),
}


def value_and_gradient(name, logits, labels, **options):
    forward, backward = PAIRS[name]
    value, cache = forward(logits, labels, **options)
    return value, backward(1.0, cache)


@st.composite
def batches(draw, name):
    """Logits and labels for one of the three losses; about a quarter of the labels is ignored."""
    rng, shape = draw(generators()), draw(distinct(4 if name == "cross_entropy" else 3, 1, 6))
    shape, L = (shape[:3], shape[3]) if name == "cross_entropy" else (shape, 2)
    return 3 * reals(rng, *shape, *([L] if name == "cross_entropy" else [])), labels_of(rng, shape, L, 255)


# -- outside oracles ------------------------------------------------------------------------------------------------


@law
@given(class_cases(Limits()))
def test_cross_entropy_is_scipys_log_softmax_averaged_by_numpy(case):
    from scipy.special import log_softmax

    (logits, labels), options = case
    counted = labels != options["ignore"]
    v = np.ones(5) if options["class_weights"] is None else options["class_weights"]
    weights = np.where(counted, v[labels * counted], 0)
    loss, _ = cross_entropy(logits, labels, **options)
    if weights.sum() == 0:
        assert loss == 0
    else:
        each = -np.take_along_axis(log_softmax(logits, -1), (labels * counted)[..., None].astype(int), -1)[..., 0]
        np.testing.assert_allclose(loss, np.average(each, weights=weights), rtol=1e-13)


@law
@given(target_cases(Limits()))
def test_binary_cross_entropy_is_scipys_log_expit(case):
    from scipy.special import log_expit

    (logits, targets), options = case
    counted = targets != options["ignore"]
    loss, _ = binary_cross_entropy(logits, targets, **options)
    if counted.any():
        each = -log_expit(np.where(targets == 1, logits, -logits))[counted]
        np.testing.assert_allclose(loss, each.mean(), rtol=1e-13)


# -- laws -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PAIRS)
@law
@given(st.data())
def test_ignored_pixels_change_nothing_even_if_they_are_nan(name, data):
    logits, labels = data.draw(batches(name))
    before = value_and_gradient(name, logits, labels)
    spoilt = logits.copy()
    spoilt[labels == 255] = np.nan
    value, gradient = value_and_gradient(name, spoilt, labels)
    assert value == before[0]
    np.testing.assert_array_equal(gradient, before[1])
    assert not gradient[labels == 255].any()
    if (labels != 255).any():  # removing those pixels changes nothing either
        assert value_and_gradient(name, logits[labels != 255], labels[labels != 255])[0] == value


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_if_all_pixels_are_ignored_loss_and_gradient_are_0(name, dtype):
    logits = np.full((2, 3, 4), np.nan, dtype)
    labels = np.full(logits.shape[: 2 if name == "cross_entropy" else 3], 255, np.uint8)
    value, gradient = value_and_gradient(name, logits, labels)
    assert value == 0 and value.shape == () and value.dtype == dtype
    np.testing.assert_array_equal(gradient, np.zeros_like(logits))


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_results_have_the_dtype_of_the_logits_for_any_scalar_dloss(name, dtype):
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(2, 3, 4)).astype(dtype)
    labels = rng.integers(0, 2, logits.shape[: 2 if name == "cross_entropy" else 3])
    forward, backward = PAIRS[name]
    value, cache = forward(logits, labels)
    assert value.dtype == dtype and value.shape == ()
    expected = backward(dtype(0.5), cache)
    for dloss in (0.5, np.array(0.5), np.float32(0.5), np.float64(0.5)):
        gradient = backward(dloss, cache)
        assert gradient.dtype == dtype and gradient.shape == logits.shape
        np.testing.assert_array_equal(gradient, expected)


@law
@given(class_cases(Limits()), generators())
def test_a_shift_of_all_logits_of_a_pixel_does_not_change_cross_entropy(case, rng):
    (logits, labels), options = case
    whole = np.rint(logits)  # whole numbers shift without rounding
    shift = rng.integers(-50, 50, (*labels.shape, 1))
    assert cross_entropy(whole, labels, **options)[0] == cross_entropy(whole + shift, labels, **options)[0]


@law
@given(class_cases(Limits()))
def test_gradient_of_cross_entropy_sums_to_0_over_the_classes(case):
    (logits, labels), options = case
    gradient = cross_entropy_backward(1.0, cross_entropy(logits, labels, **options)[1])
    np.testing.assert_allclose(gradient.sum(-1), 0, atol=1e-15)


@law
@given(class_cases(Limits()), st.permutations(range(5)))
def test_renaming_the_classes_changes_nothing(case, names):
    (logits, labels), options = case
    L = logits.shape[-1]
    order = np.array([n for n in names if n < L])
    renamed = np.append(np.argsort(order), [255] * (256 - L))[labels]
    weights = None if options["class_weights"] is None else options["class_weights"][order]
    ignore = renamed[labels == options["ignore"]][:1]
    options = {"class_weights": weights, "ignore": int(ignore[0]) if ignore.size else 255}
    loss, _ = cross_entropy(logits[..., order], renamed, **options)
    np.testing.assert_allclose(loss, cross_entropy(logits, labels, **case.options)[0], rtol=1e-13)


@law
@given(class_cases(Limits()))
def test_class_weights_are_relative(case):
    (logits, labels), options = case
    if options["class_weights"] is not None:
        doubled = options | {"class_weights": 2 * options["class_weights"]}
        assert cross_entropy(logits, labels, **doubled)[0] == cross_entropy(logits, labels, **options)[0]


@law
@given(st.data())
def test_two_classes_with_logits_0_and_z_are_one_logit(data):
    logits, targets = data.draw(batches("binary_cross_entropy"))
    one, dz = value_and_gradient("binary_cross_entropy", logits, targets)
    two, dlogits = value_and_gradient("cross_entropy", np.stack([np.zeros_like(logits), logits], -1), targets)
    np.testing.assert_allclose(one, two, rtol=1e-13)
    np.testing.assert_allclose(dlogits[..., 1], dz, atol=1e-15)
    np.testing.assert_allclose(dlogits[..., 0], -dz, atol=1e-15)


@law
@given(st.data())
def test_dice_is_from_0_to_1(data):
    logits, targets = data.draw(batches("dice"))
    for z in (logits, 100 * logits):
        assert 0 <= dice(z, targets)[0] <= 1


@law
@given(st.data())
def test_dice_of_hard_logits_is_one_minus_the_overlap_of_sets(data):
    logits, targets = data.draw(batches("dice"))
    seen, there = (logits > 0) & (targets != 255), targets == 1
    expected = 1 - (2 * (seen & there).sum() + 1) / (seen.sum() + there.sum() + 1)
    np.testing.assert_allclose(dice(np.where(logits > 0, 100.0, -100.0), targets)[0], expected, rtol=0, atol=1e-15)


@pytest.mark.parametrize("target", [0, 1])
def test_dice_of_an_empty_and_of_a_full_mask(target):
    targets = np.full((3, 4), target)
    assert dice(np.full((3, 4), 100.0 if target else -100.0), targets)[0] == 0
    wrong = dice(np.full((3, 4), -100.0 if target else 100.0), targets)[0]
    np.testing.assert_allclose(wrong, 12 / 13, rtol=1e-15)


@pytest.mark.parametrize("target", [0, 1])
def test_one_pixel_that_counts_is_divided_by_one(target):
    loss, gradient = value_and_gradient("binary_cross_entropy", np.zeros(2), np.array([target, 255]))
    np.testing.assert_allclose(loss, np.log(2), rtol=1e-15)
    assert gradient.tolist() == [0.5 - target, 0]


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_the_logits_of_a_diverged_network_are_refused_with_their_place(value):
    for loss, logits, at in (
        (cross_entropy, [[value, 0.0], [0.0, value]], r"\[1, 1\]"),
        (binary_cross_entropy, [value, value], r"\[1\]"),
        (dice, [value, value], r"\[1\]"),
    ):
        with pytest.raises(ValueError, match=rf"^{loss.__name__}: logits{at} is {value}, expected finite values$"):
            loss(np.array(logits), np.array([255, 1]))


# -- what is refused ------------------------------------------------------------------------------------------------


LOGITS = np.zeros((2, 3, 4))
LABELS = np.zeros((2, 3), np.uint8)


def with_label(value, dtype=np.uint8):
    labels = np.zeros((2, 3), dtype)
    labels[1, 2] = value
    return labels


@pytest.mark.parametrize(
    "labels, options, message",
    [
        (with_label(4), {}, r"cross_entropy: labels\[1, 2\] is 4, expected 0..3, or 255 for ignored"),
        (with_label(-1, int), {}, r"cross_entropy: labels\[1, 2\] is -1, expected 0..3, or 255 for ignored"),
        (with_label(255), {"ignore": -1}, r"cross_entropy: labels\[1, 2\] is 255, expected 0..3, or -1 for ignored"),
        (LABELS.T, {}, r"cross_entropy: labels has shape \(3, 2\), expected \(2, 3\)"),
        (
            LABELS,
            {"class_weights": [1, 2, 3]},
            r"cross_entropy: class_weights is \[1, 2, 3\], expected 4 numbers",
        ),
        (
            LABELS,
            {"class_weights": [0, -2, -3, 0]},
            r"cross_entropy: class_weights\[1\] is -2, expected a number in \[0",
        ),
        (
            LABELS,
            {"class_weights": [1, np.nan, 3, 0]},
            r"cross_entropy: class_weights\[1\] is nan, expected a number in \[0",
        ),
    ],
)
def test_cross_entropy_says_what_it_refuses(labels, options, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        cross_entropy(LOGITS, labels, **options)


def test_cross_entropy_refuses_wrong_kinds():
    with pytest.raises(TypeError, match="cross_entropy: logits has dtype int64, expected float32 or float64"):
        cross_entropy(np.zeros((2, 3), np.int64), np.zeros(2, int))
    with pytest.raises(TypeError, match="cross_entropy: labels has dtype float64, expected integer"):
        cross_entropy(LOGITS, LABELS.astype(float))
    with pytest.raises(ValueError, match=r"cross_entropy: logits has shape \(2, 0\), expected axes of size 1"):
        cross_entropy(np.zeros((2, 0)), np.zeros(2, int))


@pytest.mark.parametrize("name", ["binary_cross_entropy", "dice"])
def test_two_class_losses_say_what_they_refuse(name):
    forward = PAIRS[name][0]
    with pytest.raises(ValueError, match=rf"{name}: targets\[1, 2\] is 2, expected 0..1, or 255 for ignored"):
        forward(np.zeros((2, 3)), with_label(2))
    with pytest.raises(ValueError, match=rf"{name}: targets has shape \(2, 3\), expected \(2, 3, 4\)"):
        forward(LOGITS, LABELS)


@pytest.mark.parametrize("smooth", [0, -1.0, np.nan, "1"])
def test_dice_refuses_a_smooth_that_lets_it_divide_by_0(smooth):
    with pytest.raises((ValueError, TypeError), match="dice: smooth is .*, expected a number in"):
        dice(np.zeros((2, 3)), LABELS, smooth=smooth)
