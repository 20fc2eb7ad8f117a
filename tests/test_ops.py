"""Every operation in the table: its forms pass their check, its laws hold, bad calls are refused."""

import re
import warnings
from functools import partial

import numpy as np
import pytest

from tinybnn.testing import FORMS, OPS, Case, check
from tinybnn.testing.drawing import some_cases
from tinybnn.testing.laws import holds
from tinybnn.testing.op import bare, is_float

IMPLEMENTATIONS = [(name, own, f) for name, form in FORMS.items() for own, f in form.implementations.items()]
LAWS = [(op, law) for op in OPS.values() for law in op.laws]


def strictly(function, *args, **options):
    """The library's own functions must not warn, unless an argument is not finite."""
    finite = all(np.isfinite(a).all() for a in args if is_float(a))
    with warnings.catch_warnings():
        warnings.simplefilter("error" if finite else "ignore")
        return function(*args, **options)


@pytest.mark.parametrize("name, own, function", IMPLEMENTATIONS, ids=[own for _, own, _ in IMPLEMENTATIONS])
def test_the_library_passes_its_own_check(name, own, function):
    check(name, partial(strictly, function), max_examples=40)


def value_of(op, *args, **options):
    return op.result(op.forward(*args, **options), Case(args, options))


@pytest.mark.parametrize("op, law", LAWS, ids=[f"{op.name}: {law.says}" for op, law in LAWS])
def test_laws_hold_exactly(op, law):
    drawn = some_cases(FORMS[op.name]._replace(op=op._replace(boundary=())), 25)  # where nothing is rounded
    cases = [Case(bare(case.args), case.options) for case in drawn]
    assert len(cases) >= 20 and holds(law, partial(value_of, op), cases)


@pytest.mark.parametrize("op", OPS.values(), ids=OPS)
def test_every_record_has_laws_and_is_versioned(op):
    assert op.laws and op.version >= 1


@pytest.mark.parametrize("name", FORMS)
def test_every_case_names_every_option(name):
    """A candidate may then do without defaults."""
    named = [set(case.options) for case in some_cases(FORMS[name], len(FORMS[name].boundary) + 5)]
    assert all(options == named[-1] for options in named)


REFUSALS = [(op, refusal) for op in OPS.values() for refusal in op.refuses]


@pytest.mark.parametrize("op, refusal", REFUSALS, ids=[f"{op.name}: {refusal.says}" for op, refusal in REFUSALS])
def test_bad_calls_are_refused_in_one_line(op, refusal):
    with pytest.raises((ValueError, TypeError)) as caught:
        op.forward(*refusal.case.args, **refusal.case.options)
    text = str(caught.value)
    assert refusal.says in text and "\n" not in text
    assert re.match(r"\w+(\(\))?[: ]", text), "an operation is named: this one, or the one inside it that refused"
