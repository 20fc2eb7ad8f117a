# %% [markdown]
# # 0. Start here
#
# 40 minutes · needs nothing · explains `tinybnn/data/samples.py`, `tinybnn/metrics/labels.py`, `tinybnn/model/evaluate.py`
#
# Afterwards you can
#
# - say what goes into a dense predictor and what comes out, with the shape of each array;
# - fill in a confusion matrix by hand, and compute from it the IoU of each class and their mean, with ignored pixels
#   and absent classes;
# - read what a failed check of this course says.

# %%
import time

import numpy as np

from tinybnn import Config, confusion_matrix, forward, init, iou_per_class, load, mean_iou, pack
from tinybnn.app.pictures import new_figure, pictures
from tinybnn.data.images import colours
from tinybnn.metrics.labels import confusion_matrix_loops
from tinybnn.model import cost
from tinybnn.model.evaluate import evaluate, predict
from tinybnn.model.train import Training, logits_of, start, train
from tinybnn.testing import Mismatch, check, check_prediction

# %% [markdown]
# ## A label for every pixel
#
# A classifier says of a whole image "car". A **dense predictor** says it of every pixel: here is road, here is car,
# here is sky. `load` gives pairs of an image and its **label map**. These street scenes are drawn by a program of this
# project and lie in the clone; there are scenes to train on, and others that are held out.

# %%
streets, held_out = load("street", "train"), list(load("street", "val"))
samples = list(streets)
image, label, name = samples[73]
print(len(samples), "scenes to train on,", len(held_out), "held out,", len(streets.classes), "classes")
print(f"{name}: image {image.dtype} {image.shape}, label map {label.dtype} {label.shape}")
print(label[28:34, 60:72])

# %% [markdown]
# The label map holds one small whole number for each pixel: the number of a class, or **255**, which means *ignore*.
# Here it marks the dustbin and the bonnet of one's own car, at the bottom. Nobody said what is right there, so neither
# the loss nor a score may count those pixels.
#
# Numbers make a poor picture. A **palette** gives each class a colour; `plot.colours` has the usual ones.


# %%
def show_scene(image, label, classes):
    figure = new_figure(9, 2.2)
    left, right, share = figure.subplots(1, 3, width_ratios=(4, 4, 1.6))
    left.imshow(image)
    right.imshow(colours(label, 19), interpolation="nearest")
    seen, count = np.unique(label, return_counts=True)
    share.barh(range(len(seen)), 100 * count / label.size, color=colours(seen, 19) / 255)
    names = [f"{classes[c]}  {c}" if c != 255 else "ignored  255" for c in seen]
    share.set_yticks(range(len(seen)), names, fontsize=7)
    for axis, title in ((left, "image"), (right, "label map"), (share, "% of pixels")):
        axis.set_title(title, fontsize=9)
        axis.tick_params(labelsize=7)
    return figure


show_scene(image, label, streets.classes)

# %% [markdown]
# Look at the bars: a few classes fill the picture, and some have hardly a pixel. That will matter when predictions are
# scored.
#
# ### NHWC
#
# Images go through a network in batches. In this course such an array has four axes, always in this order: **N**
# images, **H** rows, **W** columns, **C** channels. `x[n, i, j, c]` is channel `c` of the pixel in row `i` and column
# `j` of image `n`. The image has three channels; inside a network there are more.


# %%
x = np.stack([sample.image for sample in samples[73:75]])
print("x has shape", x.shape, "and x[0, 40, 100], one pixel, is", x[0, 40, 100].round(2))
names = enumerate(("red", "green", "blue"))
pictures({f"x[0, :, :, {c}], {name}": x[0, :, :, c] for c, name in names}, width=3, cmap="gray", vmin=0, vmax=1)

# %% [markdown]
# The network puts out **logits**: for each pixel one number for each class, and the largest one wins. So the label map
# that it predicts is `logits.argmax(-1)`, the class number with the largest logit.
#
# **Predict.** `N` images of 64 rows and 128 columns go in, and there are 19 classes. Which shapes have the batch, the
# logits and the predicted label maps? Write tuples or lists.

# %% prediction="shapes"
N = 4  # variant: 2 | 8
### BEGIN SOLUTION
batch_shape = (N, 64, 128, 3)
logits_shape = (N, 64, 128, 19)
labels_shape = (N, 64, 128)
### END SOLUTION

# %% check="shapes"
batch, network = np.zeros((N, 64, 128, 3), np.float32), Config(classes=19, width=4)
logits = forward(*init(network, np.random.default_rng(0)), batch, network)[0]
check_prediction(batch_shape, batch.shape)
check_prediction(logits_shape, logits.shape)
check_prediction(labels_shape, logits.argmax(-1).shape)

# %% [markdown]
# A silent check means that all is right. What you write as `name = ...` is a prediction: do it in your head or on
# paper, before you run anything. A wrong one costs nothing here, and shows you where to read again.

# %% [markdown]
# ## A network, trained in front of you
#
# Here is the goal of the course, finished: a network for dense prediction whose inner convolutions multiply nothing
# but $-1$ and $+1$. Each step takes four crops of 64 by 64 pixels from the training scenes. The **loss** says how
# little the network believes in the true labels; training makes it smaller. You need not understand this cell yet:
# notebooks 01 to 10 build every part of it.


# %% tags=["varies"]
def labels_of(run, image):
    return predict(logits_of(run), image, run.config.stride).argmax(-1)


def each(run):
    if run.step in (1, 15, 60, 240):
        learning[f"after step {run.step}"] = colours(labels_of(run, held_out[14].image), 19)
    if run.step % 40 == 0:
        print(f"step {run.step:3d} of 240, loss {run.losses[-40:].mean():.2f}")


learning = {"image": held_out[14].image, "truth": colours(held_out[14].label, 19)}
run = train(start(Config(classes=19), Training(steps=240, batch=4, lr=0.01)), samples, each=each)

# %% tags=["varies"]
pictures(learning, width=3, columns=3)

# %% [markdown]
# This scene is one of those held out: the network has never seen it. Road, sky and buildings come first, because they
# are most of what it is shown. Thin and rare things are not there yet, and a street in this data set is simple to
# begin with. Here are three other scenes.

# %% tags=["varies"]
others = {}
for i in (17, 22, 30):
    image, label, _ = held_out[i]
    others[f"{i}: image"], others[f"{i}: truth"] = image, colours(label, 19)
    others[f"{i}: the network"] = colours(labels_of(run, image), 19)
pictures(others, width=3, columns=3)

# %% [markdown]
# ### What it weighs
#
# A weight of an ordinary network is a float of 32 bits. A weight that is $-1$ or $+1$ needs one bit.
#
# **Predict.** How many bytes do `WEIGHTS` weights take as float32, and how many if each is one bit?

# %% prediction="bytes"
WEIGHTS = 64 * 9 * 64  # variant: 128 * 9 * 64 | 64 * 9 * 32
### BEGIN SOLUTION
as_floats = 4 * WEIGHTS
as_bits = WEIGHTS / 8
### END SOLUTION

# %% check="bytes"
weights = np.ones((1, WEIGHTS), np.float32)
check_prediction([as_floats, as_bits], [weights.nbytes, pack(weights).nbytes])

# %% [markdown]
# Of the whole network you saw, `tinybnn.model.cost` counts every parameter:

# %%
parameters, bits, _ = cost.total(cost.layers(run.config, (64, 128)))
print(f"{parameters:,} parameters; as float32 {4 * parameters:,} bytes; as it is {bits // 8:,} bytes,")
print(f"{32 * parameters / bits:.1f} times smaller")

# %% [markdown]
# Not 32 times: the first and the last layer stay float, and so do a few numbers for each channel. Notebook 10 says
# which and why, notebook 11 packs the rest.

# %% [markdown]
# ## How the course works
#
# You write small functions. A **stub** says in its docstring what goes in, with shapes, and what comes out. The cell
# below it is its **check**: it calls your function on many small inputs and compares every value with a specification.
# If all are right it is silent. If not, it says what is wrong, on which smallest input, and if it knows the mistake,
# its likely cause. Until you write something, it says only that. Two hints are folded below, and later cells use the
# library's function, not yours: what you leave out breaks nothing but its own check.
#
# Here is a failed one, made on purpose. In this course the sign of 0 is $+1$ (notebook 01 says why); NumPy has another
# opinion. `Mismatch` is what a check raises.

# %%
try:
    check("sign", np.sign)
except Mismatch as complaint:
    print(complaint)

# %% [markdown]
# Read it from the top. *What*: one element came out as 0, and 1 was expected. *Why*: a known mistake gives the same
# results as `np.sign` on every input tried. *On what*: an input you can copy into a cell, as small as it can be. The
# last line names the specification, a function in plain loops; go and read it there when you do not believe the check.

# %% [markdown]
# ## Who was taken for whom
#
# How good is a prediction? Everything about labels can be read from one table, the **confusion matrix**:
#
# $$\text{confusion}_{rc} = \#\{\,i : \text{label}_i = r,\ \text{predicted}_i = c\,\}$$
#
# Rows are the truth, columns the prediction; where the label is 255 nothing is counted. (Textbook; status *exact*.
# Rows and columns as in scikit-learn and in the scorer of Cityscapes.)
#
# **Predict.** Two rows of three pixels, three classes. Fill in the table: a list of three lists.

# %% prediction="confusion"
labels = np.array([[0, 0, 1], [2, 1, 255]])  # variant: np.array([[1, 0, 1], [2, 255, 1]])
predicted = np.array([[0, 1, 1], [0, 1, 2]])
### BEGIN SOLUTION
table = [[((labels == r) & (predicted == c)).sum() for c in range(3)] for r in range(3)]
### END SOLUTION

# %% check="confusion"
check_prediction(table, confusion_matrix(predicted, labels, 3))

# %% [markdown]
# ### The specification
#
# One pixel, one mark:
#
# ```python
# for i in np.ndindex(labels.shape):
#     if labels[i] != 255:
#         counts[labels[i], predicted[i]] += 1
# ```
#
# Its name in the library ends in `_loops`, as that of every specification. It takes longer than a function without
# loops:

# %% tags=["varies"]
scene = held_out[14]
answer = labels_of(run, scene.image)
for count in (confusion_matrix_loops, confusion_matrix):
    begin = time.perf_counter()
    count(answer, scene.label, 19)
    print(f"{count.__name__:22s} {1000 * (time.perf_counter() - begin):8.2f} ms for {answer.size:,} pixels")

# %% [markdown]
# ### Exercise: `confusion_matrix`
#
# Now without a loop over pixels. (The label to be ignored could be another; `options` keeps the check to 255.)


# %% exercise="confusion_matrix"
def count_pairs(predicted, labels, L):
    """Integers of one shape, labels 0..L-1 or 255 -> counts (L, L): rows the truth, columns the prediction."""
    ### BEGIN SOLUTION
    counted = labels != 255
    pairs = L * labels[counted].astype(int) + predicted[counted].astype(int)
    return np.bincount(pairs, minlength=L * L).reshape(L, L)
    ### END SOLUTION


# %% check="confusion_matrix"
check("confusion_matrix", count_pairs, options={"ignore": 255})

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# Make one number of each pair (label, predicted), so that different pairs get different numbers. Then it is counting
# equal numbers, and `np.bincount` does that. First leave out what is ignored.
#
# </details>
# <details><summary>Hint 2</summary>
#
# In an array of shape `(L, L)` the element `[r, c]` is number `L * r + c`. `minlength` makes `np.bincount` answer with
# as many counts as there are pairs, seen or not. Label maps are `uint8`: `19 * 14` does not fit in one, so
# `.astype(int)` first.
#
# </details>
#
# **In the library**: `confusion_matrix` in `tinybnn/metrics/labels.py`. It refuses a class that is out of range, which
# `np.bincount` may put into another class's place without a word.
#
# **What would break if** you exchanged `predicted` and `labels`? Try it with the library's function: in a new cell,
# hand it `scene.label` and `answer` in this order.
#
# <details><summary>Answer</summary>
#
# The library refuses: among the "predictions" is 255, which is no class. In a scene without ignored pixels nothing
# would be refused, and rows and columns would change places: what was missed looks like a false alarm. IoU, below,
# cannot tell the two apart and stays the same, so the mistake stays unseen until somebody reads a row. Four public
# projects that had it are in [the catalogue of mistakes](../docs/mistakes.md).
#
# </details>

# %% [markdown]
# ## From the table to a score
#
# Take one class $c$. Its pixels that were found are $\text{TP}$, on the diagonal. The rest of its **row** was missed,
# $\text{FN}$. The rest of its **column** was taken for $c$ and is not, $\text{FP}$. The **intersection over union** is
#
# $$\text{IoU}_c = \frac{\text{TP}}{\text{TP} + \text{FP} + \text{FN}}$$
#
# (Everingham 2010, Pascal VOC, and the scorer of Cityscapes, Cordts 2016, arXiv 1604.01685; status *exact*.) It is 1
# if truth and prediction cover the same pixels, and 0 if they have none in common. A class that is neither there nor
# predicted has no IoU: 0 / 0 is NaN, "not a number".
#
# **Predict.** The IoU of each class of this table, to two decimals.

# %% prediction="iou"
small = np.array([[6, 2, 0], [1, 3, 2], [0, 0, 0]])  # variant: np.array([[4, 1, 0], [0, 0, 0], [3, 1, 2]])
### BEGIN SOLUTION
iou = [small[c, c] / (small[c].sum() + small[:, c].sum() - small[c, c]) for c in range(3)]
### END SOLUTION

# %% check="iou"
check_prediction(iou, iou_per_class(small))

# %% [markdown]
# ### Exercise: `iou_per_class`


# %% exercise="iou_per_class"
def iou_of(confusion):
    """Counts (L, L) -> IoU (L,): NaN for a class that is neither there nor predicted."""
    ### BEGIN SOLUTION
    found = confusion.diagonal()
    union = confusion.sum(axis=0) + confusion.sum(axis=1) - found
    return np.where(union > 0, found / np.maximum(union, 1), np.nan)
    ### END SOLUTION


# %% check="iou_per_class"
check("iou_per_class", iou_of)

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# A row's sum is TP + FN, a column's sum TP + FP. Together they hold TP twice.
#
# </details>
# <details><summary>Hint 2</summary>
#
# `confusion.diagonal()`, `confusion.sum(axis=0)` and `confusion.sum(axis=1)` are all the parts there are. Where the
# union is 0 the answer is `np.nan`: `np.where` chooses, and `np.maximum(union, 1)` keeps you from dividing by 0.
#
# </details>
#
# **In the library**: `iou_per_class` in `tinybnn/metrics/labels.py`, and `evaluate` in `tinybnn/model/evaluate.py`, which predicts
# every sample, adds the tables and scores the sum. It takes images of any size: `predict` mirrors them up to a
# multiple of 8, the network's stride, and cuts the answer back.
#
# **What would break if** you took the part of right pixels for a score? Ask it of a "network" that knows three classes
# perfectly, and no other:

# %%
counts = sum(confusion_matrix(np.where(s.label > 2, 2, s.label), s.label, 19) for s in held_out)
print(f"right pixels: {counts.trace() / counts.sum():.2f}")
print("IoU:", {c: round(float(v), 2) for c, v in zip(streets.classes, iou_per_class(counts)) if v >= 0})

# %% [markdown]
# <details><summary>Answer</summary>
#
# It calls everything building that is not road or sidewalk, sees no car and no person, and still is right for more
# than half of the pixels. Large classes decide the part of right pixels. In the mean of the IoUs every class counts
# the same, and one that is never found counts 0.
#
# </details>

# %% [markdown]
# ### Exercise: `mean_iou`
#
# One number for the whole data set: **mIoU**, the mean over classes. Eight of the 19 classes of Cityscapes do not
# occur in these scenes. One that is neither there nor predicted says nothing about the network, and is left out. One
# that is predicted and never there is a mistake: its IoU is 0, and that 0 counts.


# %% exercise="mean_iou"
def mean_of_ious(confusion):
    """Counts (L, L) -> one float: the mean IoU over the classes that have one; NaN if none has."""
    ### BEGIN SOLUTION
    iou = iou_per_class(confusion)
    has_one = ~np.isnan(iou)
    return iou[has_one].mean() if has_one.any() else np.nan
    ### END SOLUTION


# %% check="mean_iou"
check("mean_iou", mean_of_ious)

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# The library's `iou_per_class` has marked the classes to leave out: they are NaN.
#
# </details>
# <details><summary>Hint 2</summary>
#
# `np.isnan` finds them, and `~` exchanges True and False. A boolean array as index keeps what is True. An empty
# array has no mean, so ask `.any()` before.
#
# </details>
#
# **In the library**: `mean_iou` in `tinybnn/metrics/labels.py`.
#
# **What would break if** you scored each image, and took the mean of those scores? Here are both for the network
# above.

# %% tags=["varies"]
tables = [confusion_matrix(labels_of(run, s.image), s.label, 19) for s in held_out]
print(f"mIoU of the sum of all tables:  {mean_iou(sum(tables)):.3f}")
print(f"mean of the mIoU of each image: {np.mean([mean_iou(table) for table in tables]):.3f}")

# %% [markdown]
# <details><summary>Answer</summary>
#
# It is another number, and papers mean the first. In a single image a class may have two pixels, or none; missed
# there, it gives a 0 that weighs as much as a whole road, and where it is absent it is left out. Add the tables of all
# images, then score once.
#
# </details>
#
# `evaluate` does this for any network and data set:

# %% tags=["varies"]
scores = evaluate(logits_of(run), held_out, task="labels", classes=streets.classes, stride=run.config.stride)
figure = new_figure(7, 2.6)
axis = figure.subplots()
there = {name.removeprefix("IoU "): score for name, score in scores.items() if score >= 0}
paint = {"mIoU": (0, 0, 0)} | {c: colours(np.array(i), 19) / 255 for i, c in enumerate(streets.classes)}
axis.bar(there.keys(), there.values(), color=[paint[name] for name in there])
axis.set(ylabel="IoU", ylim=(0, 1), title="held-out scenes, after 240 steps")
axis.tick_params(axis="x", rotation=45, labelsize=8)
figure

# %% [markdown]
# The black bar is the mean. A name without a bar is a class that is in the scenes and was not found. Notebook 10 asks
# how far such a mean may be trusted: less far than its three decimals suggest.

# %% [markdown]
# ## Why binary at all
#
# **Memory.** One bit in place of 32, as above.
#
# **Arithmetic.** Where both factors are $-1$ or $+1$, a product asks only whether the two signs differ. That is XOR. A
# sum of 64 products is one XOR of two 64-bit words and one count of the ones in it (*popcount*), in place of 64
# multiplications and additions. Notebook 03 builds it.
#
# You will read that binary networks are 58 times faster and 32 times smaller, and wonder where that comes from, as
# others did (allenai/XNOR-Net#42). The 58 is XNOR-Net's *count of operations*, not a time: a processor multiplies many
# floats in one instruction, too. The 32 is for weights alone, where their bits fill whole words. This course claims
# neither. What was measured here, how and against what, is in [docs/speed.md](../docs/speed.md), and notebook 11 has
# it all.
#
# The system that we rebuild is *The Binary Quantized Neural Network for Dense Prediction via Specially Designed
# Upsampling and Attention* (Ding and others 2024, arXiv 2405.17776). Its code is not public and some of its equations
# are not known to us. So behind every equation of this course stands its **status**: *exact*, as in the source;
# *from code*, as in a program that was published; *reconstructed*, our best reading of words; *ours*, a decision of
# this project. No number of that paper is claimed here.
#
# ## What you have
#
# You know what goes in, what comes out, and how it is scored; and you have seen a network of signs learn a street in
# front of you. Everything in it begins with one question that seems to have a simple answer: what is the sign of a
# number? That is notebook 01.
