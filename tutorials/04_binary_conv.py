# %% [markdown]
# # 4. Binary convolution, and what padding really is
#
# 45 minutes · needs 01, 02, 03 · explains `tinybnn/ops/conv.py`, `tinybnn/ops/binary_conv.py`
#
# Afterwards you can
#
# - write a convolution as one matrix product, and compute the size of its result;
# - say which values a binary convolution can give, and why its scale comes after the sum;
# - say what each of the three ways to pad a binary map does, and pad packed words with 0 exactly.

# %%
import numpy as np

from tinybnn import binary_conv2d, conv2d, conv2d_packed, mean_abs, pack_activations, pack_weights, sign
from tinybnn.app.pictures import new_figure, pictures
from tinybnn.ops.conv import conv2d_loops, pad2d, windows
from tinybnn.testing import check, check_prediction

# %% [markdown]
# ## A window that moves
#
# A convolution places a small window on the map. It multiplies the values in the window by weights, adds the products,
# and moves the window on:
#
# $$y_{nijf} = \sum_{kh,\,kw,\,c} x_{n,\; i\,SH + kh\,DH - PH,\; j\,SW + kw\,DW - PW,\; c}\;\; w_{kh,\,kw,\,c,\,f}$$
#
# The weights are called the **kernel**. A **tap** is one position $(kh, kw)$ of the kernel. The **stride** $(SH, SW)$
# is the step of the window. The **dilation** $(DH, DW)$ is the distance between neighbouring taps; with 1 they are side
# by side. The **padding** $(PH, PW)$ is the number of rows and columns that are added on each side. In all pairs rows
# come first, then columns.
#
# In mathematics this is called *cross-correlation*, because the kernel is not turned around. In machine learning and in
# this course it is called convolution. (Textbook; status *exact*.)
#
# **Predict.** A row has four values and a kernel two taps, without padding. What are the three sums?

# %% prediction="row"
X = [1, 2, 0, -1]  # variant: [3, 0, 1, 2] | [0, 4, -2, 1]
KERNEL = [10, 1]  # variant: [1, 100] | [10, -1]
### BEGIN SOLUTION
y = [X[j] * KERNEL[0] + X[j + 1] * KERNEL[1] for j in range(3)]
### END SOLUTION

# %% check="row"
row, taps = np.reshape(X, (1, 1, 4, 1)), np.reshape(KERNEL, (1, 2, 1, 1))
check_prediction(y, conv2d_loops(row, taps).ravel())

# %% [markdown]
# ### The specification
#
# `conv2d_loops` in `tinybnn/ops/conv.py` has seven nested loops around one multiplication. Here the map holds the
# digits 1 to 9, and the taps have the values 1000, 100, 10 and 1. So the digits of each result are the values in its
# window, and 0 is padding (leading zeros are not printed):

# %%
digits, powers = np.arange(1.0, 10).reshape(1, 3, 3, 1), np.array([1000.0, 100, 10, 1]).reshape(2, 2, 1, 1)
for options in ({}, {"dilation": 2}, {"stride": 2, "pad": 1}):
    print(options, conv2d_loops(digits, powers, **options).ravel().astype(int))

# %% [markdown]
# ### The order of the axes
#
# The arrays above have four axes each. Maps are $(N, H, W, C)$, "NHWC": images, rows, columns, channels. Kernels are
# $(KH, KW, C, F)$, "HWIO": rows, columns, channels in, filters out. PyTorch has another order: NCHW and OIHW.
#
# Here the channels are last, so all channels of a pixel lie side by side in memory. So they can be packed into words
# without being moved (notebook 03), and one row of a window is one run of $KW \cdot C$ values.
#
# ### The size of the result
#
# A kernel with dilation covers $DH\,(KH - 1) + 1$ rows. It starts at the top of the padded map and moves in steps of
# $SH$ while it fits. (The formula for $OW$ is the same.)
#
# $$OH = \left\lfloor \frac{H + 2\,PH - DH\,(KH - 1) - 1}{SH} \right\rfloor + 1$$
#
# **Predict.** A map has $H = 11$ rows, the kernel 3 rows, and the padding is 1. How many rows come out?

# %% prediction="size"
STRIDE = 2  # variant: 1 | 3
DILATION = 3  # variant: 2 | 4
### BEGIN SOLUTION
rows = (11 + 2 * 1 - DILATION * 2 - 1) // STRIDE + 1
### END SOLUTION

# %% check="size"
geometry = {"stride": (STRIDE, 1), "pad": (1, 0), "dilation": (DILATION, 1)}
check_prediction(rows, conv2d(np.zeros((1, 11, 1, 1)), np.zeros((3, 1, 1, 1)), **geometry)[0].shape[1])

# %% [markdown]
# ### One matrix product
#
# Matrix products are fast, so the same sums are written as a matrix product. Every window becomes one row of a matrix.
# That matrix is nevertheless called the *columns* (im2col, "image to columns"). Every filter becomes one column of
# another matrix. Their product contains all sums.

# %%
figure, grid = new_figure(7.5, 2.7), np.arange(20, 36).reshape(4, 4)
columns = np.lib.stride_tricks.sliding_window_view(grid, (3, 3)).reshape(4, 9)
panels = figure.subplots(1, 2, width_ratios=(4, 9))
for axis, table, title in zip(panels, (grid, columns), ("map, 4 x 4", "columns, 4 windows x 9 taps")):
    axis.imshow(table, cmap="gray", vmin=5, vmax=36)
    for (i, j), value in np.ndenumerate(table):
        axis.text(j, i, value, ha="center", va="center", fontsize=8)
    axis.set(title=title, xticks=[], yticks=[])
for axis, corner, size in ((panels[0], (0.5, -0.5), (3, 3)), (panels[1], (-0.5, 0.5), (9, 1))):
    frame = {"fill": False, "lw": 3, "ec": "black", "clip_on": False}
    axis.add_patch(type(axis.patch)(corner, *size, **frame))
figure

# %% [markdown]
# The window in the black frame is the second of four, so it is the second row of the matrix. Read it row by row.
#
# NumPy's `sliding_window_view` gives all windows without copying anything. It is a *view*: another way to index the
# same memory. Only the `reshape` to a matrix copies, and the copy takes memory:

# %%
x = np.zeros((1, 34, 34, 16), np.float32)
view = np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(1, 2))
print("the view", view.shape, "copies nothing:", np.shares_memory(view, x))
print(f"map {x.nbytes:,} bytes, columns {view.reshape(32 * 32, -1).nbytes:,} bytes")

# %% [markdown]
# In the shape of the view the two axes of the window come *last*, after the channels. In the kernel they come before
# the channels. So the axes must be moved.
#
# ### Exercise: `conv2d`
#
# There is no dilation, and every filter uses all channels (the options call this one *group*).


# %% exercise="conv2d"
def conv_by_columns(x, w, *, stride, pad, pad_value):
    """x (N, H, W, C), w (KH, KW, C, F), stride (SH, SW), pad (PH, PW), pad_value a number -> y (N, OH, OW, F)."""
    ### BEGIN SOLUTION
    (SH, SW), (PH, PW), (KH, KW, C, F) = stride, pad, w.shape
    padded = np.pad(x, ((0, 0), (PH, PH), (PW, PW), (0, 0)), constant_values=pad_value)
    view = np.lib.stride_tricks.sliding_window_view(padded, (KH, KW), axis=(1, 2))[:, ::SH, ::SW]
    N, OH, OW = view.shape[:3]
    columns = view.transpose(0, 1, 2, 4, 5, 3).reshape(-1, KH * KW * C)
    return (columns @ w.reshape(-1, F)).reshape(N, OH, OW, F)
    ### END SOLUTION


# %% check="conv2d"
check("conv2d", conv_by_columns, options={"groups": 1, "dilation": 1})

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# Four steps: pad with `np.pad(..., constant_values=...)`; take the view of all windows; keep every SH-th and SW-th of
# them; make a matrix with one row for each window, and multiply. `w.reshape(-1, F)` is the other matrix.
#
# </details>
# <details><summary>Hint 2</summary>
#
# The view is `(N, rows, columns, C, KH, KW)`. The slice `[:, ::SH, ::SW]` applies the stride. `.transpose(0, 1, 2, 4,
# 5, 3)` moves the axes of the window before the channels. Then call `.reshape(-1, KH * KW * C)`. `OH` and `OW` are in
# the shape of the view.
#
# </details>
#
# **In the library**: `conv2d` in `tinybnn/ops/conv.py`. It copies the columns in bands of a few rows, about 600 kB of
# float32 at a time, so that they are still in the processor's cache when they are multiplied.
#
# **What would break if** you left out the `transpose`? Try it.
#
# <details><summary>Answer</summary>
#
# The shapes would fit, and with one channel so would all values, so tests on a grey image pass. With more channels,
# weights are multiplied by the values of other taps. A network trained from the start with such code still learns,
# because the weights are only shuffled in a fixed way. Weights trained elsewhere give noise.
#
# </details>
#
# ## Binary: a whole number, then the scale
#
# Now every value of `x` is $+1$ or $-1$, and of the latent weights `w` (notebook 02) only the signs are used:
#
# $$z = x \circledast \operatorname{sgn}(w), \qquad y_{nijf} = \alpha_f\, z_{nijf}$$
#
# (XNOR-Net, Rastegari 2016, arXiv 1603.05279, without its input scale; status *exact*.) $\circledast$ is the
# convolution above. $\alpha_f$ is the mean $|w|$ of filter $f$ (notebook 02), or learnt. $z$ is a sum of $n = KH \cdot
# KW \cdot C$ products, each $+1$ or $-1$.
#
# **Predict.** The kernel has the shape $(KH, KW, C)$ below. Which values can $z$ have? Write all of them in ascending
# order.

# %% prediction="values"
KERNEL_SHAPE = (1, 3, 1)  # variant: (2, 2, 1) | (1, 1, 5)
### BEGIN SOLUTION
values = np.arange(-np.prod(KERNEL_SHAPE), np.prod(KERNEL_SHAPE) + 1, 2)
### END SOLUTION

# %% check="values"
draws = sign(np.random.default_rng(0).normal(size=(1000, *KERNEL_SHAPE)))
check_prediction(values, np.unique(conv2d(draws, np.ones((*KERNEL_SHAPE, 1)))[0]))

# %% [markdown]
# Neighbouring values differ by 2: if one product changes from $-1$ to $+1$, the sum grows by 2. So all values are even
# if $n$ is even, and odd if $n$ is odd. Remember this, because padding with 0 will break it.
#
# Every partial sum is a whole number of at most $n$, and float32 holds whole numbers exactly up to $2^{24}$. So floats
# give the *same* $z$ as a count of bits, in any order of addition, and after the same multiplication the same $y$.
# `conv2d_packed` counts bits. It needs the number of channels, 64, because the words do not contain it. Both results
# are equal by `==`:

# %%
rng = np.random.default_rng(0)
x, w = sign(rng.normal(size=(1, 16, 16, 64))), rng.normal(size=(3, 3, 64, 8))
alpha, _ = mean_abs(w)
words, kernel = pack_activations(x), pack_weights(sign(w))
after, _ = binary_conv2d(x, w, alpha, pad_value=1, pad=1)
np.array_equal(after, alpha * conv2d_packed(words, kernel, 64, pad_value=1, pad=1))

# %% [markdown]
# With the scale *before* the sum, each of the $3 \cdot 3 \cdot 64$ additions may round. How many results differ depends
# on the order in which your machine adds:

# %% tags=["varies"]
before, _ = conv2d(x, sign(w) * alpha, pad_value=1.0, pad=1)
print(f"{100 * (before != after).mean():.0f} % of the values differ, by at most {abs(before - after).max():.0e}")

# %% [markdown]
# ### Exercise: `binary_conv2d`
#
# You may use the library's `conv2d` for the convolution. It returns a pair of value and cache. Mind its defaults.


# %% exercise="binary_conv2d"
def scaled_conv(x, w, alpha, *, stride, pad, pad_value):
    """x (N, H, W, C) of +1 and -1, w (KH, KW, C, F) latent, alpha (F,), stride and pad pairs -> y (N, OH, OW, F)."""
    ### BEGIN SOLUTION
    z, _ = conv2d(x, sign(w), stride=stride, pad=pad, pad_value=pad_value)
    return z * alpha
    ### END SOLUTION


# %% check="binary_conv2d"
check("binary_conv2d", scaled_conv, options={"groups": 1, "dilation": 1})

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# Take the signs, convolve, then scale. `alpha` belongs to the last axis.
#
# </details>
# <details><summary>Hint 2</summary>
#
# `conv2d(x, sign(w), ...)[0]` is $z$. Pass all three options to it. If you forget one, `conv2d` uses its default.
#
# </details>
#
# **In the library**: `binary_conv2d` in `tinybnn/ops/binary_conv.py`. Its `pad_value` has no default, and must be -1, 0
# or 1.
#
# **What would break if** `pad_value` had a default of 0, as it has in `conv2d`?
#
# <details><summary>Answer</summary>
#
# Training would not show it: shapes, loss and gradients are as good as before. But the network uses three values
# instead of two, and the packed network has no bit for the third. Without a correction its results differ at every
# border. For the first of these networks somebody noted that padding breaks the promise of two values
# (MatthieuCourbariaux/BinaryNet#9). The same problem came up in hardware (cornell-zhang/bnn-fpga#22).
#
# </details>
#
# ## What padding really is
#
# Padding keeps the size of the map. A float network pads with 0, which means "nothing". A binary map holds only $+1$
# and $-1$. So $0$ is a third value. And $+1$ or $-1$ is not nothing: each says what the map looks like beyond the
# border.
#
# **Predict.** In a large map with `C` channels all values are `V`. A kernel of 3 x 3 has only weights $+1$, and the
# padding is 1. What is the sum in a corner, for the padding values $-1$, $0$ and $+1$?

# %% prediction="corner"
V = 1  # variant: -1
C = 1  # variant: 2 | 3
### BEGIN SOLUTION
corner = [C * (4 * V + 5 * p) for p in (-1, 0, 1)]
### END SOLUTION

# %% check="corner"
flat, ones = np.full((1, 6, 6, C), float(V)), np.ones((3, 3, C, 1))
check_prediction(corner, [conv2d(flat, ones, pad=1, pad_value=p)[0][0, 0, 0, 0] for p in (-1.0, 0.0, 1.0)])

# %% [markdown]
# The three paddings give three results. In a corner, five of the nine taps lie outside the map. With 0, only the other
# four count. So with one channel the sum in a corner is even, while all sums inside the map are odd. No count over nine
# bits gives an even sum.
#
# The next figure shows a map of stripes, its convolution with one kernel for each padding value, and how much the three
# results differ:

# %%
stripes = sign(np.sin(np.add.outer(0.9 * np.arange(14), 0.5 * np.arange(14)) + 0.3)).reshape(1, 14, 14, 1)
edge = np.array([[1, 1, 1], [1, 1, -1], [1, -1, -1.0]]).reshape(3, 3, 1, 1)
results = {p: conv2d(stripes, edge, pad=1, pad_value=float(p))[0][0, :, :, 0] for p in (-1, 0, 1)}
spread = np.ptp(list(results.values()), axis=0)
shown = {"the map": 9 * stripes[0, :, :, 0], **{f"padded with {p}": z for p, z in results.items()}}
pictures({**shown, "where they differ": 2 * spread - 9}, cmap="gray", vmin=-9, vmax=9)

# %% [markdown]
# In the first four pictures black is $-9$, grey 0 and white $+9$. In the last picture black means that all three
# results are equal, and a brighter pixel means a larger difference. They differ on the border, and nowhere else. The
# difference depends on the weights of the taps outside.
#
# Does one ring of pixels matter? It does, because layers follow one another, and the windows of the next layer contain
# the ring. Here is a stack of binary layers with random weights, computed once with padding 0 and once with $+1$:

# %%
rng = np.random.default_rng(1)
s0 = s1 = sign(rng.normal(size=(1, 24, 24, 8)))
for layer in range(1, 6):
    w = sign(rng.normal(size=(3, 3, 8, 8)))
    s0, s1 = (sign(conv2d(s, w, pad=1, pad_value=p)[0]) for s, p in ((s0, 0.0), (s1, 1.0)))
    differ, border = (s0 != s1).any(axis=-1).mean(), 1 - ((24 - 2 * layer) / 24) ** 2
    print(f"after layer {layer}: {100 * differ:2.0f} % of the pixels differ; at most {100 * border:2.0f} % can")

# %% [markdown]
# After five layers of 3 x 3, padding can change pixels up to five rows and columns from the border. On a small map that
# is most pixels. A dense predictor must label these pixels, too.
#
# ### Which value is right?
#
# Any value, if training and inference use the same one. Programs use different ones:
#
# | | pads a binary map with |
# | --- | --- |
# | Larq and its compute engine | 0 (the default) or +1 |
# | Brevitas, QONNX | 0 |
# | bitorch | -1 |
# | OpenVINO `BinaryConvolution` | -1, 0 or +1: an attribute without default |
# | daBNN | -1, by its documentation, which warns that training frameworks pad with 0 |
#
# (We ran all of them except daBNN.) The issues of Larq's compute engine discuss all of this. Its packed code reads a
# zero in the columns as a sign (larq/compute-engine#49). Zero padding was added with a correction (#70), and padding
# with $+1$ as a separate option (#252). A user asked what its `pad_values` means (#535: the bit 0 is $+1$ there, as
# here). After a layer with zero padding, the result was not kept packed (#541). The reference kernel, against which the
# other kernels are tested, was the last to support zero padding (#571).
#
# ## Packed code pads with 0
#
# With words, the columns are much shorter: at 64 channels a window has nine words instead of 576 floats. A padded pixel
# is a word of zero bits, and a zero bit means $+1$. `windows(padded, (KH, KW), (OH, OW), stride, dilation)` is the view
# of all windows, with the words on the last axis:

# %%
columns = windows(pad2d(words, (1, 1), 0), (3, 3), (16, 16), (1, 1), (1, 1)).reshape(256, 1, 9)
z = 9 * 64 - 2 * np.bitwise_count(columns ^ kernel.reshape(8, 9)).sum(axis=-1, dtype=np.int32)
np.array_equal(alpha * z, after.reshape(256, 8))

# %% [markdown]
# So padding with $+1$ costs nothing. Padding with $-1$ costs nothing either: a padded pixel has a one in each bit that
# is a channel (the tail bits stay zero, notebook 03). For 0 there is no bit. But each position outside the map added
# its weight times $+1$. Subtract that:
#
# $$z^{(0)} = z^{(+1)} - \sum_{\substack{kh,\,kw \\ \text{outside}}} s_{kh,\,kw,\,f}, \qquad
# s_{kh,\,kw,\,f} = \sum_c w_{kh,\,kw,\,c,\,f} = C - 2\,\operatorname{popcount}(\text{the words of the tap})$$
#
# In this formula $w$ is $+1$ or $-1$.
#
# **Predict.** A row has three signs and one channel, a kernel three taps, and the padding is 1. How much did the taps
# outside add to each of the three sums $z^{(+1)}$?

# %% prediction="added"
TAPS = [1, -1, -1]  # variant: [-1, 1, 1] | [-1, -1, -1]
### BEGIN SOLUTION
added = [TAPS[0], 0, TAPS[2]]
### END SOLUTION

# %% check="added"
row, taps = np.array([1.0, -1.0, 1.0]).reshape(1, 1, 3, 1), np.array(TAPS, float).reshape(1, 3, 1, 1)
one, zero = (conv2d(row, taps, pad=(0, 1), pad_value=p)[0].ravel() for p in (1.0, 0.0))
check_prediction(added, one - zero)

# %% [markdown]
# The values of the row do not matter: what was added depends only on the weights and on the position. It is the same
# for every image. Here it is for three filters of the cell above with 64 channels:

# %%
one, zero = (conv2d_packed(words, kernel, 64, pad_value=p, pad=1)[0] for p in (1, 0))
limit = abs(one - zero).max()
pictures({f"filter {f}": (one - zero)[:, :, f] for f in range(3)}, cmap="gray", vmin=-limit, vmax=limit)

# %% [markdown]
# Grey is 0. Each side has one value, the sum of three taps. Each corner has the sum of five taps.
#
# How do we find the taps outside? Take a map of the same height and width that is 0 everywhere, and pad it with 1. A
# convolution of this map gives at each position the sum of the taps outside.
#
# ### Exercise: padding with 0
#
# There is one group and no dilation. Start from the library's `conv2d_packed` with `pad_value=1`.


# %% exercise="zero_padding"
def conv_padded_with_0(x, w, C, *, stride, pad):
    """Words x (N, H, W, words) and w (F, KH, KW, words), C channels -> int32 (N, OH, OW, F).

    stride, pad: pairs. The padding is 0.
    """
    ### BEGIN SOLUTION
    z = conv2d_packed(x, w, C, pad_value=1, stride=stride, pad=pad)
    sums = C - 2.0 * np.bitwise_count(w).sum(axis=-1)
    kernel = sums.transpose(1, 2, 0)[:, :, None]
    inside = np.zeros((1, *x.shape[1:3], 1))
    added, _ = conv2d(inside, kernel, stride=stride, pad=pad, pad_value=1.0)
    return z - added.astype(np.int32)
    ### END SOLUTION


# %% check="zero_padding"
limits = {"groups": 1, "dilation": 1, "stride": [(1, 1), (2, 1), (1, 3)], "pad": [(1, 1), (0, 1), (2, 0)]}
check("conv2d_packed", conv_padded_with_0, pad_values=[0], options=limits)

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# First compute the sums $s$, an array (F, KH, KW): `np.bitwise_count(w)` counts the ones of each word; add over the
# words. Then make a kernel of one channel from them, (KH, KW, 1, F), for `conv2d`.
#
# </details>
# <details><summary>Hint 2</summary>
#
# `sums.transpose(1, 2, 0)[:, :, None]` is that kernel. It must be float, so use `2.0` in its formula. The map is
# `np.zeros((1, H, W, 1))` with `H, W` of `x`, and `pad_value=1.0` pads it. Use the same `stride` and `pad` for both
# convolutions. Finally convert with `.astype(np.int32)`, and subtract.
#
# </details>
#
# **In the library**: `conv2d_packed` in `tinybnn/ops/binary_conv.py` pads with 0 in the same way. The correction is
# *ours*, as is the code. Larq's engine has the same idea. `tinybnn/fast/conv.py` computes the same integers faster.
#
# **What would break if** you ran the convolution twice, padded with $+1$ and with $-1$, and took the mean? Try it.
#
# <details><summary>Answer</summary>
#
# Nothing: the taps outside add $+s$ once and $-s$ once. The sum of both results is even, so half of it is exact. The
# result is right, but everything is computed twice only to correct the border.
#
# </details>
#
# ## What you have
#
# You have a convolution that is one matrix product, in floats or in words. Both give the same whole numbers, also at
# the border. To train it we need its backward pass: the gradients of `x`, `w` and `alpha` from the gradient of `y`.
# That is notebook 05.
