# %% [markdown]
# # 8. Upsampling: what several branches recover
#
# 45 minutes · needs 01, 04 · explains `tinybnn/ops/upsample.py`, `tinybnn/ops/upsample_conv.py`,
# `tinybnn/ops/multibranch.py`
#
# Afterwards you can
#
# - say where the pixels of an upsampled map lie, and tell the two conventions of bilinear upsampling apart;
# - show with two numbers that the order of bilinear upsampling and `sign` matters, and say why the order does not
#   matter for nearest upsampling;
# - write multi-branch upsampling and the gradient of its gates, and say what several thresholds recover.

# %%
import numpy as np

import tinybnn
from tinybnn import binary_conv2d, load, multi_branch_upsample, sigmoid, sign, upsample_bilinear, upsample_nearest
from tinybnn.app.pictures import branches, new_figure, pictures
from tinybnn.model.train import Training, start, train
from tinybnn.ops.binarize import binarize
from tinybnn.ops.multibranch import multi_branch_upsample_loops
from tinybnn.ops.upsample import depth_to_space, upsample_nearest_loops
from tinybnn.testing import check, check_prediction

# %% [markdown]
# ## Four ways to make a map large
#
# A dense predictor first makes its maps small, so that each value depends on a large part of the image. At the end it
# must give a label to every pixel, so it makes the maps large again. Four ways are in use. Here each of them doubles a
# map with one slanted edge. Black is 0, white is 1.8.

# %%
edge = (np.add.outer(np.arange(6), np.arange(6)) >= 5).astype(float).reshape(1, 6, 6, 1)
stamp, four = np.ones((3, 3, 1, 1)) / 2.25, np.array([0.6, 1.2, 0.9, 1.3])
large = {
    "the small map": edge,
    "nearest": upsample_nearest(edge)[0],
    "bilinear": upsample_bilinear(edge)[0],
    "transposed, 3 x 3": tinybnn.conv_transpose2d(edge, stamp, stride=2, pad=1, size=(12, 12))[0],
    "sub-pixel": depth_to_space(edge * four)[0],
}
pictures({name: y[0, :, :, 0] for name, y in large.items()}, cmap="gray", vmin=0, vmax=1.8)

# %% [markdown]
# - **Nearest** copies each value into a block.
# - **Bilinear** draws straight lines between values: the edge becomes a slope.
# - A **transposed convolution** multiplies its kernel by each value of the small map, writes the result at the place
#   of that value in the large map, and adds where results overlap. The kernel is learnt. Here a 3 x 3 kernel is
#   written at every second place, so some places of the large map get one result, some two, some four. The small map
#   is flat there, but the large one shows a **checkerboard**.
# - **Sub-pixel**: a convolution computes four numbers for each pixel, and `depth_to_space` writes them to the four
#   places of its block. The numbers are learnt. If the four differ, as in `four` here, the result is a checkerboard
#   too. (There are two orders of these channels, TensorFlow's and PyTorch's: onnx/onnx#2163.)
#
# Training can remove a checkerboard, but it has to learn this, and many predicted masks still show one. The usual
# advice is to use nearest upsampling and an ordinary convolution after it (mapbox/robosat#44 changed to it for that
# reason). This course does so too. A binary network has one more reason, which comes below.
#
# ### The specification of nearest
#
# Each position of the large map takes the value of the block in which it lies. The scale is a pair $(SH, SW)$, rows
# first:
#
# $$y_{nijc} = x_{n,\,\lfloor i/SH \rfloor,\,\lfloor j/SW \rfloor,\,c}$$

# %%
tiny = np.array([1.0, 2.0, 3.0, 4.0]).reshape(1, 2, 2, 1)
upsample_nearest_loops(tiny, scale=(2, 3))[0, :, :, 0]

# %% [markdown]
# ### Exercise: `upsample_nearest`


# %% exercise="upsample_nearest"
def copy_blocks(x, *, scale):
    """x (N, H, W, C) and scale, a pair (SH, SW) -> (N, SH * H, SW * W, C)."""
    ### BEGIN SOLUTION
    return x.repeat(scale[0], axis=1).repeat(scale[1], axis=2)
    ### END SOLUTION


# %% check="upsample_nearest"
check("upsample_nearest", copy_blocks, options={"scale": [(2, 3), (3, 1)]})

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# NumPy has two functions that make an array longer by copies. One turns `a b` into `a b a b`, the other turns it into
# `a a b b`.
#
# </details>
# <details><summary>Hint 2</summary>
#
# `x.repeat(k, axis=...)` writes every entry along an axis `k` times in a row. Rows are axis 1, columns axis 2.
#
# </details>
#
# **In the library**: `upsample_nearest` in `tinybnn/ops/upsample.py` makes the same two calls. A network rarely uses
# it, because a convolution follows, and that convolution can work on the small map instead. This is `upsample_conv2d`
# in `tinybnn/ops/upsample_conv.py`. A **tap** is one position of a kernel; a 3 x 3 kernel has nine taps. After
# upsampling by 2 several taps see copies of the same pixel, so their weights can be added first. Then each place of a
# 2 x 2 block has its own 2 x 2 kernel instead of the 3 x 3 kernel. Its weights are sums of up to four signs. Below,
# the four kernels of 8 filters are stored side by side, as 32 filters:

# %%
rng = np.random.default_rng(0)
x, w = sign(rng.normal(size=(1, 5, 5, 3))), sign(rng.normal(size=(3, 3, 3, 8)))
slow = tinybnn.conv2d(upsample_nearest(x)[0], w, pad=1)[0]
small_kernels = tinybnn.ops.upsample_conv.phase_kernel(w, (2, 2))
(slow == tinybnn.upsample_conv2d(x, w, pad=1, pad_value=0)[0]).all(), small_kernels.shape, np.unique(small_kernels)

# %% [markdown]
# The results are equal by `==`. Each small pixel and channel takes 4 x 4 products instead of 4 x 9. The price: weights
# such as 4, 2 and 0 are not signs. Floats can hold them, words of bits cannot.
#
# **What would break if** you used `np.tile` instead of `np.repeat`?
#
# <details><summary>Answer</summary>
#
# The shape is right, and for a map of one pixel every value is right too. Any larger map becomes several small copies
# of the image, side by side.
#
# </details>
#
# ### The backward pass
#
# The forward pass copied each value into a block of $SH \times SW$ pixels, and every copy has an effect on the loss.
# So the gradient of the value is the **sum** of the gradients of its block.
#
# **Predict.** The scale is $(1, 2)$, and `dy` is the gradient of the large map. What is `dx`, of shape 2 x 2?

# %% prediction="blocks"
DY = [[1, 2, 0, -1], [3, 3, 5, 1]]  # variant: [[2, 2, 1, -4], [0, 1, 6, 1]] | [[0, 7, 4, -4], [2, 1, 1, 1]]
dy = np.array(DY, float)
### BEGIN SOLUTION
dx = dy[:, ::2] + dy[:, 1::2]
### END SOLUTION

# %% check="blocks"
_, cache = upsample_nearest(np.zeros((1, 2, 2, 1)), scale=(1, 2))
check_prediction(dx, tinybnn.upsample_nearest_backward(dy.reshape(1, 2, 4, 1), cache)[0, :, :, 0])

# %% [markdown]
# ### Exercise: `upsample_nearest_backward`


# %% exercise="upsample_nearest_backward"
def sum_blocks(dy, cache):
    """dy (N, SH * H, SW * W, C), cache.size = (H, W), cache.scale = (SH, SW) -> dx (N, H, W, C)."""
    ### BEGIN SOLUTION
    (H, W), (SH, SW) = cache.size, cache.scale
    return dy.reshape(len(dy), H, SH, W, SW, -1).sum(axis=(2, 4))
    ### END SOLUTION


# %% check="upsample_nearest_backward"
check("upsample_nearest_backward", sum_blocks)

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# Row `i` of the large map is row `a` of block `h`, with `i = h * SH + a`. A `reshape` can split one axis into two.
#
# </details>
# <details><summary>Hint 2</summary>
#
# Reshape to `(N, H, SH, W, SW, C)`. Then sum over the two axes that count places within a block.
#
# </details>
#
# **In the library**: `upsample_nearest_backward` in `tinybnn/ops/upsample.py`. It adds SH SW strided slices, because
# this is faster on large maps.
#
# **What would break if** you took the mean of the block instead of the sum?
#
# <details><summary>Answer</summary>
#
# The loss would still fall. But every layer below would get a quarter of its gradient at scale 2, and a sixteenth
# below two upsamplings. davisking/dlib#336 had this mistake.
#
# </details>
#
# One test needs no finite differences. Upsampling is linear: $y = A x$ for some matrix $A$. Its backward pass must be
# the transpose, $A^\top$, so $\langle A x, dy \rangle = \langle x, A^\top dy \rangle$ for any `x` and `dy`.
# ($\langle a, b \rangle$ is the sum of the products of all elements.) With whole numbers both sides are exact, so they
# can be compared by `==`:

# %%
x, dy = rng.integers(-9, 10, (1, 3, 4, 2)).astype(float), rng.integers(-9, 10, (1, 6, 8, 2)).astype(float)
y, cache = upsample_nearest(x)
(y * dy).sum(), (x * tinybnn.upsample_nearest_backward(dy, cache)).sum()

# %% [markdown]
# ## Bilinear: where do the pixels lie?
#
# For each large pixel $i$ bilinear upsampling computes its place $p$ in the small map. The result is a weighted mean
# of the two neighbours of $p$: a neighbour at the distance $d$ has the weight $1 - d$. It does so along rows and along
# columns. There are two conventions for the *place*, for $H$ small pixels and a scale $S$:
#
# $$p = \frac{i + \tfrac12}{S} - \tfrac12 \quad\text{(half-pixel centres)} \qquad\qquad
# p = i\,\frac{H - 1}{S H - 1} \quad\text{(aligned corners)}$$
#
# With half-pixel centres a pixel is a little square, and the outer *edges* of both maps coincide. With aligned corners
# a pixel is a point, and the outermost *points* coincide. A place $p$ outside the map is moved to the border of the
# map. Both formulas are *exact*: they are those of PyTorch's `align_corners`.
#
# **Predict.** A row of two values becomes a row of four, with half-pixel centres. Large pixels 0 to 3 lie at
# $-\tfrac14, \tfrac14, \tfrac34, 1\tfrac14$. Which values do they get, if the two small values are `A` and `B`?

# %% prediction="line"
A = 0.0  # variant: 2.0 | -4.0
B = 4.0  # variant: 10.0 | 8.0
### BEGIN SOLUTION
line = [A, 0.75 * A + 0.25 * B, 0.25 * A + 0.75 * B, B]
### END SOLUTION

# %% check="line"
check_prediction(line, upsample_bilinear(np.array([A, B]).reshape(1, 1, 2, 1), scale=(1, 2))[0].ravel())

# %% [markdown]
# The two conventions side by side, for the values 0 and 3:

# %%
two = np.array([0.0, 3.0]).reshape(1, 1, 2, 1)
[upsample_bilinear(two, scale=(1, 2), align_corners=corners)[0].ravel() for corners in (False, True)]

# %% [markdown]
# Which is right? Both are, if training and inference use the same one. Weights trained with one and run with the other
# lose accuracy along edges (tenstorrent/tt-metal#27001). Code that forgets the half pixel shifts the whole map
# (pytorch/pytorch#10604). tinybnn's default is half-pixel centres, as in PyTorch, OpenCV and Pillow.
#
# ## Upsampling and sign: does the order matter?
#
# In a binary network a sign follows the upsampling. Packed code would be cheaper if it took the sign *first*, on the
# small map, where one word of 64 bits holds the signs of 64 channels. Is the result the same?
#
# **Predict.** A large pixel lies between two neighbours: `LEFT` has the weight $\tfrac14$, `RIGHT` has $\tfrac34$.
# What is the weighted mean of the two values, and what is the weighted mean of their signs? Give a list of the two.

# %% prediction="mixes"
LEFT = 4.0  # variant: 5.0 | 6.0
RIGHT = -1.0  # variant: -0.5 | -1.5
### BEGIN SOLUTION
mixes = [LEFT / 4 + RIGHT * 3 / 4, 1 / 4 - 3 / 4]
### END SOLUTION

# %% check="mixes"
pair = np.array([LEFT, RIGHT]).reshape(1, 1, 2, 1)
check_prediction(mixes, [upsample_bilinear(v, scale=(1, 2))[0].ravel()[2] for v in (pair, sign(pair))])

# %% [markdown]
# The mean of the values is positive, the mean of the signs is negative. A large value counts more than a small one,
# and a sign does not store this. So bilinear upsampling does **not** commute with `sign`. Nearest upsampling does,
# because it only copies. How often do the two orders give different signs, on a map of random values?

# %%
x = np.random.default_rng(1).normal(size=(1, 64, 64, 16))
for name, up in (("nearest", upsample_nearest), ("bilinear", upsample_bilinear)):
    share = (sign(up(x)[0]) != sign(up(sign(x))[0])).mean()
    print(f"{name:9} {100 * share:5.2f} % of the signs differ")

# %% [markdown]
# That is the second reason for nearest. `upsample_nearest_packed` copies words of 64 signs. The other three kinds of
# upsampling have no packed form in this library.
#
# ## One sign loses much
#
# The simplest way is nearest upsampling, then a sign, then a binary convolution. It loses accuracy; the end of this
# notebook says how much. After the sign we know only whether a value is below a threshold. All copies in a block are
# alike, and 0.1 and 3 have the same sign.
#
# The remedy is to take several signs, each with its own threshold $\tau_r$, and to add them.
#
# **Predict.** With the thresholds `TAU`, what is $\sum_r \operatorname{sgn}(x - \tau_r)$ for the four values of `x`?

# %% prediction="levels"
x = np.array([-2.0, 0.0, 0.5, 2.0])
TAU = np.array([-1.0, 0.5, 1.5])  # variant: np.array([-1.0, 0.0, 1.0]) | np.array([-3.0, 0.5, 1.0])
### BEGIN SOLUTION
levels = [sum(1 if v >= t else -1 for t in TAU) for v in x]
### END SOLUTION

# %% check="levels"
check_prediction(levels, sum(binarize(x[:, None], np.array([t]))[0] for t in TAU)[:, 0])

# %% [markdown]
# $R$ thresholds cut the line into $R + 1$ pieces, so the sum has $R + 1$ levels. The plots show a ramp after 1, 2, 3
# and 5 thresholds. (They use the function of the next section, with one tap of weight 1 and the scale $1/R$.)

# %%
figure, ramp = new_figure(7, 2.3), np.linspace(-1, 1, 241)
for axis, R in zip(figure.subplots(1, 4, sharey=True), (1, 2, 3, 5)):
    tau, one = np.linspace(-1, 1, 2 * R + 1)[1::2, None], np.ones((R, 1))
    options = {"pad_value": 1, "scale": 1, "pad": 0}
    seen, _ = multi_branch_upsample(
        ramp.reshape(1, 1, -1, 1), tau, one[:, None, None, None], one / R, one * np.inf, **options
    )
    axis.plot(ramp, ramp, color="#999999", lw=1, ls="--")
    axis.plot(ramp, seen.ravel(), color="#1f4e79")
    axis.set(xlabel="value", title=f"R = {R}: {len(np.unique(seen.round(9)))} levels")
figure.axes[0].set_ylabel("(sum of R signs) / R")
figure

# %% [markdown]
# ## Multi-branch upsampling
#
# Each branch is a whole binary layer with its own threshold, its own binary kernel and its own scale. A gate between 0
# and 1 weights the output of the branch:
#
# $$y_r = \alpha_r \odot \big(\operatorname{sgn}(\operatorname{up}_r(x) - \tau_r) \circledast
# \operatorname{sgn}(w_r)\big), \qquad
# Y = \sum_{r=1}^{R} \sigma(\theta_r) \odot y_r, \qquad \sigma(\theta) = \frac{1}{1 + e^{-\theta}}$$
#
# $\odot$ is the Hadamard product, element by element; $\circledast$ is the convolution of notebook 04. $\theta_r$ is
# one number for each filter, or one for each position and filter.
#
# The source is the paper that this project follows (Ding and others 2024, arXiv 2405.17776). It describes several
# parallel branches, learnt weights, a sigmoid and a Hadamard product. Its exact equations were not available to us. So
# the formula above is a **reconstruction**: its parts are named in the paper, but the places of thresholds and scales
# are ours. An earlier method is Group-Net (Zhuang 2019, arXiv 1811.10413), where several binary branches replace one
# group of float layers. Its gate works differently: the more it closes, the more the mean of all branches passes. And
# its upsampling stays in float.
#
# The specification in loops, on a map of three values, with two branches whose gates are half open:

# %%
x = np.array([-2.0, 0.0, 2.0]).reshape(1, 1, 3, 1)
tau, w, alpha, theta = np.array([[-1.0], [1.0]]), np.ones((2, 1, 1, 1, 1)), np.ones((2, 1)), np.zeros((2, 1))
multi_branch_upsample_loops(x, tau, w, alpha, theta, pad_value=1, scale=(1, 2), pad=0).ravel()

# %% [markdown]
# ### What the gates can do
#
# **Predict.** At one pixel the outputs of two branches are $y_1$ and $y_2$. What is $Y$ for the four pairs of gates
# $(\theta_1, \theta_2)$: $(0, 0)$, $(-\infty, 0)$, $(\infty, \infty)$, $(\ln 3, -\ln 3)$? Note
# $\sigma(\ln 3) = \tfrac{3}{4}$.

# %% prediction="gates"
Y1 = 2.0  # variant: 4.0 | -2.0
Y2 = 6.0  # variant: -4.0 | 10.0
### BEGIN SOLUTION
merged = [(Y1 + Y2) / 2, Y2 / 2, Y1 + Y2, 0.75 * Y1 + 0.25 * Y2]
### END SOLUTION

# %% check="gates"
pairs = [(0, 0), (-np.inf, 0), (np.inf, np.inf), (np.log(3), -np.log(3))]
one, outputs = np.ones((1, 1, 1, 1)), np.array([[Y1], [Y2]])
seen = [np.array(t, float)[:, None] for t in pairs]
options = {"pad_value": 1, "scale": 1, "pad": 0}
truth = [multi_branch_upsample(one, 0 * outputs, np.ones((2, 1, 1, 1, 1)), outputs, t, **options)[0] for t in seen]
check_prediction(merged, np.ravel(truth))

# %% [markdown]
# So $\theta_r = -\infty$ removes a branch, and $\theta = 0$ everywhere gives half of the sum. A single branch with an
# open gate, $\theta = \infty$, is the simple way from above. The gates do not compete: any number of them may be open
# at once.
#
# ### Exercise: `multi_branch_upsample`
#
# Write it with `binarize`, `binary_conv2d` and `sigmoid`. Each of the three returns a pair: value and cache. So does
# `up.forward(x, scale=scale)`, the upsampling of one branch. It is nearest, or one of the two bilinear ones.


# %% exercise="multi_branch_upsample"
def merge_branches(x, tau, w, alpha, theta, *, scale, pad, pad_value, upsamplers):
    """x (N, H, W, C), tau (R, C), w (R, KH, KW, C, F), alpha (R, F), theta (R, F) or (R, OH, OW, F) -> (N, OH, OW, F).

    scale, pad: pairs; pad_value: -1, 0 or 1; upsamplers: R of them, up.forward(x, scale=scale) -> (map, cache).
    """
    ### BEGIN SOLUTION
    y = 0
    for r, up in enumerate(upsamplers):
        u, _ = up.forward(x, scale=scale)
        s, _ = binarize(u, tau[r])
        branch, _ = binary_conv2d(s, w[r], alpha[r], pad=pad, pad_value=pad_value)
        y = y + sigmoid(theta[r])[0] * branch
    return y
    ### END SOLUTION


# %% check="multi_branch_upsample"
check("multi_branch_upsample", merge_branches, max_examples=50)

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# Write one loop over `r` with four steps, in the order of the formula: upsample, sign with threshold, binary
# convolution, gate. `binary_conv2d(s, w, alpha, pad=..., pad_value=...)` takes the signs of `w` and multiplies by
# `alpha` itself.
#
# </details>
# <details><summary>Hint 2</summary>
#
# `binarize(u, tau[r])[0]` are the signs. `sigmoid(theta[r])[0]` has the shape `(F,)` or `(OH, OW, F)`, and both
# broadcast against `(N, OH, OW, F)`. Start with `y = 0` and add.
#
# </details>
#
# **In the library**: `multi_branch_upsample` in `tinybnn/ops/multibranch.py`. For nearest upsampling it takes the sign
# first, on the small map, and never makes the copies. `multi_branch_upsample_packed` in the same file does the same
# with words of bits.
#
# **What would break if** the gates were a softmax over the branches, as in attention?
#
# <details><summary>Answer</summary>
#
# The gates would add up to 1: no two branches could be open at once, and with a single branch $\theta$ would have no
# effect. Equal gates would give the mean of the branches, not half of their sum. It would be a different layer, and
# the paper says sigmoid.
#
# </details>
#
# ### The gradient of the gates
#
# Write $g_r = \sigma(\theta_r)$. The slope of the sigmoid is $g_r (1 - g_r)$, so
#
# $$\frac{\partial L}{\partial \theta_r} = g_r\,(1 - g_r) \sum_{\text{uses of the gate}}
# \frac{\partial L}{\partial Y} \odot y_r$$
#
# The sum runs over all places where the gate was used. A gate per filter, of shape $(F,)$, was used for all images and
# all positions. A gate per position and filter, of shape $(OH, OW, F)$, was used for all images.
#
# ### Exercise: `dtheta`


# %% exercise="gate_gradient"
def gate_gradient(dy, outputs, gates):
    """dy (N, OH, OW, F), outputs: R arrays y_r like dy, gates g (R, F) or (R, OH, OW, F) -> dtheta like gates."""
    ### BEGIN SOLUTION
    shared = tuple(range(dy.ndim - gates[0].ndim))
    return np.stack([g * (1 - g) * (dy * y).sum(axis=shared) for g, y in zip(gates, outputs)])
    ### END SOLUTION


# %% check="gate_gradient"
def with_gate_gradient(dy, cache):
    grads = tinybnn.multi_branch_upsample_backward(dy, cache)
    return grads._replace(dtheta=gate_gradient(dy, cache.outputs, cache.gates))


check("multi_branch_upsample_backward", with_gate_gradient, max_examples=30)

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# `dy * y` has the shape `(N, OH, OW, F)`. Which of these axes does one gate `gates[r]` not have? Sum over them.
#
# </details>
# <details><summary>Hint 2</summary>
#
# `dy.ndim - gates[0].ndim` is 3 or 1. It is the number of axes at the front to sum over: `axis=(0, 1, 2)` or
# `axis=(0,)`. `np.stack` makes one array of R arrays.
#
# </details>
#
# **In the library**: `multi_branch_upsample_backward` in `tinybnn/ops/multibranch.py`. It also computes the other four
# gradients. All $R$ branches read $x$, so `dx` is the sum of their gradients.
#
# **What would break if** a gate started at $\theta = -20$, to "switch on later"?
#
# <details><summary>Answer</summary>
#
# There $g$ is about $2 \cdot 10^{-9}$, and the slope $g (1 - g)$ is as small. So the gate would get almost no
# gradient. The branch would get almost none either, because its gradient is multiplied by $g$. A closed branch stays
# closed. That is why gates start half open, at $\theta = 0$, where the slope is largest, $\tfrac14$.
#
# </details>
#
# ## What is recovered
#
# First an example without a network. Take single values of a photograph after bilinear upsampling, and approximate
# each by $R$ signs and a constant. The scales are those with the smallest squared error (`lstsq`). Which share of the
# variance remains as error?

# %%
photo = load("photos", "val")[3].image.mean(-1, dtype=float)[None, ..., None]
u = upsample_bilinear(photo)[0].ravel()
for R in (1, 2, 3, 5, 8):
    tau = np.quantile(u, np.arange(1, 2 * R, 2) / (2 * R))
    terms = np.stack([sign(u - t) for t in tau] + [np.ones_like(u)], axis=1)
    missed = u - terms @ np.linalg.lstsq(terms, u, rcond=None)[0]
    print(f"R = {R}: {missed.var() / u.var():.3f}")

# %% [markdown]
# A layer has more to work with: a 3 x 3 kernel sees nine neighbours after each threshold. In an experiment of this
# project, $R$ binary branches learn to imitate one float layer (bilinear, then a float convolution). The table gives
# the share of the variance that they miss on held-out photographs, the mean of three seeds:
#
# | branches | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 |
# | --- | --- | --- | --- | --- | --- | --- | --- | --- |
# | share missed | 0.194 | 0.105 | 0.096 | 0.102 | 0.089 | 0.083 | 0.074 | 0.066 |
#
# (Source: the README of the repository; `python -m benchmarks.imitation` computes it again.) The second branch nearly
# halves the error. The next ones gain little, and the fourth even loses a little.
#
# And in a whole network? On street scenes three branches gain 0.010 of mean IoU over one branch, in four seeds of five
# (README; `tinybnn compare --data street --seeds 5 --steps 400`). On the photographs five seeds could show no gain.
# This project does not reproduce any score of the paper.
#
# ### Inside a trained layer
#
# The next network has three branches at each upsampling and trains for 40 steps on photographs. `zoom` and `paint`
# change the size and the colours of the crops, so that no two are alike. This takes some seconds:

# %% tags=["varies"]
training = Training(steps=40, batch=8, crop=64, zoom=(0.66, 0.9), paint=1.0)
run = start(tinybnn.Config(branches=3, attention="none"), training)
print("training for 40 steps ...")
run = train(run, load("photos", "train"))
branches(run, load("photos", "val")[3].image)

# %% [markdown]
# The pictures show the last upsampling. Top: the share of channels whose sign is $+1$, for each branch. The thresholds
# start at quantiles of the input. The first threshold is low, so most values are above it (bright). The third is high
# (dark). So one map becomes three different binary maps. Middle: the mean size of each branch's output, bright for
# large. Bottom: the gates, one bar for each filter (a filter is a channel of the result). They started at one half,
# and 40 steps change them little. Nor are 40 steps enough for a good prediction.
#
# The price is exact, not measured: $R$ times the multiplications.

# %%
for R in (1, 3):
    count = tinybnn.model.cost.multi_branch_count(1, 48, 48, 3, 3, 16, 16, R)
    print(f"R = {R}: {count.binary:,} binary multiplications, {count.scale:,} scales and gates")

# %% [markdown]
# ## What you have
#
# A large map that keeps more than one bit of each value, and gates that weight its branches. What is still missing is
# a way to use the whole image at once. That is attention, and notebook 09 counts what it costs.
