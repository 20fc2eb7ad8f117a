"""Golden vectors: calls of an operation with their right results, for programs that cannot call Python."""

import hashlib
import json
from typing import Any, NamedTuple

import numpy as np

from ..notation import Array
from .adapters import words
from .drawing import some_cases
from .forms import SINGLE_BOUND, Form, form_of, gradients_of, random_like
from .op import Case, Words, in_dtype, is_float


class Vector(NamedTuple):
    """One call: input arrays, options, output arrays. A result may differ by ``bound``; 0 means ``==``."""

    inputs: dict[str, Array]
    options: dict[str, Any]
    outputs: dict[str, Array]
    bound: float


def vectors(name: str, count: int, *, seed: int = 0, bits: int = 64, dtype: Any = np.float32) -> list[Vector]:
    """``count`` calls of operation ``name`` with their right results: boundary cases first, then drawn ones.

    Parameters
    ----------
    name : str
        A public function, such as ``"conv2d_packed"``.
    count : int
        There are fewer if the operation has fewer different cases.
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
    form = form_of(name)
    if count < 1:
        raise ValueError(f"vectors: count is {count}, expected at least 1")
    return [vector_of(form, case, bits, dtype) for case in some_cases(form, count, seed)]


def vector_of(form: Form, case: Case, bits: int, dtype: Any) -> Vector:
    """The arrays of one call. The results of a backward pass are the library's own, with the surrogates of the case."""
    give = words(bits).give
    if form.kind == "backward":
        args = in_dtype(case.args, dtype)
        y, cache = form.op.forward(*args, **case.options)
        dy = random_like(y).astype(dtype)
        gradients = gradients_of(form.function(dy, cache))
        named = [p for p, a in zip(form.parameters, args) if is_float(a)]
        inputs = {"dout": dy, **dict(zip(form.parameters, args))}
        outputs = {f"d{p}": g for p, g in zip(named, gradients)}
        bound = SINGLE_BOUND * max(1.0, *(float(np.abs(g).max(initial=0)) for g in gradients))
        options = case.options
    else:
        trial = next(form.trials(case, (np.dtype(dtype),)))
        inputs, options, bound = dict(zip(form.parameters, trial.args)), trial.options, trial.bounds[0]
        outputs = {"out": as_result(trial.expected[0], trial.dtype, counts=form.kind == "packed")}
    arrays: dict[str, Array] = {}
    rest: dict[str, Any] = {}
    for key, value in {**inputs, **options}.items():
        sort(key, give(value), arrays, rest)
    return Vector(arrays, rest, {k: np.ascontiguousarray(give(v)) for k, v in outputs.items()}, bound)


def as_result(value: Any, dtype: Any, counts: bool) -> Any:
    """An expected result in the dtype of a kernel's result: floats in ``dtype``, counts as int32, words unchanged."""
    if isinstance(value, Words):
        return value
    value = np.asarray(value)
    if value.dtype.kind == "b" or value.dtype.kind == "f" and not (counts and dtype is None):
        return value if value.dtype.kind == "b" or dtype is None else value.astype(dtype)
    return value.astype(np.int32)


def sort(key: str, value: Any, arrays: dict[str, Array], rest: dict[str, Any]) -> None:
    """Put a value into ``arrays`` if it is an array, otherwise into ``rest`` in a form that JSON can hold."""
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


def sha256(calls: list[Vector]) -> str:
    """The digest of the names, dtypes, shapes, little-endian bytes and options of all calls, in order."""
    digest = hashlib.sha256()
    for call in calls:
        for name, a in {**call.inputs, **call.outputs}.items():
            digest.update(f"{name} {a.dtype.name} {a.shape}".encode())
            digest.update(a.astype(a.dtype.newbyteorder("<")).tobytes())
        digest.update(json.dumps(call.options, sort_keys=True).encode())
    return digest.hexdigest()
