"""Borrowed memory: kept, alone, and brought back even after an error."""

import threading

import numpy as np
import pytest

from tinybnn.fast.workspace import borrow


def test_the_same_name_is_the_same_memory_and_two_names_never_are():
    with borrow() as space:
        a, b = space.array("a", (4, 5), np.float32), space.array("b", (4, 5), np.float32)
        assert np.shares_memory(a, space.array("a", (3,), np.int16)) and not np.shares_memory(a, b)
        assert space.array("a", (40, 5), np.float64).shape == (40, 5)


def test_two_borrowers_at_once_have_two_workspaces_and_one_after_another_share():
    with borrow() as first:
        with borrow() as second:
            assert first is not second
    with borrow() as again:
        assert again in (first, second)


def test_it_comes_back_after_an_error():
    with pytest.raises(RuntimeError), borrow() as space:
        raise RuntimeError
    with borrow() as again:
        assert again is space


def test_threads_never_share_one():
    held, ready, done = [], threading.Barrier(4), threading.Barrier(4)

    def hold():
        with borrow() as space:
            held.append(space)
            ready.wait(10)
            done.wait(10)

    threads = [threading.Thread(target=hold) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(10)
    assert len(set(map(id, held))) == 4
