# %% [markdown]
# # 3. Bits: packing, XOR, popcount
#
# 45 minutes · needs 01 · explains `tinybnn/ops/bitpack.py`
#
# Afterwards you can
#
# - pack signs into words of 64 bits and back, and say which bit of which word holds a channel;
# - derive the dot product from a count of bits, and find a mistake in such a formula with five bits;
# - say how tail bits, bit order and narrow counters change results, and which inputs show it.

# %%
import numpy as np

from tinybnn import load, pack, packed_dot, packed_matmul, sign, unpack
from tinybnn.app.pictures import new_figure, pictures
from tinybnn.ops.bitpack import pack_loops, packed_dot_loops, packed_matmul_loops
from tinybnn.testing import check, check_prediction

# %% [markdown]
# ## One bit for a sign
#
# A sign has two values, so one bit can hold it. Which bit means which sign is a convention. Here **the bit is the sign
# bit: 1 means $-1$, 0 means $+1$**, as in every float, and as in Larq Compute Engine. Other software uses the opposite
# convention (Courbariaux's first code, MatthieuCourbariaux/BinaryNet#5; OpenVINO, openvinotoolkit/openvino#4093). Both
# work, but both factors of a product must use the same convention.
#
# Bits are stored in **words**. A word is a group of 64 bits, here a `uint64`. Channel 0 is the *least significant* bit,
# which has the value 1. Channel 1 has the value 2, channel 2 the value 4. So a word is the number
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
# In the specification, `pack_loops`, channel $c$ sets bit `c % 64` of word `c // 64` if it is $-1$. Python prints the
# most significant bit first, so read a printed word from the right. After 64 channels the next word begins. The bits of
# the last word that hold no channel are its **tail bits**. They are 0.

# %%
signs = np.ones(67)
signs[[0, 1, 5, 63, 64, 66]] = -1
for k, number in enumerate(pack_loops(signs)):
    print(f"word {k}: {number:064b}")

# %% [markdown]
# ### What one word contains
#
# Activations are NHWC: the last axis is the channels. `pack` packs along this axis, so a word holds up to 64 channels
# of **one** pixel. Here a photograph becomes a map of 70 channels. The mean of the photograph is subtracted, each
# channel mixes red, green and blue in its own way, and the sign is taken. A **bit plane** shows one channel of all
# pixels. Here are three of them, black where the bit is 1:

# %%
photo = load("photos", "val")[4].image
x = sign((photo - photo.mean(axis=(0, 1))) @ np.random.default_rng(3).normal(size=(3, 70)))
words = pack(x)
print("map", x.shape, "words", words.shape)
pictures({"the photograph": photo, **{f"bit {c}": x[:, :, c] for c in (0, 1, 69)}}, width=2.2, cmap="gray")

# %% [markdown]
# A bit plane contains all pixels of one channel. A pair of words contains all channels of one pixel. The next picture
# shows a word as its eight bytes, one below the other, with the least significant bit on the left:


# %%
def draw_word(axis, word, first, C):
    """Draw a bit of 1 dark. Each bit has the number of its channel, or a cross if it is a tail bit."""
    bits = np.unpackbits(word.reshape(1).view(np.uint8), bitorder="little")
    axis.imshow(bits.reshape(8, 8), cmap="gray_r", vmin=0, vmax=1.5)
    for b in range(64):
        name, colour = str(first + b) if first + b < C else "x", "white" if bits[b] else "black"
        axis.text(b % 8, b // 8, name, ha="center", va="center", fontsize=7, color=colour)
    axis.set(xticks=range(8), yticks=range(8), xlabel="bit of the byte", ylabel="byte of the word")


# %%
i, j = 34, 62
figure = new_figure(9, 3.3)
pixel, *pair = figure.subplots(1, 3)
pixel.imshow(photo)
pixel.axhline(i, color="white", lw=1)
pixel.axvline(j, color="white", lw=1)
pixel.set(xlabel="column", ylabel="row", xticks=[0, j, 95], yticks=[0, i, 95])
pixel.set_title(f"the pixel [{i}, {j}]", fontsize=9)
for k, axis in enumerate(pair):
    draw_word(axis, words[i, j, k], 64 * k, 70)
    axis.set_title(f"words[{i}, {j}, {k}]", fontsize=9)
figure

# %% [markdown]
# The small numbers are channels. The crosses are the tail: 58 bits that are stored but hold no channel. Why does a word
# hold channels, and not 64 pixels of a row? A window that moves over the map takes whole pixels (notebook 04), so it
# takes whole words at every position. Words of 64 pixels would have to be cut and shifted at each step. Somebody who
# believed that a library packs rows of pixels asked how that can work (huawei-noah/bolt#131). That library packs
# channels, too.
#
# **Predict.** How many bytes does a map of `H` rows and `W` columns with `C` channels take, as float32 and packed?
# Write a list of the two numbers.

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
# The packed map is 32 times smaller if the channels fill their words, and otherwise the gain is smaller. Some libraries
# refuse to pack channels that do not fill their words (hpi-xnor/BMXNet#10). Larq's engine added the tail early
# (larq/compute-engine#31). Later it changed from words of 64 bits to words of 32, which suits layers of 32 channels
# (#446). Bits and bytes have the same order in both: a word of 64 bits is two words of 32, the lower half first.
#
# ### Order
#
# NumPy packs eight booleans into a byte with `np.packbits`. By default it puts the *first* one into the *most*
# significant bit. Somebody asked about this (numpy/numpy#9398), and since NumPy 1.17 there is an option
# (numpy/numpy#12962). A word of eight bytes may be stored with its least significant byte first or last: little-endian
# or big-endian. A dtype can say which: `"<u8"` is a little-endian `uint64` on every machine.

# %%
first = np.array([True, False, False, False, False])
print("default:", np.packbits(first), " little:", np.packbits(first, bitorder="little"))
memory = np.array([1, 0, 0, 0, 0, 0, 0, 0], np.uint8)
print("first byte 1, read as <u8:", memory.view("<u8"), " as >u8:", memory.view(">u8"))

# %% [markdown]
# `view` copies nothing: it reads the same memory as another dtype. Eight bytes become one word, so the length of the
# last axis must be a multiple of eight bytes, and its values must lie side by side in memory. That is true of the
# result of `np.packbits`.
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
# First make room for whole words: an array of `False` whose last axis is a multiple of 64, with the bits at its
# beginning. `-C % 64` bits are missing.
#
# </details>
# <details><summary>Hint 2</summary>
#
# Then three steps: write `x < 0` into the first `C` places; call `np.packbits` along the last axis, with the right bit
# order; call `.view` to get words.
#
# </details>
#
# **In the library**: `pack` in `tinybnn/ops/bitpack.py`. It refuses values that are not signs. It first packs bits into
# bytes and then fills the bytes up to whole words. If C is a multiple of 8, it packs all rows as one long row, which is
# faster.
#
# **What would break if** you packed without `bitorder="little"`? Try it with two rows: is their dot product, below,
# still right?
#
# <details><summary>Answer</summary>
#
# If both rows are packed in this way, it is right: the channels change places in the same way in both rows, and a sum
# does not depend on the order. So such a mistake can stay unnoticed for a long time. It shows when words come from
# another program or go to one, and where single channels are read: `unpack` gives them mirrored in groups of eight.
#
# </details>
#
# ## A dot product is a count
#
# The product of two signs is $+1$ if they are equal, and $-1$ if they differ. Let $d$ of $n$ pairs differ. Then $n - d$
# pairs are equal, and
#
# $$\sum_c a_c b_c = (n - d) - d = n - 2d$$
#
# **XOR**, in NumPy `a ^ b`, gives 1 exactly where two bits differ. So $d$ is the number of ones of the XOR. A count of
# ones is called **popcount**:
#
# $$a \cdot b = n - 2\,\operatorname{popcount}(a \oplus b)$$
#
# (Hubara and others 2016, arXiv 1602.02830; status *exact*.)
#
# **Predict.** Two words hold five signs each. Which number is their XOR, what is its popcount, and what is the dot
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
# Many texts write $2p - K$, and this page writes $K - 2p$, with $K$ for the number of signs. Public threads ask which
# is right (Xilinx/finn#31, openvinotoolkit/openvino#4093, JDAI-CV/dabnn#40). Both are: it depends on what $p$ counts.
# After XOR it counts the places that **differ**. After XNOR, which is NOT XOR, it counts the places that are **equal**,
# and then the dot product is $p - (K - p) = 2p - K$. The mistakes are to mix the two, or to take the count itself for
# the product. The DoReFa-Net paper wrote XNOR where it meant XOR, and a reader found it with three signs
# (tensorpack/tensorpack#26).
#
# Here is the example of Xilinx/finn#31, with six signs in each row. The right answer is $-2$. The cell prints four
# formulas:

# %%
left = pack(np.array([1.0, -1, 1, -1, 1, 1]))[0]
right = pack(np.array([1.0, 1, -1, 1, 1, -1]))[0]
differ = int(left ^ right).bit_count()
equal = 6 - differ
print(f"differ {differ}, equal {equal}")
print(f"right: K - 2 differ = {6 - 2 * differ}, 2 equal - K = {2 * equal - 6}")
print(f"wrong: 2 differ - K = {2 * differ - 6}, equal = {equal}")

# %% [markdown]
# ### Tail bits
#
# A tail bit of 0 reads as $+1$ on both sides, so it never differs and does not change the XOR. But it is *equal* on
# both sides, and XNOR counts equal bits. So code with XNOR must mask the tail bits or correct the sum later
# (JDAI-CV/dabnn#28). Therefore this library uses XOR. What happens if the tail bits are *not* zero?
#
# **Predict.** Each row has `CHANNELS` signs. On one side every tail bit is 1, on the other 0. How much does that add to
# $n - 2\,\text{popcount}$? (Write a negative number if the result becomes too small.)

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
# With 64 channels there are no tail bits, and the mistake does not show. So test with 63 and 65. Such tail bits arise
# when code inverts all bits with `~`, to change the signs: that inverts the tail bits too.
#
# ### Counting in NumPy
#
# `np.bitwise_count` counts the ones of each word. It exists since NumPy 2.0, after years of requests
# (numpy/numpy#16325, #19355), and it is the reason why this library needs NumPy 2. It returns `uint8`, which is enough
# for 64. It is not enough for sums:

# %%
differ = np.bitwise_count(pack(np.ones((1, 320))) ^ pack(-np.ones((1, 320))))
total = differ.sum(axis=-1)
print("counts of five words:", differ, differ.dtype)
print("added in uint8      :", differ.sum(axis=-1, dtype=np.uint8))
print("added by sum()      :", total, total.dtype)
print("320 - 2 * sum()     :", 320 - 2 * total)

# %% [markdown]
# There are two traps. First, a counter of 8 bits starts again at 256. Random rows of 320 signs differ in about 160
# places, so random tests pass. Second, NumPy adds unsigned numbers in an *unsigned* type, which has no $-320$: the
# result becomes $2^{64} - 320$, and for an array there is no warning. `sum(..., dtype=np.int64)` avoids both traps.
#
# **Predict.** All signs of two rows differ, and a row has `WORDS` full words. What does a `uint8` counter hold at the
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
# The specification converts words to Python integers, which cannot overflow, and counts the ones in the text that `bin`
# returns:
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
# Use the formula, with a sum over the words of a row. $n$ is an argument, because the words do not contain it.
#
# </details>
# <details><summary>Hint 2</summary>
#
# `np.bitwise_count(a ^ b)` has the shape of `a`. Sum over `axis=-1`, and choose the dtype of the sum.
#
# </details>
#
# **In the library**: `packed_dot` in `tinybnn/ops/bitpack.py`. It checks its arguments, then computes the same line.
#
# **What would break if** you took `n = 64 * a.shape[-1]`, the number of stored bits?
#
# <details><summary>Answer</summary>
#
# Every product would be too large by the number of tail bits, because they are equal. With 64 channels nothing breaks.
# Batch norm subtracts a mean, so a network that was *trained* with the mistake works, but a network that is loaded does
# not. Larq's users asked why the words do not tell $n$ (larq/compute-engine#527).
#
# </details>
#
# ## Back to floats
#
# At the end of a binary part of a network we need floats again. Also, a function and its inverse test each other.
#
# **Predict.** Five channels come out of this word, as $+1$ and $-1$. What are they?

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
# One channel is `1 - 2 * (word >> c % 64 & 1)`, with word `c // 64` of the row. That is the specification,
# `unpack_loops`. Without loops you need `np.unpackbits`, which takes only bytes, so words must be viewed as bytes
# first. For that, the values of the last axis must lie side by side in memory. `np.ascontiguousarray(packed, "<u8")`
# ensures that, and the byte order.


# %% exercise="unpack"
def signs_of(packed, C):
    """Words (..., ceil(C / 64)), uint64 -> signs (..., C), float32."""
    ### BEGIN SOLUTION
    as_bytes = np.ascontiguousarray(packed, "<u8").view(np.uint8)
    bits = np.unpackbits(as_bytes, axis=-1, bitorder="little")[..., :C]
    return 1 - 2 * bits.astype(np.float32)
    ### END SOLUTION


# %% check="unpack"
check("unpack", signs_of)

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# Do the steps of `pack` in reverse: words to bytes, bytes to bits, remove the tail bits, bits to signs. A bit $b$ is
# the sign $1 - 2b$.
#
# </details>
# <details><summary>Hint 2</summary>
#
# `np.unpackbits(..., axis=-1, bitorder="little")`, then `[..., :C]`. Convert to floats *before* you compute $1 - 2b$.
#
# </details>
#
# **In the library**: `unpack` in `tinybnn/ops/bitpack.py`. You can choose the dtype of its result.
#
# **What would break if** you computed `1 - 2 * bits` first and converted the result to floats?
#
# <details><summary>Answer</summary>
#
# `bits` are `uint8`, which has no $-1$: $1 - 2$ is 255. All signs of $-1$ would become 255.0, without an error
# (numpy/numpy#21237 is about such surprises).
#
# </details>
#
# ## All pairs
#
# A layer has many filters and many rows of signs, and it multiplies each row with each filter. Both sides are packed
# along the $n$ values that are multiplied, so the filters are *rows*, too:
#
# $$y_{mf} = n - 2\,\operatorname{popcount}(a_m \oplus b_f)$$

# %%
rows = pack(np.array([[1.0, 1, 1], [-1, 1, -1]]))
three_filters = pack(np.array([[1.0, 1, 1], [1, -1, 1], [-1, -1, -1]]))
packed_matmul_loops(rows, three_filters, 3)

# %% [markdown]
# **Predict.** Now there are two rows and two filters of four signs, as words. Write the table of two rows by two
# filters: a list of two lists.

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
# `a[:, None]` has the shape (M, 1, words). What is the shape of its XOR with `b`?
#
# </details>
# <details><summary>Hint 2</summary>
#
# It is (M, F, words). Count the ones, sum over the last axis, and use the formula again.
#
# </details>
#
# **In the library**: `packed_matmul` in `tinybnn/ops/bitpack.py`. It takes one word of all rows and filters at a time
# and adds the counts, so it never makes the array (M, F, words). `tinybnn/fast/product.py` computes the same integers
# faster.
#
# **What would break if** `a` held the windows of a map of 256 x 256 pixels, 9 words each, and `b` held 64 filters? How
# large is the XOR?
#
# <details><summary>Answer</summary>
#
# It has $65536 \cdot 64 \cdot 9$ words of 8 bytes: 302 MB, while `a` has 4.7 MB. The result would be right. But memory
# could run out, and moving the data would take most of the time.
#
# </details>
#
# Here are the whole map and eight filters, in floats and in words. The whole numbers are the same.

# %%
weights = sign(np.random.default_rng(4).normal(size=(70, 8)))
by_floats = x.reshape(-1, 70) @ weights
by_bits = packed_matmul(words.reshape(-1, 2), pack(np.ascontiguousarray(weights.T)), 70)
print("equal by ==:", np.array_equal(by_floats, by_bits), " dtypes:", by_floats.dtype, by_bits.dtype)
print(f"the map takes {x.astype(np.float32).nbytes:,} bytes as float32, and {words.nbytes:,} packed")

# %% [markdown]
# ### Is it fast?
#
# One XOR and one popcount replace 64 multiplications. But a processor also multiplies many floats in one instruction,
# and NumPy counts one word at a time. So all of this is only as fast as the popcount: [docs/speed.md](../docs/speed.md)
# has the numbers, and notebook 11 explains them. The gain in memory is certain. Code for *training* mostly does none of
# this: it multiplies floats that hold $\pm 1$, so you will not find XNOR in that code (liuzechun/Bi-Real-net#12,
# jwfromm/Riptide#8).
#
# ## What you have
#
# You can pack signs into words, and compute exact whole numbers from them. Multiplied by the scale of notebook 02, they
# are the output of a binary filter. Notebook 04 moves that filter over a map. There the window reaches beyond the
# border, and no bit means "nothing".
