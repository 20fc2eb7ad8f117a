"""What measures is itself checked: no wrong answer is timed, every operation has a case, the page says what ran."""

import os
import re
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from benchmarks import damage, loops, training
from benchmarks.harness import Row, check, in_turn, peak
from tinybnn.model import net
from tinybnn.ops import conv, upsample
from tinybnn.testing import FORMS

ROOT = Path(__file__).parent.parent
RESULTS = (ROOT / "benchmarks" / "RESULTS.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
SPEED = (ROOT / "docs" / "speed.md").read_text(encoding="utf-8")


def test_a_wrong_answer_is_not_timed():
    check("right", np.array([1, 2]), np.array([1.0, 2.0]))
    for wrong in (np.array([1, 3]), np.array([1]), np.array([1, np.nan])):
        with pytest.raises(SystemExit, match="wrong: the answer is wrong by .*; nothing is timed"):
            check("wrong", wrong, np.array([1.0, 2.0]))


def test_ratios_are_taken_round_by_round():
    order = []
    timed = in_turn({name: lambda name=name: order.append(name) for name in "ab"}, rounds=3)
    assert order == ["a", "b"] * 5 and timed.seconds.shape == (2, 3)
    timed.seconds[:] = [[3.0, 2.0, 40.0], [1.0, 1.0, 10.0]]
    assert timed.ratio("a", "b") == 3.0 and timed.fastest("a", "b") == "b"


def test_a_bound_holds_from_below_or_from_above():
    assert Row("c", "", 2.0, bound=2.0).reached and not Row("c", "", 1.9, bound=2.0).reached
    assert Row("c", "", 1.0, bound=1.0, most=True).reached and not Row("c", "", 1.1, bound=1.0, most=True).reached
    assert Row("c", "", 1.0).reached is None


def test_peak_is_what_was_allocated_at_once():
    assert 8e6 <= peak(lambda: np.ones(10**6)) < 8.2e6


def test_what_is_timed_against_its_loops_has_a_record():
    assert set(loops.CASES) <= set(FORMS)


def test_the_textbook_and_this_project_train_alike():
    """And PyTorch, where it is installed: loss and gradients of one step, in float64."""
    training.agree(net.Config())


def test_a_textbook_with_a_mistake_is_noticed(monkeypatch):
    right = training.textbook.quantizer
    monkeypatch.setattr(training.textbook, "quantizer", right._replace(hard=lambda x: np.where(x >= 0.1, 1.0, -1.0)))
    with pytest.raises(SystemExit, match="textbook"):
        training.agree(net.Config())


def test_the_library_is_as_it_was_after_the_textbook():
    with training.textbook.in_place():
        assert net.conv2d is training.textbook.conv2d and upsample.UPSAMPLERS["nearest"] != upsample.NEAREST
    assert net.conv2d is conv.conv2d and upsample.UPSAMPLERS["nearest"] == upsample.NEAREST


def test_damaged_files_are_refused_or_harmless(tmp_path):
    for name, count, *outcomes in damage.damage(tmp_path, 60):
        assert sum(outcomes) == count and outcomes[0] > count // 2 and outcomes[2:] == [0, 0, 0], name


def test_what_a_damaged_file_does_is_told_apart(tmp_path):
    path = tmp_path / "file"

    def fails(error):
        raise error

    assert damage.outcome(path, lambda _: fails(ValueError(f"{path}: bad")), 1) == "refused"
    assert damage.outcome(path, lambda _: fails(ValueError("bad")), 1) == "traceback"
    assert damage.outcome(path, lambda _: fails(KeyError("config")), 1) == "traceback"
    assert damage.outcome(path, lambda _: 1, 1) == "no effect"
    assert damage.outcome(path, lambda _: 1.0, 1) == "wrong in silence"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no alarm")
def test_a_file_that_takes_too_long_or_too_much_is_noticed(tmp_path, monkeypatch):
    monkeypatch.setattr(damage, "SECONDS", 0.01)
    assert damage.outcome(tmp_path, lambda _: time.sleep(1), 1) == "hung"
    if sys.platform == "linux":
        assert damage.outcome(tmp_path, lambda _: np.ones(2**29), 1) == "traceback"


def test_a_killed_training_ends_as_a_whole_one(tmp_path):
    assert damage.killed(tmp_path, 2) == 2


def test_the_speed_page_says_what_the_results_say():
    block = SPEED.split("<!-- results:")[1].split("<!-- end of results -->")[0]
    rows = [row for row in block.splitlines() if row.startswith("|")]
    assert len(rows) > 20
    for row in rows:
        assert row in RESULTS, f"not in RESULTS.md: {row}"
    assert re.search(r"\d{4}-\d\d-\d\d", RESULTS).group() in block


def test_the_readme_says_what_the_results_say():
    block = README.split("<!-- results:")[1].split("<!-- end of results -->")[0]
    rows = [[cell.strip() for cell in row.strip("|").split("|")] for row in block.splitlines() if row.startswith("|")]
    results = [
        [cell.strip() for cell in row.strip("|").split("|")] for row in RESULTS.splitlines() if row.startswith("|")
    ]
    assert len(rows) > 10
    for claim, case, measured in rows[2:]:
        assert any(r[:2] == [claim, case] and r[4] == measured and r[2] == "1" for r in results), (claim, case)
