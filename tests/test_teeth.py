"""Every check that passes the right code must reject every wrong version, and nearly always say what is wrong."""

import re
from pathlib import Path

import pytest

from tinybnn.testing import MISTAKES, OPS, RUNGS, Mismatch, check
from tinybnn.testing.drawing import some_cases
from tinybnn.testing.laws import holds
from tinybnn.testing.mistakes.page import page
from tinybnn.testing.op import Case, bare

ALL = [m for mistakes in MISTAKES.values() for m in mistakes]
NAMED: dict[str, bool] = {}


@pytest.mark.parametrize("mistake", ALL, ids=lambda m: f"{m.name}: {m.reason}")
def test_a_mistake_is_rejected(mistake):
    with pytest.raises(Mismatch) as caught:
        check(mistake.name, mistake.wrong, max_examples=20)
    causes = [line for line in str(caught.value).splitlines() if line.startswith("  likely cause: ")]
    NAMED[f"{mistake.name}: {mistake.reason}"] = causes == [f"  likely cause: {mistake.reason}"]


def test_its_cause_is_named_and_no_other_for_nine_in_ten():
    if len(NAMED) < len(ALL):
        pytest.skip("only some of the mistakes were run")
    unnamed = [name for name, alone in NAMED.items() if not alone]
    assert len(unnamed) <= 0.1 * len(ALL), unnamed


def test_every_function_has_mistakes_and_every_entry_is_whole():
    assert set(MISTAKES) == set(RUNGS) and len(ALL) >= 60
    for name, mistakes in MISTAKES.items():
        assert len({m.reason for m in mistakes}) == len(mistakes), f"{name} has a mistake twice"
    for m in ALL:
        assert m.reason and m.symptom and "\n" not in m.reason + m.symptom and not m.reason.endswith("."), m.reason
        for thread in m.met:
            assert re.fullmatch(r"[\w.-]+/[\w.-]+#\d+", thread) or "#" not in thread, thread


@pytest.mark.parametrize("op", OPS.values(), ids=OPS)
def test_every_law_is_broken_by_some_mistake(op):
    """A law that no wrong version breaks is none: it would hold of anything."""
    cases = [Case(bare(case.args), case.options) for case in some_cases(RUNGS[op.name], 20)]

    def breaks(wrong, law):
        def value(*args, **options):
            return op.result(wrong(*args, **options), Case(args, options))

        for case in cases:
            try:
                if not holds(law, value, [Case(tuple(map(copied, case.args)), case.options)]):
                    return True
            except (ValueError, TypeError, IndexError, ArithmeticError):
                return True
        return False

    idle = [law.says for law in op.laws if not any(breaks(m.wrong, law) for m in MISTAKES[op.name])]
    assert not idle, f"no mistake in {op.name} breaks: {idle}"


def copied(a):
    """For a mistake that writes into its input."""
    return a.copy() if hasattr(a, "copy") else a


def test_the_page_of_mistakes_is_that_of_the_catalogue():
    written = (Path(__file__).parent.parent / "docs" / "mistakes.md").read_text(encoding="utf-8")
    assert written == page(), "python -m tinybnn.testing.mistakes.page docs/mistakes.md"
