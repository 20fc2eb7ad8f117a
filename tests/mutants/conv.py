"""Wrong versions of convolution, its transpose and its binary and packed forms."""

from functools import partial

import numpy as np

from tinybnn import binary_conv
from tinybnn.conv import ConvGrads, conv2d, conv2d_backward, conv_transpose2d, conv_transpose2d_backward
from tinybnn.product import forms
from tinybnn.testing import OPS
from tinybnn.testing.ops.conv import packed_copies, packed_signs
from tinybnn.upsample_conv import upsample_conv2d, upsample_conv2d_backward

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


def packed_with(run, **changes):
    """A packed form with some options replaced."""
    return lambda x, w, **options: run(x, w, **options | changes)


def packed_small_border(x, w, *, scale, pad, form, **options):
    """Pads the small map by as many pixels as the large one was to have, and cuts nothing off."""
    (SH, SW), (PH, PW) = (v if isinstance(v, tuple) else (v, v) for v in (scale, pad))
    wider = packed_copies(x, w, scale=scale, pad=(PH * SH, PW * SW), form=form, **options)
    good = packed_copies(x, w, scale=scale, pad=pad, form=form, **options)
    return wider[:, : good.shape[1], : good.shape[2]]


def last_tap_only(w, scale):
    """Assigns where it should add."""
    kernel, cache = OPS["phase_kernel"].forward(w, scale)
    (KH, KW, _, F), (SH, SW) = w.shape, scale
    for a, b, kh, kw in np.ndindex(SH, SW, KH, KW):
        p = (a * SW + b) * F
        kernel[(a + kh) // SH, (b + kw) // SW, :, p : p + F] = w[kh, kw]
    return kernel, cache


def kernel_averaged(dkernel, cache):
    """By the number of phases, and one more: so that a single phase shows it too."""
    return OPS["phase_kernel"].backward(dkernel, cache) / (cache[1][0] * cache[1][1] + 1)


def up_with(change):
    """upsample_conv2d after ``change(x, w)``."""
    return lambda x, w, **options: upsample_conv2d(*change(x, w), **options)


def up_dealt_wrongly(x, w, *, scale, **options):
    """The columns of a block of phases exchanged: their maps dealt out in another order."""
    y, cache = upsample_conv2d(x, w, scale=scale, **options)
    s = scale[1]
    return (y[:, :, [j // s * s + s - 1 - j % s for j in range(y.shape[2] // s * s)]] if s > 1 else 0 * y), cache


def up_mean_of_taps(dy, cache):
    good = upsample_conv2d_backward(dy, cache)
    return good._replace(dw=good.dw / 2)


def up_forgets_phases(dy, cache):
    """The gradient of one phase alone."""
    only = np.zeros_like(dy)
    only[:, :: cache.phases.scale[0], :: cache.phases.scale[1]] = dy[
        :, :: cache.phases.scale[0], :: cache.phases.scale[1]
    ]
    return upsample_conv2d_backward(only + 0.5 * dy, cache)


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
    *(
        Mutant(f"{op}{by}", "packed", f"padding read as {value:+d}", packed_with(run, pad_value=value, form=form))
        for op, run in (("conv2d_packed", packed_signs), ("upsample_conv2d_packed", packed_copies))
        for by, form in forms("").items()
        for value in (-1, 0, 1)
    ),
    *(
        Mutant(f"conv2d_packed{by}", "packed", "ignores the stride", packed_with(packed_signs, stride=1, form=form))
        for by, form in forms("").items()
    ),
    *(
        Mutant(
            f"upsample_conv2d_packed{by}",
            "packed",
            "as much border as padding",
            partial(packed_small_border, form=form),
        )
        for by, form in forms("").items()
    ),
    Mutant("phase_kernel", "forward", "one tap where several share a pixel", last_tap_only),
    Mutant("phase_kernel", "backward", "averages what a tap gets from its phases", kernel_averaged),
    Mutant("upsample_conv2d", "forward", "turns the kernel by 180 degrees", up_with(lambda x, w: (x, w[::-1, ::-1]))),
    Mutant("upsample_conv2d", "forward", "one tap where several share a pixel", up_with(lambda x, w: (x, np.sign(w)))),
    Mutant("upsample_conv2d", "forward", "deals the phases out in another order", up_dealt_wrongly),
    Mutant("upsample_conv2d", "backward", "averages what a tap gets from its phases", up_mean_of_taps),
    Mutant("upsample_conv2d", "backward", "one phase counts more than the others", up_forgets_phases),
)
