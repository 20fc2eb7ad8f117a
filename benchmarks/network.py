"""The whole packed network against its float simulation, and the bytes of its weights."""

import tempfile
from pathlib import Path

import numpy as np

from tinybnn.fast.network import forward_fast, prepare
from tinybnn.model import net
from tinybnn.model.deploy import forward_packed, pack_network, save_packed, weight_bytes

from .harness import Row, check, in_turn


def network(config, seed=0):
    """Random parameters, as after training, and running statistics."""
    rng = np.random.default_rng(seed)
    params, state = net.init(config, rng)
    params = {k: (v + rng.normal(0, 0.05, v.shape)).astype(np.float32) for k, v in params.items()}
    return params, {k: (v + rng.uniform(0, 0.1, v.shape)).astype(np.float32) for k, v in state.items()}


def rows():
    config = net.Config()
    params, state = network(config)
    packed = pack_network(params, state, config)
    prepared = prepare(packed)
    for size in (64, 256):
        x = np.random.default_rng(1).uniform(size=(1, size, size, 3)).astype(np.float32)
        functions = {
            "simulation": lambda x=x: net.forward(params, state, x, config)[0],
            "fast": lambda x=x: forward_fast(prepared, x),
            "plain": lambda x=x: forward_packed(packed, x),
        }
        for name in ("fast", "plain"):
            check(f"{name} packed network", functions[name](), functions["simulation"]())
        timed = in_turn(functions)
        ratio = timed.ratio("simulation", "fast")
        yield Row("packed network over its float simulation", f"{size} x {size}", ratio, timed.ms(), 1.5)
    yield from bytes_of_weights()


def bytes_of_weights():
    """The bytes of binary weights as float32 and packed, in memory and in a file."""
    for width in (64, 16):
        config = net.Config(width=width)
        params, state = network(config)
        packed = pack_network(params, state, config)
        floats, words = weight_bytes(packed, params)
        case, bound = f"width {width}", 31.0 if width % 64 == 0 else None
        detail = f"{floats:,} bytes as float32, {words:,} packed"
        yield Row("packed weights, times smaller in memory", case, floats / words, detail, bound)
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "packed.npz"
            keys = net.binary_weights(params)
            save_packed(file, packed)
            whole = file.stat().st_size
            save_packed(file, packed._replace(arrays={k: v for k, v in packed.arrays.items() if k not in keys}))
            words = whole - file.stat().st_size
            detail = f"{floats:,} bytes as float32, {words:,} in the file, headers included"
        yield Row("packed weights, times smaller on disk", case, floats / words, detail, bound)
