# %% [markdown]
# # 4. Binary convolution, and what padding really is
#
# 45 minutes · needs 01, 02, 03 · explains `tinybnn/ops/conv.py`, `tinybnn/ops/binary_conv.py`, `tinybnn/ops/binary_conv.py`
#
# Afterwards you can
#
# - write a convolution as one matrix product, and say how large its result is;
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
# A convolution lays a small window on the map. It multiplies what it sees by weights, adds up, and moves on:
#
# $$y_{nijf} = \sum_{kh,\,kw,\,c} x_{n,\; i\,SH + kh\,DH - PH,\; j\,SW + kw\,DW - PW,\; c}\;\; w_{kh,\,kw,\,c,\,f}$$
#
# The **stride** $(SH, SW)$ is the step of the window. The **dilation** $(DH, DW)$ is the distance between two of its
# taps (1: side by side). The **padding** $(PH, PW)$ is how many rows and columns are added on each side. Pairs are
# rows first, columns second.
#
# Mathematics calls this *cross-correlation*: the kernel is not turned around. The field says convolution, and so does
# this course. (Textbook; status *exact*.)
#
# **Predict.** A row of four values, a kernel of two taps, no padding. What are the three sums?

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
# It is `conv2d_loops` in `tinybnn/ops/conv.py`: seven loops, one multiplication a line. Here the map holds the digits 1 to
# 9 and the taps count 1000, 100, 10 and 1. So each result spells out what its window saw, and 0 is padding:

# %%
digits, places = np.arange(1.0, 10).reshape(1, 3, 3, 1), np.array([1000.0, 100, 10, 1]).reshape(2, 2, 1, 1)
for options in ({}, {"dilation": 2}, {"stride": 2, "pad": 1}):
    print(options, conv2d_loops(digits, places, **options).ravel().astype(int))

# %% [markdown]
# ### Which axis is which
#
# The arrays above have four axes each. Maps are $(N, H, W, C)$, "NHWC": images, rows, columns, channels. Kernels are
# $(KH, KW, C, F)$, "HWIO": rows, columns, channels in, filters out. PyTorch has another order: NCHW and OIHW.
#
# With the channels last, all channels of a pixel lie side by side in memory. So they can be packed into words where
# they lie (notebook 03), and one row of a window is one run of $KW \cdot C$ values.
#
# ### How large is the result?
#
# A kernel with dilation spans $DH\,(KH - 1) + 1$ rows. It starts at the top of the padded map and takes steps of $SH$
# while it fits. ($OW$ likewise.)
#
# $$OH = \left\lfloor \frac{H + 2\,PH - DH\,(KH - 1) - 1}{SH} \right\rfloor + 1$$
#
# **Predict.** $H = 11$ rows, a kernel of 3 rows, padding 1. How many rows come out?

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
# To be fast, the same sums are written as a matrix product. Every window becomes one row of a matrix, which is called
# the *columns* all the same (im2col, "image to columns"). Every filter becomes one column of another matrix. Their
# product holds all sums.

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
# The window in the black frame is the second of four, and so the second row: read it row by row.
#
# NumPy's `sliding_window_view` gives all windows without copying anything. It is a *view*: another way to walk through
# the same memory. Only the `reshape` to a matrix copies. The price is memory:

# %%
x = np.zeros((1, 34, 34, 16), np.float32)
view = np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(1, 2))
print("the view", view.shape, "copies nothing:", np.shares_memory(view, x))
print(f"map {x.nbytes:,} bytes, columns {view.reshape(32 * 32, -1).nbytes:,} bytes")

# %% [markdown]
# Look at the shape: the two axes of the window come *last*, after the channels. The kernel has them before the
# channels. Somebody has to move them.
#
# ### Exercise: `conv2d`
#
# No dilation, and every filter sees all channels (the options call it one *group*).


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
# them; make a matrix with a row for each window, and multiply. `w.reshape(-1, F)` is the other matrix.
#
# </details>
# <details><summary>Hint 2</summary>
#
# The view is `(N, rows, columns, C, KH, KW)`. A slice `[:, ::SH, ::SW]` does the stride. `.transpose(0, 1, 2, 4, 5, 3)`
# brings the window's axes before the channels; then `.reshape(-1, KH * KW * C)`. `OH` and `OW` are in the view's shape.
#
# </details>
#
# **In the library**: `conv2d` in `tinybnn/ops/conv.py`. It copies the columns in bands of some rows, about 600 kB of
# float32 at a time: they are still in the processor's cache when they are multiplied.
#
# **What would break if** you left out the `transpose`? Try it.
#
# <details><summary>Answer</summary>
#
# Shapes would fit, and with one channel so would all values: the tests on a grey image pass. With more channels, each
# weight meets another tap than its own. A network trained from the start with such code still learns, for it is a
# fixed shuffle of the weights. Weights from elsewhere give noise.
#
# </details>
#
# ## Binary: a whole number, then the scale
#
# Now every value of `x` is $+1$ or $-1$, and of the weights only the signs take part:
#
# $$z = x \circledast \operatorname{sgn}(w), \qquad y_{nijf} = \alpha_f\, z_{nijf}$$
#
# (XNOR-Net, Rastegari 2016, arXiv 1603.05279, without its input scale; status *exact*.) $\circledast$ is the
# convolution above; $\alpha_f$ is the mean $|w|$ of filter $f$ (notebook 02), or learnt. $z$ is a sum of
# $n = KH \cdot KW \cdot C$ products, each $+1$ or $-1$.
#
# **Predict.** The kernel has the shape $(KH, KW, C)$ below. Which values can $z$ have? All of them, in ascending order.

# %% prediction="values"
KERNEL_SHAPE = (1, 3, 1)  # variant: (2, 2, 1) | (1, 1, 5)
### BEGIN SOLUTION
values = np.arange(-np.prod(KERNEL_SHAPE), np.prod(KERNEL_SHAPE) + 1, 2)
### END SOLUTION

# %% check="values"
draws = sign(np.random.default_rng(0).normal(size=(1000, *KERNEL_SHAPE)))
check_prediction(values, np.unique(conv2d(draws, np.ones((*KERNEL_SHAPE, 1)))[0]))

# %% [markdown]
# The step is 2: if one product turns from $-1$ to $+1$, the sum grows by 2. So all values are even or all are odd, as
# $n$ is. Remember this; padding will break it.
#
# Every partial sum is a whole number of at most $n$, and float32 holds whole numbers exactly up to $2^{24}$. So floats
# give the *same* $z$ as a count of bits does, in whatever order they add, and after the same multiplication the same
# $y$. `conv2d_packed` counts bits; it is told the number of channels, 64, for the words do not say it. Equal by `==`:

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
# The library's `conv2d` may do the convolution. It returns a pair, value and cache. Note its defaults.


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
# Signs of the weights, convolution, scale: the order of the formula. `alpha` belongs to the last axis.
#
# </details>
# <details><summary>Hint 2</summary>
#
# `conv2d(x, sign(w), ...)[0]` is $z$. All three options must be handed on; if you forget one, its default is taken.
#
# </details>
#
# **In the library**: `binary_conv2d` in `tinybnn/ops/binary_conv.py`. It has no default for `pad_value`, and refuses any
# but -1, 0 and 1.
#
# **What would break if** `pad_value` had a default of 0, as it has in `conv2d`?
#
# <details><summary>Answer</summary>
#
# Nothing that training shows: shapes, loss and gradients are as good as before. But the network has three values where
# it claims two, and the packed network has no bit for the third: without a correction its answers differ at every
# border. That padding breaks the promise of two values was noted for the first of these networks
# (MatthieuCourbariaux/BinaryNet#9), and met again in hardware (cornell-zhang/bnn-fpga#22).
#
# </details>
#
# ## What padding really is
#
# Padding is there so that the map keeps its size. In a float network one pads with 0, "nothing". A binary map holds
# only $+1$ and $-1$. So $0$ is a third value, and neither $+1$ nor $-1$ is nothing: each is a statement about what lies
# beyond the border.
#
# **Predict.** A large map where all is `V`, with `C` channels; a kernel of 3 x 3 with all weights $+1$; padding 1. What
# is the sum in a corner, for the padding values $-1$, $0$ and $+1$?

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
# Three paddings, three results. In a corner five of nine taps lie outside. With 0 only four taps count: with one
# channel the sum is even, where inside of the map all sums are odd. No count over nine bits gives an even sum.
#
# A map of stripes, its convolution with one kernel for each padding value, and how far apart the three are:

# %%
stripes = sign(np.sin(np.add.outer(0.9 * np.arange(14), 0.5 * np.arange(14)) + 0.3)).reshape(1, 14, 14, 1)
edge = np.array([[1, 1, 1], [1, 1, -1], [1, -1, -1.0]]).reshape(3, 3, 1, 1)
results = {p: conv2d(stripes, edge, pad=1, pad_value=float(p))[0][0, :, :, 0] for p in (-1, 0, 1)}
apart = np.ptp(list(results.values()), axis=0)
shown = {"the map": 9 * stripes[0, :, :, 0], **{f"padded with {p}": z for p, z in results.items()}}
pictures({**shown, "where they differ": 2 * apart - 9}, cmap="gray", vmin=-9, vmax=9)

# %% [markdown]
# In the first four, black is $-9$, grey 0 and white $+9$. In the last, black means "all three agree", and the brighter
# a pixel is, the further they are apart: they differ on the border, and nowhere else. How much depends on the weights
# that lie outside.
#
# One ring of pixels: is it worth the trouble? Layers follow one another, and the next window reads the ring. Here is a
# stack of binary layers with random weights, run once with 0 and once with $+1$:

# %%
rng = np.random.default_rng(1)
s0 = s1 = sign(rng.normal(size=(1, 24, 24, 8)))
for layer in range(1, 6):
    w = sign(rng.normal(size=(3, 3, 8, 8)))
    s0, s1 = (sign(conv2d(s, w, pad=1, pad_value=p)[0]) for s, p in ((s0, 0.0), (s1, 1.0)))
    touched, ring = (s0 != s1).any(axis=-1).mean(), 1 - ((24 - 2 * layer) / 24) ** 2
    print(f"after layer {layer} {100 * touched:2.0f} % of the pixels differ; {100 * ring:2.0f} % could")

# %% [markdown]
# After five layers of 3 x 3 the padding reaches five pixels deep from each side, and on a small map that is most of it.
# A dense predictor must answer for these pixels, too.
#
# ### Which value is right?
#
# Any, if training and running agree. Software does not agree:
#
# | | pads a binary map with |
# | --- | --- |
# | Larq and its compute engine | 0 (the default) or +1 |
# | Brevitas, QONNX | 0 |
# | bitorch | -1 |
# | OpenVINO `BinaryConvolution` | -1, 0 or +1: an attribute without default |
# | daBNN | -1, by its documentation, which warns that training frameworks pad with 0 |
#
# (Seen by this project in running them, but for daBNN.) Larq's compute engine met every side of the question. A zero
# in the columns of packed code is read as a sign (larq/compute-engine#49). Zero padding came with a correction (#70);
# padding with $+1$ came as an option of its own (#252). What its `pad_values` means had to be asked (#535: the bit 0 is
# $+1$ there, as here). After a layer with zero padding, the result was not kept packed (#541). And the reference
# kernel, against which the others are tested, learnt zero padding last (#571).
#
# ## Packed code pads with 0
#
# The words of a window are columns too, and fewer: at 64 channels, nine words in the place of 576 floats. Padding is
# a word of zero bits, and a zero bit means $+1$. `windows(padded, (KH, KW), (OH, OW), stride, dilation)` is the view
# of all windows, with the words last:

# %%
columns = windows(pad2d(words, (1, 1), 0), (3, 3), (16, 16), (1, 1), (1, 1)).reshape(256, 1, 9)
z = 9 * 64 - 2 * np.bitwise_count(columns ^ kernel.reshape(8, 9)).sum(axis=-1, dtype=np.int32)
np.array_equal(alpha * z, after.reshape(256, 8))

# %% [markdown]
# So $+1$ costs nothing. Nor does $-1$: a word of ones, but only in the bits that are channels (the tail stays zero,
# notebook 03). For 0 there is no bit. But it is known what the taps outside have added: each of them is a weight times
# $+1$. Take it off:
#
# $$z^{(0)} = z^{(+1)} - \sum_{\substack{kh,\,kw \\ \text{outside}}} s_{kh,\,kw,\,f}, \qquad
# s_{kh,\,kw,\,f} = \sum_c w_{kh,\,kw,\,c,\,f} = C - 2\,\operatorname{popcount}(\text{the words of the tap})$$
#
# **Predict.** A row of three signs, one channel, a kernel of three taps, padding 1. What have the taps outside added to
# each of the three sums $z^{(+1)}$?

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
# The values of the row do not matter: what was added depends on the weights and on the position. It is the same for
# every image. For three filters of the cell above with 64 channels:

# %%
one, zero = (conv2d_packed(words, kernel, 64, pad_value=p, pad=1)[0] for p in (1, 0))
limit = abs(one - zero).max()
pictures({f"filter {f}": (one - zero)[:, :, f] for f in range(3)}, cmap="gray", vmin=-limit, vmax=limit)

# %% [markdown]
# Grey is 0. Each side has one value, the sum of three taps, and each corner that of five.
#
# One more idea makes the exercise short. Which taps lie outside? Take a map that is 0 inside, of the same height and
# width, and pad it with 1. Whatever is convolved with it gets the sum of the taps outside.
#
# ### Exercise: padding with 0
#
# One group, no dilation. Start from the library's `conv2d_packed` with `pad_value=1`.


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
# First the sums $s$, an array (F, KH, KW): `np.bitwise_count(w)` counts the ones of each word; add up over the words.
# Then a kernel of one channel, (KH, KW, 1, F), for `conv2d`.
#
# </details>
# <details><summary>Hint 2</summary>
#
# `sums.transpose(1, 2, 0)[:, :, None]` is that kernel. It must be float: begin with `2.0`. The map is
# `np.zeros((1, H, W, 1))` with `H, W` of `x`, and `pad_value=1.0` pads it. `stride` and `pad` are those of the
# convolution. At last `.astype(np.int32)`, and subtract.
#
# </details>
#
# **In the library**: `conv2d_packed` in `tinybnn/ops/binary_conv.py`. The sums $s$ are made once, when the weights are
# prepared, and only rows and columns of the border are corrected (`tinybnn/fast/packed_tiles.py`). That padding with 0 runs
# as $+1$ with a correction is *ours*, as is the code; Larq's engine has the same idea.
#
# **What would break if** you ran the convolution twice, padded with $+1$ and with $-1$, and took the mean? Try it.
#
# <details><summary>Answer</summary>
#
# Nothing: the taps outside add $+s$ once and $-s$ once. The sum of both results is even, so half of it is exact. It is
# right, and it costs everything twice to mend the border.
#
# </details>
#
# ## What you have
#
# A convolution that is one matrix product, in floats or in words, with the same whole numbers from both, border
# included. To be trained it needs a way back: what a gradient of `y` says about `x`, `w` and `alpha`. That is
# notebook 05.
