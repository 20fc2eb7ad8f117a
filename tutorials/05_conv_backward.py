# %% [markdown]
# # 5. The backward pass of a convolution
#
# 45 minutes · needs 01, 04 · explains `tinybnn/ops/conv.py`, `tinybnn/ops/binary_conv.py`, `tinybnn/model/gradcheck.py`
#
# Afterwards you can
#
# - derive both gradients of a convolution from its index formula, and write them without loops over pixels;
# - say which outputs depend on a pixel, for any stride, and why the backward pass turns the kernel;
# - test a backward pass exactly on integers and by differences, and say what each test cannot detect.

# %%
import numpy as np

from tinybnn import adjoint_gap, binary_conv2d, binary_conv2d_backward, conv2d, conv2d_backward, numeric_vjp, sign
from tinybnn.app.pictures import new_figure, pictures
from tinybnn.ops.conv import pad2d, windows
from tinybnn.testing import MISTAKES, check, check_prediction

# %% [markdown]
# ## Every multiplication has two gradients
#
# The forward pass of notebook 04 is a long list of steps of one kind: `y += x * w`, each with one value of `x`, one of
# `w` and one of `y`. The backward pass gets `dy`, the gradient of the loss with respect to every `y`. If `x` grows a
# little, `y` grows by `w` times as much. So each step of the forward pass gives two steps of the backward pass:
#
# ```
# y += x * w      gives      dx += dy * w      and      dw += dy * x
# ```
#
# **Predict.** A row has four values and a kernel two taps, without padding. There are three results, and `DY` contains
# their gradients. What is `dw`, one number for each tap?

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
# The loops are those of the forward pass, with the two steps inside. Padding is a constant and needs no gradient. So a
# tap outside the map adds to `dw`, but not to `dx`.


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
def integers(*shape, seed=0):
    return np.random.default_rng(seed).integers(-3, 4, shape).astype(float)


x, w = integers(2, 6, 5, 3), integers(3, 2, 3, 4, seed=1)
y, cache = conv2d(x, w, stride=2, pad=1, pad_value=1.0)
dy = integers(*y.shape, seed=2)
[np.array_equal(*pair) for pair in zip(backward_in_loops(dy, x, w, 2, 1, 1.0), conv2d_backward(dy, cache))]

# %% [markdown]
# ## The gradient of the weights
#
# Collect all steps that belong to one weight. Let $\hat x$ be the padded map:
#
# $$\frac{\partial L}{\partial w_{kh,\,kw,\,c,\,f}} = \sum_{n,\,i,\,j}
# \hat x_{n,\; i\,SH + kh\,DH,\; j\,SW + kw\,DW,\; c}\;\; \frac{\partial L}{\partial y_{nijf}}$$
#
# The sum is over all windows of all images, because all of them use the same weight. The values $\hat x_{n,\, i\,SH +
# kh\,DH,\, \dots}$ are *one column* of the matrix of notebook 04: row $nij$, column $kh, kw, c$. So the forward pass is
# one matrix product, and the gradient of its second factor is another:
#
# $$Y = \text{columns} \cdot W, \qquad dW = \text{columns}^T \cdot dY$$
#
# (Textbook; status *exact*.)
#
# ### Exercise: `dw`
#
# `cache` is the library's: it contains `x` (not padded), `w`, `pad_value`, `groups` (always 1 here), and the pairs
# `stride`, `pad` and `dilation`. `pad2d(x, pad, value)` returns the padded map. `windows(padded, (KH, KW), (OH, OW),
# stride, dilation)` returns the windows as a view, (N, OH, OW, KH, KW, C).


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
# Pad as the forward pass did, take the windows, and make the matrix with one row for each window. `dy` becomes a matrix
# with the same number of rows. Then compute one product.
#
# </details>
# <details><summary>Hint 2</summary>
#
# The windows reshape to `(-1, KH * KW * C)`, because their axes are in the order of the kernel. `dy.reshape(-1, F)` is
# the other matrix. `columns.T @ dy` is (KH * KW * C, F). Finally reshape it to the shape of `cache.w`.
#
# </details>
#
# **In the library**: `weight_gradient` in `tinybnn/ops/conv.py`. It makes the columns again, in bands, as the forward
# pass did. To keep them from the forward pass would take $KH \cdot KW$ times the memory of the map.
#
# **What would break if** the forward pass padded with $+1$, and `dw` were computed with columns padded with 0? Try it.
#
# <details><summary>Answer</summary>
#
# Weights that never lie outside the map, such as the middle one of 3 x 3 with padding 1, get the right gradient. The
# weights at the edge of the kernel are multiplied by padding at the border of the map, and the gradient of those
# products is missing. The loss may still fall, and no shape is wrong.
#
# </details>
#
# ## The gradient of the map
#
# Which steps belong to one pixel? There are $PH$ rows of padding above the map, so row $r$ is row $r + PH$ of the
# padded map. Tap $kh$ of window $i$ lies on this row if
#
# $$i\,SH + kh\,DH = r + PH \qquad\text{(columns likewise)}$$
#
# $$\frac{\partial L}{\partial x_{n,r,q,c}} = \sum_{\substack{i,\,kh:\; i\,SH + kh\,DH = r + PH \\
# j,\,kw:\; j\,SW + kw\,DW = q + PW}} \sum_f \frac{\partial L}{\partial y_{nijf}}\; w_{kh,\,kw,\,c,\,f}$$
#
# The next figure is about pixel (3, 3) of a map of 7 x 7 with padding 1. Each output that depends on the pixel shows
# the tap that lies on it: "01" is $w_{0,1}$.


# %%
def taps_on(pixel, size, S, pad=1):
    """For each of size x size outputs: 3 kh + kw of the tap of 3 x 3 that lies on the pixel; NaN if none does."""
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
# At stride 1 all nine taps appear, *turned by 180 degrees*: the output above the pixel uses it with its lower row of
# taps, and the output below uses it with its upper row. At stride 2 only four of the nine taps appear. For other pixels
# it is two taps or one.
#
# There are two ways to compute this sum. **Scatter** goes through the outputs. For each output it multiplies the kernel
# by `dy` and adds it to the pixels in the window. Where windows overlap, the values add. **Gather** goes through the
# pixels, and for each pixel it adds the values of all outputs that depend on it. That is a convolution with the turned
# kernel.
#
# **Predict.** A row has five values and a kernel three taps, without padding. There are three results, and `DY`
# contains their gradients. What is `dx`? Use scatter.

# %% prediction="scatter"
KERNEL = [1, 10, 100]  # variant: [100, 10, 1] | [10, 1, 100]
DY = [2, 0, 1]  # variant: [0, 1, 3] | [1, 2, 0]
### BEGIN SOLUTION
dx = [sum(DY[j] * KERNEL[r - j] for j in range(3) if 0 <= r - j < 3) for r in range(5)]
### END SOLUTION

# %% check="scatter"
y, cache = conv2d(np.zeros((1, 1, 5, 1)), np.array(KERNEL, float).reshape(1, 3, 1, 1))
check_prediction(dx, conv2d_backward(np.reshape(DY, y.shape).astype(float), cache).dx.ravel())

# %% [markdown]
# ### Pixels that no output depends on
#
# **Predict.** A row has eight values and a kernel three taps, without padding. How many outputs depend on each of the
# eight values?

# %% prediction="outputs"
STRIDE = 2  # variant: 3 | 4
### BEGIN SOLUTION
outputs = [sum(0 <= r - j * STRIDE < 3 for j in range((8 - 3) // STRIDE + 1)) for r in range(8)]
### END SOLUTION

# %% check="outputs"
y, cache = conv2d(np.zeros((1, 1, 8, 1)), np.ones((1, 3, 1, 1)), stride=(1, STRIDE))
check_prediction(outputs, conv2d_backward(np.ones_like(y), cache).dx.ravel())

# %% [markdown]
# If all `w` and all `dy` are 1, `dx` counts the outputs that depend on a pixel. Here are the counts in two dimensions,
# for a map of 8 x 8:

# %%
x, w, counts = np.zeros((1, 8, 8, 1)), np.ones((3, 3, 1, 1)), {}
for S in (1, 2, 3, 4):
    y, cache = conv2d(x, w, stride=S)
    counts[f"stride {S}"] = conv2d_backward(np.ones_like(y), cache).dx[0, :, :, 0]
pictures(counts, cmap="gray", vmin=0, vmax=4)

# %% [markdown]
# Black is 0, and white is 4 or more. Remember three things:
#
# - At stride 2 the counts form a checkerboard of 1, 2 and 4. If such an operation is used to enlarge an image, the
#   image shows this pattern (mapbox/robosat#44; notebook 08).
# - At strides 2 and 3 the last rows and columns are black, because the next window would not fit. Their gradient is 0,
#   but `dx` must have these rows and columns. Its size does not follow from the size of `dy`: at stride 2 a row of
#   seven values and a row of eight both give three outputs. So the size must be kept in the cache (Lasagne/Lasagne#711,
#   keras-team/keras#9883).
# - Stride 4 is larger than the kernel, so there are also gaps between the windows.
#
# ### Exercise: `dx`
#
# Use scatter (col2im, "columns to image"). There is one group and no dilation. You may loop over the taps.


# %% exercise="dx"
def gradient_of_x(dy, cache):
    """dy (N, OH, OW, F), cache.x (N, H, W, C), cache.w (KH, KW, C, F), stride and pad pairs -> dx (N, H, W, C)."""
    ### BEGIN SOLUTION
    (SH, SW), (PH, PW), (N, H, W, C) = cache.stride, cache.pad, cache.x.shape
    (KH, KW), (OH, OW) = cache.w.shape[:2], dy.shape[1:3]
    padded = np.zeros((N, H + 2 * PH, W + 2 * PW, C), dy.dtype)
    for kh, kw in np.ndindex(KH, KW):
        padded[:, kh : kh + OH * SH : SH, kw : kw + OW * SW : SW] += dy @ cache.w[kh, kw].T
    return padded[:, PH : PH + H, PW : PW + W]
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
# Begin with zeros of the size of the *padded* map, in the dtype of `dy`. For one tap you can add the values of all
# outputs at once: output $(i, j)$ adds to row $i\,SH + kh$ and column $j\,SW + kw$, which is a slice with a step. At
# the end cut the padding off.
#
# </details>
# <details><summary>Hint 2</summary>
#
# Tap `(kh, kw)` adds `dy @ w[kh, kw].T`: (N, OH, OW, F) times (F, C). The rows are `kh : kh + OH * SH : SH`, and the
# columns are similar. `+=` adds to the values of the other taps.
#
# </details>
#
# **In the library**: `conv_transpose2d` in `tinybnn/ops/conv.py`, which gathers. It is a public function of its own,
# because as a forward pass it is an upsampling with a learnt kernel. Its backward pass is `conv2d`, so the two
# functions together give four passes.
#
# **What would break if** you wrote `=` instead of `+=`? Try it.
#
# <details><summary>Answer</summary>
#
# If several taps add to a pixel, only the last one would count. The result is right where windows do not overlap, which
# is the case if the stride is at least as large as the kernel. Otherwise the gradient lacks most of its terms.
#
# </details>
#
# ### The same with gather
#
# For stride 2: insert a zero between neighbouring values of `dy`, add a border of $K - 1 - P$ zeros, and convolve with
# the turned kernel. In that kernel the axes of channels and filters are exchanged.

# %%
x, w = integers(1, 7, 7, 2), integers(3, 3, 2, 4, seed=1)
y, cache = conv2d(x, w, stride=2, pad=1)
dy = integers(*y.shape, seed=2)
spread = np.zeros((1, 7, 7, 4))
spread[:, ::2, ::2] = dy
gathered, _ = conv2d(spread, w[::-1, ::-1].transpose(0, 1, 3, 2), pad=3 - 1 - 1)
print(dy.shape, "->", gathered.shape, np.array_equal(gathered, conv2d_backward(dy, cache).dx))
shown = {"dy": dy, "spread": spread, "dx": gathered}
pictures({name: a[0, :, :, 0] / abs(a).max() for name, a in shown.items()}, cmap="gray", vmin=-1, vmax=1)

# %% [markdown]
# Each picture shows one channel, and middle grey is 0. The library computes every stride in this way, in one large
# matrix product. At stride 1 no zeros are inserted. At stride 2 most values of `spread` are 0, and they are multiplied
# nevertheless.
#
# Forgetting to turn the kernel is a common bug (vdumoulin/conv_arithmetic#4, Theano/Theano#5170). A kernel of one tap
# does not show it, and neither does a kernel that is the same when it is turned.
#
# ## Is it right?
#
# ### An exact test: the transpose
#
# Without padding, or with padding 0, a convolution is a linear function of `x`: $y = A x$ with some large matrix $A$.
# The backward pass multiplies by its transpose, $dx = A^T dy$. For every $x$ and $dy$, related or not,
#
# $$\langle A x,\, dy \rangle = \langle x,\, A^T dy \rangle$$
#
# where $\langle a, b \rangle$ is the sum of all $a\,b$. Both sides are sums of the same products `x * w * dy`, in a
# different order.
#
# **Predict.** Again there is one row and no padding. What is each side?

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
# `adjoint_gap` in `tinybnn/model/gradcheck.py` is the left side minus the right side. On whole numbers nothing is
# rounded, so for a right backward pass it is exactly 0, and no tolerance is needed. `y` is linear in `w` too, so the
# second line tests `dw`. The third line tests a wrong backward pass: its cache is a copy (`_replace`) with the kernel
# turned.

# %%
x, w = integers(2, 7, 6, 3), integers(3, 2, 3, 4, seed=1)
options = {"stride": 2, "pad": 1}
y, cache = conv2d(x, w, **options)
dy = integers(*y.shape, seed=2)
turned = cache._replace(w=w[::-1, ::-1].copy())
print("x:", adjoint_gap(lambda x: conv2d(x, w, **options)[0], lambda dy: conv2d_backward(dy, cache).dx, x, dy))
print("w:", adjoint_gap(lambda w: conv2d(x, w, **options)[0], lambda dy: conv2d_backward(dy, cache).dw, w, dy))
print("turned:", adjoint_gap(lambda x: conv2d(x, w, **options)[0], lambda dy: conv2d_backward(dy, turned).dx, x, dy))

# %% [markdown]
# This test does not detect a forward and a backward pass that are wrong in the same way. If im2col and col2im have the
# same wrong index (as in ravin-d-27/PyDeepFlow#84, #85), one may still be the transpose of the other. So the forward
# pass needs its own specification. Also, with padding of $\pm 1$, $y$ is linear in `w`, but no longer in `x`: $x = 0$
# does not give 0.
#
# ### A test of every element: differences
#
# `numeric_vjp` (notebook 01) also works for functions that are not linear. It changes *every* element of every
# argument, and uses a random `dy`. Many tests do less: they check one element, or use a wide tolerance or the simplest
# case. The next cell runs four tests on each wrong backward pass of [the catalogue](../docs/mistakes.md).


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
plain = integers(1, 5, 5, 1), integers(3, 3, 1, 1, seed=1), {}
full = integers(2, 6, 5, 3), integers(3, 2, 3, 4, seed=1), {"stride": 2, "pad": 1, "pad_value": 1.0}
print(*(f"{title:16}" for title in ("plain case", "wide tolerance", "one element", "every element")))
for mistake in MISTAKES["conv2d_backward"]:
    passes = [accepts(mistake.wrong, *plain, 1e-6), accepts(mistake.wrong, *full, 1e-2, scale=1 / 4096)]
    passes += [accepts(mistake.wrong, *full, 1e-6, only_first=True), accepts(mistake.wrong, *full, 1e-6)]
    print(*(f"{'passes' if passed else '-':16}" for passed in passes), mistake.reason.split(":")[0])

# %% [markdown]
# "passes" means that the test does not detect the mistake. The four tests are:
#
# - *Plain case*: one image, one channel, stride 1, no padding. It cannot detect a mistake in stride, padding or batch.
# - *Wide tolerance*: the loss is a mean over 4,096 pixels, so every gradient is small, but a difference of 0.01 is
#   allowed. Then 0 is close enough to everything: "no gradient for x" passes.
# - *One element*: only the first element of each gradient, to save time. Some gradients are wrong only elsewhere.
# - *Every element*, in a case where all options matter: two images, stride 2, padding with $+1$, different numbers of
#   rows and columns, a row that is left over. The tolerance is $10^{-6}$.
#
# The fourth test detects every mistake that changes a value here. A mistake that changes only the dtype would pass all
# four: no test of float64 values detects a backward pass that returns float64 for float32. `check` compares shape and
# dtype before any value, and also calls your function in float32 and with arrays in Fortran order (in memory, the first
# index changes fastest). Public NumPy code had bugs in columns, and checks that did not detect them
# (ravin-d-27/PyDeepFlow#84, #85; ddbourgin/numpy-ml#48).
#
# If your backward pass reads a cache of its own, give the check the forward pass that makes it:
# `check("conv2d_backward", my_backward, forward=my_forward)`.
#
# ## Through a binary convolution
#
# The forward pass has three steps. The backward pass has the same steps in reverse order:
#
# | forward | backward |
# | --- | --- |
# | (1) $s = \operatorname{sgn}(w)$ | $dw = ds \cdot \text{soft}'(w)$ |
# | (2) $z = x \circledast s$ | $dx,\ ds$ of the convolution of $x$ with $s$, from $dz$ |
# | (3) $y = \alpha\, z$ | $dz = \alpha\, dy$, $\quad d\alpha_f = \sum_{nij} dy_{nijf}\, z_{nijf}$ |
#
# Step (3) is a product, so the gradient of each factor contains the other factor. All windows use the same $\alpha_f$,
# so its gradient is a sum. Step (2) is the subject of this notebook. Step (1) is the straight-through estimator of
# notebook 01, applied to the weights.
#
# **Predict.** The row `x` is $1, -1, -1$. There are two latent weights `W` and the scale `ALPHA`, and no padding. `dy`
# is $1, 2$, and the surrogate is the clip. What are `z`, `dalpha` and `dw`?

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
# `cache` is the library's: it contains `w` (latent), `alpha`, `z`, `quantizer` (its `dsoft` is the slope), and `conv`,
# the cache of step (2). You may use the library's `conv2d_backward` with `cache.conv`.


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
# Follow the right side of the table from (3) to (1). Multiply `dy` by `alpha` before the backward pass of the
# convolution, so that both `dx` and `dw` contain it.
#
# </details>
# <details><summary>Hint 2</summary>
#
# `conv2d_backward(dy * cache.alpha, cache.conv)` returns `dx` and the gradient of the *signs*. Multiply the second by
# the mask `cache.quantizer.dsoft(cache.w)`. For `dalpha` sum `dy * cache.z` over the axes `(0, 1, 2)`.
#
# </details>
#
# **In the library**: `binary_conv2d_backward` in `tinybnn/ops/binary_conv.py`, with its steps numbered as here. If the
# scale is `mean_abs(w)` (notebook 02), `w` affects the loss in a second way. `mean_abs_backward` gives that gradient,
# and the two are added.
#
# **What would break if** `dx` were computed with the latent weights `w`, and not with their signs?
#
# <details><summary>Answer</summary>
#
# The shapes would fit. But the forward pass multiplies `x` by $\pm 1$, so its gradient is a sum of $\pm\, \alpha\, dy$.
# Latent weights are mostly smaller than 1. So the layer before would get a gradient that is too small, and with every
# further layer it becomes smaller. These layers would learn slowly. Try it: `cache.conv._replace(w=cache.w)`.
#
# </details>
#
# ## What you have
#
# You have a convolution, binary or not, with its backward pass, and two tests that compare every element of it. Between
# two convolutions of a network there is a batch norm. In a packed network it becomes a threshold on a whole number.
# That is notebook 06.
