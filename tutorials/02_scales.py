# %% [markdown]
# # 2. Scales: why mean |W|
#
# 40 minutes · needs 01 · explains `tinybnn/ops/binarize.py`, `tinybnn/ops/binary_conv.py`
#
# Afterwards you can
#
# - derive the best scale of a binary filter, and compute by hand the error that remains;
# - say why each filter has its own scale, and why the scale is applied after the sum;
# - write the gradient that reaches the weights through their scale, and say what the factors in published code do.

# %%
import numpy as np

from tinybnn import load, mean_abs, mean_abs_backward, numeric_vjp, sign
from tinybnn.app.pictures import new_figure, pictures
from tinybnn.model.optim import adam
from tinybnn.ops.binarize import mean_abs_loops
from tinybnn.testing import check, check_prediction

# %% [markdown]
# ## What a sign loses
#
# A layer of a network consists of **filters**. A filter is a list of $n$ weights $w_1 \ldots w_n$. For $n$ input values
# $x_i$ it computes one number, $\sum_i x_i w_i$. For images the $n$ weights have a shape, $KH$ rows, $KW$ columns and
# $C$ channels, and $n = KH \cdot KW \cdot C$ (notebook 04 moves them over a map).
#
# A binary network uses $b_i = \operatorname{sgn}(w_i)$ instead of $w_i$. That takes one bit for each weight, but the
# sizes of the weights are lost. So each filter gets one float, its **scale** $\alpha$, and uses $\alpha b_i$. Here is a
# filter of 7 x 7 weights that responds to vertical edges, with its sign and its scaled sign:

# %%
row, col = np.mgrid[-3:4, -3:4]
edge = -col * np.exp(-(row**2 + col**2) / 6)
alpha = abs(edge).mean()
shown = {"w": edge, "sgn(w)": sign(edge), "alpha sgn(w)": alpha * sign(edge)}
shown["error: w - alpha sgn(w)"] = edge - alpha * sign(edge)
print(f"alpha = {alpha:.3f}")
pictures(shown, width=2.1, cmap="gray", vmin=-1.5, vmax=1.5)

# %% [markdown]
# White is $+1.5$, grey 0 and black $-1.5$. The sign alone is much too large. With the scale, the left half is on
# average about as bright as the left half of $w$. In the middle column $w$ is 0, and $\operatorname{sgn}(0) = +1$
# (notebook 01).
#
# ## The best scale
#
# How far is $\alpha b$ from $w$? We measure the squared error. Two facts simplify it: $b_i^2 = 1$, and $w_i b_i =
# |w_i|$.
#
# $$E(\alpha) = \sum_i (w_i - \alpha b_i)^2 = \sum_i w_i^2 - 2\alpha \sum_i |w_i| + n\alpha^2$$
#
# This is a parabola in $\alpha$. Let $m = \frac{1}{n}\sum_i |w_i|$, the mean $|w|$, and complete the square:
#
# $$E(\alpha) = n\,(\alpha - m)^2 + \lVert w \rVert^2 - n\,m^2$$
#
# The square is never negative, and it is 0 at $\alpha = m$. So
#
# $$\alpha = \frac{1}{n} \sum_i |w_i|, \qquad \lVert w - \alpha b \rVert^2 = \lVert w \rVert^2 - n\,\alpha^2$$
#
# (XNOR-Net, Rastegari 2016, arXiv 1603.05279, eq. 6; status *exact*. The second equation follows from the first.) If
# you set the derivative $2n\alpha - 2\sum_i |w_i|$ to 0, you get the same. No other $b$ is better than the signs: for
# $\alpha > 0$ the middle term $-2\alpha\sum_i w_i b_i$ is smallest where every $w_i b_i$ is $|w_i|$.
#
# **Predict.** What is the best scale of this filter, and what squared error remains?

# %% prediction="scale"
W = np.array([0.5, -2.5, 0.0, 1.0])  # variant: np.array([-1.0, 3.0, -1.5, 0.5]) | np.array([2.0, -0.5, -0.5, 1.0])
### BEGIN SOLUTION
best = np.abs(W).mean()
left = (W**2).sum() - 4 * best**2
### END SOLUTION

# %% check="scale"
found = mean_abs(W[:, None])[0][0]
check_prediction([best, left], [found, ((W - found * sign(W)) ** 2).sum()])

# %% [markdown]
# The next figure shows the error of four filters of 100 weights. All have the same length, $\lVert w \rVert^2 = 100$,
# but their weights have different distributions.

# %%
rng = np.random.default_rng(0)
filters = {"all the same size": rng.choice([-1.0, 1.0], 100), "evenly spread": rng.uniform(-1, 1, 100)}
filters |= {"normal": rng.normal(size=100), "a few are large": rng.normal(size=100) ** 3}
figure = new_figure(6.5, 3.2)
axis, a = figure.subplots(), np.linspace(0, 1.6, 200)
for (name, w), style in zip(filters.items(), (":", "-.", "-", "--")):
    w = 10 * w / np.linalg.norm(w)
    curve = axis.plot(a, [((w - k * sign(w)) ** 2).sum() for k in a], style, label=name)
    m = abs(w).mean()
    axis.plot(m, 100 - 100 * m**2, "o", color=curve[0].get_color())
axis.set(xlabel="alpha", ylabel="squared error", ylim=(-4, 105))
axis.legend(loc=(0.56, 0.62))
figure

# %% [markdown]
# All four parabolas start at 100: there $\alpha = 0$, which is the same as no filter. All have the same curvature,
# because each contains $n\alpha^2$. The dots are at mean $|w|$, at the height that the equation above gives. Each dot
# is at the bottom of its parabola. The more the sizes of the weights differ, the larger is the error. If all sizes are
# equal, it is 0. For normal weights the mean $|w|$ is $\sqrt{2/\pi}$ of the standard deviation, so the share that
# remains tends to $1 - 2/\pi$. For evenly spread weights it tends to $1 - (1/2)^2 / (1/3) = 1/4$:

# %%
for name, w in filters.items():
    print(f"{name:17s} error {100 * (1 - len(w) * abs(w).mean() ** 2 / (w**2).sum()):5.1f} % of |w|^2")
print(f"1 - 2/pi = {100 * (1 - 2 / np.pi):.1f} %")

# %% [markdown]
# ### Exercise: `mean_abs`
#
# The weights have the shape (KH, KW, C, F): the $n$ weights of filter $f$ are `w[..., f]`. The specification adds them
# one by one:

# %%
kernel = np.array([[1.0, -4.0], [-3.0, 0.0]]).reshape(2, 1, 1, 2)  # two rows, two filters
mean_abs_loops(kernel)


# %% exercise="mean_abs"
def scales_of(w):
    """Floats w (KH, KW, C, F), filters last -> alpha (F,), in the dtype of w."""
    ### BEGIN SOLUTION
    return np.abs(w).mean(axis=(0, 1, 2))
    ### END SOLUTION


# %% check="mean_abs"
check("mean_abs", scales_of)

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# A filter is everything under one index of the last axis. So take the mean over all other axes.
#
# </details>
# <details><summary>Hint 2</summary>
#
# `.mean(axis=...)` takes a tuple of axes. You can also use `w.reshape(-1, F)`, which has one row for each weight.
#
# </details>
#
# **In the library**: `mean_abs` in `tinybnn/ops/binarize.py`. It takes any number of axes before F, and returns the
# scale and a cache, as every forward function does (notebook 01).
#
# **What would break if** you took the root mean square, `np.sqrt((w**2).mean(...))`? Then $\alpha b$ would be as long
# as $w$, which seems a good choice.
#
# <details><summary>Answer</summary>
#
# The error would be larger. The root mean square is never smaller than the mean $|w|$, so every scale is too large,
# except where all $|w|$ are equal. For normal weights it is $\sqrt{\pi/2} = 1.25$ times too large. With this scale the
# error $E(\alpha)$ is $2\lVert w\rVert^2 (1 - \sqrt{2/\pi})$, which is 40 % of $\lVert w\rVert^2$ and not 36 %. The
# distance from $\alpha b$ to $w$ matters, not the length of $\alpha b$.
#
# </details>
#
# ## One scale for each filter
#
# Why not one $\alpha$ for the whole layer? Somebody asked for it, to save time (jiecaoyu/XNOR-Net-PyTorch#69). A layer
# has $F$ filters of $n$ weights. By the equation above, a common scale $\bar\alpha$, the mean of all $|w|$, leaves the
# error $\lVert W \rVert^2 - nF\bar\alpha^2$. Separate scales leave $\lVert W \rVert^2 - n\sum_f \alpha_f^2$. The
# difference is
#
# $$n \Big( \sum_f \alpha_f^2 - F\bar\alpha^2 \Big) = n \sum_f (\alpha_f - \bar\alpha)^2$$
#
# (this derivation is *ours*). It is never negative, and it is large if the filters differ in size.
#
# **Predict.** Two filters of 8 weights each have these scales. How much larger is the error with a common scale than
# with separate ones?

# %% prediction="more"
ALPHAS = [0.5, 1.5]  # variant: [1.0, 3.0] | [0.25, 0.75]
### BEGIN SOLUTION
more = 8 * sum((a - sum(ALPHAS) / 2) ** 2 for a in ALPHAS)
### END SOLUTION

# %% check="more"
pair = np.random.default_rng(0).exponential(size=(8, 2))
pair *= ALPHAS / mean_abs(pair)[0]
error = {"own": ((pair - mean_abs(pair)[0]) ** 2).sum(), "common": ((pair - pair.mean()) ** 2).sum()}
check_prediction(more, error["common"] - error["own"])

# %% [markdown]
# The next figure shows eight filters of 3 x 3 x 16 normal weights. Each filter is four thirds the size of the one
# before. What share of $\lVert w \rVert^2$ remains as error in each filter?

# %%
layer = np.random.default_rng(0).normal(size=(3, 3, 16, 8)) * (4 / 3) ** np.arange(8)
own, common = mean_abs(layer)[0], np.abs(layer).mean()
squares = (layer**2).sum(axis=(0, 1, 2))
figure = new_figure(6.5, 2.8)
axis = figure.subplots()
for shift, name, scale, colour in ((-0.2, "common scale", common, "#c0c0c0"), (0.2, "own scale", own, "#1f4e79")):
    share = ((layer - scale * sign(layer)) ** 2).sum(axis=(0, 1, 2)) / squares
    axis.bar(np.arange(8) + shift, 100 * share, 0.4, label=name, color=colour)
    print(f"{name}: the error of the layer is {100 * (share * squares).sum() / squares.sum():.0f} % of |W|^2")
axis.axhline(100, color="black", lw=1, ls="--")
axis.set(xlabel="filter, from small to large", ylabel="error, % of |w|^2")
axis.legend()
figure

# %% [markdown]
# A filter above the dashed line would have a smaller error with scale 0. With its own scale every filter loses about
# the same share, small or large. The price is one float for each filter.
#
# The sizes here are invented. Batch norm, which follows most layers (notebook 06), divides the output of each filter by
# its standard deviation, so it also corrects a wrong scale. After batch norm the scale matters little.
#
# ## The scale comes after the sum
#
# The inputs of a binary layer are signs too. So
#
# $$y = \sum_i x_i\,(\alpha b_i) = \alpha \sum_i x_i b_i = \alpha z$$
#
# and $z$ is a sum of $n$ numbers $+1$ or $-1$: a **whole number**. Floats hold whole numbers exactly (float32 up to
# $2^{24}$), in any order of addition. Then there is one multiplication and one rounding. If $\alpha$ is inside the sum,
# every addition may round:

# %%
for n in (6, 10, 1000):
    before, z = 0.0, 0
    for _ in range(n):
        before, z = before + 0.1, z + 1
    print(f"{n:4d} products of +1, alpha = 0.1: inside {before!r}, after {0.1 * z!r}")

# %% [markdown]
# The last digits differ. The result with $\alpha$ inside may even be nearer to the truth, but its last digits depend on
# the order of addition, and so on the machine. With the scale after the sum, `z` may also come from counting bits
# (notebook 03), and `y` is the same **by `==`**.
#
# **Predict.** A filter of five weights, with its best scale, gets five inputs. What are `z` and `y`?

# %% prediction="product"
X = np.array([1.0, 1.0, -1.0, 1.0, -1.0])  # variant: np.array([-1.0, 1.0, 1.0, 1.0, 1.0])
W5 = np.array([3.0, -1.0, -0.5, 1.5, -4.0])  # variant: np.array([0.75, 0.75, -0.5, -0.25, -0.25])
### BEGIN SOLUTION
z = (X * np.where(W5 >= 0, 1, -1)).sum()
y = z * np.abs(W5).mean()
### END SOLUTION

# %% check="product"
check_prediction([z, y], [X @ sign(W5), X @ sign(W5) * mean_abs(W5[:, None])[0][0]])

# %% [markdown]
# ### Exercise: `binary_conv2d`, as a matrix product
#
# Many inputs at once are the rows of a matrix, and the filters are the columns of another. The weights are **latent
# weights**: the floats whose signs the network uses (notebook 01). The scale is an argument, because it need not be the
# mean $|w|$ (see the end of this notebook).


# %% exercise="binary_conv2d"
def scaled_product(x, w, alpha):
    """Rows x (M, n) of +1 and -1, latent weights w (n, F), alpha (F,) -> y (M, F)."""
    ### BEGIN SOLUTION
    return (x @ sign(w)) * alpha
    ### END SOLUTION


# %% check="binary_conv2d"
def on_windows(x, w, alpha):
    """A convolution is such a product: each position of the window is a row (notebook 04)."""
    positions = np.lib.stride_tricks.sliding_window_view(x, w.shape[:2], axis=(1, 2))
    rows = np.moveaxis(positions, 3, -1).reshape(-1, w[..., 0].size)
    return scaled_product(rows, w.reshape(-1, len(alpha)), alpha).reshape(*positions.shape[:3], -1)


check("binary_conv2d", on_windows, pad_values=[1], options={"pad": 0, "stride": 1, "dilation": 1, "groups": 1})

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# Only the signs of the latent weights enter the product.
#
# </details>
# <details><summary>Hint 2</summary>
#
# `x @ ...` has the shape (M, F), and a vector (F,) is broadcast over its rows. Take `sign`, not `np.sign`, which turns
# a weight of 0 into 0. The check may not detect that.
#
# </details>
#
# **In the library**: `binary_conv2d` in `tinybnn/ops/binary_conv.py`. Step (1) is the sign, `quantizer.hard(w)`. Step
# (2) is the convolution, and step (3) the scale, after the sum. The check also accepts `x @ (alpha * sign(w))`, because
# it allows for the rounding of floats.
#
# **What would break if** you forgot the signs and multiplied by `w` itself?
#
# <details><summary>Answer</summary>
#
# Training would go better than it should, because the layer is then a float layer with an unnecessary factor. Packed
# into bits it becomes a different and much worse network. You notice such a mistake only if you compare the trained
# network with the packed one.
#
# </details>
#
# ## The gradient through the scale
#
# If $\alpha$ is the mean $|w|$, a weight affects the loss in two ways: through its own sign, and through the scale of
# the whole filter. The product rule gives a sum. Let $v_i = \alpha b_i$ be the scaled weights, and `dv` their gradient:
#
# $$\frac{\partial L}{\partial w_i} = \underbrace{\alpha\, \frac{\partial L}{\partial v_i} \cdot
# [\,|w_i| \le 1\,]}_{\text{through the sign}} \;+\;
# \underbrace{\frac{\operatorname{sgn}(w_i)}{n}\, \frac{\partial L}{\partial \alpha}}_{\text{through the scale}}, \qquad
# \frac{\partial L}{\partial \alpha} = \sum_j \frac{\partial L}{\partial v_j}\, b_j$$
#
# The first part is the straight-through estimator of notebook 01. The second is exact calculus: $\alpha$ is a mean of
# $|w_i|$, and the slope of $|w|$ is the sign of $w$. Somebody asked whether that slope is not 1
# (jiecaoyu/XNOR-Net-PyTorch#122). It is 1 only for a positive $w$.
#
# At $w = 0$ the function $|w|$ has a **kink**: its slope jumps from $-1$ to $+1$, and there is no derivative. Every
# number from $-1$ to $1$ is the slope of a line that touches $|w|$ from below at 0. Such a slope is called a
# **sub-gradient**. Central differences give the middle one, 0. The library takes $+1$, as its sign does.
#
# **Predict.** One filter has four weights, and the gradient of its scale is `UP`. What gradient does each weight get
# through the scale?

# %% prediction="through"
W4 = np.array([0.5, -2.0, 0.0, 3.0])  # variant: np.array([-0.1, 0.0, -4.0, 1.0]) | np.array([0.0, 2.0, -0.5, -7.0])
UP = 8.0  # variant: -2.0 | 6.0
### BEGIN SOLUTION
through = UP / 4 * np.where(W4 >= 0, 1, -1)
### END SOLUTION

# %% check="through"
check_prediction(through, mean_abs_backward(np.array([UP]), W4[:, None])[:, 0])

# %% [markdown]
# The size of a weight does not matter here, and there is no mask. A weight beyond 1 gets nothing through its sign, but
# it gets this gradient.
#
# ### Exercise: `mean_abs_backward`


# %% exercise="mean_abs_backward"
def scales_backward(dalpha, w):
    """dalpha (F,), w (KH, KW, C, F) -> dw, of the shape of w."""
    ### BEGIN SOLUTION
    n = w[..., 0].size
    return sign(w) * dalpha / n
    ### END SOLUTION


# %% check="mean_abs_backward"
check("mean_abs_backward", scales_backward)

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# $n$ is the number of weights of *one* filter. `dalpha` is broadcast along the last axis without any change.
#
# </details>
# <details><summary>Hint 2</summary>
#
# `w[..., 0]` is the first filter, and its `.size` is $n$. Then you need only `sign(w)`, `dalpha` and a division.
#
# </details>
#
# **In the library**: `mean_abs_backward` in `tinybnn/ops/binarize.py`. `binary_conv2d_backward` gives the part through
# the sign, and `dalpha`. `weight_scale_backward` in `tinybnn/model/blocks.py` adds the part through the scale.
#
# **What would break if** the scale were treated as a constant, without a gradient?
#
# <details><summary>Answer</summary>
#
# The network would still train. But a latent weight beyond 1 would get no gradient at all, because nothing passes its
# sign. And no gradient check would pass, because a check changes `w` and then the scale changes too.
#
# </details>
#
# ## Factors in published code
#
# The paper on XNOR-Net gives another formula (Rastegari 2016, section 3.1). A version of its code for PyTorch does not
# use it, and jiecaoyu/XNOR-Net-PyTorch#1 asks why:
#
# $$\frac{\partial L}{\partial w_i} = \frac{\partial L}{\partial v_i} \Big( \frac{1}{n} +
# \alpha\, [\,|w_i| \le 1\,] \Big)$$
#
# Of the sum over $j$ this formula keeps only the term $j = i$, where $\operatorname{sgn}(w_i)\, b_i = 1$. That would be
# right if $w_i$ changed only the $\alpha$ in its own $v_i$. Which formula is right? Central differences are zero
# through a sign, but not through a scale:

# %%
w, dv = np.array([[0.6], [-0.2], [-1.5], [0.9]]), np.array([[1.0], [2.0], [-3.0], [0.5]])
dalpha = (dv * sign(w)).sum(axis=0)
print("differences  ", numeric_vjp(lambda w: mean_abs(w)[0] * sign(w), (w,), dv)[0].ravel().round(6))
print("product rule ", mean_abs_backward(dalpha, w).ravel())
print("1/n alone    ", (dv / 4).ravel())

# %% [markdown]
# The product rule is right. The PyTorch version computes the full sum, and in the other part it sets to 0 what is
# beyond $-1$ and $1$ (jiecaoyu/XNOR-Net-PyTorch#24: that is the mask of the sign). At the end it multiplies by more
# factors, and many have asked why (allenai/XNOR-Net#3, #10; jiecaoyu/XNOR-Net-PyTorch#28, #37, #47, #70, #126):
#
# - $1 - 1/C$: both programs first subtract from the weights their mean over the channels. This factor is the part of
#   *that* gradient with $j = i$.
# - $n$, and in the code for ImageNet $10^9$: these do not follow from calculus. The author of the PyTorch version says
#   that they weaken weight decay, and that any large number would do (#41, #126).
#
# How can a factor on the gradient do that? **Weight decay** adds a small multiple of each weight to its gradient, to
# pull the weight towards 0. **Adam**, the optimizer used there, divides a gradient by its own size. Here is its first
# step from a weight of $-0.5$ with a gradient of 0.001:

# %%
start = {"w": np.array([-0.5])}
for factor in (1, 1e9):
    with_decay = {"w": factor * 0.001 + 0.01 * start["w"]}
    after, _ = adam().step(start, with_decay, adam().init(start), lr=0.1, t=1)
    print(f"factor {factor:.0e}: gradient and decay {with_decay['w'][0]:10.3g}, the weight goes to {after['w'][0]:.1f}")

# %% [markdown]
# The step is 0.1 in both cases, because Adam divides the factor out again. Without the factor, the decay is five times
# the gradient and decides the direction. With the factor, the decay is negligible. So $10^9$ is a complicated way to
# write `decay=0`. With plain SGD the step would be $10^9$ times too long. This library has no such factor. Notebook 07
# shows what decay does to latent weights.
#
# ## The best scale for the weights, or for the loss?
#
# With $\alpha$ = mean $|w|$, $\alpha b$ is nearest to $w$. But we want a small loss, and the loss depends on the
# *outputs*. Let the inputs be the rows of $X$, the outputs of the filter $u = Xw$, and $z = Xb$. The scale with which
# $\alpha z$ is nearest to $u$ is $\langle u, z \rangle / \langle z, z \rangle$, as completing the square shows again.
# If inputs are independent, it tends to mean $|w|$. In images, neighbouring pixels are similar:

# %%
grey = np.stack([sample.image.mean(-1) for sample in list(load("photos", "val"))[:8]])
patches = np.lib.stride_tricks.sliding_window_view(sign(grey - grey.mean()), (3, 3), axis=(1, 2)).reshape(-1, 9)
rng = np.random.default_rng(0)
W9 = rng.normal(size=(9, 4)).astype(np.float32)
for name, x in (("random signs", sign(rng.normal(size=patches.shape))), ("photographs", patches)):
    u, z = x @ W9, x @ sign(W9)
    ratio = (u * z).sum(axis=0) / (z * z).sum(axis=0) / mean_abs(W9)[0]
    print(f"{name:12s}: best scale for the output / mean |w| =", " ".join(f"{r:.2f}" for r in ratio))

# %% [markdown]
# For the photographs the best scale is different, larger or smaller. So one can also make $\alpha$ a parameter and
# learn it, with the gradient $\partial L / \partial \alpha$ above. This library does so by default, starting from mean
# $|w|$, because the paper whose network it rebuilds says that scales are learnt (Ding 2024, arXiv 2405.17776).
# `Config(scale="mean")` takes the mean in every step.
#
# ## What you have
#
# A filter now takes one bit for each weight and one float, and you have a gradient for both. Between them is a whole
# number, a sum of $n$ signs. Notebook 03 computes it without any multiplication, 64 signs at a time.
