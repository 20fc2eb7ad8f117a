"""Grade a student's notebook: take its answers, and everything else from the notebook that was handed out."""

from pathlib import Path
from typing import Any

import nbformat

from tinybnn.data.store import save_json
from tinybnn.testing.grade import MISSING, OK, WRONG, Verdict, gradescope

from .build import execute
from .lesson import HERE, cells_of, student

UNREADABLE = (OSError, ValueError, KeyError, TypeError, AttributeError, nbformat.ValidationError)
"""The errors of reading a file that is not a notebook, or not a notebook of the course."""


def grade(path: Path) -> list[Verdict]:
    """One verdict for each exercise. The checks are those of the source, even if the student's copy has others.

    The notebook names its lesson and its variant. Everything outside the cells of exercises and predictions is ignored.

    Raises
    ------
    ValueError
        If ``path`` is not a notebook of the course.
    """
    try:
        handed_in = nbformat.read(path, 4)
        about = handed_in.metadata["tinybnn"]
        notebook = student(HERE / Path(about["source"]).name, about["variant"])
    except UNREADABLE as error:
        raise ValueError(f"grade: {path} is not a notebook of this course ({type(error).__name__})") from None
    for kind in ("exercise", "prediction"):
        answers = cells_of(handed_in, kind)
        for name, cell in cells_of(notebook, kind).items():
            cell.source = answers[name].source if name in answers else cell.source
    answered, exercises = cells_of(handed_in, "exercise"), cells_of(notebook, "exercise")
    checks = cells_of(execute(notebook, allow_errors=True), "check")
    return [verdict(cell, name in answered) for name, cell in checks.items() if name in exercises]


def verdict(cell: Any, answered: bool) -> Verdict:
    """A check passes if it raises nothing and writes nothing to standard error, as in nbgrader."""
    name = cell.metadata.check
    errors = [out for out in cell.outputs if out.output_type == "error"]
    printed = "".join(out.text for out in cell.outputs if out.output_type == "stream")
    if not answered:
        return Verdict(name, MISSING, f"{name}: the notebook has no cell for this exercise", printed)
    if errors:
        return Verdict(name, WRONG, "\n".join(errors[0].traceback), printed)
    if any(out.get("name") == "stderr" for out in cell.outputs):
        return Verdict(name, WRONG, f"{name}: its check wrote to standard error", printed)
    return Verdict(name, OK, "", printed)


def report(path: Path, results: Path | None) -> int:
    """Print every verdict, write Gradescope's ``results.json`` if asked to, and return the exit status."""
    verdicts = grade(path)
    for v in verdicts:
        print(f"{v.name}: {v.mark}" if v.mark == OK else v.text)
    right = sum(v.mark == OK for v in verdicts)
    print(f"\n{right} of {len(verdicts)} right")
    if results:
        save_json(results, gradescope(verdicts))
    return 0 if right == len(verdicts) else 1
