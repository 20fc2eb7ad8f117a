"""A known mistake: one line of the library's own code, and what people write in its place.

:func:`mistakes` makes wrong versions of a function from pieces of its source. The function is the specification, whose
lines say what the operation is, or a backward pass or a packed form. A piece that is no longer in the source is refused
at import, so that the catalogue cannot fall behind the code. Where a line cannot say the mistake, a function does.
"""

import ast
import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any, NamedTuple

import numpy as np

from ..op import is_float


class Mistake(NamedTuple):
    """``wrong`` is a wrong version of the public function ``name``.

    ``reason`` is the mistake in a line, ``symptom`` what its author notices, ``met`` the public threads in which it was
    met, as owner/repository#number. ``right_line`` and ``wrong_line`` are the pieces of source, for the page.
    """

    name: str
    reason: str
    wrong: Callable
    symptom: str
    met: tuple[str, ...] = ()
    right_line: str = ""
    wrong_line: str = ""


def mistakes(function: Callable, *rows: tuple, name: str | None = None) -> tuple[Mistake, ...]:
    """Wrong versions of ``function``, one for each row.

    Parameters
    ----------
    function : callable
        Its name, without ``_loops``, is that of the public function, unless ``name`` gives another.
    rows : tuples
        ``(reason, right, wrong, symptom, *met)``: ``wrong`` is written in place of ``right``, a piece that occurs once
        in the source below the docstring. Two tuples of strings exchange several pieces.
        ``(reason, wrong, symptom, *met)``: ``wrong`` is a function.

    Examples
    --------
    >>> from tinybnn.ops.binarize import sign_loops
    >>> row = "sign(0) = 0", "1.0 if x[i] >= 0 else -1.0", "np.sign(x[i])", "a third value"
    >>> (ternary,) = mistakes(sign_loops, row)
    >>> ternary.wrong(np.array([-2.0, 0.0]))
    array([-1.,  0.])
    """
    name = name or function.__name__.removesuffix("_loops")
    made = []
    for reason, *how in rows:
        if callable(how[0]):
            wrong, symptom, *met = how
            made.append(Mistake(name, reason, wrong, symptom, tuple(met)))
        else:
            right, written, symptom, *met = how
            pieces = [(right, written)] if isinstance(right, str) else list(zip(right, written))
            wrong = substituted(function, pieces)
            lines = ("\n".join(part) for part in zip(*pieces))
            made.append(Mistake(name, reason, wrong, symptom, tuple(met), *lines))
    return tuple(made)


def substituted(function: Callable, pieces: list[tuple[str, str]], **other: Any) -> Callable:
    """``function`` with pieces of its source exchanged, and with ``other`` objects for some of the names it uses.

    The result of a specification gets the dtype of its arguments.
    """
    source = body_of(function)
    for right, written in pieces:
        if source.count(right) != 1:
            raise ValueError(f"mistakes: {function.__name__} has {right!r} {source.count(right)} times, expected once")
        source = source.replace(right, written)
    names = dict(function.__globals__) | other
    exec(compile(source, f"<a wrong {function.__name__}>", "exec"), names)
    changed = names[function.__name__]
    return in_own_dtype(changed) if function.__name__.endswith("_loops") else changed


def body_of(function: Callable) -> str:
    """The source of a function without its docstring."""
    source = inspect.getsource(function)
    statement = ast.parse(source).body[0]
    if not isinstance(statement, ast.FunctionDef):
        raise TypeError(f"mistakes: {function!r} is no function with a def")
    if ast.get_docstring(statement) is None:
        return source
    lines, docstring = source.splitlines(keepends=True), statement.body[0]
    return "".join(lines[: docstring.lineno - 1] + lines[docstring.end_lineno :])


def in_own_dtype(spec: Callable) -> Callable:
    """A specification as a candidate: it computes in float64, and a candidate returns the dtype that it was given."""

    @wraps(spec)
    def candidate(*args: Any, **options: Any) -> Any:
        y = spec(*args, **options)
        dtype = next((a.dtype for a in args if is_float(a)), None)
        return y if dtype is None or np.asarray(y).dtype.kind != "f" else np.asarray(y).astype(dtype)[()]

    return candidate
