"""Run all benchmarks in child processes and write ``benchmarks/RESULTS.md``: ``python -m benchmarks``.

Each benchmark runs with one thread and then with two. BLAS chooses its kernel (``OPENBLAS_CORETYPE`` is unset). The
products run a second time with the AVX2 kernel, which most machines have. A claim is for one thread, unless it says
otherwise.
"""

import argparse
import datetime
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

from tqdm import tqdm

from tinybnn.app.demo import table

from . import roofline
from .harness import Row

ONCE = "loops", "startup", "roofline"
BOTH = "products", "conv", "network", "training", "attention"
HOLDS_WITH_TWO = "training step, time over PyTorch eager's"
LOOPS = "fast form over its loops"
HEADLINES = (
    "best exact binary product over BLAS",
    "binary convolution over this project's float",
    "binary convolution, time over PyTorch's float",
    "peak memory, im2col in float32 over packed",
    "packed network over its float simulation",
    "packed weights, times smaller in memory",
    "training step, textbook NumPy over tinybnn",
    "training step, time over PyTorch eager's",
    "full attention over the position part, time",
    "full attention over the position part, peak memory",
)
BEGIN, END = "<!-- results: written by python -m benchmarks -->", "<!-- end of results -->"
THREADS = "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=BOTH + ONCE, help="run only these, and write no file")
    parser.add_argument("--out", default="benchmarks/RESULTS.md")
    a = parser.parse_args()
    runs = [(name, threads, None) for threads in (1, 2) for name in BOTH + ONCE if threads == 1 or name in BOTH]
    runs.insert(1, ("products", 1, "Haswell"))
    start, results, machines = time.perf_counter(), [], []
    for name, threads, kernel in tqdm([r for r in runs if not a.only or r[0] in a.only], unit="run"):
        machine, rows = child(name, threads, kernel)
        if kernel and machine["kernel"] == machines[0]["kernel"]:
            continue  # this machine has only one kernel
        machines.append(machine)
        results += [(row, machine) for row in rows]
    lines = lines_of(results)
    heads = ["claim", "case", "threads", "kernel", "measured", "bound", "reached", "times and sizes"]
    table(heads, lines)
    missed = [f"{row.claim}, {row.case}" for row, machine in results if reached(row, machine) is False]
    print(
        f"\n{sum(reached(*r) is True for r in results)} bounds reached, {len(missed)} not"
        + "".join(f"\n- {m}" for m in missed)
    )
    seconds = time.perf_counter() - start
    print(f"\n{seconds:.0f} s")
    if not a.only:
        write(Path(a.out), heads, lines, results, machines, seconds)
        points = [row._asdict() for row, _ in results if row.claim == "roofline"]
        roofline.draw(points, "docs/roofline.png")
        print(f"written: {a.out}, docs/roofline.png")
    return 0


def child(name: str, threads: int, kernel: str | None) -> tuple[dict, list[Row]]:
    """Run one benchmark in a process of its own; its first line names the machine."""
    env = {k: v for k, v in os.environ.items() if k not in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")}
    env |= dict.fromkeys(THREADS, str(threads)) | ({"OPENBLAS_CORETYPE": kernel} if kernel else {})
    command = [sys.executable, "-m", "benchmarks.child", name]
    done = subprocess.run(command, env=env, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise SystemExit(f"benchmarks.{name} with {threads} threads: exit code {done.returncode}")
    first, *rows = done.stdout.splitlines()
    return json.loads(first) | {"threads": threads}, [Row(*json.loads(row)) for row in rows]


def reached(row: Row, machine: dict) -> bool | None:
    """Whether a row reached its bound, or None if its bound is for another number of threads."""
    return row.reached if machine["threads"] == 1 or row.claim == HOLDS_WITH_TWO else None


def lines_of(results: list) -> list[list[str]]:
    """The lines of the table: one for each result that is not part of the roofline."""
    return [line(row, machine) for row, machine in results if row.claim != "roofline"]


def line(row: Row, machine: dict) -> list[str]:
    value = f"{row.value:,.0f}" if row.value >= 1000 else f"{row.value:.3g}"
    hit = reached(row, machine)
    bound = "" if hit is None or row.bound is None else f"{'at most' if row.most else 'at least'} {row.bound:g}"
    answer = {True: "yes", False: "**no**", None: ""}[hit]
    return [
        row.claim,
        row.case,
        str(machine["threads"]),
        machine["kernel"],
        value + row.unit,
        bound,
        answer,
        row.detail,
    ]


def write(
    path: Path, heads: list[str], lines: list[list[str]], results: list, machines: list[dict], seconds: float
) -> None:
    """Write RESULTS.md, and its tables into docs/speed.md and README.md."""
    hits = [reached(*result) for result in results]
    points = [[r.case, f"{r.value:.3g} {r.unit}", r.detail] for r, _ in results if r.claim == "roofline"]
    roof = markdown(["form", "speed", "work"], points)
    versions = {k: v for machine in machines for k, v in machine["versions"].items()}
    said = [
        "# Results",
        "",
        f"Written by `python -m benchmarks` on {datetime.date.today()}, in {seconds:.0f} seconds; not to be edited.",
        "",
        f"- machine: {processor()}, {os.cpu_count()} cores; Python {platform.python_version()} on {platform.system()}",
        f"- {machines[0]['blas']}, which chooses its kernel where the table names no other; "
        + ", ".join(f"{k} {v}" for k, v in sorted(versions.items())),
        "- functions run in turn in one process; a ratio is the median of 15 rounds; every answer was checked first",
        "- claims are for one thread, unless the line of two threads has a bound",
        "",
        f"{hits.count(True)} bounds reached, {hits.count(False)} not. Why not, and what was tried: "
        "[docs/speed.md](../docs/speed.md).",
        "",
        *markdown(heads, lines),
        "",
        "## Roofline",
        "",
        *roof,
    ]
    put(path, "\n".join(said) + "\n")

    shown = [row for row, _ in results if row.claim != "roofline"]
    kept = [cells for row, cells in zip(shown, lines) if row.claim != LOOPS]
    worst = sorted((row.value, row.case) for row in shown if row.claim == LOOPS)
    said = [
        f"On {datetime.date.today()}, {processor()}. [RESULTS.md](../benchmarks/RESULTS.md) describes the machine",
        "and has the time of each operation over its loops.",
        "",
        *markdown(heads, kept),
        "",
        f"Of {len(worst)} operations {sum(ratio >= 50 for ratio, _ in worst)} are at least 50 times as fast as their",
        f"loops; the least is {worst[0][1]}, the median {worst[len(worst) // 2][0]:.0f} times.",
        "",
        *roof,
    ]
    between(Path("docs/speed.md"), said)
    kernel = machines[0]["kernel"]
    chosen = [[c[0], c[1], c[4]] for c in lines if c[0] in HEADLINES and c[2] == "1" and c[3] == kernel]
    between(Path("README.md"), markdown(["claim", "case", "measured"], chosen))


def between(page: Path, lines: list[str]) -> None:
    """Replace the lines between the two marks of a page."""
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    put(page, "\n".join([before + BEGIN, "", *lines, "", END + after]))


def put(path: Path, text: str) -> None:
    """Write a file completely or not at all, with the same line ends on every system."""
    temporary = path.with_suffix(".part")
    temporary.write_text(text, encoding="utf-8", newline="\n")
    temporary.replace(path)


def markdown(heads: list[str], lines: list[list[str]]) -> list[str]:
    return [f"| {' | '.join(cells)} |" for cells in (heads, ["---"] * len(heads), *lines)]


def processor() -> str:
    """The name of the processor, if the system gives it."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor() or platform.machine()
    return next(
        (row.split(":")[1].strip() for row in text.splitlines() if row.startswith("model name")), platform.machine()
    )


if __name__ == "__main__":
    sys.exit(main())
