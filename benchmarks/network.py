"""The whole packed network against its float simulation, the bytes of its weights, and the memory of a prediction."""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from tinybnn.data.samples import load
from tinybnn.fast.network import forward_fast, prepare
from tinybnn.model import net
from tinybnn.model.deploy import forward_packed, pack_network, save_packed, weight_bytes
from tinybnn.model.train import Training, save_run, start, train

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
    yield from memory_of_predictions()


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


PEAK = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""
"""Runs a command and prints the most memory that it had: a process of its own, so that it counts no other child."""


def memory_of_predictions():
    """The most memory of ``tinybnn predict``, the whole process, on a large picture; Windows has no such count."""
    if sys.platform == "win32":
        return
    from PIL import Image

    unit = 2**20 if sys.platform == "darwin" else 2**10
    for data, classes in (("street", 19), ("photos", 2)):
        images = load(data, "train")
        run = train(start(net.Config(classes=classes), Training(steps=2)), images)
        with tempfile.TemporaryDirectory() as folder:
            model, picture = Path(folder) / "run", Path(folder) / "large.png"
            save_run(model / "run.npz", run)
            save_packed(model / "packed.npz", pack_network(run.params, run.state, run.config))
            pixels = np.rint(255 * images[0].image).astype(np.uint8)
            Image.fromarray(pixels).resize((2048, 1024)).save(picture)
            for form, path, bound in (("packed", model / "packed.npz", 250), ("simulation", model, 600)):
                command = [sys.executable, "-m", "tinybnn", "predict", picture, "--model", path, "--out", folder]
                begin = time.perf_counter()
                done = subprocess.run([sys.executable, "-c", PEAK, *command], stdout=-1, text=True, check=True)
                detail = f"{time.perf_counter() - begin:.1f} s, interpreter, reading and drawing included"
                case = f"1024 x 2048, {classes} classes, {form}"
                yield Row("peak memory of predict", case, int(done.stdout) / unit, detail, bound, most=True, unit=" MB")
