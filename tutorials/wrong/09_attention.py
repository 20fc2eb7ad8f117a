# %% exercise="attend" cause="overflows: forgets to subtract the maximum"
def weighted_mean(scores, v):
    e = np.exp(scores)
    return e / e.sum(axis=-1, keepdims=True) @ v


# %% exercise="attend" cause="subtracts the maximum of all scores, not of each row"
def weighted_mean(scores, v):
    e = np.exp(scores - scores.max())
    return e / e.sum(axis=-1, keepdims=True) @ v


# %% exercise="attend" cause="one softmax over the whole array: a sum without an axis"
def weighted_mean(scores, v):
    e = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return e / e.sum() @ v


# %% exercise="attend" cause="softmax over queries, not keys"
def weighted_mean(scores, v):
    e = np.exp(scores - scores.max(axis=2, keepdims=True))
    return e / e.sum(axis=2, keepdims=True) @ v


# %% exercise="attend" cause="wrote into its argument scores"
def weighted_mean(scores, v):
    scores -= scores.max(axis=-1, keepdims=True)
    e = np.exp(scores)
    return e / e.sum(axis=-1, keepdims=True) @ v


# %% exercise="attend_backward" cause="softmax without the row sum"
def weighted_mean_backward(dy, cache):
    w = cache.weights
    dw = dy @ cache.v.swapaxes(-1, -2)
    return w * dw, w.swapaxes(-1, -2) @ dy


# %% exercise="attend_backward" cause="softmax as if elementwise: w (1 - w)"
def weighted_mean_backward(dy, cache):
    w = cache.weights
    dw = dy @ cache.v.swapaxes(-1, -2)
    return w * (1 - w) * dw, w.swapaxes(-1, -2) @ dy


# %% exercise="attend_backward" cause="the row sum runs over queries, not keys"
def weighted_mean_backward(dy, cache):
    w = cache.weights
    dw = dy @ cache.v.swapaxes(-1, -2)
    return w * (dw - (w * dw).sum(axis=2, keepdims=True)), w.swapaxes(-1, -2) @ dy


# %% exercise="attend_backward" cause="weights not transposed on the way to the values"
def weighted_mean_backward(dy, cache):
    w = cache.weights
    dw = dy @ cache.v.swapaxes(-1, -2)
    return w * (dw - (w * dw).sum(axis=-1, keepdims=True)), w @ dy


# %% exercise="pyramid_pool" cause="cells end at the floor, and miss pixels"
def means_of_cells(x, *, levels):
    N, H, W, C = x.shape
    anchors = []
    for n in levels:
        for i, j in np.ndindex(n, n):
            top, left = i * H // n, j * W // n
            bottom, right = max((i + 1) * H // n, top + 1), max((j + 1) * W // n, left + 1)
            anchors.append(x[:, top:bottom, left:right].mean(axis=(1, 2)))
    return np.stack(anchors, axis=1)


# %% exercise="pyramid_pool" cause="maximum, not mean"
def means_of_cells(x, *, levels):
    N, H, W, C = x.shape
    anchors = []
    for n in levels:
        for i, j in np.ndindex(n, n):
            rows = slice(i * H // n, math.ceil((i + 1) * H / n))
            columns = slice(j * W // n, math.ceil((j + 1) * W / n))
            anchors.append(x[:, rows, columns].max(axis=(1, 2)))
    return np.stack(anchors, axis=1)


# %% exercise="pyramid_pool" cause="cells column by column"
def means_of_cells(x, *, levels):
    N, H, W, C = x.shape
    anchors = []
    for n in levels:
        for j in range(n):
            for i in range(n):
                rows = slice(i * H // n, math.ceil((i + 1) * H / n))
                columns = slice(j * W // n, math.ceil((j + 1) * W / n))
                anchors.append(x[:, rows, columns].mean(axis=(1, 2)))
    return np.stack(anchors, axis=1)


# %% exercise="pyramid_pool" cause="cuts columns as if the map were square"
def means_of_cells(x, *, levels):
    N, H, W, C = x.shape
    anchors = []
    for n in levels:
        for i, j in np.ndindex(n, n):
            rows = slice(i * H // n, math.ceil((i + 1) * H / n))
            columns = slice(j * H // n, math.ceil((j + 1) * H / n))
            anchors.append(x[:, rows, columns].mean(axis=(1, 2)))
    return np.stack(anchors, axis=1)


# %% exercise="binary_scores" cause="unsigned counts: D - 2 popcount wraps around below 0"
def scores_by_xor(q, k, scale):
    D = q.shape[-1]
    q_words, k_words = pack(sign(q)), pack(sign(k))
    differ = np.bitwise_count(q_words[:, :, :, None] ^ k_words[:, :, None]).sum(axis=-1)
    return (D - 2 * differ).astype(q.dtype) * (scale[:, None, None] / math.sqrt(D))


# %% exercise="binary_scores" cause="counts agreements, 0 to D, for the dot product, -D to D"
def scores_by_xor(q, k, scale):
    D = q.shape[-1]
    q_words, k_words = pack(sign(q)), pack(sign(k))
    differ = np.bitwise_count(q_words[:, :, :, None] ^ k_words[:, :, None]).sum(axis=-1, dtype=int)
    return (D - differ).astype(q.dtype) * (scale[:, None, None] / math.sqrt(D))


# %% exercise="binary_scores" cause="int32 scores times float32 are float64"
def scores_by_xor(q, k, scale):
    D = q.shape[-1]
    q_words, k_words = pack(sign(q)), pack(sign(k))
    differ = np.bitwise_count(q_words[:, :, :, None] ^ k_words[:, :, None]).sum(axis=-1, dtype=int)
    return (D - 2 * differ) * (scale[:, None, None] / math.sqrt(D))


# %% exercise="binary_scores" cause="8-bit counter overflows beyond 255"
def scores_by_xor(q, k, scale):
    D = q.shape[-1]
    q_words, k_words = pack(sign(q)), pack(sign(k))
    differ = np.bitwise_count(q_words[:, :, :, None] ^ k_words[:, :, None]).sum(axis=-1, dtype=np.uint8).astype(int)
    return (D - 2 * differ).astype(q.dtype) * (scale[:, None, None] / math.sqrt(D))


# %% exercise="binary_scores" cause="scale times the integer, and only then divided by sqrt(D)"
def scores_by_xor(q, k, scale):
    D = q.shape[-1]
    q_words, k_words = pack(sign(q)), pack(sign(k))
    differ = np.bitwise_count(q_words[:, :, :, None] ^ k_words[:, :, None]).sum(axis=-1, dtype=int)
    return (D - 2 * differ).astype(q.dtype) * scale[:, None, None] / math.sqrt(D)
