"""Check every function of the library with ten thousand cases each: a right function must never be rejected.

``python -m benchmarks.endurance`` writes ``benchmarks/ENDURANCE.md``, in about an hour on two cores. The seed differs
from that of the test suite, so the cases differ too. If an operation has fewer different cases, all are drawn.
"""

import argparse
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import hypothesis
import numpy as np

import tinybnn
from tinybnn.app.demo import table
from tinybnn.data.store import write_whole
from tinybnn.testing import FORMS, Mismatch, check

OUT = Path(__file__).parent / "ENDURANCE.md"
SEED = 2405


def endure(name, implementation, examples):
    """The number of calls of one implementation, their time, and the message of the check."""
    function, calls = FORMS[name].implementations[implementation], 0

    def counted(*args, **options):
        nonlocal calls
        calls += 1
        return function(*args, **options)

    start = time.perf_counter()
    try:
        check(name, counted, max_examples=examples, seed=SEED)
        said = "never rejected"
    except Mismatch as error:
        said = str(error)
    return implementation, calls, time.perf_counter() - start, said


def page(rows, examples):
    lines = [
        "# A right function is never rejected",
        "",
        f"Written by `python -m benchmarks.endurance --examples {examples}`: each function of the library through its",
        f"own check, up to {examples:,} drawn cases beside the boundary cases, in every precision and memory order.",
        f"tinybnn {tinybnn.__version__}, NumPy {np.__version__}, Hypothesis {hypothesis.__version__}, seed {SEED}.",
        "",
        "| function | calls | verdict |",
        "| --- | ---: | --- |",
        *(f"| `{implementation}` | {calls:,} | {said.splitlines()[0]} |" for implementation, calls, _, said in rows),
        "",
    ]
    return "\n".join(lines)


def merged(old, new):
    """The old page with the new lines; a function that no longer exists loses its line."""
    lines = {line.split("`")[1]: line for line in new.splitlines() if line.startswith("| `")}
    exist = {name for form in FORMS.values() for name in form.implementations}
    kept = [line for line in old.splitlines() if not line.startswith("| `") or line.split("`")[1] in exist]
    kept = [lines.pop(line.split("`")[1], line) if line.startswith("| `") else line for line in kept]
    return "\n".join([*kept, *lines.values()]) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--examples", type=int, default=10_000)
    parser.add_argument("--only", nargs="*", default=[], help="some functions; their lines in the page are replaced")
    parser.add_argument("--jobs", type=int, default=2)
    a = parser.parse_args()
    names = [name for name in FORMS if not a.only or name in a.only]
    tasks = [(name, implementation) for name in names for implementation in FORMS[name].implementations]
    with ProcessPoolExecutor(a.jobs) as pool:
        coming = [pool.submit(endure, *task, a.examples) for task in tasks]
        rows = []
        for future in coming:
            rows.append(future.result())
            implementation, calls, seconds, said = rows[-1]
            print(f"{implementation:40s} {calls:9,d} calls {seconds:7.1f} s  {said}", flush=True)
    rejected = [row for row in rows if row[3] != "never rejected"]
    table(["functions", "calls", "rejected"], [[len(rows), sum(row[1] for row in rows), len(rejected)]])
    text = page(rows, a.examples)
    if a.only:
        text = merged(OUT.read_text(encoding="utf-8"), text)
    write_whole(OUT, lambda file: file.write(text.encode()))
    return 1 if rejected else 0


if __name__ == "__main__":
    raise SystemExit(main())
