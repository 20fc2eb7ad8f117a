# %% [markdown]
# # 3. Bits: packing, XOR, popcount
#
# 45 minutes · needs 01 · explains `tinybnn/ops/bitpack.py`, `tinybnn/ops/bitpack.py`
#
# Afterwards you can
#
# - pack signs into words of 64 bits and back, and say which bit of which word a channel is in;
# - derive the dot product from a count of bits, and find a mistake in such a formula on five bits;
# - say what tails, bit order and narrow counters do to results, and which inputs show it.

# %%
import numpy as np

from tinybnn import load, pack, packed_dot, packed_matmul, sign, unpack
from tinybnn.app.pictures import new_figure, pictures
from tinybnn.ops.bitpack import pack_loops, packed_dot_loops, packed_matmul_loops
from tinybnn.testing import check, check_prediction

# %% [markdown]
# ## One bit for a sign
#
# A sign says one of two things, so one bit can hold it. Which one is a convention. Here **the bit is the sign bit: 1
# means $-1$, 0 means $+1$**, as in every float, and as in Larq Compute Engine. Other software has it the other way
# round (Courbariaux's first code, MatthieuCourbariaux/BinaryNet#5; OpenVINO, openvinotoolkit/openvino#4093). Both work.
# What does not work is one side of a product in each.
#
# Bits are kept in **words** of 64, a `uint64` each. Channel 0 is the *least significant* bit, the one that counts 1;
# channel 1 counts 2, channel 2 counts 4. So a word is the number
#
# $$\text{word} = \sum_c 2^c\, [\,s_c = -1\,]$$
#
# (Convention of this library, *ours*; the bytes are those of Larq Compute Engine.)
#
# **Predict.** Which number do these six signs make?

# %% prediction="word"
SIGNS = [-1, 1, 1, -1, -1, 1]  # variant: [1, -1, -1, 1, -1, 1] | [1, 1, -1, -1, 1, -1]
### BEGIN SOLUTION
word = sum(2**c for c, s in enumerate(SIGNS) if s == -1)
### END SOLUTION

# %% check="word"
check_prediction(word, pack(np.array(SIGNS, float))[0])

# %% [markdown]
# In the specification, `pack_loops`, channel $c$ sets bit `c % 64` of word `c // 64` if it is $-1$. Python writes the
# most significant bit first, so printed numbers are to be read from the right. After 64 channels the next word begins.
# The bits of the last word that are no channels are its **tail**. They are 0.

# %%
signs = np.ones(67)
signs[[0, 1, 5, 63, 64, 66]] = -1
for k, number in enumerate(pack_loops(signs)):
    print(f"word {k}: {number:064b}")

# %% [markdown]
# ### What one word covers
#
# Activations are NHWC: the last axis is the channels. Packing runs along it, so a word holds up to 64 channels of
# **one** pixel. Here is a photograph made into a map of 70 channels: each mixes red, green and blue in its own way,
# less the mean, and takes the sign. Three of its **bit planes**, black for a bit of 1:

# %%
photo = load("photos", "val")[4].image
x = sign((photo - photo.mean(axis=(0, 1))) @ np.random.default_rng(3).normal(size=(3, 70)))
words = pack(x)
print("map", x.shape, "words", words.shape)
pictures({"the photograph": photo, **{f"bit {c}": x[:, :, c] for c in (0, 1, 69)}}, width=2.2, cmap="gray")

# %% [markdown]
# A bit plane is all pixels of one channel. A pair of words is all channels of one pixel. To draw a word, here are its
# eight bytes, one below the other, with the least significant bit on the left:


# %%
def draw_word(axis, word, first, C):
    """Dark for a bit of 1; each bit has the number of its channel, or a cross in the tail."""
    bits = np.unpackbits(word.reshape(1).view(np.uint8), bitorder="little")
    axis.imshow(bits.reshape(8, 8), cmap="gray_r", vmin=0, vmax=1.5)
    for b in range(64):
        name, colour = str(first + b) if first + b < C else "x", "white" if bits[b] else "black"
        axis.text(b % 8, b // 8, name, ha="center", va="center", fontsize=7, color=colour)
    axis.set(xticks=range(8), yticks=range(8), xlabel="bit of the byte", ylabel="byte of the word")


# %%
i, j = 34, 62
figure = new_figure(9, 3.3)
place, *drawn = figure.subplots(1, 3)
place.imshow(photo)
place.axhline(i, color="white", lw=1)
place.axvline(j, color="white", lw=1)
place.set(xlabel="column", ylabel="row", xticks=[0, j, 95], yticks=[0, i, 95])
place.set_title(f"where: [{i}, {j}]", fontsize=9)
for k, axis in enumerate(drawn):
    draw_word(axis, words[i, j, k], 64 * k, 70)
    axis.set_title(f"words[{i}, {j}, {k}]", fontsize=9)
figure

# %% [markdown]
# The small numbers are channels. Crosses are the tail: 58 bits that are stored and hold nothing. Why channels, and not
# 64 pixels of a row? A window that moves over the map takes whole pixels (notebook 04): here it takes whole words,
# wherever it stands. A word of 64 pixels would have to be cut and shifted at each step. Somebody who believed
# that a library packs rows of pixels asked how that can work (huawei-noah/bolt#131); it packs channels, too.
#
# **Predict.** How many bytes does a map of `H` rows and `W` columns with `C` channels take, as float32 and packed?
# A list of the two.

# %% prediction="nbytes"
H, W = 48, 64
C = 100  # variant: 16 | 130 | 192
### BEGIN SOLUTION
nbytes = [H * W * C * 4, H * W * -(-C // 64) * 8]
### END SOLUTION

# %% check="nbytes"
floats = np.ones((H, W, C), np.float32)
check_prediction(nbytes, [floats.nbytes, pack(floats).nbytes])

# %% [markdown]
# 32 times less if channels fill their words, and less of a gain if not. Some libraries refuse to pack what does not
# fill them (hpi-xnor/BMXNet#10). Larq's engine added the tail early (larq/compute-engine#31), and later went from words
# of 64 bits to words of 32, which suits layers of 32 channels (#446). Bits and bytes are in the same order in both: a
# word of 64 is two words of 32, the lower half first.
#
# ### Order
#
# NumPy packs eight booleans into a byte with `np.packbits`. As it comes, it puts the *first* one into the *most*
# significant bit. That was asked about (numpy/numpy#9398), and is an option since NumPy 1.17 (numpy/numpy#12962). And a
# word of eight bytes may have its least significant byte first or last in memory: little-endian or big-endian. A dtype
# can say which: `"<u8"` is a little-endian `uint64`, on every machine.

# %%
first = np.array([True, False, False, False, False])
print("as it comes", np.packbits(first), " little", np.packbits(first, bitorder="little"))
memory = np.array([1, 0, 0, 0, 0, 0, 0, 0], np.uint8)
print("first byte 1, read as <u8:", memory.view("<u8"), " as >u8:", memory.view(">u8"))

# %% [markdown]
# `view` copies nothing: it reads the same memory as another dtype. Eight bytes become one word, so the last axis must
# be a multiple of eight bytes long, and lie in one piece in memory. What `np.packbits` returns does.
#
# ### Exercise: `pack`


# %% exercise="pack"
def packed_signs(x):
    """Signs x (..., C), float -> words (..., ceil(C / 64)), uint64."""
    ### BEGIN SOLUTION
    C = x.shape[-1]
    bits = np.zeros((*x.shape[:-1], C + -C % 64), bool)
    bits[..., :C] = x < 0
    return np.packbits(bits, axis=-1, bitorder="little").view("<u8")
    ### END SOLUTION


# %% check="pack"
check("pack", packed_signs)

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# Fill the words up first: an array of `False` whose last axis is a multiple of 64, with the bits at its beginning.
# `-C % 64` is how many are missing.
#
# </details>
# <details><summary>Hint 2</summary>
#
# Then three steps: `x < 0` into the first `C` places; `np.packbits` along the last axis, with the right bit
# order; `.view` as words.
#
# </details>
#
# **In the library**: `pack` in `tinybnn/ops/bitpack.py`. It refuses values that are no signs. Its bytes, not its bits, are
# filled up, and rows that end with a byte are packed as one long row, which is faster.
#
# **What would break if** you packed without `bitorder="little"`? Try it with two rows: is their dot product, below,
# still right?
#
# <details><summary>Answer</summary>
#
# If both rows are packed so, it is: the channels change places in both in the same way, and a sum does not care. That
# is why such a mistake lives long. It shows when a file or a kernel from elsewhere meets it, and where single channels
# are read: `unpack` gives them mirrored in groups of eight.
#
# </details>
#
# ## A dot product is a count
#
# Two signs multiply to $+1$ where they agree, and to $-1$ where they differ. Of $n$ products let $d$ be those that
# differ. Then $n - d$ agree, and
#
# $$\sum_c a_c b_c = (n - d) - d = n - 2d$$
#
# Where do bits differ? **XOR**, in NumPy `a ^ b`, gives 1 exactly there. And $d$ is the number of ones, the
# **popcount**:
#
# $$a \cdot b = n - 2\,\operatorname{popcount}(a \oplus b)$$
#
# (Hubara and others 2016, arXiv 1602.02830; status *exact*.)
#
# **Predict.** Two words of five signs each. Which number is their XOR, what is its popcount, and what is the dot
# product?

# %% prediction="dot"
A = 0b01101  # variant: 0b10010 | 0b11110
B = 0b00111  # variant: 0b11000 | 0b00101
### BEGIN SOLUTION
xor = A ^ B
count = xor.bit_count()
dot = 5 - 2 * count
### END SOLUTION

# %% check="dot"
a, b = np.array([[A]], np.uint64), np.array([[B]], np.uint64)
check_prediction([xor, count, dot], [(a ^ b)[0, 0], np.bitwise_count(a ^ b)[0, 0], unpack(a, 5)[0] @ unpack(b, 5)[0]])

# %% [markdown]
# ### 2p - K or K - 2p?
#
# Many texts write $2p - K$, this page writes $K - 2p$, and there are public threads about which is right
# (Xilinx/finn#31, openvinotoolkit/openvino#4093, JDAI-CV/dabnn#40). Both are: it depends on what $p$ counts. After XOR
# it is the places that **differ**. After XNOR, which is NOT XOR, it is the places that **agree**, and then
# $p - (K - p) = 2p - K$. All that one can get wrong is to mix them, or to forget the step and take the count for the
# product. DoReFa-Net's paper wrote XNOR where XOR was meant; a reader found it with three signs
# (tensorpack/tensorpack#26).
#
# The example of Xilinx/finn#31, six signs each. Its answer is $-2$; four formulas:

# %%
left = pack(np.array([1.0, -1, 1, -1, 1, 1]))[0]
right = pack(np.array([1.0, 1, -1, 1, 1, -1]))[0]
differ = int(left ^ right).bit_count()
agree = 6 - differ
print(f"differ {differ}, agree {agree}")
print(f"K - 2 differ = {6 - 2 * differ}, 2 agree - K = {2 * agree - 6}")
print(f"2 differ - K = {2 * differ - 6}, agree = {agree}")

# %% [markdown]
# ### The tail
#
# A zero tail reads as $+1$ on both sides, so it never differs and XOR does not see it. It *agrees*, and XNOR counts
# agreements: with XNOR one must mask the tail off, or correct the sum later (JDAI-CV/dabnn#28). That is why this
# library uses XOR. What if the tail is *not* zero?
#
# **Predict.** Rows of `CHANNELS` signs. On one side every bit of the tail is 1, on the other 0. What is added
# to $n - 2\,\text{popcount}$ by that? (A number below 0 if the result is too small.)

# %% prediction="tail"
CHANNELS = 70  # variant: 60 | 100 | 127
### BEGIN SOLUTION
wrong_by = -2 * (-CHANNELS % 64)
### END SOLUTION

# %% check="tail"
a = pack(np.ones((1, CHANNELS)))
dirty = pack(np.append(np.ones((1, CHANNELS)), -np.ones((1, -CHANNELS % 64)), axis=1))
check_prediction(wrong_by, packed_dot(a, dirty, CHANNELS)[0] - packed_dot(a, a, CHANNELS)[0])

# %% [markdown]
# With 64 channels there is no tail, and the mistake is not seen: test with 63 and 65. Such tails come about where
# somebody inverts all bits with `~`, to turn the signs: the tail turns with them.
#
# ### Counting in NumPy
#
# `np.bitwise_count` counts the ones of each word. It exists since NumPy 2.0, after years of requests
# (numpy/numpy#16325, #19355), and it is why this library needs NumPy 2. It answers in `uint8`: 64 fits. Sums do not:

# %%
differ = np.bitwise_count(pack(np.ones((1, 320))) ^ pack(-np.ones((1, 320))))
total = differ.sum(axis=-1)
print("counts of five words:", differ, differ.dtype)
print("added up in uint8   :", differ.sum(axis=-1, dtype=np.uint8))
print("added up by sum()   :", total, total.dtype)
print("320 - 2 * sum()     :", 320 - 2 * total)

# %% [markdown]
# Two traps. A counter of 8 bits starts again at 256. Random rows of 320 signs differ in about 160 places, so random
# tests pass. And NumPy adds unsigned numbers in an *unsigned* type. It has no $-320$: the result wraps round to
# $2^{64} - 320$, and an array does so without a warning. `sum(..., dtype=np.int64)` is the cure for both.
#
# **Predict.** All signs of two rows disagree; a row has `WORDS` full words. What does a `uint8` counter hold at the
# end?

# %% prediction="counter"
WORDS = 7  # variant: 6 | 9
### BEGIN SOLUTION
counter = 64 * WORDS % 256
### END SOLUTION

# %% check="counter"
ones = pack(-np.ones(64 * WORDS))
check_prediction(counter, np.bitwise_count(ones).sum(dtype=np.uint8))

# %% [markdown]
# ### Exercise: `packed_dot`
#
# Its specification takes words as Python integers, which have no width, and lets `bin` write them out:
#
# ```python
# dot = n - 2 * sum(bin(int(p) ^ int(q)).count("1") for p, q in zip(a[i], b[i]))
# ```

# %%
packed_dot_loops(np.array([[0b0111]], np.uint64), np.array([[0b0001]], np.uint64), 4)


# %% exercise="packed_dot"
def dots(a, b, n):
    """Words a, b (..., words) of n signs a row -> dot products (...), signed integers."""
    ### BEGIN SOLUTION
    return n - 2 * np.bitwise_count(a ^ b).sum(axis=-1, dtype=np.int64)
    ### END SOLUTION


# %% check="packed_dot"
check("packed_dot", dots)

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# The formula, and the sum over the words of a row in between. $n$ is given: words do not tell it.
#
# </details>
# <details><summary>Hint 2</summary>
#
# `np.bitwise_count(a ^ b)` has the shape of `a`. Sum over `axis=-1`, and mind the dtype of the sum.
#
# </details>
#
# **In the library**: `packed_dot` in `tinybnn/ops/bitpack.py`, the same line behind a check of its arguments.
#
# **What would break if** you took `n = 64 * a.shape[-1]`, the number of bits that are there?
#
# <details><summary>Answer</summary>
#
# Every product is too large by the bits of the tail, for they agree. With 64 channels nothing breaks. Batch norm
# subtracts a mean, so a network that was *trained* with the mistake works; one that is loaded does not. That $n$ cannot
# be read off the words was asked about Larq's engine (larq/compute-engine#527).
#
# </details>
#
# ## Back to floats
#
# At the end of a binary part of a network floats are wanted again. And a function that undoes another one is a test of
# both.
#
# **Predict.** Five channels come out of this word, as $+1$ and $-1$. Which?

# %% prediction="channels"
WORD = 18  # variant: 25 | 6 | 11
### BEGIN SOLUTION
channels = [-1 if WORD >> c & 1 else 1 for c in range(5)]
### END SOLUTION

# %% check="channels"
check_prediction(channels, unpack(np.array([WORD], np.uint64), 5))

# %% [markdown]
# ### Exercise: `unpack`
#
# One channel is `1 - 2 * (word >> c % 64 & 1)`, with `word` number `c // 64` of the row. That is the specification,
# `unpack_loops`. Without loops: `np.unpackbits` takes bytes only, so words are viewed as bytes first. For that the last
# axis must lie in one piece in memory. `np.ascontiguousarray(packed, "<u8")` sees to that, and to the byte order.


# %% exercise="unpack"
def signs_of(packed, C):
    """Words (..., ceil(C / 64)), uint64 -> signs (..., C), float32."""
    ### BEGIN SOLUTION
    in_bytes = np.ascontiguousarray(packed, "<u8").view(np.uint8)
    bits = np.unpackbits(in_bytes, axis=-1, bitorder="little")[..., :C]
    return 1 - 2 * bits.astype(np.float32)
    ### END SOLUTION


# %% check="unpack"
check("unpack", signs_of)

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# Backwards through `pack`: words to bytes, bytes to bits, the tail off, bits to signs. A bit $b$ is the sign $1 - 2b$.
#
# </details>
# <details><summary>Hint 2</summary>
#
# `np.unpackbits(..., axis=-1, bitorder="little")`, then `[..., :C]`. Make floats *before* you compute $1 - 2b$.
#
# </details>
#
# **In the library**: `unpack` in `tinybnn/ops/bitpack.py`. Its dtype can be chosen.
#
# **What would break if** you computed `1 - 2 * bits` first and made floats of the result?
#
# <details><summary>Answer</summary>
#
# `bits` are `uint8`, which have no $-1$: $1 - 2$ is 255. Half of the signs would be 255.0, and no error would say so
# (numpy/numpy#21237 is about such surprises).
#
# </details>
#
# ## All pairs
#
# A layer has many filters and meets many rows of signs: each row with each filter. Both sides are packed along the $n$
# values that are multiplied, so the filters come as *rows*, too:
#
# $$y_{mf} = n - 2\,\operatorname{popcount}(a_m \oplus b_f)$$

# %%
rows = pack(np.array([[1.0, 1, 1], [-1, 1, -1]]))
three_filters = pack(np.array([[1.0, 1, 1], [1, -1, 1], [-1, -1, -1]]))
packed_matmul_loops(rows, three_filters, 3)

# %% [markdown]
# **Predict.** The same with two rows of four signs as words. The table, two rows by two filters: a list of two lists.

# %% prediction="table"
ROWS = [0b0000, 0b0111]  # variant: [0b1111, 0b0001] | [0b1000, 0b0111]
FILTERS = [0b0110, 0b0111]  # variant: [0b1001, 0b0001]
### BEGIN SOLUTION
table = [[4 - 2 * (r ^ f).bit_count() for f in FILTERS] for r in ROWS]
### END SOLUTION

# %% check="table"
check_prediction(table, packed_matmul(*(np.array(side, np.uint64)[:, None] for side in (ROWS, FILTERS)), 4))

# %% [markdown]
# ### Exercise: `packed_matmul`
#
# Broadcasting makes all pairs: give `a` an axis for the filters.


# %% exercise="packed_matmul"
def all_dots(a, b, n):
    """Words a (M, words) and b (F, words) of n signs a row -> (M, F), signed integers."""
    ### BEGIN SOLUTION
    differ = np.bitwise_count(a[:, None] ^ b)
    return n - 2 * differ.sum(axis=-1, dtype=np.int64)
    ### END SOLUTION


# %% check="packed_matmul"
check("packed_matmul", all_dots)

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# `a[:, None]` has the shape (M, 1, words). What shape has its XOR with `b`?
#
# </details>
# <details><summary>Hint 2</summary>
#
# (M, F, words). Count the ones, sum over the last axis, and it is the formula again.
#
# </details>
#
# **In the library**: `packed_matmul` in `tinybnn/ops/bitpack.py`. `popcount_dots` never makes the array (M, F, words): it
# takes one word of one filter against thousands of rows, adds up to three counts in a `uint8` (3 · 64 < 256) and only
# then widens.
#
# **What would break if** `a` held the windows of a map of 256 x 256 pixels, 9 words each, and `b` 64 filters? How large
# is the XOR?
#
# <details><summary>Answer</summary>
#
# $65536 \cdot 64 \cdot 9$ words of 8 bytes: 302 MB, where `a` has 4.7 MB. The answer would be right. Memory would be
# the limit, and moving it would take most of the time.
#
# </details>
#
# The whole map and its filters, in floats and in words: the same whole numbers.

# %%
weights = sign(np.random.default_rng(4).normal(size=(70, 8)))
by_floats = x.reshape(-1, 70) @ weights
by_bits = packed_matmul(words.reshape(-1, 2), pack(np.ascontiguousarray(weights.T)), 70)
print("equal by ==:", np.array_equal(by_floats, by_bits), " dtypes", by_floats.dtype, by_bits.dtype)
print(f"operand {x.astype(np.float32).nbytes:,} bytes as float32, {words.nbytes:,} packed")

# %% [markdown]
# ### Is it fast?
#
# One XOR and one popcount stand for 64 multiplications. But a processor also multiplies many floats in one instruction,
# and NumPy counts one word at a time. So all of this is as fast as the popcount is: [docs/speed.md](../docs/speed.md)
# has the numbers, and notebook 11 is about them. What is certain is memory. Code for *training* has mostly none of
# this: it multiplies floats that hold $\pm 1$, and who looks for the XNOR there does not find it
# (liuzechun/Bi-Real-net#12, jwfromm/Riptide#8).
#
# ## What you have
#
# Signs in words, and exact whole numbers from them. Times the scale of notebook 02 they are the output of a binary
# filter. Notebook 04 moves that filter over a map. There the border of the map has to be *something*, and no bit means
# "nothing".
