"""Mistakes in the three losses and in their gradients."""

from collections.abc import Callable

import numpy as np

from ...ops import loss
from .mistake import mistakes

# fmt: off


def image_by_image(forward: Callable) -> Callable:
    """The mean of the losses of single images."""
    return lambda logits, labels, **o: np.mean([forward(z, t, **o)[0] for z, t in zip(logits, labels)])


OVER_ALL = "means over all pixels instead of those that count"
OVER_ALL_SYMPTOM = "the loss is smaller if more of an image is ignored; maps without ignored pixels are right"
OVER_MET = ("open-mmlab/mmsegmentation#1409", "IBM/pytorch-seq2seq#125", "qubvel-org/segmentation_models.pytorch#852")
BY_IMAGE = "averages each image, then the images"
LOG_SUM = "log_sum = top + math.log(sum(math.exp(z - top) for z in logits[i]))"
SURPRISE = "math.log1p(math.exp(z)) if z < 0 else z + math.log1p(math.exp(-z))"
SELECTED = "_selected(counted, logits), _selected(counted, targets).astype(logits.dtype)"

ALL_BELOW = "divided by all pixels, ignored ones too"
ALL_BELOW_SYMPTOM = "batches with many ignored pixels hardly move the weights; a gradient check without any passes"
DEAF = "takes the gradient from above to be 1"
DEAF_SYMPTOM = "right alone; a factor of the loss has no effect, so a sum of losses is not weighted"
DEAF_MET = ("chainer/chainer#1175", "SeanNaren/warp-ctc#69", "SeanNaren/warp-ctc#170")
UNDIVIDED_SYMPTOM = "gradients grow with the image, and training diverges unless the learning rate is tiny"
FADES_SYMPTOM = "training is slow where the network is sure and wrong, because the gradient vanishes there"

MISTAKES = (
    *mistakes(
        loss.cross_entropy_loops,
        ("softmax twice: takes probabilities for logits", "log_sum - logits[i][labels[i]]",
         "math.log(sum(np.exp(p := np.exp(logits[i] - log_sum)))) - p[labels[i]]",
         "training is slow: with L classes the loss stays above log(1 + (L - 1) / e), however sure the network is",
         "Lightning-Universe/lightning-bolts#654", "tflearn/tflearn#562", "jaehong31/CGES#1", "ariecattan/SciCo#2"),
        ("multiplies ignored pixels by 0: what is NaN there stays NaN",
         "continue", "total += 0 * sum(logits[i])\n            continue",
         "nothing, until a logit overflows at a pixel that does not count; from then on the loss is NaN"),
        ("counts ignored pixels, as class 0", "continue", "labels = np.where(labels == ignore, 0, labels)",
         "class 0 is predicted at every unlabelled border, and the loss stays too high"),
        ("ignores 255, whatever ignore says", "labels[i] == ignore", "labels[i] == 255",
         "nothing, until a data set ignores another label, which is then trained as a class"),
        (OVER_ALL, "total / weight if weight else 0.0", "total / labels.size", OVER_ALL_SYMPTOM, *OVER_MET),
        ("divides by the number of pixels: the sum of the weights is not in the denominator",
         "weight += v", "weight += 1",
         "right without class weights; with them the loss is not PyTorch's, and it grows with the weights",
         "pytorch/pytorch#40560", "pytorch/pytorch#61309", "pytorch/pytorch#50528", "pytorch/pytorch#8062"),
        ("forgets the class weights", "1.0 if class_weights is None else class_weights[int(labels[i])]", "1.0",
         "rare classes are missed as before, whatever weight they are given"),
        ("sums instead of averaging", "total / weight if weight else 0.0", "total",
         "the loss grows with the image and the batch; a learning rate for small crops diverges on larger ones"),
        ("averages over the classes too: divides by L", "total / weight", "total / weight / logits.shape[-1]",
         "the loss and its gradients are L times too small: more classes need a larger learning rate",
         "jax-ml/jax#1023"),
        (BY_IMAGE, image_by_image(loss.cross_entropy),
         "right if all pixels count; otherwise another batch size gives another loss for the same images"),
        ("NaN where every pixel is ignored: 0 / 0", "total / weight if weight else 0.0", "np.divide(total, weight)",
         "training works until the first crop without a label; from then on every weight is NaN",
         "pytorch/pytorch#70348", "pytorch/pytorch#75181", "pytorch/pytorch#116349", "OpenRLHF/OpenRLHF#583"),
        ("softmax over the columns instead of the classes", ("max(logits[i])", "for z in logits[i]"),
         ("max(logits[i[:-1]][:, labels[i]])", "for z in logits[i[:-1]][:, labels[i]]"),
         "the loss falls, but pixels of one row compete, and not the classes of one pixel",
         "MrGiovanni/ModelsGenesis#8", "hfslyc/AdvSemiSeg#73", "HRNet/HRNet-Semantic-Segmentation#271"),
        ("exp overflows: the maximum is not subtracted", (LOG_SUM, "log_sum - logits[i][labels[i]]"),
         ("e = np.exp(logits[i])", "-np.log(e[labels[i]] / e.sum())"),
         "right while logits are small; once one of them exceeds 88 in float32, the loss is NaN",
         "FluxML/NNlib.jl#68", "tensorflow/models#181", "numenta/nupic-legacy#3819"),
        ("one maximum for the whole map, not one a pixel", (LOG_SUM, "log_sum - logits[i][labels[i]]"),
         ("e = np.exp(logits[i] - logits.max())", "-np.log(e[labels[i]] / e.sum())"),
         "right while all logits are of one size; where those of a pixel are far below the largest, the loss is NaN",
         "manassharma07/crysx_nn#7"),
    ),
    *mistakes(
        loss.binary_cross_entropy_loops,
        ("sigmoid twice: takes probabilities for logits",
         "logits[i] if targets[i] == 0 else -logits[i]", "(1 if targets[i] == 0 else -1) / (1 + np.exp(-logits[i]))",
         "the loss stays above 0.31 on the object and 0.69 on the ground; no pixel gets less than 1/2",
         "itakurah/focal-loss-pytorch#5", "cvg/glue-factory#89", "Turoad/lanedet#32", "yudi-mars/daisyRec#15"),
        (OVER_ALL, "total / count if count else 0.0", "total / targets.size", OVER_ALL_SYMPTOM, *OVER_MET),
        ("the object's pixels alone: the term of the ground is missing",
         "total += ", "total += 0 if targets[i] == 0 else ", "the loss falls to 0 if all is predicted as object"),
        ("exp overflows: log(1 + exp(z)) as it is written",
         SURPRISE, "np.log1p(np.exp(logits[i])) - targets[i] * logits[i]",
         "right while logits are small; once one of them exceeds 88 in float32, the loss is infinite",
         "pytorch/pytorch#751", "openvinotoolkit/openvino#29745"),
        ("log of a sigmoid that was rounded to 0, with a small number added",
         SURPRISE, "-np.log(1 / (1 + np.exp(z)) + 1e-7)",
         "the first digits are right; no pixel costs more than 16, so pixels that are quite wrong count too little",
         "keras-team/keras-core#196", "pytorch/pytorch#24933", "pytorch/pytorch#39435"),
    ),
    *mistakes(
        loss.binary_cross_entropy,
        ("counts ignored pixels as background", SELECTED, "logits.ravel(), (targets == 1).ravel().astype(logits.dtype)",
         "the network learns that every unlabelled pixel is ground"),
        ("a mask of 0 and 255 taken for one of 0 and 1, no label ignored",
         SELECTED, "logits.ravel(), targets.ravel().astype(logits.dtype)",
         "the loss is negative and falls without end; the whole image becomes object",
         "milesial/Pytorch-UNet#78", "milesial/Pytorch-UNet#84", "qubvel/segmentation_models#95"),
    ),
    *mistakes(
        loss.dice_loops,
        ("takes logits for probabilities: no sigmoid", "(1 + math.tanh(logits[i] / 2)) / 2", "logits[i]",
         "the loss leaves [0, 1], and it jumps where the sum of the logits is near 0",
         "jakeret/tf_unet#15", "milesial/Pytorch-UNet#271"),
        ("squares the probability in the denominator", "p + int(targets[i])", "p * p + int(targets[i])",
         "the same for probabilities of 0 and 1, smaller for all others: this is the loss of V-Net",
         "faustomilletari/VNet#18", "argman/EAST#288", "MichaelFan01/STDC-Seg#43"),
        ("forgets the 2: an overlap of one half at most", "2 * overlap", "overlap",
         "the loss stays above about 1/2, however good the prediction is"),
        ("smooth only in the denominator", "2 * overlap + smooth", "2 * overlap",
         "the loss is 1 for an image without the object, even if none is predicted there",
         "aim-uofa/AdelaiDet#610", "open-mmlab/mmocr#408"),
        ("smooth doubled in the numerator: it is inside the factor 2", "2 * overlap + smooth", "2 * (overlap + smooth)",
         "the loss falls to -1, and the score rises to 2, for an image without the object", "milesial/Pytorch-UNet#24"),
        ("intersection over union", "2 * overlap + smooth) / (sizes + smooth)",
         "overlap + smooth) / (sizes - overlap + smooth)", "it has the same minimum, but is larger everywhere else"),
        (BY_IMAGE, image_by_image(loss.dice),
         "right for one image; in a batch a small object counts as much as a large one",
         "NifTK/NiftyNet#22", "open-mmlab/mmsegmentation#2068", "ivadomed/ivadomed#910",
         "BloodAxe/pytorch-toolbelt#99"),
        ("the score, not one minus it", "1 - (2 * overlap + smooth)", "(2 * overlap + smooth)",
         "training makes it fall, and the object vanishes", "akirasosa/mobile-semantic-segmentation#24"),
        ("minus the score, not one minus it", "1 - (2 * overlap + smooth)", "-(2 * overlap + smooth)",
         "the loss is negative; its gradients are right", "PengchengShi1220/cbDice#10", "MrGiovanni/UNetPlusPlus#64"),
    ),
    *mistakes(
        loss.dice,
        ("ignored pixels count in the sizes, as background",
         ("_selected(counted, targets)", "_selected(counted, logits)"), ("(targets == 1)", "logits"),
         "unlabelled pixels are learnt as ground; a perfect prediction does not reach 0",
         "open-mmlab/mmsegmentation#1088"),
    ),
    *mistakes(
        loss.cross_entropy_backward,
        ("not divided by the sum of the weights", "weights / (weights.sum() or 1)", "weights", UNDIVIDED_SYMPTOM,
         "apache/mxnet#2215"),
        ("forgets the class weights",
         "(dz.dtype.type(dloss) * weights / (weights.sum() or 1))[:, None]", "dz.dtype.type(dloss) / max(len(t), 1)",
         "the loss shows the weights, training does not: rare classes are missed as before"),
        ("does not subtract 1 at the true class", "dz[np.arange(len(t)), t] -= 1", "pass",
         "all logits are pushed down, the right ones too; the loss does not fall"),
        ("dz[:, t] -= 1: subtracts 1 at the labels of all pixels", "dz[np.arange(len(t)), t]", "dz[:, t]",
         "right for one pixel, as in a first test; on a map every class that occurs is pulled up everywhere"),
        ("multiplied by the slope of softmax once more", "dz[np.arange(len(t)), t] -= 1",
         "dz[np.arange(len(t)), t] -= 1\n    dz *= probability * (1 - probability)", FADES_SYMPTOM),
        (ALL_BELOW, "(weights.sum() or 1)", "counted.size", ALL_BELOW_SYMPTOM),
        ("written one after another, not to the places of their pixels",
         "dlogits[counted]", "dlogits.reshape(-1, dz.shape[-1])[: len(dz)]",
         "right without ignored pixels; after the first one, each pixel learns from the label of another"),
        (DEAF, "dz.dtype.type(dloss) * weights", "weights", DEAF_SYMPTOM, *DEAF_MET),
        ("the wrong sign", "dz.dtype.type(dloss)", "-dz.dtype.type(dloss)",
          "the loss rises from the first step on, until it overflows"),
    ),
    *mistakes(
        loss.binary_cross_entropy_backward,
        ("multiplied by the slope of the sigmoid besides", "(p - t)", "(p - t) * p * (1 - p)", FADES_SYMPTOM,
         "TuSimple/mx-maskrcnn#65"),
        ("not divided by the number of pixels",
         "(p.dtype.type(dloss) / p.dtype.type(max(len(p), 1)))", "p.dtype.type(dloss)", UNDIVIDED_SYMPTOM),
        (ALL_BELOW, "max(len(p), 1)", "counted.size", ALL_BELOW_SYMPTOM),
        (DEAF, "p.dtype.type(dloss)", "1", DEAF_SYMPTOM, *DEAF_MET),
    ),
    *mistakes(
        loss.dice_backward,
        ("takes the sizes for constants", "above / below - 2 * t", "-2 * t",
         "only the object's pixels learn: it grows until it covers the image"),
        ("the denominator not squared", "p.dtype.type(dloss) / below", "p.dtype.type(dloss)", UNDIVIDED_SYMPTOM),
        ("without the slope of the sigmoid", "sigmoid_backward(dp, p)", "dp",
         "pixels that are already sure are still pushed: logits grow without end"),
        ("the gradient of the score, not of the loss", "above / below - 2 * t", "2 * t - above / below",
         "the loss rises from the first step on, and the object vanishes"),
        (DEAF, "p.dtype.type(dloss) / below", "1 / below", DEAF_SYMPTOM, *DEAF_MET),
    ),
)
