"""The trainer: a loop over tiny crops, reproducible from its seed.

A run is one value, a :class:`Run`, and a step is a function from one run to the next. Everything random in step ``t``
comes from ``default_rng([seed, t])``, so there is no state of a generator to save: a run that is stopped at any moment
and resumed from its last checkpoint ends with the same bits as one that was never stopped.
"""

from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..data.augment import draw_batch
from ..data.samples import Dataset, Sample
from ..data.store import in_file, load_arrays, need_arrays, options, save_arrays, sha256
from ..notation import Array
from ..ops import loss as loss_ops
from ..ops.binarize import QUANTIZERS, tanh, tanh_sharpness
from ..validate import NotFiniteError, need_choice, need_int, need_kind, need_number
from . import net
from .blocks import Arrays
from .optim import Optimizer, adam, bop, clip_latent, learning_rate, sgd

LOSSES: dict[str, tuple[Callable, Callable]] = {
    "cross-entropy": (loss_ops.cross_entropy, loss_ops.cross_entropy_backward),
    "bce": (loss_ops.binary_cross_entropy, loss_ops.binary_cross_entropy_backward),
    "dice": (loss_ops.dice, loss_ops.dice_backward),
}
OPTIMIZERS = ("adam", "sgd", "bop")

MOST_PIXELS = 2**28
"""The largest number of pixels in a batch; a step needs about 1 KB for each."""


class Training(NamedTuple):
    """Every choice of the trainer."""

    steps: int = 300
    batch: int = 8
    crop: int = 64
    lr: float = 0.005
    schedule: str = "cosine"  # or "constant", "step"
    optimizer: str = "adam"  # or "sgd", "bop"
    loss: str = "cross-entropy"  # or "bce", "dice", for two classes
    clip: bool = True  # clip latent weights to [-1, 1] after every step
    zoom: tuple[float, float] = (0.75, 1.5)  # augmentation: the size factor is drawn from this interval
    flip: float = 0.5  # augmentation: the probability of a mirror image
    jitter: float = 0.2  # augmentation: the change of brightness and contrast
    paint: float = 0.0  # augmentation: the probability of other colours
    seed: int = 0
    shrink: int = 1  # images and labels are first made this many times smaller, for training and for scores


class Source(NamedTuple):
    """What a run was trained on: the data set as it was named, and what tells it from another one."""

    spec: str
    kind: str
    samples: int
    sha256: str  # of the names and sizes of the files of each split


def source_of(spec: str, *splits: Dataset) -> Source:
    """The source that these splits are; no file is read."""
    files = [sorted((path.name, path.stat().st_size) for pair in split.pairs for path in pair) for split in splits]
    return Source(spec, splits[0].kind, sum(map(len, splits)), sha256(ascii(files).encode()).decode())


class Run(NamedTuple):
    """A training run after ``step`` steps: all that is needed to continue it."""

    config: net.Config
    training: Training
    params: Arrays
    state: Arrays
    moments: Arrays
    step: int
    losses: Array
    source: Source | None = None


def logits_of(run: Run) -> net.Network:
    """The float simulation of a run, as a function from a batch of images to logits."""
    return net.network(run.params, run.state, run.config)


class TrainingError(ArithmeticError):
    """The loss, a gradient or a parameter is no longer a finite number."""


def check_training(training: Training) -> Training:
    """The training options, or an error that names the field."""
    op = "train.Training"
    training = options(Training, need_kind(op, "training", training, Training)._asdict())
    for name, least in (("steps", 1), ("batch", 1), ("crop", 1), ("seed", 0), ("shrink", 1)):
        need_int(op, name, getattr(training, name), least)
    if (pixels := training.batch * training.crop**2) > MOST_PIXELS:
        raise ValueError(f"{op}: a batch has {pixels:,} pixels by batch and crop, expected at most {MOST_PIXELS:,}")
    need_number(op, "lr", training.lr, low=0)
    low, high = training.zoom
    if not 1e-3 <= low <= high <= 1e3:
        raise ValueError(f"{op}: zoom is {training.zoom}, expected a lower and a higher factor in [0.001, 1000]")
    for name in ("flip", "jitter", "paint"):
        need_number(op, name, getattr(training, name), 0, 1)
    need_choice(op, "optimizer", training.optimizer, OPTIMIZERS)
    need_choice(op, "loss", training.loss, tuple(LOSSES))
    learning_rate(training.schedule, 0.0)
    return training


def start(config: net.Config, training: Training) -> Run:
    """A run before its first step: fresh parameters from the seed.

    Bop is refused with a surrogate that lets no gradient through at -1 and +1.
    """
    config, training = net.check_config(config), check_training(training)
    _need_classes(training.loss, config.classes)
    if training.crop % config.stride:
        raise ValueError(f"train.start: crop is {training.crop}, expected a multiple of {config.stride}")
    params, state = net.init(config, np.random.default_rng([training.seed, 0]))
    if config.binary and training.optimizer == "bop":  # its weights are -1 and +1, and it needs their own gradient
        if net.quantizer_of(config).dsoft(np.ones(1)) != 1:
            full = " or ".join(repr(name) for name, q in QUANTIZERS.items() if q.dsoft(np.ones(1)) == 1)
            raise ValueError(f"train.start: optimizer 'bop' with quantizer {config.quantizer!r}, expected {full}")
        params |= {k: np.where(params[k] < 0, -1, 1).astype(params[k].dtype) for k in net.binary_weights(params)}
    moments = _optimizer(config, training, params).init(params)
    return Run(config, training, params, state, moments, 0, np.zeros(0))


def step(run: Run, samples: Dataset | Sequence[Sample]) -> Run:
    """One step on a batch that is drawn from ``[seed, step]``.

    If a number is not finite, a :class:`TrainingError` names the step and the first such array.
    """
    t, training = run.step + 1, run.training
    rng = np.random.default_rng([training.seed, t])
    changes: dict[str, Any] = {"flip": training.flip, "jitter": training.jitter, "paint": training.paint}
    x, labels = draw_batch(samples, rng, training.batch, training.crop, scale=training.zoom, **changes)
    given = {"images": x} | run.params | run.state
    try:
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # the check below names the array
            after, computed = update(run, x, labels)
    except NotFiniteError as error:  # a number became NaN before a sign was taken
        _need_finite(t, given)
        raise TrainingError(f"train: step {t}: {error}") from error
    changed = computed | after.params | after.state | after.moments
    if not all(np.isfinite(array).all() for array in changed.values()):
        _need_finite(t, given)
        _need_finite(t, changed, "; try a smaller lr")
    return after


def update(run: Run, x: Array, labels: Array) -> tuple[Run, Arrays]:
    """Forward, loss, backward, update. Return the new run, and by name the loss, the logits and the gradients."""
    config, training, t = run.config, run.training, run.step + 1
    quantizer = None
    if config.binary and config.quantizer == "tanh":  # IR-Net: a surrogate that gets sharper during training
        quantizer = tanh(tanh_sharpness(t / max(training.steps, 1)))
    logits, cache, state = net.forward(run.params, run.state, x, config, train=True, quantizer=quantizer)
    loss, dlogits = loss_and_gradient(logits, labels, training.loss)
    gradients = net.backward(dlogits, cache, config)
    lr = training.lr * learning_rate(training.schedule, run.step / max(training.steps, 1))
    optimizer = _optimizer(config, training, run.params)
    params, moments = optimizer.step(run.params, gradients, run.moments, lr=lr, t=t)
    if config.binary and training.clip:
        params = clip_latent(params, net.binary_weights(params))
    computed = {"loss": np.asarray(loss), "logits": logits} | {f"gradient of {k}": g for k, g in gradients.items()}
    losses = np.append(run.losses, loss)
    return run._replace(params=params, state=state, moments=moments, step=t, losses=losses), computed


def train(
    run: Run, samples: Dataset | Sequence[Sample], *,
    each: Callable[[Run], object] | None = None, checkpoint: Path | str | None = None, every: int = 50,
) -> Run:  # fmt: skip
    """Run all remaining steps.

    Parameters
    ----------
    run : Run
        From :func:`start` or :func:`load_run`.
    samples : sequence of Sample
    each : callable, optional
        Called with the run after every step, for example to move a progress bar.
    checkpoint : path, optional
        Written before the first step, every ``every`` steps, at the end and on any error or interrupt, whole or not at
        all.

    Returns
    -------
    Run
    """
    need_int("train", "every", every, 1)
    if checkpoint and run.step == 0:
        save_run(checkpoint, run)
    try:
        while run.step < run.training.steps:
            run = step(run, samples)
            if checkpoint and (run.step % every == 0 or run.step == run.training.steps):
                save_run(checkpoint, run)
            if each:
                each(run)
    except BaseException:
        if checkpoint:
            save_run(checkpoint, run)  # the run after the last complete step
        raise
    return run


def loss_and_gradient(logits: Array, labels: Array, name: str) -> tuple[np.floating, Array]:
    """The loss of a batch and its gradient with respect to the logits.

    The two-class losses use one logit, ``logits[..., 1] - logits[..., 0]``.
    """
    one: Any = np.ones((), logits.dtype)
    forward, backward = LOSSES[name]
    _need_classes(name, logits.shape[-1])
    if name == "cross-entropy":
        value, cache = forward(logits, labels)
        return value, backward(one, cache)
    value, cache = forward(logits[..., 1] - logits[..., 0], labels)
    dz = backward(one, cache)
    return value, np.stack([-dz, dz], axis=-1)


# -- checkpoints ----------------------------------------------------------------------------------------------------


class Checkpoint(NamedTuple):
    """What the JSON text in the file of a run says."""

    kind: str
    step: int
    config: net.Config
    training: Training
    source: Source | None = None


def save_run(path: Path | str, run: Run) -> None:
    """Write a run to one ``.npz`` file, whole or not at all."""
    parts = {"params": run.params, "state": run.state, "moments": run.moments}
    arrays = {f"{part}/{k}": v for part, d in parts.items() for k, v in d.items()} | {"losses": run.losses}
    meta = {"kind": "run", "step": run.step, "config": run.config._asdict(), "training": run.training._asdict()}
    save_arrays(path, arrays, meta | {"source": run.source and run.source._asdict()})


def load_run(path: Path | str) -> Run:
    """Read a run from a file of :func:`save_run`; its arrays must be those that its config asks for."""
    arrays, meta = load_arrays(path, "run")
    with in_file(path):
        _, step, config, training, source = options(Checkpoint, meta)
        check_training(training)
        if not 0 <= step <= training.steps:
            raise ValueError(f"step is {step}, expected 0..{training.steps}")
        shapes: dict[str, Any] = dict(zip(("params", "state"), net.shapes(config)))
        optimizer = _optimizer(config, training, shapes["params"])
        moments = optimizer.init(dict.fromkeys(shapes["params"], np.zeros(())))
        shapes["moments"] = {k: shapes["params"][k.partition("/")[2]] for k in moments}
        expected = {f"{part}/{k}": shape for part, d in shapes.items() for k, shape in d.items()}
        need_arrays(arrays, expected | {"losses": (step,)}, {"losses": np.float64})
        for name, array in arrays.items():
            if (name.endswith(".var") or name.startswith("moments/v/")) and (array < 0).any():
                raise ValueError(f"{name} has values below 0")
    parts = {part: {k: arrays[f"{part}/{k}"] for k in d} for part, d in shapes.items()}
    return Run(config, training, **parts, step=step, losses=arrays["losses"], source=source)


# -- within a step --------------------------------------------------------------------------------------------------


def _optimizer(config: net.Config, training: Training, params: Collection[str]) -> Optimizer:
    if training.optimizer == "bop":
        return bop(net.binary_weights(params) if config.binary else ())
    return sgd() if training.optimizer == "sgd" else adam()


def _need_classes(loss: str, classes: int) -> None:
    if loss != "cross-entropy" and classes != 2:
        raise ValueError(f"train: loss {loss!r} is for 2 classes, the network has {classes}")


def _need_finite(t: int, arrays: Arrays, advice: str = "") -> None:
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            at: Any = [int(i) for i in np.argwhere(~np.isfinite(array))[0]] if array.ndim else ""
            raise TrainingError(f"train: step {t}: {name}{at} is {array[tuple(at)] if at else array}{advice}")
