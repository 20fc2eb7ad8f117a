"""Tables for people: plain text, numbers to the right."""

from collections.abc import Sequence
from typing import Any


def table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print rows of values under a head; whole numbers get thousands separators, None stays empty.

    A column is set to the right if each of its values is a number, or the text of one.

    >>> table(["layer", "weights", "share"], [["stem", 432, "0.035"], ["total", 12345, None]])
    layer  weights  share
    stem       432  0.035
    total   12,345
    """
    text = [["" if v is None else f"{v:,}" if isinstance(v, int) else str(v) for v in row] for row in rows]
    widths = [max(len(row[i]) for row in [head, *text]) for i in range(len(head))]
    numeric = [all(row[i][:1] in tuple("+-0123456789") + ("",) for row in text) for i in range(len(head))]
    for row in [head, *text]:
        cells = [c.rjust(w) if right else c.ljust(w) for c, w, right in zip(row, widths, numeric)]
        print("  ".join(cells).rstrip())
