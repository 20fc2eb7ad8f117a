"""Predictions by hand: right ones pass in silence; for others the message says where, but not the right value."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinybnn.testing import Mismatch, check, check_prediction

NUMBERS = st.lists(st.integers(-9, 9), min_size=1, max_size=6)


def said(*args, **options):
    with pytest.raises(Mismatch) as caught:
        check_prediction(*args, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@given(NUMBERS)
def test_the_truth_passes_as_a_list_as_an_array_and_rounded(truth):
    check_prediction(truth, np.array(truth))
    check_prediction(np.array(truth, np.float32), np.array(truth) + 0.004)
    check_prediction(truth[0], truth[0])


@given(NUMBERS, st.data())
def test_one_wrong_value_is_found_and_the_right_one_is_not_given_away(truth, data):
    at = data.draw(st.integers(0, len(truth) - 1))
    prediction = [float(t) for t in truth]
    prediction[at] += 0.011
    assert said(prediction, truth) == f"prediction: 1 of {len(truth)} is wrong, the first at [{at}]"
    check_prediction(prediction, truth, decimals=1)


@pytest.mark.parametrize(
    ("prediction", "truth", "message"),
    [
        (..., 3, "prediction: not made yet"),
        ([1, ...], [1, 2], "prediction: not made yet"),
        ([[1, ...]], [[1, 2]], "prediction: [[1, Ellipsis]] is no number, and no list of numbers"),
        ("many", 3, "prediction: 'many' is no number, and no list of numbers"),
        ([1, 2], [1, 2, 3], "prediction: has shape (2,), expected (3,)"),
        ([1], 1, "prediction: has shape (1,), expected ()"),
        (4, 3, "prediction: 4 is wrong"),
        (float("nan"), 3, "prediction: nan is wrong"),
        ([[0, 1], [2, 4]], [[0, 1], [2, 3]], "prediction: 1 of 4 is wrong, the first at [1, 1]"),
        ([5, 5, 5], [5, 6, 7], "prediction: 2 of 3 are wrong, the first at [1]"),
    ],
)
def test_what_is_said(prediction, truth, message):
    assert said(prediction, truth) == message


def test_a_notebook_shows_a_mismatch_without_its_frames():
    def sign(x):
        raise NotImplementedError("about 1 line")

    with pytest.raises(Mismatch) as caught:
        check("sign", sign)
    assert caught.value._render_traceback_() == ["sign: not written yet (about 1 line)"]
