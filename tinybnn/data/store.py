"""Files that are either complete or absent: each is written under a temporary name and then renamed.

Nothing is pickled. An ``.npz`` holds arrays and one JSON text with everything else, so that no file can run code. Its
last 64 bytes, which are the comment of the zip, are the SHA-256 of all bytes before them, so that no damage is missed.
"""

import io
import json
import math
import os
import reprlib
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, get_args, get_type_hints

import numpy as np

from ..notation import Array

META = "meta.json"
"""The entry of an ``.npz`` that holds the bytes of the JSON text."""

DIGITS = 64
"""The number of hexadecimal digits of a SHA-256."""


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
    except BaseException as error:
        Path(temporary).unlink(missing_ok=True)  # an interrupt may come just after the rename
        if isinstance(error, OSError):
            error.filename = str(path)
        raise


def need_writable(folder: Path) -> None:
    """Refuse a folder that cannot be made or written; nothing is made."""
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    if not there.is_dir() or not os.access(there, os.W_OK):
        raise ValueError(f"{folder}: cannot be written, expected a folder that can be made and written")


@contextmanager
def locked(folder: Path, names: Collection[str]) -> Iterator[None]:
    """Hold a folder against every other process that calls this; the system ends the lock when the process ends.

    What dead processes left of the files ``names``, each written by :func:`write_whole`, is removed first.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = folder / ".lock"
    with open(lock, "ab") as file:
        try:
            if sys.platform == "win32":
                import msvcrt

                msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
            else:
                import fcntl

                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not os.path.samestat(os.fstat(file.fileno()), lock.stat()):
                raise BlockingIOError  # the file was removed by a process that has just ended
        except (BlockingIOError, PermissionError, FileNotFoundError):
            raise ValueError(f"{folder}: another process is training into it, expected another folder") from None
        for name in names:
            for left in folder.glob(f".{name}.????????"):
                left.unlink()
        try:
            yield
        finally:
            if os.name != "nt":  # Windows removes no open file
                lock.unlink(missing_ok=True)


def save_json(path: Path | str, value: Any) -> None:
    """Write ``value`` as indented JSON."""
    write_whole(path, lambda file: file.write((json.dumps(value, indent=2) + "\n").encode()))


def load_json(path: Path | str) -> Any:
    """The value of a JSON file in UTF-8; a ``ValueError`` for other files does not name them, see :func:`in_file`."""
    try:
        return json.loads(Path(path).read_bytes().decode(), object_pairs_hook=_each_once)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not JSON in UTF-8 ({error})") from None


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    if twice := [name for name in names if names.count(name) > 1]:
        raise ValueError(f"{twice[0]} comes twice")
    return dict(pairs)


def sha256(content: bytes) -> bytes:
    """The SHA-256 of some bytes, as hexadecimal digits."""
    import hashlib

    return hashlib.sha256(content).hexdigest().encode()


def save_arrays(path: Path | str, arrays: dict[str, Any], meta: dict[str, Any]) -> None:
    """Write a dict of arrays, and ``meta`` as JSON, to one ``.npz`` that ends in the SHA-256 of its other bytes."""
    import zipfile

    file, text = io.BytesIO(), np.frombuffer(json.dumps(meta).encode(), np.uint8)
    np.savez(file, **arrays, **{META: text})  # type: ignore[arg-type]
    with zipfile.ZipFile(file, "a") as archive:
        archive.comment = b"0" * DIGITS
    content = file.getvalue()[:-DIGITS]
    write_whole(path, lambda file: file.write(content + sha256(content)))


def load_arrays(path: Path | str, kind: str) -> tuple[dict[str, Array], dict[str, Any]]:
    """Read ``(arrays, meta)`` again; a ``ValueError`` of one line if the file is damaged or holds no ``kind``."""
    if not Path(path).is_file():
        raise ValueError(f"{path}: no such file, expected a tinybnn {kind}")
    content = Path(path).read_bytes()
    try:
        if content[-DIGITS:] != sha256(content[:-DIGITS]):
            raise ValueError("it does not end in the sha256 of its bytes: damaged, or of another program or version")
        arrays = _unzipped(content)
        meta = json.loads(arrays.pop(META).tobytes())
        found = meta["kind"]
    except Exception as error:  # zipfile, NumPy and json raise a dozen kinds for bytes that were made on purpose
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"{path}: not a tinybnn {kind} ({reason})") from None
    if found != kind:
        raise ValueError(f"{path}: holds a {found}, expected a {kind}")
    return arrays, meta


def _unzipped(content: bytes) -> dict[str, Array]:
    """The arrays in the bytes of an ``.npz``; nothing is allocated that is larger than these bytes."""
    import warnings
    import zipfile

    arrays: dict[str, Array] = {}
    with zipfile.ZipFile(io.BytesIO(content)) as archive, warnings.catch_warnings():
        warnings.simplefilter("error")  # NumPy warns of headers that only old versions wrote
        entries = archive.infolist()
        if sum(e.file_size for e in entries) > len(content) or any(e.compress_type for e in entries):
            raise ValueError("its entries are compressed, or larger than the file")
        for entry in entries:
            name, file = entry.filename.removesuffix(".npy"), io.BytesIO(archive.read(entry))
            version = np.lib.format.read_magic(file)
            shape, columns_first, dtype = np.lib.format.read_array_header_1_0(file)
            data = bytearray(file.read())
            fits = math.prod(shape) * dtype.itemsize == len(data)
            if version != (1, 0) or dtype.kind not in "biuf" or not fits or name in arrays:
                raise ValueError(f"its entry {name} is not one plain array of the size that its header gives")
            arrays[name] = np.ndarray(shape, dtype, data, order="F" if columns_first else "C")
    return arrays


def need_arrays(arrays: dict[str, Array], shapes: dict[str, tuple[int, ...]], dtypes: dict[str, Any]) -> None:
    """Refuse other names, shapes and dtypes than these, and values that are not finite; float32 needs no mention."""
    if odd := sorted(arrays.keys() ^ shapes.keys()):
        raise ValueError(f"it {'has' if odd[0] in arrays else 'lacks'} {odd[0]}, expected the arrays of its config")
    for name, shape in shapes.items():
        array, dtype = arrays[name], np.dtype(dtypes.get(name, np.float32))
        if array.shape != shape or array.dtype != dtype:
            raise ValueError(f"{name} is {array.dtype} of shape {array.shape}, expected {dtype} of shape {shape}")
        if not np.isfinite(array).all():
            raise ValueError(f"{name} has values that are not finite")


@contextmanager
def in_file(path: Path | str) -> Iterator[None]:
    """Put the name of a file before the message of a ``ValueError`` about its contents."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


WORDS = {
    int: "a whole number", float: "a finite number", bool: "true or false", str: "a text", dict: "names and values",
}  # fmt: skip
"""What a setting of each type is called in a message."""


def options(kind: type[Any], values: Any) -> Any:
    """The NamedTuple ``kind`` from a dict, which JSON gave: names and types are those of its annotations.

    Lists become tuples, dicts the NamedTuples that are expected there, and whole numbers floats.
    """
    op = f"{kind.__module__.rpartition('.')[2]}.{kind.__name__}"
    if not isinstance(values, dict):
        raise ValueError(f"{op} is {reprlib.repr(values)}, expected {WORDS[dict]}")
    if unknown := sorted(set(values) - set(kind._fields)):
        raise ValueError(f"{op}: unknown option {', '.join(unknown)}, expected {', '.join(kind._fields)}")
    if missing := [name for name in kind._fields if name not in values and name not in kind._field_defaults]:
        raise ValueError(f"{op}: {', '.join(missing)} is missing")
    hints = get_type_hints(kind)
    return kind(**{name: _typed(f"{op}: {name}", value, hints[name]) for name, value in values.items()})


def _typed(name: str, value: Any, hint: Any) -> Any:
    """The value as ``hint`` wants it, or an error. A bool is no number, and 1.0 is no whole number."""
    kinds = get_args(hint)
    if type(None) in kinds:
        return None if value is None else _typed(name, value, kinds[0])
    if hasattr(hint, "_fields"):
        return value if isinstance(value, hint) else options(hint, value)
    if kinds:
        kinds = kinds[:1] * len(value) if kinds[-1] is Ellipsis and isinstance(value, (list, tuple)) else kinds
        if not isinstance(value, (list, tuple)) or len(value) != len(kinds):
            count = "" if Ellipsis in kinds else f"{len(kinds)} "
            raise ValueError(f"{name} is {reprlib.repr(value)}, expected a list of {count}values")
        return tuple(_typed(f"{name}[{i}]", *each) for i, each in enumerate(zip(value, kinds)))
    accepted = {int: (int, np.integer), float: (int, float, np.integer, np.floating)}.get(hint, hint)
    fits = isinstance(value, accepted) and (hint is bool or not isinstance(value, bool))
    if not fits or hint is float and not abs(value) <= sys.float_info.max:
        raise ValueError(f"{name} is {reprlib.repr(value)}, expected {WORDS[hint]}")
    return hint(value)
