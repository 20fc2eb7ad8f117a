# %% [markdown]
# # 11. Packing the network: the same bits, less memory, and how much faster
#
# 40 minutes · needs 03, 04, 06, 10 · explains `tinybnn/model/deploy.py`, `tinybnn/ops/binary_conv.py`, `tinybnn/ops/bitpack.py`,
# `tinybnn/fast/digits.py`
#
# Afterwards you can
#
# - pack a trained network, check that it gives the same logits, and compute how many bytes its weights take;
# - say what becomes of each layer in words, and write three of the pieces;
# - explain where "58 times faster" comes from, why NumPy does not show it, and how a float can do two sums at once.

# %%
import os

# One thread: this must be said before NumPy is loaded.
os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")

import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

import tinybnn
from tinybnn import Config, load, pack, unpack
from tinybnn.app.pictures import new_figure
from tinybnn.fast import product
from tinybnn.model import deploy, net
from tinybnn.model.train import Training, start, train
from tinybnn.ops.bitpack import pack_bits
from tinybnn.testing import check, check_prediction

# %% [markdown]
# ## The same bits
#
# A network as it comes out of training: three branches, two-part attention, 20 steps. It predicts badly after so few,
# but what follows is true of any weights.

# %%
print("training 20 steps ...")
run = train(start(Config(), Training(steps=20, batch=8, crop=64)), load("photos", "train"))
packed = tinybnn.pack_network(run.params, run.state, run.config)
photos = [load("photos", "val")[i] for i in range(0, 64, 8)]
different = deploy.differing_logits(packed, run.params, run.state, photos)
print(f"{different} of {sum(p.label.size for p in photos) * run.config.classes:,} logits differ")

# %% [markdown]
# Not *nearly equal*: compared by `==`. Two things make that possible.
#
# - Inside of a binary convolution there is a whole number, $z = n - 2\,\mathrm{popcount}$. The float simulation
#   computes the same number as a sum of $\pm 1$, exactly: float32 holds all whole numbers up to $2^{24}$.
# - What follows is float: scale, shift, activation. It rounds, but it is the *same* arithmetic in the *same* order, so
#   it rounds alike.
#
# ## Less memory
#
# One bit in the place of 32 is 32 times smaller. But words have 64 bits, and a filter begins a new word at each tap.
#
# **Predict.** A 3 x 3 layer with `C` channels and 32 filters. How many bytes do its weights take as float32, and how
# many as words of 8 bytes? A list of the two.

# %% prediction="nbytes"
C = 16  # variant: 96 | 48
### BEGIN SOLUTION
nbytes = [3 * 3 * C * 32 * 4, 3 * 3 * 32 * -(-C // 64) * 8]
### END SOLUTION

# %% check="nbytes"
w = np.ones((3, 3, C, 32), np.float32)
check_prediction(nbytes, [w.nbytes, tinybnn.pack_weights(w).nbytes])

# %%
channels = np.arange(1, 257)
figure = new_figure(6, 2.4)
axis = figure.subplots()
axis.plot(channels, 4 * channels / (8 * -(-channels // 64)), color="#1f4e79")
axis.axhline(32, color="#999999", lw=1, ls="--")
axis.set(xlabel="channels", ylabel="times smaller", xticks=[1, 64, 128, 192, 256], ylim=(0, 34))
figure

# %% [markdown]
# Multiples of 64 reach 32. A layer of 16 channels reaches 8. This network has layers of 16, 32 and 64:

# %%
before, after = deploy.weight_bytes(packed, run.params)
print(f"binary weights: {before:,} bytes as float32, {after:,} as words, {before / after:.1f} times smaller")
rest = sum(a.nbytes for a in packed.arrays.values()) - after
print(f"what stays float (stem, classifier, thresholds, scales, gates): {rest:,} bytes")

# %% [markdown]
# So a narrow binary network is not 32 times smaller. And what stays float was next to nothing among float weights; of
# the packed arrays it is nearly a third.
#
# ### "The file is as large as before"
#
# Many have trained a binary network, looked at the file and found it no smaller (jiecaoyu/XNOR-Net-PyTorch#7,
# hpi-xnor/BMXNet#6, larq/larq#360). A training run keeps the *latent* weights, which are float32, for they are what the
# optimizer moves. Only packing throws them away, and after that the network cannot be trained further.

# %%
with TemporaryDirectory() as folder:
    trained, small = Path(folder) / "trained.npz", Path(folder) / "packed.npz"
    np.savez(trained, **run.params, **run.state)
    deploy.save_packed(small, packed)
    print(f"as trained {trained.stat().st_size / 1000:.0f} kB, packed {small.stat().st_size / 1000:.0f} kB")

# %% [markdown]
# An `npz` file has a header for each array, a few hundred bytes. With arrays as small as these, that shows.
#
# ## What becomes of each layer
#
# | in the simulation | in the packed network |
# | --- | --- |
# | $\operatorname{sgn}(x - \tau)$ | a comparison, and 64 answers to a word |
# | binary convolution | XOR and popcount, or digits (below): the same whole number |
# | scale, then batch norm | one scale and one shift for each filter (notebook 06) |
# | all that, then a sign | one comparison of the whole number (notebook 06), where nothing real comes between |
# | nearest upsampling | words are repeated |
# | maximum of signs (in other networks: this one takes none) | one operation on words (below) |
# | stem, classifier, softmax of the attention | as they were |
#
# When does something real come between? Behind the float stem; where a shortcut adds real values; and where gates add
# up several branches. A layer that needs only one comparison of whole numbers has its thresholds $t$ among the packed
# arrays. It gives words, and the next layer receives them:

# %%
for residual, R in ((True, 3), (True, 1), (False, 3), (False, 1)):
    config = Config(residual=residual, branches=R, attention="none")
    folded = tinybnn.pack_network(*net.init(config, np.random.default_rng(0)), config).arrays
    names = [key.removesuffix(".t") for key in folded if key.endswith(".t")]
    print(f"residual {residual!s:5}, {R} branch{'es' * (R > 1):2}: words arrive at {', '.join(names) or 'no layer'}")

# %% [markdown]
# ### Exercise: `binarize_packed`
#
# Where values are real, the first step is this one: threshold and pack, with no $\pm 1$ in between.
# `pack_bits(negative)` packs booleans (..., C), where True means $-1$. It is your `pack` of notebook 03 without
# `x < 0`.


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
# Which comparison of `x` and `tau` is True exactly where the sign of `x - tau` is $-1$? Think of a tie.
#
# </details>
# <details><summary>Hint 2</summary>
#
# There is nothing to subtract. Zero counts as $+1$, so a tie must be False.
#
# </details>
#
# **In the library**: `binarize_packed` in `tinybnn/ops/bitpack.py`. It also refuses NaN, for which every comparison is
# False: a NaN would become a $+1$ in silence.
#
# **What would break if** you packed `np.signbit(x - tau)`, the sign bit that the float has already?
#
# <details><summary>Answer</summary>
#
# A negative zero has its sign bit set, and would become $-1$; the simulation says $+1$. `x - tau` is $-0.0$ only where
# `x` is $-0.0$ and `tau` is $0.0$: rare, and so a few bits of a few images would differ.
#
# </details>
#
# ### The maximum of signs
#
# Many binary networks pool signs by their maximum. The largest of a window is $+1$ wherever one of them is.
#
# **Predict.** Four words are the four pixels of a 2 x 2 window, with four channels each. A bit of 1 means $-1$. Which
# word is the maximum, channel by channel? (Write it as `0b0110` or as the number 6: Python reads both alike.)

# %% prediction="largest"
WINDOW = [0b0110, 0b0111, 0b1110, 0b0010]  # variant: [0b1100, 0b1110, 0b0111, 0b0101]
### BEGIN SOLUTION
largest = WINDOW[0] & WINDOW[1] & WINDOW[2] & WINDOW[3]
### END SOLUTION

# %% check="largest"
check_prediction(largest, tinybnn.max_pool2d_packed(np.array(WINDOW, np.uint64).reshape(1, 2, 2, 1)).item())

# %% [markdown]
# ### Exercise: `max_pool2d_packed`
#
# The specification is `max_pool2d_loops` in `tinybnn/ops/pool.py`, on the signs; the words must hold the same signs.
# Windows lie side by side. Rows and columns at the end that fill no window are left out: $OH = \lfloor H / KH \rfloor$.


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
# One bit of the result is 1 only where that bit is 1 in *every* word of the window. Which of AND, OR and XOR is this?
#
# </details>
# <details><summary>Hint 2</summary>
#
# Cut off what fills no window; `reshape` to `(N, OH, KH, OW, KW, V)`; `np.bitwise_and`, like every ufunc of two
# arguments, has a method `.reduce(blocks, axis=(2, 4))`.
#
# </details>
#
# **In the library**: `max_pool2d_packed` in `tinybnn/ops/pool.py`, with strides and windows that overlap. It combines
# shifted views of the map, one for each tap.
#
# **What would break if** you had taken OR?
#
# <details><summary>Answer</summary>
#
# With a bit of 1 for $-1$, OR is the *minimum*. Where a bit of 1 means $+1$ it would be right: a kernel from another
# library brings its convention along (larq/compute-engine#54). The mean of signs has no such form at all: it is no
# sign.
#
# </details>
#
# ## How much faster?
#
# XNOR-Net (Rastegari 2016, arXiv 1603.05279) counts operations. A convolution has $cN$ multiplications for each output:
# $c$ channels, $N$ taps. In bits 64 of them are one operation, and one real multiplication for the scale stays. The
# ratio is:
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
count = tinybnn.model.cost.conv2d_count(1, 1, 1, 3, 3, CHANNELS, 1, binary=True)
check_prediction(ratio, count.binary / (count.binary / 64 + count.scale))

# %% [markdown]
# It cannot exceed 64, the width of a word. The abstract's 58 times is such a number, "in terms of number of the high
# precision operations", and its 32 times is bits of memory: this is the answer to allenai/XNOR-Net#42. It is a count of
# operations, **not a time**. A processor does not run one float multiplication after the other, either: one instruction
# multiplies and adds 8 or 16 of them.
#
# Now the time, on one thread. The product of a middle layer: 4096 pixels, 576 signs each, 64 filters. Each form of the
# library prepares both sides once (`left`, `right`), and then takes all dot products (`dots`). `moved` counts bytes:
# what each must read and write at least. Answers are checked first: only the names of those that are right are listed.

# %%
M, n, F = 4096, 576, 64
rng = np.random.default_rng(0)
a, b = (rng.choice(np.float32([-1, 1]), (rows, n)) for rows in (M, F))
words_a, words_b, bt, y = pack(a), pack(b), np.ascontiguousarray(b.T), np.empty((M, F), np.int16)
functions, moved = {"float BLAS": lambda: a @ bt}, {"float BLAS": a.nbytes + b.nbytes + 4 * M * F}
for form in (product.POPCOUNT, product.DIGITS, product.TRIPLES):
    left, right = form.left(words_a, n), form.right(words_b, n)
    functions[form.name] = lambda form=form, left=left, right=right: form.dots(left, right, n, y)
    bits = form is product.POPCOUNT
    moved[form.name] = y.nbytes + (words_a.nbytes + words_b.nbytes if bits else left.nbytes + right.w.nbytes)
functions["one broadcast"] = lambda: n - 2 * np.bitwise_count(words_a[:, None] ^ words_b).sum(-1, dtype=np.int16)
moved["one broadcast"] = moved["popcount"] + 18 * M * F * n // 64  # 8 bytes of XOR and 1 of count, out and in
[name for name, function in functions.items() if (function() == a @ bt).all()]


# %% [markdown]
# A time by itself says little, for a machine does other things too. So all are run in turn, round after round, and the
# ratio is taken within each round. Told is the median.


# %%
def in_turn(functions, rounds=40):
    """Seconds of each function in each round, after two that do not count."""
    took = {name: [] for name in functions}
    for _ in range(rounds + 2):
        for name, function in functions.items():
            began = time.perf_counter()
            function()
            took[name].append(time.perf_counter() - began)
    return {name: np.array(seconds[2:]) for name, seconds in took.items()}


# %% tags=["varies"]
print("timing ...")
took = in_turn(functions)
for name in functions:
    times_faster = np.median(took["float BLAS"] / took[name])
    print(f"{name:14} {times_faster:5.2f} times as fast as float BLAS, {moved[name] / 1e6:6.2f} MB moved at least")

# %% [markdown]
# *One broadcast* is what one writes first: XOR of everything with everything, in one expression. Its results in between
# are large, and go to memory and back. *Popcount* is the library's: the same counts, in runs of words that stay in the
# cache. *Digits* and *triples* come below: one product of BLAS does the work of two and of three. So they cannot be
# more than 2 and 3 times as fast, and a larger number in this table tells that something else was running. In memory
# the words win by far. In time they win little or nothing, for two reasons:
#
# - NumPy's `bitwise_count` counts **one word** an instruction, where BLAS handles 8 or 16 floats in one.
# - Every NumPy call writes its result to memory, and the next call reads it back. A kernel in C keeps it in a register.
#
# On another machine a kernel in C, with a popcount of whole vectors, was 17 to 32 times as fast as BLAS
# (docs/speed.md). The bits are not slow, but NumPy does not offer that instruction; and a binary network in PyTorch
# multiplies floats like any other (asked in jiecaoyu/XNOR-Net-PyTorch#40).
#
# A picture says the same. To the right is more work for each byte; upward is faster. The slanted line is what the
# memory allows, the flat ones what arithmetic allows: in float BLAS, and in C where that was measured. Under the
# slanted line a program waits for memory, under a flat one for arithmetic.

# %% tags=["varies"]
large = np.ones(2**24, np.float32)
memory = 2 * large.nbytes / np.median(in_turn({"add": lambda: np.add(large, 1, out=large)}, 5)["add"]) / 1e9
print(f"memory: {memory:.0f} GB a second, read and written")

# %% tags=["varies"]
macs, figure, x = M * F * n, new_figure(6.5, 3.6), np.geomspace(0.3, 800, 99)
axis, flat = figure.subplots(), macs / np.median(took["float BLAS"]) / 1e9
for left, roof, note in ((1.6, flat, "as fast as float BLAS"), (20, 17 * flat, "17 times: in C, on another machine")):
    axis.plot(x, np.minimum(memory * x, roof), color="#888888", lw=1)
    axis.text(left, roof * 1.15, note, fontsize=8, color="#555555")
for name in functions:
    work, speed = macs / moved[name], macs / np.median(took[name]) / 1e9
    axis.plot(work, speed, "o", color="#1f4e79")
    right, up = {"digits": (0.6, 1.05), "float BLAS": (1.12, 0.6)}.get(name, (1.12, 0.9))
    axis.text(work * right, speed * up, name, fontsize=8)
axis.set(xscale="log", yscale="log", ylim=(flat / 12, flat * 40), xlabel="products of signs for each byte moved")
axis.set_ylabel("products a second, in 10⁹")
figure

# %% [markdown]
# Popcount stands far to the right: it does most with each byte. It does not stand higher, for it is not memory that it
# waits for. The gap above it is what a kernel in C can win (notebook 13).
#
# ## Two sums in one float
#
# What pays in NumPy is not that values are *bits* but that they are *small*. A dot product of $n$ signs is a whole
# number between $-n$ and $n$. A float32 has room for two of them. Put two rows of signs, $x_0$ and $x_1$, into one row
# of floats, and let BLAS do one product:
#
# $$x = x_1 + \frac{x_0}{4096} \qquad\Longrightarrow\qquad
# x \cdot w = \underbrace{x_1 \cdot w}_{d_1} + \frac{\overbrace{x_0 \cdot w}^{d_0}}{4096}$$
#
# As long as $|d_0| \le 2047$ the second term is less than a half. So *rounding* to the nearest whole number gives
# $d_1$, and what rounding took away, times 4096, is $d_0$. All of it is exact: the numbers are multiples of $2^{-12}$
# below $2^{12}$, and float32 has 24 bits. (Kronecker substitution, old in computer algebra; for signs in floats it is
# *ours*.)
#
# **Predict.** A product came out as `UNITS` / 4096. What are $d_0$ and $d_1$, in this order? (3, 4 and 7 times 4096 are
# 12288, 16384 and 28672.)

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
# Two blocks of packed rows, `low` (each row an $x_0$) and `high` ($x_1$); one product of floats for both. Sums of more
# than 2047 signs do not fit: cut them into pieces of at most 2047, decode each piece, and add. `unpack(rows, n)` gives
# the `n` signs of each row, in float32. The specification is `packed_matmul_loops` in `tinybnn/ops/bitpack.py`: XOR and a
# count, with Python's own integers.


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
def by_halves(a, b, n):
    m = (len(a) + 1) // 2
    both = np.resize(a, (2 * m, a.shape[1]))
    return np.concatenate(two_products(both[:m], both[m:], b, n))[: len(a)].astype(int)


check("packed_matmul", by_halves)

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# Begin without pieces: make `x` of the two unpacked blocks, multiply by the unpacked filters, transposed, and decode as
# in the prediction. Then put the last two steps into a loop over `k = 0, 2047, 4094, ...`.
#
# </details>
# <details><summary>Hint 2</summary>
#
# In the loop: `total = x[:, k : k + 2047] @ w[k : k + 2047]`; the whole part by `np.rint`, the rest times 4096. Two
# running sums, both starting at 0.
#
# </details>
#
# **In the library**: `tinybnn/fast/digits.py`. It looks eight signs up at a time and never makes the unpacked halves.
# `tinybnn/fast/triples.py` puts three digits of base 256 into a float. `conv2d_packed` takes popcount or digits, whichever
# should be faster for a shape.
#
# **What would break if** you decoded by `np.floor`, as one does with hours and minutes?
#
# <details><summary>Answer</summary>
#
# $d_0$ may be negative. $7 - 3/4096$ has the floor 6 and the rest $4093/4096$: every negative low digit would take one
# from the high digit, and come out as itself plus 4096. `floor` is for digits from 0 to $B - 1$; these run from
# $-B/2$ to $B/2$.
#
# </details>
#
# ## Memory, once more: the columns
#
# A convolution as one matrix product first copies each window into a row (*im2col*). With float32 that is $KH \cdot KW$
# copies of the map, of 4 bytes a value.
#
# **Predict.** A map of 128 x 128 pixels with `DEPTH` channels, 3 x 3 windows, padded so that there are as many windows
# as pixels. How many times more bytes do the float columns take than the packed map?

# %% prediction="columns"
DEPTH = 64  # variant: 128 | 32
### BEGIN SOLUTION
columns = 9 * DEPTH * 4 / (-(-DEPTH // 64) * 8)
### END SOLUTION

# %% check="columns"
signs = np.ones((1, 128, 128, DEPTH), np.float32)
check_prediction(columns, 9 * signs.nbytes / pack(signs).nbytes)

# %% [markdown]
# A whole convolution gains less, because its *result* is numbers and not bits. For 256 x 256 pixels and 64 channels the
# benchmark finds 185 MB by im2col and 17.4 MB packed, of which the result is 16.8 (docs/speed.md,
# `python -m benchmarks`). Where only a sign follows, the packed network works in tiles and keeps the bits alone.
#
# ## The whole network
#
# The packed network takes the faster product for each layer. Against its own float simulation, on one photograph:

# %% tags=["varies"]
image, ready = photos[0].image[None], deploy.ready(packed)
both = {
    "simulation": lambda: net.forward(run.params, run.state, image, run.config)[0],
    "packed": lambda: deploy.forward_packed(ready, image),
}
took = in_turn(both)
print(f"packed: {np.median(took['simulation'] / took['packed']):.2f} times as fast; products: {ready.counted_by()}")

# %% [markdown]
# That is what NumPy gains, and it is far from 58. The last words say which product was taken in how many layers; a
# formula in `product.py` chooses. Note what digits cost: while the network runs, they keep the filters as floats. On
# disk, in the packed arrays and on the way from layer to layer the bits are bits.
#
# Memory is won on any machine. Time is won where somebody writes the kernel.
#
# ## What you have
#
# A network in bits that equals its simulation by `==`, and a sober idea of what bits gain. You have relied on checks
# all the way. How would you find an error if you had to write the check yourself? That is notebook 12.
