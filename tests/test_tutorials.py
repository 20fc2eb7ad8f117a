"""The course, held to what it promises: built from its sources, solved, unsolved, and solved wrongly."""

import doctest
import json
import re
import shlex
from collections import Counter
from concurrent.futures import ProcessPoolExecutor

import pytest

pytestmark = pytest.mark.tutorials
for package in ("jupytext", "nbclient", "ipykernel"):
    pytest.importorskip(package, reason="the course needs: pip install '.[course]'")

import jupytext  # noqa: E402
import nbformat  # noqa: E402

from tutorials import build, lesson  # noqa: E402
from tutorials.__main__ import main, parser  # noqa: E402
from tutorials.lesson import cells_of  # noqa: E402

SOURCES = lesson.sources()
LESSONS = pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
README = (lesson.HERE / "README.md").read_text(encoding="utf-8")
LONGEST = 14
"""Lines of a code cell: one idea."""

TRY = """
import json as _json

def _said(answer, check):
    world = dict(globals())
    exec(answer, world)
    try:
        exec(check, world)
    except AssertionError as error:
        return str(error)
    return "nothing: it passed"
"""


def wrong_answers(path):
    """(exercise, cause, code) of every wrong answer that is listed for a lesson."""
    listed = jupytext.read(lesson.HERE / "wrong" / path.name, fmt="py:percent")
    return [(cell.metadata["exercise"], cell.metadata["cause"], cell.source) for cell in listed.cells]


def code_of(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def printed(cell):
    """What a cell says in words, without pictures."""
    data = (out.get("data", {}) for out in cell.outputs)
    shown = ("" if "image/png" in d else d.get("text/plain", "") for d in data)
    return "".join(out.get("text", "") + words for out, words in zip(cell.outputs, shown))


# -- executed once, two at a time -----------------------------------------------------------------------------------


def solved_and_mistaken(path):
    """The solution, executed; behind every check it is also tried with the wrong answers of its exercise."""
    notebook = lesson.solution(path)
    exercises, wrong = cells_of(notebook, "exercise"), wrong_answers(path)
    cells = [nbformat.v4.new_code_cell(TRY)]
    for cell in notebook.cells:
        cells.append(cell)
        name = cell.metadata.get("check")
        if name in exercises:
            tries = [code for exercise, _, code in wrong if exercise == name]
            calls = f"print(_json.dumps([_said(_code, {cell.source!r}) for _code in {tries!r}]))"
            cells.append(nbformat.v4.new_code_cell(calls, metadata={"tries": name}))
    notebook.cells = cells
    return build.execute(notebook)


@pytest.fixture(scope="module")
def executed(request):
    """Futures of both runs of every lesson asked for, two at a time, each in a process that nothing outlives."""
    asked = {item.callspec.params["path"] for item in request.session.items if "executed" in item.fixturenames}
    with ProcessPoolExecutor(2) as pool:
        yield {
            path: (
                pool.submit(solved_and_mistaken, path),
                pool.submit(build.execute, lesson.student(path), allow_errors=True),
            )
            for path in sorted(asked)
        }


@LESSONS
def test_a_solution_passes_all_its_checks_and_says_what_it_said_when_it_was_built(path, executed):
    notebook = executed[path][0].result()
    kept = nbformat.read(lesson.HERE / "solutions" / f"{path.stem}.ipynb", 4)
    run = [cell for cell in code_of(notebook) if cell.id.startswith(path.stem)]
    for now, then in zip(run, code_of(kept), strict=True):
        assert not [out for out in now.outputs if out.output_type == "error" or out.get("name") == "stderr"], now.source
        if "check" in now.metadata:
            assert not now.outputs, f"{now.metadata.check}: a check that passes says nothing"
        if "varies" not in now.metadata.get("tags", []):
            assert printed(now) == printed(then), now.source
    assert notebook.metadata["tinybnn"]["seconds"] > 0


@LESSONS
def test_a_wrong_answer_is_told_its_cause(path, executed):
    notebook, wrong = executed[path][0].result(), wrong_answers(path)
    tried = {cell.metadata.tries: json.loads(printed(cell)) for cell in notebook.cells if "tries" in cell.metadata}
    for name in cells_of(notebook, "exercise"):
        causes = [cause for exercise, cause, _ in wrong if exercise == name]
        assert len(set(causes)) >= 3, f"{path.name}: {name} has {len(set(causes))} wrong answers, expected 3 or more"
        for cause, said in zip(causes, tried[name], strict=True):
            assert cause in said, f"{path.name}: {name}, expected {cause!r}, it says:\n{said}"


@LESSONS
def test_an_untouched_notebook_fails_its_checks_in_one_line_and_nothing_else(path, executed):
    for cell in code_of(executed[path][1].result()):
        errors = [out for out in cell.outputs if out.output_type == "error"]
        assert bool(errors) == ("check" in cell.metadata), f"{cell.source}\n{errors}"
        assert not [out for out in cell.outputs if out.get("name") == "stderr"], cell.source
        for error in errors:
            assert len(error.traceback) == 1 and "\n" not in error.traceback[0], error.traceback
            assert re.search(r"not written yet \(about \d+ lines?\)$|not made yet$", error.traceback[0])


# -- read, not executed ---------------------------------------------------------------------------------------------


@LESSONS
def test_sources_and_notebooks_agree(path):
    student = (lesson.HERE / f"{path.stem}.ipynb").read_text(encoding="utf-8")
    assert student == lesson.text_of(lesson.student(path)), "build it: python -m tutorials build"
    kept = nbformat.read(lesson.HERE / "solutions" / f"{path.stem}.ipynb", 4)
    for now, then in zip(lesson.solution(path).cells, kept.cells, strict=True):
        assert (now.id, now.source, now.metadata) == (then.id, then.source, then.metadata), "build it"


@LESSONS
def test_every_exercise_has_its_check_its_hints_its_place_and_its_question(path):
    cells = lesson.student(path).cells
    starts = [i for i, cell in enumerate(cells) if "exercise" in cell.metadata]
    assert starts, "a lesson has something to write"
    for start, end in zip(starts, [*starts[1:], len(cells)]):
        name, unit = cells[start].metadata.exercise, cells[start:end]
        assert [cell.metadata.get("check") for cell in unit[:2]] == [None, name], f"{name} is not followed by its check"
        words = "\n".join(cell.source for cell in unit if cell.cell_type == "markdown")
        for wanted in ("<summary>Hint 1<", "<summary>Hint 2<", "**In the library**", "**What would break if**"):
            assert wanted in words, f"{name} lacks {wanted}"
    predictions = cells_of(lesson.student(path), "prediction")
    assert predictions and predictions.keys() <= cells_of(lesson.student(path), "check").keys()


@LESSONS
def test_a_cell_has_one_idea(path):
    for cell in code_of(lesson.solution(path)):
        lines = [line for line in cell.source.splitlines() if line.strip()]
        assert len(lines) <= LONGEST, f"{len(lines)} lines:\n{cell.source}"
        assert max(map(len, lines), default=0) <= 120


@LESSONS
def test_a_notebook_is_small(path):
    size = (lesson.HERE / "solutions" / f"{path.stem}.ipynb").stat().st_size
    assert size <= 900_000, f"{size:,} bytes: its pictures are too large"


def test_no_notebook_copies_code_from_another():
    seen = {}
    for path in SOURCES:
        for cell in code_of(lesson.solution(path)):
            if "install" in cell.metadata.get("tags", []):
                continue
            lines = [line.strip() for line in cell.source.splitlines()]
            lines = [line for line in lines if line and not re.match(r"(import|from|#|def|return)\b", line)]
            for i in range(len(lines) - 2):
                other = seen.setdefault("\n".join(lines[i : i + 3]), path.stem)
                assert other == path.stem, f"{other} and {path.stem} share:\n" + "\n".join(lines[i : i + 3])


def test_the_map_is_that_of_the_lessons():
    assert build.MAP.search(README).group(0).split("\n", 1)[1].rsplit("\n", 1)[0] == build.course_map(), "build it"


def test_numbers_that_lessons_quote_from_the_readme_stand_there():
    readme = (lesson.HERE.parent / "README.md").read_text(encoding="utf-8")
    lessons = {path.stem[:2]: path.read_text(encoding="utf-8") for path in SOURCES}
    row = r"^    \"[\w ,-]+\": \((-?0\.\d+), (0\.\d+), (\d)\),$"
    differences = re.findall(row, lessons["10"], re.M)
    assert len(differences) == 6
    for mean, spread, higher in differences:
        assert f"{float(mean):+.3f} ± {spread} ({higher}/5)" in readme
    missed = re.search(r"^# \| share missed \| (.*) \|$", lessons["08"], re.M)[1].split(" | ")
    assert missed == re.findall(r"^ +\d +(0\.\d{3})  0\.", readme, re.M)


# -- what a teacher does ---------------------------------------------------------------------------------------------


def test_the_answers_to_the_exam_are_right():
    failed, asked = doctest.testfile(str(lesson.HERE / "README.md"), module_relative=False)
    assert asked > 30 and not failed


def test_the_commands_in_the_readme_are_ones_that_the_program_takes():
    calls = re.findall(r"-m (tutorials .*)", "".join(README.split("```")[1::2]))
    assert len(calls) >= 5
    for call in calls:
        parser().parse_args(shlex.split(call)[1:])


def test_a_variant_has_other_constants_and_the_same_checks():
    changed = 0
    for path in SOURCES:
        own, other = lesson.solution(path), lesson.solution(path, variant=1)
        changed += own.cells != other.cells
        assert cells_of(own, "check").keys() == cells_of(other, "check").keys()
        assert "variant:" not in "".join(cell.source for cell in own.cells + other.cells)
        assert lesson.text_of(lesson.student(path, 1)) == lesson.text_of(lesson.student(path, 1))
    assert changed == len(SOURCES), "every lesson has something to vary"


def test_for_nbgrader_every_exercise_is_one_point_and_every_name_is_used_once():
    for path in SOURCES:
        notebook = lesson.nbgrader(path)
        nbformat.validate(notebook)
        marks = [cell.metadata.nbgrader for cell in notebook.cells if "nbgrader" in cell.metadata]
        assert sum(mark["points"] for mark in marks) == len(cells_of(notebook, "exercise"))
        assert max(Counter(mark["grade_id"] for mark in marks).values()) == 1
        assert all(mark["grade"] != mark["solution"] for mark in marks if mark["points"])


def test_a_call_that_makes_no_sense_is_refused_in_one_line(capsys, tmp_path):
    (tmp_path / "no.ipynb").write_text("{}")
    for call in (["build", "77"], ["build", "--variant", "3"], ["grade", str(tmp_path / "no.ipynb")]):
        assert main(call) == 2
        said = capsys.readouterr().err
        assert said.startswith("tutorials: ") and said.count("\n") == 1


def test_a_notebook_is_graded_by_the_checks_it_was_given_out_with(tmp_path, capsys):
    path = SOURCES[0]
    notebook = lesson.student(path)
    exercises = cells_of(notebook, "exercise")
    answered, forged, *_ = exercises
    exercises[answered].source = cells_of(lesson.solution(path), "exercise")[answered].source
    for cell in notebook.cells:
        if cell.metadata.get("check") == forged:
            cell.source = "pass"
    (tmp_path / "mine.ipynb").write_text(lesson.text_of(notebook))
    assert main(["grade", str(tmp_path / "mine.ipynb"), "--json", str(tmp_path / "results.json")]) == 1
    assert f"1 of {len(exercises)} right" in capsys.readouterr().out
    tests = json.loads((tmp_path / "results.json").read_text())["tests"]
    assert {test["name"]: test["score"] for test in tests} == {name: float(name == answered) for name in exercises}
    assert "not written yet" in tests[1]["output"]
