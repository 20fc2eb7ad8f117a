"""The four networks that the demo compares, trained side by side: same seeds, same batches, same number of steps."""

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..data.samples import Dataset, Sample
from ..model import cost, net
from ..model.evaluate import evaluate
from ..model.train import Run, Training, logits_of, start, train
from ..notation import Array

ARMS: dict[str, dict[str, Any]] = {
    "float twin": {"binary": False, "branches": 1, "attention": "none"},
    "binary, nearest": {"branches": 1, "attention": "none"},
    "binary, 3 branches": {"branches": 3, "attention": "none"},
    "binary, 3 branches + attention": {"branches": 3, "attention": "two-part"},
}
"""What each arm changes of the default network. The float twin is the twin of the second: one switch apart."""

RECIPES: dict[str, dict[str, Any]] = {
    "photos": {"steps": 250, "zoom": (0.66, 0.9), "paint": 1.0},
    "street": {"steps": 250},
}
"""Trainer options for the two shipped data sets: few photographed objects, or many streets."""


class Arm(NamedTuple):
    """One trained network: its run, its held-out scores, and what was seen on the way (step, loss, score)."""

    name: str
    run: Run
    scores: dict[str, float]
    curve: tuple[tuple[int, float, float], ...]
    milliseconds: float


def settings(name: str, dataset: Dataset, **training: Any) -> tuple[net.Config, Training]:
    """The network and the trainer of an arm on a data set; ``training`` overrides the recipe."""
    config = net.Config(classes=len(dataset.classes), **ARMS[name])
    return net.check_config(config), Training(**RECIPES[dataset.kind] | training)


def train_arm(
    name: str, dataset: Dataset, samples: Sequence[Sample], held_out: Sequence[Sample], *,
    show: Callable | None = None, watch: int = 8, **training: Any,
) -> Arm:  # fmt: skip
    """Train one arm and score it on every held-out sample.

    Parameters
    ----------
    name : str
        A key of :data:`ARMS`.
    dataset : Dataset
        Says the classes and the task.
    samples, held_out : sequence of Sample
    show : callable, optional
        ``show(step, steps, loss, score)`` after every step; the score is that of ``watch`` held-out samples, renewed
        ten times a run.
    """
    config, options = settings(name, dataset, **training)
    judge: dict[str, Any] = {"task": dataset.task, "classes": dataset.classes, "stride": config.stride}
    curve, interval = [], max(1, options.steps // 10)

    def each(run):
        if run.step % interval == 0 or run.step == options.steps:
            score = next(iter(evaluate(logits_of(run), held_out[:watch], **judge).values()))
            curve.append((run.step, float(np.mean(run.losses[-interval:])), score))
        if show:
            show(run.step, options.steps, float(run.losses[-1]), curve[-1][2] if curve else None)

    run = train(start(config, options), samples, each=each)
    return Arm(name, run, evaluate(logits_of(run), held_out, **judge), tuple(curve), crop_time(run, held_out[0].image))


def crop_time(run: Run, image: Array, rounds: int = 7) -> float:
    """Milliseconds for one image through the float simulation: the median of some rounds."""
    times = []
    for _ in range(rounds):
        begin = time.perf_counter()
        logits_of(run)(image[None])
        times.append(time.perf_counter() - begin)
    return 1000 * float(np.median(times))


def cost_row(config: net.Config, size: tuple[int, int]) -> dict[str, int | float | None]:
    """What a network costs for one image: parameters, bytes, multiplications, and attention's saving."""
    rows = cost.layers(config, size)
    parameters, bits, count = cost.total(rows)
    tokens = size[0] * size[1] // config.stride**2
    full, ours = (sum(cost.attention_part(c, tokens)) for c in (config._replace(attention="full"), config))
    return {
        "parameters": parameters,
        "bytes": bits // 8,
        "binary MACs": count.binary,
        "float MACs": count.real + count.scale,
        "attention times fewer": full / ours if ours else None,
    }
