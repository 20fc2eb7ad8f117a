"""Golden vectors: inputs, options and right results of an operation, in files that need no Python to be read.

``npz`` and ``json`` hold everything in one file; ``c`` is a header with a harness (:mod:`.vectors_c`), ``hex`` is files
for Verilog's ``$readmemh`` with a test bench (:mod:`.vectors_hex`). Whatever the format, the manifest names operation,
version, seed and options, and ``sha256`` is that of the arrays themselves, so that two exports can be compared.
"""

import hashlib
import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .. import __version__
from ..notation import Array
from ..store import load_arrays, save_arrays, save_json, write_whole
from .adapters import words
from .drawing import some_cases
from .op import Case, Words, in_dtype
from .rungs import Rung, rung_of
from .vectors_c import c_files
from .vectors_hex import hex_files

FORMATS = ("npz", "json", "c", "hex")


class Vector(NamedTuple):
    """One call: arrays in, whole numbers and names, arrays out; a result may be off by ``bound``, 0 for ``==``."""

    inputs: dict[str, Array]
    options: dict[str, Any]
    outputs: dict[str, Array]
    bound: float


def vectors(name: str, count: int, *, seed: int = 0, bits: int = 64, dtype: Any = np.float32) -> list[Vector]:
    """``count`` calls of operation ``name`` with their right results: boundary cases first, then drawn ones.

    Parameters
    ----------
    name : str
        A public function, ``"conv2d_packed"`` for one.
    count : int
        Fewer come back where an operation has fewer different cases.
    seed : int
    bits : 8, 16, 32 or 64
        Bits in a packed word. With 32, packed activations and weights are byte for byte Larq Compute Engine's.
    dtype : float32 or float64

    Returns
    -------
    list of Vector

    Examples
    --------
    >>> vectors("packed_dot", 1, bits=8)[0].outputs["out"]         # 300 signs that all disagree
    array([-300], dtype=int32)
    """
    rung = rung_of(name)
    if count < 1:
        raise ValueError(f"vectors: count is {count}, expected at least 1")
    return [vector_of(rung, case, bits, dtype) for case in some_cases(rung, count, seed)]


def vector_of(rung: Rung, case: Case, bits: int, dtype: Any) -> Vector:
    """What goes in and what must come out; a backward pass by the library's own, with the surrogates as they are."""
    give = words(bits).give
    if rung.kind == "backward":
        args = in_dtype(case.args, dtype)
        y, cache = rung.op.forward(*args, **case.options)
        dy = np.random.default_rng(np.size(y)).normal(size=np.shape(y)).astype(dtype)
        found = rung.function(dy, cache)
        gradients = found if isinstance(found, tuple) else (found,)
        named = [p for p, a in zip(rung.parameters, args) if isinstance(a, np.ndarray) and a.dtype.kind == "f"]
        inputs = {"dout": dy, **dict(zip(rung.parameters, args))}
        outputs = {f"d{p}": g for p, g in zip(named, gradients)}
        bound = 1e-3 * max(1.0, *(float(np.abs(g).max(initial=0)) for g in gradients))
        options = case.options
    else:
        trial = next(rung.trials(case, (np.dtype(dtype),)))
        inputs, options, bound = dict(zip(rung.parameters, trial.args)), trial.options, trial.bounds[0]
        outputs = {"out": as_result(trial.expected[0], trial.dtype, counts=rung.kind == "packed")}
    arrays: dict[str, Array] = {}
    rest: dict[str, Any] = {}
    for key, value in {**inputs, **options}.items():
        sort(key, give(value), arrays, rest)
    return Vector(arrays, rest, {k: np.ascontiguousarray(give(v)) for k, v in outputs.items()}, bound)


def as_result(value: Any, dtype: Any, counts: bool) -> Any:
    """An expected result in the dtype a kernel gives: floats as asked, words as they are, 32 bits where it counts."""
    if isinstance(value, Words):
        return value
    value = np.asarray(value)
    if value.dtype.kind == "b" or value.dtype.kind == "f" and not (counts and dtype is None):
        return value if value.dtype.kind == "b" or dtype is None else value.astype(dtype)
    return value.astype(np.int32)


def sort(key: str, value: Any, arrays: dict[str, Array], rest: dict[str, Any]) -> None:
    """Arrays to the arrays, everything else to what JSON can say."""
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        if hasattr(value, "name"):
            rest[key] = value.name
            return
        for field, part in zip(value._fields, value):
            sort(f"{key}_{field}", part, arrays, rest)
    elif isinstance(value, np.ndarray):
        arrays[key] = np.ascontiguousarray(value)
    elif isinstance(value, tuple | list):
        rest[key] = [getattr(v, "name", v) for v in value]
    else:
        rest[key] = getattr(value, "name", value)


# -- files ----------------------------------------------------------------------------------------------------------


def sha256(calls: list[Vector]) -> str:
    """The digest of names, dtypes, shapes, little-endian bytes and options of all calls, in order."""
    digest = hashlib.sha256()
    for call in calls:
        for name, a in {**call.inputs, **call.outputs}.items():
            digest.update(f"{name} {a.dtype.name} {a.shape}".encode())
            digest.update(a.astype(a.dtype.newbyteorder("<")).tobytes())
        digest.update(json.dumps(call.options, sort_keys=True).encode())
    return digest.hexdigest()


def manifest(name: str, calls: list[Vector], seed: int, bits: int) -> dict[str, Any]:
    """What the numbers are."""
    return {
        "kind": "golden vectors",
        "operation": name,
        "version": rung_of(name).op.version,
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
        For an unknown format, and for results that round where the format compares bits.
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
            continue  # somebody's kernel by now
        write_whole(out / file, lambda handle, text=text: handle.write(text.encode()))  # type: ignore[misc]
    return [out / file for file in texts]


def number(v: Any, kind: str) -> Any:
    """A number as JSON can hold it: words as hexadecimal text, for 64 bits are more than a double has."""
    if kind == "u":
        return hex(v)
    return v if kind != "f" or np.isfinite(v) else str(v)


def arrays_of(calls: list[Vector]) -> dict[str, Array]:
    """All arrays under names that say which call they belong to: ``"3.in.x"``, ``"3.out.out"``."""
    return {
        f"{i}.{way}.{key}": a
        for i, call in enumerate(calls)
        for way, arrays in (("in", call.inputs), ("out", call.outputs))
        for key, a in arrays.items()
    }


def load_vectors(path: Path | str) -> list[Vector]:
    """Read an ``.npz`` of golden vectors back; refused if the arrays are not those of its sha256."""
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
