"""tinybnn: binary neural networks for dense prediction, in NumPy, to learn from and to check other kernels against.

The folders, in reading order. A file imports only from folders above its own::

    notation, validate   letters, layouts and contracts; the one form of error message
    ops                  the operations: specification in loops, fast pair, packed form
    metrics, data        scores of a prediction; images and their labels
    model                the network, its training, its evaluation, its packed form
    fast                 the same packed network, faster
    testing              the table of all operations, and the check of other implementations
    app                  the command line, the demo, the pictures

This page imports the names that a reader meets first; everything else is imported from its file.
"""

from .data.augment import draw_batch
from .data.samples import load
from .metrics.labels import confusion_matrix, iou_per_class, mean_iou
from .model.deploy import forward_packed, load_packed, pack_network, save_packed
from .model.evaluate import evaluate, predict
from .model.gradcheck import adjoint_gap, numeric_vjp
from .model.net import Config, backward, forward, init
from .model.optim import adam, bop, clip_latent, sgd
from .ops.activation import hardtanh, sigmoid
from .ops.attention import attention
from .ops.binarize import (
    QUANTIZERS,
    binarize,
    binarize_backward,
    clipped,
    mean_abs,
    mean_abs_backward,
    polynomial,
    sign,
)
from .ops.binary_conv import binary_conv2d, binary_conv2d_backward, conv2d_packed, pack_activations, pack_weights
from .ops.bitpack import pack, packed_dot, packed_matmul, unpack
from .ops.conv import conv2d, conv2d_backward, conv_transpose2d
from .ops.fold import fold_batch_norm, threshold_sign
from .ops.loss import cross_entropy, cross_entropy_backward
from .ops.multibranch import multi_branch_upsample, multi_branch_upsample_backward
from .ops.norm import batch_norm, batch_norm_backward, update_running
from .ops.pool import max_pool2d, max_pool2d_packed
from .ops.reduced_attention import two_part_attention
from .ops.upsample import depth_to_space, upsample_bilinear, upsample_nearest, upsample_nearest_backward
from .ops.upsample_conv import upsample_conv2d

__version__ = "0.1.0"

__all__ = [
    "sign", "binarize", "binarize_backward", "mean_abs", "mean_abs_backward", "QUANTIZERS", "clipped", "polynomial",
    "pack", "unpack", "packed_dot", "packed_matmul",
    "conv2d", "conv2d_backward", "conv_transpose2d", "binary_conv2d", "binary_conv2d_backward",
    "pack_activations", "pack_weights", "conv2d_packed",
    "batch_norm", "batch_norm_backward", "update_running", "fold_batch_norm", "threshold_sign",
    "hardtanh", "sigmoid", "max_pool2d", "max_pool2d_packed",
    "upsample_nearest", "upsample_nearest_backward", "upsample_bilinear", "depth_to_space", "upsample_conv2d",
    "multi_branch_upsample", "multi_branch_upsample_backward", "attention", "two_part_attention",
    "cross_entropy", "cross_entropy_backward", "confusion_matrix", "iou_per_class", "mean_iou",
    "load", "draw_batch", "Config", "init", "forward", "backward", "sgd", "adam", "bop", "clip_latent",
    "evaluate", "predict", "pack_network", "forward_packed", "save_packed", "load_packed", "numeric_vjp", "adjoint_gap",
]  # fmt: skip
