"""Wrong versions without names, and the check of a property: what it accepts, what it says, what it does not say."""

import inspect

import numpy as np
import pytest

from tinybnn import conv2d, pack, packed_dot, unpack
from tinybnn.testing import MISTAKES, Mismatch, check, check_property, wrong_versions

WRONG = wrong_versions("packed_dot", count=19)


def signs(n):
    return np.random.default_rng(n).choice([-1.0, 1.0], (3, n))


def by_the_specification(dot):
    """Edges of words, rows that all disagree beyond 255 and 2048, and words that are not contiguous."""
    for n in (1, 64, 65, 130, 300, 4099):
        for a, b in ((signs(n), -signs(n)), (signs(n), signs(n)[::-1])):
            words = [np.asfortranarray(pack(x)) for x in (a, b)]
            if not np.array_equal(dot(*words, n), (a * b).sum(-1)):
                return False
    return True


def said(holds, wrong=WRONG, **options):
    with pytest.raises(Mismatch) as caught:
        check_property(holds, wrong, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# -- wrong versions -------------------------------------------------------------------------------------------------


def test_the_same_seed_draws_the_same_and_another_draws_others():
    drawn = [[s.reason() for s in wrong_versions("packed_dot", seed=seed)] for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert len(set(drawn[0])) == 10 and set(drawn[0]) <= {m.reason for m in MISTAKES["packed_dot"]}


def test_several_operations_are_numbered_together():
    wrong = wrong_versions("packed_dot", "pack", count=20)
    assert {s.operation for s in wrong} == {"packed_dot", "pack"} and [s.number for s in wrong] == [*range(1, 21)]


def test_a_wrong_version_does_what_its_mistake_does_and_no_name_tells():
    for version in wrong_versions("conv2d", "packed_dot", count=20):
        (mistake,) = [m for m in MISTAKES[version.operation] if m.reason == version.reason()]
        shown = repr(version) + version.__name__ + str(version)
        assert mistake.reason not in shown
        assert inspect.signature(version) == inspect.signature(mistake.wrong)
        with pytest.raises(Mismatch, match=version.operation):
            check(version.operation, version, max_examples=20)


def test_more_wrong_versions_than_mistakes_and_unknown_operations_are_refused():
    with pytest.raises(ValueError, match="wrong_versions: count is 20, expected 1 to 19, the mistakes of packed_dot"):
        wrong_versions("packed_dot", count=20)
    with pytest.raises(ValueError, match="wrong_versions: count is 10, expected 1 to 0, the mistakes of no operation"):
        wrong_versions()
    with pytest.raises(ValueError, match="no operation is called 'packed_dots'; did you mean packed_dot"):
        wrong_versions("packed_dots")


# -- properties -----------------------------------------------------------------------------------------------------


def test_a_property_that_catches_all_is_accepted_in_silence():
    assert check_property(by_the_specification, WRONG) is None


def test_a_test_that_asserts_is_a_property():
    def comes_back(packer):
        for n in (3, 65):
            x = np.asfortranarray(signs(n))
            assert np.array_equal(unpack(packer(x), n), x)

    (dirty,) = [s for s in wrong_versions("pack", count=14) if s.reason() == "leaves ones in the tail"]
    others = [s for s in wrong_versions("pack", count=14) if s.number != dirty.number]
    check_property(comes_back, others)
    assert said(comes_back, [*others, dirty]) == f"property: number {dirty.number} gets through"


def test_it_says_the_numbers_that_get_through_and_not_why():
    a, b = pack(signs(64)), pack(signs(64)[::-1])

    def of_one_word(dot):
        return np.array_equal(dot(a, b, 64), packed_dot(a, b, 64))

    through = [s.number for s in WRONG if of_one_word(s)]
    names = f"{', '.join(map(str, through[:-1]))} and {through[-1]}"
    assert said(of_one_word) == f"property: numbers {names} get through"
    caught = [s for s in WRONG if not of_one_word(s)]
    assert said(of_one_word, [*caught, WRONG[through[0] - 1]]) == f"property: number {through[0]} gets through"


def test_what_another_property_rejects_may_get_through():
    check_property(lambda dot: dot is not WRONG[0], WRONG, beside=[by_the_specification])
    one, two, three = wrong_versions("packed_dot", count=3)
    beside = [lambda dot: dot is not two]
    assert said(lambda dot: dot is not one, [one, two, three], beside=beside) == "property: number 3 gets through"


def test_a_right_function_must_not_be_rejected():
    def says_so(dot):
        raise AssertionError("too small\nby one")

    assert said(lambda dot: False) == "property: rejects the right packed_dot"
    assert said(says_so) == "property: rejects the right packed_dot: too small by one"
    assert said(lambda dot: np.ones(3)).startswith("property: rejects the right packed_dot: raised ValueError: The tr")
    wrong = wrong_versions("packed_dot", "conv2d")
    assert said(lambda f: f is packed_dot, wrong) == "property: rejects the right conv2d"


def test_a_property_that_says_nothing_is_told_so():
    assert (
        said(lambda dot: None)
        == said(lambda dot: True)
        == ("property: rejects nothing, right or wrong: is a `return` or an `assert` missing?")
    )


def test_one_that_is_not_written_says_how_long_it_is():
    def stub(dot):
        raise NotImplementedError("about 3 lines")

    assert said(stub) == "property: not written yet (about 3 lines)"


def test_an_error_on_a_wrong_version_is_a_no():
    def fussy(f):
        if f is not conv2d:
            raise TypeError("no")

    check_property(fussy, wrong_versions("conv2d"))
