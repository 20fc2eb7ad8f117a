"""Laws of the scores of one object, ``py_sod_metrics`` as an outside witness, and what they refuse."""

import warnings

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tinybnn.metrics.saliency import e_curve, e_measure, f_curve, mae, max_f, s_measure
from tinybnn.testing.ops.saliency import image_cases
from tinybnn.testing.strategies import Limits, generators

law = settings(derandomize=True, database=None, deadline=None, max_examples=40)
BOTH = pytest.mark.parametrize("dtype", [np.float32, np.float64])


@st.composite
def scenes(draw):
    """An oval, and a noisy grey prediction of it."""
    rng, H, W = draw(generators()), 20, 30
    row, column, tall, wide = rng.uniform(0.3, 0.7, 4)
    i, j = np.ogrid[:H, :W]
    target = ((i / H - row) / tall) ** 2 + ((j / W - column) / wide) ** 2 < 0.25
    return np.clip(np.rint(255 * (0.2 + 0.5 * target + 0.25 * rng.normal(size=(H, W)))) / 255, 0, 1), target


# -- the outside witness --------------------------------------------------------------------------------------------


def witness(kind, p, target, **options):
    """What ``py_sod_metrics`` makes of one image."""
    reason = "the witness needs: pip install pysodmetrics opencv-python-headless scikit-image"
    reference = pytest.importorskip("py_sod_metrics", reason=reason)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of its own future
        metric = getattr(reference, kind)()
    metric.step(p, target, **options)
    return metric.get_results()


@BOTH
@law
@given(scene=scenes())
def test_scores_are_those_of_the_reference(scene, dtype):
    """Seen: 0 for MAE, 3e-16 for F, 4e-15 for S, 6e-13 for E (which adds 2e-16 below the line), and 6e-8 in float32."""
    p, target = scene[0].astype(dtype), scene[1]
    f, e = (witness(kind, p, target, normalize=False) for kind in ("Fmeasure", "Emeasure"))
    bound = {"rtol": 0, "atol": 1e-11 if dtype is np.float64 else 2e-7}
    np.testing.assert_allclose(mae(p, target), witness("MAE", p, target, normalize=False)["mae"], **bound)
    np.testing.assert_allclose(f_curve(p, target), f["fm"]["curve"][::-1], **bound)
    np.testing.assert_allclose(s_measure(p, target), witness("Smeasure", p, target, normalize=False)["sm"], **bound)
    np.testing.assert_allclose(e_curve(p, target), e["em"]["curve"][::-1], **bound)
    np.testing.assert_allclose(e_measure(p, target), e["em"]["curve"].mean(), **bound)


@law
@given(scenes())
def test_left_alone_the_reference_stretches_each_prediction_first(scene):
    p, target = scene
    timid = 0.4 + p / 5
    stretched = (np.rint(255 * timid) / 255 - np.rint(255 * timid).min() / 255) / np.ptp(np.rint(255 * timid) / 255)
    default = witness("MAE", np.rint(255 * timid).astype(np.uint8), (255 * target).astype(np.uint8))["mae"]
    np.testing.assert_allclose(mae(stretched, target), default, rtol=1e-12)
    assert mae(timid, target) > default + 0.1


# -- laws -----------------------------------------------------------------------------------------------------------


@BOTH
@law
@given(case=image_cases(Limits()))
def test_scores_keep_the_dtype_and_their_range(case, dtype):
    p, target = case.args[0].astype(dtype), case.args[1]
    n, hair = (target != 255).sum(), 1 + np.finfo(dtype).eps
    for score in (mae(p, target), f_curve(p, target), s_measure(p, target)):
        assert score.dtype == dtype and np.all((score >= 0) & (score <= hair))
    for score in (e_curve(p, target), e_measure(p, target)):
        assert score.dtype == dtype and np.all((score >= 0) & (score <= hair * n / max(n - 1, 1)))


@law
@given(image_cases(Limits()))
def test_a_perfect_prediction_scores_best(case):
    target = case.args[1]
    p, n = (target == 1).astype(float), (target != 255).sum()
    assert mae(p, target) == 0
    np.testing.assert_allclose(s_measure(p, target), 1, rtol=1e-15)
    np.testing.assert_allclose(e_curve(p, target)[1:], n / max(n - 1, 1), rtol=1e-15)
    np.testing.assert_allclose(f_curve(p, target)[1:], float((target == 1).any()), rtol=1e-15)


@law
@given(image_cases(Limits()))
def test_booleans_and_numbers_are_one_mask(case):
    p, target = case.args[0], case.args[1] == 1
    for score in (mae, f_curve, s_measure, e_curve, e_measure):
        np.testing.assert_array_equal(score(p, target), score(p, target.astype(np.int64)))


@BOTH
@law
@given(st.integers(1, 9), st.integers(1, 9), st.tuples(*[st.integers(0, 3)] * 4), st.sampled_from([255, -1]), st.data())
def test_an_ignored_border_is_as_if_cut_off(dtype, H, W, border, ignore, data):
    rng, sides = data.draw(generators()), (border[:2], border[2:])
    p, target = rng.random((H, W)).astype(dtype), rng.integers(0, 2, (H, W))
    wide = np.pad(p, sides, constant_values=data.draw(st.sampled_from([0, 1, 0.3, np.nan])))
    padded = np.pad(target, sides, constant_values=ignore)
    for score in (mae, f_curve, s_measure, e_curve, e_measure):
        np.testing.assert_array_equal(score(wide, padded, ignore=ignore), score(p, target))


@law
@given(image_cases(Limits()))
def test_the_order_in_memory_does_not_count(case):
    p, target = case.args
    for score in (mae, f_curve, s_measure, e_curve, e_measure):
        np.testing.assert_array_equal(score(np.asfortranarray(p), target), score(p, np.asfortranarray(target)))


@law
@given(image_cases(Limits()), st.integers(0, 255), st.sampled_from([0.3, 1.0]))
def test_f_at_one_threshold_is_the_formula(case, k, beta2):
    p, target = case.args
    mask = (p.astype(np.float32) >= np.float32(k / 255)) & (target != 255)
    found = (mask & (target == 1)).sum()
    assume(found)
    precision, recall = found / mask.sum(), found / (target == 1).sum()
    expected = (1 + beta2) * precision * recall / (beta2 * precision + recall)
    np.testing.assert_allclose(f_curve(p, target, beta2=beta2)[k], expected, rtol=1e-14)


@law
@given(image_cases(Limits()))
def test_mae_of_the_opposite_is_the_rest(case):
    p, target = case.args
    np.testing.assert_allclose(mae(1 - p, target) + mae(p, target), 1, rtol=1e-14)


@law
@given(image_cases(Limits()))
def test_mirrored_images_align_as_well(case):
    p, target = case.args
    for turn in (np.fliplr, np.flipud, np.transpose):
        np.testing.assert_array_equal(e_curve(turn(p), turn(target)), e_curve(p, target))
        np.testing.assert_array_equal(f_curve(turn(p), turn(target)), f_curve(p, target))
        np.testing.assert_allclose(s_measure(turn(p), turn(target), alpha=1.0), s_measure(p, target, alpha=1.0))
    np.testing.assert_allclose(s_measure(p.T, target.T), s_measure(p, target), rtol=1e-13)


@law
@given(st.lists(scenes(), min_size=2, max_size=4))
def test_max_f_averages_before_it_takes_the_maximum(images):
    curves = [f_curve(p, target) for p, target in images]
    best = [curve.max() for curve in curves]
    assert max_f(curves) == np.mean(curves, axis=0).max() <= np.mean(best) + 1e-15
    assert max_f(curves[:1]) == best[0]


@BOTH
def test_empty_and_full_masks(dtype):
    p = np.array([[0.0, 0.25, 0.5, 1.0]], dtype)
    for target in (np.zeros((1, 4), bool), np.ones((1, 4), bool)):
        assert s_measure(p, target) == 1 - mae(p, target)
    empty, full = (e_curve(p, np.full((1, 4), value)) for value in (False, True))
    np.testing.assert_allclose(empty[[0, 1, 64, 200]], np.array([0, 1, 2, 3]) / 3, rtol=1e-6)
    np.testing.assert_allclose(full[[0, 1, 64, 200]], np.array([4, 3, 2, 1]) / 3, rtol=1e-6)
    assert not f_curve(p, np.zeros((1, 4), bool)).any()
    np.testing.assert_allclose(f_curve(p, np.ones((1, 4), bool))[[0, 200]], [1, 1.3 * 0.25 / (0.3 + 0.25)], rtol=1e-6)


def test_a_constant_prediction_has_no_structure_at_all():
    target = np.zeros((6, 7), bool)
    target[2, 3] = True
    for p in (0.1, 0.3, 0.7):  # a sum of such numbers, divided by how many they are, is not the number
        contrasts = (1 / 42) * 2 * p / (p**2 + 1) + (41 / 42) * 2 * (1 - p) / ((1 - p) ** 2 + 1)
        alone = 1 - (3 * 4) / 42  # only the first part holds object and ground; the others are constant in both
        np.testing.assert_allclose(s_measure(np.full((6, 7), p), target), (contrasts + alone) / 2, rtol=1e-14)


@pytest.mark.parametrize("at", [(0, 0), (3, 0), (0, 4), (3, 4)])
def test_an_object_in_a_corner_leaves_no_nan(at):
    target = np.zeros((4, 5), bool)
    target[at] = True
    assert s_measure(target.astype(float), target) == pytest.approx(1)
    assert 0 <= s_measure(np.linspace(0, 1, 20).reshape(4, 5), target) < 1


# -- what is refused ------------------------------------------------------------------------------------------------

SCORES = pytest.mark.parametrize("score", [mae, f_curve, s_measure, e_curve, e_measure])


@SCORES
def test_scores_say_what_they_refuse(score):
    name, p, t = score.__name__, np.zeros((2, 3)), np.zeros((2, 3), int)
    for args, message in (
        ((p, t.T), r"target has shape \(3, 2\), expected \(H, W\) with H = 2 from probability, W = 3 from probability"),
        ((p, t + 254), r"target\[0, 0\] is 254, expected 0..1, or 255 for ignored"),
        ((p, t + 255), r"target is 255 everywhere, expected at least one pixel that counts"),
        ((p - 0.5, t), r"probability\[0, 0\] is -0.5, expected a probability in \[0, 1\]"),
        ((p + np.nan, t), r"probability\[0, 0\] is nan, expected a probability in \[0, 1\]"),
        ((p[0], t[0]), r"probability has shape \(3,\), expected \(H, W\)"),
        ((p[:0], t[:0]), r"probability has shape \(0, 3\), expected \(H, W\), of sizes of at least 1"),
    ):
        with pytest.raises(ValueError, match=f"^{name}: {message}"):
            score(*args)
    with pytest.raises(TypeError, match=f"^{name}: target has dtype float64, expected integer"):
        score(p, p)
    with pytest.raises(ValueError, match=f"^{name}: ignore is 'no', expected a whole number or None"):
        score(p, t > 0, ignore="no")
    with pytest.raises(TypeError, match=f"^{name}: probability has dtype int64, expected float32 or float64"):
        score(t, t)


def test_options_that_are_refused():
    image = np.zeros((2, 3)), np.zeros((2, 3), int)
    with pytest.raises(ValueError, match=r"f_curve: beta2 is -1, expected a number in \[0, inf\]"):
        f_curve(*image, beta2=-1)
    with pytest.raises(ValueError, match=r"s_measure: alpha is 1.5, expected a number in \[0, 1\]"):
        s_measure(*image, alpha=1.5)
    with pytest.raises(
        ValueError, match=r"^max_f: curves has shape \(0, 256\), expected \(images, 256\), of sizes of at least 1$"
    ):
        max_f(np.zeros((0, 256)))
    with pytest.raises(ValueError, match=r"max_f: curves has shape \(256,\), expected \(images, 256\)"):
        max_f(np.zeros(256))
    with pytest.raises(TypeError, match="^max_f: curves has dtype int64, expected float32 or float64"):
        max_f(np.zeros((2, 256), int))


def test_the_mean_of_many_single_curves_is_taken_in_double():
    tenth = np.float32(0.1)
    curves = np.full((1000, 256), tenth)
    assert max_f(curves) == tenth != curves.mean(0).max()
