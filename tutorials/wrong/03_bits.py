# %% exercise="pack" cause="most significant bit first within each byte: np.packbits as it comes"
def packed_signs(x):
    C = x.shape[-1]
    bits = np.zeros((*x.shape[:-1], C + -C % 64), bool)
    bits[..., :C] = x < 0
    return np.packbits(bits, axis=-1).view("<u8")


# %% exercise="pack" cause="1 means +1"
def packed_signs(x):
    C = x.shape[-1]
    bits = np.zeros((*x.shape[:-1], C + -C % 64), bool)
    bits[..., :C] = x > 0
    return np.packbits(bits, axis=-1, bitorder="little").view("<u8")


# %% exercise="pack" cause="leaves ones in the tail"
def packed_signs(x):
    C = x.shape[-1]
    bits = np.ones((*x.shape[:-1], C + -C % 64), bool)
    bits[..., :C] = x < 0
    return np.packbits(bits, axis=-1, bitorder="little").view("<u8")


# %% exercise="pack" cause="bytes of a word in reverse: big-endian words"
def packed_signs(x):
    C = x.shape[-1]
    bits = np.zeros((*x.shape[:-1], C + -C % 64), bool)
    bits[..., :C] = x < 0
    return np.packbits(bits, axis=-1, bitorder="little").view(">u8").astype(np.uint64)


# %% exercise="pack" cause="bytes, not words"
def packed_signs(x):
    return np.packbits(x < 0, axis=-1, bitorder="little")


# %% exercise="pack" cause="packs all rows as one: no fresh word for a row"
def packed_signs(x):
    bits = np.append(x.ravel() < 0, np.zeros(-x.size % 64, bool))
    return np.packbits(bits, bitorder="little").view("<u8")


# %% exercise="packed_dot" cause="2 popcount - n after XOR: counts disagreements as agreements"
def dots(a, b, n):
    return 2 * np.bitwise_count(a ^ b).sum(axis=-1, dtype=np.int64) - n


# %% exercise="packed_dot" cause="2 popcount - n after XNOR, the tail counted as agreement"
def dots(a, b, n):
    return 2 * np.bitwise_count(~(a ^ b)).sum(axis=-1, dtype=np.int64) - n


# %% exercise="packed_dot" cause="8-bit counter overflows beyond 255"
def dots(a, b, n):
    return n - 2 * np.bitwise_count(a ^ b).sum(axis=-1, dtype=np.uint8).astype(int)


# %% exercise="packed_dot" cause="n is the number of bits stored, tail included"
def dots(a, b, n):
    return 64 * a.shape[-1] - 2 * np.bitwise_count(a ^ b).sum(axis=-1, dtype=np.int64)


# %% exercise="packed_dot" cause="AND in place of XOR"
def dots(a, b, n):
    return n - 2 * np.bitwise_count(a & b).sum(axis=-1, dtype=np.int64)


# %% exercise="packed_dot" cause="is 18446744073709551615, expected -1"
def dots(a, b, n):
    return n - 2 * np.bitwise_count(a ^ b).sum(axis=-1)


# %% exercise="unpack" cause="bit 1 read as +1"
def signs_of(packed, C):
    in_bytes = np.ascontiguousarray(packed, "<u8").view(np.uint8)
    bits = np.unpackbits(in_bytes, axis=-1, bitorder="little")[..., :C]
    return 2 * bits.astype(np.float32) - 1


# %% exercise="unpack" cause="1 - 2 b in uint8: -1 becomes 255"
def signs_of(packed, C):
    in_bytes = np.ascontiguousarray(packed, "<u8").view(np.uint8)
    bits = np.unpackbits(in_bytes, axis=-1, bitorder="little")[..., :C]
    return (1 - 2 * bits).astype(np.float32)


# %% exercise="unpack" cause="most significant bit first within each byte: np.unpackbits as it comes"
def signs_of(packed, C):
    in_bytes = np.ascontiguousarray(packed, "<u8").view(np.uint8)
    return 1 - 2 * np.unpackbits(in_bytes, axis=-1)[..., :C].astype(np.float32)


# %% exercise="unpack" cause="forgets to cut off the tail"
def signs_of(packed, C):
    in_bytes = np.ascontiguousarray(packed, "<u8").view(np.uint8)
    return 1 - 2 * np.unpackbits(in_bytes, axis=-1, bitorder="little").astype(np.float32)


# %% exercise="unpack" cause="gives 0 and 1 in place of +1 and -1"
def signs_of(packed, C):
    in_bytes = np.ascontiguousarray(packed, "<u8").view(np.uint8)
    return np.unpackbits(in_bytes, axis=-1, bitorder="little")[..., :C].astype(np.float32)


# %% exercise="packed_matmul" cause="the transpose of the product"
def all_dots(a, b, n):
    differ = np.bitwise_count(a ^ b[:, None])
    return n - 2 * differ.sum(axis=-1, dtype=np.int64)


# %% exercise="packed_matmul" cause="8-bit counter overflows beyond 255"
def all_dots(a, b, n):
    differ = np.bitwise_count(a[:, None] ^ b)
    return n - 2 * differ.sum(axis=-1, dtype=np.uint8).astype(int)


# %% exercise="packed_matmul" cause="the number of disagreements, without n - 2 p"
def all_dots(a, b, n):
    return np.bitwise_count(a[:, None] ^ b).sum(axis=-1, dtype=np.int64)


# %% exercise="packed_matmul" cause="2 popcount - n after XOR: counts disagreements as agreements"
def all_dots(a, b, n):
    return 2 * np.bitwise_count(a[:, None] ^ b).sum(axis=-1, dtype=np.int64) - n


# %% exercise="packed_matmul" cause="n is the number of bits stored, tail included"
def all_dots(a, b, n):
    return 64 * a.shape[-1] - 2 * np.bitwise_count(a[:, None] ^ b).sum(axis=-1, dtype=np.int64)
