"""The command line: demo, compare, train, evaluate, predict, pack, info, check, vectors.

A wrong input is reported in one line on standard error, with exit status 2. A packed network that differs from its
simulation gives exit status 1. Ctrl-C gives 130, and another signal that ends a program 128 and its number: whatever
Ctrl-C saves is saved then too. What the verbs do is in ``verbs.py``.
"""

import argparse
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

from ..data.images import DataWarning
from ..data.samples import LAYOUTS, SPLITS
from ..model import net
from ..model.train import Training, TrainingError
from . import verbs
from .demo import demo
from .process import INTERRUPTED, Output, message_of, signals

DATA = f"KIND:PATH, KIND one of {', '.join(LAYOUTS)}; photos and street are shipped and need no PATH"

SWITCHES = {
    "strict": "refuse images without a label, and labels without an image",
    "normalise": "stretch each saliency prediction to [0, 1], as py_sod_metrics does",
    "plain": "run a packed network in its plain form, which is slower",
}
"""The switches that several verbs share."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb, a function of the arguments that its options name; return the exit status."""
    out: Any = Output(sys.stdout, needed=True)
    err: Any = Output(sys.stderr, needed=False)
    with redirect_stdout(out), redirect_stderr(err), notices(), signals() as last:
        try:
            try:
                arguments = vars(parser().parse_args(argv))
                status = arguments.pop("verb")(**arguments) or 0
            finally:
                out.flush()
        except (ValueError, TypeError, OSError, ImportError, TrainingError, MemoryError, RecursionError) as error:
            print(f"tinybnn: {message_of(error)}", file=sys.stderr)
            return 2
        except KeyboardInterrupt:
            print("tinybnn: interrupted", file=sys.stderr)
            status = INTERRUPTED
        return 128 + last[0] if status == INTERRUPTED else status


@contextmanager
def notices() -> Iterator[None]:
    """Print each warning about data once, in one line on standard error, above a progress bar if there is one."""
    said = set[str]()

    def say(message: Warning | str, *_: Any, **__: Any) -> None:
        from tqdm import tqdm

        if str(message) not in said:
            said.add(str(message))
            tqdm.write(f"tinybnn: {message}", file=sys.stderr)

    with warnings.catch_warnings():
        warnings.simplefilter("always", DataWarning)
        warnings.showwarning = say
        yield


def parser() -> argparse.ArgumentParser:
    """The parser of all verbs. The options of networks and trainers are the fields of their NamedTuples."""
    top = argparse.ArgumentParser(prog="tinybnn", description="Binary neural networks for dense prediction, in NumPy.")
    parsers = top.add_subparsers(required=True, metavar="VERB")

    def verb(function, text, *switches):
        p = parsers.add_parser(function.__name__.removeprefix("run_"), help=text, description=text)
        p.set_defaults(verb=function)
        for switch in switches:
            p.add_argument(f"--{switch}", action="store_true", help=SWITCHES[switch])
        return p

    p = verb(demo, "train four networks on shipped pictures, compare, pack, check, draw", "plain")
    p.add_argument("--out", type=Path, default=Path("tinybnn-demo"), help="folder for results (default %(default)s)")
    p.add_argument("--data", default="photos", help="photos (default) or street")
    p.add_argument("--steps", type=int, help="training steps of each network")
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--quick", action="store_true", help="a twentieth of the steps: see it run, do not trust the scores")

    p = verb(verbs.run_compare, "the four networks over several paired seeds, with spread", "strict", "normalise")
    p.add_argument("--out", type=Path, help="folder for comparison.json")
    p.add_argument("--data", default="photos", help=f"{DATA}; default %(default)s")
    p.add_argument("--seeds", type=int, default=5)
    add_options(p.add_argument_group("network"), net.Config, skip=("classes", "binary", "branches", "attention"))
    add_options(p.add_argument_group("trainer; photos and street have a recipe of their own"), Training, skip=("seed",))

    p = verb(verbs.run_train, "train one network", "strict")
    p.add_argument("--data", required=True, help=DATA)
    p.add_argument("--out", type=Path, required=True, metavar="RUN", help="folder of the run")
    p.add_argument("--config", type=Path, help='JSON file {"network": {...}, "training": {...}}; options overrule it')
    p.add_argument("--resume", action="store_true", help="go on from RUN's last checkpoint, with RUN's options")
    p.add_argument("--overwrite", action="store_true", help="replace the run that RUN holds")
    p.add_argument("--every", type=int, default=50, help="steps between checkpoints (default %(default)s)")
    add_options(p.add_argument_group("network"), net.Config, skip=("classes",))
    add_options(p.add_argument_group("trainer"), Training)

    p = verb(verbs.run_evaluate, "score a run, or a packed network, on the held-out split", *SWITCHES)
    p.add_argument("model", type=Path, metavar="RUN", help="folder of a run, or a packed .npz")
    p.add_argument("--data", help=f"{DATA}; default: what it was trained on")
    p.add_argument("--split", default="val", choices=SPLITS)
    p.add_argument("--shrink", type=int, metavar="K", help="make the images K times smaller; default: as in training")

    p = verb(verbs.run_predict, "label images of any size, and draw overlays", "plain")
    p.add_argument("images", nargs="+", type=Path, metavar="IMAGE")
    p.add_argument("--model", type=Path, required=True, metavar="RUN", help="folder of a run, or a packed .npz")
    p.add_argument("--out", type=Path, required=True, help="folder for the results")
    text = "labels: class numbers, with colours; trainIds, labelIds: of Cityscapes, grey; probability: of class 1, grey"
    p.add_argument("--write", nargs="+", choices=verbs.WRITTEN, default=["labels", "overlay"],
                   help=f"{text} (default labels overlay)")  # fmt: skip

    p = verb(verbs.run_pack, "pack a trained network, and check it against its simulation", "plain")
    p.add_argument("model", type=Path, metavar="RUN", help="folder of a run")
    p.add_argument("--out", type=Path, help="file to write (default RUN/packed.npz)")
    p.add_argument("--data", help=f"{DATA}, to check it on; default: what it was trained on")

    p = verb(verbs.run_info, "the layer table: shapes, parameters, bits, multiplications, memory")
    p.add_argument("model", type=Path, nargs="?", metavar="RUN", help="folder of a run; without it, the options below")
    p.add_argument("--image", type=int, nargs=2, default=(64, 64), metavar=("H", "W"), help="size (default 64 64)")
    add_options(p.add_argument_group("network"), net.Config)

    p = verb(verbs.run_check, "compare the functions of a Python file with the operations of the same names")
    p.add_argument("file", type=Path, nargs="?", metavar="FILE.py")
    again = "check this one (again for more)"
    p.add_argument("--op", dest="names", action="append", default=[], metavar="NAME", help=again)
    p.add_argument("--json", dest="results", type=Path, metavar="results.json", help="write a report for Gradescope")
    p.add_argument("--examples", type=int, default=100, help="cases to draw for each (default %(default)s)")
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--time", type=float, default=60, help="seconds that each may take (default %(default)s)")
    p.add_argument("--memory", type=int, default=2048, help="megabytes that each may take (default %(default)s)")
    p.add_argument("--list", dest="listed", action="store_true", help="name every operation and its arguments")

    p = verb(verbs.run_vectors, "write inputs of an operation and the right results")
    p.add_argument("op", metavar="OP")
    p.add_argument("--count", type=int, default=10, help="calls (default %(default)s)")
    p.add_argument("--format", default="npz", choices=("npz", "json", "c", "hex"))
    p.add_argument("--out", type=Path, required=True, metavar="DIR")
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--word-bits", type=int, default=64, choices=(8, 16, 32, 64), help="default %(default)s")
    p.add_argument("--dtype", default="float32", choices=("float32", "float64"))
    return top


def add_options(group: Any, kind: type[Any], skip: Sequence[str] = ()) -> None:
    """Add an option for every field of a NamedTuple. Its default is None, so that the verb knows what was set."""
    for name, default in kind._field_defaults.items():
        if name in skip:
            continue
        flag, text = f"--{name.replace('_', '-')}", f"default {default}"
        if isinstance(default, bool):
            group.add_argument(flag, action=argparse.BooleanOptionalAction, default=None, help=text)
        elif isinstance(default, tuple):
            group.add_argument(flag, nargs="+", type=type(default[0]), metavar="N", help=text)
        else:
            group.add_argument(flag, type=type(default), metavar=type(default).__name__.upper(), help=text)
