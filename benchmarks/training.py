"""One training step of the default network, batch 8 of 64 x 64: against PyTorch, and against textbook NumPy."""

import cProfile
import pstats
from pathlib import Path

import numpy as np

from tinybnn.model import net
from tinybnn.model.optim import adam
from tinybnn.model.train import loss_and_gradient

from . import textbook
from .harness import THREADS, Row, check, in_turn, installed, peak
from .network import network

torch = installed("torch")


def batch(dtype=np.float32):
    rng = np.random.default_rng(1)
    return rng.uniform(size=(8, 64, 64, 3)).astype(dtype), rng.integers(0, 2, (8, 64, 64)).astype(np.uint8)


def gradients(params, state, x, labels, config, quantizer=None):
    """Loss and gradients: forward, loss, backward."""
    logits, cache, _ = net.forward(params, state, x, config, train=True, quantizer=quantizer)
    loss, dlogits = loss_and_gradient(logits, labels, "cross-entropy")
    return loss, net.backward(dlogits, cache, config)


def rows():
    config = net.Config()
    params, state = network(config)
    x, labels = batch()
    optimizer = adam()
    moments = optimizer.init(params)

    def ours(quantizer=None):
        _, grads = gradients(params, state, x, labels, config, quantizer)
        return optimizer.step(params, grads, moments, lr=1e-3, t=1)

    def by_the_book():
        with textbook.in_place():
            ours(textbook.quantizer)

    agree(config)
    case, timed = "batch 8 of 64 x 64", in_turn({"textbook": by_the_book, "tinybnn": ours})
    ratio = timed.ratio("textbook", "tinybnn")
    yield Row("training step, textbook NumPy over tinybnn", case, ratio, timed.ms(), 2.2)
    theirs, own = peak(by_the_book), peak(ours)
    detail = f"textbook {theirs / 1e6:.0f} MB, tinybnn {own / 1e6:.0f} MB"
    yield Row("training step, peak memory over textbook NumPy's", case, own / theirs, detail, 0.4, most=True)
    yield from shares(ours)
    if torch:
        pairs = {}
        for layout in ("channels_last", "contiguous_format"):
            step = torch_step(params, state, x, labels, config, layout)
            pairs[layout] = in_turn({f"PyTorch {layout}": step, "tinybnn": ours}, settle=True)
        name = min(pairs, key=lambda name: np.median(pairs[name].seconds[0]))  # its faster layout
        ratio = pairs[name].ratio("tinybnn", f"PyTorch {name}")
        claim, bound = "training step, time over PyTorch eager's", 1.0 if THREADS == 1 else 1.8
        yield Row(claim, f"{case} ({name})", ratio, pairs[name].ms(), bound, most=True)


def shares(step):
    """Where the step's time goes: by function, its own time without what it calls. Python's profiler, ten steps."""
    profile = cProfile.Profile()
    profile.enable()
    for _ in range(10):
        step()
    profile.disable()
    own = {key: entry[2] for key, entry in pstats.Stats(profile).stats.items()}  # type: ignore[attr-defined]
    total = sum(own.values())
    for (file, _, function), seconds in sorted(own.items(), key=lambda item: -item[1])[:12]:
        where = f"{Path(file).stem}.{function}" if file != "~" else function.strip("<>")
        yield Row("where a training step's time goes", where, 100 * seconds / total, unit=" %")


def agree(config):
    """In float64, where no sign hangs on a last bit: textbook and tinybnn; and PyTorch's loss on the same batch."""
    params, state = ({k: v.astype(np.float64) for k, v in d.items()} for d in network(config))
    x, labels = batch(np.float64)
    loss, grads = gradients(params, state, x, labels, config)
    with textbook.in_place():
        book_loss, book = gradients(params, state, x, labels, config, textbook.quantizer)
    check("textbook loss", loss, book_loss, within=1e-12)
    for key in grads:
        check(f"textbook gradient of {key}", grads[key], book[key], within=1e-8)
    if torch:
        from .torch_net import F, Net

        network64 = Net(params, state, config, torch.channels_last)
        tx = torch.from_numpy(x).permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)
        torch_loss = F.cross_entropy(network64.forward(tx), torch.from_numpy(labels.astype(np.int64)))
        torch_loss.backward()
        check("PyTorch loss", torch_loss.item(), loss, within=1e-12)
        for key in grads:
            if not key.endswith(".w"):
                check(f"PyTorch gradient of {key}", network64.p[key].grad.numpy(), grads[key], within=1e-8)


def torch_step(params, state, x, labels, config, layout):
    """Forward, loss, backward and Adam in PyTorch eager, in one of its two layouts."""
    from .torch_net import F, Net

    memory_format = getattr(torch, layout)
    network_ = Net(params, state, config, memory_format)
    optimizer = torch.optim.Adam(network_.p.values(), lr=1e-3)
    tx = torch.from_numpy(x).permute(0, 3, 1, 2).contiguous(memory_format=memory_format)
    tl = torch.from_numpy(labels.astype(np.int64))

    def step():
        optimizer.zero_grad()
        F.cross_entropy(network_.forward(tx), tl).backward()
        optimizer.step()

    return step
