"""A candidate under examination: called as it wants to be called, its results brought home, each held to its trial.

Everything that can be wrong with one call ends as a :class:`~tinybnn.testing.say.Failure`; nothing the candidate does,
short of ending the process, stops the check.
"""

import inspect
import warnings
from collections.abc import Callable, Collection, Iterator
from typing import Any

import numpy as np

from .adapters import LAYOUTS, PLAIN, Adapter, moved
from .forms import DTYPES, Form, Trial
from .judgement import Unreadable, judge
from .op import Case, bare, value_alone
from .say import Failure


class Candidate:
    """``function`` in the place of ``form``, with its adapter, its layout, its precisions and its forward's cache.

    Options that change no value, and those ``held`` at a single one, are handed only to a function that takes them.
    """

    def __init__(
        self,
        form: Form,
        function: Callable,
        adapter: Adapter | None = None,
        layout: str = "NHWC",
        dtypes: tuple = DTYPES,
        forward: Callable | None = None,
        held: Collection[str] = (),
    ) -> None:
        if layout not in LAYOUTS:
            raise ValueError(f"check: layout is {layout!r}, expected one of {', '.join(LAYOUTS)}")
        if layout != "NHWC" and (not form.op.axes or form.kind == "packed"):
            raise ValueError(f"check: {form.name} has one layout only, its arguments are no maps of floats")
        self.form, self.function, self.adapter, self.dtypes = form, function, adapter or PLAIN, dtypes
        given, _, result = form.op.axes.partition(" -> ") if layout != "NHWC" else ("", "", "")
        self.axes, self.result_axes = tuple(given.split()), result
        self.forward, self.dispensable = forward, {*form.op.idle, *held}
        self.takes = signature_of(function)

    # -- one call ---------------------------------------------------------------------------------------------------

    def failures(self, case: Case) -> Iterator[Failure | None]:
        """For every trial of a case what is wrong with it, or None."""
        for trial in self.form.trials(case, self.dtypes, self.forward):
            came = self.call(trial)
            yield came if isinstance(came, Failure) else judge(trial, came)

    def failure(self, case: Case) -> Failure | None:
        """The first thing that is wrong, if anything is."""
        return next(filter(None, self.failures(case)), None)

    def call(self, trial: Trial) -> tuple | Failure:
        """The results of one call, as plain arrays in tinybnn's layout; or what stopped it."""
        try:
            return self.attempt(trial)
        except NotImplementedError as error:  # a stub: the candidate, or the adapter around it
            said = in_one_line(error) or "NotImplementedError"
            return Failure("unwritten", f"not written yet ({said})", trial)

    def attempt(self, trial: Trial) -> tuple | Failure:
        """:meth:`call`, but for stubs."""
        options = {k: v for k, v in trial.options.items() if k not in self.dispensable or self.accepts(k)}
        args = self.given(trial.args)
        if self.takes and not binds(self.takes, args, options):
            return Failure("signature", f"the candidate takes {self.takes}, expected {self.wanted(trial)}", trial)
        before = [(name, a, a.copy()) for name, arg in zip(self.argument_names(), trial.args) for a in arrays_in(arg)]
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a candidate's overflow is judged by its result
                out = self.function(*args, **options)
        except NotImplementedError:
            raise
        except (Exception, SystemExit) as error:
            return Failure("raised", f"raised {type(error).__name__}: {in_one_line(error)}", trial)
        results = self.taken(trial, out)
        for name, a, b in before:
            if not np.array_equal(a, b, equal_nan=a.dtype.kind == "f"):
                a[...] = b  # the case is shown, and tried again
                return Failure("wrote", f"wrote into its argument {name}", trial)
        return results

    def given(self, args: tuple) -> tuple:
        """The arguments as the candidate wants them."""
        axes = (self.result_axes,) if self.form.kind == "backward" else self.axes
        padded = (*axes, *[""] * (len(args) - len(axes)))
        return tuple(self.adapter.give(moved(a, axis)) for a, axis in zip(args, padded))

    def taken(self, trial: Trial, out: Any) -> tuple | Failure:
        """The results as tinybnn wants them."""
        if out is None:
            return Failure("type", "returned None: is a `return` missing?", trial)
        backward = self.form.kind == "backward"
        if backward:
            results = tuple(out) if isinstance(out, tuple | list) else (out,)
            axes = self.gradient_axes(trial)
        else:
            results, axes = (self.value(trial, out),), (self.result_axes,)
        if len(results) != len(trial.expected):
            what = f"{len(results)} gradients, expected {len(trial.expected)}: {', '.join(trial.names)}"
            return Failure("type", what, trial)
        brought = []
        for result, expected, axis in zip(results, trial.expected, axes):
            result = self.take(result, expected) if backward else result
            brought.append(own(moved(result, axis, back=True)))
        return tuple(brought)

    def value(self, trial: Trial, out: Any) -> Any:
        """The value to compare; a candidate may return it alone or as ``(value, cache)``."""
        case = Case(bare(trial.args), trial.options)
        if self.form.kind == "packed" or self.form.op.result is value_alone:
            return self.take(value_alone(out, case), trial.expected[0])
        parts = tuple(self.take(part, None) for part in out) if isinstance(out, tuple | list) else out
        try:
            return self.form.op.result(parts, case)
        except (TypeError, ValueError, AttributeError, IndexError) as error:
            return Unreadable(f"returned {type(out).__name__} that cannot be read: {in_one_line(error)}")

    def take(self, result: Any, expected: Any) -> Any:
        """One result through the adapter."""
        try:
            return self.adapter.take(result, expected)
        except NotImplementedError:
            raise
        except Exception as error:
            what = f"returned a {type(result).__name__} that the adapter cannot read, {type(error).__name__}"
            return Unreadable(f"{what}: {in_one_line(error)}")

    def gradient_axes(self, trial: Trial) -> tuple[str, ...]:
        by_name = dict(zip((f"d{name}" for name in self.form.parameters), self.axes))
        return tuple(by_name.get(name, "") for name in trial.names)

    def wanted(self, trial: Trial) -> str:
        """The call that is asked for."""
        options = [k for k in trial.options if k not in self.dispensable]
        return f"({', '.join([*self.argument_names()[: len(trial.args)], *(['*', *options] if options else [])])})"

    def argument_names(self) -> tuple[str, ...]:
        return ("dy", "cache") if self.form.kind == "backward" else self.form.parameters

    def accepts(self, option: str) -> bool:
        """Whether the candidate takes this option by name, or does not say."""
        parameters = self.takes.parameters.values() if self.takes else ()
        return not self.takes or any(p.name == option or p.kind is p.VAR_KEYWORD for p in parameters)


# -- signatures -----------------------------------------------------------------------------------------------------


def signature_of(function: Callable) -> inspect.Signature | None:
    """What a candidate takes; None where it does not say, as functions written in C may not."""
    try:
        return inspect.signature(function)
    except (TypeError, ValueError):
        return None


def binds(signature: inspect.Signature, args: tuple, options: dict[str, Any]) -> bool:
    try:
        signature.bind(*args, **options)
    except TypeError:
        return False
    return True


def own(result: Any) -> Any:
    """A result as an array that stays as it is when a candidate overwrites its buffers."""
    if isinstance(result, Unreadable):
        return result
    try:
        return np.array(result)
    except (TypeError, ValueError, RuntimeError) as error:
        return Unreadable(f"returned a {type(result).__name__} that is no array: {in_one_line(error)}")


def arrays_in(a: Any) -> Iterator[np.ndarray]:
    """Every array in an argument: itself, or those of a cache."""
    if isinstance(a, np.ndarray):
        yield a
    elif isinstance(a, tuple | list | dict):
        for part in a.values() if isinstance(a, dict) else a:
            yield from arrays_in(part)


def in_one_line(error: BaseException) -> str:
    """What an error says, in one line: some libraries come to the point in the last of several."""
    text = " ".join(str(error).split())
    return text if len(text) <= 200 else f"{text[:100]} ... {text[-95:]}"
