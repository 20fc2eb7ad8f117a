# %% [markdown]
# # 6. Batch norm, and the threshold it becomes
#
# 45 minutes · needs 01, 03, 04 · explains `tinybnn/ops/norm.py`, `tinybnn/ops/fold.py`
#
# Afterwards you can
#
# - normalise a channel by hand, say how training and evaluation differ, and write the backward pass;
# - say why the norm comes before the sign, and where pooling belongs;
# - turn scale, batch norm and sign into one comparison of whole numbers that gives the same bits.

# %%
import numpy as np

from tinybnn import fold_batch_norm, max_pool2d, numeric_vjp, sign, update_running
from tinybnn.app.pictures import new_figure
from tinybnn.ops.norm import batch_norm, batch_norm_backward, batch_norm_inference, batch_norm_loops, scale_shift
from tinybnn.testing import check, check_prediction

# %% [markdown]
# ## What a sign needs
#
# A binary convolution gives whole numbers (notebook 04). The sign of the next layer keeps only whether a number is
# below zero. So in every channel some numbers should be below zero and some above. **Batch norm** moves and scales each
# channel:
#
# $$y = \gamma_c\,\frac{x - \mu_c}{\sqrt{\sigma_c^2 + \varepsilon}} + \beta_c$$
#
# $\mu_c$ and $\sigma_c^2$ are the mean and the variance of channel $c$, over all images, rows and columns of *this*
# batch. With $n$ values in a channel, $\sigma_c^2 = \frac{1}{n}\sum (x - \mu_c)^2$. The small $\varepsilon$, here
# $10^{-5}$, prevents a division by 0 if all values of a channel are equal. $\gamma_c$ and $\beta_c$ are learnt. (Ioffe
# and Szegedy 2015, arXiv 1502.03167, algorithm 1; status *exact*.)
#
# **Predict.** One channel has the four values `z`. What are the four values of `y`?

# %% prediction="normalised"
z = np.array([3.0, 7.0, 3.0, 7.0])  # variant: np.array([4.0, 4.0, 10.0, 10.0]) | np.array([9.0, 5.0, 5.0, 9.0])
GAMMA = 3.0  # variant: 2.0 | -1.0
BETA = 1.0  # variant: -2.0 | 0.0
### BEGIN SOLUTION
normalised = GAMMA * (z - z.mean()) / z.std() + BETA
### END SOLUTION

# %% check="normalised"
check_prediction(normalised, batch_norm(z[:, None], np.array([GAMMA]), np.array([BETA]))[0][:, 0])

# %% [markdown]
# The specification, `batch_norm_loops` in `tinybnn/ops/norm.py`, computes one channel after the other. Here are two
# channels with different mean and deviation. After the norm both have mean 0 and deviation 1:

# %%
x = np.random.default_rng(0).normal([20, -40], [2, 5], (500, 2))
gamma, beta = np.ones(2), np.zeros(2)
y = batch_norm_loops(x, gamma, beta)
print("mean     ", x.mean(axis=0).round(2), "->", abs(y.mean(axis=0)).round(2))
print("deviation", x.std(axis=0).round(2), "->", y.std(axis=0).round(2))

# %% [markdown]
# ### First the norm, then the sign
#
# What share of the signs is +1 with the norm before the sign, and without it? And what does a norm *after* the sign
# give?

# %%
print("sign alone     ", (sign(x) > 0).mean(axis=0))
print("norm, then sign", (sign(y) > 0).mean(axis=0))
print("sign, then norm", batch_norm(sign(x), gamma, beta)[0].round(2)[:5].tolist())

# %% [markdown]
# If all values of a channel are on one side of zero, all its signs are equal. A norm after the sign gets a constant. A
# constant minus its mean is 0, so the output is $\beta$ everywhere. No later layer can restore what the sign has
# removed.
#
# ### Pooling
#
# Max pooling divides a map into windows and keeps the largest value of each. It can come before or after the sign, too.
# The largest of several signs is +1 unless *all* of them are -1.
#
# **Predict.** Signs are drawn at random, +1 and -1 with equal probability. What share is +1 after max pooling over
# windows of `POOL` x `POOL`? Two decimals.

# %% prediction="share"
POOL = 2  # variant: 3 | 1
### BEGIN SOLUTION
share = 1 - 0.5 ** (POOL * POOL)
### END SOLUTION

# %% check="share"
noise = np.random.default_rng(0).normal(size=(1, 480, 480, 1))
check_prediction(share, (max_pool2d(sign(noise), kernel=POOL)[0] > 0).mean())

# %% [markdown]
# The order in a block of XNOR-Net is (Rastegari 2016, arXiv 1603.05279): **norm, sign, binary convolution, pooling**.
# So the pooling gets whole numbers, and the norm of the *next* block centres its result:

# %%
one, zero = np.ones(1), np.zeros(1)
orders = {
    "norm, sign, pool": max_pool2d(sign(batch_norm(noise, one, zero)[0]), kernel=2)[0],
    "pool, norm, sign": sign(batch_norm(max_pool2d(noise, kernel=2)[0], one, zero)[0]),
}
for order, signs in orders.items():
    print(f"{order}: {(signs > 0).mean():.2f} are +1")

# %% [markdown]
# Many have asked about this order (jiecaoyu/XNOR-Net-PyTorch#35 and #90, hpi-xnor/BMXNet#49, JDAI-CV/dabnn#69).
#
# ## The backward pass
#
# Let $\hat{x} = (x - \mu)/s$ with $s = \sqrt{\sigma^2 + \varepsilon}$. The gradient of $\hat{x}$ is $g = \gamma \cdot
# \partial L/\partial y$. One $x_j$ affects the loss in three ways:
#
# 1. through its own $\hat{x}_j$, which gives $g_j / s$;
# 2. through the mean: $x_j$ adds $x_j / n$ to it, and every $\hat{x}_i$ contains $-\mu/s$. This gives $-\frac{1}{n
#    s}\sum_i g_i$;
# 3. through the variance: $\frac{\partial \sigma^2}{\partial x_j} = \frac{2}{n}(x_j - \mu)$ and $\frac{\partial
#    \hat{x}_i}{\partial \sigma^2} = -\frac{\hat{x}_i}{2 s^2}$ give $-\frac{1}{n s}\,\hat{x}_j \sum_i g_i \hat{x}_i$.
#
# The gradients of the parameters are $\partial L/\partial\beta = \sum_i \partial L/\partial y_i$ and $\partial
# L/\partial\gamma = \sum_i \hat{x}_i\,\partial L/\partial y_i$. With them the sum of the three is
#
# $$\frac{\partial L}{\partial x_j} = \frac{\gamma}{s}\left(\frac{\partial L}{\partial y_j}
# - \frac{1}{n}\frac{\partial L}{\partial \beta} - \frac{\hat{x}_j}{n}\frac{\partial L}{\partial \gamma}\right)$$
#
# We check it: here is the sum of the three terms, and the central differences.

# %%
x, gamma, beta = np.array([[1.0], [2.0], [4.0], [9.0]]), np.array([2.0]), np.array([0.5])
dy = np.array([[1.0], [0.0], [-2.0], [0.5]])
differences = numeric_vjp(lambda x: batch_norm(x, gamma, beta)[0], (x,), dy)[0]
n, s = 4, np.sqrt(x.var() + 1e-5)
x_hat = (x - x.mean()) / s
terms = [dy, -dy.sum() / n, -x_hat * (dy * x_hat).sum() / n]
(gamma / s * sum(terms)).ravel().round(6), differences.ravel().round(6)

# %% [markdown]
# **Predict.** The gradient `dy` is `DY` for all four values of `x`. What are the four values of `dx`?

# %% prediction="dx"
DY = 1.0  # variant: 5.0 | -3.0
### BEGIN SOLUTION
dx = np.zeros(4)
### END SOLUTION

# %% check="dx"
_, cache = batch_norm(x, gamma, beta)
check_prediction(dx, batch_norm_backward(np.full((4, 1), DY), cache).dx[:, 0])

# %% [markdown]
# If all four values grow by the same amount, the norm subtracts it again, and no output changes. So a constant in `dy`
# adds nothing to `dx`. If the four values are stretched about their mean, the norm removes that too. So a multiple of
# $\hat{x}$ in `dy` adds nothing to `dx` either, except a little because of $\varepsilon$.
#
# ### Exercise: `batch_norm_backward`
#
# The library's cache contains what you need: `centred` is $x - \mu$, `std` is $s$, `rows` is $n$.


# %% exercise="batch_norm_backward"
def norm_backward(dy, cache):
    """dy and centred (..., C), gamma and std (C,), rows a number -> dx (..., C), dgamma (C,), dbeta (C,)."""
    centred, gamma, std, _, _, rows = cache
    ### BEGIN SOLUTION
    axes = tuple(range(dy.ndim - 1))
    dbeta = dy.sum(axis=axes)
    dgamma = (dy * centred).sum(axis=axes) / std
    dx = gamma / std * (dy - dbeta / rows - centred * dgamma / (rows * std))
    return dx, dgamma, dbeta
    ### END SOLUTION


# %% check="batch_norm_backward"
check("batch_norm_backward", norm_backward)

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# Sum over everything except channels: over the axes `tuple(range(dy.ndim - 1))`. The equations above give all three
# results.
#
# </details>
# <details><summary>Hint 2</summary>
#
# $\hat{x}$ is `centred / std`. Compute both sums first. `dbeta` and `dgamma` are sums, and only `dx` needs them divided
# by `rows`.
#
# </details>
#
# **In the library**: `batch_norm_backward` in `tinybnn/ops/norm.py`, with the same three terms. It adds the last two in
# place, which is faster.
#
# **What would break if** you treated the mean and the variance as constants, and returned $\gamma/s \cdot dy$ alone?
#
# <details><summary>Answer</summary>
#
# A network would still learn. But each step would also move all values of a channel in one direction, which the norm
# undoes in the next forward pass. A gradient of ones shows the mistake: the result is $\gamma/s$ where 0 is right.
#
# </details>
#
# ## Training and evaluation
#
# In training, the statistics are those of the batch. In evaluation, the result for an image must not depend on the
# other images. So training keeps a running average of both statistics, and evaluation uses that. The library does not
# overwrite the old averages: `update_running` *returns* the new pair.

# %%
rng = np.random.default_rng(0)
mean, var = np.zeros(1), np.ones(1)
for t in range(1, 61):
    _, cache = batch_norm(rng.normal(3, 2, (64, 1)), one, zero)
    mean, var = update_running(mean, var, cache, momentum=0.9)
    if t in (1, 10, 60):
        print(f"after {t:2} batches: mean {mean[0]:.2f}, variance {var[0]:.2f}; the truth: 3 and 4")

# %% [markdown]
# The new value is `momentum * old + (1 - momentum) * batch`: `momentum` is the share of the old value that is *kept*.
# In PyTorch the parameter of that name is the share that is replaced, 0.1 for our 0.9. (The variance of the batch is
# multiplied by $n / (n - 1)$ here: algorithm 2 of the same paper.)
#
# How much do the two modes differ? The mean of $n$ normal values differs from the true mean by $\sigma\sqrt{2/(\pi n)}$
# on average. Near its mean a channel has a share of $1/(\sigma\sqrt{2\pi})$ of its values per unit of length. The
# product, $1/(\pi\sqrt{n})$, is about the share of signs in which training and evaluation differ.

# %%
sizes = 2 ** np.arange(1, 13)
gaps = []
for n in sizes:
    x = np.random.default_rng(n).normal(3, 2, (2**18 // n, n))  # rows are batches of one channel
    gaps.append(np.mean((x >= x.mean(axis=1, keepdims=True)) != (x >= 3)))
figure = new_figure(6, 2.8)
axis = figure.subplots()
axis.loglog(sizes, gaps, "o-", base=2, label="counted")
axis.loglog(sizes, 1 / (np.pi * np.sqrt(sizes)), "--", color="black", base=2, label=r"$1/(\pi\sqrt{n})$")
axis.set(xlabel="values in a channel, n = images x rows x columns", ylabel="share of signs that differ")
axis.legend()
figure

# %% [markdown]
# A small batch of small maps has few values in a channel. Then training has noise that evaluation does not have, and a
# wrong sign is wrong by 2. The opposite mistake is to use the statistics of the batch in evaluation, too. Then an image
# gets a different answer alone than in a batch, and a single vector always gives $\beta$ (itayhubara/BinaryNet.tf#9; #1
# there is about a low accuracy whose cause was not found).
#
# ### Two numbers for each channel
#
# With fixed statistics, batch norm is one multiplication and one addition:
#
# $$y = x \cdot \text{scale} + \text{shift}, \qquad \text{scale} = \frac{\gamma}{\sqrt{\sigma^2 + \varepsilon}}, \quad
# \text{shift} = \beta - \mu \cdot \text{scale}$$
#
# **Predict** both, for one channel with variance 3 and $\varepsilon = 1$.

# %% prediction="two_numbers"
GAMMA = 6.0  # variant: -6.0 | -2.0
BETA = 5.0  # variant: 2.0 | -4.0
MEAN = 3.0  # variant: -1.0 | 4.0
### BEGIN SOLUTION
scale = GAMMA / 2
shift = BETA - MEAN * scale
### END SOLUTION

# %% check="two_numbers"
parameters = np.array([[GAMMA], [BETA], [MEAN], [3.0]])
check_prediction([scale, shift], np.ravel(scale_shift(*parameters, eps=1)))

# %% [markdown]
# ### Exercise: `batch_norm_inference`


# %% exercise="batch_norm_inference"
def multiply_add(x, gamma, beta, mean, var, *, eps):
    """x (..., C); gamma, beta, mean, var (C,) -> y (..., C), as one multiplication and one addition of x."""
    ### BEGIN SOLUTION
    scale = gamma / np.sqrt(var + eps)
    return x * scale + (beta - mean * scale)
    ### END SOLUTION


# %% check="batch_norm_inference"
check("batch_norm_inference", multiply_add)

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# Channels are the last axis, so arrays of shape (C,) broadcast without any change.
#
# </details>
# <details><summary>Hint 2</summary>
#
# Two lines: the scale, then `x * scale + ...`. Add $\varepsilon$ under the root.
#
# </details>
#
# **In the library**: `batch_norm_inference` and `scale_shift` in `tinybnn/ops/norm.py`. The docstring promises exactly
# this multiplication and this addition, in this order. If another program is to give the same bits, it must round in
# the same places.
#
# **What would break if** $\varepsilon$ were added outside the root?
#
# <details><summary>Answer</summary>
#
# In channels whose values vary, only a few last digits would change. But in a dead channel $\sigma = 0$. Then the root
# is $\sqrt{10^{-5}} \approx 0.0032$ with $\varepsilon$ inside, and with $\varepsilon$ outside the divisor is $0.00001$,
# so the scale is 316 times too large. keras-team/keras#10427 and Tencent/ncnn#311 are about it.
#
# </details>
#
# ## One comparison
#
# A binary convolution is followed by its scale $\alpha$, the norm, and the next sign. From here on $n$ is the number of
# products in a sum, $KH \cdot KW \cdot C$:
#
# $$s = \operatorname{sgn}\!\big(\alpha z \cdot \text{scale} + \text{shift}\big), \qquad z \in \{-n, \dots, n\}$$
#
# But $z$ is a whole number with only $2n + 1$ possible values. The next figure shows the float expression for every one
# of them, in three filters:

# %%
figure, alpha, z = new_figure(9, 2.8), 0.5, np.arange(-9, 10)
filters = {"gamma > 0": (0.8, -1.0), "gamma < 0": (-0.8, -1.0), "gamma = 0": (0.0, -1.0)}
for axis, (name, (scale, shift)) in zip(figure.subplots(1, 3, sharey=True), filters.items()):
    real = alpha * z * scale + shift
    axis.step(z, real, where="mid", color="#999999")
    for mark, fill, chosen in (("^", "black", real >= 0), ("v", "white", real < 0)):
        axis.plot(z[chosen], real[chosen], mark, color="black", markerfacecolor=fill)
    for t in z[1:][np.diff(real >= 0)]:
        axis.axvline(t - 0.5, linestyle="--", color="black")
        axis.text(t, -4.4, f"t = {t}")
    axis.axhline(0, color="black", linewidth=0.5)
    axis.set(title=name, xlabel="z")
figure.axes[0].set_ylabel("alpha z scale + shift")
figure

# %% [markdown]
# Filled triangles are +1, open ones -1. The expression rises, falls or is constant, so its sign changes at most once.
# So we need only two things of it: *where* the sign changes, and in *which direction*:
#
# $$s = +1 \quad\text{where}\quad (z \ge t) \ne \text{flip}$$
#
# Here $t$ is a whole number: the first $z$ whose sign differs from the sign at $-n$. `flip` is a bit. It is 1 if the
# sign at $-n$ is +1. If the sign never changes, $t$ is $n + 1$, which no $z$ reaches. For $\alpha > 0$, a filter with
# $\gamma < 0$ needs the opposite comparison. $\gamma = 0$ gives the constant $\operatorname{sgn}(\beta)$.
#
# (FINN, Umuroglu 2017, arXiv 1612.07119, for the comparison; the flip is *ours*. Threads about $\gamma < 0$:
# larq/compute-engine#375, #387, #391, #490, Xilinx/finn#687.)
#
# **Predict** `t` and `flip` (0 or 1) for $n = 9$, $\alpha = 1$ and this scale and shift.

# %% prediction="threshold"
SCALE = 0.5  # variant: -0.5 | -2.0
SHIFT = -2.25  # variant: 1.25 | -3.0
### BEGIN SOLUTION
t = next(k for k in z if (k * SCALE + SHIFT >= 0) != (z[0] * SCALE + SHIFT >= 0))
flip = int(z[0] * SCALE + SHIFT >= 0)
### END SOLUTION

# %% check="threshold"
exact = fold_batch_norm(one, SCALE * one, SHIFT * one, zero, one - 0.125, 9, eps=0.125)
check_prediction([t, flip], np.ravel(exact))

# %% [markdown]
# ### Exercise: `threshold_sign`
#
# The next layer needs bits (notebook 03): 1, or True, for -1.


# %% exercise="threshold_sign"
def sign_bits(z, t, flip):
    """Integers z (..., F), thresholds t (F,), booleans flip (F,) -> booleans (..., F), True where the sign is -1."""
    ### BEGIN SOLUTION
    return (z >= t) == flip
    ### END SOLUTION


# %% check="threshold_sign"
check("threshold_sign", lambda z, threshold: sign_bits(z, *threshold))

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# The formula above says where the sign is +1. You need the opposite.
#
# </details>
# <details><summary>Hint 2</summary>
#
# `==` and `!=` also compare booleans. The formula uses one of the two.
#
# </details>
#
# **In the library**: `threshold_sign` in `tinybnn/ops/fold.py`.
#
# **What would break if** you wrote `>` instead of `>=`?
#
# <details><summary>Answer</summary>
#
# For floats it would hardly ever matter. But `z` is a whole number, so it is often *equal* to `t`, and each time its
# sign would be wrong.
#
# </details>
#
# ### Exercise: `fold_batch_norm`
#
# How do we find $t$? On paper you solve for $z$. For $\alpha, \gamma > 0$ (for $\gamma < 0$ round down and add 1):
#
# $$t = \left\lceil \frac{\mu - \beta \sqrt{\sigma^2 + \varepsilon}/\gamma}{\alpha} \right\rceil$$
#
# That divides by $\gamma$, which may be 0, and it rounds in other places than the float network does. There is a way
# without both problems: compute the float expression itself, `batch_norm_inference(alpha * z, ...)`, for every $z$.


# %% exercise="fold_batch_norm"
def fold(alpha, gamma, beta, mean, var, n, *, eps):
    """alpha, gamma, beta, mean, var (F,) and n products a sum -> t (F,), integers, and flip (F,), booleans."""
    z = np.arange(-n, n + 1)[:, None].astype(alpha.dtype)
    ### BEGIN SOLUTION
    positive = batch_norm_inference(alpha * z, gamma, beta, mean, var, eps=eps) >= 0
    flip = positive[0]
    t = (positive == flip).sum(axis=0) - n
    return t, flip
    ### END SOLUTION


# %% check="fold_batch_norm"
check("fold_batch_norm", fold)

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# `alpha * z` has shape (2n + 1, F): every possible $z$ of every filter. Which row gives `flip`?
#
# </details>
# <details><summary>Hint 2</summary>
#
# In each column, count the rows whose sign is the sign of the first row. With a count of 0, `t` would be $-n$. Each
# such row moves it up by 1.
#
# </details>
#
# **In the library**: `fold_batch_norm` in `tinybnn/ops/fold.py`. It calls `fold_threshold`, which takes any function
# whose sign changes at most once and refuses others. `tinybnn/model/deploy.py` calls `fold_threshold` with everything
# between a convolution and the next sign, including the activation.
#
# **What would break if** you used the closed formula after all? The next cell tries it.
#
# <details><summary>Answer</summary>
#
# Nothing in filters of random numbers, and the check above may pass. But some filters have a **tie**: for some whole
# $z$ the expression is *exactly* 0 on paper. Then rounding decides its sign, and the formula rounds in other places.
# Ties occur when the parameters are round numbers. A packed network that differs in one sign of a hundred thousand is
# hard to debug, so fold without the formula.
#
# </details>


# %%
def wrong_filters(alpha, gamma, beta, mean, var, n=72, eps=1e-5):
    crossing = (mean - beta * np.sqrt(var + eps) / gamma) / alpha
    closed = np.where(gamma > 0, np.ceil(crossing), np.floor(crossing) + 1)
    t, flip = fold_batch_norm(alpha, gamma, beta, mean, var, n, eps=eps)
    z = np.arange(-n, n + 1, dtype=np.float32)[:, None]
    positive = batch_norm_inference(alpha * z, gamma, beta, mean, var, eps=eps) >= 0
    answers = ((z >= closed) != (gamma < 0), (z >= t) != flip)
    return [(positive != answer).any(axis=0).sum() for answer in answers]


# %%
rng, F = np.random.default_rng(0), 10_000
ranges = {"alpha": (0.1, 1), "gamma": (-2, 2), "beta": (-2, 2), "mean": (-5, 5), "var": (0.1, 4)}
random = {name: rng.uniform(*limits, F).astype(np.float32) for name, limits in ranges.items()}
rounded = {name: a.round(1) for name, a in random.items()} | {"beta": np.zeros(F, np.float32)}
rounded["gamma"][rounded["gamma"] == 0] = 1
for name, filters in (("random numbers", random), ("tenths, beta 0", rounded)):
    formula, by_values = wrong_filters(**filters)
    print(f"{name}, {F} filters: {formula} are wrong by the formula, {by_values} by computing every z")

# %% [markdown]
# ### -0.0
#
# At a tie the expression can also be a negative zero. `fold` tests `>= 0`, which is true for both zeros, as this
# library defines the sign (notebook 01). The sign *bit* of the float is set for a negative zero, so code that reads
# that bit gets the wrong sign:

# %%
real = np.float32(-0.25) * np.float32(0.0) + np.float32(-0.0)
print(real, real >= 0, np.signbit(real))

# %% [markdown]
# ## What you have
#
# Between two binary convolutions no float remains: the convolution gives whole numbers, and one comparison turns them
# into bits again. A test by `==` can compare the packed network with the float one. All of this assumed weights that
# are already good. How do weights of one bit *learn*, if no step can be small? That is notebook 07.
