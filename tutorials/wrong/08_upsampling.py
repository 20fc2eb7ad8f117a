# %% exercise="upsample_nearest" cause="tiles the map instead of repeating its values"
def copy_blocks(x, *, scale):
    return np.tile(x, (1, scale[0], scale[1], 1))


# %% exercise="upsample_nearest" cause="rows by the columns' scale"
def copy_blocks(x, *, scale):
    return x.repeat(scale[1], axis=1).repeat(scale[0], axis=2)


# %% exercise="upsample_nearest" cause="repeats axes 2 and 3, those of (N, C, H, W)"
def copy_blocks(x, *, scale):
    return x.repeat(scale[0], axis=2).repeat(scale[1], axis=3)


# %% exercise="upsample_nearest" cause="zeros between the values in place of copies"
def copy_blocks(x, *, scale):
    N, H, W, C = x.shape
    y = np.zeros((N, H * scale[0], W * scale[1], C), x.dtype)
    y[:, :: scale[0], :: scale[1]] = x
    return y


# %% exercise="upsample_nearest_backward" cause="averages the gradients of the copies"
def sum_blocks(dy, cache):
    (H, W), (SH, SW) = cache.size, cache.scale
    return dy.reshape(len(dy), H, SH, W, SW, -1).mean(axis=(2, 4))


# %% exercise="upsample_nearest_backward" cause="takes the gradient of one copy only"
def sum_blocks(dy, cache):
    SH, SW = cache.scale
    return dy[:, ::SH, ::SW]


# %% exercise="upsample_nearest_backward" cause="adds up tiles, not blocks"
def sum_blocks(dy, cache):
    (H, W), (SH, SW) = cache.size, cache.scale
    return dy.reshape(len(dy), SH, H, SW, W, -1).sum(axis=(1, 3))


# %% exercise="multi_branch_upsample" cause="gate without sigmoid"
def merge_branches(x, tau, w, alpha, theta, *, scale, pad, pad_value, upsamplers):
    y = 0
    for r, up in enumerate(upsamplers):
        s, _ = binarize(up.forward(x, scale=scale)[0], tau[r])
        y = y + theta[r] * binary_conv2d(s, w[r], alpha[r], pad=pad, pad_value=pad_value)[0]
    return y


# %% exercise="multi_branch_upsample" cause="takes the sign before upsampling"
def merge_branches(x, tau, w, alpha, theta, *, scale, pad, pad_value, upsamplers):
    y = 0
    for r, up in enumerate(upsamplers):
        s, _ = binarize(x, tau[r])
        u, _ = up.forward(s, scale=scale)
        y = y + sigmoid(theta[r])[0] * binary_conv2d(u, w[r], alpha[r], pad=pad, pad_value=pad_value)[0]
    return y


# %% exercise="multi_branch_upsample" cause="the last branch overwrites the others"
def merge_branches(x, tau, w, alpha, theta, *, scale, pad, pad_value, upsamplers):
    for r, up in enumerate(upsamplers):
        s, _ = binarize(up.forward(x, scale=scale)[0], tau[r])
        y = sigmoid(theta[r])[0] * binary_conv2d(s, w[r], alpha[r], pad=pad, pad_value=pad_value)[0]
    return y


# %% exercise="multi_branch_upsample" cause="averages the branches"
def merge_branches(x, tau, w, alpha, theta, *, scale, pad, pad_value, upsamplers):
    y = 0
    for r, up in enumerate(upsamplers):
        s, _ = binarize(up.forward(x, scale=scale)[0], tau[r])
        y = y + sigmoid(theta[r])[0] * binary_conv2d(s, w[r], alpha[r], pad=pad, pad_value=pad_value)[0]
    return y / len(tau)


# %% exercise="multi_branch_upsample" cause="one threshold for all branches"
def merge_branches(x, tau, w, alpha, theta, *, scale, pad, pad_value, upsamplers):
    y = 0
    for r, up in enumerate(upsamplers):
        s, _ = binarize(up.forward(x, scale=scale)[0], tau[0])
        y = y + sigmoid(theta[r])[0] * binary_conv2d(s, w[r], alpha[r], pad=pad, pad_value=pad_value)[0]
    return y


# %% exercise="gate_gradient" cause="dtheta without g (1 - g)"
def gate_gradient(dy, outputs, gates):
    shared = tuple(range(dy.ndim - gates[0].ndim))
    return np.stack([(dy * y).sum(axis=shared) for y in outputs])


# %% exercise="gate_gradient" cause="dtheta averaged over what shares a gate"
def gate_gradient(dy, outputs, gates):
    shared = tuple(range(dy.ndim - gates[0].ndim))
    return np.stack([g * (1 - g) * (dy * y).mean(axis=shared) for g, y in zip(gates, outputs)])


# %% exercise="gate_gradient" cause="dtheta has shape"
def gate_gradient(dy, outputs, gates):
    return np.stack([g * (1 - g) * dy * y for g, y in zip(gates, outputs)])
