"""Laws that many operations share: exact identities that compare results of one function with each other.

Inputs are scaled by powers of two and shifted by whole numbers, so nothing is rounded and both sides are equal by
``==``. Each function here makes a :class:`~tinybnn.testing.op.Law`. Arguments are counted from 0.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..notation import IGNORE, Array
from .op import Case, Law

Change = Mapping[int, Callable[[Any], Any]]
"""For each argument that changes, the function that changes it."""


def changed(args: tuple, change: Change) -> list:
    """``args`` with argument ``i`` replaced by ``change[i]`` of it."""
    return [change[i](a) if i in change else a for i, a in enumerate(args)]


def unmoved(says: str, change: Change) -> Law:
    """This change of arguments does not change the result."""
    return follows(says, change, lambda y: y)


def follows(says: str, change: Change, result: Callable[[Array], Array]) -> Law:
    """This change of arguments changes the result by ``result``."""
    return Law(says, lambda f, c: (f(*changed(c.args, change), **c.options), result(f(*c.args, **c.options))))


def twice(a: Any) -> Any:
    return 2 * a


def named(arguments: Sequence[int]) -> str:
    return " and ".join(f"argument {i}" for i in arguments)


def doubles(*which: int) -> Law:
    """Doubling these arguments doubles the result."""
    return follows(f"doubling {named(which)} doubles the result", dict.fromkeys(which, twice), twice)


def blind_to_doubling(*which: int) -> Law:
    """Doubling these arguments changes nothing, because only signs or ratios matter."""
    return unmoved(f"doubling {named(which)} changes nothing", dict.fromkeys(which, twice))


def additive(i: int) -> Law:
    """Linear in argument ``i``: ``f(a + b) = f(a) + f(b)``, where ``b`` has the same numbers in reverse order."""

    def sides(f, c):
        a, b = c.args[i], c.args[i].ravel()[::-1].reshape(c.args[i].shape)
        left = f(*changed(c.args, {i: lambda _: a + b}), **c.options)
        return left, f(*c.args, **c.options) + f(*changed(c.args, {i: lambda _: b}), **c.options)

    return Law(f"the sum of two values of argument {i} gives the sum of their results", sides)


def images_apart(*which: int) -> Law:
    """An image gives the same result alone as in a batch; ``which`` arguments have the batch as their first axis."""

    def sides(f, c):
        N = len(c.args[which[0]])
        alone = [f(*changed(c.args, dict.fromkeys(which, lambda a, n=n: a[n : n + 1])), **c.options) for n in range(N)]
        return np.concatenate(alone), f(*c.args, **c.options)

    return Law("an image alone gives what it gives in a batch", sides)


def adjoint(forward: Callable, backward: Callable, i: int = 0, only: Callable[[Case], bool] = lambda c: True) -> Law:
    """``<f(x), y> = <x, f'(y)>`` for an ``f`` that is linear in argument ``i``; its backward pass is the transpose."""

    def sides(f, c):
        y = f(*c.args, **c.options)
        dy = np.random.default_rng(y.size).integers(-3, 4, y.shape).astype(y.dtype)
        gradient = backward(dy, forward(*c.args, **c.options)[1])
        gradient = gradient[i] if isinstance(gradient, tuple) else gradient
        return ((y * dy).sum(), (c.args[i] * gradient).sum()) if only(c) else (0, 0)

    return Law(f"<f(x), y> = <x, f'(y)> in argument {i}: the backward pass is the transpose", sides)


def inverse(says: str, undo: Callable) -> Law:
    """``undo(f(x), case) = x``."""
    return Law(says, lambda f, c: (undo(f(*c.args, **c.options), c), c.args[0]))


def idempotent() -> Law:
    """``f(f(x)) = f(x)``."""
    return Law("applied twice, it does what it does once", lambda f, c: (f(f(*c.args)), f(*c.args)))


def keeps_order() -> Law:
    """Sorted values give sorted results."""
    return Law("it keeps the order", lambda f, c: (f(np.sort(c.args[0], None)), np.sort(f(*c.args), None)))


def ignored_do_not_count(noise: Callable[[Array], Array], labels: int = 1) -> Law:
    """Values at ignored pixels do not change the result: there ``noise`` replaces the values of argument 0."""

    def sides(f, c):
        x, mask = c.args[0], c.args[labels] == c.options.get("ignore", IGNORE)
        other = np.where(mask[..., None] if x.ndim > mask.ndim else mask, noise(x), x).astype(x.dtype)
        return f(*changed(c.args, {0: lambda _: other}), **c.options), f(*c.args, **c.options)

    return Law("what stands at ignored pixels does not count", sides)


def holds(law: Law, function: Callable, cases: Sequence[Case]) -> bool:
    """Whether the law holds for ``function`` on all of these cases, by ``==``; NaN, for no score, equals NaN."""
    for case in cases:
        left, right = (np.asarray(side) for side in law.sides(function, case))
        if not np.array_equal(left, right, equal_nan=left.dtype.kind == right.dtype.kind == "f"):
            return False
    return True
