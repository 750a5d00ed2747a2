"""Reaction to a phase change: random mmap, then sequential, then random again.

The readahead falls and rises within 10 s of each change; once it has, random reads are at
least twice as fast as with the default and sequential reads reach 0.95 of the best static
value, which is measured over the whole grid in the same run. How long it takes until a second of
reading reaches 0.9 of the best static value is judged by its median. A second part starts in
`learning` with an application's own progress and prints when recommendation is earned.
"""

from __future__ import annotations

import math
import random
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlproxy.lab.arm import KnobState, readahead_arm
from mlproxy.lab.bench.learning import earn
from mlproxy.lab.bench.report import Report, mb_s
from mlproxy.lab.bench.setup import Setup, agent_on, held, unchanged, verdicts
from mlproxy.lab.clients import Client, lay_out_file, started
from mlproxy.lab.profile import PROFILES
from mlproxy.lab.reader import Sample
from mlproxy.lab.testbed import TestBed
from mlproxy.lab.timeline import KnobSample, Span, count_changes, rate, spans, time_to, time_to_rate

GRID = (4, 16, 32, 64, 128, 512, 2048, 8192)
DEFAULT = 128
PATTERNS = ("random", "sequential")
WITHIN_S = 10.0
SPEED_SHARE, SPEED_WITHIN_S, CHANGES = 0.9, 3.0, 20
"""Of so many changes the median is judged."""
RANDOM_FACTOR, SEQUENTIAL_SHARE = 2.0, 0.95
FILE_MB, DISK_MB, MEMORY_MB = 2000, 2200, 128
"""The file is much larger than the cache, or a scan would leave hits for the look-ups."""

Static = Mapping[str, Mapping[int, float]]
"""Bytes per second by pattern and readahead."""


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    grid: tuple[int, ...]
    static_s: float
    repeats: int
    seeds: int
    phases: int
    shortest_s: float
    longest_s: float


FULL = Size(GRID, 10.0, 2, 4, 5, 15.0, 40.0)
QUICK = Size((4, 16, 64, 128, 2048), 2.5, 1, 1, 2, 15.0, 16.0)


@dataclass(frozen=True)
class Reaction:
    """One phase with the agent beside the same phase without it; rates once settled.

    `reacted_s` is how long the knob took to a value on the right side, `reached_s` the reader to
    0.9 of the best static value, None if never.
    """

    seed: int
    pattern: str
    reacted_s: float | None
    reached_s: float | None
    rate: float
    default_rate: float
    seconds: float


def run(report: Report, setup: Setup) -> None:
    """Static values, phases with every seed, then the way from learning."""
    size = QUICK if setup.quick else FULL
    with TestBed(PROFILES["ssd-dilated"], size_mb=DISK_MB, memory_mb=MEMORY_MB) as bed:
        file = lay_out_file(bed, FILE_MB)
        static = _static(report, setup, size, bed, file)
        found: list[Reaction] = []
        for seed in range(setup.seed, setup.seed + size.seeds):
            found += _phases(report, setup, size, bed, file, seed, static)
        judge(report, found, static)
        earn(report, setup, bed, file)


def judge(report: Report, found: Sequence[Reaction], static: Static) -> None:
    """Every change of phase, and the speed of either pattern seed by seed."""
    times = [each.reacted_s for each in found]
    late = [time for time in times if time is None or time > WITHIN_S]
    known = sorted(time for time in times if time is not None)
    report.judge(
        f"falls and rises within {WITHIN_S:.0f} s of each of {len(found)} changes",
        f"{len(late)} late or never; slowest {known[-1]:.1f} s" if known else "never",
        not late,
    )
    _judge_speed(report, found)
    best = max(static["sequential"].values())
    for seed in sorted({each.seed for each in found}):
        ours = [each for each in found if each.seed == seed]
        ratio = _pooled(ours, "random") / _pooled(ours, "random", default=True)
        report.judge(
            f"seed {seed}: random >= {RANDOM_FACTOR:g}x of the default",
            f"{ratio:.2f}x",
            ratio >= RANDOM_FACTOR,
        )
        share = _pooled(ours, "sequential") / best
        report.judge(
            f"seed {seed}: sequential >= {SEQUENTIAL_SHARE} of the best static value",
            f"{share:.3f} of {best / 1e6:.1f} MB/s",
            share >= SEQUENTIAL_SHARE,
        )


def _judge_speed(report: Report, found: Sequence[Reaction]) -> None:
    """Later than any for a change after which the speed was never reached."""
    times = [math.inf if each.reached_s is None else each.reached_s for each in found]
    never, middle = sum(map(math.isinf, times)), statistics.median(times)
    report.judge(
        f"{SPEED_SHARE} of the best static value within {SPEED_WITHIN_S:.0f} s, median",
        f"{middle:.1f} s of {len(times)} changes, after {never} never",
        middle <= SPEED_WITHIN_S if len(times) >= CHANGES else None,
    )


def plan(size: Size, seed: int) -> list[tuple[str, float]]:
    """Pattern and seconds of each phase; random first, since the default suits a scan."""
    rng = random.Random(seed)
    lengths = (rng.uniform(size.shortest_s, size.longest_s) for _ in range(size.phases))
    return [(PATTERNS[number % 2], round(length, 2)) for number, length in enumerate(lengths)]


def _pooled(found: Sequence[Reaction], pattern: str, *, default: bool = False) -> float:
    """Mean rate over all phases of a pattern, by their lengths."""
    ours = [each for each in found if each.pattern == pattern]
    done = sum((each.default_rate if default else each.rate) * each.seconds for each in ours)
    return done / sum(each.seconds for each in ours)


def _static(report: Report, setup: Setup, size: Size, bed: TestBed, file: Path) -> Static:
    rows = [(p, kb, n) for n in range(size.repeats) for p in PATTERNS for kb in size.grid]
    random.Random(setup.seed).shuffle(rows)
    rates: dict[str, dict[int, list[float]]] = {p: {kb: [] for kb in size.grid} for p in PATTERNS}
    arms = {kb: readahead_arm(kb) for kb in size.grid}
    knobs = KnobState(arms.values(), bed.disk, bed.devno)
    try:
        for pattern, kb, number in rows:
            effective = knobs.apply(arms[kb])
            speed = _one(bed, file, Client(f"{pattern}:{size.static_s + 1}", seed=number))
            knobs.verify(arms[kb])
            rates[pattern][kb].append(speed)
            report.run("static", pattern=pattern, mb_s=mb_s(speed), effective=effective)
    finally:
        knobs.restore()
    return {p: {kb: sum(r) / len(r) for kb, r in by.items()} for p, by in rates.items()}


def _one(bed: TestBed, file: Path, client: Client) -> float:
    """Rate of one reader without its first second."""
    samples = _read(bed, file, client)
    begun_ns = samples[0].taken_ns
    return rate([samples], begun_ns + 1_000_000_000, samples[-1].taken_ns)


def _read(bed: TestBed, file: Path, client: Client) -> list[Sample]:
    bed.drop_caches()
    with (
        tempfile.TemporaryDirectory(prefix="mlproxy-bench-") as folder,
        started(bed, file, [client], Path(folder)) as clients,
    ):
        clients.wait()
        return clients.samples()[0]


def _phases(
    report: Report,
    setup: Setup,
    size: Size,
    bed: TestBed,
    file: Path,
    seed: int,
    static: Static,
) -> list[Reaction]:
    """The same phases without the agent and with it."""
    phases = plan(size, seed)
    client = Client(",".join(f"{pattern}:{seconds}" for pattern, seconds in phases), seed=seed)
    with unchanged(bed, ["readahead"]) as effective:
        samples = _read(bed, file, client)
    report.run("default", seed=seed, effective=effective)
    default_rates = [_settled(samples, span) for span in _spans(samples, phases)]
    with unchanged(bed, ["readahead"]), agent_on(bed, setup.policies("readahead")) as agent:
        samples = _read(bed, file, client)
        said = verdicts(agent)
    knob = agent.watcher.samples["read_ahead_kb"]
    found = [
        _reaction(report, seed, samples, knob, span, default_rate, static[span.pattern])
        for span, default_rate in zip(_spans(samples, phases), default_rates, strict=True)
    ]
    report.run("agent", seed=seed, looks=agent.looks, look_s=agent.look_s, verdicts=said)
    return found


def _spans(samples: Sequence[Sample], phases: Sequence[tuple[str, float]]) -> list[Span]:
    return spans(samples, [pattern for pattern, _ in phases], samples[0].taken_ns)


def _settled(samples: Sequence[Sample], span: Span) -> float:
    rest = span.after(WITHIN_S)
    return rate([samples], rest.start_ns, rest.end_ns)


def right_values(pattern: str, static: Mapping[int, float]) -> set[str]:
    """Below the default for random reads; for sequential ones not below it, or as good."""
    if pattern == "random":
        return {str(kb) for kb in static if kb < DEFAULT}
    enough = SEQUENTIAL_SHARE * max(static.values())
    return {str(kb) for kb, speed in static.items() if kb >= DEFAULT or speed >= enough}


def _reaction(
    report: Report,
    seed: int,
    samples: Sequence[Sample],
    knob: Sequence[KnobSample],
    span: Span,
    default_rate: float,
    static: Mapping[int, float],
) -> Reaction:
    found = Reaction(
        seed,
        span.pattern,
        time_to(knob, right_values(span.pattern, static), span.start_ns, span.end_ns),
        time_to_rate(samples, SPEED_SHARE * max(static.values()), span),
        _settled(samples, span),
        default_rate,
        span.after(WITHIN_S).seconds,
    )
    settled = span.after(WITHIN_S)
    report.run(
        "phase",
        seed=seed,
        pattern=span.pattern,
        seconds=span.seconds,
        reacted_s=found.reacted_s,
        reached_s=found.reached_s,
        settled_mb_s=mb_s(found.rate),
        whole_mb_s=mb_s(rate([samples], span.start_ns, span.end_ns)),
        default_mb_s=mb_s(default_rate),
        read_ahead_kb=held(knob, span.start_ns, span.end_ns),
        changes_settled=count_changes(knob, settled.start_ns, settled.end_ns),
    )
    return found
