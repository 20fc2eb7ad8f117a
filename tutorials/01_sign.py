# %% [markdown]
# # 1. Sign and the straight-through estimator
#
# 35 minutes · needs 00 · explains `tinybnn/ops/binarize.py`
#
# Afterwards you can
#
# - say what `sign` does at zero, and why a network cares;
# - explain why no gradient gets through a sign, and what is sent through in its place;
# - write the backward pass of a binary activation, and check it where finite differences see nothing.

# %%
import numpy as np

from tinybnn import QUANTIZERS, clipped, numeric_vjp, polynomial, sign
from tinybnn.app.pictures import new_figure
from tinybnn.ops.binarize import binarize
from tinybnn.testing import check, check_prediction

# %% [markdown]
# ## Two values, not three
#
# A binary network keeps of every number only on which side of zero it lies:
#
# $$s = \operatorname{sgn}(x) = \begin{cases} +1 & x \ge 0 \\ -1 & x < 0 \end{cases}$$
#
# (Hubara and others 2016, arXiv 1602.02830, eq. 1; status *exact*.) One bit can say that. It could not say a third
# value, and so zero has to take a side.
#
# **Predict.** What are the five signs of `x`? One of its values is a negative zero, which floats have.

# %% prediction="signs"
x = np.array([-0.0, 0.0, -0.2, 3.0, -1e-9])  # variant: np.array([0.4, -0.0, -7.0, 0.0, 1e-9])
### BEGIN SOLUTION
signs = np.where(x >= 0, 1, -1)
### END SOLUTION

# %% check="signs"
check_prediction(signs, sign(x))

# %% [markdown]
# Silence means right.
#
# ### The specification
#
# Every operation of this course has one: plain loops over single numbers, slow and impossible to misread. Whatever is
# fast is held against it.


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
# Now without loops.


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
# `np.where(condition, a, b)` picks `a` or `b` for each element. Its result has the dtype of `a` and `b`; you want that
# of `x`, and `.astype` gives it.
#
# </details>
#
# **In the library**: `sign` in `tinybnn/ops/binarize.py`. It computes $2\,[x \ge 0] - 1$, where $[\ldots]$ is 1 if what
# stands inside is true, and 0 if not. And it refuses NaN, which has no sign.
#
# **What would break if** you took `np.sign`? Try it: hand `np.sign` to the check above.
#
# <details><summary>Answer</summary>
#
# `np.sign`, and PyTorch's, give 0 at 0, and a network that uses them is ternary. Training does not notice. The packed
# network has one bit a value and no third one, so its answers differ wherever a value was exactly zero, as in a border
# of zeros around an image. Seven public projects stumbled here: [the catalogue of mistakes](../docs/mistakes.md) links
# to them, under "ternary".
#
# </details>

# %% [markdown]
# ## Nothing can be learnt through a sign
#
# A network is trained by making one number small, the **loss** $L$, which says how wrong its answers are (notebook 00).
# For that we want $\partial L / \partial x$ for each number $x$ in the network: how $L$ changes if $x$ does. It is
# written `dx`, and found from the end to the beginning. For $y = f(x)$ the **backward pass** of $f$ is given `dy`,
# which is $\partial L / \partial y$, and multiplies it by the derivative of $f$, by the chain rule:
# $\frac{\partial L}{\partial x} = \frac{\partial L}{\partial y} f'(x)$.
#
# Move $x$ a little, and $\operatorname{sgn}(x)$ stays as it is: its derivative is 0 everywhere but at 0, where it has
# none. So every `dx` below a sign is 0, and nothing there is learnt.
#
# `numeric_vjp(f, arguments, dy)` finds gradients without calculus, by central differences
# $\big(f(x + h) - f(x - h)\big) / 2h$ times `dy`, one gradient for each argument. Through `sign`:

# %%
x, dy = np.array([-1.5, -0.3, 0.4, 2.0]), np.array([1.0, 2.0, 3.0, 4.0])
numeric_vjp(sign, (x,), dy)[0]

# %% [markdown]
# The **straight-through estimator** runs one function forward and differentiates another. Forward the sign, backward
# the *clip*, $\min(\max(x, -1), 1)$, whose slope is 1 between $-1$ and $1$ and 0 outside:
#
# $$\frac{\partial L}{\partial x} := \frac{\partial L}{\partial s} \cdot [\,|x| \le 1\,]$$
#
# (Hubara 2016, section 1.3; status *exact*. It passes at $|x| = 1$ itself: `tinybnn/notation.py` says so for this
# library.)
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
# The mask asks how large the *input* was. How large the *gradient* is does not matter: one of 100 passes whole. Many
# have clipped the gradient to $[-1, 1]$ in its place, in code that seemed to work (itayhubara/BinaryNet.pytorch#29).
#
# Why a mask at all? An $x$ far from zero will not change its sign by a small step. A gradient that pushes it further
# out changes no output and no loss; the mask stops it.
#
# ### The threshold
#
# The library's activation has a threshold $\tau_c$ for each channel, and learns it:
#
# $$s = \operatorname{sgn}(x - \tau), \qquad
# \frac{\partial L}{\partial \tau_c} = -\sum_{\text{all but } c} \frac{\partial L}{\partial x}$$
#
# (RSign of ReActNet, Liu 2020, arXiv 2003.03488, eq. 1; status *exact*.) The minus sign is that of $-\tau$, and the sum
# is there because one $\tau_c$ served all positions.
#
# A backward pass needs some of what the forward pass saw. So every forward function here returns two things, its value
# and a **cache**. That of `binarize` holds $x - \tau$ as `cache.shifted`:

# %%
s, cache = binarize(np.array([[0.5, 0.5], [-2.0, 3.0]]), np.array([0.0, 1.0]))  # two positions, two channels
print(s)
print(cache.shifted)

# %% [markdown]
# ### Exercise: `binarize_backward`
#
# The check hands your function caches of rows (rows, C) and of maps (N, H, W, C). `options` keeps it to the clip.


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
# A boolean array times a float array is a float array: the mask needs no `np.where`.
#
# </details>
# <details><summary>Hint 2</summary>
#
# `dx.reshape(-1, C)` has one row for each position, however many axes there were. Sum over its rows.
#
# </details>
#
# **In the library**: `binarize` and `binarize_backward` in `tinybnn/ops/binarize.py`.
#
# **What would break if** the mask were strict, `< 1`?
#
# <details><summary>Answer</summary>
#
# Nothing, for almost every input: the two differ only where $|x - \tau| = 1$ exactly. But the floats behind binary
# weights are clipped to $[-1, 1]$ after each step (notebook 07), and one that is pushed outward ends at 1 *exactly*.
# With a strict mask it would get no gradient there, and could not come back (jiecaoyu/XNOR-Net-PyTorch#56).
#
# </details>

# %% [markdown]
# ## How can such a gradient be checked?
#
# Finite differences of the sign are zero. They would reject the straight-through gradient and accept a gradient of
# zero. The way out is in the definition: the backward pass differentiates *another* function. Let that one run forward
# too, and the same backward code must agree with finite differences.
#
# In this library a `Quantizer` holds both: `hard` runs forward, `soft` is what `dsoft` is the derivative of, and
# `relaxed()` puts `soft` in the place of `hard`.

# %%
relaxed = clipped.relaxed()
numeric_vjp(relaxed.hard, (x,), dy)[0], dy * relaxed.dsoft(x)

# %% [markdown]
# That is what the check did with your function: where it fails, it shows `quantizer = relaxed clipped`. In this course
# no gradient is believed before it has passed this way.

# %% [markdown]
# ## Other stand-ins
#
# The clip is one of a family. The hard function is always the sign; what differs is how far from zero a gradient still
# passes, and how much of it.

# %%
figure = new_figure(9, 3.6)
x = np.linspace(-2, 2, 401)
for (name, quantizer), (top, bottom) in zip(QUANTIZERS.items(), figure.subplots(2, 5, sharex=True).T):
    top.plot(x, quantizer.hard(x), "--", color="black", lw=1)
    top.plot(x, quantizer.soft(x))
    top.set(title=name, ylim=(-2.1, 2.1))
    bottom.fill_between(x, quantizer.dsoft(x), alpha=0.4)
    bottom.set(xlabel="x", ylim=(-0.7, 5.2))
figure.axes[0].set_ylabel("forward")
figure.axes[5].set_ylabel("derivative")
figure

# %% [markdown]
# Dashed: the sign, which runs forward. Solid: what is differentiated in its place. Below: the derivative. That of
# `swish_sign` is negative in places: there it pushes a value back. Bi-Real Net's *polynomial*, $x\,(2 - |x|)$ between
# -1 and 1, is steepest at zero: most passes where a small step does flip the sign:
#
# $$\frac{\partial\,\text{soft}}{\partial x} = \begin{cases} 2 - 2|x| & |x| \le 1 \\ 0 & \text{otherwise} \end{cases}$$
#
# (Liu 2018, arXiv 1808.00278; status *exact*.)
#
# **Predict.** The polynomial's slope at $-0.5$, $0$, $0.25$ and $3$?

# %% prediction="slopes"
x = np.array([-0.5, 0.0, 0.25, 3.0])  # variant: np.array([0.5, -0.75, 1.0, -2.0]) | np.array([-0.1, 0.9, -1.5, 0.0])
### BEGIN SOLUTION
slopes = 2 - 2 * np.minimum(np.abs(x), 1)
### END SOLUTION

# %% check="slopes"
check_prediction(slopes, polynomial.dsoft(x))

# %% [markdown]
# ### Exercise: the polynomial's slope


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
# Where $|x|$ is 1 the formula gives 0 by itself. So let $|x|$ grow no further than 1: `np.minimum`.
#
# </details>
#
# **In the library**: the table at the top of `tinybnn/ops/binarize.py`, and `QUANTIZERS`.
#
# **What would break if** the forward pass ran the polynomial too, and not the sign?
#
# <details><summary>Answer</summary>
#
# The gradient would be exact, and training easier. But the activations would be real numbers between $-1$ and $1$:
# nothing could be packed into bits. And if you put the signs back after training, they are not what the later layers
# have learnt to read.
#
# </details>
#
# ## What you have
#
# A sign, and a gradient to train through it. Weights are binarized in the same way. They lose their size, and one
# number for each filter gives a good part of it back. That is notebook 02.
