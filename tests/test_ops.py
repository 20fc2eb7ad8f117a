"""Every operation in the table against its specification: forward, backward, packed."""

import pytest

from tinybnn.testing import OPS, check_backward, check_forward, check_packed


@pytest.mark.parametrize("name", OPS)
def test_forward_equals_specification(name):
    check_forward(OPS[name], OPS[name].forward)


@pytest.mark.parametrize("name", [name for name, op in OPS.items() if op.backward])
def test_backward_equals_finite_differences(name):
    check_backward(OPS[name], OPS[name].forward, OPS[name].backward)


@pytest.mark.parametrize("name", [name for name, op in OPS.items() if op.packed])
def test_packed_equals_specification(name):
    check_packed(OPS[name], OPS[name].packed)
