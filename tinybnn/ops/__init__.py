"""The operations, in reading order. Each operation has a specification in loops. A differentiable one has a backward
pass, and a binary one has a packed form, in the same file::

    binarize           sign, binarize, mean_abs, and the surrogates of the sign's derivative
    bitpack            pack, unpack, binarize_packed, packed_dot, packed_matmul
    conv               conv2d, conv_transpose2d
    binary_conv        binary_conv2d, pack_activations, pack_weights, conv2d_packed
    norm               batch_norm, update_running, batch_norm_inference
    fold               fold_batch_norm, threshold_sign
    activation         hardtanh, prelu, rprelu, sigmoid
    pool               max_pool2d, max_pool2d_packed, avg_pool2d, adaptive_avg_pool2d
    pyramid            pyramid_pool
    upsample           upsample_nearest, upsample_nearest_packed, upsample_bilinear, depth_to_space, space_to_depth
    upsample_conv      upsample_conv2d, upsample_conv2d_packed, phase_kernel
    multibranch        multi_branch_upsample, multi_branch_upsample_packed
    attend             attend
    attention          attention, binary_attention, binary_attention_packed, linear_attention
    reduced_attention  pooled_attention, channel_attention, two_part_attention; pooled_attention_packed,
                       channel_attention_packed, two_part_attention_packed
    loss               cross_entropy, binary_cross_entropy, dice
"""
