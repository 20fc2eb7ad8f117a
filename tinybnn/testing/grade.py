"""Check the functions of a file, each in a process of its own; print a table and write a report for Gradescope.

The file is not run in this process: the names that it defines are read from its source. A function that hangs, takes
all memory, prints, crashes the interpreter or ends it affects only its own mark. This protects against mistakes, not
against attackers: a submission runs with the rights of the person who grades it.
"""

import ast
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ..data.store import save_json
from .forms import FORMS, form_of

OK, WRONG, MISSING, FAILED = "ok", "wrong", "missing", "failed"
"""Right; wrong or refused by the check; not in the file; the process ended without a verdict."""


class Limit(NamedTuple):
    """The time and the address space that a function may use. Not every system can limit address space."""

    seconds: float = 60.0
    megabytes: int = 2048


class Verdict(NamedTuple):
    """The mark of one function and its reason; ``printed`` is its standard output and standard error."""

    name: str
    mark: str
    text: str
    printed: str = ""


def functions_in(path: Path) -> list[str]:
    """The names of operations that a file defines, imports or assigns at its top level, in the order of the file."""
    try:
        tree = ast.parse(path.read_bytes(), str(path))
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None)
        raise ValueError(f"check: {path} is no Python{f', line {line}' if line else ''}: {error}") from None
    found: list[str] = []
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found.append(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found += [alias.asname or alias.name for alias in node.names]
        elif isinstance(node, ast.Assign):
            found += [name.id for target in node.targets for name in ast.walk(target) if isinstance(name, ast.Name)]
    return list(dict.fromkeys(name for name in found if name in FORMS))


def grade(
    path: Path, names: Sequence[str] = (), *, examples: int = 100, seed: int = 0, limit: Limit | None = None
) -> Iterator[Verdict]:
    """Check functions of the file ``path``: those in ``names``, or all that have the name of an operation.

    Raises
    ------
    ValueError
        If the file is not valid Python or has no operation, or if a name is unknown.
    """
    path, limit = Path(path), limit or Limit()
    there = functions_in(path)
    for name in names:
        form_of(name)
    if not there and not names:
        raise ValueError(f"check: {path} defines no function that bears an operation's name, conv2d for one")
    return (judged(path, name, name in there, examples, seed, limit) for name in names or there)


def judged(path: Path, name: str, there: bool, examples: int, seed: int, limit: Limit) -> Verdict:
    """Check one function in a process of its own, if the file defines it."""
    if not there:
        return Verdict(name, MISSING, f"{name}: {path.name} does not define it")
    with tempfile.TemporaryDirectory() as folder:
        verdict, printed = Path(folder, "verdict.json"), Path(folder, "printed")
        task = {"file": str(path.resolve()), "name": name, "examples": examples, "seed": seed}
        environment = os.environ | {"HYPOTHESIS_STORAGE_DIRECTORY": folder, "PYTHONDONTWRITEBYTECODE": "1"}
        command = [sys.executable, "-m", "tinybnn.testing.child", json.dumps(task), str(verdict), str(limit.megabytes)]
        with open(printed, "wb") as output:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=path.resolve().parent,
                env=environment,
                start_new_session=os.name == "posix",
            )
            try:
                status: int | None = process.wait(limit.seconds)
            except subprocess.TimeoutExpired:
                status = None
            finally:
                stop(process)
        heard = printed.read_bytes()[:4096].decode(errors="replace")
        if status == 0 and verdict.is_file():
            said = json.loads(verdict.read_text(encoding="utf-8"))
            return Verdict(name, said["mark"], said["text"], heard)
        return Verdict(name, FAILED, f"{name}: {ending(status, limit)}", heard)


def stop(process: subprocess.Popen) -> None:
    """End a process and the processes that it started."""
    if os.name == "posix":
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return  # the whole group has ended already
    else:
        process.kill()
    process.wait()


def ending(status: int | None, limit: Limit) -> str:
    """Why a process has no verdict."""
    if status is None:
        return f"took longer than {limit.seconds:g} s"
    if status < 0:
        return f"crashed the interpreter ({signal.Signals(-status).name})"
    return f"ended its process with status {status} before there was a verdict"


# -- reports --------------------------------------------------------------------------------------------------------


def gradescope(verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """The content of Gradescope's ``results.json``: one test per function, worth one point."""
    return {
        "tests": [
            {
                "name": v.name,
                "score": 1.0 if v.mark == OK else 0.0,
                "max_score": 1.0,
                "output": v.text if v.mark != OK else "right on every input tried",
                "visibility": "visible",
            }
            for v in verdicts
        ]
    }


def report(path: Path, names: Sequence[str], *, results: Path | None, **chosen: Any) -> int:
    """Print a line per function as soon as it is checked, then the reasons; return the exit status."""
    coming, verdicts = grade(path, names, **chosen), []
    width = max(map(len, [*(names or functions_in(path)), "function"]))
    print(f"{'function':{width}s}  verdict")
    for v in coming:
        verdicts.append(v)
        print(f"{v.name:{width}s}  {v.mark}" + (", and it prints" if v.printed and v.mark == OK else ""), flush=True)
    wrong = [v for v in verdicts if v.mark != OK]
    for v in wrong:
        print(f"\n{v.text}" + (f"\n  it printed: {v.printed.strip().splitlines()[-1]}" if v.printed.strip() else ""))
    print(f"\n{len(verdicts) - len(wrong)} of {len(verdicts)} right")
    if results:
        save_json(results, gradescope(verdicts))
    return 1 if wrong else 0


def listing() -> int:
    """Print every function that can be checked, with its arguments and the version of its specification."""
    for name, form in FORMS.items():
        arguments = "dy, cache" if form.kind == "backward" else ", ".join(form.parameters)
        print(f"{name}({arguments})  version {form.op.version}")
    return 0
