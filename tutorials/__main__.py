"""``python -m tutorials``: build the notebooks, grade one."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from .lesson import HERE, sources


def parser() -> argparse.ArgumentParser:
    """The two verbs and their options."""
    top = argparse.ArgumentParser(prog="python -m tutorials", description="Build the course's notebooks, or grade one.")
    verbs = top.add_subparsers(dest="verb", required=True)
    build = verbs.add_parser("build", help="make the notebooks from their sources, and execute the solved ones")
    build.add_argument("lessons", nargs="*", help="numbers, such as 01 13; default: all")
    build.add_argument("--out", type=Path, help="folder to write to; default: tutorials/")
    build.add_argument("--variant", type=int, metavar="SEED", help="a graded variant: other constants, the same checks")
    build.add_argument("--nbgrader", action="store_true", help="the instructor's versions, for nbgrader's source/")
    build.add_argument("--install", metavar="WHAT", help="what the first cell passes to pip; default: the clone")
    build.add_argument("--no-run", dest="run", action="store_false", help="do not execute the solved notebooks")
    grade = verbs.add_parser("grade", help="run the course's checks on a student's notebook")
    grade.add_argument("notebook", type=Path)
    grade.add_argument("--json", type=Path, metavar="FILE", help="write the results for Gradescope")
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; the exit status is 0, 1 for a notebook with mistakes, 2 for a wrong call."""
    given = parser().parse_args(arguments)
    try:
        if given.verb == "grade":
            from .grade import report

            return report(given.notebook, given.json)
        from .build import build, build_nbgrader

        paths = [path for path in sources() if not given.lessons or path.name[:2] in given.lessons]
        unknown = sorted(set(given.lessons) - {path.name[:2] for path in paths})
        if unknown:
            raise ValueError(f"build: there is no lesson {', '.join(unknown)}")
        changed = given.variant is not None or given.nbgrader or given.install or not given.run
        if changed and given.out is None:
            raise ValueError("build: these are not the course's own notebooks; name a folder for them with --out")
        choices = {"variant": given.variant} | ({"where": given.install} if given.install else {})
        if given.nbgrader:
            build_nbgrader(paths, given.out, **choices)
        else:
            build(paths, given.out or HERE, given.run, **choices)
    except (ValueError, OSError) as error:
        print(f"tutorials: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
