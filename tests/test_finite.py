"""The contract of infinities and NaN: an operation refuses them in one line, or does what its specification does."""

import re
import warnings

import numpy as np
import pytest

from tinybnn.ops.bitpack import pack
from tinybnn.testing import FORMS, Case, Mismatch, check
from tinybnn.testing.drawing import some_cases
from tinybnn.testing.forms import bound_of, gradients_of, specified
from tinybnn.testing.judgement import differs
from tinybnn.testing.op import array_of, bare, is_float

NOT_FINITE = np.inf, -np.inf, np.nan
SPEAKS_FOR = {"update_running": "batch_norm"}
"""The record gives the batch, from which the function takes the cache of batch norm."""

GRADIENT = {"conv_transpose2d": "dx", "mean_abs": "dalpha", "phase_kernel": "dkernel"}
"""What a backward pass calls its gradient, if not dy."""


def attempt(form, function, argument, at, args, options):
    """What ``function`` returns, or None if it refuses the argument in one line that names function and place."""
    says = rf"({form.name}|{SPEAKS_FOR.get(form.name)}): {argument}{re.escape(str(list(at)))} is "
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return function(*args, **options)
        except ValueError as error:
            assert re.fullmatch(says + r"(-?inf|nan), (expected|which) [^\n]+", str(error)), error
            return None


def put(args, i, at, value):
    """The arguments with ``value`` at a place of argument ``i``."""
    a = args[i].copy()
    a[at] = value
    return (*args[:i], a, *args[i + 1 :])


def spoilt(args, rng):
    """For each array of floats and each of the three values: its number, a drawn place, the value and the arguments."""
    for i, a in enumerate(args):
        for value in NOT_FINITE if is_float(a) and a.size else ():
            at = tuple(int(rng.integers(n)) for n in a.shape)
            yield i, at, value, put(args, i, at, value)


def differences(form, count=12):
    """How often a function does something else with a value that is not finite than its specification."""
    rng, kinds = np.random.default_rng(0), {"forward": forward, "packed": packed, "backward": backward}
    return sum(wrong for case in some_cases(form, count) for wrong in kinds[form.kind](form, case, rng))


def forward(form, case, rng):
    """The specification is the one in loops."""
    for i, at, _, args in spoilt(case.args, rng):
        for function in form.implementations.values():
            out = attempt(form, function, form.parameters[i], at, bare(args), case.options)
            if out is not None:
                expected = specified(form.op.spec, Case(args, case.options), np.float64, form.op.idle)
                got, right = form.op.result(out, case), array_of(expected)
                yield differs(np.asarray(got), np.asarray(right), bound_of(form.op, case, right, np.float64)).any()


def packed(form, case, rng):
    """The specification is the float forward function; words cannot hold what is no sign."""
    for i, at, _, args in spoilt(case.args, rng):
        try:
            fed = form.op.packed.feed(Case(args, case.options))
        except ValueError:
            continue
        if not is_float(fed.args[i]):
            continue
        y = attempt(FORMS[form.op.name], form.op.forward, form.parameters[i], at, args, case.options)
        for function in form.implementations.values():
            out = attempt(form, function, form.parameters[i], at, bare(fed.args), fed.options)
            yield (out is None) != (y is None)
            if out is not None:
                value = form.op.result(y, case)
                yield differs(out, pack(value) if form.op.packed.words else value, 0).any()


def backward(form, case, rng):
    """A gradient reaches what it is part of; beside an infinite input it is that beside a very large one.

    A backward pass is linear in ``dy``. So two calls show which results a value of ``dy`` is part of, and by how much.
    """
    y, cache = form.op.forward(*case.args, **case.options)
    if np.size(y) == 0 or not np.isfinite(y).all():
        return
    scalar, dy = np.ndim(y) == 0, rng.uniform(0.5, 1.5, np.shape(y))
    own, name = form.function, GRADIENT.get(form.op.name, "dy")

    def gradients(args, value=dy):
        return gradients_of(own(value, form.op.forward(*args, **case.options)[1]))

    for _, at, value, (bad,) in spoilt((np.asarray(dy),), rng) if not scalar else ():
        out = attempt(form, own, name, at, (bad, cache), {})
        for c, a, b in zip(gradients_of(out), *(gradients_of(own(put((dy,), 0, at, k)[0], cache)) for k in (1.0, 2.0))):
            if out is not None:
                slope = np.where(a != b, b - a, 1)
                yield differs(c, np.where(a != b, slope * value, a), 1e-9 * np.maximum(1, np.abs(a))).any()
    for i, at, value, args in spoilt(case.args, rng):
        made = attempt(FORMS[form.op.name], form.op.forward, form.parameters[i], at, args, case.options)
        if made is None or np.isnan(made[0]).any():
            continue
        out = attempt(form, own, form.parameters[i], at, (dy, made[1]), {})
        large = [1e100, 1e150] if value > 0 else [-1e100, -1e150] if value < 0 else [1e100, -1e100, 0.3, -0.7]
        with np.errstate(all="ignore"):
            beside = [gradients(put(args, i, at, k)) for k in large]
        for k, c in enumerate(gradients_of(out) if out is not None else ()):
            same = np.all([b[k] == beside[0][k] for b in beside], axis=0)
            yield differs(np.where(same, c, 0), np.where(same, beside[0][k], 0), 1e-9).any()


@pytest.mark.parametrize("name", FORMS)
def test_what_is_not_finite_is_refused_in_one_line_or_treated_as_in_the_specification(name):
    assert differences(FORMS[name]) == 0


def densely(x, *, scale):
    """Nearest upsampling as a product of matrices: 0 times infinity is NaN."""
    SH, SW = scale if isinstance(scale, tuple) else (scale, scale)
    A, B = (np.repeat(np.eye(n, dtype=x.dtype), s, axis=0) for n, s in ((x.shape[1], SH), (x.shape[2], SW)))
    return B @ np.tensordot(A, x, (1, 1)).transpose(1, 0, 2, 3)


@pytest.mark.parametrize(
    "name, candidate",
    [
        ("upsample_nearest", densely),
        ("sign", lambda x: np.sign(x / (1 + np.abs(x))) + (x == 0)),
        ("prelu", lambda x, slope: np.where(x >= 0, x, slope * x) + 0 * x),
        ("hardtanh", lambda x: x - np.where(np.abs(x) > 1, x - np.sign(x), 0)),
    ],
)
def test_check_rejects_a_candidate_that_spoils_infinities(name, candidate):
    with pytest.raises(Mismatch, match="not all finite|inf"):
        check(name, candidate, max_examples=40)
