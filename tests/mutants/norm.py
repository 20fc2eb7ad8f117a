"""Wrong versions of batch norm, its running statistics, and its folding into an integer comparison."""

import numpy as np

from tinybnn import bitpack, fold, norm
from tinybnn.fold import Threshold
from tinybnn.norm import BatchNormGrads

from .mutant import Mutant


def centre_and_scale(x, gamma, beta, centre, scale):
    return (x - centre) * (gamma / scale) + beta, None


def unbiased(x, gamma, beta, *, eps):
    axes = tuple(range(x.ndim - 1))
    n = x.size // x.shape[-1]
    return centre_and_scale(x, gamma, beta, x.mean(axes), np.sqrt(x.var(axes) * (n / (n - 1)) + eps))


def per_position(x, gamma, beta, *, eps):
    return centre_and_scale(x, gamma, beta, x.mean(0), np.sqrt(x.var(0) + eps))


def eps_outside_the_root(x, gamma, beta, *, eps):
    axes = tuple(range(x.ndim - 1))
    return centre_and_scale(x, gamma, beta, x.mean(axes), np.sqrt(x.var(axes)) + eps)


def mean_of_squares(x, gamma, beta, *, eps):
    axes = tuple(range(x.ndim - 1))
    var = np.maximum((x * x).mean(axes) - x.mean(axes) ** 2, 0)
    return centre_and_scale(x, gamma, beta, x.mean(axes), np.sqrt(var + eps))


def statistics_held_fixed(dy, cache):
    good = norm.batch_norm_backward(dy, cache)
    return good._replace(dx=dy * (cache.gamma / cache.std))


def variance_held_fixed(dy, cache):
    good = norm.batch_norm_backward(dy, cache)
    return good._replace(dx=(dy - good.dbeta / cache.rows) * (cache.gamma / cache.std))


def gamma_forgotten(dy, cache):
    good = norm.batch_norm_backward(dy, cache)
    return good._replace(dx=norm.batch_norm_backward(dy, cache._replace(gamma=np.ones_like(cache.gamma))).dx)


def averaged(dy, cache):
    dx, dgamma, dbeta = norm.batch_norm_backward(dy, cache)
    return BatchNormGrads(dx, dgamma / cache.rows, dbeta / cache.rows)


def running(change):
    """update_running on a batch's mean and biased variance that ``change(old, mean, var, n, keep)`` puts together."""

    def update(mean, var, x, *, momentum):
        axes = tuple(range(x.ndim - 1))
        return change((mean, var), x.mean(axes), x.var(axes), x.size // x.shape[-1], momentum)

    return update


def replaced(old, m, v, n, keep):
    return keep * m + (1 - keep) * old[0], keep * v * (n / (n - 1)) + (1 - keep) * old[1]


def biased(old, m, v, n, keep):
    return keep * old[0] + (1 - keep) * m, keep * old[1] + (1 - keep) * v


def written(old, m, v, n, keep):
    for a, new in zip(old, (m, v * (n / (n - 1)))):
        a[...] = keep * a + (1 - keep) * new
    return old


def by_the_batch(x, gamma, beta, mean, var, *, eps):
    return norm.batch_norm(x, gamma, beta, eps=eps)[0]


def shift_before_scale(x, gamma, beta, mean, var, *, eps):
    return (x + beta - mean) * (gamma / np.sqrt(var + eps))


# -- folding --------------------------------------------------------------------------------------------------------


def fold_with(threshold):
    """Compare by ``threshold(alpha, gamma, beta, mean, var, n, eps) -> Threshold``, pack, unpack."""

    def packed(z, *parameters, n, eps):
        negative = fold.threshold_sign(z.astype(int), threshold(*parameters, n, eps))
        return bitpack.unpack(bitpack.pack_bits(negative), z.shape[-1])

    return packed


def right(alpha, gamma, beta, mean, var, n, eps):
    return fold.fold_batch_norm(alpha, gamma, beta, mean, var, n, eps=eps)


def closed(rising, falling):
    """The closed formula: where alpha z crosses 0, rounded; with ceil and floor + 1 it is right up to rounding."""

    def threshold(alpha, gamma, beta, mean, var, n, eps):
        crossing = (mean - beta * np.sqrt(var + eps) / np.where(gamma == 0, 1, gamma)) / alpha
        t = np.where(gamma > 0, rising(crossing), falling(crossing))
        return Threshold(np.where(gamma == 0, np.where(beta >= 0, -n, n + 1), t).astype(int), gamma < 0)

    return threshold


def above(crossing):
    return np.floor(crossing) + 1


def never_flipped(*parameters):
    good = right(*parameters)
    return good._replace(flip=np.zeros_like(good.flip))


def constant_filters_are_plus(alpha, gamma, beta, mean, var, n, eps):
    good = right(alpha, gamma, beta, mean, var, n, eps)
    return Threshold(np.where(gamma == 0, -n, good.t), good.flip & (gamma != 0))


def every_second_level(alpha, gamma, beta, mean, var, n, eps):
    """Asks only levels of the parity of n, all that occur without padding."""
    good = right(alpha, gamma, beta, mean, var, n, eps)
    return good._replace(t=good.t + (good.t + n) % 2)


def three_valued(z, alpha, *statistics, n, eps):
    return np.sign(norm.batch_norm_inference(alpha * z, *statistics, eps=eps))


MUTANTS = (
    Mutant("batch_norm", "forward", "divides the variance by n - 1", unbiased),
    Mutant("batch_norm", "forward", "statistics over images only, one a position", per_position),
    Mutant("batch_norm", "forward", "eps outside the root", eps_outside_the_root),
    Mutant("batch_norm", "forward", "variance as mean of squares minus square of mean", mean_of_squares),
    Mutant("batch_norm", "forward", "gamma and beta exchanged", lambda x, g, b, **o: norm.batch_norm(x, b, g, **o)),
    Mutant("batch_norm", "backward", "takes mean and variance for constants", statistics_held_fixed),
    Mutant("batch_norm", "backward", "takes the variance for a constant", variance_held_fixed),
    Mutant("batch_norm", "backward", "forgets gamma on the way back", gamma_forgotten),
    Mutant("batch_norm", "backward", "averages dgamma and dbeta over the batch", averaged),
    Mutant("update_running", "forward", "momentum is what is replaced", running(replaced)),
    Mutant("update_running", "forward", "keeps the biased variance", running(biased)),
    Mutant("update_running", "forward", "writes into the statistics it was given", running(written)),
    Mutant("batch_norm_inference", "forward", "normalises by this batch's statistics", by_the_batch),
    Mutant("batch_norm_inference", "forward", "adds beta before scaling", shift_before_scale),
    Mutant(
        "batch_norm_inference",
        "forward",
        "forgets eps",
        lambda *args, eps: norm.batch_norm_inference(*args, eps=1e-12),
    ),
    Mutant("fold_batch_norm", "forward", "0 at ties: a third value", three_valued),
    Mutant("fold_batch_norm", "packed", "forgets that gamma < 0 turns the comparison", fold_with(never_flipped)),
    Mutant(
        "fold_batch_norm", "packed", "gamma < 0 turns >= into <, where <= is meant", fold_with(closed(np.ceil, np.ceil))
    ),
    Mutant("fold_batch_norm", "packed", "a tie is -1", fold_with(closed(above, above))),
    Mutant("fold_batch_norm", "packed", "gamma = 0 is always +1", fold_with(constant_filters_are_plus)),
    Mutant("fold_batch_norm", "packed", "asks every second level only", fold_with(every_second_level)),
    Mutant(
        "fold_batch_norm", "packed", "forgets alpha", fold_with(lambda alpha, *rest: right(np.ones_like(alpha), *rest))
    ),
    Mutant("fold_batch_norm", "packed", "forgets eps", fold_with(lambda *p: right(*p[:-1], 1e-12))),
    Mutant("threshold_sign", "forward", "> in place of >=", lambda z, t, flip: (z > t) == flip),
    Mutant("threshold_sign", "forward", "gives what is positive", lambda z, t, flip: (z >= t) != flip),
    Mutant("threshold_sign", "forward", "ignores flip", lambda z, t, flip: z < t),
    Mutant(
        "threshold_sign",
        "forward",
        "turns the threshold and not the comparison",
        lambda z, t, flip: z < np.where(flip, -t, t),
    ),
)
