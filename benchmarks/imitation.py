"""How well do K binary branches imitate one float upsampling layer? ``python -m benchmarks.imitation``

The layer: bilinear upsampling by 2, then a float 3x3 convolution with fixed random weights. Its input: features of the
shipped photographs, made by a fixed random float convolution and normalised. K branches are fitted to its output by
gradient descent through the library's own pair, and judged on held-out photographs by the relative squared error,
``|y - y_hat|^2 / |y - mean y|^2``: 0 is perfect, 1 is no better than a constant. The same number of steps for every K.
"""

import argparse

import numpy as np
from tqdm import tqdm

from tinybnn.app.demo import table
from tinybnn.app.pictures import new_figure, save_figure
from tinybnn.data.samples import load
from tinybnn.model.optim import adam, clip_latent, learning_rate
from tinybnn.ops.conv import conv2d
from tinybnn.ops.multibranch import multi_branch_upsample, multi_branch_upsample_backward
from tinybnn.ops.upsample import upsample_bilinear

CHANNELS, SIZE, BATCH = 8, 32, 8
LR = 0.02


def features(rng, split):
    """Maps (N, SIZE, SIZE, CHANNELS): photographs through a random convolution, each channel standardised."""
    images = np.stack([s.image[: 2 * SIZE, : 2 * SIZE] for s in load("photos", split)])
    w = rng.normal(size=(3, 3, 3, CHANNELS)).astype(np.float32)
    x, _ = conv2d(images - np.float32(0.5), w, stride=2, pad=1)
    return (x - x.mean((0, 1, 2))) / x.std((0, 1, 2))


def layer(rng):
    """The float layer to imitate."""
    w = (rng.normal(size=(3, 3, CHANNELS, CHANNELS)) / np.sqrt(9 * CHANNELS)).astype(np.float32)
    return lambda x: conv2d(upsample_bilinear(x)[0], w, pad=1)[0]


def imitate(K, seed, steps):
    """Fit K branches; return the relative squared error on held-out maps."""
    # The features and the layer depend on the seed alone, so every K imitates the same layer on the same maps.
    x, held_out = (features(np.random.default_rng([seed, 1]), split) for split in ("train", "val"))
    target = layer(np.random.default_rng([seed, 2]))
    rng = np.random.default_rng([seed, 3, K])
    p = {
        "tau": np.repeat(np.linspace(-1, 1, K)[:, None] if K > 1 else np.zeros((1, 1)), CHANNELS, axis=1),
        "w": rng.uniform(-0.3, 0.3, (K, 3, 3, CHANNELS, CHANNELS)),
        "alpha": np.full((K, CHANNELS), 0.1),
        "theta": np.zeros((K, CHANNELS)),
    }
    p = {k: v.astype(np.float32) for k, v in p.items()}
    optimizer = adam()
    moments = optimizer.init(p)
    for t in range(1, steps + 1):
        batch = x[rng.integers(len(x), size=BATCH)]
        y, cache = multi_branch_upsample(batch, p["tau"], p["w"], p["alpha"], p["theta"], pad_value=0)
        gap = y - target(batch)
        _, *grads = multi_branch_upsample_backward(2 * gap / gap.size * CHANNELS, cache)
        lr = LR * learning_rate("cosine", (t - 1) / steps)
        p, moments = optimizer.step(p, dict(zip(p, grads)), moments, lr=lr, t=t)
        p = clip_latent(p, ("w",))
    y, y_hat = target(held_out), multi_branch_upsample(held_out, *p.values(), pad_value=0)[0]
    return float(((y - y_hat) ** 2).sum() / ((y - y.mean((0, 1, 2))) ** 2).sum())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--most", type=int, default=8, help="largest K")
    parser.add_argument("--out", default="docs/imitation.png")
    a = parser.parse_args()
    ks = range(1, a.most + 1)
    errors = np.array([[imitate(K, seed, a.steps) for seed in range(a.seeds)] for K in tqdm(ks, unit="K")])
    table(
        ["branches", "relative squared error", "of each seed"],
        [[K, f"{e.mean():.3f}", "  ".join(f"{v:.3f}" for v in e)] for K, e in zip(ks, errors)],
    )
    fig = new_figure(4.5, 3)
    axis = fig.subplots()
    axis.plot(ks, errors, "o", color="#999999", ms=3)
    axis.plot(ks, errors.mean(1), "-", color="#c0392b")
    axis.set(xlabel="binary branches K", ylabel="relative squared error", ylim=(0, None), xticks=list(ks))
    axis.set_title("imitating a float upsampling layer, held-out photographs", fontsize=9)
    axis.grid(alpha=0.3)
    save_figure(fig, a.out)


if __name__ == "__main__":
    main()
