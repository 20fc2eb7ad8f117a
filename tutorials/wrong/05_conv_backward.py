# %% exercise="dw" cause="padding counted as zero in dw"
def gradient_of_w(dy, cache):
    padded = pad2d(cache.x, cache.pad, 0)
    view = windows(padded, cache.w.shape[:2], dy.shape[1:3], cache.stride, cache.dilation)
    columns = view.reshape(-1, cache.w[..., 0].size)
    return (columns.T @ dy.reshape(-1, dy.shape[3])).reshape(cache.w.shape)


# %% exercise="dw" cause="averages dw over the batch"
def gradient_of_w(dy, cache):
    padded = pad2d(cache.x, cache.pad, cache.pad_value)
    view = windows(padded, cache.w.shape[:2], dy.shape[1:3], cache.stride, cache.dilation)
    columns = view.reshape(-1, cache.w[..., 0].size)
    return (columns.T @ dy.reshape(-1, dy.shape[3])).reshape(cache.w.shape) / len(dy)


# %% exercise="dw" cause="dw of the last image only"
def gradient_of_w(dy, cache):
    padded = pad2d(cache.x, cache.pad, cache.pad_value)
    view = windows(padded, cache.w.shape[:2], dy.shape[1:3], cache.stride, cache.dilation)
    for columns, d in zip(view, dy):
        dw = columns.reshape(-1, cache.w[..., 0].size).T @ d.reshape(-1, d.shape[-1])
    return dw.reshape(cache.w.shape)


# %% exercise="dw" cause="dw turned by 180 degrees"
def gradient_of_w(dy, cache):
    padded = pad2d(cache.x, cache.pad, cache.pad_value)
    view = windows(padded, cache.w.shape[:2], dy.shape[1:3], cache.stride, cache.dilation)
    columns = view.reshape(-1, cache.w[..., 0].size)
    return (columns.T @ dy.reshape(-1, dy.shape[3])).reshape(cache.w.shape)[::-1, ::-1]


# %% exercise="dx" cause="overlapping windows overwrite each other in dx: col2im with = in place of +="
def gradient_of_x(dy, cache):
    (SH, SW), (PH, PW), (N, H, W, C) = cache.stride, cache.pad, cache.x.shape
    (KH, KW), (OH, OW) = cache.w.shape[:2], dy.shape[1:3]
    padded = np.zeros((N, H + 2 * PH, W + 2 * PW, C), dy.dtype)
    for kh, kw in np.ndindex(KH, KW):
        padded[:, kh : kh + OH * SH : SH, kw : kw + OW * SW : SW] = dy @ cache.w[kh, kw].T
    return padded[:, PH : PH + H, PW : PW + W]


# %% exercise="dx" cause="does not cut the padding off dx"
def gradient_of_x(dy, cache):
    (SH, SW), (PH, PW), (N, H, W, C) = cache.stride, cache.pad, cache.x.shape
    (KH, KW), (OH, OW) = cache.w.shape[:2], dy.shape[1:3]
    padded = np.zeros((N, H + 2 * PH, W + 2 * PW, C), dy.dtype)
    for kh, kw in np.ndindex(KH, KW):
        padded[:, kh : kh + OH * SH : SH, kw : kw + OW * SW : SW] += dy @ cache.w[kh, kw].T
    return padded


# %% exercise="dx" cause="kernel not turned in dx"
def gradient_of_x(dy, cache):
    (SH, SW), (PH, PW), (N, H, W, C) = cache.stride, cache.pad, cache.x.shape
    (KH, KW), (OH, OW) = cache.w.shape[:2], dy.shape[1:3]
    padded = np.zeros((N, H + 2 * PH, W + 2 * PW, C), dy.dtype)
    for kh, kw in np.ndindex(KH, KW):
        added = dy @ cache.w[KH - 1 - kh, KW - 1 - kw].T
        padded[:, kh : kh + OH * SH : SH, kw : kw + OW * SW : SW] += added
    return padded[:, PH : PH + H, PW : PW + W]


# %% exercise="dx" cause="dx has dtype float64, expected float32"
def gradient_of_x(dy, cache):
    (SH, SW), (PH, PW), (N, H, W, C) = cache.stride, cache.pad, cache.x.shape
    (KH, KW), (OH, OW) = cache.w.shape[:2], dy.shape[1:3]
    padded = np.zeros((N, H + 2 * PH, W + 2 * PW, C))
    for kh, kw in np.ndindex(KH, KW):
        padded[:, kh : kh + OH * SH : SH, kw : kw + OW * SW : SW] += dy @ cache.w[kh, kw].T
    return padded[:, PH : PH + H, PW : PW + W]


# %% exercise="binary" cause="forgets alpha on the way back"
def back_through_binary(dy, cache):
    dx, dsigns = conv2d_backward(dy, cache.conv)
    return dx, dsigns * cache.quantizer.dsoft(cache.w), (dy * cache.z).sum(axis=(0, 1, 2))


# %% exercise="binary" cause="no mask: the gradient passes as if the weights were real"
def back_through_binary(dy, cache):
    dx, dsigns = conv2d_backward(dy * cache.alpha, cache.conv)
    return dx, dsigns, (dy * cache.z).sum(axis=(0, 1, 2))


# %% exercise="binary" cause="the mask of the clip, whatever surrogate was asked for"
def back_through_binary(dy, cache):
    dx, dsigns = conv2d_backward(dy * cache.alpha, cache.conv)
    return dx, dsigns * (np.abs(cache.w) <= 1), (dy * cache.z).sum(axis=(0, 1, 2))


# %% exercise="binary" cause="goes back to x through the latent weights, not their signs"
def back_through_binary(dy, cache):
    dz = dy * cache.alpha
    _, dsigns = conv2d_backward(dz, cache.conv)
    dx, _ = conv2d_backward(dz, cache.conv._replace(w=cache.w))
    return dx, dsigns * cache.quantizer.dsoft(cache.w), (dy * cache.z).sum(axis=(0, 1, 2))


# %% exercise="binary" cause="counts alpha twice in dalpha"
def back_through_binary(dy, cache):
    dz = dy * cache.alpha
    dx, dsigns = conv2d_backward(dz, cache.conv)
    return dx, dsigns * cache.quantizer.dsoft(cache.w), (dz * cache.z).sum(axis=(0, 1, 2))


# %% exercise="binary" cause="averages dalpha over positions and batch"
def back_through_binary(dy, cache):
    dx, dsigns = conv2d_backward(dy * cache.alpha, cache.conv)
    return dx, dsigns * cache.quantizer.dsoft(cache.w), (dy * cache.z).mean(axis=(0, 1, 2))
