"""What numbers and files withstand, in one table: ``python -m benchmarks.holds [--count 1000] [--kill 50]``

Each figure is computed here or counted by tests and by :mod:`benchmarks.damage`; none is a time but that of a batch.
The exit status is 1 if a bound is missed.
"""

import argparse
import re
import subprocess
import sys
import time
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from tinybnn.app.demo import table
from tinybnn.data.augment import draw_batch
from tinybnn.data.samples import load
from tinybnn.model.evaluate import evaluate
from tinybnn.ops.norm import batch_norm

from . import damage, network

TESTS = {
    "N = 0, sizes of 0, no axes, wrong options: tests that fail": "tests/test_arguments.py",
    "specification against fast form, inf and NaN: differences": "tests/test_finite.py",
}


def failures(path):
    """How many tests of a file fail."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", path], stdout=-1, text=True, cwd=Path(__file__).parents[1]
    )
    return len(re.findall("^(?:FAILED|ERROR) ", done.stdout, re.M)) if done.returncode in (0, 1) else "no tests ran"


def normalised(value):
    """The largest error of batch norm for a constant; with gamma 1 and beta 0, the result is 0."""
    one = np.ones(2, np.float32)
    return np.abs(batch_norm(np.full((8, 64, 64, 2), value, np.float32), one, 0 * one)[0]).max()


def mean_of_many():
    """The relative error of the mean of two million values around 1,000, against float64."""
    x = (1000 + np.random.default_rng(0).normal(size=(2_000_000, 1))).astype(np.float32)
    _, cache = batch_norm(x, np.ones(1, np.float32), np.zeros(1, np.float32))
    return abs(cache.mean[0] / x.mean(dtype=np.float64) - 1)


def seconds_of_a_batch(folder):
    """The time of a batch of 8 crops from files of the size of Cityscapes, once they were read."""
    from PIL import Image

    shipped = load("street", "train")
    for i in range(4):
        for path in shipped.pairs[i]:
            split, city, name = path.parts[-3:]
            new = folder / path.parts[-4] / split / city / name
            new.parent.mkdir(parents=True, exist_ok=True)
            with Image.open(path) as image:
                image.resize((2048, 1024), Image.Resampling.NEAREST).save(new)
    samples, times = load(f"cityscapes:{folder}", "train"), []
    for step in range(20):
        begin = time.perf_counter()
        draw_batch(samples, np.random.default_rng(step), 8, 64)
        times.append(time.perf_counter() - begin)
    return np.median(times[10:])


def changed_by_a_border():
    """How many saliency scores change if a border of 255 is added around each mask."""

    def nearly_right(x):
        return np.stack([0 * x[..., 0], 2 * x[..., 0] - 1 + x[..., 1] / 9], -1)

    rng, inner, outer = np.random.default_rng(0), [], []
    for _ in range(3):
        image, mask = rng.random((24, 32, 3), np.float32), np.zeros((24, 32), np.uint8)
        mask[5:15, 7:21] = 1
        image[..., 0] = mask
        inner.append((image, mask, ""))
        outer.append((np.pad(image, ((8, 8), (8, 8), (0, 0))), np.pad(mask, 8, constant_values=255), ""))
    task = {"task": "saliency", "classes": ("background", "object"), "stride": 8}
    one, other = (evaluate(nearly_right, samples, **task) for samples in (inner, outer))
    return sum(one[name] != other[name] for name in one)


def rows(count, kill):
    """(figure, value, bound): a value is at most its bound."""
    for value in (5.3, 100.3):
        yield f"batch norm in float32 of a constant {value}: error", normalised(value), 1e-4
    yield "its mean of two million values around 1,000: relative error", mean_of_many(), 1e-7
    for figure, path in TESTS.items():
        yield figure, failures(path), 0
    yield "saliency scores that an ignored border changes", changed_by_a_border(), 0
    with TemporaryDirectory() as name, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        folder = Path(name)
        yield (
            "batch of 8 at crop 64 from files of 1024 x 2048, after the first: seconds",
            seconds_of_a_batch(folder),
            0.05,
        )
        found = np.array([row[2:] for row in damage.damage(folder, count)]).sum(0)
        for outcome, number in list(zip(damage.OUTCOMES, found))[2:]:
            yield f"damaged files, {count:,} of each of 9 kinds: {outcome}", int(number), 0
        yield f"trainings killed and resumed, {kill}: other than undisturbed", kill - damage.killed(folder, kill), 0
    for row in network.memory_of_predictions():
        yield f"memory of predict, {row.case}: MB", row.value, row.bound


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=1000, help="damaged files of each kind (default %(default)s)")
    parser.add_argument("--kill", type=int, default=50, help="trainings to kill (default %(default)s)")
    a = parser.parse_args()
    found = list(rows(a.count, a.kill))
    table(["figure", "now", "at most"], [[name, f"{v:.3g}" if isinstance(v, float) else v, b] for name, v, b in found])
    return int(any(isinstance(value, str) or value > bound for _, value, bound in found))


if __name__ == "__main__":
    raise SystemExit(main())
