# %% [markdown]
# # 1. Sign and the straight-through estimator
#
# 35 minutes · needs 00 · explains `tinybnn/ops/binarize.py`
#
# Afterwards you can
#
# - say what `sign` does at zero, and why that matters to a network;
# - explain why no gradient passes through a sign, and which gradient is used instead;
# - write the backward pass of a binary activation, and check it although finite differences of a sign are zero.

# %%
import numpy as np

from tinybnn import QUANTIZERS, clipped, numeric_vjp, polynomial, sign
from tinybnn.app.pictures import new_figure
from tinybnn.ops.binarize import binarize
from tinybnn.testing import check, check_prediction

# %% [markdown]
# ## Two values, not three
#
# A binary network keeps only the sign of each number:
#
# $$s = \operatorname{sgn}(x) = \begin{cases} +1 & x \ge 0 \\ -1 & x < 0 \end{cases}$$
#
# (Hubara and others 2016, arXiv 1602.02830, eq. 1; status *exact*.) One bit holds two values. It cannot hold a third
# one, so the sign of zero must be one of the two.
#
# **Predict.** What are the five signs of `x`? One of its values is a negative zero, which exists in floats.

# %% prediction="signs"
x = np.array([-0.0, 0.0, -0.2, 3.0, -1e-9])  # variant: np.array([0.4, -0.0, -7.0, 0.0, 1e-9])
### BEGIN SOLUTION
signs = np.where(x >= 0, 1, -1)
### END SOLUTION

# %% check="signs"
check_prediction(signs, sign(x))

# %% [markdown]
# If the check prints nothing, your prediction is right.
#
# ### The specification
#
# Every operation of this course has a specification: plain loops over single numbers. It is slow, but hard to misread.
# Every fast version is compared with it.


# %%
def sign_in_loops(x):
    y = np.empty_like(x)
    for i in np.ndindex(x.shape):
        y[i] = 1 if x[i] >= 0 else -1
    return y


sign_in_loops(np.array([[0.5, -2.0], [-0.1, 7.0]]))

# %% [markdown]
# ### Exercise: `sign`
#
# Write it without loops.


# %% exercise="sign"
def sign_of(x):
    """Floats of any shape -> their signs, +1 or -1, in the same shape and dtype."""
    ### BEGIN SOLUTION
    return np.where(x >= 0, 1, -1).astype(x.dtype)
    ### END SOLUTION


# %% check="sign"
check("sign", sign_of)

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# A comparison gives an array of booleans. Which comparison is true for both zeros?
#
# </details>
# <details><summary>Hint 2</summary>
#
# `np.where(condition, a, b)` chooses `a` or `b` for each element. Its result has the dtype of `a` and `b`. `.astype`
# converts it to the dtype of `x`.
#
# </details>
#
# **In the library**: `sign` in `tinybnn/ops/binarize.py`. It computes $2\,[x \ge 0] - 1$, where $[\ldots]$ is 1 if the
# condition inside is true, and 0 if not. It refuses NaN, which has no sign.
#
# **What would break if** you used `np.sign`? Try it: pass `np.sign` to the check above.
#
# <details><summary>Answer</summary>
#
# The sign functions of NumPy and PyTorch give 0 at 0, and a network that uses them is ternary: it has three values.
# Training does not show it. The packed network has one bit for each value and no third value, so its results differ
# wherever a value was exactly zero, as in a border of zeros around an image. Seven public projects had this bug: [the
# catalogue of mistakes](../docs/mistakes.md) links to them, under "ternary".
#
# </details>

# %% [markdown]
# ## No gradient passes through a sign
#
# Training makes one number small, the **loss** $L$, which says how wrong the answers of the network are (notebook 00).
# For that we need $\partial L / \partial x$ for each number $x$ in the network: how much $L$ changes if $x$ changes.
# This gradient is written `dx`, and it is computed from the end of the network to its beginning. For $y = f(x)$ the
# **backward pass** of $f$ gets `dy`, which is $\partial L / \partial y$. By the chain rule it multiplies `dy` by the
# derivative of $f$: $\frac{\partial L}{\partial x} = \frac{\partial L}{\partial y} f'(x)$.
#
# If $x$ changes a little, $\operatorname{sgn}(x)$ stays the same. So the derivative of the sign is 0 everywhere except
# at 0, where it does not exist. Then every `dx` before a sign is 0, and the layers before it learn nothing.
#
# `numeric_vjp(f, arguments, dy)` finds gradients without calculus. It returns one gradient for each argument: the
# central difference $\big(f(x + h) - f(x - h)\big) / 2h$ times `dy`. VJP means **vector-Jacobian product**. The
# Jacobian is the matrix of all derivatives of outputs with respect to inputs, and `dy` is the vector by which a
# backward pass multiplies it. The result for `sign`:

# %%
x, dy = np.array([-1.5, -0.3, 0.4, 2.0]), np.array([1.0, 2.0, 3.0, 4.0])
numeric_vjp(sign, (x,), dy)[0]

# %% [markdown]
# The **straight-through estimator** (STE) uses one function in the forward pass and the derivative of another in the
# backward pass. Forward it computes the sign. Backward it differentiates the *clip*, $\min(\max(x, -1), 1)$, whose
# slope is 1 between $-1$ and $1$, and 0 outside:
#
# $$\frac{\partial L}{\partial x} := \frac{\partial L}{\partial s} \cdot [\,|x| \le 1\,]$$
#
# (Hubara 2016, section 1.3; status *exact*. The gradient passes at $|x| = 1$ itself: `tinybnn/notation.py` fixes that
# for this library.)
#
# **Predict.** What is the straight-through gradient `dx` here?

# %% prediction="ste"
at = np.array([-1.0, 0.2, 1.2, 0.9])  # variant: np.array([1.0, -1.5, 0.0, 0.4]) | np.array([0.3, -0.7, -1.0, 3.0])
up = np.array([5.0, -3.0, 2.0, 0.5])  # variant: np.array([0.5, 4.0, -2.0, 7.0])
### BEGIN SOLUTION
dx = [u if abs(a) <= 1 else 0 for a, u in zip(at, up)]
### END SOLUTION

# %% check="ste"
check_prediction(dx, up * clipped.dsoft(at))

# %% [markdown]
# ### A mask on x, not a clip on the gradient
#
# The factor $[\,|x| \le 1\,]$ is a **mask**. It depends on the size of the *input*. The size of the *gradient* does not
# matter: a gradient of 100 passes unchanged. A common bug is to clip the gradient to $[-1, 1]$ instead
# (itayhubara/BinaryNet.pytorch#29).
#
# Why is there a mask? If $x$ is far from zero, a small step does not change its sign. A gradient that pushes $x$
# further away changes no output and no loss. The mask stops it.
#
# ### The threshold
#
# The activation of the library has a threshold $\tau_c$ for each channel, and learns it:
#
# $$s = \operatorname{sgn}(x - \tau), \qquad
# \frac{\partial L}{\partial \tau_c} = -\sum_{\text{all but } c} \frac{\partial L}{\partial x}$$
#
# (RSign of ReActNet, Liu 2020, arXiv 2003.03488, eq. 1; status *exact*.) The minus sign comes from $-\tau$. The sum is
# there because every position of channel $c$ uses the same $\tau_c$.
#
# A backward pass needs some values of the forward pass. So every forward function of this library returns two things:
# its value and a **cache** of what the backward pass needs. The cache of `binarize` contains $x - \tau$ as
# `cache.shifted`:

# %%
s, cache = binarize(np.array([[0.5, 0.5], [-2.0, 3.0]]), np.array([0.0, 1.0]))  # two positions, two channels
print(s)
print(cache.shifted)

# %% [markdown]
# ### Exercise: `binarize_backward`
#
# The check calls your function with caches of rows (rows, C) and of maps (N, H, W, C). `options` limits it to the clip.


# %% exercise="binarize_backward"
def clipped_backward(dy, cache):
    """dy (..., C) and cache.shifted = x - tau (..., C) -> dx (..., C) and dtau (C,)."""
    ### BEGIN SOLUTION
    dx = dy * (np.abs(cache.shifted) <= 1)
    return dx, -dx.reshape(-1, dx.shape[-1]).sum(axis=0)
    ### END SOLUTION


# %% check="binarize_backward"
check("binarize_backward", clipped_backward, options={"quantizer": clipped})

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# A boolean array times a float array is a float array, so the mask needs no `np.where`.
#
# </details>
# <details><summary>Hint 2</summary>
#
# `dx.reshape(-1, C)` has one row for each position, for any number of axes. Sum over its rows.
#
# </details>
#
# **In the library**: `binarize` and `binarize_backward` in `tinybnn/ops/binarize.py`.
#
# **What would break if** the mask were strict, `< 1`?
#
# <details><summary>Answer</summary>
#
# For almost every input nothing would break: the two masks differ only where $|x - \tau| = 1$ exactly. But binary
# weights are signs too, of floats that are called **latent weights**. After each step latent weights are clipped to
# $[-1, 1]$ (notebook 07), so one that is pushed outward ends at *exactly* 1. With a strict mask it would get no
# gradient there, and would stay there (jiecaoyu/XNOR-Net-PyTorch#56).
#
# </details>

# %% [markdown]
# ## How can such a gradient be checked?
#
# Finite differences of the sign are zero. They would reject the straight-through gradient and accept a gradient of
# zero. But by definition the backward pass differentiates *another* function. If that function runs forward too, the
# same backward code must agree with finite differences.
#
# In this library a `Quantizer` contains three functions. `hard` runs forward. `soft` is the function that is
# differentiated, and `dsoft` is its derivative. `relaxed()` returns a **relaxed quantizer**: a copy in which `soft`
# replaces `hard`, so that it can be checked.

# %%
relaxed = clipped.relaxed()
numeric_vjp(relaxed.hard, (x,), dy)[0], dy * relaxed.dsoft(x)

# %% [markdown]
# The check did this with your function: if it fails, it shows `quantizer = relaxed clipped`. Every gradient of this
# course is checked in this way before it is used.

# %% [markdown]
# ## Other surrogates
#
# The function that is differentiated instead of the sign is called its **surrogate**. The clip is one of several. The
# hard function is always the sign. The surrogates differ in how far from zero a gradient still passes, and how much of
# it.

# %%
columns = len(QUANTIZERS)
figure = new_figure(1.8 * columns, 3.6)
x = np.linspace(-2, 2, 401)
for (name, quantizer), (top, bottom) in zip(QUANTIZERS.items(), figure.subplots(2, columns, sharex=True).T):
    top.plot(x, quantizer.hard(x), "--", color="black", lw=1)
    top.plot(x, quantizer.soft(x))
    top.set(title=name, ylim=(-2.1, 2.1))
    bottom.fill_between(x, quantizer.dsoft(x), alpha=0.4)
    bottom.set(xlabel="x", ylim=(-0.7, 5.2))
figure.axes[0].set_ylabel("forward")
figure.axes[columns].set_ylabel("derivative")
figure

# %% [markdown]
# The dashed line is the sign, which runs forward. The solid line is the surrogate, which is differentiated. Below each
# is the derivative. The derivative of `swish_sign` is negative in places: there the gradient changes its sign. The
# *polynomial* of Bi-Real Net, $x\,(2 - |x|)$ between -1 and 1, is steepest at zero. So the gradient is largest where a
# small step can change the sign:
#
# $$\frac{\partial\,\text{soft}}{\partial x} = \begin{cases} 2 - 2|x| & |x| \le 1 \\ 0 & \text{otherwise} \end{cases}$$
#
# (Liu 2018, arXiv 1808.00278; status *exact*.)
#
# **Predict.** What is the slope of the polynomial at each of these four values?

# %% prediction="slopes"
x = np.array([-0.5, 0.0, 0.25, 3.0])  # variant: np.array([0.5, -0.75, 1.0, -2.0]) | np.array([-0.1, 0.9, -1.5, 0.0])
### BEGIN SOLUTION
slopes = 2 - 2 * np.minimum(np.abs(x), 1)
### END SOLUTION

# %% check="slopes"
check_prediction(slopes, polynomial.dsoft(x))

# %% [markdown]
# ### Exercise: the slope of the polynomial


# %% exercise="polynomial_slope"
def polynomial_slope(x):
    """x of any shape -> the slope of the polynomial at each value, same shape."""
    ### BEGIN SOLUTION
    return 2 - 2 * np.minimum(np.abs(x), 1)
    ### END SOLUTION


# %% check="polynomial_slope"
def backward_with_slope(dy, cache):
    dx = dy * polynomial_slope(cache.shifted)
    return dx, -dx.reshape(-1, dx.shape[-1]).sum(axis=0)


check("binarize_backward", backward_with_slope, options={"quantizer": polynomial})

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# $2 - 2|x|$ is right up to $|x| = 1$, and negative beyond. There the slope must be 0.
#
# </details>
# <details><summary>Hint 2</summary>
#
# Where $|x|$ is 1 the formula gives 0. So limit $|x|$ to 1 with `np.minimum`.
#
# </details>
#
# **In the library**: the table at the top of `tinybnn/ops/binarize.py`, and `QUANTIZERS`.
#
# **What would break if** the forward pass computed the polynomial too, and not the sign?
#
# <details><summary>Answer</summary>
#
# The gradient would be exact, and training easier. But the activations would be real numbers between $-1$ and $1$,
# which cannot be packed into bits. If you replaced the polynomial by the sign after training, the later layers would
# get values for which they were not trained.
#
# </details>
#
# ## What you have
#
# You have a sign, and a gradient to train through it. Weights are binarized in the same way. A binary weight has lost
# its size, but one number for each filter restores much of it. That is notebook 02.
