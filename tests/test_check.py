"""The checker itself: its messages about right, wrong and invalid candidates, which are the same every time."""

import io
import re
import subprocess
import sys
import textwrap
from contextlib import redirect_stderr, redirect_stdout

import numpy as np
import pytest

from tinybnn import (
    clipped,
    conv2d,
    conv2d_backward,
    conv2d_packed,
    fold_batch_norm,
    max_pool2d,
    pack,
    packed_dot,
    sign,
    unpack,
)
from tinybnn.testing import FORMS, OPS, Mismatch, check, parametrize_with_checks, words
from tinybnn.testing.drawing import some_cases


def refused(*args, **options):
    """The message of a check that must fail."""
    with pytest.raises(Mismatch) as caught:
        check(*args, **options)
    return str(caught.value)


def first_line(*args, **options):
    return refused(*args, **options).splitlines()[0]


# -- what it says ---------------------------------------------------------------------------------------------------


def test_a_message_has_the_place_the_cause_the_input_and_the_specification():
    assert refused("sign", np.sign) == textwrap.dedent("""\
        sign: y[0, 0, 0] is 0.0, expected 1.0
          likely cause: ternary: sign(0) = 0
          smallest failing input (float64):
            x = np.array([[[0.]]], np.float64)
          specification: tinybnn/ops/binarize.py, sign_loops, version 1""")


def test_the_input_in_a_message_can_be_typed_in_again_and_fails_again():
    def no_padding(x, w, **options):
        return conv2d(x, w, **options | {"pad_value": 0.0})

    with pytest.raises(Mismatch) as caught:
        check("conv2d", no_padding)
    case = caught.value.case
    assert not np.array_equal(no_padding(*case.args, **case.options)[0], conv2d(*case.args, **case.options)[0])
    lines = [line.strip() for line in str(caught.value).splitlines()]
    typed = {}
    exec("\n".join(line for line in lines if " = " in line), {"np": np}, typed)
    assert np.array_equal(typed.pop("x"), case.args[0]) and np.array_equal(typed.pop("w"), case.args[1])
    assert typed == case.options


def test_the_smallest_input_is_small_and_plain():
    """A kernel that forgets one channel in sixty-five: one pixel, one tap, one disagreement."""

    def forgets_the_second_word(a, b, n):
        return packed_dot(a[..., :1], b[..., :1], min(n, 64)) + max(n - 64, 0)

    with pytest.raises(Mismatch) as caught:
        check("packed_dot", forgets_the_second_word)
    a, b, n = caught.value.case.args
    assert a.array.shape == (1, 2) and n == 65

    with pytest.raises(Mismatch) as caught:
        check("max_pool2d", lambda x, **options: max_pool2d(np.maximum(x, -3), **options))
    (x,) = caught.value.case.args
    assert x.size == 1


@pytest.mark.parametrize(
    "candidate, says",
    [
        (lambda x, w: x, "conv2d: the candidate takes (x, w), expected (x, w, *, stride, pad, dilation, groups, pad"),
        (lambda x, w, **o: 1 / 0, "conv2d: raised ZeroDivisionError: division by zero"),
        (lambda x, w, **o: sys.exit(3), "conv2d: raised SystemExit: 3"),
        (lambda x, w, **o: None, "conv2d: returned None: is a `return` missing?"),
        (lambda x, w, **o: "seven", "conv2d: y has dtype <U5, expected numbers"),
        (lambda x, w, **o: [[1], [1, 2]], "conv2d: returned a list that is no array"),
        (lambda x, w, **o: conv2d(x, w, **o)[0][0], "conv2d: y has shape (1, 1, 1), expected (1, 1, 1, 1)"),
        (lambda x, w, **o: conv2d(x, w, **o)[0].astype(np.float64), "conv2d: y has dtype float64, expected float32"),
        (lambda x, w, **o: conv2d(x, w, **o)[0] > 0, "conv2d: y has dtype bool, expected float64"),
        (lambda x, w, **o: np.nan * conv2d(x, w, **o)[0], "conv2d: y[0, 0, 0, 0] is nan, expected 0.0"),
        (lambda x, w, **o: conv2d(x, w, **o)[0].mean(), "conv2d: y has shape (), expected (1, 1, 1, 1)"),
    ],
)  # fmt: skip
def test_each_way_to_be_wrong_has_its_own_line(candidate, says):
    assert first_line("conv2d", candidate).startswith(says)


def test_a_stub_is_not_written_yet_and_nothing_more():
    def conv2d(x, w, **options):
        raise NotImplementedError("fill me in")

    assert refused("conv2d", conv2d) == "conv2d: not written yet (fill me in)"


@pytest.mark.parametrize(
    "call, says",
    [
        (lambda: check("conv3d", conv2d), "check: no operation is called 'conv3d'; did you mean conv2d?"),
        (lambda: check("xyz", conv2d), "check: no operation is called 'xyz'; `tinybnn check --list` names them"),
        (lambda: check("conv2d", 3), "check: the candidate for conv2d is a int, expected a function"),
        (lambda: check("conv2d", conv2d, layout="CHWN"), "check: layout is 'CHWN', expected one of NHWC, NCHW"),
        (lambda: check("sign", sign, layout="NCHW"), "check: sign has one layout only"),
        (lambda: check("sign", sign, pad_values=[1]), "check: sign has no pad_value to limit"),
        (lambda: check("sign", sign, max_examples=0), "check: max_examples is 0, expected at least 1"),
        (lambda: words(bits=12), "words: bits = 12"),
    ],
)
def test_a_bad_call_is_no_mismatch(call, says):
    with pytest.raises((ValueError, TypeError)) as caught:
        call()
    assert str(caught.value).startswith(says) and "\n" not in str(caught.value)


# -- what it does not do --------------------------------------------------------------------------------------------


def test_it_is_silent_and_says_the_same_every_time():
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        check("conv2d", conv2d)
        twice = [refused("conv2d", lambda x, w, **o: conv2d(x, w[::-1], **o)) for _ in range(2)]
    assert twice[0] == twice[1] and out.getvalue() == err.getvalue() == ""


def test_what_is_drawn_does_not_depend_on_what_else_is_loaded(tmp_path):
    """Hypothesis draws numbers that it finds in the program's own files, now and then."""
    (tmp_path / "numbers.py").write_text("A = [" + ", ".join(map(str, range(70))) + "]\n")
    code = "import sys; sys.path[:0] = sys.argv[1:]\nif len(sys.argv) > 1: import numbers_ as _\n"
    (tmp_path / "numbers.py").rename(tmp_path / "numbers_.py")
    code += "from tinybnn.testing.vectors import sha256, vectors; print(sha256(vectors('conv2d', 60)))"
    runs = [
        subprocess.run([sys.executable, "-c", code, *extra], capture_output=True, text=True, check=True, cwd=tmp_path)
        for extra in ([], [str(tmp_path)])
    ]
    assert runs[0].stdout == runs[1].stdout and len(runs[0].stdout) == 65 and runs[0].stderr == runs[1].stderr == ""


def test_without_hypothesis_it_says_what_is_missing():
    code = (
        "import sys; sys.modules['hypothesis'] = None; import tinybnn.app.cli as c; exit(c.main(['check', '--list']))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode == 2 and not run.stdout
    assert run.stderr == "tinybnn: tinybnn.testing draws its cases with Hypothesis: pip install 'tinybnn[test]'\n"


@pytest.mark.parametrize("name", FORMS)
def test_the_same_seed_draws_the_same_cases(name):
    once, again = (repr(some_cases(FORMS[name], 25)) for _ in range(2))
    assert re.sub(" at 0x[0-9a-f]+", "", once) == re.sub(" at 0x[0-9a-f]+", "", again)


def test_another_seed_draws_other_cases():
    def drawn(number):
        return [case.args[0].tobytes() for case in some_cases(FORMS["conv2d"], 20, number)]

    assert drawn(0) == drawn(0) != drawn(1)


def test_nothing_is_broadcast_and_writing_into_inputs_is_refused():
    assert "has shape (1, 1, 1)" in refused("mean_abs", lambda w: np.abs(w).mean((0, 1, 2), keepdims=True)[0])

    def in_place(x):
        x[x >= 0] = 1
        x[x < 0] = -1
        return x

    message = refused("sign", in_place)
    assert message.startswith("sign: wrote into its argument x")
    assert "x = np.array([[[0.]]], np.float64)" in message, "the input is shown as it was before"


def test_a_backward_pass_may_not_use_up_its_cache():
    def once(dy, cache):
        gradients = conv2d_backward(dy, cache)
        cache.w[...] = 0
        return gradients

    assert first_line("conv2d_backward", once) == "conv2d_backward: wrote into its argument cache"


def test_a_backward_pass_may_bring_the_forward_that_makes_its_cache():
    def forward(x, w, **options):
        return conv2d(x, w, **options)[0], {"mine": conv2d(x, w, **options)[1]}

    check("conv2d_backward", lambda dy, cache: conv2d_backward(dy, cache["mine"]), forward=forward)
    with pytest.raises(TypeError, match=r"the forward function returned no \(y, cache\) pair"):
        check("conv2d_backward", conv2d_backward, forward=lambda x, w, **options: x)
    message = refused(
        "conv2d_backward", lambda dy, cache: conv2d_backward(dy, cache["mine"])._replace(dw=dy[0]), forward=forward
    )
    assert message.startswith("conv2d_backward: dw has shape")


def test_a_candidate_that_answers_differently_each_time_is_called_so():
    rng = np.random.default_rng(0)

    def moody(x):
        return sign(x) if rng.random() < 0.7 else -sign(x)

    assert refused("sign", moody) == "sign: gives different results when it is called again with the same input"


# -- limits ---------------------------------------------------------------------------------------------------------


def test_a_kernel_is_asked_only_what_it_can_do():
    asked = set()

    def only_64(x, w, C, pad_value, pad):
        asked.add((C, pad_value))
        return conv2d_packed(x, w, C, pad_value=pad_value, pad=pad)

    check(
        "conv2d_packed",
        only_64,
        channels=[64, 128],
        pad_values=[-1, 1],
        options={"stride": 1, "dilation": 1, "groups": 1},
    )
    assert {C for C, _ in asked} == {64, 128} and {value for _, value in asked} == {-1, 1}
    message = refused("conv2d_packed", only_64, channels=[64])
    assert message.startswith("conv2d_packed: the candidate takes (x, w, C, pad_value, pad), expected")


def test_the_smallest_input_keeps_within_the_limits():
    def rounds_up(x, *, kernel, stride, pad):
        return max_pool2d(np.concatenate([x, x[:, -1:]], axis=1), kernel=kernel, stride=stride, pad=pad)[0]

    with pytest.raises(Mismatch) as caught:
        check("max_pool2d", rounds_up, options={"stride": [2, 3], "pad": 0})
    assert caught.value.case.options["stride"] in (2, 3) and caught.value.case.options["pad"] == 0


def test_a_kernel_that_takes_pairs_is_given_pairs_and_one_that_takes_numbers_numbers():
    def by_pairs(x, w, *, stride, pad, dilation, groups, pad_value):
        (SH, SW), (PH, PW), (DH, DW) = stride, pad, dilation
        options = {"stride": (SH, SW), "pad": (PH, PW), "dilation": (DH, DW), "groups": groups}
        return conv2d(x, w, **options, pad_value=pad_value)[0]

    def by_numbers(x, w, *, stride, pad, dilation, groups, pad_value):
        options = {"stride": stride + 0, "pad": pad + 0, "dilation": dilation + 0, "groups": groups}
        return conv2d(x, w, **options, pad_value=pad_value)[0]

    check("conv2d", by_pairs)
    check("conv2d", by_numbers, options={"stride": [1, 2], "pad": [0, 1], "dilation": 1})

    def pool_by_numbers(x, *, kernel, stride, pad):  # the fixed cases of pooling are spelt as pairs
        return max_pool2d(x, kernel=kernel + 0, stride=stride + 0, pad=pad + 0)[0]

    check("max_pool2d", pool_by_numbers, options={"kernel": 3, "stride": [1, 2], "pad": [0, 1]})


def test_an_option_that_changes_no_value_need_not_be_taken():
    """A forward kernel has no use for a surrogate."""
    check("binarize", lambda x, tau: np.where(x >= tau, 1, -1).astype(x.dtype))
    check(
        "binarize", lambda x, tau, quantizer: np.where(x >= tau, 1, -1).astype(x.dtype), options={"quantizer": clipped}
    )


def test_precisions_can_be_chosen():
    single = []
    check("sign", lambda x: single.append(x.dtype.name) or sign(x), dtypes=["float32"])
    assert set(single) == {"float32"}


# -- in a suite -----------------------------------------------------------------------------------------------------

KERNELS = {
    "sign": np.sign,
    "pack": pack,
    "unpack": unpack,
    "fold_batch_norm": fold_batch_norm,
}


@parametrize_with_checks(KERNELS, expected_failures={"sign": "NumPy's sign has three values"}, max_examples=20)
def test_kernels_as_somebody_elses_suite_would_have_them(check):
    check()


def test_expected_failures_are_those_of_candidates():
    with pytest.raises(ValueError, match="no candidate is called conv2d"):
        parametrize_with_checks(KERNELS, expected_failures={"conv2d": "?"})
    with pytest.raises(ValueError, match="no operation is called 'convolve'"):
        parametrize_with_checks({"convolve": conv2d})


def test_every_form_has_a_name_that_the_package_exports_or_its_room():
    for name, form in FORMS.items():
        assert form.name == name and callable(form.function) and form.op is OPS[form.op.name]
        assert form.parameters, f"{name} takes nothing"


@pytest.mark.parametrize("limit", [{"groups": 0}, {"stride": -3}, {"stride": 2.0}])
def test_limits_within_which_there_is_no_case_are_refused(limit):
    with pytest.raises(ValueError, match="check: no case of conv2d keeps within these limits"):
        check("conv2d", lambda *args, **options: None, options=limit)


def one_by_one(values):
    """The mean of all values, added one after the other in their own precision."""
    return np.cumsum(values, dtype=values.dtype)[-1] / values.dtype.type(values.size)


@pytest.mark.parametrize(
    "name, candidate",
    [
        ("mean_abs", lambda w: np.array([one_by_one(np.abs(w[..., f])) for f in range(w.shape[-1])])),
        ("mae", lambda p, t, ignore=255: one_by_one(np.abs(p - (t == 1))[(t != ignore) | (t.dtype == bool)])),
    ],
)
def test_a_running_sum_in_float32_is_rejected_and_one_in_float64_is_not(name, candidate):
    check(name, candidate, dtypes=[np.float64], max_examples=20)
    with pytest.raises(Mismatch):
        check(name, candidate, dtypes=[np.float32], max_examples=20)
