"""Draw the cases of a form: the same cases for the same seed, without a database, a deadline or output."""

from collections.abc import Callable
from functools import lru_cache

from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings

from .forms import FORMS, Form
from .op import Case
from .strategies import Limits


def for_each_case(
    form: Form, limits: Limits, do: Callable[[Case], None], *, count: int, number: int, shrink: bool = False
) -> None:
    """Call ``do`` with up to ``count`` drawn cases; with ``shrink``, its error is raised for the smallest case."""
    quiet = settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=(Phase.generate, Phase.shrink) if shrink else (Phase.generate,),
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
        print_blob=False,
        verbosity=Verbosity.quiet,
    )
    seed(number)(quiet(given(form.cases(limits))(do)))()


def some_cases(form: Form, count: int, number: int = 0, limits: Limits | None = None) -> list[Case]:
    """The boundary cases and then drawn ones, ``count`` in all, or fewer if there are no more different cases."""
    if form is FORMS[form.name] and not (limits and limits.given):
        return list(cases_without_limits(form.name, count, number))
    return draw(form, count, number, limits or Limits())


@lru_cache(maxsize=8)
def cases_without_limits(name: str, count: int, number: int) -> list[Case]:
    """Drawn once for all checks of a function."""
    return draw(FORMS[name], count, number, Limits())


def draw(form: Form, count: int, number: int, limits: Limits) -> list[Case]:
    cases = limits.among(form.boundary)[:count]

    def keep(case: Case) -> None:
        if len(cases) < count:
            cases.append(case)

    if len(cases) < count:
        for_each_case(form, limits, keep, count=count, number=number)
    return cases
