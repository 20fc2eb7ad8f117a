"""What ``tinybnn demo`` and ``tinybnn compare`` do: train the four arms, lay the facts side by side, draw them."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..data.samples import Dataset, Sample, load
from ..data.store import save_json
from ..model import cost
from ..model.deploy import differing_logits, pack_network, save_packed, weight_bytes
from ..model.net import Config
from ..model.train import save_run
from ..notation import IGNORE
from ..validate import need_choice, need_int
from .table import table
from .variants import ARMS, RECIPES, Arm, cost_row, settings, train_arm

QUICK = 20
"""How many times fewer steps ``--quick`` runs."""


def demo(out: Path, *, data: str = "photos", steps: int | None = None, seed: int = 0, quick: bool = False) -> int:
    """Train, evaluate, pack, check, draw; write everything into ``out``. Returns the exit status."""
    dataset, samples, held_out = read(data)
    arms, interrupted = train_arms(dataset, samples, held_out, seed=seed, **step_option(dataset, steps, quick))
    if not arms:
        print("tinybnn: interrupted before the first network was done; nothing written", file=sys.stderr)
        return 130
    size = held_out[0].label.shape
    rows = {arm.name: arm.scores | cost_row(arm.run.config, size) | {"ms a crop": arm.milliseconds} for arm in arms}
    print(f"\n{dataset.kind}: {len(samples)} training crops, {len(held_out)} held-out crops of {size[0]} x {size[1]}, "
          f"{arms[0].run.training.steps} steps, seed {seed}")  # fmt: skip
    show_table(rows)
    if arms[-1].run.config.attention == "two-part":
        print(attention_saving(arms[-1].run.config))
    record: dict[str, Any] = {"data": data, "seed": seed, "steps": arms[0].run.training.steps, "networks": rows}

    last = arms[-1]
    if last.run.config.binary:
        packed = pack_network(last.run.params, last.run.state, last.run.config)
        different = differing_logits(packed, last.run.params, last.run.state, held_out)
        before, after = weight_bytes(packed, last.run.params)
        record["packed"] = {"differing logits": different, "weight bytes": after, "as float32": before}
        save_packed(out / "packed.npz", packed)
        if different:
            print(f"tinybnn: {different} logits differ between the packed network and its simulation", file=sys.stderr)
        else:
            print(f"\npacked: {last.name}: all logits of all {len(held_out)} held-out crops equal, bit for bit; "
                  f"binary weights {before:,} bytes as float32, {after:,} packed")  # fmt: skip
    save_run(out / "model.npz", last.run)
    save_json(out / "metrics.json", record)
    draw(out, dataset, arms, held_out)
    print(f"\nwritten to {out}/: {', '.join(sorted(p.name for p in out.iterdir() if not p.name.startswith('.')))}")
    if interrupted:
        print("tinybnn: interrupted; what was done is kept", file=sys.stderr)
        return 130
    return 1 if record.get("packed", {}).get("differing logits") else 0


def compare(data: str, *, seeds: int = 5, steps: int | None = None, out: Path | None = None) -> None:
    """The four arms over several seeds, paired: every arm of a seed sees the same batches. Prints two tables.

    The second table is the one that counts: differences taken seed by seed, so that what a seed does to all arms alike
    drops out.
    """
    need_int("compare", "seeds", seeds, 1)
    dataset, samples, held_out = read(data)
    scores: dict[str, list[dict[str, float]]] = {name: [] for name in ARMS}
    for seed in range(seeds):
        arms, interrupted = train_arms(dataset, samples, held_out, seed=seed, **step_option(dataset, steps, False))
        if interrupted:
            raise KeyboardInterrupt
        for arm in arms:
            scores[arm.name].append(arm.scores | {"training loss": float(np.mean(arm.run.losses[-50:]))})
    steps = settings("float twin", dataset, **step_option(dataset, steps, False))[1].steps
    record = {"data": data, "steps": steps, "held out": len(held_out), "scores": scores}
    show_comparison(record)
    if dataset.task == "saliency":
        share = np.mean([s.label[s.label != IGNORE] == 1 for s in held_out])
        print(f"\nmarking every pixel as object would have an IoU of {share:.3f}")
    if out:
        save_json(out / "comparison.json", record)


def show_comparison(record: dict[str, Any]) -> None:
    """Print mean and spread of every network, then of the differences, from what ``comparison.json`` holds."""
    scores = record["scores"]
    measures = [m for m in scores["float twin"][0] if not m.startswith("IoU ")]
    seeds = len(scores["float twin"])
    print(f"\n{record['data']}: {seeds} seeds, {record['steps']} steps, {record['held out']} held-out crops; "
          "mean ± standard deviation")  # fmt: skip
    rows = [[name, *(spread([s[m] for s in runs]) for m in measures)] for name, runs in scores.items()]
    table(["network", *measures], rows)
    print("\ndifferences, seed by seed; in brackets the seeds in which the first is the higher")
    gaps = [("float twin", "binary, nearest"), ("binary, 3 branches", "binary, nearest"),
            ("binary, 3 branches + attention", "binary, 3 branches")]  # fmt: skip
    rows = []
    for a, b in gaps:
        paired = {m: [x[m] - y[m] for x, y in zip(scores[a], scores[b])] for m in measures}
        rows.append([f"{a} - {b}", *(f"{spread(d, '+')} ({sum(v > 0 for v in d)}/{seeds})" for d in paired.values())])
    table(["difference", *measures], rows)


# -- parts ----------------------------------------------------------------------------------------------------------


def read(data: str) -> tuple[Dataset, list[Sample], list[Sample]]:
    """A shipped data set and the samples of both splits, read once."""
    need_choice("demo", "data", data, tuple(RECIPES))
    dataset = load(data, "train")
    return dataset, list(dataset), list(load(data, "val"))


def step_option(dataset: Dataset, steps: int | None, quick: bool) -> dict[str, int]:
    """The number of steps, if it is not the recipe's own."""
    if steps is None and quick:
        steps = max(1, settings("float twin", dataset)[1].steps // QUICK)
    return {} if steps is None else {"steps": need_int("demo", "steps", steps, 1)}


def train_arms(
    dataset: Dataset, samples: Sequence[Sample], held_out: Sequence[Sample], **training: Any
) -> tuple[list[Arm], bool]:
    """Train every arm under a progress bar of its own; Ctrl-C ends it and keeps the arms that are done."""
    from tqdm import tqdm

    arms = []
    for name in ARMS:
        try:
            with tqdm(total=settings(name, dataset, **training)[1].steps, desc=f"{name:30s}", unit="step") as bar:

                def show(step, steps, loss, score, bar=bar):
                    bar.update()
                    bar.set_postfix(loss=f"{loss:.3f}", IoU="-" if score is None else f"{score:.3f}")

                arms.append(train_arm(name, dataset, samples, held_out, show=show, **training))
        except KeyboardInterrupt:
            return arms, True
    return arms, False


def show_table(rows: dict[str, dict[str, Any]]) -> None:
    """One line a network; scores with three decimals."""
    measures = [m for m in next(iter(rows.values())) if not m.startswith("IoU ")]
    text = [[name, *(rounded(m, row[m]) for m in measures)] for name, row in rows.items()]
    table(["network", *measures], text)


def attention_saving(config: Config) -> str:
    """From where on the reduced attention pays, in a sentence."""
    D, levels, heads = config.width * 2**config.stages, config.levels, config.heads
    position, both = (cost.tokens_for(100, D, levels, both=both, heads=heads) for both in (False, True))
    T = 1024 * 2048 // config.stride**2
    full, ours = (sum(cost.attention_part(config._replace(attention=kind), T)) for kind in ("full", config.attention))
    return (
        f"attention: 100 times fewer multiplications than full attention from {position:,} tokens on (position part), "
        f"{both:,} (both parts); {full / ours:.0f} times at {T:,}, an image of 1024 x 2048"
    )


def rounded(measure: str, value: float | None) -> int | str | None:
    """Scores with three decimals, times and ratios with one, whole numbers whole."""
    if isinstance(value, int) or value is None:
        return value
    return f"{value:.1f}" if measure in ("ms a crop", "attention times fewer") else f"{value:.3f}"


def spread(values: Sequence[float], sign: str = "") -> str:
    """Mean and standard deviation over seeds; a difference shows its sign."""
    return f"{np.mean(values):{sign}.3f} ± {np.std(values, ddof=1) if len(values) > 1 else 0:.3f}"


def draw(out: Path, dataset: Dataset, arms: Sequence[Arm], held_out: Sequence[Sample]) -> None:
    """The pictures."""
    from . import pictures as plot

    figures = {"curves": plot.curves(arms), "predictions": plot.predictions(dataset, arms, held_out)}
    branched = [arm for arm in arms if arm.run.config.branches > 1]
    if branched:
        figures["branches"] = plot.branches(branched[-1].run, held_out[0].image)
    attentive = [arm for arm in arms if arm.run.config.attention != "none"]
    if attentive:
        figures["attention"] = plot.attention(attentive[-1].run, held_out[0].image)
    for name, figure in figures.items():
        plot.save_figure(figure, out / f"{name}.png")
