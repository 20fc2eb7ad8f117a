"""Check one function of a file in a process of its own: ``python -m tinybnn.testing.child TASK VERDICT MB``.

TASK is JSON with file, name, examples and seed. The verdict is written into the file VERDICT, because the candidate may
print to standard output.
"""

import importlib.util
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from ..data.store import save_json
from .candidate import in_one_line
from .checks import Mismatch, check
from .drawing import some_cases
from .forms import form_of
from .grade import OK, WRONG


def main(task: str, verdict: str, megabytes: str) -> None:
    """Check the function and write the verdict."""
    limit_memory(int(megabytes))
    mark, text = judge(**json.loads(task))
    save_json(verdict, {"mark": mark, "text": text})


def limit_memory(megabytes: int) -> None:
    """Limit the address space. Windows cannot do this, and macOS ignores it."""
    if sys.platform != "win32":
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_AS)
        wanted = megabytes * 2**20
        resource.setrlimit(resource.RLIMIT_AS, (wanted if hard < 0 else min(wanted, hard), hard))


def judge(file: str, name: str, examples: int, seed: int) -> tuple[str, str]:
    """The mark of function ``name`` in ``file`` and the reason for it."""
    try:
        module = loaded(Path(file))
        candidate = getattr(module, name)
    except (Exception, SystemExit) as error:
        return WRONG, f"{name}: {Path(file).name} cannot be loaded, {type(error).__name__}: {in_one_line(error)}"
    try:
        check(name, candidate, max_examples=examples, seed=seed, forward=own_forward(module, name))
    except (Mismatch, ValueError, TypeError) as error:
        return WRONG, str(error)
    return OK, ""


def loaded(path: Path) -> ModuleType:
    """The file as a module. As in a normal run, its folder is on the import path."""
    sys.path.insert(0, str(path.parent))
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path.name} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def own_forward(module: ModuleType, name: str) -> Callable | None:
    """The file's own forward function, which makes the cache for its backward function; None if it is not right."""
    form = form_of(name)
    forward: Any = getattr(module, form.op.name, None)
    if form.kind != "backward" or forward is None:
        return None
    try:
        check(form.op.name, forward, max_examples=10)
        (case,) = some_cases(form, 1)
        out = forward(*case.args, **case.options)
    except (Exception, SystemExit):
        return None
    return forward if isinstance(out, tuple) and len(out) == 2 else None


if __name__ == "__main__":
    main(*sys.argv[1:])
