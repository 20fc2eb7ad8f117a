"""Wrong versions of hardtanh, PReLU, RPReLU and the sigmoid."""

import numpy as np

from tinybnn.activation import (
    PReLUCache,
    hardtanh_backward,
    prelu,
    prelu_backward,
    rprelu,
    rprelu_backward,
    sigmoid_backward,
)

from .mutant import Mutant


def prelu_backward_with(change):
    """prelu's backward with some gradient changed by ``change(good, dy, cache)``."""
    return lambda dy, cache: (good := prelu_backward(dy, cache))._replace(**change(good, dy, cache))


def rprelu_backward_with(change):
    """rprelu's backward with some gradient changed by ``change(good, dy)``."""
    return lambda dy, cache: (good := rprelu_backward(dy, cache))._replace(**change(good, dy))


def total(x):
    return x.reshape(-1, x.shape[-1]).sum(0)


def clipped_gates(x):
    """Clips its argument against overflow, so that no gate shuts or opens wholly."""
    y = 1 / (1 + np.exp(-np.clip(x, -15, 15)))
    return y, y


MUTANTS = (
    Mutant("hardtanh", "forward", "clips below at 0", lambda x: (np.clip(x, 0, 1), x)),
    Mutant("hardtanh", "forward", "the smooth tanh", lambda x: (np.tanh(x), x)),
    Mutant("hardtanh", "backward", "clips the gradient in place of masking it", lambda dy, x: np.clip(dy, -1, 1)),
    Mutant("hardtanh", "backward", "passes everything", lambda dy, x: dy),
    Mutant("hardtanh", "backward", "passes what is outside", lambda dy, x: dy - hardtanh_backward(dy, x)),
    Mutant("prelu", "forward", "one slope for all channels", lambda x, slope: prelu(x, np.full_like(slope, slope[0]))),
    Mutant("prelu", "forward", "slope on the positive side", lambda x, slope: (np.where(x < 0, x, slope * x), None)),
    Mutant("prelu", "forward", "takes the larger side: wrong for slopes above 1",
           lambda x, slope: (np.maximum(x, slope * x), PReLUCache(x, slope))),
    Mutant("prelu", "backward", "no gradient below 0", prelu_backward_with(lambda g, dy, c: {"dx": dy * (c.x >= 0)})),
    Mutant("prelu", "backward", "dslope over positive values too",
           prelu_backward_with(lambda g, dy, c: {"dslope": total(dy * c.x)})),
    Mutant("prelu", "backward", "one dslope for all channels",
           prelu_backward_with(lambda g, dy, c: {"dslope": np.full_like(g.dslope, g.dslope.sum())})),
    Mutant("prelu", "backward", "averages dslope",
           prelu_backward_with(lambda g, dy, c: {"dslope": g.dslope / (1 + len(dy))})),
    Mutant("rprelu", "forward", "adds the inner shift", lambda x, a, slope, b: rprelu(x, -a, slope, b)),
    Mutant("rprelu", "forward", "the two shifts exchanged", lambda x, a, slope, b: rprelu(x, b, slope, a)),
    Mutant("rprelu", "forward", "bends the outer shift too", lambda x, a, slope, b: prelu(x - a + b, slope)),
    Mutant("rprelu", "backward", "dshift_in with the sign of dx",
           rprelu_backward_with(lambda g, dy: {"dshift_in": -g.dshift_in})),
    Mutant("rprelu", "backward", "dshift_in forgets the slope",
           rprelu_backward_with(lambda g, dy: {"dshift_in": -g.dshift_out})),
    Mutant("rprelu", "backward", "dshift_out through the slope",
           rprelu_backward_with(lambda g, dy: {"dshift_out": total(g.dx)})),
    Mutant("sigmoid", "forward", "forgets to halve: a tanh twice as steep", lambda x: ((1 + np.tanh(x)) / 2, None)),
    Mutant("sigmoid", "forward", "clips against overflow, too early", clipped_gates),
    Mutant("sigmoid", "backward", "takes the cache for x", lambda dy, y: sigmoid_backward(dy, 1 / (1 + np.exp(-y)))),
    Mutant("sigmoid", "backward", "the derivative of tanh", lambda dy, y: dy * (1 - y * y)),
)  # fmt: skip
