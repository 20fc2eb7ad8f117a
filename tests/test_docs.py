"""The documentation is true: the README's code and commands run, and docstrings give the shapes of real cases."""

import inspect
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings

from tinybnn.app.cli import parser
from tinybnn.testing import OPS
from tinybnn.testing.op import bare
from tinybnn.testing.strategies import Limits

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def block(language, *, after):
    """The first block of code in the README behind these words."""
    return re.search(rf"```{language}\n(.*?)```", README[README.index(after) :], re.S).group(1)


def run_block(code):
    exec(compile(code, "README.md", "exec"), {})


def test_the_example_in_the_readme_runs_and_prints_what_it_says(capsys):
    code = block("python", after="## Fifteen lines")
    run_block(code)
    assert capsys.readouterr().out == "True\n" and "# True: the same bits" in code


def test_a_kernel_in_numpy_is_checked_by_the_readmes_lines(capsys):
    run_block(block("python", after="A function in NumPy:"))
    assert capsys.readouterr().out == README.split("print(error)\n```\n```\n")[1].split("```")[0]


def test_a_kernel_in_pytorch_is_checked_by_the_readmes_lines():
    pytest.importorskip("torch", reason="the witness needs: pip install '.[oracles]'")
    run_block(block("python", after="In PyTorch, channels first"))


@pytest.mark.skipif(not shutil.which("cc") or os.name == "nt", reason="the kernel needs a C compiler: cc")
def test_a_kernel_in_c_is_checked_by_the_readmes_lines(tmp_path, monkeypatch):
    (tmp_path / "packed_dot.c").write_text(block("c", after="In C, say"))
    monkeypatch.chdir(tmp_path)
    command = re.search(r"made with `(cc .+?)`", README).group(1)
    subprocess.run(shlex.split(command), check=True)
    run_block(block("python", after="made with `cc"))


def test_every_command_in_the_readme_is_one_that_the_program_takes():
    blocks = "".join(README.split("```")[1::2])
    lines = [re.split(r"\s{3,}", line)[0] for line in blocks.splitlines() if line.startswith("tinybnn ")]
    assert len(lines) >= 9
    for line in lines:
        parser().parse_args(shlex.split(line)[1:])


def test_the_pictures_in_the_readme_are_there():
    pictures = re.findall(r"!\[.+?\]\((.+?)\)", README)
    assert len(pictures) >= 2 and all((ROOT / picture).is_file() for picture in pictures)


def test_continuous_integration_runs_the_readmes_own_test_commands():
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    pattern = re.search(r"grep -E -- '(.+?)' README.md", script).group(1)
    commands = [line for line in README.splitlines() if re.search(pattern, line)]
    assert [command.split(" ")[0] for command in commands] == ["python3", ".venv/bin/python"]
    assert commands[0].endswith("-m pytest") and commands[1].endswith('-m pytest -m "tutorials or site"')


# -- docstrings -----------------------------------------------------------------------------------------------------

DOCUMENTED = {n: op for n, op in OPS.items() if not op.forward.__module__.startswith("tinybnn.testing")}
"""Operations whose record names the public function itself, not an adapter around it."""


@pytest.mark.parametrize("name", DOCUMENTED)
def test_a_docstring_says_how_exact_a_result_is_and_where_it_comes_from(name):
    text = DOCUMENTED[name].forward.__doc__
    source = re.search(r"Source: (.*?)(?:See also|Examples|\Z)", text, re.S)
    assert "Exactness:" in text and source, f"{name} says not how exact it is, or not where it comes from"
    assert re.search(r"exact|from code|reconstructed|ours", source.group(1)), f"{name}'s source has no status"
    assert ">>>" in text, f"{name} has no example"


def promised_shapes(function):
    """The parameters whose docstring line gives a shape: {name: (letters, ...)}."""
    text = inspect.getdoc(function)
    found = re.findall(r"^([\w, ]+) : .*?of shape \(([^()]*)\)(?! or )", text.split("Returns\n")[0], re.M)
    return {
        n: tuple(s.strip() for s in shape.split(",") if s.strip()) for names, shape in found for n in names.split(", ")
    }


def shape_faults(function, case):
    """Where a case contradicts the docstring: another number of axes, or one letter with two sizes."""
    arguments = dict(zip(inspect.signature(function).parameters, bare(case.args)))
    sizes = {}
    for name, letters in promised_shapes(function).items():
        shape = np.shape(arguments.get(name))
        if name not in arguments:
            continue
        if letters[:1] == ("...",):
            letters, shape = letters[1:], shape[len(shape) - len(letters) + 1 :]
        if len(letters) != len(shape):
            yield f"{name} has shape {shape}, the docstring says {letters}"
        for letter, size in zip(letters, shape):
            if letter.isidentifier() and sizes.setdefault(letter, size) != size:
                yield f"{letter} is {sizes[letter]} and, in {name}, {size}"


@pytest.mark.parametrize("name", [n for n, op in DOCUMENTED.items() if promised_shapes(op.forward)])
def test_the_shapes_in_a_docstring_are_those_of_real_cases(name):
    @settings(derandomize=True, database=None, deadline=None, max_examples=10)
    @given(DOCUMENTED[name].cases(Limits()))
    def check(case):
        assert not list(shape_faults(DOCUMENTED[name].forward, case))

    check()


def test_a_docstring_with_a_wrong_shape_is_caught():
    def forward(x, w):
        """Wrong on purpose.

        Parameters
        ----------
        x : ndarray of shape (N, C)
        w : ndarray of shape (C, F)
        """

    right, wrong, flat = ((np.zeros((2, 3)), np.zeros(s)) for s in ((3, 4), (4, 3), (3,)))
    faults = [list(shape_faults(forward, type("Case", (), {"args": a}))) for a in (right, wrong, flat)]
    assert [bool(f) for f in faults] == [False, True, True]
