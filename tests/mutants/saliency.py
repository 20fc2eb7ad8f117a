"""Wrong versions of the scores of one object."""

import math

import numpy as np

from tinybnn import saliency
from tinybnn.metrics import threshold_counts

from .mutant import Mutant

# -- MAE and F ------------------------------------------------------------------------------------------------------


def mae_with(mean, stretch=lambda p: p):
    """Another ``mean(p - t, t)``; ``stretch`` comes first."""

    def forward(probability, target):
        p = stretch(probability.astype(np.float64))
        return probability.dtype.type(mean(p - target, target == 1))

    return forward


def stretched(p):
    return (p - p.min()) / (p.max() - p.min()) if p.max() > p.min() else p


def f_with(f, levels=lambda p: p, empty=0.0):
    """``f(precision, recall, beta2)`` at each threshold; ``empty`` where nothing was found."""

    def forward(probability, target, *, beta2):
        TP, FP, FN, _ = threshold_counts(levels(probability), target.astype(np.uint8)).T
        found = TP > 0
        P, R = TP / np.where(found, TP + FP, 1), TP / np.where(found, TP + FN, 1)
        value = np.where(found, f(np.where(found, P, 1), np.where(found, R, 1), beta2), empty)
        return value.astype(probability.dtype)

    return forward


def weighted(P, R, beta2):
    return (1 + beta2) * P * R / (beta2 * P + R)


def just_below(p):
    """Every grey falls below its own threshold, as if ``>`` had been asked."""
    return np.nextafter(p.astype(np.float32), np.float32(0))


def of_own_thresholds(curves):
    return curves.dtype.type(curves.astype(np.float64).max(1).mean())


# -- S and E --------------------------------------------------------------------------------------------------------


def covariance(a, b):
    a, b = a - a.flat[0], b - b.flat[0]
    return ((a - a.mean()) * (b - b.mean())).sum() / max(a.size - 1, 1)


def contrast(v):
    return 2 * v.mean() / (v.mean() ** 2 + 1 + math.sqrt(covariance(v, v)))


def contrast_of_population(v):
    return 2 * v.mean() / (v.mean() ** 2 + 1 + math.sqrt(covariance(v, v) * max(v.size - 1, 1) / v.size))


def likeness(p, t):
    x, y = p.mean(), t.mean()
    below = (x**2 + y**2) * (covariance(p, p) + covariance(t, t))
    return 4 * x * y * covariance(p, t) / below if below else 1.0


def s_with(
    contrast=contrast,
    background=lambda p: 1 - p,
    likeness=likeness,
    cut=lambda mean: int(np.rint(mean)) + 1,
    share=lambda part, whole: part.size / whole.size,
    constant=lambda p, t: 1 - np.abs(p - t).mean(),
    exchanged=False,
):
    """The S-measure from other parts."""

    def forward(probability, target, *, alpha):
        p, t, alpha = probability.astype(np.float64), target.astype(np.float64), 1 - alpha if exchanged else alpha
        if t.min() == t.max():
            return probability.dtype.type(constant(p, t))
        objects = t.mean() * contrast(p[t == 1]) + (1 - t.mean()) * contrast(background(p[t == 0]))
        row, column = (cut(at.mean()) for at in np.nonzero(t))
        parts = [(i, j) for i in np.s_[:row, row:] for j in np.s_[:column, column:]]
        regions = sum(share(p[at], p) * likeness(p[at], t[at]) for at in parts if p[at].size)
        return probability.dtype.type(max(0.0, alpha * objects + (1 - alpha) * regions))

    return forward


def noisy_likeness(p, t):
    """0/0 only where a rounded mean happens to leave nothing."""
    x, y, n = p.mean(), t.mean(), max(p.size - 1, 1)
    xx, yy, xy = ((p - x) ** 2).sum() / n, ((t - y) ** 2).sum() / n, ((p - x) * (t - y)).sum() / n
    below = (x**2 + y**2) * (xx + yy)
    return 4 * x * y * xy / below if below else 1.0


def e_with(enhance=lambda a: (1 + a) ** 2 / 4, divisor=lambda n: max(n - 1, 1), centred=True, constant=True):
    def forward(probability, target):
        p, t = probability.astype(np.float32).ravel(), target.ravel().astype(np.float64)
        masks = (p >= np.float32(np.arange(256) / 255)[:, None]).astype(np.float64)
        if constant and t.min() == t.max():
            total = (masks == t).sum(1)
        else:
            a, b = (masks - masks.mean(1, keepdims=True), t - t.mean()) if centred else (masks, t)
            below = a**2 + b**2
            total = enhance(np.divide(2 * a * b, below, out=np.zeros_like(below), where=below > 0)).sum(1)
        return (total / divisor(t.size)).astype(probability.dtype)

    return forward


MUTANTS = (
    Mutant("mae", "forward", "root of the mean square", mae_with(lambda d, t: np.sqrt((d**2).mean()))),
    Mutant("mae", "forward", "the mean difference, with its sign", mae_with(lambda d, t: abs(d.mean()))),
    Mutant("mae", "forward", "stretches the prediction to [0, 1]", mae_with(lambda d, t: np.abs(d).mean(), stretched)),
    Mutant(
        "mae",
        "forward",
        "object and background weigh the same",
        mae_with(lambda d, t: np.mean([np.abs(d[m]).mean() for m in (t, ~t) if m.any()])),
    ),
    Mutant("f_curve", "forward", "squares what is already squared", f_with(lambda P, R, b: weighted(P, R, b * b))),
    Mutant("f_curve", "forward", "precision and recall exchanged", f_with(lambda P, R, b: weighted(R, P, b))),
    Mutant("f_curve", "forward", "beta 1, whatever is asked", f_with(lambda P, R, b: weighted(P, R, 1))),
    Mutant("f_curve", "forward", "positive above the threshold, not at it", f_with(weighted, levels=just_below)),
    Mutant("f_curve", "forward", "stretches the prediction to [0, 1]", f_with(weighted, levels=stretched)),
    Mutant("f_curve", "forward", "1 where nothing was found", f_with(weighted, empty=1.0)),
    Mutant("max_f", "forward", "each image at its own best threshold, averaged after", of_own_thresholds),
    Mutant("max_f", "forward", "the best of all images", lambda curves: curves.max()),
    Mutant("max_f", "forward", "the mean over thresholds", lambda curves: curves.mean(0).mean()),
    Mutant("s_measure", "forward", "alpha weighs the regions", s_with(exchanged=True)),
    Mutant("s_measure", "forward", "deviation of a population", s_with(contrast=contrast_of_population)),
    Mutant("s_measure", "forward", "background contrasted as if it were object", s_with(background=lambda p: p)),
    Mutant("s_measure", "forward", "cuts before the centroid", s_with(cut=lambda mean: int(np.rint(mean)))),
    Mutant("s_measure", "forward", "rounds a centroid half up", s_with(cut=lambda mean: math.floor(mean + 0.5) + 1)),
    Mutant("s_measure", "forward", "the four parts weigh the same", s_with(share=lambda part, whole: 0.25)),
    Mutant("s_measure", "forward", "rounding makes a constant vary", s_with(likeness=noisy_likeness)),
    Mutant("s_measure", "forward", "0 for an empty or a full mask", s_with(constant=lambda p, t: 0.0)),
    Mutant("e_curve", "forward", "divides by n, as the paper says", e_with(divisor=lambda n: n)),
    Mutant("e_curve", "forward", "alignment not squared", e_with(enhance=lambda a: (1 + a) / 2)),
    Mutant("e_curve", "forward", "means not taken off", e_with(centred=False)),
    Mutant("e_curve", "forward", "an empty mask like any other", e_with(constant=False)),
    Mutant(
        "e_measure",
        "forward",
        "the maximum over thresholds, not the mean",
        lambda probability, target: saliency.e_curve(probability, target).max(),
    ),
    Mutant(
        "e_measure",
        "forward",
        "one mask, at 1/2",
        lambda probability, target: saliency.e_curve(probability, target)[128],
    ),
)
