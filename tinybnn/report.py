"""Tables for people: plain text, numbers to the right."""


def table(head, rows):
    """Print rows of values under a head; whole numbers get thousands separators, None stays empty.

    >>> table(["layer", "weights"], [["stem", 432], ["total", 12345], ["note", None]])
    layer  weights
    stem       432
    total   12,345
    note
    """
    text = [["" if v is None else f"{v:,}" if isinstance(v, int) else str(v) for v in row] for row in rows]
    widths = [max(len(row[i]) for row in [head, *text]) for i in range(len(head))]
    numeric = [any(isinstance(row[i], (int, float)) for row in rows) for i in range(len(head))]
    for row in [head, *text]:
        cells = [c.rjust(w) if right else c.ljust(w) for c, w, right in zip(row, widths, numeric)]
        print("  ".join(cells).rstrip())
