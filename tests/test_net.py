"""The whole network: its gradient on every parameter, its float twin, its options and its errors."""

import numpy as np
import pytest

from tinybnn.model import net
from tinybnn.model.blocks import ATTENTION
from tinybnn.model.gradcheck import check_gradients
from tinybnn.model.train import LOSSES, loss_and_gradient
from tinybnn.ops.binarize import QUANTIZERS, real
from tinybnn.ops.upsample import UPSAMPLERS

TINY = net.Config(width=2, stages=1, depth=2, branches=2, heads=1, levels=(1, 2), size=8)

VARIANTS = {
    "default": {},
    "three classes": {"classes": 3},
    "float twin": {"binary": False},
    "one branch": {"branches": 1},
    "gates per position": {"gate": "position"},
    "mean scales": {"scale": "mean"},
    "plain": {"residual": False, "activation": "hardtanh"},
    "prelu": {"activation": "prelu"},
    "heads": {"heads": 2},
    "no attention": {"attention": "none"},
    **{f"{kind} attention": {"attention": kind} for kind in ATTENTION},
    **{f"{name} surrogate": {"quantizer": name} for name in QUANTIZERS},
    **{f"{name} upsampling": {"upsample": name} for name in UPSAMPLERS},
    **{f"padding {value}": {"pad_value": value} for value in (-1, 0)},
}


def start(config, seed=0):
    """Parameters moved away from their symmetric start, statistics, and a batch, all float64."""
    rng = np.random.default_rng(seed)
    params, state = net.init(config, rng, np.float64)
    params = {k: v + rng.normal(0, 0.1, v.shape) for k, v in params.items()}
    labels = rng.integers(0, config.classes, (2, 8, 16)).astype(np.uint8)
    labels[0, 0, :3] = 255
    size = (2, 8, 8) if config.gate == "position" else (2, 8, 16)
    return params, state, rng.uniform(size=(*size, 3)), labels[:, :, : size[2]]


@pytest.mark.parametrize("name", VARIANTS)
def test_gradient_of_every_parameter_with_all_quantizers_relaxed(name):
    config = TINY._replace(**VARIANTS[name])
    params, state, x, labels = start(config)
    quantizer = net.quantizer_of(config).relaxed()

    def loss(p):
        logits, *_ = net.forward(p, state, x, config, train=True, quantizer=quantizer)
        return loss_and_gradient(logits, labels, "cross-entropy")[0]

    logits, cache, _ = net.forward(params, state, x, config, train=True, quantizer=quantizer)
    gradients = net.backward(loss_and_gradient(logits, labels, "cross-entropy")[1], cache, config)
    assert gradients.keys() == params.keys()
    assert all(gradients[k].shape == params[k].shape for k in params)
    worst, where = check_gradients(loss, params, gradients)
    assert worst < 1e-6, f"{where} is off by {worst}"


def test_the_gradient_check_of_the_network_can_fail():
    params, state, x, labels = start(TINY)
    quantizer = net.quantizer_of(TINY).relaxed()
    logits, cache, _ = net.forward(params, state, x, TINY, train=True, quantizer=quantizer)
    gradients = net.backward(loss_and_gradient(logits, labels, "cross-entropy")[1], cache, TINY)
    gradients["up1.theta"] = gradients["up1.theta"] * 1.01

    def loss(p):
        logits, *_ = net.forward({**params, **p}, state, x, TINY, train=True, quantizer=quantizer)
        return loss_and_gradient(logits, labels, "cross-entropy")[0]

    worst, where = check_gradients(loss, {"up1.theta": params["up1.theta"]}, {"up1.theta": gradients["up1.theta"]})
    assert worst > 1e-6 and where.startswith("up1.theta")


@pytest.mark.parametrize("loss", LOSSES)
def test_the_gradient_of_every_loss(loss):
    rng = np.random.default_rng(1)
    logits, labels = rng.normal(size=(2, 3, 4, 2)), rng.integers(0, 2, (2, 3, 4)).astype(np.uint8)
    labels[0, 0, 0] = 255
    _, gradient = loss_and_gradient(logits, labels, loss)
    worst, _ = check_gradients(lambda p: loss_and_gradient(p["z"], labels, loss)[0], {"z": logits}, {"z": gradient})
    assert worst < 1e-8


def test_binary_false_gives_the_float_twin():
    params, state, x, _ = start(TINY)
    twin, *_ = net.forward(params, state, x, TINY._replace(binary=False))
    switched, *_ = net.forward(params, state, x, TINY, quantizer=real)
    binary, *_ = net.forward(params, state, x, TINY)
    assert np.array_equal(twin, switched) and not np.array_equal(twin, binary)


def test_only_the_signs_of_binary_weights_matter():
    params, state, x, _ = start(TINY)
    halved = {k: v / 2 if k in net.binary_weights(params) else v for k, v in params.items()}
    assert np.array_equal(net.forward(params, state, x, TINY)[0], net.forward(halved, state, x, TINY)[0])


def test_training_mode_returns_new_statistics_and_writes_none():
    params, state, x, _ = start(TINY)
    before = {k: v.copy() for k, v in (params | state).items()}
    _, _, new = net.forward(params, state, x, TINY, train=True)
    assert new.keys() == state.keys() and any(not np.array_equal(new[k], state[k]) for k in state)
    assert all(np.array_equal(v, before[k]) for k, v in (params | state).items())
    _, _, same = net.forward(params, state, x, TINY)
    assert all(np.array_equal(same[k], state[k]) for k in state)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", VARIANTS)
def test_one_float_dtype_from_image_to_gradient(name, dtype):
    config = TINY._replace(**VARIANTS[name])
    params, state = net.init(config, np.random.default_rng(0), dtype)
    x = np.random.default_rng(1).uniform(size=(1, 8, 8, 3)).astype(dtype)
    logits, cache, new = net.forward(params, state, x, config, train=True)
    gradients = net.backward(logits, cache, config)
    assert {a.dtype for a in (logits, *new.values(), *gradients.values())} == {np.dtype(dtype)}


def test_image_sizes_are_multiples_of_the_stride():
    params, state, _, _ = start(TINY)
    for size in ((4, 4), (8, 20), (12, 4)):
        assert net.forward(params, state, np.zeros((1, *size, 3)), TINY)[0].shape == (1, *size, 2)
    with pytest.raises(ValueError, match="net.forward: x is 6 x 8, expected multiples of 4; pad it first"):
        net.forward(params, state, np.zeros((1, 6, 8, 3)), TINY)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"branches": 0}, "net.Config: branches is 0, expected a whole number >= 1"),
        ({"classes": 1}, "net.Config: classes is 1, expected a whole number >= 2"),
        ({"upsample": "cubic"}, "net.Config: upsample is 'cubic', expected one of 'nearest'"),
        ({"pad_value": 2}, "net.Config: pad_value is 2, expected one of -1, 0, 1"),
        ({"heads": 3}, "net.Config: heads is 3, expected a divisor of 4 channels"),
        ({"binary": "false"}, "net.Config: binary is 'false', expected true or false"),
        ({"stages": 10**9}, "net.Config: stages is 1000000000, expected at most 8"),
        ({"levels": ()}, "net.Config: levels has 0 values"),
        ({"levels": (1, 0)}, "net.Config: levels is 0, expected a whole number >= 1"),
        ({"width": 4096, "stages": 8}, "net.Config: the network would have .* parameters, expected at most"),
    ],
)
def test_errors_name_the_field(change, message):
    with pytest.raises(ValueError, match=message):
        net.init(TINY._replace(**change), np.random.default_rng(0))


def test_gates_per_position_belong_to_one_image_size():
    config = TINY._replace(gate="position")
    params, state = net.init(config, np.random.default_rng(0))
    with pytest.raises(ValueError, match="theta"):
        net.forward(params, state, np.zeros((1, 8, 16, 3), np.float32), config)
