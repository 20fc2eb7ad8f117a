"""Pictures: what the networks see, predict and attend to.

Every figure is a value: a notebook shows it, :func:`save_figure` writes it as a PNG, whole or not at all.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..data.augment import crop_back, pad_to_multiple
from ..data.samples import Dataset, Sample
from ..data.store import write_whole
from ..model import net
from ..model.cost import anchors
from ..model.evaluate import predict
from ..model.train import Run, logits_of
from ..notation import IGNORE, Array
from .variants import Arm

CITY_COLOURS = np.array(
    [
        (128, 64, 128), (244, 35, 232), (70, 70, 70), (102, 102, 156), (190, 153, 153), (153, 153, 153), (250, 170, 30),
        (220, 220, 0), (107, 142, 35), (152, 251, 152), (70, 130, 180), (220, 20, 60), (255, 0, 0), (0, 0, 142),
        (0, 0, 70), (0, 60, 100), (0, 80, 100), (0, 0, 230), (119, 11, 32),
    ],
    np.uint8,
)  # fmt: skip
"""The colours in which the nineteen Cityscapes classes are always shown."""

TWO_COLOURS = np.array([(38, 44, 66), (255, 176, 59)], np.uint8)


def colours(label: Array, classes: int) -> Array:
    """A label map as RGB; ignored pixels are black."""
    palette = np.zeros((256, 3), np.uint8)
    palette[:classes] = TWO_COLOURS if classes == 2 else np.resize(CITY_COLOURS, (classes, 3))
    palette[IGNORE] = 0
    return palette[label]


def pictures(shown: Mapping[str, Array], width: float = 1.7, columns: int | None = None, **how: Any) -> Any:
    """Arrays under their titles, in one row or in ``columns``, drawn by ``imshow`` with the options ``how``."""
    columns = columns or len(shown)
    tallest = max(len(picture) / len(picture[0]) for picture in shown.values())
    fig, axes = _grid(-(-len(shown) // columns), columns, height=width * tallest + 0.15, width=width)
    for axis, (title, picture) in zip(axes.flat, shown.items()):
        axis.imshow(picture, interpolation="nearest", **how)
        axis.set_title(title, fontsize=8)
    return fig


def predictions(dataset: Dataset, arms: Sequence[Arm], held_out: Sequence[Sample], rows: int = 6) -> Any:
    """Image, truth, the first network's answer and the last one's, and where those two differ."""
    first, last = arms[0], arms[-1]
    chosen = [held_out[int(i)] for i in np.linspace(0, len(held_out) - 1, rows)]
    fig, axes = _grid(rows, 5, height=1.45 if len(dataset.classes) == 2 else 0.85, width=1.5)
    for axis, title in zip(axes[0], ("image", "truth", first.name, last.name, "where they differ")):
        axis.set_title(title, fontsize=7)
    for row, (image, label, name) in zip(axes, chosen):
        a, b = (_labels(arm.run, image) for arm in (first, last))
        differ = np.where((a != b)[..., None], np.array((230, 40, 60), np.uint8), np.uint8(245))
        maps = [image, *(colours(m, len(dataset.classes)) for m in (label, a, b)), differ]
        for axis, picture in zip(row, maps):
            axis.imshow(picture, interpolation="nearest")
        row[0].set_ylabel(name[-8:], fontsize=6)
    return fig


def curves(arms: Sequence[Arm]) -> Any:
    """Training loss and held-out score of every network, against the step."""
    fig = new_figure(7, 2.8)
    left, right = fig.subplots(1, 2)
    for arm in arms:
        steps, losses, scores = zip(*arm.curve)
        left.plot(steps, losses, label=arm.name)
        right.plot(steps, scores)
    measure = next(iter(arms[0].scores))
    left.set(title="training loss", xlabel="step", ylim=(0, None))
    right.set(title=f"{measure} of the first held-out crops", xlabel="step", ylim=(0, 1))
    left.legend(fontsize=7)
    for axis in (left, right):
        axis.grid(alpha=0.3)
    return fig


def branches(run: Run, image: Array) -> Any:
    """What each branch of the last upsampling sees, what it answers, and how far its gates stand open."""
    x, size = pad_to_multiple(image, run.config.stride)
    _, caches, _ = net.forward(run.params, run.state, x[None], run.config)
    cache = caches[-2][1]  # the last block's multi-branch upsampling; the classifier's cache follows it
    R = len(cache.branches)
    fig = new_figure(1.9 * (R + 1), 5)
    axes = fig.subplots(3, R + 1, squeeze=False)
    axes[0, 0].imshow(image)
    axes[0, 0].set_title("image", fontsize=8)
    axes[1, 0].imshow(colours(_labels(run, image), run.config.classes), interpolation="nearest")
    axes[1, 0].set_title("prediction", fontsize=8)
    axes[2, 0].axis("off")
    axes[2, 0].text(0.02, 0.5, "gates: sigmoid(theta),\none bar a channel", fontsize=8, va="center")
    for r, (look, output, gate) in enumerate(zip(cache.looks, cache.branches, cache.gates), 1):
        sees = (look.binarized.shifted[0] >= 0).mean(-1)
        sees = np.kron(sees, np.ones((len(output[0]) // len(sees),) * 2))  # a branch that copies looks before it copies
        axes[0, r].imshow(crop_back(sees, size), cmap="gray", vmin=0, vmax=1)
        axes[0, r].set_title(f"branch {r} sees:\nshare of channels at +1", fontsize=8)
        axes[1, r].imshow(crop_back(np.abs(output[0]).mean(-1), size), cmap="magma")
        axes[1, r].set_title("its output, mean size", fontsize=8)
        opened = gate.reshape(-1, gate.shape[-1]).mean(0)  # over positions, where gates have them
        axes[2, r].bar(np.arange(len(opened)), opened, color="#4878a8")
        axes[2, r].set(ylim=(0, 1), xticks=[])
        axes[2, r].tick_params(labelsize=6)
    for axis in axes[:2].flat:
        axis.set(xticks=[], yticks=[])
    return fig


def attention(
    run: Run, image: Array, queries: Sequence[tuple[float, float]] = ((0.5, 0.5), (0.15, 0.2), (0.85, 0.8))
) -> Any:
    """Where queries look: the weights of their anchors laid over the image, and the channel part's affinities."""
    x, _ = pad_to_multiple(image, run.config.stride)
    _, caches, _ = net.forward(run.params, run.state, x[None], run.config)
    position, channel = _attention_weights(caches[-2 - len(list(net.decoder(run.config)))], run.config)
    H, W = (n // run.config.stride for n in x.shape[:2])
    fig, axes = _grid(1, len(queries) + 1 + (channel is not None), height=2.2, width=2)
    axes[0, 0].imshow(x)
    axes[0, 0].set_title("image and queries", fontsize=8)
    for k, (axis, (row, col)) in enumerate(zip(axes[0, 1:], queries)):
        i, j = int(row * H), int(col * W)
        look = _on_grid(position[0, 0, i * W + j], run.config, (H, W))
        axis.imshow(x.mean(-1), cmap="gray", alpha=0.6)
        axis.imshow(np.kron(look, np.ones((run.config.stride,) * 2)), cmap="inferno", alpha=0.6)
        for where in (axes[0, 0], axis):
            where.plot((j + 0.5) * run.config.stride, (i + 0.5) * run.config.stride, "o", color=f"C{k}", mec="white")
        axis.set_title(f"where query {k + 1} looks (head 1)", fontsize=8)
    if channel is not None:
        axes[0, -1].imshow(channel[0, 0], cmap="inferno")
        axes[0, -1].set_title("channel affinities (head 1)", fontsize=8)
    return fig


def _attention_weights(cache: tuple, config: net.Config) -> tuple[Array, Array | None]:
    """Softmax weights of the position part (N, A, T, S) and, if there is one, of the channel part (N, A, D, D)."""
    attended = cache[4]
    if config.attention == "two-part":
        return attended.position.weights, attended.channel.weights
    return attended.weights, None


def _on_grid(weights: Array, config: net.Config, grid: tuple[int, int]) -> Array:
    """Weights of tokens or of pooled anchors, spread evenly over what each one stands for: (H, W)."""
    H, W = grid
    if len(weights) != anchors(config.levels):
        return weights.reshape(H, W)
    look, start = np.zeros(grid), 0
    for level in config.levels:
        cells = weights[start : start + level * level].reshape(level, level)
        start += level * level
        for i, j in np.ndindex(level, level):
            rows = slice(i * H // level, -(-(i + 1) * H // level))
            cols = slice(j * W // level, -(-(j + 1) * W // level))
            look[rows, cols] += cells[i, j] / look[rows, cols].size
    return look


# -- single images --------------------------------------------------------------------------------------------------


def save_label(path: Path | str, label: Array) -> None:
    """Class indices as a grey PNG."""
    _save_image(path, label.astype(np.uint8))


def save_overlay(path: Path | str, image: Array, label: Array) -> None:
    """The image with the prediction's colours over it."""
    classes = 2 if label.max() < 2 else len(CITY_COLOURS)
    blend = 0.55 * np.asarray(image) + 0.45 * colours(label, classes) / 255
    _save_image(path, np.rint(255 * blend).astype(np.uint8))


def _save_image(path: Path | str, array: Array) -> None:
    from PIL import Image

    write_whole(path, lambda file: Image.fromarray(array).save(file, format="PNG"))


# -- how ------------------------------------------------------------------------------------------------------------


def _labels(run: Run, image: Array) -> Array:
    return predict(logits_of(run), image, run.config.stride).argmax(-1)


def new_figure(width: float, height: float) -> Any:
    """A figure of that many inches, with no window and no global state; a notebook shows it."""
    from matplotlib.figure import Figure

    fig = Figure(figsize=(width, height), dpi=130, layout="constrained")
    setattr(fig, "_repr_png_", lambda: _png(fig))  # noqa: B010  what IPython asks for
    return fig


def _png(fig: Any) -> bytes:
    from io import BytesIO

    file = BytesIO()
    fig.savefig(file, format="png")
    return file.getvalue()


def _grid(rows: int, cols: int, height: float, width: float) -> tuple[Any, Array]:
    """A figure of bare axes for pictures."""
    fig = new_figure(cols * width, rows * height + 0.2)
    axes = fig.subplots(rows, cols, squeeze=False)
    for axis in axes.flat:
        axis.set(xticks=[], yticks=[])
    return fig, axes


def save_figure(fig: Any, path: Path | str) -> None:
    """Write a figure as a PNG; a file that is there stays whole until the new one is."""
    write_whole(path, lambda file: fig.savefig(file, format="png"))
