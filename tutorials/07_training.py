# %% [markdown]
# # 7. Training without autograd: latent weights, clipping, flips
#
# 45 minutes · needs 01, 02, 05, 06 · explains `tinybnn/ops/loss.py`, `tinybnn/model/optim.py`,
# `tinybnn/model/train.py`
#
# Afterwards you can
#
# - write the gradient of the loss, with which every backward pass begins, and leave out ignored pixels;
# - say why each binary weight is stored as a float, why that float is clipped, and what learning rate and weight decay
#   do to it;
# - train by flips alone, without that float, and resume any training with the same bits.

# %%
import tempfile

import numpy as np

from tinybnn import bop, clip_latent, clipped, draw_batch, load, polynomial, sgd, sign
from tinybnn.app.pictures import new_figure, pictures
from tinybnn.data.images import colours
from tinybnn.model import net
from tinybnn.model.train import Training, load_run, save_run, start, step
from tinybnn.ops.loss import cross_entropy, cross_entropy_backward, cross_entropy_loops
from tinybnn.testing import check, check_prediction

# %% [markdown]
# ## Where the gradient begins
#
# The network gives $L$ numbers for each pixel, the logits. Softmax turns them into probabilities. The loss is the mean
# of $-\log p$, where $p$ is the probability of the true class $t_i$. The mean runs over the $P$ pixels that count:
#
# $$p_{il} = \frac{e^{z_{il}}}{\sum_k e^{z_{ik}}}, \qquad
# \text{loss} = -\frac{1}{P} \sum_{i\ \text{counts}} \log p_{i t_i}$$
#
# A pixel with the label 255 does not count: it is in neither the sum nor $P$. The specification,
# `cross_entropy_loops`, skips it with `continue`. The example has three pixels and two classes. Its logits are
# logarithms, so $e^z$ gives back the numbers in `ODDS`, and softmax only has to divide:

# %%
ODDS = np.array([[1.0, 3.0], [1.0, 1.0], [2.0, 8.0]])  # variant: np.array([[4.0, 1.0], [3.0, 1.0], [1.0, 1.0]])
LABELS = np.array([1, 0, 255])  # variant: np.array([0, 255, 1]) | np.array([255, 1, 1])
print(f"{cross_entropy_loops(np.log(ODDS), LABELS):.4f}")

# %% [markdown]
# The derivative is short. From $\log p_{it} = z_{it} - \log \sum_k e^{z_{ik}}$ follows
#
# $$\frac{\partial\,\text{loss}}{\partial z_{il}} = \frac{1}{P}\big(p_{il} - [\,l = t_i\,]\big)$$
#
# for a pixel $i$ that counts, and 0 for any other. The bracket $[\,l = t_i\,]$ is 1 if $l = t_i$, and 0 otherwise.
# (Textbook; status *exact*.)
#
# **Predict** the gradient of those three pixels, shape (3, 2).

# %% prediction="dlogits"
### BEGIN SOLUTION
dlogits = (ODDS / ODDS.sum(axis=1, keepdims=True) - np.eye(2)[LABELS % 255]) * np.c_[LABELS < 255] / sum(LABELS < 255)
### END SOLUTION

# %% check="dlogits"
check_prediction(dlogits, cross_entropy_backward(1.0, cross_entropy(np.log(ODDS), LABELS)[1]))

# %% [markdown]
# ### Exercise: `cross_entropy_backward`
#
# The forward pass stores the softmax of the $P$ pixels that count. It stores nothing for the others. `dloss` is the
# gradient that arrives from above. It is 1, or a weight if the total loss is a sum of several losses.


# %% exercise="cross_entropy_backward"
def loss_backward(dloss, cache):
    """dloss a number; in cache: counted (...) booleans, probability (P, L), labels (P,) -> dlogits (..., L).

    dlogits has the dtype of probability."""
    counted, probability, labels, _ = cache
    ### BEGIN SOLUTION
    dz = probability.copy()
    dz[np.arange(len(labels)), labels] -= 1
    dlogits = np.zeros((*counted.shape, dz.shape[-1]), dz.dtype)
    dlogits[counted] = dz * (dloss / max(len(labels), 1))
    return dlogits
    ### END SOLUTION


# %% check="cross_entropy_backward"
check("cross_entropy_backward", loss_backward, options={"class_weights": None})

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# Work on the $P$ pixels first, on a *copy* of the softmax. Then make zeros of the full shape, (..., L), and write the
# rows to the places where `counted` is true. If no pixel counts, $P$ is 0 and so is the gradient.
#
# </details>
# <details><summary>Hint 2</summary>
#
# `dz[np.arange(P), labels]` selects one element in each row. `zeros[counted] = rows` writes one row to each true
# place, in order. `max(P, 1)` avoids a division by 0.
#
# </details>
#
# **In the library**: `cross_entropy` and `cross_entropy_backward` in `tinybnn/ops/loss.py`. They also take a weight
# for each class. Then they divide by the sum of the weights instead of $P$.
#
# **What would break if** you divided by the number of all pixels, ignored ones too?
#
# <details><summary>Answer</summary>
#
# An image with many ignored pixels would hardly change the weights, even if its other pixels are useful. A gradient
# check on a fully labelled image would not find this mistake.
#
# </details>
#
# ## A float for each bit
#
# Notebook 05 computed the gradient of a binary weight. How do we use it? A step of 0.01 from +1 leads to 0.99, whose
# sign is +1. If we stored only the sign, the next step would start at +1 again, and small steps would never add up.
#
# So training stores a float for each binary weight, the **latent weight** $w$. The forward pass uses
# $\operatorname{sgn}(w)$. The update changes $w$ and keeps it in $[-1, 1]$:
#
# $$w \leftarrow \operatorname{clip}\big(w - \text{lr} \cdot g,\ -1,\ 1\big)$$
#
# (BinaryConnect, Courbariaux 2015, arXiv 1511.00363, algorithm 1; Hubara 2016, arXiv 1602.02830; status *exact*.)
#
# The size $|w|$ changes no output. It tells how many steps it takes to change the sign: **size is inertia**. Why do we
# clip $w$, if only its sign is used? itayhubara/BinaryNet.pytorch#29 asks this question.
#
# **Predict.** A latent weight starts at 0.5. In the first `PUSHES` steps the gradient is -1, so $w$ grows. After that
# the gradient is +1, so $w$ falls. After how many steps with gradient +1 is the sign -1, with the clip and without?
# (The sign of 0 is +1.)

# %% prediction="steps"
PUSHES = 8  # variant: 12 | 20
LR = 0.25  # variant: 0.125 | 0.5
### BEGIN SOLUTION
steps = [np.floor(1 / LR) + 1, np.floor((0.5 + PUSHES * LR) / LR) + 1]
### END SOLUTION


# %% check="steps"
def steps_to_turn(clip):
    w, gradients = {"w": np.array([0.5])}, [-1.0] * PUSHES + [1.0] * 999
    for t, g in enumerate(gradients, 1):
        w, _ = sgd(0).step(w, {"w": np.array([g])}, {"m/w": np.zeros(1)}, lr=LR, t=t)
        w = clip_latent(w, ("w",)) if clip else w
        if sign(w["w"])[0] < 0:
            return t - PUSHES


check_prediction(steps, [steps_to_turn(True), steps_to_turn(False)])

# %% [markdown]
# Without the clip, a weight that had the right sign for a long time takes as long to change it. With the mask of
# notebook 01 it would never change: beyond 1 the mask gives a gradient of 0 (allenai/XNOR-Net#25). With the clip many
# weights are exactly 1. That is why the mask must let the gradient through at 1.
#
# ### Exercise: `latent_step`


# %% exercise="latent_step"
def one_step(w, g, *, lr):
    """w latent weights, g their gradient, of the same shape; lr a number -> the new latent weights."""
    ### BEGIN SOLUTION
    return np.clip(w - lr * g, -1, 1)
    ### END SOLUTION


# %% check="latent_step"
check("latent_step", one_step)

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# Make the step first, then clip: the function must return values in $[-1, 1]$.
#
# </details>
# <details><summary>Hint 2</summary>
#
# `np.clip(a, low, high)`. Return a new array; `w -= ...` would write into the argument.
#
# </details>
#
# **In the library**: `sgd` and `adam` in `tinybnn/model/optim.py` make the step, for float parameters too. Then
# `clip_latent` clips the latent weights, and no other parameter.
#
# **What would break if** you clipped the *gradient* to $[-1, 1]$ instead of the weight?
#
# <details><summary>Answer</summary>
#
# The weights would still grow without limit, only more slowly. And a large gradient would count no more than a
# gradient of 1. "Clip" has three meanings in this field: a mask on $x$ (notebook 01), this clip of $w$, and a bound on
# gradients.
#
# </details>
#
# ## A whole training, in plain dicts
#
# The example is one binary layer with 64 signs in and 4 classes out. A second layer of the same kind, the *teacher*,
# gives the labels. After step 200 another teacher replaces it. Deep networks have the same problem: the right sign of
# a weight changes whenever the layers below change.

# %%
D, L, CHANGE = 64, 4, 200
teachers = sign(np.random.default_rng(0).normal(size=(2, D, L)))


def toy_batch(t):
    x = sign(np.random.default_rng([0, t]).normal(size=(64, D)))
    return x, (x @ teachers[int(t > CHANGE)]).argmax(axis=-1)


# %% [markdown]
# The forward pass reads top-down, the backward pass bottom-up. At (1) the gradient of the signs is used as the
# gradient of the latent weights. This is the surrogate `identity`. With the clip it equals the mask, because no $|w|$
# is above 1.


# %%
def loss_and_gradients(params, t):
    x, labels = toy_batch(t)
    logits = x @ sign(params["w"]) / np.sqrt(D)  # (1)
    loss, cache = cross_entropy(logits, labels)  # (2)

    dlogits = cross_entropy_backward(1.0, cache)  # (2)
    dsigns = x.T @ dlogits / np.sqrt(D)  # (1)
    return loss, {"w": dsigns}


# %% [markdown]
# The next function trains, and counts the signs that change. An optimizer of the library is a pair of functions:
# `init` makes a state, and `step` returns new dicts without writing into the old ones. `sgd(0)` makes a step of `lr`
# times the gradient. An argument above 0 would add a part of the earlier steps (momentum).


# %%
def train_toy(optimizer, w, *, lr=10.0, clip=False, decay=0.0, steps=400):
    params, losses, flips = {"w": w}, [], []
    state = optimizer.init(params)
    for t in range(1, steps + 1):
        loss, gradients = loss_and_gradients(params, t)
        gradients["w"] = gradients["w"] + decay * params["w"]
        new, state = optimizer.step(params, gradients, state, lr=lr, t=t)
        new = clip_latent(new, ("w",)) if clip else new
        losses.append(loss)
        flips.append(np.sum(sign(new["w"]) != sign(params["w"])))
        params = new
    return np.array(losses), np.array(flips), params["w"]


# %%
def draw(runs):
    figure = new_figure(7, 3.8)
    axes = figure.subplots(2, 1, sharex=True)
    for (name, (losses, flips, _)), style in zip(runs.items(), ("-", "--")):
        for axis, values in zip(axes, (losses, flips)):
            axis.plot(values.reshape(-1, 5).mean(axis=1).repeat(5), style, label=name)
    axes[0].set(ylabel="loss")
    axes[0].legend()
    axes[1].set(ylabel="flips per step", xlabel="step (means of five)")
    for axis in axes:
        axis.axvline(CHANGE, color="black", linewidth=0.5)
    return figure


# %%
w0 = np.random.default_rng(1).uniform(-0.1, 0.1, (D, L))
runs = {"clipped": train_toy(sgd(0), w0, clip=True), "not clipped": train_toy(sgd(0), w0)}
draw(runs)

# %% [markdown]
# Until the change the two curves look the same. After it the clipped weights change their signs at once, while the
# others first have to come back to 0. How far away were they?

# %% tags=["varies"]
teacher = np.mean([loss_and_gradients({"w": teachers[1]}, t)[0] for t in range(CHANGE + 1, 401)])
print(f"the loss of the teacher itself is {teacher:.2f}")
for name, (losses, _, w) in runs.items():
    late = np.convolve(losses[CHANGE:], np.ones(10) / 10, "valid")
    far = f"{np.mean(abs(w) >= 1):.0%} of |w| are at least 1, the largest is {abs(w).max():.1f}"
    print(f"{name:11}: {far}; loss below 0.9 again after {np.argmax(late < 0.9)} steps")

# %% [markdown]
# larq/larq#29 asks for the clip as a default; itayhubara/BinaryNet.pytorch#32 reports that it is missing.
#
# ### What a learning rate is
#
# Train again without the clip, with latent weights that start eight times as large, *and* with a learning rate eight
# times as large. Are the losses the same? The cell compares all 400 of them by `==`:

# %%
large, _, _ = train_toy(sgd(0), 8 * w0, lr=80.0)
np.array_equal(large, runs["not clipped"][0])

# %% [markdown]
# Only the ratio of rate to size matters. So the rate does not say how far a weight moves, but how *easily it flips*.
# The clip fixes the size: it is at most 1.

# %% tags=["varies"]
for rate in (0.3, 3.0, 30.0):
    losses, flips, _ = train_toy(sgd(0), w0, lr=rate, clip=True, steps=CHANGE)
    first, last, loss = flips[:20].mean(), flips[-50:].mean(), losses[-50:].mean()
    print(f"lr {rate:4}: {first:4.1f} flips per step at first, {last:4.1f} at the end, final loss {loss:.3f}")

# %% [markdown]
# In the last steps the loss no longer falls, and yet signs flip back and forth. A smaller rate gives fewer such flips
# and a lower loss. That is why training uses a schedule, which lowers the rate over time. `learning_rate` in
# `tinybnn/model/optim.py` has three; the trainer's default is `cosine`.
#
# ### What weight decay is
#
# Weight decay adds a small multiple of $w$ to the gradient, and so pulls $w$ towards 0. In a float network small
# weights give a smooth function. A binary network computes the same function for any size of $w$. What does decay do
# there?

# %% tags=["varies"]
for decay in (0.0, 0.001, 0.01, 0.1):
    losses, flips, w = train_toy(sgd(0), w0, lr=3.0, clip=True, decay=decay, steps=CHANGE)
    last, loss = flips[-50:].mean(), losses[-50:].mean()
    print(f"decay {decay:5}: mean |w| {abs(w).mean():.2f}, final flips per step {last:4.1f}, final loss {loss:.3f}")

# %% [markdown]
# It reduces inertia. So there are more flips and a higher loss, as with a larger rate. (If the scale is
# $\alpha = \operatorname{mean}|w|$, as in notebook 02, decay also shrinks the scale, and batch norm undoes that.) More
# on this: larq/larq#33, #544, #577.
#
# ## Bop: flips without latent weights
#
# If the size of $w$ only stores evidence for its sign, we can store that evidence in a variable of its own. Bop
# (Helwegen 2019, arXiv 1906.02107, algorithm 1; status *exact*) stores the signs $w$ and a running average $m$ of
# their gradients:
#
# $$m \leftarrow (1 - \gamma)\,m + \gamma\,g, \qquad w \leftarrow \begin{cases} -w & |m| > \tau \text{ and }
# \operatorname{sgn}(m) = \operatorname{sgn}(w) \\ w & \text{otherwise} \end{cases}$$
#
# If the gradient has the same sign as the weight, the loss falls when the weight moves towards 0 and beyond. So: where
# $|m|$ exceeds $\tau$, the weight takes the sign opposite to $m$.
#
# **Predict.** A weight is +1, $m$ is 0, and the gradient is 1 in each of five steps. What is the weight after each
# step?

# %% prediction="signs"
RATE = 0.25  # variant: 0.5
TAU = 0.5  # variant: 0.75
### BEGIN SOLUTION
signs = np.where(1 - (1 - RATE) ** np.arange(1, 6) > TAU, -1, 1)
### END SOLUTION


# %% check="signs"
optimizer, w, seen = bop(("w",), gamma=RATE, threshold=TAU), {"w": np.ones(1)}, []
state = optimizer.init(w)
for t in range(1, 6):
    w, state = optimizer.step(w, {"w": np.ones(1)}, state, lr=0.0, t=t)
    seen.append(w["w"][0])
check_prediction(signs, seen)

# %% [markdown]
# ### Exercise: `bop_step`


# %% exercise="bop_step"
def flip(w, m, g, *, gamma, threshold):
    """w signs, m old averages, g gradients, all of the same shape -> the new signs, -1 or +1."""
    ### BEGIN SOLUTION
    m = (1 - gamma) * m + gamma * g
    flips = (np.abs(m) > threshold) & ((m > 0) == (w > 0))
    return np.where(flips, -w, w)
    ### END SOLUTION


# %% check="bop_step"
check("bop_step", flip)

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# Update the average with the new gradient *before* you compare it. Then there are two conditions, both arrays of
# booleans.
#
# </details>
# <details><summary>Hint 2</summary>
#
# `&` joins two arrays of booleans; put each in parentheses. Equal signs are `(m > 0) == (w > 0)`. `np.where` with `-w`
# and `w` does the rest.
#
# </details>
#
# **In the library**: `bop` in `tinybnn/model/optim.py`. It keeps the averages in the optimizer's state, and leaves
# every float parameter to another optimizer.
#
# **What would break if** the surrogate of the weights were Bi-Real Net's polynomial (notebook 01)? The next cell shows
# its slope.
#
# <details><summary>Answer</summary>
#
# No weight would ever flip. Bop's weights are -1 and +1, and there the polynomial's slope $2 - 2|w|$ is 0: all
# gradients are 0. Bop needs a surrogate that lets the gradient through at 1, as the clip does. The same slope keeps
# latent weights away from 1.
#
# </details>

# %%
print("clip      ", clipped.dsoft(np.array([-1.0, 1.0])))
print("polynomial", polynomial.dsoft(np.array([-1.0, 1.0])))

# %% [markdown]
# The same example, trained by Bop and by clipped latent weights:

# %%
draw({"Bop": train_toy(bop(("w",), gamma=0.1, threshold=0.003), sign(w0)), "latent, clipped": runs["clipped"]})

# %% [markdown]
# Bop has no learning rate. In the end almost nothing flips, because evidence below $\tau$ flips no sign. But $\tau$ is
# compared with gradients, so the right $\tau$ depends on the network, and on whether the loss is a sum or a mean.
# larq/larq#361 finds Bop's defaults too high, and proposes $\gamma = 10^{-4}$ and $\tau = 10^{-8}$.
# plumerai/rethinking-bnn-optimization#23 asks why Bop's weights have no quantizer. The answer: they are signs already.
#
# ## A real network, and the same bits twice
#
# `train.step` does the same as the loop above, on a batch that is drawn anew in each step: crops of photographs that
# are scaled, mirrored, and made a little brighter or darker. In the labels below the light colour is the object. All
# random choices of step $t$ come from `default_rng([seed, t])`.

# %%
SEED = 0  # variant: 1 | 2
samples = list(load("photos", "train"))
x, labels = draw_batch(samples, np.random.default_rng([SEED, 1]), 4, 48)
again, _ = draw_batch(samples, np.random.default_rng([SEED, 1]), 4, 48)
print("drawn again, the same bits:", (x == again).all(), "- batch", x.shape, "labels", labels.shape)
shown = {f"{what} {i}": a for i in range(3) for what, a in (("crop", x[i]), ("label", colours(labels[i], 2)))}
pictures(shown, width=1.2)

# %% [markdown]
# Now a small network and 60 steps: first latent weights with Adam (notebook 02) and the clip, then Bop. One value,
# `run`, holds everything that a training needs in order to continue.

# %% tags=["varies"]
config = net.Config(width=8, depth=1, branches=1, attention="none", quantizer="clipped")


def train_photos(name):
    run = start(config, Training(steps=60, batch=8, crop=32, optimizer=name, seed=SEED))
    keys, flips = net.binary_weights(run.params), []
    while run.step < 60:
        new = step(run, samples)
        flips.append(sum(np.sum(sign(new.params[k]) != sign(run.params[k])) for k in keys))
        run = new
    print(f"{name}: loss {run.losses[:5].mean():.2f} -> {run.losses[-5:].mean():.2f}, {sum(flips)} flips in all")
    return run.losses, np.array(flips), None


photos = {"latent, clipped (Adam)": train_photos("adam"), "Bop": train_photos("bop")}

# %%
figure = new_figure(7, 2.6)
for axis, which, title in zip(figure.subplots(1, 2), (0, 1), ("loss", "flips per step")):
    for (name, run), style in zip(photos.items(), ("-", "--")):
        axis.plot(np.arange(1, 61), run[which], style, label=name)
    axis.set(title=title, xlabel="step", yscale="symlog" if which else "linear", ylim=(0, None))
axis.legend(fontsize=8)
figure

# %% [markdown]
# With Adam the flips stop, because the cosine schedule lowers the rate to 0. Bop does not use the rate for its signs,
# so they continue to flip.
#
# The last cell compares two trainings of twelve steps. One runs without a break. The other stops after six steps, is
# written to a file, and is read back and continued. No random generator has to be saved, because what step 7 draws
# depends only on the seed and on 7. Losses and parameters are compared by `==`:

# %%
training = Training(steps=12, batch=4, crop=32, seed=SEED)
whole, half = start(config, training), start(config, training)
for _ in range(12):
    whole = step(whole, samples)
for _ in range(6):
    half = step(half, samples)
with tempfile.TemporaryDirectory() as folder:
    save_run(f"{folder}/half.npz", half)
    resumed = load_run(f"{folder}/half.npz")
for _ in range(6):
    resumed = step(resumed, samples)
np.array_equal(whole.losses, resumed.losses), all((v == resumed.params[k]).all() for k, v in whole.params.items())

# %% [markdown]
# ## What you have
#
# A loss, two ways to update bits, and a training that gives the same bits each time. So an error in it can be
# reproduced and found. Until now maps only became smaller. To label every pixel they must become large again, and
# there a single bit per value loses much: notebook 08.
