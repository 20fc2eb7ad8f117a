"""Build the notebooks from their sources, and execute the solved ones."""

import os
import re
import tempfile
import time
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from tqdm import tqdm

from tinybnn.data.store import write_whole

from . import lesson
from .lesson import HERE, text_of

MAP = re.compile(r"(<!-- map: .*? -->\n).*?(<!-- end of map -->)", re.S)


def build(paths: list[Path], out: Path = HERE, run: bool = True, **choices: Any) -> None:
    """Write ``out/NN_name.ipynb`` and ``out/solutions/NN_name.ipynb``; the latter is executed unless ``run`` is False.

    ``choices`` are the options ``variant`` and ``where`` of :func:`tutorials.lesson.student`.
    """
    for path in tqdm(paths, unit="notebook"):
        write(out / f"{path.stem}.ipynb", lesson.student(path, **choices))
        answered = lesson.solution(path, **choices)
        if run:
            answered = execute(answered)
        write(out / "solutions" / f"{path.stem}.ipynb", answered)
    if run and out == HERE:
        readme = HERE / "README.md"
        save(readme, MAP.sub(lambda m: m[1] + course_map() + "\n" + m[2], readme.read_text(encoding="utf-8")))


def build_nbgrader(paths: list[Path], out: Path, **choices: Any) -> None:
    """Write ``out/source/NN_name/NN_name.ipynb``, the input of ``nbgrader generate_assignment``."""
    for path in paths:
        write(out / "source" / path.stem / f"{path.stem}.ipynb", lesson.nbgrader(path, **choices))


def execute(notebook: Any, allow_errors: bool = False) -> Any:
    """Run the notebook from the first cell to the last, in a new kernel and folder; return it with its outputs."""
    with tempfile.TemporaryDirectory() as folder:
        client = NotebookClient(
            notebook,
            timeout=300,
            kernel_name="python3",
            allow_errors=allow_errors,
            record_timing=False,
            extra_arguments=["--log-level=ERROR"],
            resources={"metadata": {"path": folder}},
        )
        started = time.perf_counter()
        client.execute(env=os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"})
    notebook.metadata["tinybnn"]["seconds"] = round(time.perf_counter() - started)
    notebook.metadata["language_info"] = {"name": "python"}  # without the Python version of the machine that built it
    return notebook


def course_map() -> str:
    """The table of the course and the goals of each lesson, read from the lessons' first cells."""
    rows = ["| | lesson | minutes | seconds to run | needs | explains |", "| --- | --- | --- | --- | --- | --- |"]
    goals = []
    for path in lesson.sources():
        first = lesson.student(path).cells[0].source
        title = re.match(r"# \d+\. (.*)", first)[1].replace("|", r"\|")
        about = re.search(r"^(\d+) minutes · needs (.*?) · explains (.*?)\n\n", first, re.M | re.S).groups()
        minutes, needs, explains = (" ".join(part.split()) for part in about)
        solved = nbformat.read(HERE / "solutions" / f"{path.stem}.ipynb", 4)
        seconds = solved.metadata["tinybnn"]["seconds"]
        link = f"[{title}]({path.stem}.ipynb)"
        rows.append(f"| {path.stem[:2]} | {link} | {minutes} | {seconds} | {needs} | {explains} |")
        can = " ".join(re.findall(r"^- (.*(?:\n  .*)*)", first, re.M))
        goals.append(f"- **{path.stem[:2]}**: " + " ".join(can.split()))
    return "\n".join([*rows, "", "After each of them you can:", "", *goals])


def write(path: Path, notebook: Any) -> None:
    save(path, text_of(notebook))


def save(path: Path, text: str) -> None:
    write_whole(path, lambda file: file.write(text.encode()))
