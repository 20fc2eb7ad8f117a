# %% exercise="cross_entropy_backward" cause="divided by all pixels, ignored ones too"
def loss_backward(dloss, cache):
    counted, probability, labels, _ = cache
    dz = probability.copy()
    dz[np.arange(len(labels)), labels] -= 1
    dlogits = np.zeros((*counted.shape, dz.shape[-1]), dz.dtype)
    dlogits[counted] = dz * (dloss / counted.size)
    return dlogits


# %% exercise="cross_entropy_backward" cause="dz[:, t] -= 1: subtracts 1 at the labels of all pixels"
def loss_backward(dloss, cache):
    counted, probability, labels, _ = cache
    dz = probability.copy()
    dz[:, labels] -= 1
    dlogits = np.zeros((*counted.shape, dz.shape[-1]), dz.dtype)
    dlogits[counted] = dz * (dloss / max(len(labels), 1))
    return dlogits


# %% exercise="cross_entropy_backward" cause="takes the gradient from above to be 1"
def loss_backward(dloss, cache):
    counted, probability, labels, _ = cache
    dz = probability.copy()
    dz[np.arange(len(labels)), labels] -= 1
    dlogits = np.zeros((*counted.shape, dz.shape[-1]), dz.dtype)
    dlogits[counted] = dz / max(len(labels), 1)
    return dlogits


# %% exercise="cross_entropy_backward" cause="turns float32 into float64"
def loss_backward(dloss, cache):
    counted, probability, labels, _ = cache
    dz = probability.copy()
    dz[np.arange(len(labels)), labels] -= 1
    dlogits = np.zeros((*counted.shape, dz.shape[-1]))
    dlogits[counted] = dz * (dloss / max(len(labels), 1))
    return dlogits


# %% exercise="cross_entropy_backward" cause="wrote into its argument cache"
def loss_backward(dloss, cache):
    counted, probability, labels, _ = cache
    dz = probability
    dz[np.arange(len(labels)), labels] -= 1
    dlogits = np.zeros((*counted.shape, dz.shape[-1]), dz.dtype)
    dlogits[counted] = dz * (dloss / max(len(labels), 1))
    return dlogits


# %% exercise="latent_step" cause="does not clip: latent weights run off beyond 1"
def one_step(w, g, *, lr):
    return w - lr * g


# %% exercise="latent_step" cause="clips the gradient, not the weight"
def one_step(w, g, *, lr):
    return w - lr * np.clip(g, -1, 1)


# %% exercise="latent_step" cause="climbs: adds the gradient"
def one_step(w, g, *, lr):
    return np.clip(w + lr * g, -1, 1)


# %% exercise="latent_step" cause="steps from the sign, not from the latent weight"
def one_step(w, g, *, lr):
    return np.clip(sign(w) - lr * g, -1, 1)


# %% exercise="latent_step" cause="writes into the weights it was given"
def one_step(w, g, *, lr):
    w -= lr * g
    return np.clip(w, -1, 1)


# %% exercise="bop_step" cause="flips where the average has the other sign than the weight"
def flip(w, m, g, *, gamma, threshold):
    m = (1 - gamma) * m + gamma * g
    flips = (np.abs(m) > threshold) & ((m > 0) != (w > 0))
    return np.where(flips, -w, w)


# %% exercise="bop_step" cause="flips at the threshold itself: >= in place of >"
def flip(w, m, g, *, gamma, threshold):
    m = (1 - gamma) * m + gamma * g
    flips = (np.abs(m) >= threshold) & ((m >= 0) == (w >= 0))
    return np.where(flips, -w, w)


# %% exercise="bop_step" cause="flips whatever the sign of the average"
def flip(w, m, g, *, gamma, threshold):
    m = (1 - gamma) * m + gamma * g
    return np.where(np.abs(m) > threshold, -w, w)


# %% exercise="bop_step" cause="gamma is what is kept, not what is replaced"
def flip(w, m, g, *, gamma, threshold):
    m = gamma * m + (1 - gamma) * g
    flips = (np.abs(m) > threshold) & ((m > 0) == (w > 0))
    return np.where(flips, -w, w)


# %% exercise="bop_step" cause="forgets the absolute value: only large positive averages flip"
def flip(w, m, g, *, gamma, threshold):
    m = (1 - gamma) * m + gamma * g
    return np.where((m > threshold) & (w > 0), -w, w)
