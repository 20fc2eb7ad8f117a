"""``tinybnn demo`` and ``tinybnn compare``: train the four variants, print their scores and costs, draw pictures."""

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..data.samples import SPLITS, Dataset, Sample, load
from ..data.store import need_writable, save_json
from ..fast.network import prepare
from ..model import cost, deploy
from ..model.deploy import Packed, pack_network, save_packed, weight_bytes
from ..model.evaluate import differing_logits
from ..model.net import Config, Network
from ..model.train import Run, logits_of, save_run
from ..notation import IGNORE, Array
from ..validate import need_choice, need_int
from . import pictures
from .variants import RECIPES, VARIANTS, Trained, cost_row, recipe, train_variant

QUICK = 20
"""``--quick`` divides the number of steps by this."""

FORMS = {False: "fast packed form", True: "plain packed form"}
"""The two forms of a packed network, by ``--plain``."""


def packed_logits(packed: Packed, plain: bool = False) -> Network:
    """A packed network as a function from images to logits, in the fast or in the plain form."""
    return deploy.network(packed) if plain else prepare(packed)


def demo(
    out: Path, *, data: str = "photos", steps: int | None = None, seed: int = 0,
    quick: bool = False, plain: bool = False,
) -> int:  # fmt: skip
    """Train, evaluate, pack, check and draw; write everything into ``out``. Return the exit status."""
    need_choice("demo", "data", data, tuple(RECIPES))
    need_writable(out)
    dataset, held_out = load(data, "train"), list(load(data, "val"))
    if steps is None:
        steps = max(1, recipe(dataset).steps // (QUICK if quick else 1))
    need_int("demo", "steps", steps, 1)
    trained, interrupted = train_variants(dataset, held_out, seed=seed, steps=steps)
    if not trained:
        print("tinybnn: interrupted before the first network was done; nothing written", file=sys.stderr)
        return 130
    size, last = held_out[0].label.shape, trained[-1]
    rows = {
        t.name: t.scores | cost_row(t.run.config, size) | {"ms a crop": crop_time(t.run, held_out[0].image)}
        for t in trained
    }
    print(f"\n{dataset.kind}: {len(dataset)} training crops, {len(held_out)} held-out crops of {size[0]} x {size[1]}, "
          f"{steps} steps, seed {seed}")  # fmt: skip
    measures = [m for m in rows[last.name] if not m.startswith("IoU ")]
    table(["network", *measures], [[name, *(rounded(m, row[m]) for m in measures)] for name, row in rows.items()])
    if last.run.config.attention == "two-part":
        print(attention_saving(last.run.config))
    record: dict[str, Any] = {"data": data, "seed": seed, "steps": steps, "networks": rows}

    different = 0
    if last.run.config.binary:
        packed = pack_network(last.run.params, last.run.state, last.run.config)
        stride = last.run.config.stride
        different = differing_logits(packed_logits(packed, plain), logits_of(last.run), held_out, stride)
        before, after = weight_bytes(packed, last.run.params)
        record["packed"] = {"differing logits": different, "weight bytes": after, "as float32": before}
        save_packed(out / "packed.npz", packed)
        if different:
            print(f"tinybnn: {different} logits differ between the packed network and its simulation", file=sys.stderr)
        else:
            print(f"\n{FORMS[plain]}, {last.name}: all logits of {len(held_out)} held-out crops equal, bit for bit; "
                  f"binary weights {before:,} bytes as float32, {after:,} packed")  # fmt: skip
    save_run(out / "model.npz", last.run)
    save_json(out / "metrics.json", record)
    draw(out, dataset, trained, held_out)
    print(f"\nwritten to {out}/: {', '.join(sorted(p.name for p in out.iterdir() if not p.name.startswith('.')))}")
    if interrupted:
        print("tinybnn: interrupted; what was done is kept", file=sys.stderr)
        return 130
    return 1 if different else 0


def crop_time(run: Run, image: Array, rounds: int = 7) -> float:
    """The median time of the float simulation for one image, in milliseconds."""
    times = []
    for _ in range(rounds):
        begin = time.perf_counter()
        logits_of(run)(image[None])
        times.append(time.perf_counter() - begin)
    return 1000 * float(np.median(times))


def compare(
    data: str, *, seeds: int = 5, out: Path | None = None, strict: bool = False, normalise: bool = False,
    network: dict[str, Any], training: dict[str, Any],
) -> None:  # fmt: skip
    """Train the four variants with several seeds and print two tables: the scores, and their differences.

    With one seed, all variants see the same batches. The differences are taken for each seed separately, so an effect
    of the seed that all variants share cancels. The second table is therefore the one to trust. ``network`` and
    ``training`` are options that all variants share; the options of the trainer replace those of the data's recipe.
    """
    need_int("compare", "seeds", seeds, 1)
    dataset, held_out = (load(data, split, strict=strict) for split in SPLITS)
    options = recipe(dataset, **training)
    if out:
        need_writable(out)
    dataset, held_out = dataset.shrunk(options.shrink), held_out.shrunk(options.shrink)
    scores: dict[str, list[dict[str, float]]] = {name: [] for name in VARIANTS}
    how: dict[str, Any] = {"network": network, "normalise": normalise} | training | {"steps": options.steps}
    for seed in range(seeds):
        trained, interrupted = train_variants(dataset, held_out, seed=seed, **how)
        if interrupted:
            raise KeyboardInterrupt
        for t in trained:
            scores[t.name].append(t.scores | {"training loss": float(np.mean(t.run.losses[-50:]))})
    record = {"data": data, "steps": options.steps, "held out": len(held_out), "scores": scores, "options": how}
    show_comparison(record)
    if len(dataset.classes) == 2:
        marked, counted = np.sum([((s.label == 1).sum(), (s.label != IGNORE).sum()) for s in held_out], axis=0)
        print(f"\nmarking every pixel as {dataset.classes[1]} would have an IoU of {marked / counted:.3f}")
    if out:
        save_json(out / "comparison.json", record)


def show_comparison(record: dict[str, Any]) -> None:
    """Print the content of ``comparison.json``: mean and spread of each network, then of the differences."""
    scores = record["scores"]
    seeds, measures = len(scores["float twin"]), [m for m in scores["float twin"][0] if not m.startswith("IoU ")]
    print(f"\n{record['data']}: {seeds} seeds, {record['steps']} steps, {record['held out']} held-out images; "
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


def train_variants(
    dataset: Dataset, held_out: Dataset | Sequence[Sample], *, steps: int, **how: Any
) -> tuple[list[Trained], bool]:
    """Train every variant under a progress bar; Ctrl-C stops the training and keeps the variants that are done."""
    from tqdm import tqdm

    trained = []
    for name in VARIANTS:
        try:
            with tqdm(total=steps, desc=f"{name:30s}", unit="step") as bar:

                def show(step, steps, loss, score, bar=bar):
                    bar.update()
                    bar.set_postfix(loss=f"{loss:.3f}", IoU="-" if score is None else f"{score:.3f}")

                trained.append(train_variant(name, dataset, dataset, held_out, show=show, steps=steps, **how))
        except KeyboardInterrupt:
            return trained, True
    return trained, False


def draw(out: Path, dataset: Dataset, trained: Sequence[Trained], held_out: Sequence[Sample]) -> None:
    """Write the pictures."""
    figures = {"curves": pictures.curves(trained), "predictions": pictures.predictions(dataset, trained, held_out)}
    runs, image = [t.run for t in trained], held_out[0].image
    if branched := [run for run in runs if run.config.branches > 1]:
        figures["branches"] = pictures.branches(branched[-1], image)
    if attentive := [run for run in runs if run.config.attention != "none"]:
        figures["attention"] = pictures.attention(attentive[-1], image)
    for name, figure in figures.items():
        pictures.save_figure(figure, out / f"{name}.png")


def table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print rows of values under a head; whole numbers get thousands separators, None stays empty.

    A column is aligned to the right if each of its values is a number, or the text of one.

    >>> table(["layer", "weights", "share"], [["stem", 432, "0.035"], ["total", 12345, None]])
    layer  weights  share
    stem       432  0.035
    total   12,345
    """
    text = [["" if v is None else f"{v:,}" if isinstance(v, int) else str(v) for v in row] for row in rows]
    widths = [max(len(row[i]) for row in [head, *text]) for i in range(len(head))]
    numeric = [all(row[i][:1] in tuple("+-0123456789") + ("",) for row in text) for i in range(len(head))]
    for row in [head, *text]:
        cells = [c.rjust(w) if right else c.ljust(w) for c, w, right in zip(row, widths, numeric)]
        print("  ".join(cells).rstrip())


def attention_saving(config: Config) -> str:
    """The number of tokens from which on reduced attention saves a factor of 100, as a sentence."""
    D, levels, heads = config.width * 2**config.stages, config.levels, config.heads
    position, both = (cost.tokens_for(100, D, levels, both=both, heads=heads) for both in (False, True))
    T = 1024 * 2048 // config.stride**2
    full, ours = (sum(cost.attention_part(config._replace(attention=kind), T)) for kind in ("full", config.attention))
    return (
        f"attention: 100 times fewer multiplications than full attention from {position:,} tokens on (position part), "
        f"{both:,} (both parts); {full / ours:.0f} times at {T:,}, an image of 1024 x 2048"
    )


def rounded(measure: str, value: float | None) -> int | str | None:
    """Scores with three decimals, times and ratios with one; whole numbers unchanged."""
    if isinstance(value, int) or value is None:
        return value
    return f"{value:.1f}" if measure in ("ms a crop", "attention times fewer") else f"{value:.3f}"


def spread(values: Sequence[float], sign: str = "") -> str:
    """Mean and standard deviation over seeds; a difference shows its sign."""
    return f"{np.mean(values):{sign}.3f} ± {np.std(values, ddof=1) if len(values) > 1 else 0:.3f}"
