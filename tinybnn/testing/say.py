"""A mismatch in words: what failed, where, on which input, and why it probably did."""

import inspect
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..notation import Array
from .forms import Form, Trial
from .op import Words

SHOWN = 64
"""Elements of an array that are printed; of larger ones the first few, or the one value that fills them."""


class Failure(NamedTuple):
    """``what`` is wrong in one line; ``kind`` tells failures apart; ``got`` is None where there is no result."""

    kind: str
    what: str
    trial: Trial
    got: Any = None
    expected: Any = None


def message(form: Form, failure: Failure, causes: Iterable[str]) -> str:
    """All of it: one line that says what, the likely cause, the input, and where the specification stands.

    No input is to blame for a wrong signature, or for a function that is not written.
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
    """A value as one would type it; a large array by its shape and its beginning."""
    if isinstance(a, Words):
        return f"{shown(a.array)}  # {a.n} bit{'s' * (a.n > 1)} a row"
    if isinstance(a, np.ndarray):
        return shown_array(a)
    if isinstance(a, tuple) and hasattr(a, "_fields") and not hasattr(a, "name"):
        return f"{type(a).__name__}({', '.join(f'{k}={shown(v)}' for k, v in zip(a._fields, a))})"
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
    """Where the numbers come from, as ``tinybnn/ops/conv.py, conv2d_loops``."""
    spec = inspect.unwrap(form.op.spec)
    path = Path(inspect.getsourcefile(spec) or "").resolve()
    parts = path.parts[path.parts.index("tinybnn") :] if "tinybnn" in path.parts else path.parts[-1:]
    # The last "tinybnn" on the path is the package, not a folder that a clone lies in.
    while "tinybnn" in parts[1:]:
        parts = parts[parts.index("tinybnn", 1) :]
    return f"{'/'.join(parts)}, {spec.__name__}"
