"""Every check that passes the right code must reject every wrong version: a check that cannot fail is no check."""

import pytest
from mutants import MUTANTS

from tinybnn.testing import OPS, Mismatch, check_backward, check_forward, check_packed


def check(op, rung, candidate):
    if rung == "backward":
        check_backward(op, op.forward, candidate)
    else:
        {"forward": check_forward, "packed": check_packed}[rung](op, candidate)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda m: f"{m.op}: {m.reason}")
def test_mutant_is_rejected(mutant):
    with pytest.raises(Mismatch):
        check(OPS[mutant.op], mutant.rung, mutant.wrong)


def test_every_operation_has_a_mutant_on_every_rung():
    rungs = {(m.op, m.rung) for m in MUTANTS}
    for name, op in OPS.items():
        assert any(m.op == name for m in MUTANTS), f"{name} has no mutant"
        assert not op.backward or (name, "backward") in rungs, f"{name} has no mutant of its backward"
        assert not op.packed or (name, "packed") in rungs, f"{name} has no mutant of its packed form"
