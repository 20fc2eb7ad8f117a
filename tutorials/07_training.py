# %% [markdown]
# # 7. Training without autograd: latent weights, clipping, flips
#
# 45 minutes · needs 01, 02, 05, 06 · explains `tinybnn/ops/loss.py`, `tinybnn/model/optim.py`, `tinybnn/model/train.py`
#
# Afterwards you can
#
# - write the gradient with which every backward pass begins, with pixels that do not count;
# - say why a float stands behind each bit, why it is clipped, and what learning rate and weight decay do to it;
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
# The network gives $L$ logits for each pixel, and softmax makes probabilities of them. The loss is the mean of
# $-\log$ of what the true class $t_i$ got, over the $P$ pixels that count:
#
# $$p_{il} = \frac{e^{z_{il}}}{\sum_k e^{z_{ik}}}, \qquad
# \text{loss} = -\frac{1}{P} \sum_{i\ \text{counts}} \log p_{i t_i}$$
#
# A pixel with the label 255 does not count: it is in neither the sum nor $P$. The specification, `cross_entropy_loops`,
# says `continue` there. Three pixels, two classes; the logits are logarithms, so softmax only has to divide:

# %%
ODDS = np.array([[1.0, 3.0], [1.0, 1.0], [2.0, 8.0]])  # variant: np.array([[4.0, 1.0], [3.0, 1.0], [1.0, 1.0]])
LABELS = np.array([1, 0, 255])  # variant: np.array([0, 255, 1]) | np.array([255, 1, 1])
print(f"{cross_entropy_loops(np.log(ODDS), LABELS):.4f}")

# %% [markdown]
# The derivative is short. From $\log p_{it} = z_{it} - \log \sum_k e^{z_{ik}}$:
#
# $$\frac{\partial\,\text{loss}}{\partial z_{il}} = \frac{1}{P}\big(p_{il} - [\,l = t_i\,]\big)$$
#
# where pixel $i$ counts, and 0 elsewhere. (Textbook; status *exact*.)
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
# The forward pass keeps the softmax of the $P$ pixels that count, and nothing of the others. `dloss` is the gradient
# that arrives: 1, or a weight if this loss is one of a sum.


# %% exercise="cross_entropy_backward"
def loss_backward(dloss, cache):
    """dloss a number; counted (...) booleans, probability (P, L), labels (P,) -> dlogits (..., L).

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
# rows to where `counted` is true. Where no pixel counts, $P$ is 0 and the gradient too.
#
# </details>
# <details><summary>Hint 2</summary>
#
# `dz[np.arange(P), labels]` names one element in each row. `zeros[counted] = rows` puts one row to each true place, in
# order. `max(P, 1)` keeps you from dividing by 0.
#
# </details>
#
# **In the library**: `cross_entropy` and `cross_entropy_backward` in `tinybnn/ops/loss.py`. They take weights for classes
# too; then the sum of the weights stands in the place of $P$.
#
# **What would break if** you divided by all pixels, ignored ones too?
#
# <details><summary>Answer</summary>
#
# A crop with much to ignore would hardly move the weights, whatever the rest of it has to teach. No gradient check on a
# fully labelled image would find it.
#
# </details>
#
# ## A float behind each bit
#
# Notebook 05 brought the gradient down to a binary weight. Now what? A step of 0.01 from +1 leads to 0.99, whose sign
# is +1. Keep the sign alone, and the next step starts at +1 again: nothing ever adds up.
#
# So behind each sign stands a **latent weight** $w$, a float. Forward uses $\operatorname{sgn}(w)$; the update moves
# $w$, and does not let it leave $[-1, 1]$:
#
# $$w \leftarrow \operatorname{clip}\big(w - \text{lr} \cdot g,\ -1,\ 1\big)$$
#
# (BinaryConnect, Courbariaux 2015, arXiv 1511.00363, algorithm 1; Hubara 2016, arXiv 1602.02830; status *exact*.)
#
# Its size changes no output. It says how much evidence has come for the sign, and so how much it takes to turn it:
# **size is inertia**. Why clip it then, if only the sign is used? So asks itayhubara/BinaryNet.pytorch#29.
#
# **Predict.** A latent weight starts at 0.5. In `PUSHES` steps the gradient is -1, and pushes it up. Then the world
# changes, and the gradient is +1. After how many steps of that has the sign turned to -1, with the clip and without?
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
# Without a clip a weight that was right for long takes as long to turn. And with the mask of notebook 01 it never does:
# beyond 1 it gets no gradient at all (allenai/XNOR-Net#25). With the clip many weights are 1 exactly, and that is why
# the mask must pass there.
#
# ### Exercise: `latent_step`


# %% exercise="latent_step"
def one_step(w, g, *, lr):
    """Latent weights w and their gradient g, arrays of one shape; a rate -> the new latent weights."""
    ### BEGIN SOLUTION
    return np.clip(w - lr * g, -1, 1)
    ### END SOLUTION


# %% check="latent_step"
check("latent_step", one_step)

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# Step first, clip after: what leaves the function must lie in $[-1, 1]$.
#
# </details>
# <details><summary>Hint 2</summary>
#
# `np.clip(a, low, high)`. Return a new array; `w -= ...` would write into the one you were given.
#
# </details>
#
# **In the library**: `sgd` and `adam` in `tinybnn/model/optim.py` make the step, for float parameters too; `clip_latent` goes
# over the latent weights afterwards, and over nothing else.
#
# **What would break if** you clipped the *gradient* to $[-1, 1]$ in the place of the weight?
#
# <details><summary>Answer</summary>
#
# The weights would run off as without a clip, only slower, and a large gradient would count no more than one of 1.
# "Clip" means three things in this field: a mask on $x$ (notebook 01), this clip of $w$, and a bound on gradients.
#
# </details>
#
# ## A whole training, in plain dicts
#
# One binary layer, 64 signs in, 4 classes out. A *teacher* of the same kind gives the labels. After step 200 another
# teacher takes over: in a deep network too, what is right for a weight changes whenever the layers below it do.

# %%
D, L, CHANGE = 64, 4, 200
teachers = sign(np.random.default_rng(0).normal(size=(2, D, L)))


def toy_batch(t):
    x = sign(np.random.default_rng([0, t]).normal(size=(64, D)))
    return x, (x @ teachers[int(t > CHANGE)]).argmax(axis=-1)


# %% [markdown]
# Forward top-down, backward bottom-up. At (1) the gradient of the signs is taken for that of the latent weights: the
# surrogate `identity`. With the clip this is the same as the mask, for then no $|w|$ is above 1.


# %%
def loss_and_gradients(params, t):
    x, labels = toy_batch(t)
    logits = x @ sign(params["w"]) / np.sqrt(D)  # (1)
    loss, cache = cross_entropy(logits, labels)  # (2)

    dlogits = cross_entropy_backward(1.0, cache)  # (2)
    dsigns = x.T @ dlogits / np.sqrt(D)  # (1)
    return loss, {"w": dsigns}


# %% [markdown]
# Update, and count the signs that change. An optimizer of the library is a pair of functions: `init` makes a state,
# `step` gives new dicts and writes into none. `sgd(0)` steps by `lr` times the gradient; a number above 0 would also
# keep a part of the last steps (momentum).


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
    axes[1].set(ylabel="flips a step", xlabel="step (means of five)")
    for axis in axes:
        axis.axvline(CHANGE, color="black", linewidth=0.5)
    return figure


# %%
w0 = np.random.default_rng(1).uniform(-0.1, 0.1, (D, L))
runs = {"clipped": train_toy(sgd(0), w0, clip=True), "not clipped": train_toy(sgd(0), w0)}
draw(runs)

# %% [markdown]
# Until the change the two are the same in all that shows. Behind it the clipped weights turn at once, while the
# others first walk back. How far had they gone?

# %% tags=["varies"]
teacher = np.mean([loss_and_gradients({"w": teachers[1]}, t)[0] for t in range(CHANGE + 1, 401)])
print(f"the teacher's own loss is {teacher:.2f}")
for name, (losses, _, w) in runs.items():
    late = np.convolve(losses[CHANGE:], np.ones(10) / 10, "valid")
    far = f"{np.mean(abs(w) >= 1):.0%} of |w| at 1 or beyond, the largest at {abs(w).max():.1f}"
    print(f"{name:11}: {far}; loss below 0.9 again after {np.argmax(late < 0.9)} steps")

# %% [markdown]
# larq/larq#29 asks for the clip as a default; itayhubara/BinaryNet.pytorch#32 finds it missing.
#
# ### What a learning rate is
#
# Of one start, without the clip, take a latent weight eight times as large *and* a rate eight times as large. Are the
# losses the same? All 400 of them, by `==`:

# %%
large, _, _ = train_toy(sgd(0), 8 * w0, lr=80.0)
np.array_equal(large, runs["not clipped"][0])

# %% [markdown]
# Only the ratio counts. A rate does not say how far weights move, it says how *easily they flip*; the clip fixes the
# other side of the ratio at 1.

# %% tags=["varies"]
for rate in (0.3, 3.0, 30.0):
    losses, flips, _ = train_toy(sgd(0), w0, lr=rate, clip=True, steps=CHANGE)
    first, last, loss = flips[:20].mean(), flips[-50:].mean(), losses[-50:].mean()
    print(f"lr {rate:4}: {first:4.1f} flips a step at first, {last:4.1f} at last; loss at last {loss:.3f}")

# %% [markdown]
# At last the loss no longer falls, and still signs turn, to and fro. A smaller rate has fewer such flips and a lower
# loss. That is what a schedule is for: `learning_rate` in `tinybnn/model/optim.py` has a cosine, the trainer's default.
#
# ### What weight decay is
#
# Decay adds a little of $w$ to its gradient, and so pulls it towards 0. In a float network small weights make a smooth
# function. The function of a binary network does not see the size. What does decay do, then?

# %% tags=["varies"]
for decay in (0.0, 0.001, 0.01, 0.1):
    losses, flips, w = train_toy(sgd(0), w0, lr=3.0, clip=True, decay=decay, steps=CHANGE)
    last, loss = flips[-50:].mean(), losses[-50:].mean()
    print(f"decay {decay:5}: mean |w| {abs(w).mean():.2f}, {last:4.1f} flips a step at last; loss at last {loss:.3f}")

# %% [markdown]
# It takes inertia away: more flips and a higher loss, as with a larger rate. (If the scale is
# $\alpha = \operatorname{mean}|w|$, as in notebook 02, decay also shrinks the scale, and batch norm undoes that.) More
# such questions: larq/larq#33, #544, #577.
#
# ## Bop: flips without latent weights
#
# If size is inertia, the evidence may as well be kept by itself. Bop (Helwegen 2019, arXiv 1906.02107, algorithm 1;
# status *exact*) keeps the signs $w$ and an average $m$ of their gradients:
#
# $$m \leftarrow (1 - \gamma)\,m + \gamma\,g, \qquad w \leftarrow \begin{cases} -w & |m| > \tau \text{ and }
# \operatorname{sgn}(m) = \operatorname{sgn}(w) \\ w & \text{otherwise} \end{cases}$$
#
# A gradient of the weight's own sign says that the loss falls if the weight goes down, through 0. So in a word: where
# the evidence exceeds $\tau$, the weight takes the sign against it.
#
# **Predict.** One weight is +1, $m$ is 0, and the gradient is 1 in each of five steps. What is the weight after each?

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
    """Signs w, old averages m and gradients g, arrays of one shape -> the new signs, -1 or +1."""
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
# The average takes the new gradient in *before* it is compared. Then two conditions, both arrays of booleans.
#
# </details>
# <details><summary>Hint 2</summary>
#
# Two arrays of booleans are joined by `&`, each in parentheses. Equal signs: `(m > 0) == (w > 0)`. `np.where` with `-w`
# and `w` does the rest.
#
# </details>
#
# **In the library**: `bop` in `tinybnn/model/optim.py`. It hands the new averages on in its state, and every float parameter
# to another optimizer.
#
# **What would break if** the weights' surrogate were Bi-Real Net's polynomial (notebook 01)? Look at the next cell.
#
# <details><summary>Answer</summary>
#
# Nothing would ever flip. Bop's weights are -1 and +1, and there the polynomial's slope $2 - 2|w|$ is 0: all gradients
# are 0. Bop needs a surrogate that passes at 1, as the clip does. The same slope keeps latent weights away from 1.
#
# </details>

# %%
print("clip      ", clipped.dsoft(np.array([-1.0, 1.0])))
print("polynomial", polynomial.dsoft(np.array([-1.0, 1.0])))

# %% [markdown]
# The toy again, by Bop and by clipped latent weights:

# %%
draw({"Bop": train_toy(bop(("w",), gamma=0.1, threshold=0.003), sign(w0)), "latent, clipped": runs["clipped"]})

# %% [markdown]
# There is no learning rate, and at last almost nothing flips: evidence below $\tau$ turns nothing. But $\tau$ is
# measured in gradients, so it depends on the network, and on whether the loss is a sum or a mean. larq/larq#361 finds
# its defaults too high, and proposes $\gamma = 10^{-4}$ and $\tau = 10^{-8}$. That no quantizer stands before Bop's
# weights puzzles plumerai/rethinking-bnn-optimization#23: they are signs already.
#
# ## A real network, and the same bits twice
#
# What `train.step` does is the loop above, with a batch that is drawn anew: crops of photographs, scaled, mirrored, a
# little brighter or darker. In the labels below the light colour is the object. All chance in step $t$ comes from
# `default_rng([seed, t])`.

# %%
SEED = 0  # variant: 1 | 2
samples = list(load("photos", "train"))
x, labels = draw_batch(samples, np.random.default_rng([SEED, 1]), 4, 48)
again, _ = draw_batch(samples, np.random.default_rng([SEED, 1]), 4, 48)
print("drawn again, the same bits:", (x == again).all(), "- batch", x.shape, "labels", labels.shape)
shown = {f"{what} {i}": a for i in range(3) for what, a in (("crop", x[i]), ("label", colours(labels[i], 2)))}
pictures(shown, width=1.2)

# %% [markdown]
# A small network, 60 steps: latent weights with Adam (notebook 02) and the clip, then Bop. All that a run is stands in
# one value, `run`.

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
for axis, which, title in zip(figure.subplots(1, 2), (0, 1), ("loss", "flips a step")):
    for (name, run), style in zip(photos.items(), ("-", "--")):
        axis.plot(np.arange(1, 61), run[which], style, label=name)
    axis.set(title=title, xlabel="step", yscale="symlog" if which else "linear", ylim=(0, None))
axis.legend(fontsize=8)
figure

# %% [markdown]
# Adam's flips end with the rate, which the cosine takes to 0. Bop has no such rate, and goes on.
#
# Now a run of twelve steps, and one that is stopped after six, written to a file, read back and taken up again. No
# generator has to be saved: what step 7 draws depends on the seed and on 7 alone. Losses and parameters, by `==`:

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
# A loss, two ways to update bits, and a training that can be repeated to the last bit, so that what is wrong in it can
# be found. So far maps only become smaller. To label every pixel they must become large again, and there one bit is
# crude: notebook 08.
