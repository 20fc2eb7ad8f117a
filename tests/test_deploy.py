"""The packed networks, plain and fast, equal the float simulation: for every option, by ``==``."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_net import TINY, VARIANTS

from tinybnn.data.samples import Sample
from tinybnn.fast.network import forward_fast, prepare
from tinybnn.model import deploy, net
from tinybnn.model.deploy import forward_packed, load_packed, pack_network, save_packed
from tinybnn.model.evaluate import differing_logits

BINARY = {k: v for k, v in VARIANTS.items() if v.get("binary", True)}


def trained_looking(config, seed, dtype):
    """A network whose every parameter and statistic is away from its start, with exact zeros and negative gammas."""
    rng = np.random.default_rng(seed)
    params, state = net.init(config, rng, dtype)
    params = {k: v + rng.normal(0, 0.5, v.shape).astype(dtype) for k, v in params.items()}
    for k in params:
        if k.endswith((".tau", ".w")):
            params[k][rng.random(params[k].shape) < 0.2] = rng.choice([0.0, -0.0])
    state = {k: np.abs(v + rng.normal(0, 0.5, v.shape)).astype(dtype) for k, v in state.items()}
    return params, state


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", BINARY)
def test_packed_equals_simulated_bit_for_bit(name, dtype):
    config = TINY._replace(**BINARY[name])
    for seed in range(3):
        params, state = trained_looking(config, seed, dtype)
        x = np.random.default_rng(seed + 9).uniform(size=(2, 8, 8, 3)).astype(dtype)
        x[:, :4] = 0.5  # the stem's centre: exact zeros reach the thresholds
        packed = pack_network(params, state, config)
        simulated, _, _ = net.forward(params, state, x, config)
        for logits in forward_packed(packed, x), forward_fast(prepare(packed), x):
            assert logits.dtype == dtype and np.array_equal(logits, simulated)


@settings(max_examples=15, derandomize=True, database=None, deadline=None)
@given(
    width=st.sampled_from([1, 3, 33]),
    depth=st.integers(1, 2),
    branches=st.integers(1, 4),
    pad_value=st.sampled_from([-1, 0, 1]),
    size=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    seed=st.integers(0, 99),
)
def test_packed_equals_simulated_for_random_networks(width, depth, branches, pad_value, size, seed):
    config = TINY._replace(width=width, depth=depth, branches=branches, pad_value=pad_value)
    params, state = trained_looking(config, seed, np.float32)
    x = np.random.default_rng(seed).uniform(size=(1, 4 * size[0], 4 * size[1], 3)).astype(np.float32)
    packed, (simulated, _, _) = pack_network(params, state, config), net.forward(params, state, x, config)
    assert np.array_equal(forward_packed(packed, x), simulated)
    assert np.array_equal(forward_fast(prepare(packed), x), simulated)


def test_a_flipped_channel_is_noticed():
    params, state = trained_looking(TINY, 0, np.float32)
    packed = pack_network(params, state, TINY)
    sample = Sample(np.random.default_rng(0).uniform(size=(7, 8, 3)).astype(np.float32), None, "")

    def differing():
        plain, simulated = (lambda x: forward_packed(packed, x)), (lambda x: net.forward(params, state, x, TINY)[0])
        return differing_logits(plain, simulated, [sample], TINY.stride)

    assert differing() == 0
    packed.arrays["up2.w"][...] ^= np.uint64(1)
    assert differing() > 0


def test_the_packed_file_is_read_as_it_was_written(tmp_path):
    params, state = trained_looking(TINY, 0, np.float32)
    packed = pack_network(params, state, TINY)
    save_packed(tmp_path / "packed.npz", packed)
    loaded = load_packed(tmp_path / "packed.npz")
    assert loaded.config == TINY and loaded.arrays.keys() == packed.arrays.keys()
    assert all(np.array_equal(loaded.arrays[k], packed.arrays[k]) for k in packed.arrays)


@pytest.mark.parametrize("name", BINARY)
def test_the_shapes_of_a_packed_network_are_known_without_packing_one(name):
    config = TINY._replace(**BINARY[name])
    arrays = pack_network(*trained_looking(config, 0, np.float32), config).arrays
    folded = {f"{layer}.shift" for layer, _ in deploy.layers_with_integer_output(config)} - arrays.keys()
    shapes = {k: shape for k, shape in deploy.shapes(config).items() if k not in folded}
    assert shapes == {k: a.shape for k, a in arrays.items()}


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda a: a.pop("stem.shift"), "it lacks stem.shift"),
        (lambda a: a.update(x=a["head.b"]), "it has x"),
        (lambda a: a.update({"head.b": a["head.b"][None]}), "head.b is float32 of shape"),
        (lambda a: a.update({"up1.w": a["up1.w"].view(np.int64)}), "up1.w is int64"),
        (lambda a: a.update({"up1.w": ~a["up1.w"]}), "up1.w has bits behind its 4 channels"),
        (lambda a: a.update({"stem.scale": a["stem.scale"] * np.inf}), "stem.scale has values that are not finite"),
        (lambda a: a.update({"enc1.2.tau": a["enc1.2.tau"] + np.float32(0.5)}), "enc1.1 has no shift, expected whole"),
    ],
)
def test_a_packed_file_that_is_not_what_its_config_says_is_refused(tmp_path, change, words):
    config = TINY._replace(residual=False, branches=1, activation="hardtanh")  # every layer that can be is folded
    packed = pack_network(*trained_looking(config, 0, np.float32), config)
    change(packed.arrays)
    save_packed(tmp_path / "packed.npz", packed)
    with pytest.raises(ValueError, match=f"packed.npz: {words}"):
        load_packed(tmp_path / "packed.npz")


def test_whole_words_are_thirty_two_times_smaller():
    config = TINY._replace(width=64, stages=1)
    params, state = net.init(config, np.random.default_rng(0))
    packed = pack_network(params, state, config)
    for k in net.binary_weights(params):
        assert params[k].nbytes == 32 * packed.arrays[k].nbytes


def test_the_packed_network_refuses_the_sizes_that_the_simulation_refuses():
    packed = pack_network(*trained_looking(TINY, 0, np.float32), TINY)
    with pytest.raises(ValueError, match="forward_packed: x is 6 x 8, expected multiples of 4; pad it first"):
        forward_packed(packed, np.zeros((1, 6, 8, 3), np.float32))


@pytest.mark.parametrize("run", [forward_packed, lambda packed, x: forward_fast(prepare(packed), x)])
def test_gates_of_one_size_refuse_another(run):
    config = net.Config(gate="position", size=16, attention="none")
    packed = pack_network(*net.init(config, np.random.default_rng(0)), config)
    assert run(packed, np.zeros((1, 16, 16, 3), np.float32)).shape == (1, 16, 16, 2)
    for H in (8, 32):
        with pytest.raises(ValueError, match=rf"theta has shape \(3, 4, 4, 32\).* OH = {H // 4} from the output"):
            run(packed, np.zeros((1, H, 16, 3), np.float32))


@pytest.mark.parametrize("run", [forward_packed, lambda packed, x: forward_fast(prepare(packed), x)])
def test_no_images_give_no_logits(run):
    config = net.Config(attention="none")
    packed = pack_network(*net.init(config, np.random.default_rng(0)), config)
    assert run(packed, np.zeros((0, 16, 16, 3), np.float32)).shape == (0, 16, 16, 2)


def test_weights_that_the_simulation_refuses_are_not_packed():
    params, state = net.init(TINY, np.random.default_rng(0))
    key = net.binary_weights(params)[0]
    params[key] = np.full_like(params[key], np.inf)
    with pytest.raises(ValueError, match=rf"^pack_network: {key}\[0, .* is inf, expected finite values$"):
        pack_network(params, state, TINY)


def test_the_float_twin_cannot_be_packed():
    config = TINY._replace(binary=False)
    with pytest.raises(ValueError, match="pack_network: config.binary is False"):
        pack_network(*net.init(config, np.random.default_rng(0)), config)


WHOLE = {"residual": False, "attention": "none", "branches": 1}


def folded(packed):
    """The layers whose scale, shift and activation became integer thresholds of the next layer."""
    return {name for name in net.layer_names(packed.config) if f"{name}.shift" not in packed.arrays}


@pytest.mark.parametrize("activation", ["rprelu", "prelu", "hardtanh"])
@pytest.mark.parametrize("pad_value", [-1, 0, 1])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_where_nothing_real_is_added_the_next_layer_compares_integers(activation, pad_value, dtype, monkeypatch):
    config = TINY._replace(**WHOLE, activation=activation, pad_value=pad_value)
    compared = []
    real = deploy.binarize_packed
    monkeypatch.setattr(deploy, "binarize_packed", lambda x, tau: compared.append((x, tau)) or real(x, tau))
    for seed in range(4):
        params, state = trained_looking(config, seed, dtype)
        for k in params:
            if k.endswith(".slope"):
                params[k] = np.abs(params[k])  # then every filter's output only rises or only falls
        packed = pack_network(params, state, config)
        assert folded(packed) == {"enc1.1", "enc1.2", "up1"}
        x = np.random.default_rng(seed).uniform(size=(2, 8, 8, 3)).astype(dtype)
        simulated = net.forward(params, state, x, config)[0]
        compared.clear()
        assert np.array_equal(forward_packed(packed, x), simulated)
        (_, _), (integers, thresholds) = compared[:2]
        assert (integers == np.rint(integers)).all() and (thresholds == np.rint(thresholds)).all()
        assert np.array_equal(forward_fast(prepare(packed), x), simulated)


@pytest.mark.parametrize("tau, folds", [(0.5, False), (-1.0, True), (4.0, True)])
def test_a_filter_that_rises_and_falls_is_folded_only_if_its_sign_changes_once_at_most(tau, folds):
    """A PReLU with slope -1 gives |z|, which is 0 to 3: above 0.5 at both ends, never below -1, always below 4."""
    one = np.ones(1, np.float32)
    arrays = {"a.alpha": one, "a.shift": 0 * one, "a.slope": -one, "b.tau": tau * one}
    deploy.fold_layer(arrays, "a", "b", 3)
    assert ("a.shift" not in arrays) == folds
    z = np.arange(-3, 4)
    assert not folds or ((z >= arrays["b.tau"]) == (np.abs(z) >= tau)).all()


def test_networks_with_negative_slopes_give_the_same_bits():
    config = TINY._replace(**WHOLE)
    for seed in range(4):
        params, state = trained_looking(config, seed, np.float32)
        params = {k: -np.abs(v) if k.endswith(".slope") else v for k, v in params.items()}
        packed = pack_network(params, state, config)
        x = np.random.default_rng(0).uniform(size=(1, 8, 8, 3)).astype(np.float32)
        assert np.array_equal(forward_packed(packed, x), net.forward(params, state, x, config)[0])


@pytest.mark.parametrize(
    "change, layers",
    [
        ({"attention": "none"}, set()),  # a shortcut is real, and so is the sum of several branches
        ({"residual": False}, {"enc1.1"}),  # attention is added to its input
        ({**WHOLE, "upsample": "bilinear"}, {"enc1.1"}),  # interpolation needs the values
        ({**WHOLE, "attention": "full"}, {"enc1.1", "up1"}),
        ({"residual": False, "attention": "none"}, {"enc1.1", "enc1.2"}),
    ],
)
def test_only_a_function_of_integers_is_folded(change, layers):
    config = TINY._replace(**change, activation="hardtanh")
    params, state = trained_looking(config, 0, np.float32)
    packed = pack_network(params, state, config)
    assert folded(packed) == layers
    assert packed.arrays["enc1.1.w"].dtype == np.uint64
    x = np.random.default_rng(0).uniform(size=(1, 8, 8, 3)).astype(np.float32)
    assert np.array_equal(forward_packed(packed, x), net.forward(params, state, x, config)[0])


def test_a_folded_network_is_read_from_its_file(tmp_path):
    config = TINY._replace(**WHOLE, activation="hardtanh")
    params, state = trained_looking(config, 0, np.float32)
    save_packed(tmp_path / "packed.npz", pack_network(params, state, config))
    x = np.random.default_rng(0).uniform(size=(1, 8, 8, 3)).astype(np.float32)
    logits = forward_packed(load_packed(tmp_path / "packed.npz"), x)
    assert np.array_equal(logits, net.forward(params, state, x, config)[0])


def test_prepared_once_for_images_of_several_sizes():
    params, state = trained_looking(TINY, 0, np.float32)
    network = prepare(pack_network(params, state, TINY))
    for size in ((8, 8), (16, 4), (8, 8)):
        x = np.random.default_rng(0).uniform(size=(2, *size, 3)).astype(np.float32)
        assert np.array_equal(forward_fast(network, x), net.forward(params, state, x, TINY)[0])
