"""Wrong versions of convolution, its transpose and its binary and packed forms."""

import numpy as np

from tinybnn import binary_conv
from tinybnn.conv import ConvGrads, conv2d, conv2d_backward, conv_transpose2d, conv_transpose2d_backward
from tinybnn.testing.ops.conv import packed_signs

from .mutant import Mutant


def conv_with(change):
    """conv2d after ``change(x, w, options)`` has spoilt its arguments."""

    def forward(x, w, **options):
        return conv2d(*change(x, w, options)[:2], **options)

    return forward


def drop(name, value):
    """Ignore one option."""

    def change(x, w, options):
        options[name] = value
        return x, w

    return change


def off_by_one_size(x, w, **options):
    y, cache = conv2d(x, w, **options)
    return (y[:, :-1] if y.shape[1] > 1 else y), cache


def backward_with(**wrong):
    """conv2d's backward with some gradient changed."""

    def backward(dy, cache):
        good = conv2d_backward(dy, cache)
        return good._replace(**{k: f(good, cache) for k, f in wrong.items()})

    return backward


def kernel_not_turned(dy, cache):
    good = conv2d_backward(dy, cache)
    return ConvGrads(conv2d_backward(dy, cache._replace(w=np.ascontiguousarray(cache.w[::-1, ::-1]))).dx, good.dw)


def padding_read_as_zero(dy, cache):
    return conv2d_backward(dy, cache._replace(pad_value=0.0))


def transpose_turns(y, w, **options):
    return conv_transpose2d(y, w[::-1, ::-1], **options)


def transpose_keeps_the_border(y, w, *, pad, **options):
    out, cache = conv_transpose2d(y, w, pad=pad, **options)
    return np.roll(out, 1, axis=1), cache


def scale_only_the_forward(dy, cache):
    return binary_conv.binary_conv2d_backward(dy, cache._replace(alpha=np.ones_like(cache.alpha)))


def no_surrogate(dy, cache):
    return binary_conv.binary_conv2d_backward(dy, cache)._replace(dw=conv2d_backward(dy * cache.alpha, cache.conv).dw)


def packed_padding_as(value):
    def packed(x, w, **options):
        return packed_signs(x, w, **{**options, "pad_value": value})

    return packed


def packed_with_real_weights(x, w, alpha, *, quantizer, **options):
    return conv2d(x, w * alpha, **options)


MUTANTS = (
    Mutant("conv2d", "forward", "turns the kernel by 180 degrees", conv_with(lambda x, w, o: (x, w[::-1, ::-1]))),
    Mutant("conv2d", "forward", "ignores the stride", conv_with(drop("stride", 1))),
    Mutant("conv2d", "forward", "ignores the dilation", conv_with(drop("dilation", 1))),
    Mutant("conv2d", "forward", "pads with zeros whatever was asked", conv_with(drop("pad_value", 0.0))),
    Mutant("conv2d", "forward", "reads rows as columns", conv_with(lambda x, w, o: (np.flip(x, 1), w))),
    Mutant("conv2d", "forward", "channels in reverse", conv_with(lambda x, w, o: (x[..., ::-1], w))),
    Mutant("conv2d", "forward", "loses the last row", off_by_one_size),
    Mutant("conv2d", "backward", "kernel not turned in dx", kernel_not_turned),
    Mutant("conv2d", "backward", "padding counted as zero in dw", padding_read_as_zero),
    Mutant("conv2d", "backward", "averages dw over the batch", backward_with(dw=lambda g, c: g.dw / (len(c.x) + 1))),
    Mutant("conv2d", "backward", "dx in place of zeros: no gradient", backward_with(dx=lambda g, c: 0 * g.dx)),
    Mutant("conv_transpose2d", "forward", "turns the kernel by 180 degrees", transpose_turns),
    Mutant("conv_transpose2d", "forward", "cuts the border off the wrong side", transpose_keeps_the_border),
    Mutant(
        "conv_transpose2d",
        "backward",
        "forgets the input's gradient",
        lambda d, c: conv_transpose2d_backward(d, c)._replace(dy=0 * c.y),
    ),
    Mutant("binary_conv2d", "forward", "convolves latent weights, not their signs", packed_with_real_weights),
    Mutant("binary_conv2d", "backward", "forgets alpha on the way back", scale_only_the_forward),
    Mutant("binary_conv2d", "backward", "passes the gradient as if the weights were real", no_surrogate),
    Mutant("conv2d_packed", "packed", "padding read as +1", packed_padding_as(1)),
    Mutant("conv2d_packed", "packed", "padding read as -1", packed_padding_as(-1)),
    Mutant("conv2d_packed", "packed", "padding read as 0", packed_padding_as(0)),
)
