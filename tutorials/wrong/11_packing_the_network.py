# %% exercise="binarize_packed" cause="a tie counts as -1"
def words_of(x, tau):
    return pack_bits(x <= tau)


# %% exercise="binarize_packed" cause="1 means +1"
def words_of(x, tau):
    return pack_bits(x >= tau)


# %% exercise="binarize_packed" cause="packs the sign bit of x - tau, so -0.0 becomes -1"
def words_of(x, tau):
    return pack_bits(np.signbit(x - tau))


# %% exercise="binarize_packed" cause="ignores the threshold"
def words_of(x, tau):
    return pack_bits(x < 0)


# %% exercise="binarize_packed" cause="bytes, not words"
def words_of(x, tau):
    return np.packbits(x < tau, axis=-1, bitorder="little")


# %% exercise="max_pool2d_packed" cause="OR, as where 1 means +1: the smallest sign, not the largest"
def pool_words(words, *, kernel):
    (KH, KW), (N, H, W, V) = kernel, words.shape
    blocks = words[:, : H // KH * KH, : W // KW * KW].reshape(N, H // KH, KH, W // KW, KW, V)
    return np.bitwise_or.reduce(blocks, axis=(2, 4))


# %% exercise="max_pool2d_packed" cause="the largest word as a number"
def pool_words(words, *, kernel):
    (KH, KW), (N, H, W, V) = kernel, words.shape
    blocks = words[:, : H // KH * KH, : W // KW * KW].reshape(N, H // KH, KH, W // KW, KW, V)
    return blocks.max(axis=(2, 4))


# %% exercise="max_pool2d_packed" cause="begins with zeros: AND keeps nothing"
def pool_words(words, *, kernel):
    (KH, KW), (N, H, W, V) = kernel, words.shape
    y = np.zeros((N, H // KH, W // KW, V), np.uint64)
    for kh in range(KH):
        for kw in range(KW):
            y &= words[:, kh : H // KH * KH : KH, kw : W // KW * KW : KW]
    return y


# %% exercise="max_pool2d_packed" cause="XOR, which belongs to the product"
def pool_words(words, *, kernel):
    (KH, KW), (N, H, W, V) = kernel, words.shape
    blocks = words[:, : H // KH * KH, : W // KW * KW].reshape(N, H // KH, KH, W // KW, KW, V)
    return np.bitwise_xor.reduce(np.bitwise_xor.reduce(blocks, axis=4), axis=2)


# %% exercise="packed_matmul" cause="a digit carries into the other: sums beyond 2047 in one piece"
def two_products(low, high, b, n):
    total = (unpack(high, n) + unpack(low, n) / 4096) @ unpack(b, n).T
    whole = np.rint(total)
    return (total - whole) * 4096, whole


# %% exercise="packed_matmul" cause="n is the number of bits stored, tail included"
def two_products(low, high, b, n):
    stored = 64 * b.shape[1]
    w, x = unpack(b, stored).T, unpack(high, stored) + unpack(low, stored) / 4096
    d0 = d1 = 0
    for k in range(0, stored, 2047):
        total = x[:, k : k + 2047] @ w[k : k + 2047]
        whole = np.rint(total)
        d0, d1 = d0 + (total - whole) * 4096, d1 + whole
    return d0, d1


# %% exercise="packed_matmul" cause="It breaks a law: swapped sides give the transpose"
def two_products(low, high, b, n):
    w, x = unpack(b, n).T, unpack(high, n) + unpack(low, n) / 4096
    d0 = d1 = 0
    for k in range(0, n, 2047):
        total = x[:, k : k + 2047] @ w[k : k + 2047]
        whole = np.floor(total)
        d0, d1 = d0 + (total - whole) * 4096, d1 + whole
    return d0, d1


# %% exercise="packed_matmul" cause="the halves of the rows exchanged"
def two_products(low, high, b, n):
    w, x = unpack(b, n).T, unpack(high, n) + unpack(low, n) / 4096
    d0 = d1 = 0
    for k in range(0, n, 2047):
        total = x[:, k : k + 2047] @ w[k : k + 2047]
        whole = np.rint(total)
        d0, d1 = d0 + (total - whole) * 4096, d1 + whole
    return d1, d0
