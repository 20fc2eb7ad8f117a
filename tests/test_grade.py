"""``tinybnn check FILE.py``: each function gets a mark, and no function can affect the mark of another."""

import json
import os
import sys
import textwrap

import pytest

from tinybnn.app.cli import main
from tinybnn.testing.grade import Limit, functions_in, grade

SUBMISSION = """
    import os, sys
    import numpy as np
    from tinybnn import pack, conv2d_backward as _private
    print("loaded", file=sys.stderr)

    def sign(x):
        return np.sign(x)

    def helper(x):
        raise RuntimeError("not an operation, never called")

    def hardtanh(x):
        print("let me see", x.shape)
        return np.clip(x, -1, 1)

    def hardtanh_backward(dy, cache):
        return dy * cache

    def packed_dot(a, b, n):
        os._exit(0)

    def packed_matmul(a, b, n):
        sys.exit("enough")

    def sigmoid(x):
        raise NotImplementedError

    mean_abs = 7
"""

CRASH = """
    def sign(x):
        import ctypes
        ctypes.string_at(0)
"""

HANG = """
    def sign(x):
        while True:
            pass
"""

GREEDY = """
    import numpy as np

    def sign(x):
        return x + np.ones(3 * 10**9, np.int8)[0]
"""

TUPLES = """
    import numpy as np
    from tinybnn import hardtanh as _hardtanh

    def hardtanh(x):
        return np.clip(x, -1, 1), np.abs(x) <= 1

    def hardtanh_backward(dy, inside):
        return dy * inside
"""


@pytest.fixture
def submission(tmp_path):
    def write(text):
        path = tmp_path / "kernels.py"
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        return path

    return write


def marks(path, **options):
    return {v.name: v.mark for v in grade(path, examples=10, **options)}


def test_every_function_has_its_own_mark_and_reason(submission, tmp_path, capsys):
    results = tmp_path / "results.json"
    path = submission(SUBMISSION)
    assert main(["check", str(path), "--json", str(results), "--examples", "10", "--op", "dice", *ops(path)]) == 1
    out = capsys.readouterr().out
    assert [line.split() for line in out.splitlines()[:3]] == [
        ["function", "verdict"],
        ["dice", "missing"],
        ["pack", "ok,", "and", "it", "prints"],
    ]
    assert out.splitlines()[-1] == "2 of 9 right"
    for line in (
        "dice: kernels.py does not define it",
        "sign: y[0, 0, 0] is 0.0, expected 1.0",
        "  likely cause: ternary: sign(0) = 0",
        "hardtanh_backward: dx[",
        "packed_dot: ended its process with status 0 before there was a verdict",
        "packed_matmul: raised SystemExit: enough",
        "sigmoid: not written yet (NotImplementedError)",
        "check: the candidate for mean_abs is a int, expected a function",
        "  it printed: loaded",
    ):
        assert line in out, line
    tests = json.loads(results.read_text(encoding="utf-8"))["tests"]
    assert {test["name"]: test["score"] for test in tests} == {
        "dice": 0,
        "pack": 1,
        "sign": 0,
        "hardtanh": 1,
        "hardtanh_backward": 0,
        "packed_dot": 0,
        "packed_matmul": 0,
        "sigmoid": 0,
        "mean_abs": 0,
    }
    assert all(set(test) == {"name", "score", "max_score", "output", "visibility"} for test in tests)
    assert all(test["max_score"] == 1 and test["output"] and test["visibility"] == "visible" for test in tests)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["kernels.py", "results.json"], "nothing is left behind"


def ops(path):
    return [word for name in functions_in(path) for word in ("--op", name)]


@pytest.mark.skipif(os.name == "nt", reason="Windows ends such a process in its own way")
def test_a_crash_of_the_interpreter_is_a_mark(submission):
    (v,) = grade(submission(CRASH))
    assert (v.mark, v.text) == ("failed", "sign: crashed the interpreter (SIGSEGV)")


def test_a_function_that_hangs_is_stopped(submission):
    (v,) = grade(submission(HANG), limit=Limit(seconds=3))
    assert (v.mark, v.text) == ("failed", "sign: took longer than 3 s")


@pytest.mark.skipif(sys.platform != "linux", reason="address space is limited on Linux alone")
def test_a_function_that_wants_all_memory_gets_an_error(submission):
    (v,) = grade(submission(GREEDY), limit=Limit(megabytes=2048))
    assert v.mark == "wrong" and v.text.startswith("sign: raised MemoryError") or "_ArrayMemoryError" in v.text


def test_a_backward_function_is_given_the_cache_of_its_own_forward(submission):
    assert marks(submission(TUPLES)) == {"hardtanh": "ok", "hardtanh_backward": "ok"}


def test_a_file_that_cannot_be_loaded_says_so_for_each_function(submission):
    (v,) = grade(submission("def sign(x): return x\nimport nothing_of_that_name\n"))
    assert v.text == "sign: kernels.py cannot be loaded, ModuleNotFoundError: No module named 'nothing_of_that_name'"
    (v,) = grade(submission("def sign(x): return x\nraise SystemExit(0)\n"))
    assert v.text == "sign: kernels.py cannot be loaded, SystemExit: 0"


def test_what_a_file_holds_is_read_and_not_run(submission):
    path = submission("""
        raise SystemExit("never run here")
        from somewhere import conv2d, pack as bits, unpack_fast as unpack
        sign = hardtanh = None
        (prelu, rest) = 1, 2
        def sigmoid(x): return x
        class dice: pass
    """)
    assert functions_in(path) == ["conv2d", "unpack", "sign", "hardtanh", "prelu", "sigmoid"]


@pytest.mark.parametrize(
    "arguments, says",
    [
        (["nowhere.py"], "nowhere.py: No such file or directory"),
        (["{path}", "--op", "convolve"], "check: no operation is called 'convolve'"),
        ([], "check: no file was given, expected FILE.py, or --list"),
        (["{bad}"], "bad.py is no Python, line 1:"),
        (["{none}"], "none.py defines no function that bears an operation's name, conv2d for one"),
    ],
)
def test_bad_calls_are_one_line_and_status_2(arguments, says, submission, tmp_path, capsys):
    path, bad, none = submission("def sign(x): return x"), tmp_path / "bad.py", tmp_path / "none.py"
    bad.write_text("def sign(x) return x")
    none.write_text("def convolve(x): return x")
    assert main(["check", *(a.format(path=path, bad=bad, none=none) for a in arguments)]) == 2
    out, err = capsys.readouterr()
    assert says in err and err.count("\n") == 1 and not out


def test_all_operations_are_listed(capsys):
    assert main(["check", "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "conv2d_packed(x, w, C)  version 1" in lines and "sign(x)  version 1" in lines
    assert "conv2d_backward(dy, cache)  version 1" in lines
