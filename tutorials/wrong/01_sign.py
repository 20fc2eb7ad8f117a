# %% exercise="sign" cause="ternary: sign(0) = 0"
def sign_of(x):
    return np.sign(x)


# %% exercise="sign" cause="treats 0 as -1"
def sign_of(x):
    return np.where(x > 0, 1, -1).astype(x.dtype)


# %% exercise="sign" cause="returns integers"
def sign_of(x):
    return np.where(x >= 0, 1, -1)


# %% exercise="sign" cause="reads the sign bit, so -0.0 becomes -1"
def sign_of(x):
    return np.copysign(np.ones_like(x), x)


# %% exercise="binarize_backward" cause="no mask: the gradient passes everywhere"
def clipped_backward(dy, cache):
    return dy, -dy.reshape(-1, dy.shape[-1]).sum(axis=0)


# %% exercise="binarize_backward" cause="clips the gradient instead of masking by x"
def clipped_backward(dy, cache):
    dx = np.clip(dy, -1, 1)
    return dx, -dx.reshape(-1, dx.shape[-1]).sum(axis=0)


# %% exercise="binarize_backward" cause="the mask is strict: nothing passes at |x - tau| = 1"
def clipped_backward(dy, cache):
    dx = dy * (np.abs(cache.shifted) < 1)
    return dx, -dx.reshape(-1, dx.shape[-1]).sum(axis=0)


# %% exercise="binarize_backward" cause="forgets the minus sign of dtau"
def clipped_backward(dy, cache):
    dx = dy * (np.abs(cache.shifted) <= 1)
    return dx, dx.reshape(-1, dx.shape[-1]).sum(axis=0)


# %% exercise="binarize_backward" cause="sums dtau over the first axis alone"
def clipped_backward(dy, cache):
    dx = dy * (np.abs(cache.shifted) <= 1)
    return dx, -dx.sum(axis=0)


# %% exercise="polynomial_slope" cause="the mask of the clip, whatever surrogate was asked for"
def polynomial_slope(x):
    return (np.abs(x) <= 1).astype(x.dtype)


# %% exercise="polynomial_slope" cause="the polynomial's slope without an end: negative beyond 1"
def polynomial_slope(x):
    return 2 - 2 * np.abs(x)


# %% exercise="polynomial_slope" cause="multiplies by the surrogate, not by its slope"
def polynomial_slope(x):
    x = np.clip(x, -1, 1)
    return x * (2 - np.abs(x))
