"""Figures of what networks see, predict and attend to. A notebook shows them; :func:`save_figure` writes a PNG."""

from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from ..data.images import colours
from ..data.samples import Dataset, Sample
from ..data.store import write_whole
from ..model import net
from ..model.cost import anchors
from ..model.evaluate import crop_back, pad_to_multiple, predict
from ..model.train import Run, logits_of
from ..notation import HW, Array, ceil_div
from .variants import Trained


def new_figure(width: float, height: float) -> Any:
    """A figure of this size in inches, without a window and without global state."""
    from matplotlib.figure import Figure

    def png() -> bytes:
        file = BytesIO()
        fig.savefig(file, format="png")
        return file.getvalue()

    fig = Figure(figsize=(width, height), dpi=130, layout="constrained")
    setattr(fig, "_repr_png_", png)  # noqa: B010  IPython calls this to show a value
    return fig


def save_figure(fig: Any, path: Path | str) -> None:
    """Write a figure as a PNG; an old file stays until the new one is complete."""
    write_whole(path, lambda file: fig.savefig(file, format="png"))


def _grid(rows: int, columns: int, height: float, width: float) -> tuple[Any, Array]:
    """A figure of pictures without ticks; ``height`` and ``width`` are those of one picture."""
    fig = new_figure(columns * width, rows * height + 0.2)
    axes = fig.subplots(rows, columns, squeeze=False)
    for axis in axes.flat:
        axis.set(xticks=[], yticks=[])
    return fig, axes


def pictures(shown: Mapping[str, Array], width: float = 1.7, columns: int | None = None, **how: Any) -> Any:
    """Arrays under their titles, in one row or in ``columns``, drawn by ``imshow`` with the options ``how``."""
    columns = columns or len(shown)
    tallest = max(len(picture) / len(picture[0]) for picture in shown.values())
    fig, axes = _grid(ceil_div(len(shown), columns), columns, height=width * tallest + 0.15, width=width)
    for axis, (title, picture) in zip(axes.flat, shown.items()):
        axis.imshow(picture, interpolation="nearest", **how)
        axis.set_title(title, fontsize=8)
    return fig


def predictions(dataset: Dataset, trained: Sequence[Trained], held_out: Sequence[Sample], rows: int = 6) -> Any:
    """Image, truth, the predictions of the first and of the last network, and where these two differ."""
    first, last = trained[0], trained[-1]
    chosen = [held_out[int(i)] for i in np.linspace(0, len(held_out) - 1, rows)]
    fig, axes = _grid(rows, 5, height=1.45 if len(dataset.classes) == 2 else 0.85, width=1.5)
    for axis, title in zip(axes[0], ("image", "truth", first.name, last.name, "where they differ")):
        axis.set_title(title, fontsize=7)
    for row, (image, label, name) in zip(axes, chosen):
        a, b = (_labels(network.run, image) for network in (first, last))
        differ = np.where((a != b)[..., None], np.array((230, 40, 60), np.uint8), np.uint8(245))
        for axis, picture in zip(row, [image, *(colours(m, len(dataset.classes)) for m in (label, a, b)), differ]):
            axis.imshow(picture, interpolation="nearest")
        row[0].set_ylabel(name[-8:], fontsize=6)
    return fig


def curves(trained: Sequence[Trained]) -> Any:
    """Training loss and held-out score of every network at each step."""
    fig = new_figure(7, 2.8)
    left, right = fig.subplots(1, 2)
    for network in trained:
        steps, losses, scores = zip(*network.curve)
        left.plot(steps, losses, label=network.name)
        right.plot(steps, scores)
    measure = next(iter(trained[0].scores))
    left.set(title="training loss", xlabel="step", ylim=(0, None))
    right.set(title=f"{measure} of the first held-out crops", xlabel="step", ylim=(0, 1))
    left.legend(fontsize=7)
    for axis in (left, right):
        axis.grid(alpha=0.3)
    return fig


def _labels(run: Run, image: Array) -> Array:
    return predict(logits_of(run), image, run.config.stride).argmax(-1)


def branches(run: Run, image: Array) -> Any:
    """The input, the output and the gates of each branch of the last upsampling."""
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
    for r, (branch, output, gate) in enumerate(zip(cache.branches, cache.outputs, cache.gates), 1):
        sees = (branch.binarized.shifted[0] >= 0).mean(-1)
        sees = np.kron(sees, np.ones((len(output[0]) // len(sees),) * 2))  # some branches binarize before they upsample
        axes[0, r].imshow(crop_back(sees, size), cmap="gray", vmin=0, vmax=1)
        axes[0, r].set_title(f"branch {r} sees:\nshare of channels at +1", fontsize=8)
        axes[1, r].imshow(crop_back(np.abs(output[0]).mean(-1), size), cmap="magma")
        axes[1, r].set_title("its output, mean size", fontsize=8)
        opened = gate.reshape(-1, gate.shape[-1]).mean(0)  # gates may differ from position to position
        axes[2, r].bar(np.arange(len(opened)), opened, color="#4878a8")
        axes[2, r].set(ylim=(0, 1), xticks=[])
        axes[2, r].tick_params(labelsize=6)
    for axis in axes[:2].flat:
        axis.set(xticks=[], yticks=[])
    return fig


def attention(
    run: Run, image: Array, queries: Sequence[tuple[float, float]] = ((0.5, 0.5), (0.15, 0.2), (0.85, 0.8))
) -> Any:
    """The attention weights of some queries over the image, and the affinities of the channel part if there is one."""
    x, _ = pad_to_multiple(image, run.config.stride)
    _, caches, _ = net.forward(run.params, run.state, x[None], run.config)
    attended = caches[-2 - len(list(net.decoder(run.config)))][4]
    both = run.config.attention == "two-part"
    position, channel = (attended.position, attended.channel) if both else (attended, None)
    H, W = (n // run.config.stride for n in x.shape[:2])
    fig, axes = _grid(1, len(queries) + 1 + (channel is not None), height=2.2, width=2)
    axes[0, 0].imshow(x)
    axes[0, 0].set_title("image and queries", fontsize=8)
    for k, (axis, (row, col)) in enumerate(zip(axes[0, 1:], queries)):
        i, j = int(row * H), int(col * W)
        weights = _on_grid(position.weights[0, 0, i * W + j], run.config, (H, W))
        axis.imshow(x.mean(-1), cmap="gray", alpha=0.6)
        axis.imshow(np.kron(weights, np.ones((run.config.stride,) * 2)), cmap="inferno", alpha=0.6)
        for where in (axes[0, 0], axis):
            where.plot((j + 0.5) * run.config.stride, (i + 0.5) * run.config.stride, "o", color=f"C{k}", mec="white")
        axis.set_title(f"where query {k + 1} looks (head 1)", fontsize=8)
    if channel is not None:
        axes[0, -1].imshow(channel.weights[0, 0], cmap="inferno")
        axes[0, -1].set_title("channel affinities (head 1)", fontsize=8)
    return fig


def _on_grid(weights: Array, config: net.Config, grid: HW) -> Array:
    """Weights of tokens, or of anchors, as a map (H, W); the weight of an anchor is spread evenly over its cell."""
    H, W = grid
    if len(weights) != anchors(config.levels):
        return weights.reshape(H, W)
    spread, start = np.zeros(grid), 0
    for level in config.levels:
        cells = weights[start : start + level * level].reshape(level, level)
        start += level * level
        for i, j in np.ndindex(level, level):
            rows = slice(i * H // level, ceil_div((i + 1) * H, level))
            cols = slice(j * W // level, ceil_div((j + 1) * W, level))
            spread[rows, cols] += cells[i, j] / spread[rows, cols].size
    return spread
