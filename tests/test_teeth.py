"""Every check that passes the right code must reject every wrong version, and nearly always say what is wrong."""

import re
import warnings
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from tinybnn.ops.binarize import sign_loops
from tinybnn.testing import FORMS, MISTAKES, OPS, Mismatch, check
from tinybnn.testing.candidate import Candidate
from tinybnn.testing.drawing import some_cases
from tinybnn.testing.laws import holds
from tinybnn.testing.mistakes.mistake import mistakes
from tinybnn.testing.mistakes.page import page
from tinybnn.testing.op import Case, bare
from tinybnn.testing.say import Failure

ALL = [m for mistakes in MISTAKES.values() for m in mistakes]
NAMED: dict[str, bool] = {}


def gives_a_value(mistake):
    """Whether a mistake returns a result on at least one case. What always raises is no mistake that people make."""
    candidate = Candidate(FORMS[mistake.name], mistake.wrong)
    cases = some_cases(FORMS[mistake.name], 20)
    came = (candidate.call(trial) for case in cases for trial in FORMS[mistake.name].trials(case))
    return any(not isinstance(result, Failure) or has_value(result) for result in came)


def has_value(failure):
    """Whether a call that failed its check returned something, and not None."""
    return failure.kind not in ("raised", "signature", "unwritten") and not failure.what.startswith("returned None")


def unwritten(x):
    raise NotImplementedError


def test_an_entry_that_never_returns_a_value_is_noticed():
    (right, *_) = MISTAKES["sign"]
    assert gives_a_value(right)
    assert not gives_a_value(right._replace(wrong=lambda x: undefined_name(x)))  # noqa: F821
    assert not gives_a_value(right._replace(wrong=lambda: 0))
    assert not gives_a_value(right._replace(wrong=lambda x: None))
    assert not gives_a_value(right._replace(wrong=unwritten))


@pytest.mark.parametrize("mistake", ALL, ids=lambda m: f"{m.name}: {m.reason}")
def test_a_mistake_is_rejected(mistake):
    assert gives_a_value(mistake), "it raises on every case: write one that returns a wrong result"
    with pytest.raises(Mismatch) as caught:
        check(mistake.name, mistake.wrong, max_examples=20)
    causes = [line for line in str(caught.value).splitlines() if line.startswith("  likely cause: ")]
    NAMED[f"{mistake.name}: {mistake.reason}"] = causes == [f"  likely cause: {mistake.reason}"]


def test_its_cause_is_named_and_no_other_for_95_in_100():
    if len(NAMED) < len(ALL):
        pytest.skip("only some of the mistakes were run")
    unnamed = [name for name, alone in NAMED.items() if not alone]
    assert len(unnamed) <= 0.05 * len(ALL), unnamed


def test_every_function_has_mistakes_and_every_entry_is_whole():
    few = sorted(name for name in FORMS if len(MISTAKES.get(name, ())) < 2)
    assert not few, f"{few} need two mistakes each: write them in tinybnn/testing/mistakes"
    assert set(MISTAKES) <= set(FORMS), f"{set(MISTAKES) - set(FORMS)} are no functions of a record"
    for name, entries in MISTAKES.items():
        assert len({m.reason for m in entries}) == len(entries), f"{name} has a mistake twice"
    for m in ALL:
        assert m.reason and m.symptom and "\n" not in m.reason + m.symptom and not m.reason.endswith("."), m.reason
        for thread in m.met:
            assert re.fullmatch(r"[\w.-]+/[\w.-]+#\d+", thread) or "#" not in thread, thread


def test_a_line_that_is_no_longer_there_is_refused_at_import():
    with pytest.raises(ValueError, match="mistakes: sign_loops has 'x > 0' 0 times, expected once"):
        mistakes(sign_loops, ("treats 0 as -1", "x > 0", "x >= 0", "nothing"))
    with pytest.raises(ValueError, match="mistakes: sign_loops has 'y' [2-9] times, expected once"):
        mistakes(sign_loops, ("another name", "y", "z", "nothing"))
    with pytest.raises(ValueError, match="has 'Specification' 0 times"):  # the docstring is no part of the source
        mistakes(sign_loops, ("another docstring", "Specification", "Code", "nothing"))


SPOILT = {
    "one more": lambda y: y + 1,
    "the square": lambda y: y * y,
    "moved by one": lambda y: np.roll(y, 1),
    "each value less the mean": lambda y: y - y.mean(),
    "the first value lost": lambda y: np.where(np.arange(y.size).reshape(y.shape) == 0, 0, y),
    "the last value doubled": lambda y: np.where(np.arange(y.size).reshape(y.shape) == y.size - 1, 2 * y, y),
}
"""What a law must notice, beside the catalogue: most mistakes double their result when their input is doubled."""


@pytest.mark.parametrize("op", OPS.values(), ids=OPS)
def test_every_law_can_be_broken(op):
    """A law that no wrong version breaks is none: it would hold of anything."""
    drawn = some_cases(FORMS[op.name], 20)
    cases = [Case(bare(c.args), {k: v for k, v in c.options.items() if k not in op.idle}) for c in drawn]

    def value(function, *args, **options):
        return np.asarray(op.result(function(*args, **options), Case(args, options)))

    def breaks(law, wrong):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return not holds(law, wrong, [Case(tuple(map(copied, c.args)), c.options) for c in cases])
        except (ValueError, TypeError, IndexError, ArithmeticError):
            return True

    known = [partial(value, m.wrong) for m in MISTAKES.get(op.name, ())]
    made = [lambda *args, f=f, **options: f(1 * value(op.forward, *args, **options)) for f in SPOILT.values()]
    made += [lambda *args, **options: value(op.forward, *args, **options) + trace(args)]
    idle = [law.says for law in op.laws if not any(breaks(law, wrong) for wrong in (*known, *made))]
    assert not idle, f"nothing wrong with {op.name} breaks: {idle}"


def trace(args):
    """A number in which every element of every argument leaves a trace of its own."""
    arrays = [np.sqrt(np.abs(np.float64(a) - 0.3)).ravel() for a in args if isinstance(a, np.ndarray)]
    return sum((a * (1 + i + np.arange(a.size) % 7)).sum() for i, a in enumerate(arrays))


def copied(a):
    """For a mistake that writes into its input."""
    return a.copy() if hasattr(a, "copy") else a


def test_the_page_of_mistakes_is_that_of_the_catalogue():
    written = (Path(__file__).parent.parent / "docs" / "mistakes.md").read_text(encoding="utf-8")
    assert written == page(), "python -m tinybnn.testing.mistakes.page docs/mistakes.md"


def test_no_two_headings_of_the_page_have_one_anchor():
    """The index would lead to the first of them."""
    anchors = [heading.lower().replace(" ", "-") for heading in re.findall(r"^#+ `?(.*?)`?$", page(), re.M)]
    assert len(set(anchors)) == len(anchors), sorted({a for a in anchors if anchors.count(a) > 1})
