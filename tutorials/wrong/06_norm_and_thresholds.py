# %% exercise="batch_norm_backward" cause="takes mean and variance for constants"
def norm_backward(dy, cache):
    centred, gamma, std, _, _, rows = cache
    axes = tuple(range(dy.ndim - 1))
    return dy * gamma / std, (dy * centred).sum(axis=axes) / std, dy.sum(axis=axes)


# %% exercise="batch_norm_backward" cause="takes the variance for a constant"
def norm_backward(dy, cache):
    centred, gamma, std, _, _, rows = cache
    axes = tuple(range(dy.ndim - 1))
    dbeta = dy.sum(axis=axes)
    dx = gamma / std * (dy - dbeta / rows)
    return dx, (dy * centred).sum(axis=axes) / std, dbeta


# %% exercise="batch_norm_backward" cause="averages dgamma and dbeta instead of summing"
def norm_backward(dy, cache):
    centred, gamma, std, _, _, rows = cache
    axes = tuple(range(dy.ndim - 1))
    dbeta = dy.mean(axis=axes)
    dgamma = (dy * centred).mean(axis=axes) / std
    dx = gamma / std * (dy - dbeta - centred * dgamma / std)
    return dx, dgamma, dbeta


# %% exercise="batch_norm_backward" cause="forgets gamma on the way back"
def norm_backward(dy, cache):
    centred, gamma, std, _, _, rows = cache
    axes = tuple(range(dy.ndim - 1))
    dbeta = dy.sum(axis=axes)
    dgamma = (dy * centred).sum(axis=axes) / std
    return (dy - dbeta / rows - centred * dgamma / (rows * std)) / std, dgamma, dbeta


# %% exercise="batch_norm_inference" cause="eps outside the root: sqrt(var) + eps"
def multiply_add(x, gamma, beta, mean, var, *, eps):
    scale = gamma / (np.sqrt(var) + eps)
    return x * scale + (beta - mean * scale)


# %% exercise="batch_norm_inference" cause="divides by the variance, not by its root"
def multiply_add(x, gamma, beta, mean, var, *, eps):
    scale = gamma / (var + eps)
    return x * scale + (beta - mean * scale)


# %% exercise="batch_norm_inference" cause="forgets the mean: shift = beta"
def multiply_add(x, gamma, beta, mean, var, *, eps):
    return x * (gamma / np.sqrt(var + eps)) + beta


# %% exercise="batch_norm_inference" cause="adds beta before scaling"
def multiply_add(x, gamma, beta, mean, var, *, eps):
    scale = gamma / np.sqrt(var + eps)
    return (x - mean + beta) * scale


# %% exercise="threshold_sign" cause="bits of what is positive: 1 means +1"
def sign_bits(z, t, flip):
    return (z >= t) != flip


# %% exercise="threshold_sign" cause="> in place of >="
def sign_bits(z, t, flip):
    return (z > t) == flip


# %% exercise="threshold_sign" cause="ignores flip"
def sign_bits(z, t, flip):
    return z < t


# %% exercise="threshold_sign" cause="gives -1 and +1, where bits are asked for"
def sign_bits(z, t, flip):
    return np.where((z >= t) == flip, -1, 1)


# %% exercise="fold_batch_norm" cause="forgets that gamma < 0 turns the comparison"
def fold(alpha, gamma, beta, mean, var, n, *, eps):
    z = np.arange(-n, n + 1)[:, None].astype(alpha.dtype)
    positive = batch_norm_inference(alpha * z, gamma, beta, mean, var, eps=eps) >= 0
    t = (positive == positive[0]).sum(axis=0) - n
    return t, np.zeros(len(t), bool)


# %% exercise="fold_batch_norm" cause="thresholds cut off at n: a filter that is never +1 fires at z = n"
def fold(alpha, gamma, beta, mean, var, n, *, eps):
    z = np.arange(-n, n)[:, None].astype(alpha.dtype)
    positive = batch_norm_inference(alpha * z, gamma, beta, mean, var, eps=eps) >= 0
    flip = positive[0]
    return (positive == flip).sum(axis=0) - n, flip


# %% exercise="fold_batch_norm" cause="asks every second level only"
def fold(alpha, gamma, beta, mean, var, n, *, eps):
    z = np.arange(-n, n + 1, 2)[:, None].astype(alpha.dtype)
    positive = batch_norm_inference(alpha * z, gamma, beta, mean, var, eps=eps) >= 0
    flip = positive[0]
    return 2 * (positive == flip).sum(axis=0) - n, flip


# %% exercise="fold_batch_norm" cause="forgets alpha"
def fold(alpha, gamma, beta, mean, var, n, *, eps):
    z = np.repeat(np.arange(-n, n + 1)[:, None], len(alpha), axis=1).astype(alpha.dtype)
    positive = batch_norm_inference(z, gamma, beta, mean, var, eps=eps) >= 0
    flip = positive[0]
    return (positive == flip).sum(axis=0) - n, flip
