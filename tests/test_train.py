"""The trainer learns, resumes to the bit, and says where a number went wrong."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from test_net import TINY

from tinybnn.data.samples import Sample
from tinybnn.model import net
from tinybnn.model.train import (
    OPTIMIZERS,
    Training,
    TrainingError,
    load_run,
    loss_and_gradient,
    save_run,
    start,
    step,
    train,
)

TINY_OF = {"bop": TINY._replace(quantizer="clipped")}
"""The network for an optimizer that cannot train every one."""

SHORT = Training(steps=6, batch=2, crop=8, lr=0.01)


def squares(count=8, size=16):
    """Bright squares on dark noise: a task that any network learns."""
    rng = np.random.default_rng(0)
    for i in range(count):
        image, label = rng.uniform(0, 0.4, (size, size, 3)), np.zeros((size, size), np.uint8)
        r, c = rng.integers(0, size // 2, 2)
        label[r : r + size // 2, c : c + size // 2] = 1
        yield Sample((image + 0.6 * label[..., None]).astype(np.float32), label, str(i))


SQUARES = list(squares())


def same(a, b):
    """Bit-identical runs."""
    pairs = [(x[k], y[k]) for x, y in zip(a[2:5], b[2:5]) for k in x]
    return a.step == b.step and all(p.tobytes() == q.tobytes() for p, q in [*pairs, (a.losses, b.losses)])


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_the_loss_falls(optimizer):
    lr = {"sgd": 0.05}.get(optimizer, 0.02)
    training = Training(steps=80, batch=4, crop=16, optimizer=optimizer, lr=lr)
    run = train(start(TINY_OF.get(optimizer, TINY), training), SQUARES)
    assert run.losses[-10:].mean() < 0.6 * run.losses[:5].mean()


def test_the_same_seed_gives_the_same_bits_and_another_seed_does_not():
    a, b = (train(start(TINY, SHORT), SQUARES) for _ in range(2))
    assert same(a, b)
    assert not same(a, train(start(TINY, SHORT._replace(seed=1)), SQUARES))


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("stop", range(1, 6))
def test_a_run_stopped_anywhere_and_resumed_ends_with_the_same_bits(tmp_path, stop, optimizer):
    begin = start(TINY_OF.get(optimizer, TINY), SHORT._replace(optimizer=optimizer))
    whole = train(begin, SQUARES)
    run = begin
    for _ in range(stop):
        run = step(run, SQUARES)
    save_run(tmp_path / "run.npz", run)
    assert same(train(load_run(tmp_path / "run.npz"), SQUARES), whole)


def test_an_interrupt_saves_every_step_that_was_done(tmp_path):
    def each(run):
        if run.step == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(start(TINY, SHORT), SQUARES, each=each, checkpoint=tmp_path / "run.npz", every=3)
    kept = load_run(tmp_path / "run.npz")
    assert kept.step == 4 and same(train(kept, SQUARES), train(start(TINY, SHORT), SQUARES))


def test_a_run_is_written_before_its_first_step_and_after_any_error(tmp_path):
    def broken(run):
        raise OSError("no such image")

    for each, samples, done in ((None, [], 0), (broken, SQUARES, 1)):
        with pytest.raises((ValueError, OSError)):
            train(start(TINY, SHORT), samples, each=each, checkpoint=tmp_path / "run.npz")
        assert load_run(tmp_path / "run.npz").step == done


def spoil(run, how):
    name = "enc1.1.alpha"
    return {
        "a name less": lambda: run._replace(params={k: v for k, v in run.params.items() if k != name}),
        "a name more": lambda: run._replace(state=run.state | {"x": np.zeros(1)}),
        "other names": lambda: run._replace(moments={}),
        "another shape": lambda: run._replace(params=run.params | {name: run.params[name][:1]}),
        "another dtype": lambda: run._replace(params=run.params | {name: run.params[name].astype(np.float64)}),
        "losses in float32": lambda: run._replace(losses=run.losses.astype(np.float32)),
        "nan": lambda: run._replace(moments=run.moments | {f"m/{name}": run.params[name] * np.nan}),
        "below 0": lambda: run._replace(state=run.state | {"stem.var": -run.state["stem.var"]}),
        "step": lambda: run._replace(step=SHORT.steps + 1, losses=np.zeros(SHORT.steps + 1)),
        "losses": lambda: run._replace(losses=run.losses[1:]),
        "depth": lambda: run._replace(config=run.config._replace(depth=-1)),
        "stages": lambda: run._replace(config=run.config._replace(stages=10**9)),
        "width": lambda: run._replace(config=run.config._replace(width=4096, depth=64)),
        "seed": lambda: run._replace(training=run.training._replace(seed=None)),
    }[how]()


@pytest.mark.parametrize(
    "how, words",
    [
        ("a name less", "it lacks params/enc1.1.alpha"),
        ("a name more", "it has state/x"),
        ("other names", "it lacks moments/m/att.alpha"),
        ("another shape", r"params/enc1.1.alpha is float32 of shape \(1,\), expected float32 of shape \(4,\)"),
        ("another dtype", "params/enc1.1.alpha is float64"),
        ("nan", "moments/m/enc1.1.alpha has values that are not finite"),
        ("below 0", "state/stem.var has values below 0"),
        ("step", "step is 7, expected 0..6"),
        ("losses", "losses is float64 of shape"),
        ("losses in float32", "losses is float32"),
        ("depth", "net.Config: depth is -1"),
        ("stages", "net.Config: stages is 1000000000, expected at most 8"),
        ("width", "the network would have .* parameters, expected at most"),
        ("seed", "train.Training: seed is None, expected a whole number"),
    ],
)
def test_a_file_whose_arrays_are_not_those_of_its_config_is_refused(tmp_path, how, words):
    save_run(tmp_path / "run.npz", spoil(step(start(TINY, SHORT), SQUARES), how))
    with pytest.raises(ValueError, match=rf"run.npz: .*{words}"):
        load_run(tmp_path / "run.npz")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_a_killed_process_resumes_to_the_same_bits(tmp_path):
    """Killed for real, in the middle of whatever it was doing."""
    run_folder, reference = tmp_path / "killed", tmp_path / "whole"
    options = ["--data", "photos", "--steps", "12", "--every", "1", "--batch", "2", "--crop", "32", "--width", "4"]

    def command(out, *more):
        return [sys.executable, "-m", "tinybnn", "train", "--out", str(out), *options, *more]

    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.run(command(reference), check=True, **quiet)
    process = subprocess.Popen(command(run_folder), **quiet)
    deadline = time.monotonic() + 60
    while not (run_folder / "run.npz").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert load_run(run_folder / "run.npz").step < 12, "the process had finished before it was killed"
    subprocess.run(command(run_folder, "--resume"), check=True, **quiet)
    assert same(load_run(run_folder / "run.npz"), load_run(reference / "run.npz"))


def test_latent_weights_stay_within_one_and_the_floats_need_not():
    run = train(start(TINY, SHORT._replace(lr=0.5, steps=5)), SQUARES)
    latent = net.binary_weights(run.params)
    assert all(np.abs(run.params[k]).max() <= 1 for k in latent)
    free = train(start(TINY, SHORT._replace(lr=0.5, steps=5, clip=False)), SQUARES)
    assert any(np.abs(free.params[k]).max() > 1 for k in latent)


def test_bop_keeps_weights_at_plus_and_minus_one():
    before = start(TINY_OF["bop"], SHORT._replace(optimizer="bop"))
    run = train(before, SQUARES)
    assert any((run.params[k] != before.params[k]).any() for k in net.binary_weights(run.params)), "nothing flipped"
    assert all((np.abs(run.params[k]) == 1).all() for k in net.binary_weights(run.params))


@pytest.mark.parametrize("quantizer", ["polynomial", "tanh", "swish_sign"])
def test_bop_refuses_a_surrogate_through_which_nothing_would_flip(quantizer):
    with pytest.raises(ValueError, match=f"'bop' with quantizer '{quantizer}', expected 'identity' or 'clipped'"):
        start(TINY._replace(quantizer=quantizer), SHORT._replace(optimizer="bop"))
    start(TINY._replace(quantizer=quantizer, binary=False), SHORT._replace(optimizer="bop"))


def test_the_tanh_surrogate_sharpens_while_training():
    run = start(TINY._replace(quantizer="tanh"), SHORT)
    plain = start(TINY._replace(quantizer="tanh"), SHORT._replace(steps=600))
    assert not same(step(run, SQUARES), step(plain, SQUARES)._replace(training=SHORT))


@pytest.mark.parametrize("bad", ["enc1.1.alpha", "stem.w"])
def test_a_number_gone_wrong_is_named_with_its_step(bad):
    run = start(TINY, SHORT)
    run = step(run, SQUARES)
    run.params[bad].flat[0] = np.inf
    with pytest.raises(TrainingError, match=rf"train: step 2: {bad}\[0.* is inf") as error:
        step(run, SQUARES)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("what", ["images", "stem.w"])
def test_nan_that_was_given_is_not_blamed_on_the_learning_rate(what):
    run, image = start(TINY, SHORT), SQUARES[0].image.copy()
    (image if what == "images" else run.params[what])[...] = np.nan
    with pytest.raises(TrainingError, match=rf"step 1: {what}\[.* is nan$"):
        step(run, [SQUARES[0]._replace(image=image)])


def test_a_learning_rate_beyond_reason_ends_in_one_line():
    with np.errstate(all="ignore"), pytest.raises(TrainingError, match=r"train: step \d+: .* is (nan|-?inf)"):
        train(start(TINY, SHORT._replace(lr=1e38, steps=20, optimizer="sgd")), SQUARES)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"batch": 0}, "train.Training: batch is 0, expected a whole number >= 1"),
        ({"optimizer": "adamw"}, "train.Training: optimizer is 'adamw', expected one of 'adam', 'sgd', 'bop'"),
        ({"loss": "mse"}, "train.Training: loss is 'mse'"),
        ({"schedule": "linear"}, "learning_rate: schedule is 'linear'"),
        ({"lr": float("nan")}, "train.Training: lr is nan"),
        ({"steps": 0}, "train.Training: steps is 0"),
        ({"crop": 10**6}, "train.Training: a batch has .* pixels"),
        ({"zoom": (2.0, 1.0)}, r"train.Training: zoom is \(2.0, 1.0\)"),
        ({"flip": 1.5}, "train.Training: flip is 1.5"),
    ],
)
def test_errors_name_the_field(change, message):
    with pytest.raises(ValueError, match=message):
        start(TINY, SHORT._replace(**change))


def test_two_class_losses_refuse_more_classes():
    with pytest.raises(ValueError, match="loss 'dice' is for 2 classes, the network has 3"):
        start(TINY._replace(classes=3), SHORT._replace(loss="dice"))
    with pytest.raises(ValueError, match="loss 'bce' is for 2 classes, the network has 3"):
        loss_and_gradient(np.zeros((1, 2, 2, 3)), np.zeros((1, 2, 2), np.uint8), "bce")
