# %% [markdown]
# # 10. The whole network
#
# 45 minutes · needs 04, 06, 07, 08, 09 · explains `tinybnn/model/blocks.py`, `tinybnn/model/net.py`, `tinybnn/app/variants.py`
#
# Afterwards you can
#
# - name every layer of a binary dense predictor with its shape and its number of parameters, and say why two stay
#   float;
# - score one object that stands out, and say what a score is worth that marks everything;
# - compare two networks over seeds, seed by seed, and say what the table shows and what it does not.

# %%
import inspect
import re
from math import comb

import numpy as np

from tinybnn import load, polynomial, sign
from tinybnn.app.pictures import attention, branches, new_figure, pictures, predictions
from tinybnn.app.variants import VARIANTS, train_variant
from tinybnn.metrics.labels import confusion_matrix, iou_per_class
from tinybnn.metrics.saliency import f_curve, mae, max_f
from tinybnn.model import cost
from tinybnn.model.evaluate import evaluate, predict, probability
from tinybnn.model.net import Config, backward, forward, init
from tinybnn.model.train import logits_of
from tinybnn.testing import check, check_prediction

# %% [markdown]
# ## One picture
#
# All parts are there. `tinybnn/model/net.py` puts them in a row, and `tinybnn.model.cost.layers` lists what it puts there.


# %%
def draw(rows):
    figure = new_figure(9, 3.2)
    axis = figure.subplots()
    for i, row in enumerate(rows):
        _, H, W, C = row.shape
        colour = "#dddddd" if row.kind.startswith("float conv") else "#4878a8"
        axis.bar(i, H, 0.15 + C / 100, bottom=-H / 2, color=colour, edgecolor="black")
        axis.text(i, H / 2 + 3, f"{row.name}\n{H} x {W}\nx {C}", ha="center", fontsize=8)
    axis.set(xticks=[], yticks=[], ylim=(-55, 85))
    axis.set_title("the output of each layer: height is H, width is C; grey is float", fontsize=10)
    axis.spines[:].set_visible(False)
    return figure


street = Config(classes=19)
draw(cost.layers(street, (96, 96)))

# %% [markdown]
# - **stem**: a float 3x3 convolution with stride 2.
# - **enc**: two stages of binary residual blocks. The first block of a stage halves the map and doubles the channels.
# - **att**: the two-part attention of notebook 09, where the map is smallest.
# - **up**: three times the multi-branch upsampling of notebook 08, each doubling the map; the first two halve the
#   channels.
# - **head**: a float 1x1 convolution, from channels to classes.
#
# No shortcut leads from the encoder to the decoder, as one does in many other networks. It would carry fine detail
# past the upsampling; here, what is drawn in full resolution has come through signs, and the quality of the upsampling
# shows. Backbone, order and sizes of the paper are not public, so these are *ours*, and the whole is *reconstructed*.
#
# **Predict.** An image of `SIZE` by `SIZE` pixels, `WIDTH` channels after the stem. Rows and channels, `(H, C)`, of
# the output of the stem, of `enc2.2`, of `up1` and of `up3`?

# %% prediction="shapes"
SIZE = 96  # variant: 64 | 160
WIDTH = 16  # variant: 8 | 32
### BEGIN SOLUTION
shapes = [(SIZE // 2, WIDTH), (SIZE // 8, 4 * WIDTH), (SIZE // 4, 2 * WIDTH), (SIZE, WIDTH)]
### END SOLUTION

# %% check="shapes"
rows = {row.name: row.shape for row in cost.layers(Config(width=WIDTH), (SIZE, SIZE))}
check_prediction(shapes, [(rows[name][1], rows[name][3]) for name in ("stem", "enc2.2", "up1", "up3")])

# %% [markdown]
# ## One block
#
# Here is what a residual block owns. `enc1.1` has 16 channels in and 32 out.

# %%
params, state = init(street, np.random.default_rng(0))
for key, value in params.items():
    if key.startswith("enc1.1."):
        print(f"{key:18s} {value.shape}")

# %% [markdown]
# And here is what it computes:
#
# $$y = \text{act}\big(\text{bn}(\alpha \odot (\operatorname{sgn}(x - \tau) \circledast \operatorname{sgn}(w))) +
# \text{shortcut}(x)\big)$$
#
# The shortcut is Bi-Real Net's (Liu 2018, arXiv 1808.00278), threshold and activation are ReActNet's (Liu 2020, arXiv
# 2003.03488); status *exact*, their arrangement *ours*.
#
# **Predict.** How many parameters has a block with `C` channels in and as many out? Count latent weights, thresholds,
# scales, the two numbers a channel of batch norm, and the three of the activation.

# %% prediction="parameters"
C = 32  # variant: 16 | 64
### BEGIN SOLUTION
parameters = 9 * C * C + 7 * C
### END SOLUTION

# %% check="parameters"
block = {row.name: row for row in cost.layers(Config(width=C // 2), (64, 64))}["enc1.2"]
check_prediction(parameters, block.parameters)

# %% [markdown]
# ### In which order?
#
# Threshold and sign, convolution, batch norm, sum, activation: readers of other code ask whether this order matters,
# and where pooling goes (jiecaoyu/XNOR-Net-PyTorch#35, #90). It does: in notebook 06 the maximum of signs was $+1$
# nearly everywhere, and no norm behind it could mend that. This network pools only in the shortcut, by the mean, and
# only real values.
#
# ### Exercise: the activation
#
# The last step of a block is ReActNet's **RPReLU**: shift, bend, shift back. With $z = x - \text{shift\_in}$,
#
# $$y = \begin{cases} z & z \ge 0 \\ \text{slope} \cdot z & z < 0 \end{cases} \; + \; \text{shift\_out}$$
#
# all three learnt for each channel (Liu 2020, eq. 2; status *exact*). The shifts move values to where the next
# threshold can tell them apart.


# %% exercise="rprelu"
def bend(x, shift_in, slope, shift_out):
    """x (N, H, W, C) and three arrays (C,) -> y (N, H, W, C), in the dtype of x."""
    ### BEGIN SOLUTION
    z = x - shift_in
    return np.where(z >= 0, z, slope * z) + shift_out
    ### END SOLUTION


# %% check="rprelu"
check("rprelu", bend)

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# The last axis is C, so arrays of shape (C,) broadcast by themselves. Which of the three stands inside the bend?
#
# </details>
# <details><summary>Hint 2</summary>
#
# A new array for `x - shift_in`, then `np.where` with `slope` times it on the negative side; `shift_out` comes last,
# for both sides alike.
#
# </details>
#
# **In the library**: `rprelu` in `tinybnn/ops/activation.py`; `activate` in `tinybnn/model/blocks.py` chooses between it and two
# simpler ones by which parameters are there.
#
# **What would break if** you wrote `x -= shift_in`?
#
# <details><summary>Answer</summary>
#
# The result would be right, and whoever else holds that array would find it shifted: a shortcut that adds it later, or
# a cache from which the backward pass reads. Nothing raises; the network trains worse. The check says "wrote into its
# argument".
#
# </details>

# %% [markdown]
# ## Which layers stay float
#
# Stem and head, as in nearly all binary networks. People ask why (allenai/XNOR-Net#12,
# jiecaoyu/XNOR-Net-PyTorch#36, #50). First, it costs little:

# %%
rows = cost.layers(street, (64, 128))
kinds = {"stem and head": [r for r in rows if r.name in ("stem", "head")], "all layers": rows}
for name, some in kinds.items():
    count, bits, work = cost.total(some)
    print(f"{name:14s} {count:8,} parameters  {work.binary:12,} binary and {work.real:10,} float multiplications")
(few, _, theirs), (many, _, all_work) = (cost.total(some) for some in kinds.values())
print(f"one parameter in {many / few:.0f}, one multiplication for {all_work.binary / theirs.real:.0f} binary ones")

# %% [markdown]
# (In time their share is larger: many binary multiplications go into one instruction.) Second, signs would lose much. A
# stem that reads signs sees this of a photograph:

# %%
photos = load("photos", "train")
seen, unseen = list(photos), list(load("photos", "val"))
image = unseen[26].image
signs = (sign(image - 0.5) + 1) / 2
pictures({"image": image, "sgn(x - 0.5)": signs, "truth": unseen[26].label}, width=2.2, cmap="gray")

# %% [markdown]
# Inside, a layer can be given more channels to make up for what signs lose; a photograph has three. And the head has
# to rank the classes: a sum of $n$ signs has only $n + 1$ values, so with 16 channels many classes would share the
# first place. The float multiplications of `all layers` that are in neither stem nor head are those of attention,
# where weights multiply values (notebook 09).

# %% [markdown]
# ## Down and up
#
# `net.forward` reads top-down, `net.backward` bottom-up, and the numbers meet:

# %%
for function in (forward, backward):
    lines = [line.strip() for line in inspect.getsource(function).splitlines() if re.search(r"# \(\d\)$", line)]
    print(function.__name__)
    for line in lines:
        print("  ", line[-3:], line[:-5].strip())

# %% [markdown]
# There is no autograd. Every block's forward leaves a cache; its backward takes the last one from the list. The blocks
# in `tinybnn/model/blocks.py` have the same form, one level further down. Where a value goes two ways, into the binary
# branch and into the shortcut, its two gradients are added, and that `+` stands in the code.
#
# A network of so many hand-written pieces is checked as one sign was in notebook 01: relax the quantizers, and the
# same backward must agree with finite differences. Here along one random direction `v` of all parameters at once. The
# loss is a sum of the logits, each times a random weight, `dlogits`. The first cell has two functions; the second makes
# what they need and calls them.


# %% tags=["varies"]
def slope_along(direction, loss, params, h=1e-6):
    there, back = ({k: p + step * direction[k] for k, p in params.items()} for step in (h, -h))
    return (loss(there) - loss(back)) / (2 * h)


def weighted_sum(params):
    return (forward(params, s, x, small, train=True, quantizer=soft)[0] * dlogits).sum()


# %% tags=["varies"]
rng, small, soft = np.random.default_rng(0), Config(width=4, stages=1), polynomial.relaxed()
p, s = init(small, rng, np.float64)
p = {k: v + 0.1 * rng.normal(size=v.shape) for k, v in p.items()}
x, dlogits = rng.uniform(size=(2, 16, 16, 3)), rng.normal(size=(2, 16, 16, 2))
_, caches, _ = forward(p, s, x, small, train=True, quantizer=soft)
v = {k: rng.normal(size=a.shape) for k, a in p.items()}
print("by hand:     ", sum((g * v[k]).sum() for k, g in backward(dlogits, caches, small).items()))
print("differences: ", slope_along(v, weighted_sum, p))

# %% [markdown]
# ### The float twin
#
# `Config(binary=False)` is one switch: every quantizer becomes the identity, and all else stays: the same parameters,
# the same code, the same batches. So what the twin does better is what the signs cost. `tinybnn/app/variants.py` has four
# networks that differ by one step each:

# %%
for name, changes in VARIANTS.items():
    config = Config(classes=19, **changes)
    print(f"{name:32s} {cost.total(cost.layers(config, (64, 128)))[0]:8,} parameters")

# %% [markdown]
# ## Photographs: one object that stands out
#
# 240 crops of photographs to train on, 64 held out, and two classes, object and background. No object and no
# background of a held-out crop occurs in training. This trains the last of the four networks for a very short time.


# %% tags=["varies"]
def show(step, steps, loss, score):
    if step % 30 == 0:
        print(f"  step {step} of {steps}, loss {loss:.2f}")


photo = train_variant(list(VARIANTS)[3], photos, seen, unseen, show=show, watch=1, steps=120, batch=4, lr=0.01)

# %% tags=["varies"]
figure = branches(photo.run, image)
figure.set_size_inches(6.2, 4.2)
figure

# %% [markdown]
# The last upsampling, branch by branch. Above, what each sees: three thresholds, so three different pictures of the
# same map. Below, what it answers, and its gates, which all started at one half.

# %% tags=["varies"]
figure = attention(photo.run, image, queries=[(0.7, 0.45), (0.2, 0.2)])
figure.set_size_inches(7, 2)
figure

# %% [markdown]
# Two queries, and how much each takes from the 14 anchors of the pyramid, laid over the image. Each picture has its
# own scale: bright is the anchor that this query weighs most. A picture of attention shows what was weighed, not why,
# and after so few steps no story should be told about it.
#
# ### Scores, and what is under them
#
# The network gives each pixel a probability of being object. **MAE** is the mean distance to the mask,
# $\frac{1}{HW} \sum |p - t|$ (Perazzi 2012; status *exact*). **F** asks it of a mask: cut at a threshold, it has
# precision $P$ (which part of what was marked is object) and recall $R$ (which part of the object was marked), and
#
# $$F = \frac{(1 + \beta^2)\,P R}{\beta^2 P + R}, \qquad \beta^2 = 0.3$$
#
# (Achanta 2009; status *from code*). `f_curve` gives it at 256 thresholds; at each of them "mark
# everything" marks the same. One would like to know what no skill at all is worth: mark every pixel, $p = 1$.
#
# **Predict.** For this mask: the IoU of the object, the MAE and the $F$ of "mark everything". Two decimals.

# %% prediction="floor"
mask = np.array([[0, 1, 1, 0, 0], [0, 1, 0, 0, 0]])  # variant: np.array([[1, 1], [0, 0]]) | np.array([[1, 0, 0, 0, 0]])
### BEGIN SOLUTION
everything = [mask.mean(), 1 - mask.mean(), 1.3 * mask.mean() / (0.3 * mask.mean() + 1)]
### END SOLUTION

# %% check="floor"
marked = np.ones(mask.shape)
floor = iou_per_class(confusion_matrix(marked.astype(int), mask, 2))[1], mae(marked, mask), f_curve(marked, mask)[128]
check_prediction(everything, floor)

# %% [markdown]
# Of the whole held-out set, beside the network from above:

# %% tags=["varies"]
covers = np.concatenate([s.label.ravel() == 1 for s in unseen]).mean()
curves = [f_curve(np.ones(s.label.shape), s.label == 1) for s in unseen]
everywhere = {"IoU": covers, "MAE": np.mean([mae(np.ones(s.label.shape), s.label == 1) for s in unseen])}
everywhere["max-F"] = max_f(curves)
for measure, value in everywhere.items():
    print(f"{measure:6s} mark everything {value:.3f}   the network {photo.scores[measure]:.3f}")

# %% [markdown]
# An IoU means nothing without its floor. Had the table had no first column, would you have found the second one bad or
# good? After 400 steps and five seeds README.md has an IoU of 0.333 to 0.387 on these photographs, with the floor at
# 0.359 beside it; it says so, and calls the set hard on purpose.
#
# ### Exercise: `mae`


# %% exercise="mae"
def mean_error(probability, target):
    """probability (H, W) in [0, 1], target (H, W) of booleans or 0 and 1 -> a scalar in the dtype of probability."""
    ### BEGIN SOLUTION
    return np.abs(probability - target.astype(probability.dtype)).mean()
    ### END SOLUTION


# %% check="mae"
check("mae", mean_error)

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# One subtraction, one absolute value, one mean; the order matters. Nothing is cut at a threshold.
#
# </details>
# <details><summary>Hint 2</summary>
#
# float32 minus int64 is float64 in NumPy. `target.astype(probability.dtype)` keeps the dtype.
#
# </details>
#
# **In the library**: `mae` in `tinybnn/metrics/saliency.py`, which sums in float64 and refuses probabilities outside of [0,
# 1].
#
# **What would break if** you stretched every prediction to [0, 1] first, as `py_sod_metrics` does unless told
# otherwise?
#
# <details><summary>Answer</summary>
#
# A timid network looks sure: probabilities from 0.45 to 0.55 become 0 and 1. Its MAE improves without any learning.
# And two papers that score differently cannot be compared. This library does not stretch, and says so where the score
# is defined.
#
# </details>
#
# ### Exercise: `max_f`
#
# `f_curve` gives $F$ of one image at 256 thresholds. The F of a data set is the mean curve at its best threshold, one
# threshold for all images:


# %% exercise="max_f"
def best_f(curves):
    """Curves (images, 256) -> the largest value of their mean curve, in their dtype."""
    ### BEGIN SOLUTION
    return curves.mean(axis=0).max()
    ### END SOLUTION


# %% check="max_f"
check("max_f", best_f)

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# A mean over images and a maximum over thresholds. In which order do all images share one threshold?
#
# </details>
# <details><summary>Hint 2</summary>
#
# `axis=0` is the axis of images. After it 256 numbers are left.
#
# </details>
#
# **In the library**: `max_f` in `tinybnn/metrics/saliency.py`; `evaluate` in `tinybnn/model/evaluate.py` collects the curves and
# calls it. The threshold is chosen on the held-out set itself, which flatters every network a little.
#
# **What would break if** each image took its own best threshold? Try both on the network from above:

# %% tags=["varies"]
own = []
for sample in unseen:
    p = probability(predict(logits_of(photo.run), sample.image, photo.run.config.stride))
    own.append(f_curve(p, sample.label == 1))
print(f"one threshold for all {max_f(own):.3f}, each its own {np.mean([curve.max() for curve in own]):.3f}")

# %% [markdown]
# <details><summary>Answer</summary>
#
# The number can only rise, for the best threshold of each image is chosen by looking at its answer. The catalogue has
# two public projects that did so (lartpang/PySODEvalToolkit#14, xuebinqin/BASNet#19). It is another number under the
# same name.
#
# </details>

# %% [markdown]
# ## Streets: does multi-branch upsampling help?
#
# This is how such a question is asked here: an **ablation**. Two networks that differ in one thing, the number of
# branches. Three seeds; a seed fixes, *for both*, the first weights of stem and encoder, and which crops are seen in
# which step. Forty steps of four crops are next to nothing, but they fit into this notebook.

# %% tags=["varies"]
streets = load("street", "train")
scenes, held_out = list(streets), list(load("street", "val"))
pair, runs = ("binary, nearest", "binary, 3 branches"), {}
how = {"watch": 1, "steps": 40, "batch": 4, "lr": 0.01}
for seed in range(3):
    for name in pair:
        runs[name, seed] = train_variant(name, streets, scenes, held_out, seed=seed, **how)
    print(f"seed {seed}: " + ", ".join(f"{name} {runs[name, seed].scores['mIoU']:.3f}" for name in pair))

# %% tags=["varies"]
predictions(streets, [runs[name, 0] for name in pair], held_out, rows=3)

# %% [markdown]
# The pictures differ; that alone is no news. Two networks that differ in nothing but their seed differ, too.
#
# **Predict.** Two seeds, networks A and B. Give the mean of A - B taken seed by seed, its standard deviation over the
# seeds (`ddof=1`), and the number of seeds in which A is higher. Two decimals.

# %% prediction="paired"
A = np.array([0.36, 0.30])  # variant: np.array([0.41, 0.33]) | np.array([0.28, 0.38])
B = np.array([0.32, 0.28])  # variant: np.array([0.35, 0.35])
### BEGIN SOLUTION
paired = [(A - B).mean(), abs((A - B)[0] - (A - B)[1]) / np.sqrt(2), (A > B).sum()]
### END SOLUTION

# %% check="paired"
check_prediction(paired, [(A - B).mean(), (A - B).std(ddof=1), np.sum(A > B)])

# %% [markdown]
# Some seeds are good for both networks. Taken seed by seed, that drops out of the difference. Here are the three
# seeds, each with its line:

# %% tags=["varies"]
scores = np.array([[runs[name, seed].scores["mIoU"] for name in pair] for seed in range(3)])
figure = new_figure(4.5, 3)
axis = figure.subplots()
for seed, style in enumerate(("o-", "s--", "^:")):
    axis.plot(pair, scores[seed], style, label=f"seed {seed}")
axis.set(ylabel="mIoU, held out", xlim=(-0.3, 1.3), title="40 steps")
axis.legend(fontsize=8)
d = scores[:, 1] - scores[:, 0]
print(f"3 branches - nearest: {d.mean():+.3f} ± {d.std(ddof=1):.3f}, higher in {np.sum(d > 0)} of 3")
figure

# %% [markdown]
# Whatever the lines do on your machine, compare the mean difference with its spread, and with how far apart the seeds
# are. Had you trained with one seed only, which of the three stories would you have told?
#
# ### Five seeds, 400 steps
#
# README.md has the same for all four networks, with ten times as many steps and five seeds, made by
# `tinybnn compare --data street --seeds 5 --steps 400` and the same with `photos`. These are its differences: mean,
# standard deviation, and in how many seeds the first is higher.

# %%
README = {
    "float twin - binary, photographs": (0.041, 0.039, 5),
    "float twin - binary, streets": (0.071, 0.015, 5),
    "3 branches - nearest, photographs": (0.011, 0.031, 3),
    "3 branches - nearest, streets": (0.014, 0.014, 4),
    "attention - none, photographs": (0.043, 0.024, 5),
    "attention - none, streets": (0.009, 0.010, 4),
}
for name, (mean, spread, higher) in README.items():
    ratio = mean / (spread / 5**0.5)
    print(f"{name:34s} {mean:+.3f} ± {spread:.3f}  {higher}/5  mean / (spread / sqrt 5) = {ratio:4.1f}")

# %%
figure = new_figure(7, 2.8)
axis = figure.subplots()
axis.set_title("mean and standard deviation over five seeds", fontsize=10)
for i, (mean, spread, higher) in enumerate(README.values()):
    axis.errorbar(mean, -i, xerr=spread, fmt="o", color="black", capsize=4)
    axis.text(0.1, -i, f"{higher}/5", va="center")
axis.set_yticks([-i for i in range(len(README))], list(README))
axis.set(xlim=(-0.03, 0.11), xlabel="difference of IoU or mIoU")
axis.axvline(0, color="grey", linewidth=1)
figure

# %% [markdown]
# How much is "4 of 5"? If both networks were equally good, each seed would be a coin:

# %%
for k in (3, 4, 5):
    print(f"{k} or more heads of 5 coins: {sum(comb(5, i) for i in range(k, 6)) / 32:.2f}")

# %% [markdown]
# The ratio in the table is the other way to ask: the mean, in units of how uncertain it is. For five values it should
# be beyond 2.8 (Student's t, two sides, 5 %) before chance is an unlikely explanation. So, in the words that may be
# used:
#
# - **Signs cost** 0.07 of mIoU on the streets: five of five, and far beyond chance. On the photographs 0.04, with a
#   spread as large: five of five, which coins do in 3 of 100 trials, but a ratio below the bar.
# - **Multi-branch upsampling on the streets**: 0.014 more mIoU, four of five, for three times the decoder's binary
#   multiplications (README.md). By itself that is a hint, no proof: a coin does it in one of five trials. It has
#   support: the training loss is lower in all five seeds, by 0.030 ± 0.020 (README.md).
# - **Multi-branch upsampling on the photographs**: not shown. Three of five, and the spread is three times the mean.
#   Nor is it shown that it does not help: with this spread, five seeds cannot tell a gain of 0.01 from none.
# - **Attention**: shown on the photographs, a hint on the streets.
#
# Six rows were looked at. The more rows, the likelier that one is beyond any bar by chance; to pick the best row and
# report it alone would be to report luck. And seeds change first weights and batches only. All five share the same
# 32 scenes or 64 crops, so they say little about other streets.
#
# What is certain is the effect by itself, without a network around it: the error with which K branches imitate one
# float layer (notebook 08, and the table in README.md). The second branch nearly halves it. How much of that a task
# rewards is another question, and this was its answer.
#
# ### Do the shortcuts do all the work?
#
# Somebody asked it of another binary network (Phuoc-Hoan-Le/BinaryViT#1). It is a good question, and an ablation
# answers it: silence the binary convolutions of the encoder, so that only the shortcuts pass, and score the same
# network again.


# %% tags=["varies"]
def silenced(run, part):
    quiet = {k: 0 * v for k, v in run.params.items() if k.startswith(part) and k.endswith((".gamma", ".beta"))}
    return run._replace(params=run.params | quiet)


judge = {"task": "labels", "classes": streets.classes, "stride": 8}
for seed in range(3):
    run = runs[pair[1], seed].run
    without = evaluate(logits_of(silenced(run, "enc")), held_out, **judge)["mIoU"]
    print(f"seed {seed}: mIoU {scores[seed, 1]:.3f}, with shortcuts only {without:.3f}")

# %% [markdown]
# Batch norm's two numbers at zero make a branch add nothing. If the score falls, the branches did some of the work. It
# is a test of *this* network, which has learnt to rely on them. Whether a network trained without them would do as
# well is another ablation, with its own seeds: `Config(residual=False)` is the switch for the opposite one.
#
# ## What you have
#
# A whole network, trained, scored, and compared as it should be: against its float twin, its floor and its own seeds.
# It still computes in floats that happen to be signs. Notebook 11 packs it into bits, and gets the same numbers.
