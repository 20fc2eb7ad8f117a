"""Mistakes in the scores of a salient object: MAE, F, E and S."""

from collections.abc import Callable

import numpy as np

from ...metrics import saliency
from ...notation import IGNORE, Array
from .mistake import mistakes

# fmt: off


def of_stretched(score: Callable) -> Callable:
    """The score of a prediction that is first stretched to [0, 1], as ``py_sod_metrics`` does."""

    def stretched(p: Array, target: Array, **options: float) -> Array:
        return score((p - p.min()) / (p.max() - p.min()) if p.max() > p.min() else p, target, **options)

    return stretched


def of_background(score: Callable) -> Callable:
    """The score of a prediction whose ignored pixels count as background."""
    return lambda p, target, **options: score(p, np.where(target == IGNORE, 0, target), **options)


BACKGROUND = "counts ignored pixels, as background"
BACKGROUND_SYMPTOM = "right for masks without ignored pixels; worse the wider the border that is to be ignored"
STRETCHED = "stretches the prediction to [0, 1]"
STRETCHED_SYMPTOM = "too good for a network that never predicts 0 or 1; right for one that predicts both"
FIRST = "highest threshold first"
FIRST_SYMPTOM = "maximum and mean are right; value k belongs to the threshold 255 - k"
KINDS_MET = "GewelsJI/SINet-V2#2"
DIFFERENCE = "np.abs(p.astype(np.float64) - t).mean()"

MISTAKES = (
    *mistakes(
        saliency.mae,
        ("root of the mean square", DIFFERENCE, "np.sqrt(((p - t) ** 2).mean())",
         "right if the error is the same everywhere; larger if a few pixels are quite wrong"),
        ("the mean difference, with its sign", DIFFERENCE, "np.abs((p - t).mean())",
         "0 for any prediction that is as large as the object, wherever it is"),
        ("subtracts 8-bit pictures: differences below 0 wrap around",
         DIFFERENCE, "(np.uint8(np.rint(255 * p)) - np.uint8(255 * t)).mean() / 255",
         "right on the ground; on the object a small error counts as a large one"),
        (STRETCHED, of_stretched(saliency.mae), STRETCHED_SYMPTOM, "py_sod_metrics"),
        (BACKGROUND, of_background(saliency.mae), BACKGROUND_SYMPTOM),
        ("decides at 1/2 first", "p.astype(np.float64)", "(p >= 0.5).astype(int)",
         "the share of wrong pixels: a network that is right everywhere and never sure gets 0"),
        ("object and background weigh the same",
         DIFFERENCE, "np.mean([np.abs(p - t)[part].mean() for part in (t, ~t) if part.any()])",
         "larger than in papers, for small objects"),
    ),
    *mistakes(
        saliency.f_curve,
        ("squares beta2, which is squared already: 0.3 becomes 0.09",
         ("beta2 * (TP + FN)", "((1 + beta2)"), ("beta2**2 * (TP + FN)", "((1 + beta2**2)"),
         "right for beta 1; otherwise nearly the precision alone, and too high for cautious networks",
         "AceCoooool/DSS-pytorch#26"),
        ("1 + beta above, beta squared below", "((1 + beta2)", "((1 + beta2**0.5)",
         "right for beta 1; otherwise even a perfect mask does not score 1", "hhromic/python-bcubed#1"),
        ("precision and recall exchanged", "beta2 * (TP + FN) + TP + FP", "beta2 * (TP + FP) + TP + FN",
         "right for beta 1; otherwise too high if the object is predicted everywhere, too low for cautious networks"),
        ("beta 1, whatever is asked", ("beta2 * (TP + FN)", "((1 + beta2)"), ("(TP + FN)", "(2"),
         "other numbers than in papers, which use 0.3, though of the same order", "WenjunHui1/TSP-SAM#4"),
        (FIRST, ".astype(probability.dtype)", ".astype(probability.dtype)[::-1]", FIRST_SYMPTOM, "py_sod_metrics"),
        (STRETCHED, of_stretched(saliency.f_curve), STRETCHED_SYMPTOM, "py_sod_metrics"),
        (BACKGROUND, of_background(saliency.f_curve), BACKGROUND_SYMPTOM),
        ("NaN where nothing was found: 0 / 0", "np.where(TP, below, 1)", "np.where(TP, below, 0)",
         "one image without an object, or without a sure pixel, makes the mean of the data set NaN",
         "ArcherFMY/sal_eval_toolbox#3"),
    ),
    *mistakes(
        saliency.max_f_loops,
        ("each image at its own best threshold, averaged after",
         "return best", "return np.mean([max(curve) for curve in curves])",
         "never lower, mostly higher than in papers; right for one image",
         "lartpang/PySODEvalToolkit#14", "xuebinqin/BASNet#19"),
        ("the best of all images", "return best", "return np.max(curves)", "1 as soon as one image is easy"),
        ("the mean over thresholds", "return best", "return np.mean(curves)",
         "this is the mean F, lower than the maximum; papers call either one F",
         "jiwei0921/SOD-CNNs-based-code-summary-#2"),
        ("at threshold 1/2", "return best", "return np.mean(curves, 0)[128]",
         "lower than in papers, most so for a network whose probabilities are not calibrated",
         "hlwang1124/SNE-RoadSeg#13"),
    ),
    *mistakes(
        saliency.e_curve,
        ("divides by n, as the paper says", "max(n - 1, 1)", "n",
         "a perfect mask scores 1; on images of usual size only the last digits differ", "DengPingFan/E-measure#1"),
        ("alignment not squared", ")) ** 2 / 4", ")) / 2",
         "right for a perfect mask, too high for others: a random mask gets about 1/2, not less"),
        ("alignment not divided by 4", ")) ** 2 / 4", ")) ** 2", "four times too high, but not for constant masks"),
        ("does not subtract the means", ("seen, true = (TP + FP) / n, there / n", "(a**2 + b**2)"),
         ("seen, true = 0, 0", "(a**2 + b**2 + 1e-30)"),
         "true negatives count 1/4: a small object scores little even if the prediction is perfect"),
        ("an empty mask like any other", ("there in (0, n)", "(a**2 + b**2)"), ("n == 0", "(a**2 + b**2 + 1e-30)"),
         "an image without an object scores 1/4 at every threshold, whatever is predicted in it"),
        (FIRST, ".astype(probability.dtype)", ".astype(probability.dtype)[::-1]", FIRST_SYMPTOM, "py_sod_metrics"),
        (STRETCHED, of_stretched(saliency.e_curve), STRETCHED_SYMPTOM, "py_sod_metrics"),
        (BACKGROUND, of_background(saliency.e_curve), BACKGROUND_SYMPTOM),
    ),
    *mistakes(
        saliency.e_measure,
        ("the maximum over thresholds, not the mean", ".mean()", ".max()",
         "never lower, mostly higher; papers call either one E", KINDS_MET),
        ("one mask, at twice the mean: the adaptive E", (".mean()", "probability.astype(np.float64)"),
         ("[1]", "1.0 * (probability >= min(2 * probability[target != ignore].mean(), 1))"),
         "near the mean E, higher or lower; papers call either one E", KINDS_MET),
        ("one mask, at 1/2", ".mean()", "[128]", "mostly higher, as if the network were sure of every pixel"),
        ("leaves out threshold 0, at which everything is positive", ".mean()", "[1:].mean()",
         "a little too high, by 1/256 at most of what a perfect mask scores"),
    ),
    *mistakes(
        saliency.s_measure_loops,
        ("the variance in place of the deviation", "math.sqrt(covariance(v, v))", "covariance(v, v)",
         "right for a prediction that is constant inside and outside, too high for others"),
        ("deviation of a population: divides by n", "max(n * (n - 1), 1)", "n**2",
         "only the last digits differ, unless the object has few pixels"),
        ("rounding makes a constant vary",
         "sum((a[i] - a[j]) * (b[i] - b[j]) for i in range(n) for j in range(i)) / max(n * (n - 1), 1)",
         "((np.array(a) - mean(a)) * (np.array(b) - mean(b))).sum() / max(n - 1, 1)",
         "a part without object and with a constant prediction scores 0, not 1, for some constants and sizes"),
        ("0 for parts in which nothing varies, not 1", "if below else 1.0", "if below else 0.0",
         "a perfect mask does not score 1, if one of the four parts is empty"),
    ),
    *mistakes(
        saliency.s_measure,
        ("alpha weighs the regions",
         "alpha * objects + (1 - alpha) * regions", "(1 - alpha) * objects + alpha * regions",
         "right for alpha 1/2, which everyone uses"),
        ("background contrasted as if it were object", "_contrast(1 - p[~t])", "_contrast(p[~t])",
         "a perfect mask scores little, least where the object is small"),
        ("cuts before the centroid", ("i > row", "j > column"), ("i >= row", "j >= column"),
         "differs in the third digit or later, for objects of many pixels"),
        ("rounds a centroid half up, as MATLAB does", "np.rint(at[t].mean())", "np.floor(at[t].mean() + 0.5)",
         "right unless the centroid is exactly half-way, as in small symmetric objects", "DengPingFan/S-measure#1"),
        ("rounds a centroid down: int() of it", "np.rint(at[t].mean())", "np.floor(at[t].mean())",
         "differs in the third digit or later, for objects of many pixels"),
        ("row and column of the centroid exchanged", "row, column =", "column, row =",
         "right for objects on the diagonal of the image; a perfect mask still scores 1"),
        ("cut in the middle of the image",
         "(np.rint(at[t].mean()) for at in (i, j))", "((at.max() - 1) // 2 for at in (i, j))",
         "right for objects in the middle; a perfect mask still scores 1"),
        ("the four parts weigh the same", "part.mean()", "0.25",
         "right for objects in the middle; a perfect mask still scores 1, unless a part has no pixel"),
        ("NaN where a part of the image has no pixel",
         ("_likeness(p[part], t[part]) for part in parts if part.any()", "max(0.0, "),
         ("(_likeness(p[part], t[part]) if part.any() else np.nan) for part in parts", "np.maximum(0.0, "),
         "one image whose object is in the last row or column makes the mean of the data set NaN", "py_sod_metrics"),
        ("MAE for an empty or a full mask, not 1 - MAE", "1 - np.abs(p - t).mean()", "np.abs(p - t).mean()",
         "an image without an object gets 0 if none is predicted in it"),
        ("may fall below 0", "max(0.0, alpha * objects + (1 - alpha) * regions)",
         "alpha * objects + (1 - alpha) * regions",
         "right for a prediction that is better than none; the inverse of a mask scores less than 0"),
        ("measures the centroid from the corner of the image, not of what counts",
         "(at - at.min() for at in np.nonzero(target != ignore))", "np.nonzero(target != ignore)",
         "right unless the centroid is exactly half-way and the ignored border has an odd number of rows or columns"),
        (STRETCHED, of_stretched(saliency.s_measure), STRETCHED_SYMPTOM, "py_sod_metrics"),
        (BACKGROUND, of_background(saliency.s_measure), BACKGROUND_SYMPTOM),
    ),
)
