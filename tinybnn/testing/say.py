"""The message of a mismatch: what is wrong, where, on which input, and the likely cause."""

import inspect
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..notation import Array
from .forms import Form, Trial
from .op import Words

SHOWN = 64
"""Arrays with more elements than this are not printed in full."""


class Failure(NamedTuple):
    """``what`` says in one line what is wrong; ``kind`` is the kind of failure; ``got`` is None without a result."""

    kind: str
    what: str
    trial: Trial
    got: Any = None
    expected: Any = None


def message(form: Form, failure: Failure, causes: Iterable[str]) -> str:
    """What is wrong in one line, the likely cause, the input, and the place of the specification.

    A wrong signature or a missing function fails on every input, so the message then has one line only.
    """
    trial = failure.trial
    if failure.kind in ("signature", "unwritten"):
        return f"{form.name}: {failure.what}"
    lines = [f"{form.name}: {failure.what}", *(f"  {cause}" for cause in causes)]
    lines.append(f"  smallest failing input{f' ({trial.note})' if trial.note else ''}:")
    if form.kind == "backward":
        lines.append(f"    dy = {shown(trial.args[0])}, and the cache of")
    args, options = trial.of or (trial.args, trial.options)
    lines += [f"    {name} = {shown(a)}" for name, a in zip(form.parameters, args)]
    lines += [f"    {name} = {shown(value)}" for name, value in options.items()]
    if failure.got is not None and 1 < np.size(failure.expected) <= SHOWN:
        lines += [f"  got      {shown(failure.got)}", f"  expected {shown(failure.expected)}"]
    return "\n".join([*lines, f"  specification: {specification(form)}, version {form.op.version}"])


def shown(a: Any) -> str:
    """A value as one would type it; of a large array the shape and the first values."""
    if isinstance(a, Words):
        return f"{shown(a.array)}  # {a.n} bit{'s' * (a.n > 1)} a row"
    if isinstance(a, np.ndarray):
        return shown_array(a)
    if isinstance(a, tuple) and hasattr(a, "_fields") and not hasattr(a, "name"):
        return f"{type(a).__name__}({', '.join(f'{k}={shown(v)}' for k, v in zip(a._fields, a))})"
    if isinstance(a, tuple) and not hasattr(a, "name"):
        return f"({', '.join(map(shown, a))}{',' * (len(a) == 1)})"
    return getattr(a, "name", None) or getattr(a, "__name__", None) or repr(a)


def shown_array(a: Array) -> str:
    if a.size > SHOWN:
        if (a == a.flat[0]).all():
            return f"np.full({a.shape}, {a.flat[0].item()!r}, np.{a.dtype})"
        return f"array of shape {a.shape}, {a.dtype}, beginning {a.ravel()[:8].tolist()}"
    formatter: Any = {"int": hex} if a.dtype == np.uint64 else None
    body = " ".join(np.array2string(a, separator=", ", formatter=formatter, floatmode="unique").split())
    return f"np.array({body.replace('[ ', '[')}, np.{a.dtype})"


def specification(form: Form) -> str:
    """The place of the specification, such as ``tinybnn/ops/conv.py, conv2d_loops``."""
    spec = inspect.unwrap(form.op.spec)
    package = Path(__file__).resolve().parent.parent  # the folder tinybnn
    path = Path(inspect.getsourcefile(spec) or "").resolve()
    inside = path.is_relative_to(package)
    return f"{path.relative_to(package.parent).as_posix() if inside else path.name}, {spec.__name__}"
