"""Golden vectors for hardware: a ``.hex`` file per array for Verilog's ``$readmemh``, and a test bench.

The device under test is a module with the operation's name. Every array is one flat port, with element 0 in the least
significant bits. Its sizes are parameters ``X_0``, ``X_1``, ..., and so are whole numbers and options: ``N``,
``STRIDE_0``. Floats are given as their IEEE 754 bits. The module is combinational: the bench waits one unit of time
and compares bits.
"""

from typing import Any

import numpy as np

from ..notation import Array
from .vectors import Vector


def hex_files(name: str, calls: list[Vector], meta: dict[str, Any]) -> dict[str, str]:
    """The text of every file, by its name."""
    if any(call.bound for call in calls):
        raise ValueError(f"vectors: {name} rounds, and hex files are compared bit by bit; take c, npz or json")
    files = {}
    for i, call in enumerate(calls):
        for key, a in {**call.inputs, **call.outputs}.items():
            digits = width(a) // 4
            files[f"{name}_{i}_{key}.hex"] = "".join(f"{v:0{digits}x}\n" for v in bits(a).tolist())
    return {**files, f"{name}_tb.v": bench(name, calls, meta)}


def width(a: Array) -> int:
    return 8 if a.dtype.kind == "b" else 8 * a.dtype.itemsize


def bits(a: Array) -> Array:
    """The elements as unsigned integers of the same width."""
    return np.ascontiguousarray(a).view(f"u{width(a) // 8}").ravel()


def parameters(call: Vector) -> dict[str, int]:
    """The sizes of arrays, whole numbers and options."""
    found = {f"{key}_{axis}".upper(): n for key, a in call.inputs.items() for axis, n in enumerate(a.shape)}
    for key, value in call.options.items():
        if isinstance(value, list):
            found |= {f"{key}_{k}".upper(): v for k, v in enumerate(value) if not isinstance(v, str)}
        elif isinstance(value, int | float) and value == int(value):
            found[key.upper()] = int(value)
    return found


def bench(name: str, calls: list[Vector], meta: dict[str, Any]) -> str:
    lines = [
        f"// {name}, specification version {meta['version']}, seed {meta['seed']}; sha256 {meta['sha256']}",
        f"// iverilog -g2012 -o check {name}_tb.v YOUR_{name}.v && vvp check",
        "`timescale 1ns/1ns",
        f"module {name}_tb;",
        "  integer failed = 0, wrong, i;",
    ]
    for k, call in enumerate(calls):
        (out, y), *_ = call.outputs.items()
        for key, a in call.inputs.items():
            lines += [
                f"  reg [{width(a) - 1}:0] {key}_{k} [0:{a.size - 1}];",
                f"  reg [{width(a) * a.size - 1}:0] {key}_bus_{k};",
            ]
        lines += [
            f"  reg [{width(y) - 1}:0] expected_{k} [0:{y.size - 1}];",
            f"  wire [{width(y) * y.size - 1}:0] {out}_bus_{k};",
        ]
        chosen = ", ".join(f".{key}({value})" for key, value in parameters(call).items())
        ports = ", ".join(f".{key}({key}_bus_{k})" for key in [*call.inputs, out])
        lines.append(f"  {name} #({chosen}) dut_{k} ({ports});")
    lines.append("  initial begin")
    for k, call in enumerate(calls):
        (out, y), *_ = call.outputs.items()
        for key, a in call.inputs.items():
            lines += [
                f'    $readmemh("{name}_{k}_{key}.hex", {key}_{k});',
                f"    for (i = 0; i < {a.size}; i = i + 1) {key}_bus_{k}[i * {width(a)} +: {width(a)}] = {key}_{k}[i];",
            ]
        got = f"{out}_bus_{k}[i * {width(y)} +: {width(y)}]"
        lines += [
            f'    $readmemh("{name}_{k}_{out}.hex", expected_{k});',
            "    #1 wrong = 0;",
            f"    for (i = 0; i < {y.size}; i = i + 1)",
            f"      if ({got} !== expected_{k}[i]) begin",
            f'        if (wrong == 0) $display("{name}: vector {k}: {out}[%0d] is %h, expected %h", i, {got}, '
            f"expected_{k}[i]);",
            "        wrong = wrong + 1;",
            "      end",
            "    if (wrong != 0) failed = failed + 1;",
        ]
    lines += [
        f'    $display("{name}: %0d of {len(calls)} vectors pass", {len(calls)} - failed);',
        "    if (failed != 0) $fatal(1);",
        "    $finish;",
        "  end",
        "endmodule",
        "",
    ]
    return "\n".join(lines)
