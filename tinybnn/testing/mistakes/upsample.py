"""Mistakes in upsampling: blocks and tiles, where bilinear rows lie, the order of channels, phases of a convolution."""

import numpy as np

from ...ops import upsample, upsample_conv
from .mistake import mistakes

# fmt: off

HALF_PIXEL = ("pytorch/pytorch#10604", "tensorflow/tensorflow#33691")
SHUFFLE = ("onnx/onnx#2163", "PINTO0309/onnx2tf#91", "OpenPPL/ppq#504")
UNSHUFFLE = ("tensorflow/tensorflow#53291", "microsoft/onnxscript#2891")
SLOW_BELOW = "the layers below an upsampling learn more slowly, once more for each upsampling"
WRONG_PIXELS = "gradients arrive at the wrong pixels, so the layers below learn nothing"

MISTAKES = (
    *mistakes(
        upsample_conv.phase_kernel_loops,
        ("one tap where several share a pixel: = in place of +=",
         "+= w[kh, kw, c, f]", "= w[kh, kw, c, f]",
         "right where no taps share a pixel, with scale 1 or one tap; flat regions get wrong values"),
        ("averages the taps that share a pixel",
         "return kernel", "return kernel / np.maximum(1, phase_kernel(np.ones(w.shape), scale))",
         "flat regions get another brightness in each phase: a checkerboard"),
        ("filters before phases in the last axis",
         "(a * SW + b) * F + f", "f * SH * SW + a * SW + b",
         "right with one filter or scale 1; otherwise the outputs of several filters are mixed"),
    ),
    *mistakes(
        upsample_conv.phase_kernel_backward,
        ("averages the gradients that a tap gets from its phases",
         lambda dkernel, cache: upsample_conv.phase_kernel_backward(dkernel, *cache) / (cache[1][0] * cache[1][1]),
         "these weights learn more slowly than those of other layers, by the number of phases"),
        ("the gradient of the first phase alone",
         lambda dkernel, cache: upsample_conv.phase_kernel_backward(
             dkernel * (np.arange(dkernel.shape[3]) < dkernel.shape[3] // (cache[1][0] * cache[1][1])), *cache),
         "the weights fit the top left pixel of each block, and the map shows a checkerboard"),
    ),
    *mistakes(
        upsample_conv.upsample_conv2d_loops,
        ("pads the small map, so that the padding is multiplied by the scale",
         "pad=pad", "pad=tuple(s * p for s, p in zip(scale, pad))",
         "the result is too large wherever there is padding"),
        ("convolves the small map, then upsamples it",
         "conv2d_loops(upsample_nearest_loops(x, scale=scale), w, pad=pad, pad_value=pad_value)",
         "upsample_nearest_loops(conv2d_loops(x, w, pad=pad, pad_value=pad_value), scale=scale)",
         "right for kernels of one tap; otherwise another shape, or blocks of equal values"),
    ),
    *mistakes(
        upsample_conv.upsample_conv2d_backward,
        ("averages the gradients of a pixel's copies",
         "UpsampleConvGrads(dx,", "UpsampleConvGrads(dx / (phases.scale[0] * phases.scale[1]),", SLOW_BELOW),
        ("only the first phase sends a gradient back",
         "split_phases(dy, phases)", "split_phases(dy, phases) * (np.arange(conv.w.shape[3]) < F)",
         "the other phases are never trained: a checkerboard"),
    ),
    *mistakes(
        upsample_conv.upsample_conv2d_packed,
        ("pads the small map, so that the padding is multiplied by the scale",
         "pad=pad)", "pad=tuple(s * p for s, p in zip(scale, pad)))",
         "the result is too large wherever there is padding"),
    ),
    *mistakes(
        upsample.upsample_nearest_loops,
        ("tiles the map instead of repeating its values",
         "i // SH, j // SW", "i % H, j % W",
         "the result shows small copies of the image side by side"),
        ("rows by the columns' scale",
         "SH, SW = scale", "SW, SH = scale",
         "right for one number as the scale; a pair gives another shape"),
        ("repeats axes 2 and 3, those of (N, C, H, W)",
         ("(N, H * SH, W * SW, C)", "i // SH, j // SW, c"), ("(N, H, W * SH, C * SW)", "i, j // SH, c // SW"),
         "the map is wider but not taller, and the next layer reports too many channels"),
        ("zeros between the values in place of copies",
         "x[n, i // SH, j // SW, c]", "x[n, i // SH, j // SW, c] if i % SH == j % SW == 0 else 0",
         "the map is empty except for a grid of single points"),
        ("aligns the corners: pixels at the border are copied less often",
         ("i // SH", "j // SW"), ("round(i * (H - 1) / max(H * SH - 1, 1))", "round(j * (W - 1) / max(W * SW - 1, 1))"),
         "right for scale 2; from 3 on the blocks of large maps differ in size, and the outermost are the smallest"),
    ),
    *mistakes(
        upsample.upsample_nearest_backward,
        ("averages the gradients of the copies",
         "for j in range(SW))", "for j in range(SW)) / (SH * SW)", SLOW_BELOW, "davisking/dlib#336"),
        ("takes the gradient of one copy only",
         ("range(SH)", "range(SW)"), ("range(1)", "range(1)"),
         "it trains, but errors in the other copies are never corrected"),
        ("adds up tiles, not blocks",
         "i::SH, j::SW", "i * H : (i + 1) * H, j * W : (j + 1) * W", WRONG_PIXELS),
    ),
    *mistakes(
        upsample.upsample_nearest_packed,
        ("tiles the map instead of repeating its values",
         "words.repeat(SH, axis=1).repeat(SW, axis=2)", "np.tile(words, (1, SH, SW, 1))",
         "the result shows small copies of the image side by side"),
        ("words of zeros between the words in place of copies",
         "words.repeat(SH, axis=1).repeat(SW, axis=2)",
         "np.kron(words, np.eye(1, SH * SW, dtype=np.uint64).reshape(1, SH, SW, 1))",
         "a word of zeros means +1 in every channel, so most of the map becomes +1"),
    ),
    *mistakes(
        upsample.upsample_bilinear_loops,
        ("forgets the half-pixel shift",
         ("(i + 0.5) / SH - 0.5", "(j + 0.5) / SW - 0.5"), ("i / SH", "j / SW"),
         "the map is shifted up and to the left, by half a small pixel less half a large one", *HALF_PIXEL),
        ("aligns the corners whatever was asked",
         "if align_corners", "if True",
         "small differences everywhere, which depend on the size of the map",
         "pytorch/pytorch#5511", "pytorch/pytorch#5927"),
        ("never aligns the corners",
         "if align_corners", "if False",
         "networks trained with aligned corners lose some accuracy, mostly along edges",
         "tenstorrent/tt-metal#27001", "intel/webml-polyfill#400"),
        ("rounds to the nearest value",
         "row - top, col - left", "round(row - top), round(col - left)",
         "the map shows blocks where slopes are expected"),
        ("does not clamp: continues the slope beyond the first row and column",
         "min(max((i + 0.5) / SH - 0.5, 0), H - 1), min(max((j + 0.5) / SW - 0.5, 0), W - 1)",
         "(i + 0.5) / SH - 0.5, (j + 0.5) / SW - 0.5",
         "only the first rows and columns are wrong: they can be larger or smaller than every value of the map"),
        ("takes the signs first",
         "N, H, W, C = x.shape", "x, (N, H, W, C) = np.where(x < 0, -1, 1), x.shape",
         "right only where neighbours have equal signs; a packed network that changes the order shows it"),
    ),
    *mistakes(
        upsample.upsample_bilinear_backward,
        ("averages: divides the gradient by the scale",
         "B.T @ dy", "B.T @ dy * (A.shape[1] / len(A) * B.shape[1] / len(B))", SLOW_BELOW),
        ("treats columns as copies",
         "B.T @ dy", "dy.reshape(N, len(A), B.shape[1], -1, C).sum(3)",
         "right where only rows are upsampled; otherwise gradients are shifted by a fraction of a pixel"),
    ),
    *mistakes(
        upsample.depth_to_space_loops,
        ("channel-major order, that of PyTorch's pixel_shuffle (CRD)",
         "(i % SH * SW + j % SW) * C + c", "c * SH * SW + i % SH * SW + j % SW",
         "right with one channel out; otherwise channels and positions are exchanged", *SHUFFLE),
        ("columns before rows within a block",
         "i % SH * SW + j % SW", "j % SW * SH + i % SH",
         "right where only rows or only columns are upsampled; otherwise every block is transposed"),
        ("reshapes without moving the block's axes",
         "x[n, i // SH, j // SW, (i % SH * SW + j % SW) * C + c]", "x.reshape(y.shape)[n, i, j, c]",
         "stripes: the channels of each pixel are side by side in a row", "atriumlts/subpixel#15"),
    ),
    *mistakes(
        upsample.depth_to_space_backward,
        ("gathers channel-major what was dealt out block-major",
         "return space_to_depth(dy, scale=cache)[0]",
         "dx, _ = space_to_depth(dy, scale=cache)\n"
         "    return dx.reshape(*dx.shape[:3], -1, dy.shape[3]).swapaxes(3, 4).reshape(dx.shape)",
         "right with one channel out; otherwise channels below get the gradients of other channels", *UNSHUFFLE),
        ("reshapes without moving the block's axes",
         "space_to_depth(dy, scale=cache)[0]", "dy.reshape(space_to_depth(dy, scale=cache)[0].shape)", WRONG_PIXELS),
    ),
    *mistakes(
        upsample.space_to_depth_loops,
        ("channel-major order, that of PyTorch's pixel_unshuffle",
         "(i % SH * SW + j % SW) * C + c", "c * SH * SW + i % SH * SW + j % SW",
         "right with one channel in; loaded weights of the next layer read channels in another order", *UNSHUFFLE),
        ("reshapes without moving the block's axes",
         "return y", "return x.reshape(y.shape)",
         "a pixel holds a part of a row where it should hold a block"),
    ),
    *mistakes(
        upsample.space_to_depth_backward,
        ("deals out channel-major what was gathered block-major",
         "depth_to_space(dy, scale=cache)",
         "depth_to_space(dy.reshape(*dy.shape[:3], -1, cache[0] * cache[1]).swapaxes(3, 4).reshape(dy.shape),"
         " scale=cache)",
         "right with one channel in; otherwise positions and channels below exchange their gradients", *SHUFFLE),
        ("reshapes without moving the block's axes",
         "depth_to_space(dy, scale=cache)[0]", "dy.reshape(depth_to_space(dy, scale=cache)[0].shape)", WRONG_PIXELS),
    ),
)
