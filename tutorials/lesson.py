"""One lesson: its source in py:percent, and the notebooks that are made from it.

A source holds everything, answers included. Three kinds of code cell are marked, in the cell's own header::

    # %% exercise="sign"        a function to write; the answer stands between ### BEGIN SOLUTION and ### END SOLUTION
    # %% prediction="signs"     numbers to foresee; marked alike
    # %% check="sign"           holds the exercise or prediction of that name against the truth: silent, or an error

A line ``STRIDE = 2  # variant: 1 | 3`` gives the values that a graded variant may put in the place of 2.
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
INSTALL = """# Does nothing where tinybnn is installed. In Colab, put your copy's address in the place of {where!r}.
import importlib.util

if importlib.util.find_spec("tinybnn") is None:
    %pip install --quiet {where!r}"""
CLONE, CLONE_OF_SOLUTIONS = "..[test]", "../..[test]"
"""What the first cell installs, if it has to: the clone that the notebook lies in."""


def sources() -> list[Path]:
    """Every lesson's source, in the order of their numbers."""
    return sorted(HERE.glob("[0-9][0-9]_*.py"))


def student(path: Path, variant: int | None = None, where: str = CLONE) -> Any:
    """The notebook with stubs in the place of answers. A check that fails does not stop "Run All"."""
    notebook = skeleton(path, variant, where)
    for cell in notebook.cells:
        if is_asked(cell):
            cell.source = without_answer(cell.source, "exercise" in cell.metadata)
        if "check" in cell.metadata:
            tag(cell, "raises-exception")
    return notebook


def solution(path: Path, variant: int | None = None, where: str = CLONE_OF_SOLUTIONS) -> Any:
    """The notebook with its answers, not executed yet. A site may fold what is tagged "hide-input"."""
    notebook = skeleton(path, variant, where)
    for cell in notebook.cells:
        if is_asked(cell):
            cell.source = "\n".join(line for line in cell.source.splitlines() if line.strip() not in (BEGIN, END))
            tag(cell, "hide-input")
    return notebook


def nbgrader(path: Path, variant: int | None = None, where: str = CLONE) -> Any:
    """The instructor's version for nbgrader: answers in its own marks, one point for every exercise's check.

    Predictions are the student's: they are not graded, and nbgrader has one stub for all answers.
    """
    notebook, plain = skeleton(path, variant, where), student(path, variant, where)
    exercises = cells_of(notebook, "exercise")
    for cell, stub in zip(notebook.cells, plain.cells):
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
    """The source as a notebook, with the cell that installs, the variant's constants and steady names of cells."""
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
    """Without its ``# variant:`` comments; with ``draw``, one of their values in the place of the line's own."""

    def constant(match: re.Match) -> str:
        name, own, others = match.groups()
        return name + (draw.choice(others.split("|")).strip() if draw else own.rstrip())

    code = re.sub(r"^(\s*\w+ = )(.*?)#\s*variant:(.*)$", constant, code, flags=re.M)
    if "# variant:" in code:
        raise ValueError(f"a variant is of one line, NAME = VALUE  # variant: OTHER | OTHER\n{code}")
    return code


def without_answer(code: str, exercise: bool) -> str:
    """An exercise's answer becomes an error that says how long it is; a prediction's becomes ``name = ...``."""

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
        raise ValueError(f"a cell to be answered has no {BEGIN} and {END}:\n{code}")
    return marked.sub(stub, code).rstrip("\n")


def is_asked(cell: Any) -> bool:
    """Whether the student is to answer in this cell."""
    return "exercise" in cell.metadata or "prediction" in cell.metadata


def cells_of(notebook: Any, kind: str) -> dict[str, Any]:
    """The cells marked as ``"exercise"``, ``"prediction"`` or ``"check"``, by name."""
    return {cell.metadata[kind]: cell for cell in notebook.cells if kind in cell.metadata}


def tag(cell: Any, name: str) -> None:
    cell.metadata["tags"] = [*cell.metadata.get("tags", []), name]


def text_of(notebook: Any) -> str:
    """The notebook as it is written to a file: the same content, the same bytes."""
    return nbformat.writes(notebook) + "\n"
