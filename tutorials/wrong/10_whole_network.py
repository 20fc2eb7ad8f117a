# %% exercise="rprelu" cause="adds the inner shift"
def bend(x, shift_in, slope, shift_out):
    z = x + shift_in
    return np.where(z >= 0, z, slope * z) + shift_out


# %% exercise="rprelu" cause="the two shifts exchanged"
def bend(x, shift_in, slope, shift_out):
    z = x - shift_out
    return np.where(z >= 0, z, slope * z) + shift_in


# %% exercise="rprelu" cause="bends the outer shift too"
def bend(x, shift_in, slope, shift_out):
    z = x - shift_in + shift_out
    return np.where(z >= 0, z, slope * z)


# %% exercise="rprelu" cause="wrote into its argument x"
def bend(x, shift_in, slope, shift_out):
    x -= shift_in
    return np.where(x >= 0, x, slope * x) + shift_out


# %% exercise="mae" cause="root of the mean square"
def mean_error(probability, target):
    return np.sqrt(((probability - target.astype(probability.dtype)) ** 2)[target != 255].mean())


# %% exercise="mae" cause="the mean difference, with its sign"
def mean_error(probability, target):
    return np.abs((probability - target.astype(probability.dtype))[target != 255].mean())


# %% exercise="mae" cause="decides at 1/2 first"
def mean_error(probability, target):
    return ((probability >= 0.5) != target)[target != 255].mean().astype(probability.dtype)


# %% exercise="mae" cause="object and background weigh the same"
def mean_error(probability, target):
    wrong = np.abs(probability - target.astype(probability.dtype))
    parts = [wrong[part].mean() for part in (target == 1, target == 0) if part.any()]
    return np.mean(parts, dtype=probability.dtype)


# %% exercise="mae" cause="counts ignored pixels, as background"
def mean_error(probability, target):
    return np.abs(probability - (target == 1).astype(probability.dtype)).mean()


# %% exercise="max_f" cause="each image at its own best threshold, averaged after"
def best_f(curves):
    return curves.max(axis=1).mean()


# %% exercise="max_f" cause="the best of all images"
def best_f(curves):
    return curves.max()


# %% exercise="max_f" cause="the mean over thresholds"
def best_f(curves):
    return curves.mean(axis=0).mean()


# %% exercise="max_f" cause="at threshold 1/2"
def best_f(curves):
    return curves[:, 128].mean()
