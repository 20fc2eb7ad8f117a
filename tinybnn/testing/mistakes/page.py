"""The catalogue as a page to read: ``python -m tinybnn.testing.mistakes.page docs/mistakes.md``."""

import sys
from collections.abc import Iterable

from ...data.store import write_whole
from ..forms import FORMS
from ..ops import ROOMS
from . import MISTAKES
from .mistake import Mistake

MET_MOST = 3
"""A mistake is in the first table if it was met in so many threads."""

HEAD = """\
# Mistakes that people make

`python -m tinybnn.testing.mistakes.page docs/mistakes.md` writes this page from the catalogue in
`tinybnn/testing/mistakes`, which has {count} mistakes. `tinybnn.testing.check` rejects them all. If your function
behaves like one of them, the check names it: *likely cause: ternary: sign(0) = 0*.

*Right* is a line of this project, or the formula of a product of bits, and *wrong* is what people write in its place.
If a line cannot show the mistake, both are empty. Below each mistake is what its author notices, and links to public
threads in which it was met. If there is no link, we know of no thread, which does not mean that nobody made the
mistake.
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
    "attention": "Attention and pyramid pooling",
    "course": "Steps of an optimizer",
}


def page() -> str:
    """The whole page: an index, the mistakes that were met most often, then all of them by function."""
    rooms = {TITLES[room.__name__.rsplit(".", 1)[-1]]: names_of(room.OPS) for room in ROOMS}
    entries = [m for names in rooms.values() for name in names for m in MISTAKES[name]]
    index = [
        f"- [{title}](#{anchor(title)}): {', '.join(f'[`{n}`](#{n})' for n in names)}" for title, names in rooms.items()
    ]
    most = sorted((m for m in once(entries) if len(m.met) >= MET_MOST), key=lambda m: -len(m.met))
    parts = [HEAD.format(count=len(entries)), "\n".join(index), "\n## Met most often\n", often(most)]
    for title, names in rooms.items():
        parts.append(f"## {title}\n")
        for name in names:
            parts += [f"### `{name}`\n", table(MISTAKES[name])]
    return "\n".join(parts)


def names_of(ops: Iterable) -> list[str]:
    """The public functions of some operations."""
    return [name for op in ops for name, form in FORMS.items() if form.op is op]


def once(entries: Iterable[Mistake]) -> list[Mistake]:
    """One of each group of mistakes with the same threads, the first: they are one confusion in several functions."""
    return list({m.met: m for m in reversed(list(entries))}.values())[::-1]


def often(entries: Iterable[Mistake]) -> str:
    """The first table: function, mistake, threads."""
    rows = [[f"[`{m.name}`](#{m.name})", m.reason, ", ".join(map(link, m.met))] for m in entries]
    return lines([["function", "mistake", "met in"], *rows])


def table(entries: Iterable[Mistake]) -> str:
    """The mistakes of one function."""
    rows = []
    for m in entries:
        met = f"<br>Met in {', '.join(map(link, m.met))}." if m.met else ""
        rows.append([f"**{m.reason}**<br>{m.symptom}{met}", code(m.right_line), code(m.wrong_line)])
    return lines([["mistake, and what you see", "right", "wrong"], *rows])


def lines(rows: list[list[str]]) -> str:
    """A Markdown table; the first row is its head."""
    cells = [[cell.replace("|", r"\|") for cell in row] for row in rows]
    cells.insert(1, ["---"] * len(rows[0]))
    return "".join(f"| {' | '.join(row)} |\n" for row in cells)


def code(text: str) -> str:
    """Lines of source, each as code."""
    return "<br>".join(f"`{line.strip()}`" for line in text.splitlines() if line.strip())


def link(thread: str) -> str:
    """``owner/repository#7`` as a link; anything else, a paper for one, as it is."""
    repository, sharp, number = thread.partition("#")
    if sharp and number.isdigit() and repository.count("/") == 1:
        return f"[{thread}](https://github.com/{repository}/issues/{number})"
    return thread


def anchor(title: str) -> str:
    """The name that Markdown gives to a heading."""
    return "".join(c for c in title.lower().replace(" ", "-") if c.isalnum() or c == "-")


if __name__ == "__main__":
    write_whole(sys.argv[1], lambda file: file.write(page().encode()))
