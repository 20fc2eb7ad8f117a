"""Files that are either complete or absent: each is written under a temporary name and then renamed.

Nothing is pickled. An ``.npz`` holds arrays and one JSON text with everything else, so that no file can run code.
"""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ..notation import Array

META = "meta.json"
"""The entry of an ``.npz`` that holds the bytes of the JSON text."""


def write_whole(path: Path | str, write: Callable[[BinaryIO], object]) -> None:
    """Call ``write(file)`` on a temporary file beside ``path``, then rename it; after any error, remove it."""
    import tempfile

    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        umask = os.umask(0)  # the only way to read it is to set it
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)  # mkstemp lets only the owner read
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def save_json(path: Path | str, value: Any) -> None:
    """Write ``value`` as indented JSON."""
    write_whole(path, lambda file: file.write((json.dumps(value, indent=2) + "\n").encode()))


def save_arrays(path: Path | str, arrays: dict[str, Any], meta: dict[str, Any]) -> None:
    """Write a dict of arrays, and ``meta`` as JSON, to one ``.npz``."""
    text: Any = np.frombuffer(json.dumps(meta).encode(), np.uint8)
    write_whole(path, lambda file: np.savez(file, **arrays, **{META: text}))


def load_arrays(path: Path | str, kind: str) -> tuple[dict[str, Array], dict[str, Any]]:
    """Read ``(arrays, meta)`` again; a ``ValueError`` of one line if ``meta["kind"]`` is not ``kind``."""
    import zipfile

    try:
        with open(path, "rb") as handle, np.load(handle, allow_pickle=False) as file:
            arrays = {k: file[k] for k in file.files}
        meta = json.loads(arrays.pop(META).tobytes())
    except FileNotFoundError:
        raise ValueError(f"{path}: no such file, expected a tinybnn {kind}") from None
    except (OSError, KeyError, ValueError, zipfile.BadZipFile, EOFError) as error:
        raise ValueError(f"{path}: not a tinybnn {kind} ({str(error) or type(error).__name__})") from None
    if meta.get("kind") != kind:
        raise ValueError(f"{path}: holds a {meta.get('kind')}, expected a {kind}")
    return arrays, meta


def options(kind: type[Any], values: dict[str, Any]) -> Any:
    """The NamedTuple ``kind`` from a dict that JSON gave: lists become tuples, unknown names are refused."""
    unknown = sorted(set(values) - set(kind._fields))
    if unknown:
        raise ValueError(f"{kind.__name__}: unknown option {', '.join(unknown)}, expected {', '.join(kind._fields)}")
    return kind(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})
