"""Costs are counted, not claimed: the loop specifications, run with numbers that count their multiplications."""

import numpy as np
import pytest

from tinybnn.model import cost, net
from tinybnn.model.cost import Count
from tinybnn.ops.attention import attention_loops, binary_attention_loops, linear_attention_loops
from tinybnn.ops.binary_conv import binary_conv2d_loops
from tinybnn.ops.conv import conv2d, conv2d_loops
from tinybnn.ops.multibranch import multi_branch_upsample_loops
from tinybnn.ops.reduced_attention import channel_attention_loops, pooled_attention_loops, two_part_attention_loops


class Counted:
    """A number that counts its products: binary ones of two values of +-1, and real ones."""

    binary = real = 0

    def __init__(self, value):
        self.value = float(value)

    def __float__(self):
        return self.value

    def __mul__(self, other):
        if abs(self.value) == 1 == abs(float(other)):
            Counted.binary += 1
        else:
            Counted.real += 1
        return Counted(self.value * float(other))

    __rmul__ = __mul__

    def __add__(self, other):
        return Counted(self.value + float(other))

    __radd__ = __add__

    def __sub__(self, other):
        return Counted(self.value - float(other))

    def __truediv__(self, other):
        return Counted(self.value / float(other))

    def __ge__(self, other):
        return self.value >= float(other)

    def __gt__(self, other):
        return self.value > float(other)

    def __le__(self, other):
        return self.value <= float(other)


def counting(values):
    """An object array whose elements count."""
    counted = np.empty(values.shape, object)
    for i in np.ndindex(values.shape):
        counted[i] = Counted(values[i])
    return counted


RNG = np.random.default_rng(0)


def reals(*shape):
    """Never +-1, so that no real product is mistaken for a binary one."""
    return RNG.uniform(0.1, 0.9, shape)


def signs(*shape):
    return RNG.choice([-1.0, 1.0], shape)


def counted(spec, *arrays, **options):
    """The counts of one run of a specification: (binary, real)."""
    Counted.binary = Counted.real = 0
    spec(*(counting(a) for a in arrays), **options)
    return Counted.binary, Counted.real


@pytest.mark.parametrize("stride, pad, groups", [(1, 0, 1), (2, 1, 1), (1, 1, 2)])
def test_convolution(stride, pad, groups):
    x, w = reals(2, 5, 6, 4), reals(3, 2, 4 // groups, 6)
    _, OH, OW, _ = conv2d(x, w, stride=stride, pad=pad, groups=groups)[0].shape
    expected = cost.conv2d_count(2, OH, OW, 3, 2, 4, 6, groups=groups)
    assert counted(conv2d_loops, x, w, stride=stride, pad=pad, groups=groups) == (0, expected.real)


def test_binary_convolution_scales_once_an_output():
    expected = cost.conv2d_count(1, 4, 5, 3, 3, 3, 2, binary=True)
    got = counted(binary_conv2d_loops, signs(1, 4, 5, 3), reals(3, 3, 3, 2), reals(2), pad_value=1, pad=1)
    assert got == (expected.binary, expected.scale)


@pytest.mark.parametrize("R", [1, 2, 3])
def test_multi_branch_upsampling_costs_exactly_its_branches(R):
    shapes = (1, 2, 3, 2), (R, 2), (R, 3, 3, 2, 4), (R, 4), (R, 4)
    got = counted(multi_branch_upsample_loops, *(reals(*s) for s in shapes), pad_value=1)
    expected = cost.multi_branch_count(1, 2, 3, 3, 3, 2, 4, R)
    assert got == (expected.binary, expected.scale)
    assert expected == Count(*(R * n for n in cost.multi_branch_count(1, 2, 3, 3, 3, 2, 4, 1)))


ATTENTIONS = {
    "full": (attention_loops, 0, lambda T, S, D, heads: cost.attention_count(1, T, T, D, heads=heads)),
    "binary": (binary_attention_loops, 1, lambda T, S, D, h: cost.attention_count(1, T, T, D, heads=h, binary=True)),
    "pooled": (pooled_attention_loops, 1, lambda T, S, D, h: cost.attention_count(1, T, S, D, heads=h, binary=True)),
    "channel": (
        channel_attention_loops,
        1,
        lambda T, S, D, h: cost.channel_attention_count(1, T, D, heads=h, binary=True),
    ),
    "two-part": (two_part_attention_loops, 2, lambda T, S, D, h: cost.two_part_count(1, T, S, D, heads=h, binary=True)),
}
LEVELS = (1, 2)


def attention_run(name, T, D, heads):
    """(counted, expected) of one attention on a grid of 2 rows."""
    spec, scales, formula = ATTENTIONS[name]
    options = {"grid": (2, T // 2), "levels": LEVELS} if name in ("pooled", "two-part") else {}
    arrays = [reals(1, T, D) for _ in range(3)] + [reals(heads) for _ in range(scales)]
    count = formula(T, cost.anchors(LEVELS), D, heads)
    return counted(spec, *arrays, heads=heads, **options), (count.binary, count.real + count.scale)


@pytest.mark.parametrize("heads", [1, 2])
@pytest.mark.parametrize("name", ATTENTIONS)
def test_attention(name, heads):
    got, expected = attention_run(name, 8, 6, heads)
    assert got == expected


@pytest.mark.parametrize("name", ATTENTIONS)
def test_counted_cost_is_linear_in_the_tokens_for_reduced_forms_and_quadratic_for_full(name):
    """Linear: equal steps from 8 to 16 and to 24 tokens. Quadratic: 4 and 9 times as many as for 8."""
    small, middle, large = (sum(attention_run(name, T, 4, 1)[0]) for T in (8, 16, 24))
    if name in ("full", "binary"):
        assert middle == 4 * small and large == 9 * small
    else:
        assert large - middle == middle - small


def test_linear_attention():
    for T in (6, 12):
        got = counted(linear_attention_loops, *(reals(1, T, 4) for _ in range(3)), heads=2)
        assert got == (0, cost.linear_attention_count(1, T, T, 4, heads=2).real)


def test_the_token_count_at_which_attention_costs_a_hundredth():
    T = cost.tokens_for(100, 64, (1, 3, 6, 8))
    assert T == 11000
    full, position = (cost.attention_count(1, T, S, 64).real for S in (T, 110))
    assert full == 100 * position
    both = cost.tokens_for(100, 64, (1, 3, 6, 8), both=True)
    assert sum(cost.attention_count(1, both, both, 64)) >= 100 * sum(cost.two_part_count(1, both, 110, 64))
    assert sum(cost.attention_count(1, both - 1, both - 1, 64)) < 100 * sum(cost.two_part_count(1, both - 1, 110, 64))


@pytest.mark.parametrize(
    "change", [{}, {"binary": False}, {"attention": "none"}, {"attention": "full"}, {"branches": 1}]
)
def test_the_layer_table_agrees_with_the_network(change):
    config = net.Config(**change)
    params, state = net.init(config, np.random.default_rng(0))
    rows = cost.layers(config, (16, 24))
    parameters, bits, _ = cost.total(rows)
    assert parameters == sum(v.size for v in params.values())
    latent = sum(params[k].size for k in net.binary_weights(params)) if config.binary else 0
    assert bits == 32 * (parameters - latent) + latent
    _, caches, _ = net.forward(params, state, np.zeros((1, 16, 24, 3), np.float32), config)
    assert len(rows) == len(caches) and rows[-1].shape == (1, 16, 24, 2)


def test_the_attention_of_the_network_costs_what_its_formula_says():
    for kind, formula in (("full", cost.attention_count(1, 96, 96, 64, binary=True)),
                          ("pooled", cost.attention_count(1, 96, 14, 64, binary=True)),
                          ("two-part", cost.two_part_count(1, 96, 14, 64, binary=True)),
                          ("linear", cost.linear_attention_count(1, 96, 96, 64)), ("none", Count())):  # fmt: skip
        assert cost.attention_part(net.Config(attention=kind, heads=1), 96) == formula
