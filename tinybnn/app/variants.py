"""The four networks that are compared. All are trained with the same seed, batches and number of steps."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..data.samples import Dataset, Sample
from ..model import cost, net
from ..model.evaluate import evaluate
from ..model.train import Run, Training, check_training, logits_of, start, train
from ..notation import HW

VARIANTS: dict[str, dict[str, Any]] = {
    "float twin": {"binary": False, "branches": 1, "attention": "none"},
    "binary, nearest": {"branches": 1, "attention": "none"},
    "binary, 3 branches": {"branches": 3, "attention": "none"},
    "binary, 3 branches + attention": {"branches": 3, "attention": "two-part"},
}
"""The options in which each variant differs from the default network. The first two differ only in ``binary``."""

RECIPES: dict[str, dict[str, Any]] = {
    "photos": {"steps": 250, "zoom": (0.66, 0.9), "paint": 1.0},
    "street": {"steps": 250},
}
"""The options of the trainer for each shipped data set. Others have the trainer's own."""


class Trained(NamedTuple):
    """A trained variant, with its scores on all held-out samples and (step, loss, score) at some of its steps."""

    name: str
    run: Run
    scores: dict[str, float]
    curve: tuple[tuple[int, float, float], ...]


def recipe(dataset: Dataset, **training: Any) -> Training:
    """The trainer for a data set; ``training`` replaces options of its recipe."""
    return check_training(Training(**RECIPES.get(dataset.kind, {}) | training))


def train_variant(
    name: str, dataset: Dataset, samples: Dataset | Sequence[Sample], held_out: Dataset | Sequence[Sample], *,
    show: Callable | None = None, watch: int = 8, normalise: bool = False, network: dict[str, Any] | None = None,
    **training: Any,
) -> Trained:  # fmt: skip
    """Train the variant ``name`` on ``samples`` and score it on ``held_out``.

    ``show(step, steps, loss, score)`` is called after every step. The score is that of the first ``watch`` held-out
    samples; it is computed again ten times during a run. ``network`` and ``training`` are options that all variants
    share, ``normalise`` is that of :func:`~tinybnn.model.evaluate.evaluate`.
    """
    options = recipe(dataset, **training)
    shared = {"size": options.crop, "classes": len(dataset.classes)} | (network or {})
    config = net.check_config(net.Config(**shared | VARIANTS[name]))
    judge: dict[str, Any] = {"task": dataset.task, "classes": dataset.classes, "stride": config.stride}
    judge["normalise"] = normalise
    watched = [held_out[i] for i in range(min(watch, len(held_out)))]
    curve, interval = [], max(1, options.steps // 10)

    def each(run):
        if run.step % interval == 0 or run.step == options.steps:
            score = next(iter(evaluate(logits_of(run), watched, **judge).values()))
            curve.append((run.step, float(np.mean(run.losses[-interval:])), score))
        if show:
            show(run.step, options.steps, float(run.losses[-1]), curve[-1][2] if curve else None)

    run = train(start(config, options), samples, each=each)
    scores = evaluate(logits_of(run), held_out, **judge)
    return Trained(name, run, scores, tuple(curve))


def cost_row(config: net.Config, size: HW) -> dict[str, int | float | None]:
    """The cost of a network for one image: parameters, bytes, multiplications, and the saving by attention."""
    rows = cost.layers(config, size)
    parameters, bits, count = cost.total(rows)
    tokens = size[0] * size[1] // config.stride**2
    full, ours = (sum(cost.attention_part(c, tokens)) for c in (config._replace(attention="full"), config))
    return {
        "parameters": parameters, "bytes": bits // 8, "binary MACs": count.binary,
        "float MACs": count.real + count.scale, "attention times fewer": full / ours if ours else None,
    }  # fmt: skip
