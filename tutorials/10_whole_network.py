# %% [markdown]
# # 10. The whole network
#
# 45 minutes · needs 04, 06, 07, 08, 09 · explains `tinybnn/model/blocks.py`, `tinybnn/model/net.py`,
# `tinybnn/app/variants.py`
#
# Afterwards you can
#
# - name every layer of a binary dense predictor with its shape and its number of parameters, and say why two layers
#   stay float;
# - compute scores for the task of finding one salient object, and say which score "mark every pixel" gets;
# - compare two networks over several seeds, seed by seed, and say what the table shows and what it does not.

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
from tinybnn.model.net import Config, Network, backward, forward, init
from tinybnn.model.train import logits_of
from tinybnn.testing import check, check_prediction

# %% [markdown]
# ## One picture
#
# You know all parts of the network. `tinybnn/model/net.py` joins them, and `tinybnn.model.cost.layers` lists the
# layers.


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
# - **up**: three multi-branch upsamplings (notebook 08). Each doubles the map; the first two halve the channels.
# - **head**: a float 1x1 convolution, from channels to classes.
#
# In many other networks a shortcut leads from the encoder to the decoder and passes fine detail around the upsampling.
# Here there is none. Everything in the output has passed through signs and upsampling, so the output shows the quality
# of the upsampling. Backbone, order and sizes of the paper's network are not public. Those here are *ours*, and the
# whole is *reconstructed*.
#
# **Predict.** The image has `SIZE` by `SIZE` pixels, and the stem has `WIDTH` channels. Give the rows and channels,
# `(H, C)`, of the output of the stem, of `enc2.2`, of `up1` and of `up3`.

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
# These are the parameters of a residual block. `enc1.1` has 16 channels in and 32 out.

# %%
params, state = init(street, np.random.default_rng(0))
for key, value in params.items():
    if key.startswith("enc1.1."):
        print(f"{key:18s} {value.shape}")

# %% [markdown]
# And this is what it computes:
#
# $$y = \text{act}\big(\text{bn}(\alpha \odot (\operatorname{sgn}(x - \tau) \circledast \operatorname{sgn}(w))) +
# \text{shortcut}(x)\big)$$
#
# The shortcut is Bi-Real Net's (Liu 2018, arXiv 1808.00278). The threshold and the activation are ReActNet's (Liu
# 2020, arXiv 2003.03488). Status: *exact*; the combination is *ours*.
#
# **Predict.** How many parameters has a block with `C` channels in and `C` channels out? Count latent weights (the
# floats behind the binary weights, notebook 07), thresholds, scales, the two numbers per channel of batch norm, and
# the three per channel of the activation.

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
# The order here is: threshold and sign, convolution, batch norm, sum, activation. Readers of other code ask whether
# this order matters, and where pooling goes (jiecaoyu/XNOR-Net-PyTorch#35, #90). It does matter. In notebook 06 the
# maximum of signs was $+1$ nearly everywhere, and no norm after it could repair that. This network pools only in the
# shortcut. There it takes the mean, and only of real values.
#
# ### Exercise: the activation
#
# The last step of a block is ReActNet's **RPReLU**. It subtracts a shift, multiplies negative values by a slope, and
# adds another shift. With $z = x - \text{shift\_in}$,
#
# $$y = \begin{cases} z & z \ge 0 \\ \text{slope} \cdot z & z < 0 \end{cases} \; + \; \text{shift\_out}$$
#
# Both shifts and the slope are learnt for each channel (Liu 2020, eq. 2; status *exact*). The point where the slope
# changes is called the **kink**. The shifts move values to where the next threshold separates them well.


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
# The last axis is C, so arrays of shape (C,) broadcast without reshaping. Which of the three comes before the case
# distinction?
#
# </details>
# <details><summary>Hint 2</summary>
#
# Make a new array `x - shift_in`. Then use `np.where`, with `slope` times that array for negative values. Add
# `shift_out` last, in both cases.
#
# </details>
#
# **In the library**: `rprelu` in `tinybnn/ops/activation.py`. `activate` in `tinybnn/model/blocks.py` calls it, or one
# of two simpler activations. It chooses by the parameters that the block has.
#
# **What would break if** you wrote `x -= shift_in`?
#
# <details><summary>Answer</summary>
#
# The result would be right, but the argument would be changed. Other code that uses the same array would get wrong
# values: a shortcut that adds it later, or a backward pass that reads it from a cache. Nothing raises an error; the
# network trains worse. The check says "wrote into its argument".
#
# </details>

# %% [markdown]
# ## Which layers stay float
#
# Stem and head stay float, as in nearly all binary networks. People ask why (allenai/XNOR-Net#12,
# jiecaoyu/XNOR-Net-PyTorch#36, #50). The first reason: it costs little.

# %%
rows = cost.layers(street, (64, 128))
kinds = {"stem and head": [r for r in rows if r.name in ("stem", "head")], "all layers": rows}
for name, part in kinds.items():
    count, bits, work = cost.total(part)
    print(f"{name:14s} {count:8,} parameters  {work.binary:12,} binary and {work.real:10,} float multiplications")
(few, _, few_work), (many, _, all_work) = (cost.total(part) for part in kinds.values())
print(f"float: one parameter of {many / few:.0f}, one multiplication for {all_work.binary / few_work.real:.0f} binary")

# %% [markdown]
# (Their share of the time is larger, because one instruction does many binary multiplications.) The second reason:
# signs would lose much. If the stem took signs of a photograph, this is what would be left of it:

# %%
photos = load("photos", "train")
seen, unseen = list(photos), list(load("photos", "val"))
image = unseen[26].image
signs = (sign(image - 0.5) + 1) / 2
pictures({"image": image, "sgn(x - 0.5)": signs, "truth": unseen[26].label}, width=2.2, cmap="gray")

# %% [markdown]
# Inside the network a layer can have more channels, which makes up for what signs lose; a photograph has only three.
# And the head has to rank the classes. A sum of $n$ signs has only $n + 1$ values, so with 16 channels several classes
# would often share the highest value. In `all layers` there are float multiplications outside stem and head. They
# belong to attention, where weights multiply values (notebook 09).

# %% [markdown]
# ## Forward and backward
#
# `net.Network` is the forward, top-down; `net.backward` reads bottom-up. Lines with the same number belong together:

# %%
for code in (Network, backward):
    lines = [line.strip() for line in inspect.getsource(code).splitlines() if re.search(r"# \(\d\)$", line)]
    print(code.__name__)
    for line in lines:
        print("  ", line[-3:], line[:-5].strip())

# %% [markdown]
# There is no autograd. The forward of every block adds a cache to a list; its backward takes the last cache from the
# list. The blocks in `tinybnn/model/blocks.py` are written in the same way, one level down. Where two paths use the
# same value, the binary branch and the shortcut, the code adds the two gradients with a visible `+`.
#
# To check so much hand-written code, use the method of notebook 01: **relaxed quantizers**. A relaxed quantizer
# replaces the sign in the forward pass by the smooth function whose slope is the surrogate. Then the same backward
# code must agree with finite differences. Here all parameters move at once, along one random direction `v`. The loss
# is the sum of the logits, each times a random weight, `dlogits`. The first cell defines two functions; the second
# makes the data and calls them.


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
# `Config(binary=False)` changes one thing: every quantizer becomes the identity. Everything else stays: the same
# parameters, the same code, the same batches. So the difference in score between the twin and the binary network is
# the price of the signs. `tinybnn/app/variants.py` has four networks that differ by one step each:

# %%
for name, changes in VARIANTS.items():
    config = Config(classes=19, **changes)
    print(f"{name:32s} {cost.total(cost.layers(config, (64, 128)))[0]:8,} parameters")

# %% [markdown]
# ## Photographs: one salient object
#
# There are 240 crops of photographs to train on and 64 held out, and two classes: object and background. No object and
# no background of a held-out crop occurs in training. The next cell trains the last of the four networks for a very
# short time.


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
# These pictures show the branches of the last upsampling. Top: the share of channels with sign +1. There are three
# thresholds, so there are three different pictures of the same map. Below: the output of each branch, and its gates,
# which all started at one half.

# %% tags=["varies"]
figure = attention(photo.run, image, queries=[(0.7, 0.45), (0.2, 0.2)])
figure.set_size_inches(7, 2)
figure

# %% [markdown]
# The weights of two queries on the 14 anchors of the pyramid, drawn over the image. Each picture has its own colour
# scale: bright is the anchor with the largest weight. A picture of attention shows the weights, not the reasons for
# them. After so few training steps it should not be interpreted at all.
#
# ### Scores, and their baseline
#
# The network gives each pixel a probability of being object. **MAE** is the mean distance to the mask,
# $\frac{1}{HW} \sum |p - t|$ (Perazzi 2012; status *exact*). **F** measures a mask: a threshold turns the
# probabilities into one. Precision $P$ is the share of the marked pixels that are object. Recall $R$ is the share of
# the object's pixels that are marked. Then
#
# $$F = \frac{(1 + \beta^2)\,P R}{\beta^2 P + R}, \qquad \beta^2 = 0.3$$
#
# (Achanta 2009; status *from code*). `f_curve` computes F at 256 thresholds. Which scores does a network get that can
# do nothing? Take "mark every pixel", $p = 1$, as the baseline. It gives the same mask at every threshold.
#
# **Predict.** For this mask: the IoU of the object, the MAE and the $F$ of "mark every pixel". Two decimals.

# %% prediction="baseline"
mask = np.array([[0, 1, 1, 0, 0], [0, 1, 0, 0, 0]])  # variant: np.array([[1, 1], [0, 0]]) | np.array([[1, 0, 0, 0, 0]])
### BEGIN SOLUTION
everything = [mask.mean(), 1 - mask.mean(), 1.3 * mask.mean() / (0.3 * mask.mean() + 1)]
### END SOLUTION

# %% check="baseline"
marked = np.ones(mask.shape)
truth = iou_per_class(confusion_matrix(marked.astype(int), mask, 2))[1], mae(marked, mask), f_curve(marked, mask)[128]
check_prediction(everything, truth)

# %% [markdown]
# The same for the whole held-out set, next to the scores of the network from above:

# %% tags=["varies"]
share = np.concatenate([s.label.ravel() == 1 for s in unseen]).mean()
curves = [f_curve(np.ones(s.label.shape), s.label == 1) for s in unseen]
baseline = {"IoU": share, "MAE": np.mean([mae(np.ones(s.label.shape), s.label == 1) for s in unseen])}
baseline["max-F"] = max_f(curves)
for measure, value in baseline.items():
    print(f"{measure:6s} mark every pixel {value:.3f}   the network {photo.scores[measure]:.3f}")

# %% [markdown]
# An IoU means little without its baseline. Without the first column, could you say whether the second is good? After
# 400 steps, over five seeds, README.md reports an IoU of 0.333 to 0.387 on these photographs, and next to it the
# baseline of 0.359. It says that the set is hard on purpose.
#
# ### Exercise: `mae`


# %% exercise="mae"
def mean_error(probability, target):
    """probability (H, W) in [0, 1], target (H, W) of booleans, or of 0, 1 and 255, which does not count -> a scalar.

    The scalar has the dtype of probability.
    """
    ### BEGIN SOLUTION
    return np.abs(probability - target.astype(probability.dtype))[target != 255].mean()
    ### END SOLUTION


# %% check="mae"
check("mae", mean_error)

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# One subtraction, one absolute value, one mean of the pixels that count; their order matters. There is no threshold.
#
# </details>
# <details><summary>Hint 2</summary>
#
# float32 minus int64 is float64 in NumPy. `target.astype(probability.dtype)` keeps the dtype.
#
# </details>
#
# **In the library**: `mae` in `tinybnn/metrics/saliency.py`, which sums in float64 and refuses probabilities outside
# $[0, 1]$.
#
# **What would break if** you stretched every prediction to [0, 1] first, as `py_sod_metrics` does by default?
#
# <details><summary>Answer</summary>
#
# A network that is unsure would look sure: probabilities from 0.45 to 0.55 become 0 to 1. Its MAE can improve without
# any learning. And two papers that score differently cannot be compared. This library does not stretch, and says so
# where the score is defined.
#
# </details>
#
# ### Exercise: `max_f`
#
# `f_curve` gives $F$ of one image at 256 thresholds. The F of a data set is the largest value of the mean curve. So
# all images share one threshold:


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
# You need a mean over images and a maximum over thresholds. In which order do all images share one threshold?
#
# </details>
# <details><summary>Hint 2</summary>
#
# `axis=0` is the axis of images. The mean over it leaves 256 numbers.
#
# </details>
#
# **In the library**: `max_f` in `tinybnn/metrics/saliency.py`. `evaluate` in `tinybnn/model/evaluate.py` collects the
# curves and calls it. The threshold is chosen on the held-out set itself, so the score of every network is slightly
# too good.
#
# **What would break if** each image took its own best threshold? Try both on the network from above:

# %% tags=["varies"]
curves = []
for sample in unseen:
    p = probability(predict(logits_of(photo.run), sample.image, photo.run.config.stride))
    curves.append(f_curve(p, sample.label == 1))
print(f"one threshold for all: {max_f(curves):.3f}; each image its own: {np.mean([c.max() for c in curves]):.3f}")

# %% [markdown]
# <details><summary>Answer</summary>
#
# The number can only rise, because the best threshold of each image is chosen with its true mask. The catalogue of
# mistakes names two public projects that did so (lartpang/PySODEvalToolkit#14, xuebinqin/BASNet#19). It is a different
# score with the same name.
#
# </details>

# %% [markdown]
# ## Streets: does multi-branch upsampling help?
#
# An **ablation** answers such a question: train two networks that differ in one thing, here the number of branches.
# There are three seeds. For *both* networks a seed fixes the first weights of stem and encoder, and the crops of each
# step. Forty steps with four crops each are very few, but they fit into this notebook.

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
# The pictures differ, but that alone shows nothing. Two networks that differ only in their seed give different
# pictures too.
#
# **Predict.** Networks A and B were each trained with two seeds. Give the mean of A - B taken seed by seed, its
# standard deviation over the seeds (`ddof=1`), and the number of seeds in which A is higher. Two decimals.

# %% prediction="paired"
A = np.array([0.36, 0.30])  # variant: np.array([0.41, 0.33]) | np.array([0.28, 0.38])
B = np.array([0.32, 0.28])  # variant: np.array([0.35, 0.35])
### BEGIN SOLUTION
paired = [(A - B).mean(), abs((A - B)[0] - (A - B)[1]) / np.sqrt(2), (A > B).sum()]
### END SOLUTION

# %% check="paired"
check_prediction(paired, [(A - B).mean(), (A - B).std(ddof=1), np.sum(A > B)])

# %% [markdown]
# Some seeds are good for both networks. The difference seed by seed does not contain this common part. Here are the
# three seeds, with one line each:

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
# Whatever the lines look like on your machine, compare the mean difference with its spread, and with the differences
# between seeds. If you had trained with only one seed, which of the three results would you have reported?
#
# ### Five seeds, 400 steps
#
# README.md has the same comparison for all four networks, with ten times as many steps and five seeds.
# `tinybnn compare --data street --seeds 5 --steps 400` makes it, and the same command with `photos`. These are its
# differences: mean, standard deviation, and the number of seeds in which the first network is higher.

# %%
README = {
    "float twin - binary, photographs": (0.023, 0.031, 4),
    "float twin - binary, streets": (0.066, 0.019, 5),
    "3 branches - nearest, photographs": (-0.006, 0.026, 2),
    "3 branches - nearest, streets": (0.010, 0.012, 4),
    "attention - none, photographs": (0.037, 0.023, 5),
    "attention - none, streets": (0.007, 0.007, 5),
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
axis.set(xlim=(-0.04, 0.11), xlabel="difference of IoU or mIoU")
axis.axvline(0, color="grey", linewidth=1)
figure

# %% [markdown]
# What does "4 of 5" tell? If both networks were equally good, each seed would be like the toss of a coin:

# %%
for k in (3, 4, 5):
    print(f"{k} or more heads of 5 coins: {sum(comb(5, i) for i in range(k, 6)) / 32:.2f}")

# %% [markdown]
# The ratio in the table answers the same question in another way: it is the mean divided by its standard error. With
# five values it should be above 2.8 (Student's t, two sides, 5 %) before chance is an unlikely explanation. So this is
# what may be said:
#
# - **Signs cost** 0.07 of mIoU on the streets, in five of five seeds and far beyond chance. On the photographs they
#   cost 0.02, less than their spread. Four of five happens to coins in one of five trials, and the ratio is below 2.8.
# - **Multi-branch upsampling on the streets** gains 0.010 of mIoU, in four of five seeds, for three times the
#   decoder's binary multiplications (README.md). By itself this is a hint, not a proof: coins do it in one of five
#   trials. There is more evidence: the training loss is lower in all five seeds, by 0.028 ± 0.020 (README.md).
# - **Multi-branch upsampling on the photographs**: no effect is shown. Two of five, and the spread is four times
#   the mean. This does not show that it has no effect either: with this spread, five seeds cannot tell a gain of 0.01
#   from no gain.
# - **Attention**: shown on the photographs. On the streets all five seeds gain, but the ratio is below 2.8.
#
# The table has six rows. The more rows there are, the likelier it is that one exceeds any limit by chance. To
# report only the best row is to report luck. And a seed changes only the first weights and the batches. All five share
# the same 32 scenes or 64 crops, so they tell little about other streets.
#
# The effect itself is certain, without a network around it: notebook 08 and the table in README.md give the error with
# which K branches imitate one float layer. The second branch nearly halves it. How much of this improves a task is
# another question, and the list above answers it.
#
# ### Do the shortcuts do all the work?
#
# Somebody asked this about another binary network (Phuoc-Hoan-Le/BinaryViT#1). An ablation answers it: switch off the
# binary convolutions of the encoder, so that only the shortcuts are left, and score the same network again.


# %% tags=["varies"]
def without_branches(run, part):
    zero = {k: 0 * v for k, v in run.params.items() if k.startswith(part) and k.endswith((".gamma", ".beta"))}
    return run._replace(params=run.params | zero)


judge = {"task": "labels", "classes": streets.classes, "stride": 8}
for seed in range(3):
    run = runs[pair[1], seed].run
    score = evaluate(logits_of(without_branches(run, "enc")), held_out, **judge)["mIoU"]
    print(f"seed {seed}: mIoU {scores[seed, 1]:.3f}, with shortcuts only {score:.3f}")

# %% [markdown]
# With $\gamma = \beta = 0$ in its batch norm a branch adds 0. If the score falls, the branches did some of the work.
# This tests only *this* network, which has learnt to rely on its branches. Would a network trained without them do as
# well? That is another ablation, with its own seeds. (`Config(residual=False)` is the opposite switch: it removes the
# shortcuts.)
#
# ## What you have
#
# A whole network, trained, scored, and compared with its float twin, its baseline and its own seeds. It still computes
# with floats that happen to be signs. Notebook 11 packs it into bits, and gets the same numbers.
