"""One lesson: its source in py:percent, and the notebooks that are made from it.

A source contains everything, answers included. The header of a code cell marks three kinds of cell::

    # %% exercise="sign"        a function to write; the answer is between ### BEGIN SOLUTION and ### END SOLUTION
    # %% prediction="signs"     numbers to predict; the answer is marked in the same way
    # %% check="sign"           checks the exercise or prediction of that name: prints nothing, or raises an error

In a line ``STRIDE = 2  # variant: 1 | 3`` a graded variant may replace 2 by 1 or 3.
"""

import ast
import random
import re
from pathlib import Path
from typing import Any

import jupytext
import nbformat

HERE = Path(__file__).parent
BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
INSTALL = """# This cell does nothing if tinybnn is installed. In Colab, replace {where!r} by the address of your copy.
import importlib.util

if importlib.util.find_spec("tinybnn") is None:
    %pip install --quiet {where!r}"""
CLONE, CLONE_OF_SOLUTIONS = "..[test]", "../..[test]"
"""What the first cell installs if tinybnn is missing: the clone that contains the notebook."""


def sources() -> list[Path]:
    """The sources of all lessons, in the order of their numbers."""
    return sorted(HERE.glob("[0-9][0-9]_*.py"))


def student(path: Path, variant: int | None = None, where: str = CLONE) -> Any:
    """The notebook with stubs instead of answers. A check that fails does not stop "Run All"."""
    notebook = skeleton(path, variant, where)
    for cell in notebook.cells:
        if is_asked(cell):
            cell.source = without_answer(cell.source, "exercise" in cell.metadata)
        if "check" in cell.metadata:
            tag(cell, "raises-exception")
    return notebook


def solution(path: Path, variant: int | None = None, where: str = CLONE_OF_SOLUTIONS) -> Any:
    """The notebook with its answers, not executed yet. A site may fold the cells tagged "hide-input"."""
    notebook = skeleton(path, variant, where)
    for cell in notebook.cells:
        if is_asked(cell):
            cell.source = "\n".join(line for line in cell.source.splitlines() if line.strip() not in (BEGIN, END))
            tag(cell, "hide-input")
    return notebook


def nbgrader(path: Path, variant: int | None = None, where: str = CLONE) -> Any:
    """The instructor's version for nbgrader: the check of every exercise is worth one point.

    Predictions stay stubs. They are not graded, and nbgrader cannot make a stub that differs from cell to cell.
    """
    notebook, stubs = skeleton(path, variant, where), student(path, variant, where)
    exercises = cells_of(notebook, "exercise")
    for cell, stub in zip(notebook.cells, stubs.cells):
        checked = cell.metadata.get("check") in exercises
        if "exercise" not in cell.metadata and not checked:
            cell.update(stub)
            continue
        name = f"check-{cell.metadata.check}" if checked else cell.metadata.exercise
        cell.metadata["nbgrader"] = {
            **{"schema_version": 3, "grade_id": name, "task": False},
            **{"grade": checked, "solution": not checked, "locked": checked, "points": int(checked)},
        }
    return notebook


def skeleton(path: Path, variant: int | None, where: str) -> Any:
    """The source as a notebook, with an install cell, the variant's constants, and cell ids that never change."""
    read = jupytext.read(path, fmt="py:percent")
    title, *rest = read.cells
    install = nbformat.v4.new_code_cell(INSTALL.format(where=where), metadata={"tags": ["install"]})
    notebook = nbformat.v4.new_notebook(cells=[title, install, *rest])
    draw = random.Random(f"{variant} {path.stem}")
    for number, cell in enumerate(notebook.cells):
        cell.id = f"{path.stem}-{number:02d}"
        if cell.cell_type == "code":
            cell.source = varied(cell.source, None if variant is None else draw)
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
        "tinybnn": {"source": path.name, "variant": variant},
    }
    return nbformat.from_dict(notebook)


def varied(code: str, draw: random.Random | None) -> str:
    """The code without its ``# variant:`` comments; with ``draw``, one of their values replaces the line's own."""

    def constant(match: re.Match) -> str:
        name, own, others = match.groups()
        return name + (draw.choice(others.split("|")).strip() if draw else own.rstrip())

    code = re.sub(r"^(\s*\w+ = )(.*?)#\s*variant:(.*)$", constant, code, flags=re.M)
    if "# variant:" in code:
        raise ValueError(f"a variant is written in one line, NAME = VALUE  # variant: OTHER | OTHER\n{code}")
    return code


def without_answer(code: str, exercise: bool) -> str:
    """Replace an exercise's answer by an error that tells its length, and a prediction's answer by ``name = ...``."""

    def stub(match: re.Match) -> str:
        indent, answer = match.group(1), match.group(2)
        lines = [line for line in answer.splitlines() if line.strip() and not line.strip().startswith("#")]
        if exercise:
            about = f"about {len(lines)} line{'s' * (len(lines) > 1)}"
            return f'{indent}raise NotImplementedError("{about}")\n'
        tree = ast.parse("\n".join(line[len(indent) :] for line in lines))
        targets = [target for node in tree.body if isinstance(node, ast.Assign) for target in node.targets]
        names = [name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)]
        return "".join(f"{indent}{name} = ...\n" for name in names)

    marked = re.compile(rf"^([ ]*){BEGIN}\n(.*?)^[ ]*{END}\n?", re.M | re.S)
    if not marked.search(code):
        raise ValueError(f"an exercise or prediction has no {BEGIN} and {END}:\n{code}")
    return marked.sub(stub, code).rstrip("\n")


def is_asked(cell: Any) -> bool:
    """Whether the student has to fill in this cell."""
    return "exercise" in cell.metadata or "prediction" in cell.metadata


def cells_of(notebook: Any, kind: str) -> dict[str, Any]:
    """The cells that are marked with ``kind``, which is ``"exercise"``, ``"prediction"`` or ``"check"``, by name."""
    return {cell.metadata[kind]: cell for cell in notebook.cells if kind in cell.metadata}


def tag(cell: Any, name: str) -> None:
    cell.metadata["tags"] = [*cell.metadata.get("tags", []), name]


def text_of(notebook: Any) -> str:
    """The notebook as text. The same content gives the same bytes."""
    return nbformat.writes(notebook) + "\n"
