# %% exercise="mean_abs" cause="sums |w| instead of averaging"
def scales_of(w):
    return np.abs(w).sum(axis=(0, 1, 2))


# %% exercise="mean_abs" cause="one scale for all filters"
def scales_of(w):
    return np.full(w.shape[-1], np.abs(w).mean())


# %% exercise="mean_abs" cause="forgets the absolute value"
def scales_of(w):
    return w.mean(axis=(0, 1, 2))


# %% exercise="mean_abs" cause="root mean square in place of the mean of |w|"
def scales_of(w):
    return np.sqrt((w**2).mean(axis=(0, 1, 2)))


# %% exercise="mean_abs" cause="divides by KH KW only, not by the channels"
def scales_of(w):
    return np.abs(w).sum(axis=(0, 1, 2)) / w.dtype.type(w.shape[0] * w.shape[1])


# %% exercise="mean_abs" cause="has shape"
def scales_of(w):
    return np.abs(w).mean()


# %% exercise="binary_conv2d" cause="convolves latent weights, not their signs"
def scaled_product(x, w, alpha):
    return (x @ w) * alpha


# %% exercise="binary_conv2d" cause="forgets the scale"
def scaled_product(x, w, alpha):
    return x @ sign(w)


# %% exercise="binary_conv2d" cause="computes the scale anew from the weights, whatever was given"
def scaled_product(x, w, alpha):
    return (x @ sign(w)) * mean_abs(w)[0]


# %% exercise="binary_conv2d" cause="one scale for all filters"
def scaled_product(x, w, alpha):
    return (x @ sign(w)) * alpha.mean()


# %% exercise="mean_abs_backward" cause="treats the scale as a constant: no gradient"
def scales_backward(dalpha, w):
    return np.zeros_like(w)


# %% exercise="mean_abs_backward" cause="forgets the sign of the weight"
def scales_backward(dalpha, w):
    return np.ones_like(w) * dalpha / w[..., 0].size


# %% exercise="mean_abs_backward" cause="the weight in place of its sign"
def scales_backward(dalpha, w):
    return w * dalpha / w[..., 0].size


# %% exercise="mean_abs_backward" cause="divides by all weights, not by one filter's"
def scales_backward(dalpha, w):
    return sign(w) * dalpha / w.size


# %% exercise="mean_abs_backward" cause="forgets to divide by the number of weights"
def scales_backward(dalpha, w):
    return sign(w) * dalpha


# %% exercise="binary_conv2d" cause="ternary weights: np.sign of a latent weight of 0"
def scaled_product(x, w, alpha):
    return (x @ np.sign(w)) * alpha
