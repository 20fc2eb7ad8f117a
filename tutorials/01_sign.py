# %% [markdown]
# # 1. Sign and the straight-through estimator
#
# 35 minutes · needs 00 · explains `tinybnn/binarize.py`
#
# Afterwards you can
#
# - say what `sign` does at zero, and why a network cares;
# - explain why no gradient gets through a sign, and what is sent through in its place;
# - write the backward pass of a binary activation, and check it where finite differences see nothing.

# %%
import numpy as np

from tinybnn import QUANTIZERS, clipped, numeric_vjp, polynomial, sign
from tinybnn.plot import new_figure
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
# A check that says nothing is content.
#
# ### The specification
#
# Every operation of this course has one: plain loops over single numbers, slow and impossible to misread. Whatever is
# fast is held against it.


# %%
def sign_in_loops(x):
    y = np.empty(x.shape)
    for i in np.ndindex(x.shape):
        y[i] = 1.0 if x[i] >= 0 else -1.0
    return y


sign_in_loops(x)

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
# **In the library**: `sign` in `tinybnn/binarize.py`. It computes $2\,[x \ge 0] - 1$, which does the same and is
# faster, and it refuses NaN, which has no sign.
#
# **What would break if** you took `np.sign`? Try it: hand `np.sign` to the check above.
#
# <details><summary>Answer</summary>
#
# `np.sign`, `torch.sign` and ONNX `Sign` give 0 at 0, and a network that uses them is ternary. Training does not
# notice. The packed network has one bit a value and no third one, so its answers differ wherever a value was exactly
# zero: after a ReLU, in padding, in a dead channel. Seven public projects stumbled here; the first line of
# [the catalogue of mistakes](../docs/mistakes.md) links to them.
#
# </details>

# %% [markdown]
# ## Nothing can be learnt through a sign
#
# Move $x$ a little, and $\operatorname{sgn}(x)$ stays as it is: its derivative is 0 everywhere but at 0, where it has
# none. The chain rule multiplies by that 0, so no weight below a sign would ever move.
#
# `numeric_vjp` takes central differences $\big(f(x + h) - f(x - h)\big) / 2h$, each multiplied by the gradient `dy`
# that comes from above. Through `sign` it gives:

# %%
x, dy = np.array([-1.5, -0.3, 0.4, 2.0]), np.array([1.0, 2.0, 3.0, 4.0])
numeric_vjp(sign, (x,), dy)[0]

# %% [markdown]
# The **straight-through estimator** runs one function forward and differentiates another. Forward the sign, backward
# the *clip*, $\min(\max(x, -1), 1)$, whose slope is 1 between $-1$ and $1$ and 0 outside:
#
# $$\frac{\partial L}{\partial x} := \frac{\partial L}{\partial s} \cdot [\,|x| \le 1\,]$$
#
# (Hubara 2016, section 1.3; status *exact*. That it passes at $|x| = 1$ itself is the contract of `notation.py`.)
#
# **Predict.** With the `x` and `dy` of the cell above, what is the straight-through gradient `dx`?

# %% prediction="ste"
### BEGIN SOLUTION
dx = [0, 2, 3, 0]
### END SOLUTION

# %% check="ste"
check_prediction(dx, dy * clipped.dsoft(x))

# %% [markdown]
# ### A mask on x, not a clip on the gradient
#
# The mask asks how large the *input* was. How large the *gradient* is does not matter: 3 passes whole. Many have
# clipped the gradient to $[-1, 1]$ in its place, in code that seemed to work.
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
# (RSign of ReActNet, Liu 2020, arXiv 2003.03488, eq. 1; status *exact*.) The forward pass keeps $x - \tau$ as
# `cache.shifted`; the minus sign is that of $-\tau$, and the sum is there because one $\tau_c$ served all positions.
#
# ### Exercise: `binarize_backward`


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
# **In the library**: `binarize` and `binarize_backward` in `tinybnn/binarize.py`.
#
# **What would break if** the mask were strict, `< 1`?
#
# <details><summary>Answer</summary>
#
# Nothing, for almost every input: the two differ only where $|x - \tau| = 1$ exactly. But latent weights are clipped
# to $[-1, 1]$ after each step (notebook 07), so many of them *are* exactly 1. With a strict mask those would get no
# gradient, and stay there for good.
#
# </details>

# %% [markdown]
# ## How can such a gradient be checked?
#
# Finite differences of the sign are zero, so they would call the straight-through gradient wrong, and no gradient at
# all right. The way out is in the definition: the backward pass differentiates *another* function. Let that one run
# forward too, and the same backward code must agree with finite differences.
#
# In this library a `Quantizer` holds both: `hard` runs forward, `soft` is what `dsoft` is the derivative of, and
# `relaxed()` puts `soft` in the place of `hard`.

# %%
relaxed = clipped.relaxed()
numeric_vjp(relaxed.hard, (x,), dy)[0], dy * relaxed.dsoft(x)

# %% [markdown]
# That is what the check did with your function. The last line of a failing check, `quantizer = relaxed clipped`, says
# so. In this course no gradient is believed before it passed this way.

# %% [markdown]
# ## Other stand-ins
#
# The clip is one of a family. The hard function is always the sign; what differs is how far from zero a gradient still
# passes, and how much of it.

# %%
figure = new_figure(9, 3.6)
x = np.linspace(-2, 2, 401)
for (name, quantizer), (top, bottom) in zip(QUANTIZERS.items(), figure.subplots(2, 5, sharex=True).T):
    top.plot(x, quantizer.hard(x), color="#bbbbbb")
    top.plot(x, quantizer.soft(x))
    top.set_title(name, fontsize=9)
    bottom.fill_between(x, quantizer.dsoft(x), alpha=0.3)
    for axis, limits in ((top, (-2.1, 2.1)), (bottom, (-0.7, 5.2))):
        axis.set(ylim=limits)
figure

# %% [markdown]
# Above, the sign in grey and what is differentiated in blue; below, the derivative. Bi-Real Net's *polynomial* lets
# most through near zero, where a small step does flip the sign:
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
# ### Exercise: the polynomial's backward pass


# %% exercise="polynomial_backward"
def polynomial_backward(dy, cache):
    """As clipped_backward, with the polynomial's slope."""
    ### BEGIN SOLUTION
    dx = dy * (2 - 2 * np.minimum(np.abs(cache.shifted), 1))
    return dx, -dx.reshape(-1, dx.shape[-1]).sum(axis=0)
    ### END SOLUTION


# %% check="polynomial_backward"
check("binarize_backward", polynomial_backward, options={"quantizer": polynomial})

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# Only one factor changes. Outside of $[-1, 1]$ it must be 0, and $2 - 2|x|$ is negative there.
#
# </details>
# <details><summary>Hint 2</summary>
#
# `np.minimum(np.abs(x), 1)` makes the two cases one.
#
# </details>
#
# **In the library**: the table at the top of `tinybnn/binarize.py`, and `QUANTIZERS`.
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
# A sign, and a gradient that passes it by. The weights will be binarized in the same way, but first they lose
# something that can be given back almost for free: their size. That is notebook 02.
