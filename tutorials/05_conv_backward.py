# %% [markdown]
# # 5. The way back through a convolution
#
# 45 minutes · needs 01, 04 · explains `tinybnn/ops/conv.py`, `tinybnn/ops/binary_conv.py`, `tinybnn/model/gradcheck.py`
#
# Afterwards you can
#
# - derive both gradients of a convolution from its index formula, and write them without loops over pixels;
# - say which outputs a pixel has a part in, for any stride, and why the kernel is turned on the way back;
# - test a backward pass exactly on integers and by differences, and say what each test cannot see.

# %%
import numpy as np

from tinybnn import adjoint_gap, binary_conv2d, binary_conv2d_backward, conv2d, conv2d_backward, numeric_vjp, sign
from tinybnn.app.pictures import new_figure, pictures
from tinybnn.ops.conv import pad2d, windows
from tinybnn.testing import check, check_prediction
from tinybnn.testing.mistakes import MISTAKES

# %% [markdown]
# ## Every multiplication has two gradients
#
# The forward pass of notebook 04 is a long list of steps of one kind: `y += x * w`, each with one value of `x`, one of
# `w` and one of `y`. The backward pass is given `dy`, the gradient of the loss with respect to every `y`. If `x` grows
# by a little, `y` grows by `w` times as much. So each step of the forward pass has two in the backward pass:
#
# ```
# y += x * w      has      dx += dy * w      and      dw += dy * x
# ```
#
# **Predict.** A row of four values, a kernel of two taps, no padding: three results, and `DY` has their gradients. What
# is `dw`, one number for each tap?

# %% prediction="row"
X = [2, -1, 0, 3]  # variant: [1, 0, -2, 1] | [0, 3, 1, -1]
DY = [1, 10, 100]  # variant: [100, 1, 10] | [10, 100, 1]
### BEGIN SOLUTION
dw = [sum(DY[j] * X[j + kw] for j in range(3)) for kw in range(2)]
### END SOLUTION

# %% check="row"
y, cache = conv2d(np.array(X, float).reshape(1, 1, 4, 1), np.ones((1, 2, 1, 1)))
check_prediction(dw, conv2d_backward(np.reshape(DY, y.shape).astype(float), cache).dw.ravel())

# %% [markdown]
# ### The specification
#
# All loops of the forward pass, and in each turn the two steps. Padding is a constant: nobody asks for its gradient,
# so a tap outside has a part in `dw`, but none in `dx`.


# %%
def backward_in_loops(dy, x, w, stride, pad, pad_value):
    dx, dw = np.zeros_like(x), np.zeros_like(w)
    for n, i, j, f, kh, kw, c in np.ndindex(*dy.shape, *w.shape[:3]):
        row, col = i * stride + kh - pad, j * stride + kw - pad
        inside = 0 <= row < x.shape[1] and 0 <= col < x.shape[2]
        dw[kh, kw, c, f] += dy[n, i, j, f] * (x[n, row, col, c] if inside else pad_value)
        if inside:
            dx[n, row, col, c] += dy[n, i, j, f] * w[kh, kw, c, f]
    return dx, dw


# %% [markdown]
# On small whole numbers it equals the library's backward pass by `==`:


# %%
def whole(*shape, seed=0):
    return np.random.default_rng(seed).integers(-3, 4, shape).astype(float)


x, w = whole(2, 6, 5, 3), whole(3, 2, 3, 4, seed=1)
y, cache = conv2d(x, w, stride=2, pad=1, pad_value=1.0)
dy = whole(*y.shape, seed=2)
[np.array_equal(*pair) for pair in zip(backward_in_loops(dy, x, w, 2, 1, 1.0), conv2d_backward(dy, cache))]

# %% [markdown]
# ## The gradient of the weights
#
# Collect all steps that belong to one weight, with $\hat x$ for the padded map:
#
# $$\frac{\partial L}{\partial w_{kh,\,kw,\,c,\,f}} = \sum_{n,\,i,\,j}
# \hat x_{n,\; i\,SH + kh\,DH,\; j\,SW + kw\,DW,\; c}\;\; \frac{\partial L}{\partial y_{nijf}}$$
#
# The sum runs over all windows of all images, because one weight served all of them. The values
# $\hat x_{n,\, i\,SH + kh\,DH,\, \dots}$ are those in *one column* of the matrix that notebook 04 has made: row $nij$,
# column $kh, kw, c$. So the forward pass is one matrix product, and the gradient of its second factor another:
#
# $$Y = \text{columns} \cdot W, \qquad dW = \text{columns}^T \cdot dY$$
#
# (Textbook; status *exact*.)
#
# ### Exercise: `dw`
#
# `cache` is the library's: it has `x` (not padded), `w`, `pad_value`, `groups` (always 1 here), and the pairs `stride`,
# `pad` and `dilation`. `pad2d(x, pad, value)` gives the padded map, and
# `windows(padded, (KH, KW), (OH, OW), stride, dilation)` the windows as a view, (N, OH, OW, KH, KW, C).


# %% exercise="dw"
def gradient_of_w(dy, cache):
    """dy (N, OH, OW, F), cache.x (N, H, W, C), cache.w (KH, KW, C, F) -> dw (KH, KW, C, F)."""
    ### BEGIN SOLUTION
    padded = pad2d(cache.x, cache.pad, cache.pad_value)
    view = windows(padded, cache.w.shape[:2], dy.shape[1:3], cache.stride, cache.dilation)
    F = dy.shape[3]
    columns = view.reshape(-1, cache.w.size // F)
    return (columns.T @ dy.reshape(-1, F)).reshape(cache.w.shape)
    ### END SOLUTION


# %% check="dw"
check(
    "conv2d_backward",
    lambda dy, cache: (conv2d_backward(dy, cache).dx, gradient_of_w(dy, cache)),
    options={"groups": 1},
)

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# Pad as the forward pass did, take the windows, make the matrix with a row for each window. `dy` becomes a matrix with
# as many rows. Then one product.
#
# </details>
# <details><summary>Hint 2</summary>
#
# The windows reshape to `(-1, KH * KW * C)`, for their axes are in the kernel's order. `dy.reshape(-1, F)` is the other
# matrix. `columns.T @ dy` is (KH * KW * C, F); the last step gives it the shape of `cache.w`.
#
# </details>
#
# **In the library**: `weight_gradient` in `tinybnn/ops/conv.py`. It makes the columns again, in bands, as the forward pass
# did: to keep them would take $KH \cdot KW$ times the memory of the map.
#
# **What would break if** the forward pass padded with $+1$, and `dw` were made with columns padded with 0? Try it.
#
# <details><summary>Answer</summary>
#
# Weights that never lie outside, such as the middle one of 3 x 3 with padding 1, get the right gradient. Those at the
# rim of the kernel get none for the border, where they meet the padding, and learn something else. The loss may
# still fall, and no shape is wrong.
#
# </details>
#
# ## The gradient of the map
#
# Which steps belong to one pixel? $PH$ rows of padding lie above it, so row $r$ is row $r + PH$ of the padded map.
# Window $i$ lays its tap $kh$ there if
#
# $$i\,SH + kh\,DH = r + PH \qquad\text{(columns likewise)}$$
#
# $$\frac{\partial L}{\partial x_{n,r,q,c}} = \sum_{\substack{i,\,kh:\; i\,SH + kh\,DH = r + PH \\
# j,\,kw:\; j\,SW + kw\,DW = q + PW}} \sum_f \frac{\partial L}{\partial y_{nijf}}\; w_{kh,\,kw,\,c,\,f}$$
#
# Here is pixel (3, 3) of a map of 7 x 7, padding 1. Each output that saw it bears the name of the tap with which it
# did, "01" for $w_{0,1}$.


# %%
def taps_on(pixel, size, S, pad=1):
    """For each output of size x size: which tap of 3 x 3 it lays on the pixel, 3 kh + kw; NaN for none."""
    taps = np.full((size, size), np.nan)
    for i, j in np.ndindex(size, size):
        kh, kw = pixel + pad - i * S, pixel + pad - j * S
        if 0 <= kh < 3 and 0 <= kw < 3:
            taps[i, j] = 3 * kh + kw
    return taps


# %%
figure, kernel = new_figure(7, 2.8), np.arange(9.0).reshape(3, 3)
panels = {"the kernel": kernel, "outputs, stride 1": taps_on(3, 7, 1), "outputs, stride 2": taps_on(3, 4, 2)}
for axis, (title, taps) in zip(figure.subplots(1, 3, width_ratios=(3, 7, 4)), panels.items()):
    axis.imshow(taps, cmap="gray", vmin=-6, vmax=10)
    axis.set(ylabel="kh" if taps is kernel else "i", xlabel="kw" if taps is kernel else "j")
    axis.set(title=title, xticks=np.arange(len(taps)), yticks=np.arange(len(taps)))
    for (i, j), tap in np.ndenumerate(taps):
        if tap >= 0:
            axis.text(j, i, f"{tap // 3:.0f}{tap % 3:.0f}", ha="center", va="center", fontsize=8)
figure

# %% [markdown]
# In the middle all nine taps have seen the pixel, *turned by 180 degrees*: the output above saw it with its lower row,
# the output below with its upper row. With stride 2 four of the nine have; other pixels have two or one.
#
# There are two ways to add this up. **Scatter**: go through the outputs, and each stamps the kernel, as it is, times
# its `dy`, onto the pixels it saw. Stamps overlap, and where they do, they add up. **Gather**: go through the pixels,
# and each collects from the outputs around it. It is a convolution with the turned kernel.
#
# **Predict.** A row of five values, a kernel of three taps, no padding: three results, and `DY` has their gradients.
# What is `dx`? Stamp.

# %% prediction="stamps"
KERNEL = [1, 10, 100]  # variant: [100, 10, 1] | [10, 1, 100]
DY = [2, 0, 1]  # variant: [0, 1, 3] | [1, 2, 0]
### BEGIN SOLUTION
dx = [sum(DY[j] * KERNEL[r - j] for j in range(3) if 0 <= r - j < 3) for r in range(5)]
### END SOLUTION

# %% check="stamps"
y, cache = conv2d(np.zeros((1, 1, 5, 1)), np.array(KERNEL, float).reshape(1, 3, 1, 1))
check_prediction(dx, conv2d_backward(np.reshape(DY, y.shape).astype(float), cache).dx.ravel())

# %% [markdown]
# ### Pixels that nobody saw
#
# **Predict.** A row of eight values, a kernel of three taps, no padding. How many outputs saw each of the eight?

# %% prediction="seen"
STRIDE = 2  # variant: 3 | 4
### BEGIN SOLUTION
seen = [sum(0 <= r - j * STRIDE < 3 for j in range((8 - 3) // STRIDE + 1)) for r in range(8)]
### END SOLUTION

# %% check="seen"
y, cache = conv2d(np.zeros((1, 1, 8, 1)), np.ones((1, 3, 1, 1)), stride=(1, STRIDE))
check_prediction(seen, conv2d_backward(np.ones_like(y), cache).dx.ravel())

# %% [markdown]
# With all `w` and all `dy` 1, `dx` counts the outputs that saw a pixel. The same in two dimensions, map 8 x 8:

# %%
x, w, counts = np.zeros((1, 8, 8, 1)), np.ones((3, 3, 1, 1)), {}
for S in (1, 2, 3, 4):
    y, cache = conv2d(x, w, stride=S)
    counts[f"stride {S}"] = conv2d_backward(np.ones_like(y), cache).dx[0, :, :, 0]
pictures(counts, cmap="gray", vmin=0, vmax=4)

# %% [markdown]
# Black is 0; white is 4 or more. Three things to remember:
#
# - At stride 2 the counts make a checkerboard of 1, 2 and 4. Where such a map of stamps is used to upsample, pictures
#   show it (mapbox/robosat#44; notebook 08).
# - At strides 2 and 3 the last rows and columns are black: the next window would not fit. Their gradient is 0, but they
#   are there, and `dx` must have them. Its size cannot be computed from that of `dy`: at stride 2 a row of seven and a
#   row of eight both give three outputs. So the cache keeps it (Lasagne/Lasagne#711, keras-team/keras#9883).
# - At stride 4, beyond the kernel, there are also gaps between the windows.
#
# ### Exercise: `dx`
#
# Scatter (col2im, "columns to image"). One group, no dilation. The loop over the taps is allowed.


# %% exercise="dx"
def gradient_of_x(dy, cache):
    """dy (N, OH, OW, F), cache.x (N, H, W, C), cache.w (KH, KW, C, F), stride and pad pairs -> dx (N, H, W, C)."""
    ### BEGIN SOLUTION
    (SH, SW), (PH, PW), (N, H, W, C) = cache.stride, cache.pad, cache.x.shape
    (KH, KW), (OH, OW) = cache.w.shape[:2], dy.shape[1:3]
    wide = np.zeros((N, H + 2 * PH, W + 2 * PW, C), dy.dtype)
    for kh, kw in np.ndindex(KH, KW):
        wide[:, kh : kh + OH * SH : SH, kw : kw + OW * SW : SW] += dy @ cache.w[kh, kw].T
    return wide[:, PH : PH + H, PW : PW + W]
    ### END SOLUTION


# %% check="dx"
check(
    "conv2d_backward",
    lambda dy, cache: (gradient_of_x(dy, cache), conv2d_backward(dy, cache).dw),
    options={"groups": 1, "dilation": 1},
)

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# Begin with zeros of the size of the *padded* map, in the dtype of `dy`. For one tap, all outputs stamp at once: output
# $(i, j)$ onto row $i\,SH + kh$ and column $j\,SW + kw$, which is a slice with a step. At the end cut the padding off.
#
# </details>
# <details><summary>Hint 2</summary>
#
# What tap `(kh, kw)` stamps is `dy @ w[kh, kw].T`: (N, OH, OW, F) times (F, C). The rows are
# `kh : kh + OH * SH : SH`, the columns likewise, and `+=` adds to what other taps have stamped there.
#
# </details>
#
# **In the library**: `conv_transpose2d` in `tinybnn/ops/conv.py`, which gathers. It is its own public function, for as a
# forward pass it is an upsampling with a learnt kernel, and its backward pass is `conv2d`: two functions, four passes.
#
# **What would break if** you wrote `=` for `+=`? Try it.
#
# <details><summary>Answer</summary>
#
# Of all taps that met at a pixel, only the last would count. It is right where windows do not overlap, when the stride
# is as large as the kernel or larger; elsewhere the gradient lacks most of its terms.
#
# </details>
#
# ### The same, gathered
#
# For stride 2: spread `dy`, with a zero between its values; put a rim of $K - 1 - P$ zeros around it; convolve with the
# turned kernel, whose channels and filters have changed places.

# %%
x, w = whole(1, 7, 7, 2), whole(3, 3, 2, 4, seed=1)
y, cache = conv2d(x, w, stride=2, pad=1)
dy = whole(*y.shape, seed=2)
spread = np.zeros((1, 7, 7, 4))
spread[:, ::2, ::2] = dy
gathered, _ = conv2d(spread, w[::-1, ::-1].transpose(0, 1, 3, 2), pad=3 - 1 - 1)
print(dy.shape, "->", gathered.shape, np.array_equal(gathered, conv2d_backward(dy, cache).dx))
shown = {"dy": dy, "spread": spread, "dx": gathered}
pictures({name: a[0, :, :, 0] / abs(a).max() for name, a in shown.items()}, cmap="gray", vmin=-1, vmax=1)

# %% [markdown]
# One channel of each; middle grey is 0. The library does it so for every stride, in one large matrix product. At stride
# 1 nothing is spread. At stride 2 most of `spread` is 0, and is multiplied all the same.
#
# To turn the kernel is often forgotten (vdumoulin/conv_arithmetic#4, Theano/Theano#5170). A kernel of one tap does not
# show it, nor does one that looks the same when turned.
#
# ## Is it right?
#
# ### Exact: the transpose
#
# Without padding, or padded with 0, a convolution is a linear map of `x`: $y = A x$ with some large matrix $A$. The
# backward pass multiplies by its transpose, $dx = A^T dy$. For every $x$ and $dy$, related or not,
#
# $$\langle A x,\, dy \rangle = \langle x,\, A^T dy \rangle$$
#
# where $\langle a, b \rangle$ is the sum of all $a\,b$. Both sides are the same triple products `x * w * dy`, summed in
# another order.
#
# **Predict.** Again one row and no padding. What is each side?

# %% prediction="sides"
X = [1, 0, 2]  # variant: [2, 1, 0] | [0, 3, 1]
KERNEL = [1, -1]  # variant: [2, 1] | [-1, 2]
DY = [3, 4]  # variant: [5, 1] | [2, 4]
### BEGIN SOLUTION
left = DY[0] * (X[0] * KERNEL[0] + X[1] * KERNEL[1]) + DY[1] * (X[1] * KERNEL[0] + X[2] * KERNEL[1])
right = left
### END SOLUTION

# %% check="sides"
y, cache = conv2d(np.array(X, float).reshape(1, 1, 3, 1), np.array(KERNEL, float).reshape(1, 2, 1, 1))
check_prediction(left, (y.ravel() * DY).sum())
check_prediction(right, (conv2d_backward(np.reshape(DY, y.shape).astype(float), cache).dx.ravel() * X).sum())

# %% [markdown]
# `adjoint_gap` in `tinybnn/model/gradcheck.py` is the difference of both sides. On whole numbers nothing is rounded, so the
# gap of a right backward pass is 0, by `==`: no tolerance to choose. `y` is linear in `w` also. Third, a wrong backward
# pass: its cache is a copy (`_replace`) with the kernel turned.

# %%
x, w = whole(2, 7, 6, 3), whole(3, 2, 3, 4, seed=1)
options = {"stride": 2, "pad": 1}
y, cache = conv2d(x, w, **options)
dy = whole(*y.shape, seed=2)
turned = cache._replace(w=w[::-1, ::-1].copy())
print("x:", adjoint_gap(lambda x: conv2d(x, w, **options)[0], lambda dy: conv2d_backward(dy, cache).dx, x, dy))
print("w:", adjoint_gap(lambda w: conv2d(x, w, **options)[0], lambda dy: conv2d_backward(dy, cache).dw, w, dy))
print("turned:", adjoint_gap(lambda x: conv2d(x, w, **options)[0], lambda dy: conv2d_backward(dy, turned).dx, x, dy))

# %% [markdown]
# What does it not see? A forward and a backward pass that are wrong in the same way: where im2col and col2im share a
# wrong index (as in ravin-d-27/PyDeepFlow#84, #85), one may still be the transpose of the other. So the forward pass
# needs a specification of its own. And padded with $\pm 1$, $y$ is linear in `w`, but no more in `x`: $x = 0$ does not
# give 0.
#
# ### Everywhere: differences
#
# `numeric_vjp` (notebook 01) needs no linearity. It moves *every* element of every argument, against random `dy`. Many
# do less: one element, a tolerance wide enough, the simplest case. Here each wrong backward pass of
# [the catalogue](../docs/mistakes.md) is put to four tests.


# %%
def accepts(backward, x, w, options, tolerance, only_first=False, scale=1.0):
    y, cache = conv2d(x, w, **options)
    dy = scale * np.random.default_rng(3).normal(size=y.shape)
    right = numeric_vjp(lambda x, w: conv2d(x, w, **options)[0], (x, w), dy)
    for a, b in zip(backward(dy, cache), right):
        gap = abs(a.ravel()[:1] - b.ravel()[:1]) if only_first else abs(a - b) if a.shape == b.shape else np.inf
        if np.max(gap) > tolerance:
            return False
    return True


# %%
plain = whole(1, 5, 5, 1), whole(3, 3, 1, 1, seed=1), {}
full = whole(2, 6, 5, 3), whole(3, 2, 3, 4, seed=1), {"stride": 2, "pad": 1, "pad_value": 1.0}
print(*(f"{title:16}" for title in ("plain case", "wide tolerance", "one element", "every element")))
for mistake in MISTAKES["conv2d_backward"]:
    passes = [accepts(mistake.wrong, *plain, 1e-6), accepts(mistake.wrong, *full, 1e-2, scale=1 / 4096)]
    passes += [accepts(mistake.wrong, *full, 1e-6, only_first=True), accepts(mistake.wrong, *full, 1e-6)]
    print(*(f"{'passes' if passed else '-':16}" for passed in passes), mistake.reason.split(":")[0])

# %% [markdown]
# "passes" means: the test notices nothing. What the four tests are:
#
# - *Plain case*: one image, one channel, stride 1, no padding. What is wrong with stride, padding or batch cannot show.
# - *Wide tolerance*: the loss is a mean over 4,096 pixels, so every gradient is small, and a gap of 0.01 is allowed.
#   Then 0 is near enough to everything: "no gradient for x" passes.
# - *One element*: the first of each gradient, for speed. Some are wrong only elsewhere.
# - *Every element* of a case in which nothing is trivial: two images, stride 2, padding with $+1$, sides that differ, a
#   row left over. The tolerance is $10^{-6}$.
#
# The last mistake gives right values, in the wrong dtype; no test of float64 values can see it. `check` compares shape
# and dtype before any value, and calls in float32 too. Bugs in columns, and checks that did not see them, were met in
# public NumPy code (ravin-d-27/PyDeepFlow#84, #85; ddbourgin/numpy-ml#48).
#
# If your backward pass reads a cache of its own, hand the forward pass that makes it to the check:
# `check("conv2d_backward", my_backward, forward=my_forward)`.
#
# ## Through a binary convolution
#
# The forward pass has three steps, and the backward pass has them in reverse:
#
# | forward | backward |
# | --- | --- |
# | (1) $s = \operatorname{sgn}(w)$ | $dw = ds \cdot \text{soft}'(w)$ |
# | (2) $z = x \circledast s$ | $dx,\ ds$ of the convolution of $x$ with $s$, from $dz$ |
# | (3) $y = \alpha\, z$ | $dz = \alpha\, dy$, $\quad d\alpha_f = \sum_{nij} dy_{nijf}\, z_{nijf}$ |
#
# (3) is a product, so each factor gets the other one; $\alpha_f$ served all windows, so it gets a sum. (2) is this
# notebook. (1) is the straight-through estimator of notebook 01, on the weights.
#
# **Predict.** The row `x` is $1, -1, -1$; two latent weights `W`; the scale `ALPHA`; no padding; `dy` is $1, 2$; the
# surrogate is the clip. What are `z`, `dalpha` and `dw`?

# %% prediction="through"
W = [0.3, -1.5]  # variant: [-1.2, 0.4] | [-0.7, -0.1]
ALPHA = 0.5  # variant: 0.25 | 2.0
### BEGIN SOLUTION
z = sign(np.array(W)) @ [[1, -1], [-1, -1]]
dalpha = 1 * z[0] + 2 * z[1]
dw = [ALPHA * (1 * 1 + 2 * -1) * (abs(W[0]) <= 1), ALPHA * (1 * -1 + 2 * -1) * (abs(W[1]) <= 1)]
### END SOLUTION

# %% check="through"
row, latent = np.array([1.0, -1.0, -1.0]).reshape(1, 1, 3, 1), np.reshape(W, (1, 2, 1, 1))
y, cache = binary_conv2d(row, latent, np.array([ALPHA]), pad_value=1)
true = binary_conv2d_backward(np.array([1.0, 2.0]).reshape(y.shape), cache)
check_prediction(z, cache.z.ravel())
check_prediction(dalpha, true.dalpha[0])
check_prediction(dw, true.dw.ravel())

# %% [markdown]
# ### Exercise: `binary_conv2d_backward`
#
# `cache` is the library's: `w` (latent), `alpha`, `z`, `quantizer` (its `dsoft` is the slope), and `conv`, the cache
# of step (2), with which the library's `conv2d_backward` may do the work.


# %% exercise="binary"
def back_through_binary(dy, cache):
    """dy (N, OH, OW, F), cache.w (KH, KW, C, F), cache.alpha (F,) -> dx (N, H, W, C), dw as w, dalpha (F,)."""
    ### BEGIN SOLUTION
    dalpha = (dy * cache.z).sum(axis=(0, 1, 2))
    dx, dsigns = conv2d_backward(dy * cache.alpha, cache.conv)
    return dx, dsigns * cache.quantizer.dsoft(cache.w), dalpha
    ### END SOLUTION


# %% check="binary"
check("binary_conv2d_backward", back_through_binary)

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# Go up the right side of the table from (3) to (1). `alpha` is multiplied to `dy` before the convolution's backward
# pass, so that both `dx` and `dw` have it.
#
# </details>
# <details><summary>Hint 2</summary>
#
# `conv2d_backward(dy * cache.alpha, cache.conv)` returns `dx` and the gradient of the *signs*. The mask comes after it:
# `cache.quantizer.dsoft(cache.w)`. For `dalpha` sum `dy * cache.z` over the axes `(0, 1, 2)`.
#
# </details>
#
# **In the library**: `binary_conv2d_backward` in `tinybnn/ops/binary_conv.py`, with its steps numbered as here. If the
# scale is `mean_abs(w)` (notebook 02), `w` has a second way to the loss. `mean_abs_backward` gives its gradient, and
# both are added.
#
# **What would break if** the gradient went back to `x` through the latent weights `w`, and not through their signs?
#
# <details><summary>Answer</summary>
#
# Shapes would fit. But forward, `x` met $\pm 1$, so its gradient is a sum of $\pm\, \alpha\, dy$. Latent weights are
# mostly smaller than 1: the layer below gets a smaller gradient, once more in every layer, and learns slowly. Try it:
# `cache.conv._replace(w=cache.w)`.
#
# </details>
#
# ## What you have
#
# A convolution, binary or not, with its way back, and two tests that look at every element of it. Between two
# convolutions of a network stands a batch norm, and in a packed network it becomes a threshold on a whole number. That
# is notebook 06.
