"""Call a candidate in its own convention, convert its results back, and compare each with the expected one.

Whatever is wrong with a call becomes a :class:`~tinybnn.testing.say.Failure`. Only a candidate that ends the process
can stop the check.
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
    """``function`` in the place of ``form``, with its adapter, layout, precisions, and the forward of its cache.

    A function that does not take an option is called without it if the option changes no value or is ``held`` at a
    single value.
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
        arguments, _, self.result_axes = form.op.axes.partition(" -> ") if layout != "NHWC" else ("", "", "")
        self.axes = tuple(arguments.split())
        self.forward, self.dispensable = forward, {*form.op.idle, *held}
        self.signature = signature_of(function)

    # -- one call ---------------------------------------------------------------------------------------------------

    def failure(self, case: Case) -> Failure | None:
        """The first failure in the trials of a case, or None."""
        for trial in self.form.trials(case, self.dtypes, self.forward):
            results = self.call(trial)
            failure = results if isinstance(results, Failure) else judge(trial, results)
            if failure:
                return failure
        return None

    def call(self, trial: Trial) -> tuple | Failure:
        """The results of one call as NumPy arrays in tinybnn's layout, or the failure that prevented them."""
        try:
            return self.attempt(trial)
        except NotImplementedError as error:  # raised by the candidate or by its adapter
            said = in_one_line(error) or "NotImplementedError"
            return Failure("unwritten", f"not written yet ({said})", trial)

    def attempt(self, trial: Trial) -> tuple | Failure:
        """:meth:`call` of a candidate that is written."""
        options = {k: v for k, v in trial.options.items() if k not in self.dispensable or self.accepts(k)}
        args = self.convert_arguments(trial.args)
        if self.signature and not binds(self.signature, args, options):
            return Failure("signature", f"the candidate takes {self.signature}, expected {self.wanted(trial)}", trial)
        before = [(name, a, a.copy()) for name, arg in zip(self.argument_names(), trial.args) for a in arrays_in(arg)]
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # an overflow shows in the result
                out = self.function(*args, **options)
        except NotImplementedError:
            raise
        except (Exception, SystemExit) as error:
            return Failure("raised", f"raised {type(error).__name__}: {in_one_line(error)}", trial)
        results = self.convert_results(trial, out)
        for name, a, b in before:
            if not np.array_equal(a, b, equal_nan=a.dtype.kind == "f"):
                a[...] = b  # the case is still needed, for more calls and for the message
                return Failure("wrote", f"wrote into its argument {name}", trial)
        return results

    def convert_arguments(self, args: tuple) -> tuple:
        """The arguments in the candidate's convention."""
        axes = (self.result_axes,) if self.form.kind == "backward" else self.axes
        padded = (*axes, *[""] * (len(args) - len(axes)))
        return tuple(self.adapter.give(moved(a, axis)) for a, axis in zip(args, padded))

    def convert_results(self, trial: Trial, out: Any) -> tuple | Failure:
        """The results in tinybnn's convention."""
        if out is None:
            return Failure("type", "returned None: is a `return` missing?", trial)
        if self.form.kind != "backward":
            return (own(moved(self.value(trial, out), self.result_axes, back=True)),)
        gradients = tuple(out) if isinstance(out, tuple | list) else (out,)
        if len(gradients) != len(trial.expected):
            what = f"{len(gradients)} gradients, expected {len(trial.expected)}: {', '.join(trial.names)}"
            return Failure("type", what, trial)
        by_name = dict(zip((f"d{name}" for name in self.form.parameters), self.axes))
        return tuple(
            own(moved(self.take(gradient, expected), by_name.get(name, ""), back=True))
            for name, gradient, expected in zip(trial.names, gradients, trial.expected)
        )

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

    # -- its signature ----------------------------------------------------------------------------------------------

    def wanted(self, trial: Trial) -> str:
        """The signature that a candidate needs."""
        options = [k for k in trial.options if k not in self.dispensable]
        return f"({', '.join([*self.argument_names()[: len(trial.args)], *(['*', *options] if options else [])])})"

    def argument_names(self) -> tuple[str, ...]:
        return ("dy", "cache") if self.form.kind == "backward" else self.form.parameters

    def accepts(self, option: str) -> bool:
        """Whether the candidate takes this option by name; True if it has no signature."""
        parameters = self.signature.parameters.values() if self.signature else ()
        return not self.signature or any(p.name == option or p.kind is p.VAR_KEYWORD for p in parameters)


def signature_of(function: Callable) -> inspect.Signature | None:
    """The signature of a candidate; functions written in C may have none."""
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


# -- arrays and errors ----------------------------------------------------------------------------------------------


def own(result: Any) -> Any:
    """A copy of a result, since a candidate may use the same buffer in its next call."""
    if isinstance(result, Unreadable):
        return result
    try:
        return np.array(result)
    except (TypeError, ValueError, RuntimeError) as error:
        return Unreadable(f"returned a {type(result).__name__} that is no array: {in_one_line(error)}")


def arrays_in(a: Any) -> Iterator[np.ndarray]:
    """Every array in an argument, also inside a cache."""
    if isinstance(a, np.ndarray):
        yield a
    elif isinstance(a, tuple | list | dict):
        for part in a.values() if isinstance(a, dict) else a:
            yield from arrays_in(part)


def in_one_line(error: BaseException) -> str:
    """An error message in one line. Of a long one both ends are kept: some libraries name the cause last."""
    text = " ".join(str(error).split())
    return text if len(text) <= 200 else f"{text[:100]} ... {text[-95:]}"
