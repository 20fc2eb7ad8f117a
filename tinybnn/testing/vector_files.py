"""Golden vectors in files that other languages can read.

``npz`` and ``json`` are single files; ``c`` is a header with a harness (:mod:`.vectors_c`); ``hex`` is files for
Verilog's ``$readmemh`` with a test bench (:mod:`.vectors_hex`). Every format states operation, version, seed and
options. Its ``sha256`` is that of the arrays themselves, so that exports in different formats can be compared.
"""

from pathlib import Path
from typing import Any

import numpy as np

from .. import __version__
from ..data.store import load_arrays, save_arrays, save_json, write_whole
from ..notation import Array
from .forms import form_of
from .vectors import Vector, sha256, vectors
from .vectors_c import c_files
from .vectors_hex import hex_files

FORMATS = ("npz", "json", "c", "hex")


def manifest(name: str, calls: list[Vector], seed: int, bits: int) -> dict[str, Any]:
    """The description of the arrays."""
    return {
        "kind": "golden vectors",
        "operation": name,
        "version": form_of(name).op.version,
        "tinybnn": __version__,
        "seed": seed,
        "word_bits": bits,
        "sha256": sha256(calls),
        "vectors": [
            {
                "inputs": {k: described(a) for k, a in call.inputs.items()},
                "options": call.options,
                "outputs": {k: described(a) for k, a in call.outputs.items()},
                "bound": call.bound,
            }
            for call in calls
        ],
    }


def described(a: Array) -> dict[str, Any]:
    return {"dtype": a.dtype.name, "shape": list(a.shape)}


def save_vectors(
    name: str,
    out: Path | str,
    *,
    count: int = 10,
    format: str = "npz",
    seed: int = 0,
    bits: int = 64,
    dtype: Any = np.float32,
) -> list[Path]:
    """Write golden vectors of ``name`` into the folder ``out``; return the files. Parameters as in :func:`vectors`.

    Raises
    ------
    ValueError
        For an unknown format, and for an operation that rounds if the format compares bits.
    """
    if format not in FORMATS:
        raise ValueError(f"vectors: format is {format!r}, expected one of {', '.join(FORMATS)}")
    calls = vectors(name, count, seed=seed, bits=bits, dtype=dtype)
    meta, out = manifest(name, calls, seed, bits), Path(out)
    if format == "npz":
        files = [out / f"{name}.npz"]
        save_arrays(files[0], arrays_of(calls), meta)
        return files
    if format == "json":
        for entry, call in zip(meta["vectors"], calls):
            for group, arrays in ((entry["inputs"], call.inputs), (entry["outputs"], call.outputs)):
                for key, a in arrays.items():
                    group[key]["data"] = [number(v, a.dtype.kind) for v in a.ravel().tolist()]
        save_json(out / f"{name}.json", meta)
        return [out / f"{name}.json"]
    texts = (c_files if format == "c" else hex_files)(name, calls, meta)
    for file, text in texts.items():
        if file == "candidate.c" and (out / file).exists():
            continue  # it may contain a kernel by now
        write_whole(out / file, lambda handle, text=text: handle.write(text.encode()))  # type: ignore[misc]
    return [out / file for file in texts]


def number(v: Any, kind: str) -> Any:
    """A number for JSON. Words become hexadecimal text, because a double cannot hold 64 bits."""
    if kind == "u":
        return hex(v)
    return v if kind != "f" or np.isfinite(v) else str(v)


def arrays_of(calls: list[Vector]) -> dict[str, Array]:
    """All arrays, with the number of their call in their names: ``"3.in.x"``, ``"3.out.out"``."""
    return {
        f"{i}.{way}.{key}": a
        for i, call in enumerate(calls)
        for way, arrays in (("in", call.inputs), ("out", call.outputs))
        for key, a in arrays.items()
    }


def load_vectors(path: Path | str) -> list[Vector]:
    """Read golden vectors from an ``.npz`` file. An error is raised if its sha256 is not that of the arrays."""
    arrays, meta = load_arrays(path, "golden vectors")
    calls = [
        Vector(
            {k: arrays[f"{i}.in.{k}"] for k in entry["inputs"]},
            entry["options"],
            {k: arrays[f"{i}.out.{k}"] for k in entry["outputs"]},
            entry["bound"],
        )
        for i, entry in enumerate(meta["vectors"])
    ]
    if sha256(calls) != meta["sha256"]:
        raise ValueError(f"{path}: the arrays are not those that its sha256 was taken of")
    return calls
