# %% exercise="one_sign_flipped" cause="rejects the right packed_dot"
def one_sign_flipped(dot, a, b, i):
    n, flipped = a.shape[1], a.copy()
    flipped[:, i] *= -1
    change = dot(pack(flipped), pack(b), n) - dot(pack(a), pack(b), n)
    return np.array_equal(change, 2 * a[:, i] * b[:, i])


# %% exercise="one_sign_flipped" cause="raised ValueError: The truth value of an array"
def one_sign_flipped(dot, a, b, i):
    n, flipped = a.shape[1], a.copy()
    flipped[:, i] *= -1
    return dot(pack(a), pack(b), n) - dot(pack(flipped), pack(b), n) == 2 * a[:, i] * b[:, i]


# %% exercise="one_sign_flipped" cause="gets through"
def one_sign_flipped(dot, a, b, i):
    n, flipped = a.shape[1], a.copy()
    flipped[:, 0] *= -1
    change = dot(pack(a), pack(b), n) - dot(pack(flipped), pack(b), n)
    return np.array_equal(change, 2 * a[:, 0] * b[:, 0])


# %% exercise="drawn_pair" cause="gets through"
def drawn_pair(draw):
    n = draw(st.sampled_from([1, 63, 64, 65, 127, 130, 300, 4099]))
    a, b = np.random.default_rng(draw(st.integers(0, 9999))).choice([-1.0, 1.0], (2, 30, n))
    return a, b


# %% exercise="drawn_pair" cause="get through"
def drawn_pair(draw):
    n = draw(st.sampled_from([1, 63, 64, 65, 127, 130, 300]))
    a, b = np.random.default_rng(draw(st.integers(0, 9999))).choice([-1.0, 1.0], (2, 3, n))
    return a, b


# %% exercise="drawn_pair" cause="get through"
def drawn_pair(draw):
    n = draw(st.sampled_from([64, 128, 256]))
    a, b = np.random.default_rng(draw(st.integers(0, 9999))).choice([-1.0, 1.0], (2, 3, n))
    return a, draw(st.sampled_from([b, -a]))


# %% exercise="drawn_pair" cause="expected every value to be -1 or +1"
def drawn_pair(draw):
    n = draw(st.sampled_from([1, 63, 64, 65, 127, 130, 300, 4099]))
    a, b = np.random.default_rng(draw(st.integers(0, 9999))).choice([0.0, 1.0], (2, 3, n))
    return a, draw(st.sampled_from([b, -a]))


# %% exercise="drawn_pair" cause="rejects the right packed_dot: raised ValueError: "
def drawn_pair(draw):
    sizes = st.sampled_from([1, 63, 64, 65, 127, 130, 300, 4099])
    rng = np.random.default_rng(draw(st.integers(0, 9999)))
    return rng.choice([-1.0, 1.0], (3, draw(sizes))), rng.choice([-1.0, 1.0], (3, draw(sizes)))


# %% exercise="pack_is_right" cause="gets through"
def pack_is_right(packer):
    @REPEATABLE
    @given(rows())
    def test(x):
        assert np.array_equal(unpack(packer(x), x.shape[1]), x)

    test()


# %% exercise="pack_is_right" cause="rejects nothing, right or wrong: is a `return` or an `assert` missing?"
def pack_is_right(packer):
    @REPEATABLE
    @given(rows())
    def test(x):
        n = x.shape[1]
        full = np.ones((3, 64 * -(-n // 64)))
        full[:, :n] = x
        assert np.array_equal(unpack(packer(x), n), x)
        assert np.array_equal(packer(full), packer(x))


# %% exercise="pack_is_right" cause="rejects the right pack"
def pack_is_right(packer):
    @REPEATABLE
    @given(rows())
    def test(x):
        n = x.shape[1]
        full = np.ones((3, 64 * -(-n // 64)))
        full[:, -n:] = x
        assert np.array_equal(unpack(packer(x), n), x)
        assert np.array_equal(packer(full), packer(x))

    test()


# %% exercise="pack_is_right" cause="get through"
def pack_is_right(packer):
    @REPEATABLE
    @given(rows())
    def test(x):
        assert np.array_equal(packed_dot(packer(x), packer(-x), x.shape[1]), [-x.shape[1]] * 3)

    test()
