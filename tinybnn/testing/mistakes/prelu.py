"""Mistakes in PReLU and RPReLU, forward and backward."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ...notation import Array
from ...ops.activation import prelu, prelu_backward, rprelu, rprelu_backward
from ...ops.binarize import channel_sum
from .binarize import in_float64
from .mistake import Mistake

Change = Callable[[Any, Array, Any], Array]
"""Another gradient, from the right ones, from ``dy`` and from the cache."""


def spoilt(backward: Callable, **changes: Change) -> Callable:
    """A right backward pass, some of whose gradients are replaced by name."""

    def wrong(dy: Array, cache: Any) -> Any:
        good = backward(dy, cache)
        return good._replace(**{name: change(good, dy, cache) for name, change in changes.items()})

    return wrong


def mean_over(gradient: Array, dy: Array) -> Array:
    """A gradient divided by the values of a channel that were added up in it."""
    return gradient / (dy.size // dy.shape[-1])


def bent_in_place(x: Array, slope: Array) -> Array:
    return np.multiply(x, slope, out=x, where=x < 0)


def shifted_in_place(x: Array, shift_in: Array, slope: Array, shift_out: Array) -> Array:
    x -= shift_in
    return prelu(x, slope)[0] + shift_out


def by_the_sign_of_the_result(grads: Any, dy: Array, cache: Any) -> Array:
    y = prelu(cache.x, cache.slope)[0]
    return np.where(y >= 0, dy, cache.slope * dy)


MISTAKES: tuple[Mistake, ...] = (
    Mistake(
        "prelu",
        "one slope for all channels",
        lambda x, slope: prelu(x, np.full_like(slope, slope[0]))[0],
        "nothing while all slopes are alike, as they are at the start; trained weights give other results",
        ("marian-nmt/marian-dev#232",),
    ),
    Mistake(
        "prelu",
        "slope on the positive side",
        lambda x, slope: np.where(x < 0, x, slope * x),
        "looks like a bent line, the wrong way round: large values are damped, negative ones pass whole",
    ),
    Mistake(
        "prelu",
        "max(x, slope x): wrong for slopes above 1",
        lambda x, slope: np.maximum(x, slope * x),
        "nothing at a slope of 1/4, nor until training pushes one beyond 1: then that channel bends the other way",
        ("chainer/chainer#6454", "PaddlePaddle/Paddle#25957"),
    ),
    Mistake(
        "prelu",
        "writes into its input",
        bent_in_place,
        "the layer is right; the backward pass, if a slope is negative, no longer knows which side x was on",
        ("pytorch/pytorch#31938",),
    ),
    Mistake(
        "prelu",
        "turns float32 into float64",
        in_float64(prelu),
        "right values; everything after it takes twice the memory and time",
        ("Theano/Theano#4483", "Lasagne/Lasagne#677"),
    ),
    Mistake(
        "prelu_backward",
        "no gradient below 0",
        spoilt(prelu_backward, dx=lambda grads, dy, cache: dy * (cache.x >= 0)),
        "trains like a ReLU: half of all gradients are lost, though forward nothing is cut off",
    ),
    Mistake(
        "prelu_backward",
        "0 counts as negative",
        spoilt(prelu_backward, dx=lambda grads, dy, cache: np.where(cache.x > 0, dy, cache.slope * dy)),
        "nothing, unless many values are exactly 0, as after a padding or a binary sum: other gradients there",
    ),
    Mistake(
        "prelu_backward",
        "takes the sign of the result for that of x: wrong for negative slopes",
        spoilt(prelu_backward, dx=by_the_sign_of_the_result),
        "nothing while slopes are positive; where one is negative, gradients below 0 come back with the wrong sign",
        ("pytorch/pytorch#31938", "tracel-ai/burn#1208"),
    ),
    Mistake(
        "prelu_backward",
        "dslope over positive values too",
        spoilt(prelu_backward, dslope=lambda grads, dy, cache: channel_sum(dy * cache.x)),
        "slopes are pulled by values they have no part in; the loss still falls",
    ),
    Mistake(
        "prelu_backward",
        "one dslope for all channels",
        spoilt(prelu_backward, dslope=lambda grads, dy, cache: np.full_like(grads.dslope, grads.dslope.sum())),
        "all slopes stay equal, however long one trains",
    ),
    Mistake(
        "prelu_backward",
        "averages dslope instead of summing",
        spoilt(prelu_backward, dslope=lambda grads, dy, cache: mean_over(grads.dslope, dy)),
        "slopes hardly move, the less the larger the map",
    ),
    Mistake(
        "rprelu",
        "adds the inner shift",
        lambda x, shift_in, slope, shift_out: rprelu(x, -shift_in, slope, shift_out)[0],
        "nothing while shifts are 0; trained from the start it learns the opposite sign, loaded weights do not fit",
    ),
    Mistake(
        "rprelu",
        "the two shifts exchanged",
        lambda x, shift_in, slope, shift_out: rprelu(x, shift_out, slope, shift_in)[0],
        "nothing while both shifts are 0; trained weights give other results",
    ),
    Mistake(
        "rprelu",
        "bends the outer shift too",
        lambda x, shift_in, slope, shift_out: prelu(x - shift_in + shift_out, slope)[0],
        "the kink is where x = shift_in - shift_out, and at height 0: one shift in two places",
    ),
    Mistake(
        "rprelu",
        "subtracts the shift in place: writes into x",
        shifted_in_place,
        "the layer is right; a shortcut that adds x afterwards adds it shifted",
    ),
    Mistake(
        "rprelu_backward",
        "dshift_in with the sign of dx",
        spoilt(rprelu_backward, dshift_in=lambda grads, dy, cache: -grads.dshift_in),
        "inner shifts run away from where they should be; with a small learning rate only accuracy tells",
    ),
    Mistake(
        "rprelu_backward",
        "dshift_in forgets the slope",
        spoilt(rprelu_backward, dshift_in=lambda grads, dy, cache: -grads.dshift_out),
        "the two shifts always move by the same, in opposite directions",
    ),
    Mistake(
        "rprelu_backward",
        "dshift_out through the slope",
        spoilt(rprelu_backward, dshift_out=lambda grads, dy, cache: channel_sum(grads.dx)),
        "outer shifts learn too slowly in channels that are mostly below their kink",
    ),
    Mistake(
        "rprelu_backward",
        "gradients of the two shifts exchanged",
        spoilt(
            rprelu_backward,
            dshift_in=lambda grads, dy, cache: grads.dshift_out,
            dshift_out=lambda grads, dy, cache: grads.dshift_in,
        ),
        "both shifts move against their gradient: the loss rises a little at every step that moves them",
    ),
)
