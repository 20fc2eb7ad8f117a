"""The catalogue as a page to read: ``python -m tinybnn.testing.mistakes.page docs/mistakes.md``."""

import sys
from collections.abc import Iterable

from ...data.store import write_whole
from ..ops import ROOMS
from ..rungs import RUNGS
from . import MISTAKES
from .mistake import Mistake

MET_MOST = 3
"""Threads that a mistake must have been met in to stand in the first table."""

HEAD = """\
# Mistakes that people make

Written by `python -m tinybnn.testing.mistakes.page docs/mistakes.md` from the catalogue in `tinybnn/testing/mistakes`,
where every one of these {count} mistakes stands as a few lines of code. `tinybnn.testing.check` rejects them all, and
where a function of yours behaves like one of them, it says so: *likely cause: ternary: sign(0) = 0*.

*What you see* is what the maker of the mistake notices, if anything. *Met in* are public threads about it; where none
stands we know of none, which does not mean that nobody ever made it.
"""

TITLES = {
    "binarize": "Signs, scales, bits",
    "conv": "Convolution",
    "norm": "Batch norm, and folding it into a threshold",
    "activation": "Activations",
    "pool": "Pooling",
    "upsample": "Upsampling",
    "multibranch": "Multi-branch upsampling",
    "loss": "Losses",
    "metrics": "Metrics",
    "saliency": "Metrics of saliency",
    "attention": "Attention",
    "course": "Steps of an optimizer",
}


def page() -> str:
    """The whole page: what was met most often, then everything, operation by operation."""
    entries = [m for name in RUNGS for m in MISTAKES.get(name, ())]
    most = sorted((m for m in once(entries) if len(m.met) >= MET_MOST), key=lambda m: -len(m.met))
    parts = [HEAD.format(count=len(entries)), "## Met most often\n", table(most, named=True)]
    for room in ROOMS:
        title = TITLES[room.__name__.rsplit(".", 1)[-1]]
        parts.append(f"## {title}\n")
        for op in room.OPS:
            for name, rung in RUNGS.items():
                if rung.op is op:
                    parts += [f"### `{name}`\n", table(MISTAKES.get(name, ()))]
    return "\n".join(parts)


def once(entries: Iterable[Mistake]) -> list[Mistake]:
    """The first of those that are one confusion in several operations: they were met in the same threads."""
    return list({m.met: m for m in reversed(list(entries))}.values())[::-1]


def table(entries: Iterable[Mistake], named: bool = False) -> str:
    head = ["mistake", "what you see", "met in"]
    rows = [[m.reason, m.symptom, ", ".join(map(link, m.met))] for m in entries]
    if named:
        head, rows = ["function", *head], [[f"`{m.name}`", *row] for m, row in zip(entries, rows)]
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


def link(thread: str) -> str:
    """``owner/repository#7`` as a link; anything else, a paper for one, as it is."""
    repository, sharp, number = thread.partition("#")
    if sharp and number.isdigit() and repository.count("/") == 1:
        return f"[{thread}](https://github.com/{repository}/issues/{number})"
    return thread


if __name__ == "__main__":
    text = page()
    write_whole(sys.argv[1], lambda file: file.write(text.encode()))
