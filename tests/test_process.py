"""A program among others: signals that end it, streams that fail, a folder that another process holds."""

import os
import shutil
import signal
import subprocess
import sys

import pytest
from conftest import TINY
from test_cli import refused

from tinybnn.app.cli import main
from tinybnn.data.samples import samples_root
from tinybnn.model.train import load_run


def command(*argv, **options):
    """A process of its own, its two streams as text or bytes that were written to it."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    if os.name != "nt":
        pipes["preexec_fn"] = hear_signals
    return subprocess.Popen([sys.executable, "-m", "tinybnn", *map(os.fspath, argv)], **pipes | options)


def hear_signals():
    """Undo what nohup, or a shell in the background, does to the signals of all its children: it ignores them."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        signal.signal(getattr(signal, name), signal.SIG_DFL)


@pytest.fixture
def training(tmp_path):
    """A training that would last for minutes, after its first step."""
    argv = ["train", "--data", "photos", "--out", tmp_path / "run", *TINY, "--steps", "99999", "--every", "99999"]
    with command(*argv, stdout=subprocess.DEVNULL) as process:
        seen = b""
        while b" 1/99999" not in seen and process.poll() is None:
            seen += process.stderr.read(1)
        yield process, tmp_path / "run"
        process.kill()


@pytest.mark.skipif(os.name == "nt", reason="Windows ends a process without a word")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_signals_save_what_was_done(training, name):
    process, out = training
    assert load_run(out / "run.npz").step == 0
    process.send_signal(getattr(signal, name))
    assert process.communicate(timeout=60)[1].endswith(b"tinybnn: interrupted\n")
    assert process.returncode == 128 + getattr(signal, name) and load_run(out / "run.npz").step >= 1


def test_a_second_training_into_one_folder_is_refused_while_the_first_lives(training, capsys):
    process, out = training
    (out / ".run.npz.abcdefgh").write_text("what a dead writer left")
    argv = ["train", "--data", "photos", "--out", out]
    for more in ("--resume", "--overwrite"):
        assert "another process is training into it" in refused(capsys, *argv, more)
    process.kill()
    process.wait()
    assert main([str(a) for a in (*argv, *TINY, "--steps", "1", "--overwrite")]) == 0
    assert sorted(p.name for p in out.iterdir()) == ["config.json", "run.npz", "scores.json"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has another /dev/full")
def test_a_stream_that_fails_loses_no_work(run, tmp_path):
    reader, writer = os.pipe()
    os.close(reader)
    image = next((samples_root() / "photos" / "val" / "images").iterdir())
    for argv in (
        ["info"],
        ["--help"],
        ["predict", image, "--model", run, "--out", tmp_path / "out"],
        ["evaluate", run],
    ):
        for unbuffered in ("", "1"):
            process = command(*argv, stdout=writer, env={**os.environ, "PYTHONUNBUFFERED": unbuffered})
            assert process.communicate()[1] == b"" and process.returncode == 0
    os.close(writer)
    assert len(list((tmp_path / "out").iterdir())) == 2
    with open("/dev/full", "wb") as full:
        argv = ["train", "--data", "photos", "--out", tmp_path / "run", "--steps", "1", *TINY]
        assert command(*argv, stdout=subprocess.DEVNULL, stderr=full).wait() == 0
        process = command("info", stdout=full)
        assert process.communicate()[1] == b"tinybnn: <stdout>: No space left on device\n" and process.returncode == 2


@pytest.mark.skipif(sys.platform != "linux", reason="names of other systems are text")
@pytest.mark.parametrize("encoding", ["utf-8:strict", "ascii:strict", "latin-1"])
def test_a_name_that_no_stream_can_write_is_written_as_its_escape(run, tmp_path, encoding):
    image = os.fsencode(tmp_path) + b"/\xff\xe9.jpg"
    shutil.copy(next((samples_root() / "photos" / "val" / "images").iterdir()), image)
    process = command("predict", os.fsdecode(image), "--model", run, "--out", tmp_path / "out",
                      env={**os.environ, "PYTHONIOENCODING": encoding})  # fmt: skip
    out, err = process.communicate()
    assert (process.returncode, err) == (0, b"") and rb"/out/\udcff\udce9_overlay.png" in out


def test_the_same_program_as_a_module():
    out = subprocess.run([sys.executable, "-m", "tinybnn", "--help"], capture_output=True, text=True, check=True)
    assert "demo" in out.stdout and out.stderr == ""
