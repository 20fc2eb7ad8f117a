# %% [markdown]
# # 11. Packing the network: the same bits, less memory, and how much faster
#
# 40 minutes · needs 03, 04, 06, 10 · explains `tinybnn/model/deploy.py`, `tinybnn/ops/binary_conv.py`,
# `tinybnn/ops/bitpack.py`, `tinybnn/fast/digits.py`
#
# Afterwards you can
#
# - pack a trained network, check that it gives the same logits, and compute how many bytes its weights take;
# - say what replaces each layer in the packed network, and write three of the pieces;
# - explain where "58 times faster" comes from, why NumPy does not show it, and how one float can hold two sums.

# %%
import os

# One thread: NumPy reads these variables when it is loaded.
os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")

# %%
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from tinybnn import Config, load, pack, pack_network, pack_weights, unpack
from tinybnn.app.pictures import new_figure
from tinybnn.fast.network import forward_fast, prepare
from tinybnn.fast.product import digit_filters, digit_product, digit_rows, popcount_product, words_first
from tinybnn.model import cost, deploy, net
from tinybnn.model.evaluate import differing_logits
from tinybnn.model.train import Training, logits_of, start, train
from tinybnn.ops.bitpack import pack_bits
from tinybnn.ops.pool import max_pool2d_packed
from tinybnn.testing import check, check_prediction

# %% [markdown]
# ## The same bits
#
# The next cell trains a network with three branches and two-part attention for 20 steps. After so few steps it
# predicts badly, but everything below holds for any weights.

# %%
print("training for 20 steps ...")
run = train(start(Config(), Training(steps=20, batch=8, crop=64)), load("photos", "train"))
packed = pack_network(run.params, run.state, run.config)
photos = [load("photos", "val")[i] for i in range(0, 64, 8)]
different = differing_logits(lambda x: deploy.forward_packed(packed, x), logits_of(run), photos, run.config.stride)
print(f"{different} of {sum(p.label.size for p in photos) * run.config.classes:,} logits differ")

# %% [markdown]
# The logits are not *nearly equal*; they are compared by `==`. Two facts make this possible.
#
# - A binary convolution computes a whole number, $z = n - 2\,\mathrm{popcount}$. The float simulation computes the
#   same number as a sum of $\pm 1$. It is exact too, because float32 holds all whole numbers up to $2^{24}$.
# - Scale, shift and activation follow, in floats. They round, but both networks do the *same* arithmetic in the *same*
#   order, so they round alike.
#
# ## Less memory
#
# One bit instead of 32 is 32 times smaller. But bits are stored in **words** of 64. Each filter starts a new word at
# each **tap** (a tap is one position of the kernel; a 3 x 3 kernel has nine).
#
# **Predict.** A 3 x 3 layer has `C` channels and 32 filters. How many bytes do its weights take as float32, and how
# many as words of 8 bytes? Give a list of the two.

# %% prediction="nbytes"
C = 16  # variant: 96 | 48
### BEGIN SOLUTION
nbytes = [3 * 3 * C * 32 * 4, 3 * 3 * 32 * -(-C // 64) * 8]
### END SOLUTION

# %% check="nbytes"
w = np.ones((3, 3, C, 32), np.float32)
check_prediction(nbytes, [w.nbytes, pack_weights(w).nbytes])

# %%
channels = np.arange(1, 257)
figure = new_figure(6, 2.4)
axis = figure.subplots()
axis.plot(channels, 4 * channels / (8 * -(-channels // 64)), color="#1f4e79")
axis.axhline(32, color="#999999", lw=1, ls="--")
axis.set(xlabel="channels", ylabel="times smaller", xticks=[1, 64, 128, 192, 256], ylim=(0, 34))
figure

# %% [markdown]
# With a multiple of 64 channels the weights are 32 times smaller. With 16 channels they are 8 times smaller. This
# network has layers of 16, 32 and 64 channels:

# %%
before, after = deploy.weight_bytes(packed, run.params)
print(f"binary weights: {before:,} bytes as float32, {after:,} as words, {before / after:.1f} times smaller")
rest = sum(a.nbytes for a in packed.arrays.values()) - after
print(f"what stays float (stem, classifier, thresholds, scales, gates): {rest:,} bytes")

# %% [markdown]
# So a narrow binary network is not 32 times smaller. The arrays that stay float are a
# small part of the trained network, but nearly a third of the packed one.
#
# ### "The file is as large as before"
#
# Many people have trained a binary network and found that its file is no smaller (jiecaoyu/XNOR-Net-PyTorch#7,
# hpi-xnor/BMXNet#6, larq/larq#360). A training file contains the *latent* weights (notebook 07). They are float32,
# because the optimizer changes them in small steps. Packing keeps only their signs, and after that the network cannot
# be trained further.

# %%
with TemporaryDirectory() as folder:
    trained, small = Path(folder) / "trained.npz", Path(folder) / "packed.npz"
    np.savez(trained, **run.params, **run.state)
    deploy.save_packed(small, packed)
    print(f"as trained {trained.stat().st_size / 1000:.0f} kB, packed {small.stat().st_size / 1000:.0f} kB")

# %% [markdown]
# An `npz` file has a header of a few hundred bytes for each array. With arrays as small as these, the headers matter.
#
# ## What becomes of each layer
#
# | in the simulation | in the packed network |
# | --- | --- |
# | $\operatorname{sgn}(x - \tau)$ | a comparison, and 64 results in a word |
# | binary convolution | XOR and popcount, or digits (below): the same whole number |
# | scale, then batch norm | one scale and one shift for each filter (notebook 06) |
# | all that, then a sign | one comparison of the whole number (notebook 06), if no real value is added in between |
# | nearest upsampling | words are repeated |
# | maximum of signs (in other networks, not in this one) | one operation on words (below) |
# | stem, classifier, softmax of the attention | as they were |
#
# A real value is added or used after the float stem, where a shortcut or the attention is added, where gates add
# several branches, and where an upsampling interpolates. Otherwise one comparison of whole numbers is enough. Then the
# thresholds `tau` of the next layer become whole numbers, and the layer itself loses its shift. The next cell finds
# these layers among the packed arrays of networks without attention:

# %%
for residual, R in ((True, 3), (True, 1), (False, 3), (False, 1)):
    config = Config(residual=residual, branches=R, attention="none")
    folded = pack_network(*net.init(config, np.random.default_rng(0)), config).arrays
    names = [name for name in net.layer_names(config) if f"{name}.shift" not in folded]
    print(f"residual {residual!s:5}, {R} branch{'es' * (R > 1):2}: folded {', '.join(names) or 'no layer'}")

# %% [markdown]
# ### Exercise: `binarize_packed`
#
# Where the input is real, this is the first step: threshold and pack, without $\pm 1$ in between.
# `pack_bits(negative)` packs booleans (..., C), where True means $-1$. It is your `pack` of notebook 03 without the
# comparison `x < 0`.


# %% exercise="binarize_packed"
def words_of(x, tau):
    """Floats x (..., C) and thresholds tau (C,) -> words (..., ceil(C / 64)) of the signs of x - tau."""
    ### BEGIN SOLUTION
    return pack_bits(x < tau)
    ### END SOLUTION


# %% check="binarize_packed"
check("binarize_packed", words_of)

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# Which comparison of `x` and `tau` is True exactly where the sign of `x - tau` is $-1$? Consider a **tie**: a value
# that is equal to its threshold.
#
# </details>
# <details><summary>Hint 2</summary>
#
# You need no subtraction. The sign of 0 is $+1$, so the comparison must be False for a tie.
#
# </details>
#
# **In the library**: `binarize_packed` in `tinybnn/ops/bitpack.py`. It also raises an error for NaN. Every comparison
# with NaN is False, so without this error a NaN would silently become $+1$.
#
# **What would break if** you packed `np.signbit(x - tau)`, the sign bit that the float already has?
#
# <details><summary>Answer</summary>
#
# A negative zero has its sign bit set, so it would become $-1$; the simulation says $+1$. `x - tau` is $-0.0$ only
# where `x` is $-0.0$ and `tau` is $0.0$. This is rare, so a few bits of a few images would differ.
#
# </details>
#
# ### The maximum of signs
#
# Many binary networks use max pooling on signs. The maximum of a window is $+1$ if at least one of its signs is $+1$.
#
# **Predict.** Four words are the four pixels of a 2 x 2 window, with four channels each. A bit of 1 means $-1$. Which
# word is the maximum, channel by channel? (Write it as `0b0110` or as the number 6: both are the same to Python.)

# %% prediction="largest"
WINDOW = [0b0110, 0b0111, 0b1110, 0b0010]  # variant: [0b1100, 0b1110, 0b0111, 0b0101]
### BEGIN SOLUTION
largest = WINDOW[0] & WINDOW[1] & WINDOW[2] & WINDOW[3]
### END SOLUTION

# %% check="largest"
check_prediction(largest, max_pool2d_packed(np.array(WINDOW, np.uint64).reshape(1, 2, 2, 1)).item())

# %% [markdown]
# ### Exercise: `max_pool2d_packed`
#
# The specification is `max_pool2d_loops` in `tinybnn/ops/pool.py`, which works on signs. The words must hold the same
# signs. Windows lie side by side. Rows and columns at the end that do not fill a window are left out:
# $OH = \lfloor H / KH \rfloor$.


# %% exercise="max_pool2d_packed"
def pool_words(words, *, kernel):
    """words (N, H, W, V) of signs, kernel a pair (KH, KW) -> words (N, H // KH, W // KW, V)."""
    ### BEGIN SOLUTION
    (KH, KW), (N, H, W, V) = kernel, words.shape
    whole = words[:, : H // KH * KH, : W // KW * KW]
    blocks = whole.reshape(N, H // KH, KH, W // KW, KW, V)
    return np.bitwise_and.reduce(blocks, axis=(2, 4))
    ### END SOLUTION


# %% check="max_pool2d_packed"
check("max_pool2d_packed", pool_words, options={"stride": None})

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# A bit of the result is 1 only if that bit is 1 in *every* word of the window. Which of AND, OR and XOR is this?
#
# </details>
# <details><summary>Hint 2</summary>
#
# Cut off the rows and columns that do not fill a window. Reshape to `(N, OH, KH, OW, KW, V)`. `np.bitwise_and`, like
# every ufunc of two arguments, has a method `.reduce(blocks, axis=(2, 4))`.
#
# </details>
#
# **In the library**: `max_pool2d_packed` in `tinybnn/ops/pool.py` also takes strides and windows that overlap. It
# combines shifted views of the map, one for each tap.
#
# **What would break if** you used OR?
#
# <details><summary>Answer</summary>
#
# If a bit of 1 means $-1$, OR is the *minimum*. If a bit of 1 means $+1$, OR is right: other libraries have this
# convention, and their kernels assume it (larq/compute-engine#54). The mean of signs has no such form, because it is
# not a sign.
#
# </details>
#
# ## How much faster?
#
# XNOR-Net (Rastegari 2016, arXiv 1603.05279) counts operations. A convolution takes $cN$ multiplications for each
# output: $c$ channels, $N$ taps. With bits, one operation replaces 64 of them, and one real multiplication, by the
# scale, remains. The ratio is:
#
# $$\frac{cN}{cN / 64 + 1} = \frac{64\,cN}{cN + 64}$$
#
# **Predict.** What is this ratio for 3 x 3 taps and `CHANNELS` channels? Two decimals will do.

# %% prediction="ratio"
CHANNELS = 256  # variant: 64 | 128
### BEGIN SOLUTION
ratio = 64 * CHANNELS * 9 / (CHANNELS * 9 + 64)
### END SOLUTION

# %% check="ratio"
count = cost.conv2d_count(1, 1, 1, 3, 3, CHANNELS, 1, binary=True)
check_prediction(ratio, count.binary / (count.binary / 64 + count.scale))

# %% [markdown]
# The ratio cannot exceed 64, the number of bits in a word. The 58 times of the abstract is such a ratio, "in terms of
# number of the high precision operations". Its 32 times is about bits of memory. (allenai/XNOR-Net#42 asks where the
# numbers come from.) So 58 is a count of operations, **not a time**. And a processor does not do float multiplications
# one by one: a single instruction multiplies and adds 8 or 16 of them.
#
# Now we measure the time, on one thread. The product is that of a middle layer: 4096 pixels, 576 signs each, 64
# filters. The operands are prepared before the time is taken.

# %%
M, n, F = 4096, 576, 64
rng = np.random.default_rng(0)
a, b = (rng.choice(np.float32([-1, 1]), (rows, n)) for rows in (M, F))
words_a, words_b, bt, result = pack(a), pack(b), np.ascontiguousarray(b.T), 4 * M * F
columns_a, columns_b = words_first(words_a), words_first(words_b)
x, f = digit_rows(words_a, n), digit_filters(words_b, n)

# %% [markdown]
# `moved` counts the bytes that each function must read and write at least. Before anything is timed, the last line
# lists the functions whose results are right.

# %%
functions = {
    "float BLAS": lambda: a @ bt,
    "popcount": lambda: popcount_product(columns_a, columns_b, n),
    "digits": lambda: digit_product(x, f),
    "one broadcast": lambda: n - 2 * np.bitwise_count(words_a[:, None] ^ words_b).sum(-1, dtype=np.int32),
}
bits = words_a.nbytes + words_b.nbytes + result
moved = {"float BLAS": a.nbytes + b.nbytes + result, "popcount": bits, "digits": x.nbytes + f.w.nbytes + result}
moved["one broadcast"] = bits + 18 * M * F * n // 64  # 8 bytes of XOR and 1 of count, out and in
[name for name, function in functions.items() if (function() == a @ bt).all()]


# %% [markdown]
# A single time tells little, because other programs run on the machine too. So the functions run in turn, round after
# round, and the ratio is taken within each round. The median is printed.


# %%
def in_turn(functions, rounds=40):
    """Seconds of each function in each round; two rounds before them are not counted."""
    seconds = {name: [] for name in functions}
    for _ in range(rounds + 2):
        for name, function in functions.items():
            before = time.perf_counter()
            function()
            seconds[name].append(time.perf_counter() - before)
    return {name: np.array(times[2:]) for name, times in seconds.items()}


# %% tags=["varies"]
print("timing ...")
seconds = in_turn(functions)
for name in functions:
    times_faster = np.median(seconds["float BLAS"] / seconds[name])
    print(f"{name:14} {times_faster:5.2f} times as fast as float BLAS, {moved[name] / 1e6:6.2f} MB moved at least")

# %% [markdown]
# *One broadcast* is the obvious way: one expression that computes XOR of every row with every filter. Its intermediate
# arrays are large, so they are written to memory and read back. *Popcount* computes the same counts in pieces, so that
# the intermediate arrays stay small. *Digits* is explained below: one product of BLAS does the work of two. So it
# cannot be more than twice as fast as BLAS; a larger number in this table means that another program was running. The
# words save much memory. In time they gain little or nothing, for two reasons:
#
# - NumPy's `bitwise_count` counts **one word** per instruction, while BLAS handles 8 or 16 floats in one.
# - Every NumPy call writes its result to memory, and the next call reads it back. A kernel in C keeps it in a
#   register.
#
# On another machine a kernel in C, which counts the bits of whole vectors at once, was 17 to 32 times as fast as BLAS
# (docs/speed.md). So bits are not slow, but NumPy does not offer that instruction. A binary network in PyTorch
# multiplies floats, like any other network (jiecaoyu/XNOR-Net-PyTorch#40 asks about this).
#
# The next picture shows the same. Further right means more work for each byte; higher means faster. The slanted line
# is the limit set by memory. The flat lines are limits set by arithmetic: in float BLAS, and in C as measured on that
# other machine. Below the slanted line a program waits for memory, below a flat line it waits for arithmetic.

# %% tags=["varies"]
large = np.ones(2**24, np.float32)
memory = 2 * large.nbytes / np.median(in_turn({"add": lambda: np.add(large, 1, out=large)}, 5)["add"]) / 1e9
print(f"memory: {memory:.0f} GB a second, read and written")

# %% tags=["varies"]
macs, figure, x = M * F * n, new_figure(6.5, 3.6), np.geomspace(0.3, 800, 99)
axis, flat = figure.subplots(), macs / np.median(seconds["float BLAS"]) / 1e9
for left, limit, note in ((1.6, flat, "as fast as float BLAS"), (20, 17 * flat, "17 times: in C, on another machine")):
    axis.plot(x, np.minimum(memory * x, limit), color="#888888", lw=1)
    axis.text(left, limit * 1.15, note, fontsize=8, color="#555555")
for name in functions:
    work, speed = macs / moved[name], macs / np.median(seconds[name]) / 1e9
    axis.plot(work, speed, "o", color="#1f4e79")
    right, up = {"digits": (0.6, 1.05), "float BLAS": (1.12, 0.6)}.get(name, (1.12, 0.9))
    axis.text(work * right, speed * up, name, fontsize=8)
axis.set(xscale="log", yscale="log", ylim=(flat / 12, flat * 40), xlabel="products of signs for each byte moved")
axis.set_ylabel("products a second, in 10⁹")
figure

# %% [markdown]
# Popcount is far to the right: it does the most work for each byte. It is not higher, because arithmetic limits it and
# not memory. The gap above it is what a kernel in C can gain (notebook 13).
#
# ## Two sums in one float
#
# In NumPy we gain time not because the values are *bits*, but because they are *small*. A dot product of $n$ signs is
# a whole number between $-n$ and $n$. A float32 has room for two such numbers. Combine two rows of signs, $x_0$ and
# $x_1$, into one row of floats, and let BLAS do one product:
#
# $$x = x_1 + \frac{x_0}{4096} \qquad\Longrightarrow\qquad
# x \cdot w = \underbrace{x_1 \cdot w}_{d_1} + \frac{\overbrace{x_0 \cdot w}^{d_0}}{4096}$$
#
# As long as $|d_0| \le 2047$, the second term is smaller than one half. So *rounding* to the nearest whole number
# gives $d_1$, and the rest, times 4096, is $d_0$. All of this is exact: the numbers are multiples of $2^{-12}$ below
# $2^{12}$, and float32 has 24 bits. We call $d_0$ and $d_1$ the low and the high **digit**. (Kronecker substitution,
# long known in computer algebra; for signs in floats it is *ours*.)
#
# **Predict.** A product is `UNITS` / 4096. What are $d_0$ and $d_1$, in this order? (3, 4 and 7 times 4096 are 12288,
# 16384 and 28672.)

# %% prediction="decoded"
UNITS = 28669  # variant: 12290 | -16390
### BEGIN SOLUTION
decoded = [UNITS - 4096 * round(UNITS / 4096), round(UNITS / 4096)]
### END SOLUTION

# %% check="decoded"
d0 = next(d for d in range(-2047, 2048) if (UNITS - d) % 4096 == 0)
check_prediction(decoded, [d0, (UNITS - d0) // 4096])

# %% [markdown]
# ### Exercise: `packed_matmul` by digits
#
# There are two blocks of packed rows, `low` (each row is an $x_0$) and `high` (each row is an $x_1$). Compute both
# products with one product of floats. Sums of more than 2047 signs do not fit: cut them into pieces of at most 2047
# signs, decode each piece, and add. `unpack(rows, n)` gives the `n` signs of each row, in float32. The specification
# is `packed_matmul_loops` in `tinybnn/ops/bitpack.py`: XOR and a count, with Python's own integers.


# %% exercise="packed_matmul"
def two_products(low, high, b, n):
    """Packed rows low, high (m, words) and filters b (F, words), n signs a row -> low by b, high by b, both (m, F)."""
    ### BEGIN SOLUTION
    w, x = unpack(b, n).T, unpack(high, n) + unpack(low, n) / 4096
    d0 = d1 = 0
    for k in range(0, n, 2047):
        total = x[:, k : k + 2047] @ w[k : k + 2047]
        whole = np.rint(total)
        d0, d1 = d0 + (total - whole) * 4096, d1 + whole
    return d0, d1
    ### END SOLUTION


# %% check="packed_matmul"
def in_halves(a, b, n):
    m = (len(a) + 1) // 2
    both = np.resize(a, (2 * m, a.shape[1]))
    return np.concatenate(two_products(both[:m], both[m:], b, n))[: len(a)].astype(int)


check("packed_matmul", in_halves)

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# Begin without pieces: compute `x` from the two unpacked blocks, multiply by the unpacked filters, transposed, and
# decode as in the prediction. Then put the last two steps into a loop over `k = 0, 2047, 4094, ...`.
#
# </details>
# <details><summary>Hint 2</summary>
#
# In the loop: `total = x[:, k : k + 2047] @ w[k : k + 2047]`. The whole part is `np.rint(total)`, the rest is
# multiplied by 4096. Keep two running sums, both starting at 0.
#
# </details>
#
# **In the library**: `packed_matmul` in `tinybnn/ops/bitpack.py` is the plain form, with XOR and popcount.
# `tinybnn/fast/digits.py` has the method of this exercise. It looks up eight signs at a time in a table, so it never
# unpacks the two blocks. The fast packed network, `tinybnn/fast/network.py`, uses it.
#
# **What would break if** you decoded with `np.floor`, as one does with hours and minutes?
#
# <details><summary>Answer</summary>
#
# $d_0$ may be negative. $7 - 3/4096$ has the floor 6 and the rest $4093/4096$. So for every negative low digit the
# high digit would be too small by 1, and the low digit too large by 4096. `floor` is right for digits from 0 to
# $B - 1$; these digits lie between $-B/2$ and $B/2$.
#
# </details>
#
# ## Memory of the columns
#
# A convolution as one matrix product first copies each window into a row (*im2col*, notebook 04). With float32 this
# makes $KH \cdot KW$ copies of the map, with 4 bytes for each value.
#
# **Predict.** A map has 128 x 128 pixels and `DEPTH` channels. There are 3 x 3 windows, and with padding as many
# windows as pixels. How many times more bytes do the float columns take than the packed map?

# %% prediction="columns"
DEPTH = 64  # variant: 128 | 32
### BEGIN SOLUTION
columns = 9 * DEPTH * 4 / (-(-DEPTH // 64) * 8)
### END SOLUTION

# %% check="columns"
signs = np.ones((1, 128, 128, DEPTH), np.float32)
check_prediction(columns, 9 * signs.nbytes / pack(signs).nbytes)

# %% [markdown]
# A whole convolution gains less, because its *result* consists of numbers, not bits. For 256 x 256 pixels and 64
# channels the benchmark measures 185 MB by im2col and 17.4 MB packed, of which the result is 16.8 MB (docs/speed.md,
# `python -m benchmarks`). The fast packed network computes a few rows at a time, so it never holds all columns.
#
# ## The whole network
#
# The library has two packed networks. `forward_packed` in `tinybnn/model/deploy.py` is the plain one: it calls the
# packed functions layer by layer. `tinybnn/fast/network.py` is the fast one, which uses digits. Both give the same
# bits. This cell times both against the float simulation, on one photograph:

# %% tags=["varies"]
image, prepared = photos[0].image[None], prepare(packed)
networks = {
    "simulation": lambda: net.forward(run.params, run.state, image, run.config)[0],
    "plain packed": lambda: deploy.forward_packed(packed, image),
    "fast packed": lambda: forward_fast(prepared, image),
}
seconds = in_turn(networks)
for name in networks:
    print(f"{name:12} {np.median(seconds['simulation'] / seconds[name]):5.2f} times as fast as the simulation")

# %% [markdown]
# This is what NumPy gains, and it is far from 58. Digits have a price: while the fast network runs, it holds the
# filters as floats. In the file and in the packed arrays, bits stay bits.
#
# Memory is saved on any machine. Time is saved only if somebody writes the kernel.
#
# ## What you have
#
# A network in bits that equals its simulation by `==`, and a realistic idea of what bits gain. So far you have relied
# on ready-made checks. How would you find an error if you had to write the check yourself? That is notebook 12.
