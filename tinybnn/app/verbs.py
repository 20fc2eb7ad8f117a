"""What the verbs of the command line do: each is a function of the arguments that its options name."""

import os
import re
import sys
import unicodedata
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..data.images import CITY_CLASSES, LABEL_ID, read_image, save_label, save_overlay
from ..data.samples import SPLITS, Dataset, load
from ..data.store import in_file, load_json, locked, options, save_json
from ..model import cost, net
from ..model.deploy import load_packed, pack_network, save_packed, weight_bytes
from ..model.evaluate import differing_logits, evaluate, memory_needed, pad_to_multiple, predict_bands, probability
from ..model.train import Source, Training, load_run, logits_of, save_run, source_of, start, train
from ..validate import need_int
from .demo import FORMS, compare, packed_logits, table

BESIDE = ("config.json", "scores.json", "packed.npz")
"""What belongs to a run and lies beside it."""

WRITTEN = {"labels": "{}_label.png", "overlay": "{}_overlay.png"}
WRITTEN |= {kind: kind + "/{}.png" for kind in ("trainIds", "labelIds", "probability")}
"""What ``predict`` can write, and where in its folder. What other programs read has a folder for itself."""


def given(kind: type[Any], fields: dict[str, Any]) -> dict[str, Any]:
    """The fields of ``kind`` that were set on the command line."""
    return {k: tuple(v) if isinstance(v, list) else v for k, v in fields.items() if k in kind._fields and v is not None}


def run_compare(data: str, seeds: int, out: Path | None, strict: bool, normalise: bool, **fields: Any) -> None:
    network, training = given(net.Config, fields), given(Training, fields)
    compare(data, seeds=seeds, out=out, strict=strict, normalise=normalise, network=network, training=training)


class Settings(NamedTuple):
    """What a file of ``--config`` may hold. A run's own copy of its options also names its data, which is not used."""

    network: dict = {}
    training: dict = {}
    data: str = ""


def settings(file: Path | None, network: dict, training: dict, classes: int) -> tuple[net.Config, Training]:
    """The options in a file, overruled by those of the command line."""
    written = options(Settings, load_json(file) if file else {})
    trainer = options(Training, written.training)._replace(**training)
    config = options(net.Config, {"size": trainer.crop, "classes": classes} | written.network)
    return config._replace(**network), trainer


def run_train(
    data: str, out: Path, config: Path | None, resume: bool, overwrite: bool, every: int, strict: bool, **fields: Any
) -> None:
    from tqdm import tqdm

    if resume and overwrite:
        raise ValueError("train: --resume and --overwrite were given, expected one of the two")
    need_int("train", "every", every, 1)
    dataset, held_out = (load(data, split, strict=strict) for split in SPLITS)
    source = source_of(data, dataset, held_out)
    network, training = given(net.Config, fields), given(Training, fields)
    if resume:
        run = load_run(out / "run.npz")
        own = run.training._asdict() | run.config._asdict()
        changed = [k for k, v in (network | training).items() if v != own[k]]
        if changed or config:
            raise ValueError(f"train: --resume keeps the run's options, but {', '.join(changed) or 'config'} was given")
        need_source("train --resume", run.source, source)
        need_classes(run.config, dataset)
    else:
        with in_file(config or "train"):
            run = start(*settings(config, network, training, len(dataset.classes)))
            need_classes(run.config, dataset)
    run = run._replace(source=source)
    need_fitting_images(run.config, run.training.crop, held_out.shrunk(run.training.shrink))

    with locked(out, ("run.npz", *BESIDE)):
        if (out / "run.npz").exists() and not (resume or overwrite):
            raise ValueError(f"train: {out} holds a run, expected another --out, or --resume or --overwrite")
        if resume:  # again, for another process may have gone on until now
            run = load_run(out / "run.npz")._replace(source=source)
        for name in () if resume else BESIDE:  # of the run that is overwritten; none may lie beside another run
            (out / name).unlink(missing_ok=True)
        save_run(out / "run.npz", run)
        if run.step == run.training.steps:
            print(f"tinybnn: {out} is finished: all of its {run.step} steps are done", file=sys.stderr)
        own = {"network": run.config._asdict(), "training": run.training._asdict()}
        save_json(out / "config.json", {"data": data, **own})
        with tqdm(total=run.training.steps, initial=run.step, desc=out.name, unit="step") as bar:

            def each(run):
                bar.update()
                bar.set_postfix(loss=f"{run.losses[-1]:.3f}")

            run = train(run, dataset.shrunk(run.training.shrink), each=each, checkpoint=out / "run.npz", every=every)
        report(out, scores_of(Model(run.config, logits_of(run), source, run.training.shrink), held_out))


def need_source(op: str, own: Source | None, source: Source) -> None:
    """Refuse data that differs from a run's own in more than its path."""
    for name, a, b in zip(Source._fields, own or source, source):
        if name != "spec" and a != b:
            what = "its files have other names or sizes" if name == "sha256" else f"{name} is {b}, the run's {a}"
            raise ValueError(f"{op}: {source.spec} is not what the run was trained on: {what}")


def need_classes(config: net.Config, dataset: Dataset) -> None:
    """Refuse a data set with another number of classes than the network's."""
    if config.classes != len(dataset.classes):
        raise ValueError(f"the network has {config.classes} classes, the data {len(dataset.classes)}")


def need_fitting_images(config: net.Config, crop: int, held_out: Dataset) -> None:
    """Refuse a network whose gates have other positions than these crops or the held-out images."""
    if config.gate == "position" and config.branches > 1:
        sizes = (side for image, *_ in held_out for side in pad_to_multiple(image, config.stride)[0].shape[:2])
        if other := next((side for side in (crop, *sizes) if side != config.size), None):
            raise ValueError(f"train: gate is 'position' for images of {config.size}, expected no side of {other}")


def run_evaluate(
    model: Path, data: str | None, split: str, shrink: int | None, strict: bool, normalise: bool, plain: bool
) -> None:
    scored = model_of(model, plain)
    scored = scored._replace(shrink=scored.shrink if shrink is None else shrink)
    dataset = load(data, split, strict=strict) if data else own_data(scored.source, split, strict)
    report(model if model.is_dir() else None, scores_of(scored, dataset, normalise))


def run_predict(images: list[Path], model: Path, out: Path, write: list[str], plain: bool) -> None:
    targets = results(images, out, list(dict.fromkeys(write)))
    config, logits_of, *_ = model_of(model, plain)
    need = {"trainIds": len(CITY_CLASSES), "labelIds": len(CITY_CLASSES), "probability": 2}
    if wrong := [kind for kind in write if need.get(kind, config.classes) != config.classes]:
        has = f"the network has {config.classes} classes, expected {need[wrong[0]]}"
        raise ValueError(f"predict: --write is {wrong[0]}, and {has}")
    for path in images:  # all can be read, and fit into memory, before anything is written
        H, W, _ = (image := read_image(path)).shape
        if (mb := memory_needed(logits_of, (H, W))) > (free := free_memory()):
            raise ValueError(f"predict: {path}, {H} x {W}, needs about {mb:,.0f} MB of memory, {free:,.0f} are free")
    for path, files in zip(images, targets):
        image = image if len(images) == 1 else read_image(path)  # all at once may not fit
        label, grey = np.empty((2, *image.shape[:2]), np.uint8)
        for rows, logits in predict_bands(logits_of, image, config.stride):
            label[rows] = logits.argmax(-1)
            if "probability" in files:
                grey[rows] = np.rint(255 * probability(logits))
        numbers = {"labels": label, "trainIds": label, "labelIds": LABEL_ID[label], "probability": grey}
        for kind, file in files.items():
            if kind == "overlay":
                save_overlay(file, image, label, config.classes)
            else:
                save_label(file, numbers[kind], config.classes if kind == "labels" else 0)
        print(*files.values(), sep="\n")


def results(images: list[Path], out: Path, write: list[str]) -> list[dict[str, Path]]:
    """The files that each image becomes, all different, and none an image, also where the case of a name is lost."""

    def key(path: Path) -> str:
        return unicodedata.normalize("NFC", str(path)).casefold()

    taken = {key(name): path for path in images for name in (path.resolve(), path.parent.resolve() / path.name)}
    files = [{kind: out / WRITTEN[kind].format(path.stem) for kind in write} for path in images]
    for path, own in zip(images, files):
        for file in own.values():
            if other := taken.get(name := key(out.resolve() / file.relative_to(out))):
                why = "expected other names, or another --out"
                raise ValueError(f"predict: {file} would be written for {path}, and belongs to {other}, {why}")
            taken[name] = path
    return files


def free_memory() -> float:
    """MB of memory that are free; infinite on Windows, where NumPy's own error says that memory is short."""
    meminfo = Path("/proc/meminfo")
    found = re.search(r"MemAvailable: *(\d+) kB", meminfo.read_text()) if meminfo.is_file() else None
    if found:
        return int(found[1]) / 1e3
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e6 if hasattr(os, "sysconf") else np.inf


def run_pack(model: Path, out: Path | None, data: str | None, plain: bool) -> int | None:
    run, out = load_run(model / "run.npz"), out or model / "packed.npz"
    if out.name == "run.npz":
        raise ValueError(f"pack: --out is {out}, the name of a run, expected another name")
    packed = pack_network(run.params, run.state, run.config)
    samples = (load(data, "val") if data else own_data(run.source, "val")).shrunk(run.training.shrink)
    different = differing_logits(packed_logits(packed, plain), logits_of(run), samples, run.config.stride)
    if different:
        print(f"tinybnn: {different} logits differ between the packed network and its simulation", file=sys.stderr)
        return 1
    save_packed(out, packed)
    before, after = weight_bytes(packed, run.params)
    print(f"{out}: binary weights {before} bytes as float32, {after} packed, {before / after:.1f} times smaller")
    print(f"{FORMS[plain]}: logits equal those of the simulation, bit for bit, on {len(samples)} held-out images")
    return None


def run_info(model: Path | None, image: tuple[int, int], **fields: Any) -> None:
    options_given = given(net.Config, fields)
    if model and options_given:
        raise ValueError(f"info: {model} has its own options, but {', '.join(options_given)} was given")
    config = model_of(model).config if model else net.check_config(options(net.Config, options_given))
    H, W = (need_int("info", "image", side, 1) for side in image)
    if H % config.stride or W % config.stride:
        raise ValueError(f"info: image is {H} x {W}, expected multiples of {config.stride}")
    rows = cost.layers(config, (H, W))
    parameters, bits, count = cost.total(rows)
    head = "layer|kind|output|parameters|packed bytes|binary MACs|float MACs|scales|output bytes".split("|")
    lines = [
        [r.name, r.kind, "x".join(map(str, r.shape[1:])), r.parameters, r.weight_bits // 8, *r.multiplications,
         r.activation_bytes] for r in rows
    ]  # fmt: skip
    table(head, [*lines, ["total", "", "", parameters, bits // 8, *count, max(r.activation_bytes for r in rows)]])
    print("float32 parameters:", 4 * parameters, "bytes. The last column's total is its largest entry.")


def run_check(
    file: Path | None, names: list[str], results: Path | None, listed: bool, time: float, memory: int, **how: int
) -> int:
    from ..testing.grade import Limit, listing, report

    if listed:
        return listing()
    if file is None:
        raise ValueError("check: no file was given, expected FILE.py, or --list")
    return report(file, names, results=results, limit=Limit(time, memory), **how)


def run_vectors(op: str, out: Path, word_bits: int, dtype: str, **how: Any) -> None:
    from ..testing.vector_files import save_vectors

    for path in save_vectors(op, out, bits=word_bits, dtype=np.dtype(dtype), **how):
        print(path)


class Model(NamedTuple):
    """A network as a function from images to logits, and what it was trained on, if that is known."""

    config: net.Config
    logits_of: net.Network
    source: Source | None
    shrink: int = 1


def model_of(path: Path, plain: bool = False) -> Model:
    """The model at ``path``: the float simulation of a run's folder, or a packed network in the fast or plain form."""
    if path.is_dir():
        if plain:
            raise ValueError(f"--plain is for a packed file, and {path} is the folder of a run")
        run = load_run(path / "run.npz")
        return Model(run.config, logits_of(run), run.source, run.training.shrink)
    packed = load_packed(path)
    print(f"tinybnn: {path} runs in the {FORMS[plain]}", file=sys.stderr)
    return Model(packed.config, packed_logits(packed, plain), None)


def own_data(source: Source | None, split: str, strict: bool = False) -> Dataset:
    """A split of the data that a run was trained on, which must be as it was then."""
    if not source:
        raise ValueError("the file does not say what the network was trained on, give --data")
    splits = {name: load(source.spec, name, strict=strict) for name in SPLITS}
    need_source("--data was not given", source, source_of(source.spec, *splits.values()))
    return splits[split]


def scores_of(model: Model, dataset: Dataset, normalise: bool = False) -> dict[str, float]:
    """Evaluate a model on a data set with the same number of classes, shrunken as in training."""
    need_classes(model.config, dataset)
    how: dict[str, Any] = {"task": dataset.task, "classes": dataset.classes, "stride": model.config.stride}
    return evaluate(model.logits_of, dataset.shrunk(model.shrink), **how, normalise=normalise)


def report(folder: Path | None, scores: dict[str, float]) -> None:
    """Save the scores in the folder of a run, if one is given, and print them."""
    if folder:
        save_json(folder / "scores.json", {k: None if np.isnan(v) else v for k, v in scores.items()})
    for name, value in scores.items():
        print(f"{name:20s} {value:.4f}")
