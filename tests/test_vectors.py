"""Golden vectors: the same for the same seed, right in every format, readable by C, Verilog and Python."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tinybnn import conv2d, conv2d_backward, packed_dot
from tinybnn.app.cli import main
from tinybnn.data.store import load_arrays, save_arrays
from tinybnn.testing import FORMS, load_vectors, save_vectors, vectors
from tinybnn.testing.vector_files import FORMATS
from tinybnn.testing.vectors import sha256

needs_c = pytest.mark.skipif(not shutil.which("gcc"), reason="the harness needs a C compiler: gcc")
needs_verilog = pytest.mark.skipif(not shutil.which("iverilog"), reason="the test bench needs Icarus Verilog: iverilog")


def run(*command, cwd):
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True)


# -- what they hold -------------------------------------------------------------------------------------------------


def test_vectors_are_what_the_library_gives():
    for call in vectors("conv2d", 20, dtype=np.float64):
        y, cache = conv2d(**call.inputs, **call.options)
        assert np.array_equal(y, call.outputs["out"]) and call.bound == 0
    for call in vectors("conv2d_backward", 5):
        dout, inputs = call.inputs["dout"], {k: a for k, a in call.inputs.items() if k != "dout"}
        dx, dw = conv2d_backward(dout, conv2d(**inputs, **call.options)[1])
        assert np.array_equal(dx, call.outputs["dx"]) and np.array_equal(dw, call.outputs["dw"]) and call.bound > 0
    for call in vectors("packed_dot", 20):
        assert np.array_equal(packed_dot(**call.inputs, **call.options), call.outputs["out"])


@pytest.mark.parametrize("name", FORMS)
def test_every_operation_has_vectors_in_every_format(name, tmp_path):
    calls = vectors(name, 3)
    assert len(calls) == 3 and sha256(calls) == sha256(vectors(name, 3))
    for format in FORMATS:
        if format == "hex" and any(call.bound for call in calls):
            with pytest.raises(ValueError, match=f"vectors: {name} rounds, and hex files are compared bit by bit"):
                save_vectors(name, tmp_path, count=3, format=format)
        else:
            assert all(path.is_file() for path in save_vectors(name, tmp_path, count=3, format=format))
    (back, meta) = load_vectors(tmp_path / f"{name}.npz"), json.loads((tmp_path / f"{name}.json").read_text())
    assert sha256(back) == meta["sha256"] == sha256(calls)
    assert (meta["operation"], meta["version"], meta["seed"], meta["word_bits"]) == (
        name,
        FORMS[name].op.version,
        0,
        64,
    )


def test_another_seed_gives_other_vectors():
    assert sha256(vectors("sign", 5)) != sha256(vectors("sign", 5, seed=1))


def test_json_holds_words_as_text_and_numbers_to_the_last_bit(tmp_path):
    save_vectors("pack", tmp_path, count=4, format="json")
    meta = json.loads((tmp_path / "pack.json").read_text())
    for entry, call in zip(meta["vectors"], vectors("pack", 4)):
        out, x = entry["outputs"]["out"], entry["inputs"]["x"]
        assert [int(v, 16) for v in out["data"]] == call.outputs["out"].ravel().tolist() and out["dtype"] == "uint64"
        assert np.array_equal(np.reshape(x["data"], x["shape"]), call.inputs["x"])


def test_spoilt_vectors_are_refused(tmp_path):
    save_vectors("sign", tmp_path, count=2)
    arrays, meta = load_arrays(tmp_path / "sign.npz", "golden vectors")
    arrays["1.out.out"] = -arrays["1.out.out"]
    save_arrays(tmp_path / "sign.npz", arrays, meta)
    with pytest.raises(ValueError, match="sign.npz: the arrays are not those that its sha256 was taken of"):
        load_vectors(tmp_path / "sign.npz")


def test_the_command_writes_files_and_names_them(tmp_path, capsys):
    assert main(["vectors", "sign", "--count", "3", "--format", "hex", "--out", str(tmp_path)]) == 0
    named = [Path(line).name for line in capsys.readouterr().out.splitlines()]
    assert sorted(named) == sorted(path.name for path in tmp_path.iterdir()) and "sign_tb.v" in named
    for arguments, says in (
        (["convolve", "--out", str(tmp_path)], "no operation is called 'convolve'"),
        (["sign", "--count", "0", "--out", str(tmp_path)], "vectors: count is 0, expected at least 1"),
    ):
        assert main(["vectors", *arguments]) == 2
        assert says in capsys.readouterr().err


# -- Larq Compute Engine --------------------------------------------------------------------------------------------


def test_at_32_bits_words_are_those_of_larq_compute_engine():
    """Its convention from first principles: OHWI filters, 32-bit words, least significant bit first, 1 means -1."""
    for packed, floats in zip(vectors("conv2d_packed", 12, bits=32), drawn("conv2d_packed", 12)):
        x, w = floats
        groups = packed.options["groups"]
        for array, values in ((packed.inputs["x"], x), (packed.inputs["w"], w.transpose(3, 0, 1, 2))):
            parts = groups if values is x else 1
            C = values.shape[-1] // parts
            words = np.zeros((*values.shape[:-1], parts, -(-C // 32)), np.uint32)
            for *place, c in np.ndindex(values.shape):
                if values[(*place, c)] < 0:
                    words[(*place, c // C, c % C // 32)] |= np.uint32(1 << (c % C % 32))
            assert array.dtype == np.uint32 and array.tobytes() == words.reshape(*values.shape[:-1], -1).tobytes()


def drawn(name, count):
    """The float operands that the packed ones were made of."""
    from tinybnn.testing.drawing import some_cases

    return [case.args for case in some_cases(FORMS[name], count)]


def test_a_filter_written_out_by_hand_in_that_convention():
    """Channels 0, 31 and 32 are -1: bits 0 and 31 of the first word, bit 0 of the second."""
    from tinybnn.ops.binary_conv import pack_weights
    from tinybnn.testing import Words
    from tinybnn.testing import words as in_words

    w = np.ones((1, 1, 33, 1))
    w[0, 0, [0, 31, 32]] = -1
    given = in_words(32).give(Words(pack_weights(w), 33))
    assert given.shape == (1, 1, 1, 2) and given.ravel().tolist() == [0x80000001, 1]
    assert given.astype("<u4").tobytes() == bytes([1, 0, 0, 0x80, 1, 0, 0, 0])


# -- C --------------------------------------------------------------------------------------------------------------

ECHO = """
#include "vectors.h"
#include <stdlib.h>
int candidate(const vector *call, void *const *results) {
  for (int o = 0; o < call->output_count; o++) {
    const tensor *t = &call->outputs[o];
    int bytes = t->dtype[0] == 'b' ? 1 : atoi(t->dtype + strcspn(t->dtype, "0123456789")) / 8;
    memcpy(results[o], t->data, t->size * bytes);
    SPOILT
  }
  return 0;
}
"""

PACKED_DOT_C = """
#include "vectors.h"

static int popcount(uint64_t word) {
  int count = 0;
  for (; word; word &= word - 1) count++;
  return count;
}

int candidate(const vector *call, void *const *results) {
  const uint64_t *a = input(call, "a")->data, *b = input(call, "b")->data;
  const long rows = input(call, "a")->shape[0], words = input(call, "a")->shape[1];
  const long n = chosen(call, "n")->integers[0];
  int32_t *out = results[0];
  for (long r = 0; r < rows; r++) {
    COUNTER differ = 0;
    for (long k = 0; k < words; k++) differ += popcount(a[r * words + k] ^ b[r * words + k]);
    out[r] = n - 2 * differ;
  }
  return 0;
}
"""


def compiled(folder, source):
    (folder / "candidate.c").write_text(source)
    strict = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-Wno-unused-variable", "-Wno-unused-function"]
    built = run("gcc", *strict, "-o", "check", "harness.c", "candidate.c", "-lm", cwd=folder)
    assert built.returncode == 0, built.stderr
    return run("./check", cwd=folder)


@needs_c
def test_a_kernel_in_c_is_held_against_the_header(tmp_path):
    save_vectors("packed_dot", tmp_path, count=12, format="c")
    stub = compiled(tmp_path, (tmp_path / "candidate.c").read_text())
    assert stub.returncode == 1 and stub.stdout.endswith("packed_dot: 0 of 12 vectors pass\n")
    right = compiled(tmp_path, PACKED_DOT_C.replace("COUNTER", "long"))
    assert (right.returncode, right.stdout) == (0, "packed_dot: 12 of 12 vectors pass\n")
    wrong = compiled(tmp_path, PACKED_DOT_C.replace("COUNTER", "uint8_t"))
    assert wrong.returncode == 1 and "packed_dot: vector 0: out[0] is 212, expected -300" in wrong.stdout
    save_vectors("packed_dot", tmp_path, count=12, format="c")
    assert "uint8_t differ" in (tmp_path / "candidate.c").read_text(), "somebody's kernel is not written over"


@needs_c
@pytest.mark.parametrize(
    "name", ["sigmoid", "conv2d_backward", "mean_iou", "threshold_sign", "unpack", "confusion_matrix"]
)
def test_the_harness_reads_every_kind_of_number(name, tmp_path):
    save_vectors(name, tmp_path, count=6, format="c")
    assert compiled(tmp_path, ECHO.replace("SPOILT", "")).stdout == f"{name}: 6 of 6 vectors pass\n"
    spoilt = compiled(tmp_path, ECHO.replace("SPOILT", "memset(results[o], 7, 1 + t->size * bytes / 2);"))
    assert spoilt.returncode == 1 and " is " in spoilt.stdout


# -- Verilog --------------------------------------------------------------------------------------------------------

PACKED_DOT_V = """
module packed_dot #(parameter A_0 = 1, A_1 = 1, B_0 = 1, B_1 = 1, N = 1)
  (input [64*A_0*A_1-1:0] a, input [64*B_0*B_1-1:0] b, output reg [32*A_0-1:0] out);
  integer row, i, differ;
  always @* for (row = 0; row < A_0; row = row + 1) begin
    differ = 0;
    for (i = 64 * A_1 * row; i < 64 * A_1 * (row + 1); i = i + 1) differ = differ + (a[i] ^ b[i]);
    out[32*row +: 32] = N - 2 * differ;
  end
endmodule
"""


@needs_verilog
def test_a_module_in_verilog_is_held_against_the_hex_files(tmp_path):
    save_vectors("packed_dot", tmp_path, count=8, format="hex")
    for source, status, says in (
        (PACKED_DOT_V, 0, "packed_dot: 8 of 8 vectors pass\n"),
        (
            PACKED_DOT_V.replace("N - 2", "64 * A_1 - 2"),
            1,
            "packed_dot: vector 0: out[0] is fffffee8, expected fffffed4",
        ),
    ):
        (tmp_path / "dut.v").write_text(source)
        built = run("iverilog", "-g2012", "-Wall", "-o", "check", "packed_dot_tb.v", "dut.v", cwd=tmp_path)
        assert built.returncode == 0, built.stderr
        tried = run("vvp", "check", cwd=tmp_path)
        assert tried.returncode == status and says in tried.stdout
