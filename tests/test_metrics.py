"""Laws of the scores of labels and roads, two outside witnesses, and what they refuse."""

import numpy as np
import pytest
from hypothesis import given, settings

from tinybnn.data.images import CITY_CLASSES, TRAIN_ID
from tinybnn.metrics.labels import (
    confusion_matrix,
    iou_per_class,
    mean_iou,
    pixel_accuracy,
    road_scores,
    threshold_counts,
)
from tinybnn.testing.ops.metrics import confusion_cases, confusions, road_cases, threshold_cases
from tinybnn.testing.strategies import Limits, generators

law = settings(derandomize=True, database=None, deadline=None, max_examples=40)


# -- outside witnesses ----------------------------------------------------------------------------------------------


@law
@given(confusion_cases(Limits()))
def test_confusion_and_iou_are_scikit_learns(case):
    sklearn = pytest.importorskip("sklearn.metrics", reason="the witness needs: pip install scikit-learn")
    (predicted, labels, L), options = case
    counted = labels != options["ignore"]
    if counted.any() and L > 1:  # of one class it warns that there is one class
        ours = confusion_matrix(predicted, labels, L, **options)
        theirs = labels[counted], predicted[counted]
        np.testing.assert_array_equal(ours, sklearn.confusion_matrix(*theirs, labels=range(L)))
        iou = iou_per_class(ours)
        jaccard = sklearn.jaccard_score(*theirs, labels=range(L), average=None, zero_division=0)
        np.testing.assert_array_equal(np.nan_to_num(iou), jaccard)  # 0 is its word for a class that is not there
        assert pixel_accuracy(ours) == sklearn.accuracy_score(*theirs)


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("seed", range(3))
def test_mean_iou_is_that_of_the_cityscapes_scorer(seed, tmp_path):
    name = "cityscapesscripts.evaluation.evalPixelLevelSemanticLabeling"
    scorer = pytest.importorskip(name, reason="the witness needs: pip install cityscapesscripts")
    from PIL import Image

    args = scorer.args
    args.evalInstLevelScore = False
    theirs, ours = scorer.generateMatrix(args), np.zeros((19, 19), np.int64)
    rng = np.random.default_rng(seed)
    scored = np.array(list(CITY_CLASSES.values()))[: 19 - 2 * seed]  # some classes never occur, and score nothing
    for i in range(3):
        truth = rng.choice([*scored, 0, 3, 9, 30], (20, 30)).astype(np.uint8)  # and some labels are not scored
        predicted = np.where(rng.random(truth.shape) < 0.5, truth, rng.choice(scored, truth.shape)).astype(np.uint8)
        predicted = np.where(TRAIN_ID[predicted] == 255, 7, predicted).astype(np.uint8)
        files = [str(tmp_path / f"{i}_{kind}.png") for kind in ("predicted", "truth")]
        for file, ids in zip(files, (predicted, truth)):
            Image.fromarray(ids).save(file)
        scorer.evaluatePair(*files, theirs, {}, {}, args)
        ours += confusion_matrix(TRAIN_ID[predicted], TRAIN_ID[truth], 19)
    scores = {label: scorer.getIouScoreForLabel(label, theirs, args) for label in CITY_CLASSES.values()}
    np.testing.assert_array_equal(iou_per_class(ours), list(scores.values()))
    named = {scorer.id2label[label].name: v for label, v in scores.items()}
    np.testing.assert_allclose(mean_iou(ours), scorer.getScoreAverage(named, args), rtol=1e-14)


# -- laws of labels -------------------------------------------------------------------------------------------------


@law
@given(confusion_cases(Limits()))
def test_a_perfect_prediction_scores_1(case):
    (_, labels, L), options = case
    confusion = confusion_matrix(labels, labels, L, **options)
    assert np.array_equal(confusion, np.diag(confusion.diagonal()))
    if confusion.any():
        assert mean_iou(confusion) == 1 and pixel_accuracy(confusion) == 1


@law
@given(confusion_cases(Limits()))
def test_every_counted_pixel_is_counted_once(case):
    (predicted, labels, L), options = case
    assert confusion_matrix(predicted, labels, L, **options).sum() == (labels != options["ignore"]).sum()


@law
@given(confusion_cases(Limits()), generators())
def test_renaming_classes_permutes_the_confusion(case, rng):
    (predicted, labels, L), _ = case
    labels = np.where(labels < L, labels, 255)
    order = rng.permutation(L)
    renamed = np.append(np.argsort(order), np.full(256 - L, 255))
    before = confusion_matrix(predicted, labels, L)
    after = confusion_matrix(renamed[predicted], renamed[labels], L)
    np.testing.assert_array_equal(after, before[np.ix_(order, order)])
    np.testing.assert_array_equal(iou_per_class(after), iou_per_class(before)[order])


@law
@given(confusions(Limits()))
def test_iou_is_blind_to_who_is_truth_and_the_confusion_is_not(case):
    (confusion,) = case.args
    np.testing.assert_array_equal(iou_per_class(confusion), iou_per_class(confusion.T))
    predicted, labels = np.array([1, 1, 0]), np.array([0, 0, 0])
    np.testing.assert_array_equal(confusion_matrix(predicted, labels, 2), [[1, 2], [0, 0]])
    np.testing.assert_array_equal(confusion_matrix(labels, predicted, 2), [[1, 0], [2, 0]])


@law
@given(confusion_cases(Limits()))
def test_confusions_of_parts_add(case):
    (predicted, labels, L), options = case
    parts = [confusion_matrix(p, t, L, **options) for p, t in zip(predicted, labels)]
    np.testing.assert_array_equal(sum(parts), confusion_matrix(predicted, labels, L, **options))


@law
@given(confusion_cases(Limits()), generators())
def test_what_is_predicted_at_ignored_pixels_changes_nothing(case, rng):
    (predicted, labels, L), options = case
    other = np.where(labels == options["ignore"], rng.integers(0, 256, labels.shape), predicted)  # out of range, too
    np.testing.assert_array_equal(
        confusion_matrix(other, labels, L, **options), confusion_matrix(predicted, labels, L, **options)
    )


def test_a_class_that_is_nowhere_is_left_out_and_one_only_predicted_scores_0():
    confusion = np.array([[4, 0, 0], [1, 3, 0], [0, 0, 0]])
    np.testing.assert_array_equal(iou_per_class(confusion), [4 / 5, 3 / 4, np.nan])
    assert mean_iou(confusion) == (4 / 5 + 3 / 4) / 2
    confusion[0, 2] = 1
    assert mean_iou(confusion) == (4 / 6 + 3 / 4 + 0) / 3


def test_without_a_counted_pixel_there_is_no_score():
    nothing = confusion_matrix(np.zeros((2, 3), int), np.full((2, 3), 255), 4)
    assert not nothing.any() and nothing.dtype == np.int64
    assert np.isnan(iou_per_class(nothing)).all() and np.isnan(mean_iou(nothing)) and np.isnan(pixel_accuracy(nothing))


# -- laws of thresholds ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("write", [np.float64, np.float32, lambda p: np.float32(p).astype(np.float64)])
def test_a_grey_is_positive_at_its_own_threshold_in_whatever_width_it_is_written(write):
    greys = np.arange(256)
    counts = threshold_counts(write(greys / 255), np.ones(256, int))
    np.testing.assert_array_equal(counts[:, 0], 256 - greys)
    bytes_read = greys.astype(np.uint8) / write(255.0)
    np.testing.assert_array_equal(threshold_counts(bytes_read, np.ones(256, int)), counts)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_just_below_a_grey_in_float32_is_below_it(dtype):
    below = np.nextafter(np.float32(np.arange(1, 256) / 255), np.float32(0)).astype(dtype)
    np.testing.assert_array_equal(threshold_counts(below, np.ones(255, int))[1:, 0], 255 - np.arange(1, 256))


@law
@given(threshold_cases(Limits()))
def test_both_float_widths_fall_on_the_same_side(case):
    (p, labels), options = case
    np.testing.assert_array_equal(
        threshold_counts(p, labels, **options), threshold_counts(p.astype(np.float32), labels, **options)
    )


@law
@given(threshold_cases(Limits()))
def test_threshold_counts_of_parts_add_and_are_confusions(case):
    (p, labels), options = case
    counts = threshold_counts(p, labels, **options)
    np.testing.assert_array_equal(sum(threshold_counts(a, b, **options) for a, b in zip(p, labels)), counts)
    for k in (0, 1, 100, 255):
        mask = (p.astype(np.float32) >= np.float32(k / 255)).astype(int)
        (TN, FP), (FN, TP) = confusion_matrix(mask, labels, 2, **options)
        np.testing.assert_array_equal(counts[k], [TP, FP, FN, TN])


@law
@given(threshold_cases(Limits()))
def test_ignored_pixels_have_no_probability(case):
    (p, labels), options = case
    spoilt = np.where(labels == options["ignore"], np.nan, p)
    np.testing.assert_array_equal(threshold_counts(spoilt, labels, **options), threshold_counts(p, labels, **options))


@law
@given(road_cases(Limits()))
def test_max_f_is_the_largest_f_and_the_rest_belongs_to_its_threshold(case):
    (counts,) = case.args
    scores = road_scores(counts)
    if counts[0, 0] == 0:
        assert np.isnan(scores).all()
        return
    P, R = scores.precision, scores.recall
    np.testing.assert_allclose(scores.max_f, 2 * P * R / (P + R), rtol=1e-14)
    np.testing.assert_allclose(scores.fnr, 1 - R, atol=1e-15)
    for TP, FP, FN, _ in counts:
        assert 2 * TP / (2 * TP + FP + FN) <= scores.max_f
    assert 0 < scores.average_precision <= 1 + 1e-15


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_perfect_road_and_a_road_everywhere(dtype):
    road = np.array([[0, 1, 1, 255]])
    perfect = road_scores(threshold_counts((road == 1).astype(dtype), road))
    assert perfect == (1, 1, 1, 1, 0, 0)
    everywhere = road_scores(threshold_counts(np.ones((1, 4), dtype), road))
    np.testing.assert_allclose(everywhere, (4 / 5, 2 / 3, 2 / 3, 1, 1, 0), rtol=1e-15)
    only = road_scores(threshold_counts(np.ones((1, 2), dtype), np.ones((1, 2), int)))
    assert only[:4] == (1, 1, 1, 1) and np.isnan(only.fpr) and only.fnr == 0


def test_road_scores_by_hand():
    """Ten road pixels found one by one, with one mistake before the fourth and two before the seventh."""
    labels = np.array([1, 1, 1, 0, 1, 1, 1, 0, 0, 1, 1, 1, 1])
    scores = road_scores(threshold_counts(np.linspace(1, 0, 13), labels))
    precisions = [1, 1, 1, 1, 6 / 7, 6 / 7, 6 / 7, 10 / 13, 10 / 13, 10 / 13, 10 / 13]  # at recall 0, 1/10, ..., 1
    np.testing.assert_allclose(scores.average_precision, np.mean(precisions), rtol=1e-15)
    np.testing.assert_allclose(scores[:1] + scores[2:], (20 / 23, 10 / 13, 1, 1, 0), rtol=1e-15)


def test_of_two_equal_thresholds_the_lower_is_taken():
    scores = road_scores(threshold_counts(np.array([1.0, 0.75, 0.5, 0.25]), np.array([1, 0, 0, 1])))
    assert scores.max_f == 2 / 3 and scores.precision == 1 / 2 and scores.recall == 1


# -- what is refused ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "call, message",
    [
        (
            lambda: confusion_matrix(np.zeros((2, 3), int), np.full((2, 3), 4), 4),
            r"confusion_matrix: labels\[0, 0\] is 4, expected 0..3",
        ),
        (
            lambda: confusion_matrix(np.full((2, 3), 255), np.zeros((2, 3), int), 4),
            r"confusion_matrix: predicted\[0, 0\] is 255, expected",
        ),
        (
            lambda: confusion_matrix(np.zeros(3, int), np.zeros(2, int), 4),
            r"confusion_matrix: labels has shape \(2,\), expected \(3,\)",
        ),
        (
            lambda: confusion_matrix(np.zeros((2, 3), int), np.zeros(6, int), 4),
            r"confusion_matrix: labels has shape \(6,\), expected \(2, 3\)",
        ),
        (
            lambda: confusion_matrix(np.zeros(3, int), np.zeros(3, int), 0),
            "confusion_matrix: L is 0, expected a whole number >= 1",
        ),
        (
            lambda: iou_per_class(np.zeros((2, 3), int)),
            r"iou_per_class: confusion has shape \(2, 3\), expected \(L, L\)",
        ),
        (lambda: pixel_accuracy(np.zeros(3, int)), r"pixel_accuracy: confusion has shape \(3,\), expected \(L, L\)"),
        (
            lambda: threshold_counts(np.array([0.5, 1.5]), np.array([0, 1])),
            r"threshold_counts: probability\[1\] is 1.5, expected a prob",
        ),
        (
            lambda: threshold_counts(np.array([0.5, np.nan]), np.array([0, 1])),
            r"threshold_counts: probability\[1\] is nan, expected a pr",
        ),
        (
            lambda: threshold_counts(np.array([0.5]), np.array([2])),
            r"threshold_counts: labels\[0\] is 2, expected 0..1, or 255 for ign",
        ),
        (
            lambda: road_scores(np.zeros((255, 4), int)),
            r"road_scores: counts has shape \(255, 4\), expected \(256, 4\)",
        ),
    ],
)
def test_values_that_are_refused(call, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        call()


@pytest.mark.parametrize(
    "call, message",
    [
        (
            lambda: confusion_matrix(np.zeros(3), np.zeros(3, int), 4),
            "confusion_matrix: predicted has dtype float64, expected integer",
        ),
        (lambda: confusion_matrix([0, 1], [0, 1], 2), "confusion_matrix: predicted is a list, expected a NumPy array"),
        (lambda: mean_iou(np.zeros((2, 2))), "mean_iou: confusion has dtype float64, expected integer"),
        (
            lambda: threshold_counts(np.zeros(3, np.uint8), np.zeros(3, int)),
            "threshold_counts: probability has dtype uint8, expected fl",
        ),
        (lambda: road_scores(np.zeros((256, 4))), "road_scores: counts has dtype float64, expected integer"),
    ],
)
def test_kinds_that_are_refused(call, message):
    with pytest.raises(TypeError, match=f"^{message}"):
        call()
