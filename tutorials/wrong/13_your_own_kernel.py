# %% exercise="pool_nchw" cause="the mean in place of the maximum"
def pool_nchw(x):
    N, C, H, W = x.shape
    whole = x[:, :, : H // 2 * 2, : W // 2 * 2]
    return whole.reshape(N, C, H // 2, 2, W // 2, 2).mean(axis=(3, 5))


# %% exercise="pool_nchw" cause="the maximum starts from 0"
def pool_nchw(x):
    y = np.zeros((*x.shape[:2], x.shape[2] // 2, x.shape[3] // 2), x.dtype)
    for i in np.ndindex(2, 2):
        y = np.maximum(y, x[:, :, i[0] :: 2, i[1] :: 2][:, :, : y.shape[2], : y.shape[3]])
    return y


# %% exercise="pool_nchw" cause="rounds the size up"
def pool_nchw(x):
    N, C, H, W = x.shape
    x = np.pad(x, ((0, 0), (0, 0), (0, H % 2), (0, W % 2)), constant_values=-np.inf)
    return x.reshape(N, C, -(-H // 2), 2, -(-W // 2), 2).max(axis=(3, 5))


# %% exercise="pool_nchw" cause="cannot reshape array"
def pool_nchw(x):
    N, C, H, W = x.shape
    return x.reshape(N, C, H // 2, 2, W // 2, 2).max(axis=(3, 5))


# %% exercise="pack_32" cause="most significant bit first within each byte: np.packbits as it comes"
def pack_32(x):
    rows, C = x.shape
    negative = np.zeros((rows, 32 * -(-C // 32)), bool)
    negative[:, :C] = x < 0
    return np.packbits(negative, axis=-1).view("<u4")


# %% exercise="pack_32" cause="1 means +1"
def pack_32(x):
    rows, C = x.shape
    bits = np.zeros((rows, 32 * -(-C // 32)), bool)
    bits[:, :C] = x > 0
    return np.packbits(bits, axis=-1, bitorder="little").view("<u4")


# %% exercise="pack_32" cause="uint8, expected uint32 words"
def pack_32(x):
    return np.packbits(x < 0, axis=-1, bitorder="little")


# %% exercise="device" cause="bit 1 read as +1"
def give(packed):
    return np.packbits(unpack(packed.array, packed.n) < 0, axis=-1)


def take(data, n):
    return pack(np.where(np.unpackbits(data, axis=-1, count=n) == 1, 1.0, -1.0))


# %% exercise="device" cause="1 means +1"
def give(packed):
    return np.packbits(unpack(packed.array, packed.n) > 0, axis=-1)


def take(data, n):
    return pack(1.0 - 2.0 * np.unpackbits(data, axis=-1, count=n))


# %% exercise="device" cause="raised TypeError: Expected an input array of unsigned byte data type"
def give(packed):
    return packed.array


def take(data, n):
    return pack(np.where(np.unpackbits(data, axis=-1, count=n) == 1, 1.0, -1.0))
