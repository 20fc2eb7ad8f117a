# %% [markdown]
# # 0. Start here
#
# 40 minutes · needs nothing · explains `tinybnn/data/samples.py`, `tinybnn/metrics/labels.py`,
# `tinybnn/model/evaluate.py`
#
# Afterwards you can
#
# - say what goes into a dense predictor and what comes out, with the shape of each array;
# - fill in a confusion matrix by hand, and compute the IoU of each class and their mean from it, with ignored pixels
#   and absent classes;
# - read the message of a failed check.

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
# A classifier gives one answer for a whole image, such as "car". A **dense predictor** gives one answer for every
# pixel: this is road, this is car, this is sky. `load` gives pairs of an image and its **label map**. A program of this
# project has drawn these street scenes, and they are part of the clone. The network trains on some of them. Others are
# **held out**: the network never sees them in training, so they can test it.

# %%
streets, held_out = load("street", "train"), list(load("street", "val"))
samples = list(streets)
image, label, name = samples[73]
print(len(samples), "scenes to train on,", len(held_out), "held out,", len(streets.classes), "classes")
print(f"{name}: image {image.dtype} {image.shape}, label map {label.dtype} {label.shape}")
print(label[28:34, 60:72])

# %% [markdown]
# The label map holds one small whole number for each pixel. It is the number of a class, or **255**, which means
# *ignore*. Here 255 marks the dustbin, and at the bottom the bonnet of the car that carries the camera. No right answer
# is given there, so neither the loss nor a score may count those pixels.
#
# An array of numbers is hard to read. A **palette** gives each class a colour. `colours` uses the palette of the
# Cityscapes data set.


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
# The bars show that a few classes fill most of the image, and that some have hardly any pixels. This will matter when
# we score predictions.
#
# ### NHWC
#
# Images go through a network in batches. In this course such an array has four axes, always in this order: **N**
# images, **H** rows, **W** columns, **C** channels. `x[n, i, j, c]` is channel `c` of the pixel in row `i` and column
# `j` of image `n`. The image has three channels. Inside a network there are more.


# %%
x = np.stack([sample.image for sample in samples[73:75]])
print("x has shape", x.shape, "and x[0, 40, 100], one pixel, is", x[0, 40, 100].round(2))
names = enumerate(("red", "green", "blue"))
pictures({f"x[0, :, :, {c}], {name}": x[0, :, :, c] for c, name in names}, width=3, cmap="gray", vmin=0, vmax=1)

# %% [markdown]
# The output of the network is called **logits**: one number for each pixel and class. The class with the largest logit
# is the prediction, so the predicted label map is `logits.argmax(-1)`.
#
# **Predict.** `N` images of 64 rows and 128 columns go in, and there are 19 classes. What are the shapes of the batch,
# of the logits and of the predicted label maps? Write tuples or lists.

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
# If a check prints nothing, everything is right. What you write as `name = ...` is a prediction: work it out in your
# head or on paper, before you run anything. A wrong prediction costs nothing. It shows you what to read again.

# %% [markdown]
# ## A network that trains while you watch
#
# This is the goal of the course: a network for dense prediction whose inner convolutions multiply only $-1$ and $+1$.
# Each training step takes four crops of 64 by 64 pixels from the training scenes. The **loss** is large when the true
# labels get low probability. Training makes it smaller. You need not understand this cell yet: notebooks 01 to 10 build
# every part of it.


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
# This scene is held out: the network has never seen it. The network learns road, sky and buildings first, because most
# pixels belong to them. It does not find thin and rare things yet. A street in this data set is also simpler than a
# real one. Here are three other held-out scenes.

# %% tags=["varies"]
others = {}
for i in (17, 22, 30):
    image, label, _ = held_out[i]
    others[f"{i}: image"], others[f"{i}: truth"] = image, colours(label, 19)
    others[f"{i}: the network"] = colours(labels_of(run, image), 19)
pictures(others, width=3, columns=3)

# %% [markdown]
# ### How much memory it takes
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
# `tinybnn.model.cost` counts every parameter of the network that you trained:

# %%
parameters, bits, _ = cost.total(cost.layers(run.config, (64, 128)))
print(f"{parameters:,} parameters: {4 * parameters:,} bytes if all were float32, {bits // 8:,} bytes here,")
print(f"which is {32 * parameters / bits:.1f} times smaller")

# %% [markdown]
# It is not 32 times smaller, because the first and the last layer stay float, and so do a few numbers for each channel.
# Notebook 10 says which and why. Notebook 11 packs the rest.

# %% [markdown]
# ## How the course works
#
# You write small functions. A **stub** is a function without its body. Its docstring says what goes in, with shapes,
# and what comes out. The cell below it is its **check**. The check calls your function on many small inputs and
# compares every value with a specification. If all values are right, the check prints nothing. If not, it says what is
# wrong, on which smallest input, and, for a known mistake, the likely cause. While the stub is empty, it says only that
# nothing is written yet. Below each check there are two folded hints. Later cells use the library's function, not
# yours. So if you leave out an exercise, only its own check fails.
#
# Here is a check that fails on purpose. In this course the sign of 0 is $+1$ (notebook 01 says why), but for NumPy it
# is 0. A check raises `Mismatch`.

# %%
try:
    check("sign", np.sign)
except Mismatch as complaint:
    print(complaint)

# %% [markdown]
# Read the message from the top. *What*: one element came out as 0, but 1 was expected. *Why*: a known mistake gives the
# same results as `np.sign` on every input that was tried. *On what*: an input that you can copy into a cell, as small
# as possible. The last line names the specification, a function in plain loops. Read it when you do not believe the
# check.

# %% [markdown]
# ## The confusion matrix
#
# How good is a prediction? All scores of labels follow from one table, the **confusion matrix**. It counts how often
# each class was predicted as each class:
#
# $$\text{confusion}_{rc} = \#\{\,i : \text{label}_i = r,\ \text{predicted}_i = c\,\}$$
#
# Rows are the truth, columns the prediction. Pixels with the label 255 are not counted. (Textbook; status *exact*. Rows
# and columns are as in scikit-learn and in the scorer of Cityscapes.)
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
# Each pixel adds 1 to one entry:
#
# ```python
# for i in np.ndindex(labels.shape):
#     if labels[i] != 255:
#         counts[labels[i], predicted[i]] += 1
# ```
#
# In the library the name of every specification ends in `_loops`. Loops in Python are slow:

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
# Write it without a loop over pixels. (The library can ignore another label than 255. `options` limits the check to
# 255.)


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
# Make one number of each pair (label, predicted), so that different pairs get different numbers. Then count equal
# numbers with `np.bincount`. First leave out the ignored pixels.
#
# </details>
# <details><summary>Hint 2</summary>
#
# In an array of shape `(L, L)` the element `[r, c]` has the number `L * r + c`. With `minlength`, `np.bincount` returns
# a count for every pair, also for pairs that do not occur. Label maps are `uint8`, and `19 * 14` is too large for that
# type, so call `.astype(int)` first.
#
# </details>
#
# **In the library**: `confusion_matrix` in `tinybnn/metrics/labels.py`. It refuses a class that is out of range.
# Without that test, `np.bincount` may count such a class as another one, without an error.
#
# **What would break if** you exchanged `predicted` and `labels`? Try it with the library's function: in a new cell,
# pass `scene.label` and `answer` in this order.
#
# <details><summary>Answer</summary>
#
# The library refuses: the "predictions" contain 255, which is no class. In a scene without ignored pixels there is no
# error, and rows and columns change places: a missed pixel looks like a false alarm. IoU, below, stays the same, so the
# mistake is not seen until somebody reads a row. [The catalogue of mistakes](../docs/mistakes.md) names four public
# projects that had it.
#
# </details>

# %% [markdown]
# ## From the table to a score
#
# Take one class $c$. Its pixels that were found are the **true positives** $\text{TP}$, on the diagonal. The rest of
# its **row** are pixels of $c$ that were missed, the false negatives $\text{FN}$. The rest of its **column** are pixels
# that were predicted as $c$ but are something else, the false positives $\text{FP}$. The **intersection over union** is
#
# $$\text{IoU}_c = \frac{\text{TP}}{\text{TP} + \text{FP} + \text{FN}}$$
#
# (Everingham 2010, Pascal VOC, and the scorer of Cityscapes, Cordts 2016, arXiv 1604.01685; status *exact*.) It is 1 if
# truth and prediction cover the same pixels, and 0 if they have no pixel in common. A class that is neither in the
# truth nor in the prediction has no IoU: 0 / 0 is NaN, "not a number".
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
    """Counts (L, L) -> IoU (L,): NaN for a class that is neither in the truth nor predicted."""
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
# The sum of a row is TP + FN, the sum of a column is TP + FP. Together they contain TP twice.
#
# </details>
# <details><summary>Hint 2</summary>
#
# You need only `confusion.diagonal()`, `confusion.sum(axis=0)` and `confusion.sum(axis=1)`. Where the union is 0 the
# answer is `np.nan`: `np.where` chooses it, and `np.maximum(union, 1)` avoids a division by 0.
#
# </details>
#
# **In the library**: `iou_per_class` in `tinybnn/metrics/labels.py`, and `evaluate` in `tinybnn/model/evaluate.py`.
# `evaluate` predicts every sample, adds the tables and scores the sum. It takes images of any size: `predict` mirrors
# an image at its border until its size is a multiple of 8, the stride of the network, and crops the answer back.
#
# **What would break if** you took the share of right pixels as the score? Here is the score of a "network" that knows
# three classes perfectly and no other:

# %%
counts = sum(confusion_matrix(np.where(s.label > 2, 2, s.label), s.label, 19) for s in held_out)
print(f"share of right pixels: {counts.trace() / counts.sum():.2f}")
print("IoU:", {c: round(float(v), 2) for c, v in zip(streets.classes, iou_per_class(counts)) if v >= 0})

# %% [markdown]
# <details><summary>Answer</summary>
#
# This network predicts building wherever there is no road and no sidewalk. It finds no car and no person, and yet more
# than half of its pixels are right. Large classes dominate the share of right pixels. In the mean of the IoUs every
# class counts the same, and a class that is never found counts 0.
#
# </details>

# %% [markdown]
# ### Exercise: `mean_iou`
#
# One number for the whole data set is the **mIoU**, the mean IoU over classes. Eight of the 19 classes of Cityscapes do
# not occur in these scenes. A class that is neither in the truth nor predicted says nothing about the network and is
# left out. A class that is predicted but not in the truth is a mistake: its IoU is 0, and that 0 counts.


# %% exercise="mean_iou"
def mean_of_ious(confusion):
    """Counts (L, L) -> one float: the mean of all IoUs that are not NaN; NaN if all are NaN."""
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
# The library's `iou_per_class` marks the classes to leave out: they are NaN.
#
# </details>
# <details><summary>Hint 2</summary>
#
# `np.isnan` finds them, and `~` turns True into False and False into True. A boolean array as an index keeps the
# elements where it is True. An empty array has no mean, so test `.any()` first.
#
# </details>
#
# **In the library**: `mean_iou` in `tinybnn/metrics/labels.py`.
#
# **What would break if** you scored each image and took the mean of those scores? Here are both numbers for the network
# above.

# %% tags=["varies"]
tables = [confusion_matrix(labels_of(run, s.image), s.label, 19) for s in held_out]
print(f"mIoU of the sum of all tables:  {mean_iou(sum(tables)):.3f}")
print(f"mean of the mIoU of each image: {np.mean([mean_iou(table) for table in tables]):.3f}")

# %% [markdown]
# <details><summary>Answer</summary>
#
# It is a different number, and papers mean the first one. In a single image a class may have two pixels, or none. If
# the two pixels are missed, the IoU is a 0 that counts as much as that of a whole road. If the class is absent, it is
# left out. So add the tables of all images, then score once.
#
# </details>
#
# `evaluate` does this for any network and data set:

# %% tags=["varies"]
scores = evaluate(logits_of(run), held_out, task="labels", classes=streets.classes, stride=run.config.stride)
figure = new_figure(7, 2.6)
axis = figure.subplots()
named = {name.removeprefix("IoU "): score for name, score in scores.items() if score >= 0}
paint = {"mIoU": (0, 0, 0)} | {c: colours(np.array(i), 19) / 255 for i, c in enumerate(streets.classes)}
axis.bar(named.keys(), named.values(), color=[paint[name] for name in named])
axis.set(ylabel="IoU", ylim=(0, 1), title="held-out scenes, after 240 steps")
axis.tick_params(axis="x", rotation=45, labelsize=8)
figure

# %% [markdown]
# The black bar is the mean. A class without a bar occurs in the scenes but was not found. Notebook 10 asks how far you
# can trust such a mean. The answer is: less than its three decimals suggest.

# %% [markdown]
# ## Why binary?
#
# **Memory.** A weight takes 1 bit and not 32, as above.
#
# **Arithmetic.** If both factors are $-1$ or $+1$, their product depends only on whether the two signs differ. XOR
# computes that. A sum of 64 products takes one XOR of two 64-bit words and one count of the ones in the result
# (*popcount*), and not 64 multiplications and additions. Notebook 03 builds it.
#
# You will read that binary networks are 58 times faster and 32 times smaller. Others have asked where these numbers
# come from (allenai/XNOR-Net#42). The 58 is a *count of operations* in the XNOR-Net paper, not a time: a processor
# multiplies many floats in one instruction, too. The 32 holds for weights alone, if their bits fill whole words. This
# course claims neither number. [docs/speed.md](../docs/speed.md) says what was measured here, how, and against what.
# Notebook 11 explains it.
#
# We rebuild the system of *The Binary Quantized Neural Network for Dense Prediction via Specially Designed Upsampling
# and Attention* (Ding and others 2024, arXiv 2405.17776). Its code is not public, and we do not know some of its
# equations. So every equation of this course has a **status**: *exact*, as in the source; *from code*, as in a
# published program; *reconstructed*, our best reading of the words of a paper; *ours*, a decision of this project. We
# claim no number of that paper.
#
# ## What you have
#
# You know what goes into a dense predictor, what comes out, and how it is scored. You have also seen a network of signs
# learn to label a street. Everything in it begins with one simple question: what is the sign of a number? That is
# notebook 01.
