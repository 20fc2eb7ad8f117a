"""tinybnn: binary neural networks for dense prediction, in NumPy, to learn from and to check other kernels against.

:data:`CONTENTS` is the table of contents, in reading order: which file holds what. Every name in it is also an
attribute of the package, ``tinybnn.conv2d``, and its file is imported when the name is first used.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

CONTENTS = {
    "notation": "IGNORE WORD_BITS",
    "binarize": "sign Quantizer QUANTIZERS identity clipped polynomial tanh swish_sign real tanh_sharpness "
    "binarize_backward mean_abs mean_abs_backward",
    "bitpack": "pack unpack binarize_packed packed_dot",
    "conv": "conv2d conv2d_backward conv_transpose2d conv_transpose2d_backward",
    "binary_conv": "binary_conv2d binary_conv2d_backward",
    "product": "packed_matmul Product POPCOUNT DIGITS TRIPLES",
    "packed_conv": "pack_activations pack_weights conv2d_packed upsample_conv2d_packed",
    "norm": "batch_norm batch_norm_backward batch_norm_inference update_running scale_shift",
    "fold": "fold_batch_norm fold_threshold threshold_sign",
    "activation": "hardtanh hardtanh_backward prelu prelu_backward rprelu rprelu_backward sigmoid sigmoid_backward",
    "pool": "max_pool2d max_pool2d_backward max_pool2d_packed avg_pool2d avg_pool2d_backward "
    "adaptive_avg_pool2d adaptive_avg_pool2d_backward",
    "upsample": "upsample_nearest upsample_nearest_backward upsample_nearest_packed upsample_bilinear "
    "upsample_bilinear_backward UPSAMPLERS",
    "upsample_conv": "upsample_conv2d upsample_conv2d_backward",
    "subpixel": "depth_to_space depth_to_space_backward space_to_depth space_to_depth_backward",
    "multibranch": "multi_branch_upsample multi_branch_upsample_backward",
    "multibranch_packed": "multi_branch_upsample_packed",
    "attend": "attend attend_backward",
    "attention": "attention_backward binary_attention binary_attention_backward binary_attention_packed "
    "linear_attention linear_attention_backward",
    "pyramid": "pyramid_pool pyramid_pool_backward",
    "reduced_attention": "pooled_attention pooled_attention_backward pooled_attention_packed "
    "channel_attention channel_attention_backward channel_attention_packed "
    "two_part_attention two_part_attention_backward two_part_attention_packed",
    "loss": "cross_entropy cross_entropy_backward binary_cross_entropy binary_cross_entropy_backward "
    "dice dice_backward",
    "metrics": "confusion_matrix iou_per_class mean_iou road_scores threshold_counts",
    "saliency": "mae f_curve max_f s_measure e_measure",
    "blocks": "residual_block residual_block_backward attention_block attention_block_backward "
    "up_block up_block_backward",
    "net": "Config init forward backward",
    "optim": "sgd adam bop clip_latent learning_rate",
    "data": "load Dataset Sample",
    "augment": "draw_batch pad_to_multiple crop_back",
    "evaluate": "evaluate predict",
    "deploy": "pack_network forward_packed save_packed load_packed",
    "gradcheck": "numeric_vjp adjoint_gap check_gradients",
    "street": "street_scene kitti_road_colours",
}
"""File by file, in reading order. A function with its file's name is found in the file: ``attention.attention``."""

ROOM = {name: room for room, names in CONTENTS.items() for name in names.split() if name not in CONTENTS}

__all__ = [*ROOM]


def __getattr__(name: str) -> Any:
    if name in ROOM:
        return getattr(import_module(f"{__name__}.{ROOM[name]}"), name)
    if name in CONTENTS:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*ROOM, *CONTENTS, "__version__"])
