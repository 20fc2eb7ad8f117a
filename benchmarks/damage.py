"""Damage files and kill trainings: ``python -m benchmarks.damage [--count 1000] [--kill 50]``

Each damaged file is read as the command line reads it. It must be refused in one line that names it, or give what the
whole file gives. A training that was killed at any moment and then resumed must end with the arrays of one that was
not. The exit status is 1 if a file did anything else, or if one array differs.
"""

import argparse
import io
import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from tinybnn.app.demo import table
from tinybnn.app.verbs import settings
from tinybnn.data import images
from tinybnn.data.store import DIGITS, META, in_file, load_arrays, save_arrays, sha256
from tinybnn.model import net
from tinybnn.model.deploy import load_packed, pack_network, save_packed
from tinybnn.model.train import Training, check_training, load_run, save_run, start

SECONDS, BYTES = 10, 2**31
"""What one file may take, beyond what the program has already."""

CONFIG = net.Config(width=4, stages=1, depth=1, branches=2, heads=2, levels=(1, 2))
OUTCOMES = "refused", "no effect", "traceback", "wrong in silence", "hung"


# -- damage: functions of a generator and the bytes of a file, which return other bytes -----------------------------


def changed_bytes(rng, content):
    """One bit, one byte, a run of zeros, a piece missing, a piece twice, or only the beginning."""
    data, i, n = bytearray(content), int(rng.integers(len(content))), int(rng.integers(1, 64))
    how = rng.integers(6)
    if how == 0:
        data[i] ^= 1 << int(rng.integers(8))
    elif how == 1:
        data[i] = int(rng.integers(256))
    else:
        data[i:] = [data[i:][:n], bytes(n) + data[i + n :], data[i + n :], data[i : i + n] + data[i:], b""][how - 2]
    return bytes(data)


def one_bit(rng, content):
    i = int(rng.integers(len(content)))
    return content[:i] + bytes([content[i] ^ 1 << int(rng.integers(8))]) + content[i + 1 :]


def sealed(content):
    """The content of an npz, with the SHA-256 that belongs to it at the end."""
    return content[:-DIGITS] + sha256(content[:-DIGITS])


def one_structural_bit(rng, content):
    """One bit that belongs to no array; in half of the files the SHA-256 is made to fit."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        data = [(e.header_offset + 30 + len(e.filename), e.file_size) for e in archive.infolist()]
    free = np.ones(len(content), bool)
    for first, size in data:
        free[first + 20 + 128 : first + 20 + size] = False  # 20 bytes of extra field, 128 of NumPy's header
    i = int(rng.choice(np.flatnonzero(free)))
    other = content[:i] + bytes([content[i] ^ 1 << int(rng.integers(8))]) + content[i + 1 :]
    return sealed(other) if rng.random() < 0.5 else other


def crafted(rng, content):
    """An npz that is whole, with a SHA-256 that fits, but not what its config says."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "file.npz"
        path.write_bytes(content)
        kind = json.loads(np.load(path)[META].tobytes())["kind"]
        arrays, meta = load_arrays(path, kind)
        name = str(rng.choice(sorted(arrays)))
        a, config = arrays[name], meta["config"]
        wrong = {
            "a name less": lambda: arrays.pop(name),
            "a name more": lambda: arrays.update(extra=a),
            "another name": lambda: arrays.update({name + "x": arrays.pop(name)}),
            "float16": lambda: arrays.update({name: a.astype(np.float16)}),
            "another order of bytes": lambda: arrays.update({name: a.astype(a.dtype.newbyteorder())}),
            "int32": lambda: arrays.update({name: a.astype(np.int32)}),
            "pickled": lambda: arrays.update({name: a.astype(object)}),
            "an axis more": lambda: arrays.update({name: a[None]}),
            "an axis less": lambda: arrays.update({name: a.reshape(-1)[0]}),
            "a row more": lambda: arrays.update({name: np.concatenate([a, a])}),
            "nan": lambda: arrays.update({name: np.full(a.shape, np.nan, np.float32)}),
            "bits in the tail": lambda: arrays.update({name: np.full(a.shape, -1 - a.astype(np.int8)).astype(a.dtype)}),
            "no meta": lambda: meta.clear(),
            "another kind": lambda: meta.update(kind="other"),
            "no config": lambda: meta.pop("config"),
            "a list": lambda: meta.update(config=[]),
            "deep": lambda: meta.update(config=json.loads("[" * 300 + "]" * 300)),
            **{f"{k}: {v!r}": lambda k=k, v=v: config.update({k: v}) for k, v in BAD_SETTINGS},
        }
        if kind == "run":
            training = meta["training"]
            wrong |= {f"step {v}": lambda v=v: meta.update(step=v) for v in (-1, 1, 10**30, 0.0, "0", None, True)}
            wrong |= {"a loss": lambda: arrays.update(losses=np.zeros(1)), "no losses": lambda: arrays.pop("losses")}
            wrong |= {f"{k}: {v}": lambda k=k, v=v: training.update({k: v}) for k, v in BAD_TRAINING}
            wrong["below 0"] = lambda: arrays.update({"state/stem.var": -arrays["state/stem.var"]})
            wrong["no moments"] = lambda: [arrays.pop(k) for k in list(arrays) if k.startswith("moments")]
        if kind == "run" or a.dtype != np.uint64:
            del wrong["bits in the tail"]
        how = str(rng.choice([*wrong, "header"]))
        if how != "header":
            wrong[how]()
            save_arrays(path, arrays, meta)
            return path.read_bytes()
    return asking_for_memory(rng, content)


BAD_SETTINGS = [
    ("depth", -1), ("stages", 10**9), ("stages", 10**400), ("width", 5), ("width", 4.0), ("branches", 10**6),
    ("classes", 1), ("classes", 3), ("binary", "false"), ("binary", 0), ("binary", None), ("levels", []), ("levels", 1),
    ("levels", ["1"]), ("heads", 3), ("size", 0), ("residual", 1), ("pad_value", True), ("quantizer", ["tanh"]),
    ("gate", "x"), ("other", 1),
]  # fmt: skip
BAD_TRAINING = [
    ("steps", 0), ("batch", 10**12), ("crop", 1.5), ("lr", "1"), ("lr", float("nan")), ("lr", 10**400), ("zoom", [1]),
    ("zoom", [2, 1]), ("zoom", 1), ("flip", 2), ("clip", "yes"), ("seed", -1), ("loss", None), ("other", 1),
]  # fmt: skip


def asking_for_memory(rng, content):
    """One header gives another size: 4 GB, a size that overflows, fewer numbers, or sizes below zero."""
    shape = str(rng.choice(["(1000000000,)", f"({2**62}, 8)", "(1,)", "(-1, -4)", "(0, 1)", "('x',)", "(" * 90]))
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(file, "w") as new:
        names = old.namelist()
        spoilt = str(rng.choice(names))
        for name in names:
            data = old.read(name)
            if name == spoilt:
                head = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
                data = data[:10] + head.encode() + data[128:]
            new.writestr(zipfile.ZipInfo(name), data)
        new.comment = b"0" * DIGITS
    return sealed(file.getvalue())


def changed_json(rng, content):
    """A text with another character, or one that is JSON and no configuration."""
    text, i = content.decode(), int(rng.integers(len(content)))
    written = json.loads(text)
    how = rng.integers(4)
    if how == 0:
        return (text[:i] + str(rng.choice(list('09.-e"[]{},: tn'))) + text[i + 1 :]).encode()
    if how == 1:
        return changed_bytes(rng, content)
    if how == 2:
        part, choices = [("network", BAD_SETTINGS), ("training", BAD_TRAINING)][rng.integers(2)]
        name, value = choices[rng.integers(len(choices))]
        written[part][name] = value
        return json.dumps(written).encode()
    whole = [text.encode("utf-16"), text.encode("utf-8-sig"), b"[]", b"null", b"1", b'""', b"", b"[" * 10**5,
             b'{"network": []}', b'{"training": null}', b'{"network": {"size": 32, "size": 64}}', b"{} {}",
             b'{"training": {"steps": ' + b"9" * 5000 + b"}}", b'{"other": {}}', b'{"data": 1}']  # fmt: skip
    return whole[rng.integers(len(whole))]


# -- what is damaged ------------------------------------------------------------------------------------------------


def read_settings(path):
    with in_file(path):
        config, training = settings(path, {}, {}, 2)
        return net.check_config(config), check_training(training)


def as_written(path):
    """What a configuration says, by another way: each value as JSON gives it, and the defaults."""
    written = json.loads(path.read_bytes())
    training = Training()._asdict() | written.get("training", {})
    network = net.Config(size=training["crop"])._asdict() | written.get("network", {})
    training |= {k: float(v) for k, v in training.items() if k in ("lr", "flip", "jitter", "paint") and type(v) is int}
    training["zoom"] = tuple(map(float, training["zoom"]))
    return net.Config(**network | {"levels": tuple(network["levels"])}), Training(**training)


def files(folder):
    """Of each kind: the path of a whole file, the function that reads it, and the ways to damage it."""
    from PIL import Image

    run = start(CONFIG, Training(steps=3, crop=32, batch=2))
    save_run(folder / "run.npz", run)
    save_packed(folder / "packed.npz", pack_network(run.params, run.state, run.config))
    written = {"network": CONFIG._asdict(), "training": run.training._asdict()}
    (folder / "config.json").write_text(json.dumps(written, indent=2))
    disc = np.hypot(*np.mgrid[-32:32, -32:32]) < 20
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    road = np.stack([np.full(disc.shape, 255), 0 * disc, 255 * disc], -1)
    for name, array in (("image", noise), ("ids", np.where(disc, 7, 23)), ("grey", 255 * disc), ("road", road)):
        Image.fromarray(array.astype(np.uint8)).save(folder / f"{name}.png")
    Image.fromarray(disc).save(folder / "bit.png")
    yield "packed.npz, random and crafted", folder / "packed.npz", load_packed, (changed_bytes, crafted)
    yield "run.npz, random and crafted", folder / "run.npz", load_run, (changed_bytes, crafted)
    yield "one bit of the zip's own structure", folder / "run.npz", load_run, (one_structural_bit,)
    yield "--config JSON", folder / "config.json", read_settings, (changed_json,)
    bits = one_bit, changed_bytes
    yield "PNG image", folder / "image.png", images.read_image, bits
    yield "PNG label ids", folder / "ids.png", images.city_label, bits
    yield "PNG mask: grey", folder / "grey.png", images.object_label, bits
    yield "PNG mask: 1-bit", folder / "bit.png", images.object_label, bits
    yield "PNG mask: road colours", folder / "road.png", images.road_label, bits


def outcome(path, read, whole):
    """What happens when the file is read; ``whole`` is what it should give."""
    try:
        with limits():
            value = read(path)
    except (ValueError, OSError) as error:
        return "refused" if str(path) in str(error) and "\n" not in str(error) else "traceback"
    except Hung:
        return "hung"
    except Exception:  # whatever it is, the command line would print it as a traceback
        return "traceback"
    expected = as_written(path) if read is read_settings else whole
    return "no effect" if frozen(value) == frozen(expected) else "wrong in silence"


def frozen(value):
    """A value to compare by ``==``, with its types and every bit of its arrays."""
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, value.tobytes()
    if isinstance(value, dict):
        return {k: frozen(v) for k, v in value.items()}
    return tuple(map(frozen, value)) if isinstance(value, tuple) else (type(value), value)


class Hung(BaseException):
    """A file took too long."""


@contextmanager
def limits():
    """Limit time and memory, where the system can."""
    if os.name == "nt":
        yield
        return
    import resource

    def hung(*_):
        raise Hung

    before = resource.getrlimit(resource.RLIMIT_AS)
    if sys.platform == "linux":
        taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (taken + BYTES, before[1]))
    old = signal.signal(signal.SIGALRM, hung)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)
        resource.setrlimit(resource.RLIMIT_AS, before)


def damage(folder, count, seed=0):
    """A row for each kind of file: how many damaged ones had each outcome. Print the first of each bad one."""
    rows = []
    for name, path, read, ways in files(folder):
        rng, content, whole, found = np.random.default_rng(seed), path.read_bytes(), read(path), []
        for i in range(count):
            other = content
            while other == content:
                other = ways[i % len(ways)](rng, content)
            path.write_bytes(other)
            found.append(outcome(path, read, whole))
            if found[-1] in OUTCOMES[2:] and found.count(found[-1]) == 1:
                print(f"{name}: damaged file {i} of seed {seed}: {found[-1]}", file=sys.stderr)
        path.write_bytes(content)
        rows.append([name, count, *(found.count(o) for o in OUTCOMES)])
    return rows


# -- killed trainings -----------------------------------------------------------------------------------------------


def killed(folder, count, seed=0):
    """How many of ``count`` trainings, killed at a random moment and resumed, end with the arrays of a whole one."""

    def command(out, *more):
        options = ["--steps", "20", "--every", "3", "--batch", "2", "--crop", "32", "--width", "4", "--stages", "1"]
        return [sys.executable, "-m", "tinybnn", "train", "--data", "photos", "--out", str(out), *options, *more]

    quiet, rng = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}, np.random.default_rng(seed)
    begin = time.monotonic()
    subprocess.run(command(folder / "whole"), check=True, **quiet)
    seconds, equal = time.monotonic() - begin, 0
    whole = frozen(load_run(folder / "whole" / "run.npz"))
    for i in range(count):
        out = folder / str(i)
        process = subprocess.Popen(command(out), **quiet)
        time.sleep(rng.uniform(0, seconds))
        process.kill()
        process.wait()
        more = ["--resume"] * (out / "run.npz").exists()  # it may have been killed while Python started
        subprocess.run(command(out, *more), check=True, **quiet)
        left = sorted(path.name for path in out.iterdir())
        equal += frozen(load_run(out / "run.npz")) == whole and left == ["config.json", "run.npz", "scores.json"]
    return equal


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=1000, help="damaged files of each kind (default %(default)s)")
    parser.add_argument("--kill", type=int, default=0, help="trainings to kill (default %(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    a = parser.parse_args()
    bad = 0
    with TemporaryDirectory() as folder:
        if a.count:
            rows = damage(Path(folder), a.count, a.seed)
            table(["damaged, then loaded as the command line does", "tried", *OUTCOMES], rows)
            bad += sum(sum(row[4:]) for row in rows)
        if a.kill:
            equal = killed(Path(folder), a.kill, a.seed)
            print(f"killed at a random moment and resumed: {equal} of {a.kill} equal the whole run")
            bad += a.kill - equal
    return 1 if bad else 0


if __name__ == "__main__":
    raise SystemExit(main())
