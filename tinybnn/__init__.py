"""tinybnn: binary neural networks for dense prediction, in NumPy, to learn from and to check other kernels against.

The folders, in reading order. A file imports only from folders above its own::

    notation, validate   letters, layouts and contracts; the one form of error message
    ops                  the operations: specification in loops, fast pair, packed form
    metrics, data        scores of a prediction; images and their labels
    model                the network, its training, its evaluation, its packed form
    fast                 the same packed network, faster
    app                  the command line, the demo, the pictures
    testing              the table of all operations, and the check of other implementations

This page imports the names that a reader meets first; everything else is imported from its file.
"""

from .data.augment import draw_batch
from .data.samples import load
from .metrics.labels import confusion_matrix, iou_per_class, mean_iou
from .metrics.saliency import e_measure, f_curve, mae, max_f, s_measure
from .model.deploy import forward_packed, load_packed, pack_network, save_packed
from .model.evaluate import evaluate, predict
from .model.gradcheck import adjoint_gap, check_gradients, numeric_vjp
from .model.net import Config, backward, forward, init
from .model.optim import adam, bop, clip_latent, sgd
from .notation import IGNORE, WORD_BITS
from .ops.activation import hardtanh, hardtanh_backward, prelu, prelu_backward, sigmoid, sigmoid_backward
from .ops.attention import attention, attention_backward, binary_attention, binary_attention_backward
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
from .ops.conv import conv2d, conv2d_backward, conv_transpose2d, conv_transpose2d_backward
from .ops.fold import fold_batch_norm, threshold_sign
from .ops.loss import binary_cross_entropy, binary_cross_entropy_backward, cross_entropy, cross_entropy_backward
from .ops.multibranch import multi_branch_upsample, multi_branch_upsample_backward
from .ops.norm import batch_norm, batch_norm_backward, batch_norm_inference, update_running
from .ops.pool import max_pool2d, max_pool2d_backward
from .ops.reduced_attention import two_part_attention, two_part_attention_backward
from .ops.upsample import upsample_bilinear, upsample_bilinear_backward, upsample_nearest, upsample_nearest_backward
from .ops.upsample_conv import upsample_conv2d, upsample_conv2d_backward

__version__ = "0.1.0"
