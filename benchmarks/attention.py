"""What reduced attention saves in multiplications, time and memory, and how time grows with the number of tokens."""

import numpy as np

from tinybnn.model import cost, net
from tinybnn.ops.attention import attention, attention_loops
from tinybnn.ops.pyramid import LEVELS
from tinybnn.ops.reduced_attention import (
    pooled_attention_loops,
    pooled_attention_packed,
    two_part_attention_loops,
    two_part_attention_packed,
)

from .harness import Row, check, in_turn, peak

D, S = 64, cost.anchors(LEVELS)
ONE = np.ones(1, np.float32)
SIZES = 32, 64, 128
BOUNDS = {4096: (37.2, 20, 20), 16384: (148.9, 75, 80)}
"""Bounds for full attention over the position part: multiplications (T / S), time, peak memory."""


def tokens(side):
    rng = np.random.default_rng(side)
    return [rng.normal(size=(1, side * side, D)).astype(np.float32) for _ in range(3)]


def forms(side):
    q, k, v = tokens(side)
    return {
        "full": lambda: attention(q, k, v)[0],
        "position": lambda: pooled_attention_packed(q, k, v, ONE, grid=(side, side)),
        "two-part": lambda: two_part_attention_packed(q, k, v, ONE, ONE, grid=(side, side)),
    }


def rows():
    check_answers()
    medians = {}
    for side in SIZES:
        T, functions = side * side, forms(side)
        timed = in_turn(functions)
        medians[T] = np.median(timed.seconds, axis=1)
        if T not in BOUNDS:
            continue
        macs, time, memory = BOUNDS[T]
        full, position = (sum(cost.attention_count(1, T, n, D)) for n in (T, S))
        case, claim = f"T = {T:,}, S = {S}, D = {D}", "full attention over the position part"
        yield Row(f"{claim}, multiplications", case, full / position, f"{full:,} and {position:,}", macs)
        yield Row(f"{claim}, time", case, timed.ratio("full", "position"), timed.ms(), time)
        peaks = {name: peak(functions[name]) for name in functions}
        detail = ", ".join(f"{name} {most / 1e6:.1f} MB" for name, most in peaks.items())
        yield Row(f"{claim}, peak memory", case, peaks["full"] / peaks["position"], detail, memory)
    for name, column in zip(forms(1), np.array(list(medians.values())).T):
        slope = np.polyfit(np.log(list(medians)), np.log(column), 1)[0]
        bound = (1.9, False) if name == "full" else (1.15, True)
        span = f"T = {min(medians):,} to {max(medians):,}"
        yield Row(f"slope of time in T, {name}", span, slope, "log-log, least squares", *bound, unit="")
    yield from hundredfold()


def check_answers():
    """Check the fast forms against the specifications, on a map that is small enough for loops."""
    q, k, v = (x[:, :36, :5].astype(np.float64) for x in tokens(6))
    one, grid = np.ones(1), (6, 6)
    check("full", attention(q, k, v)[0], attention_loops(q, k, v), within=1e-12)
    check(
        "position",
        pooled_attention_packed(q, k, v, one, grid=grid),
        pooled_attention_loops(q, k, v, one, grid=grid),
        within=1e-12,
    )
    check(
        "two-part",
        two_part_attention_packed(q, k, v, one, one, grid=grid),
        two_part_attention_loops(q, k, v, one, one, grid=grid),
        within=1e-12,
    )


def hundredfold():
    """The number of tokens from which reduced attention costs a hundredth of full attention; checked by counting."""
    config = net.Config()
    width = config.width * 2**config.stages
    for part, both in (("the position part", False), ("both parts together", True)):
        T = cost.tokens_for(100, width, config.levels, both=both, heads=config.heads)
        for tokens_, least in ((T, True), (T - 1, False)):
            full = sum(cost.attention_count(1, tokens_, tokens_, width, heads=config.heads))
            reduced = cost.attention_count(1, tokens_, cost.anchors(config.levels), width, heads=config.heads)
            if both:
                reduced = reduced + cost.channel_attention_count(1, tokens_, width, heads=config.heads)
            if (full >= 100 * sum(reduced)) != least:
                raise SystemExit(f"{part}: at T = {tokens_} full attention costs {full / sum(reduced):.2f} times")
        yield Row("tokens at which multiplications fall 100-fold", f"{part}, default width {width}", T, unit="")
