"""What rocksdb.py measured, as Markdown.  Pure."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean
from typing import Any

from mlproxy.lab.matrix.loads.rocksdb import SIX
from mlproxy.lab.stats import geometric_mean

DEFAULT, ORACLE, AGENT, TRIED = "default", "oracle", "mlproxy", "tried"
DEFAULT_KB = 128
ASKED_PEAK, ASKED_MEAN = 2.3, 1.82
HEADROOM_LOG = 0.05
"""Below it there is nothing to have a share of."""

TITLES = {
    "mmap": "Mapped tables, all files open, the patched kernel",
    "pread": "The same read with pread",
    "stock-16": "Mapped, 16 files open at most, the class hidden: as on a stock kernel",
}

Row = Mapping[str, Any]
Run = Mapping[str, Any]
"""A boot: its conditions and rows."""


def document(found: Mapping[str, Any], rows: str) -> str:
    """The page: for each way a table of ratios and one of the tries; rows is their file."""
    parts = ["# RocksDB on the patched kernel", *introduction(found)]
    for way, title in TITLES.items():
        runs = merged(run for run in found["runs"] if run["way"] == way)
        if runs:
            parts += [f"## {title}", conditions(runs), ratios(runs), summary(runs)]
            parts += ["What each static value gave in a short try, over 128 KiB:", tries(runs)]
            parts += ["What mlproxy tried, and from which second on:", recommended(runs)]
    parts += ["## How", *method(found, rows)]
    return "\n\n".join(parts) + "\n"


def merged(runs: Iterable[Run]) -> list[Run]:
    """One for each workload, with the rows of all its boots, in the order of the six."""
    found: dict[str, dict[str, Any]] = {}
    for run in runs:
        kept = found.setdefault(run["workload"], {**run, "rows": []})
        kept["rows"] = [*kept["rows"], *run["rows"]]
    order = {name: place for place, name in enumerate(SIX)}
    return sorted(found.values(), key=lambda run: order[run["workload"].split("-")[1]])


def introduction(found: Mapping[str, Any]) -> list[str]:
    run = found["runs"][0]
    device = run["device"]
    return [
        f"db_bench's six in User Mode Linux with the series, one CPU, on the test bed's"
        f" {device['name']} ({device['latency_us'] / 1000:g} ms, {device['bandwidth_mb_s']:g} MB/s,"
        f" {device['channels']} channels): {run['keys']} keys of 400 bytes, a cgroup of"
        f" {run['memory_mb']} MB. mlproxy has its adapter's model and policy and starts at 128 KiB"
        " without trust.",
        *found.get("notes", []),
    ]


def conditions(runs: Sequence[Run]) -> str:
    """What of each run counts; all of a way are alike."""
    times = runs[0]["times_s"]
    return (
        f"{times['counted']:g} s of each run count, not the first {times['settle']:g} s of"
        f" mlproxy's, in which it earns trust, nor the first {times['warm']:g} s of the others'."
        f" A try takes {times['tried']:g} s."
    )


def mean_of(run: Run, contender: str, name: str = "ops_s") -> float:
    """Operations per second of a contender, geometric over its repeats."""
    return geometric_mean([row[name] for row in run["rows"] if row["contender"] == contender])


def gain(run: Run, contender: str, name: str = "ops_s") -> float:
    """Over the default, both from the beginning of their runs where `name` says so."""
    return mean_of(run, contender, name) / mean_of(run, DEFAULT, name)


def ratios(runs: Sequence[Run]) -> str:
    head = ["workload", "default, ops/s", "mlproxy", "with settling", "oracle", "at, KiB"]
    lines = [[*head, "ruled while counted", "the kernel's trial"]]
    for run in runs:
        agents = [row for row in run["rows"] if row["contender"] == AGENT]
        best = {row["read_ahead_kb"] for row in run["rows"] if row["contender"] == ORACLE}
        lines.append(
            [
                run["workload"].removeprefix("rocksdb-"),
                f"{mean_of(run, DEFAULT):.0f}",
                f"**{gain(run, AGENT):.2f}x**",
                f"{gain(run, AGENT, 'ops_s_whole'):.2f}x",
                f"{gain(run, ORACLE):.2f}x",
                ", ".join(map(str, sorted(best))),
                "; ".join(ruled(row["held"]) for row in agents),
                "; ".join(verdict(row) for row in agents),
            ]
        )
    return table(lines)


def ruled(held: Mapping[str, float]) -> str:
    """Which values held for which share."""
    return ", ".join(f"{value} {share:.0%}" for value, share in held.items())


def verdict(row: Row) -> str:
    """Mode and pairs of the kernel's last trial."""
    trial = row["trial"]
    if not trial:
        return "none"
    return f"{trial['mode']}: {trial['wins']} won, {trial['losses']} lost, {trial['ties']} tied"


def summary(runs: Sequence[Run]) -> str:
    """Peak and means of mlproxy and of the oracle, the losses by name."""
    ours, best = ([gain(run, who) for run in runs] for who in (AGENT, ORACLE))
    whole = [gain(run, AGENT, "ops_s_whole") for run in runs]
    lost = [f"{run['workload']} {gain(run, AGENT):.2f}x" for run in runs if gain(run, AGENT) < 1.0]
    there = math.log(geometric_mean(best))
    share = f"{math.log(geometric_mean(ours)) / there:.0%}" if there > HEADROOM_LOG else "nothing"
    spread = [spread_of(run, who) for run in runs for who in (DEFAULT, AGENT)]
    return (
        f"mlproxy: peak {max(ours):.2f}x (asked: above {ASKED_PEAK}x), mean"
        f" {fmean(ours):.2f}x (asked: above {ASKED_MEAN}x), geometric {geometric_mean(ours):.2f}x;"
        f" with settling {fmean(whole):.2f}x, geometric {geometric_mean(whole):.2f}x. The oracle:"
        f" peak {max(best):.2f}x, mean {fmean(best):.2f}x, geometric {geometric_mean(best):.2f}x."
        f" Of its log gain mlproxy has {share}. Below the default: {', '.join(lost) or 'none'}."
        + (f" Repeats differ by {max(spread):.0%} at most." if max(spread) else " One repeat.")
    )


def spread_of(run: Run, contender: str) -> float:
    """Largest over smallest repeat of a contender, less one."""
    found = [row["ops_s"] for row in run["rows"] if row["contender"] == contender]
    return max(found) / min(found) - 1.0


def tries(runs: Iterable[Run]) -> str:
    found: dict[str, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for run in runs:
        for row in run["rows"]:
            if row["contender"] == TRIED and row["ops_s"] is not None:
                found[run["workload"]][row["read_ahead_kb"]].append(row["ops_s"])
    values = sorted({value for each in found.values() for value in each})
    lines = [["workload", *(f"{value} KiB" for value in values)]]
    for name, each in found.items():
        # Not geometric: a try may have got nowhere
        means = {value: fmean(all_of) for value, all_of in each.items()}
        cells = (
            f"{means[value] / means[DEFAULT_KB]:.2f}x" if value in means else "unknown"
            for value in values
        )
        lines.append([name.removeprefix("rocksdb-"), *cells])
    return table(lines)


def recommended(runs: Iterable[Run]) -> str:
    """The values other than the default that were in force, when they first were in turn."""
    lines = [["workload", "KiB from second on", "the gate, how often"]]
    for run in runs:
        for row in run["rows"]:
            if row["contender"] == AGENT:
                changes: list[tuple[float, str]] = []
                for second, value in row["effective"]:
                    if value != str(DEFAULT_KB) and (not changes or changes[-1][1] != value):
                        changes.append((second, value))
                told = ", ".join(f"{value} from {second:.0f}" for second, value in changes)
                rules = "; ".join(f"{rule} {count}" for rule, count in row["rules"].items())
                lines.append([run["workload"].removeprefix("rocksdb-"), told or "none", rules])
    return table(lines)


def method(found: Mapping[str, Any], rows: str) -> list[str]:
    run, machine = found["runs"][0], found["machine"]
    return [
        "Every run has a copy of the database, opened once, and a page cache filled with its tables"
        " before. The oracle is the static value that was best in a short try on a database"
        " opened under it, measured again at full length. `--advise_random_on_open=0`: by default"
        " this db_bench advises MADV_RANDOM for each mapped table, and then no readahead reaches"
        " it, whatever the kernel. A scan is passed over again and again. With settling: both from"
        " the beginning of their runs.",
        f"    {' '.join(run['command'])}",
        f"Host: {machine['processor']}, {machine['cores']} cores, {machine['db_bench']}. The kernel"
        " has perf's tracepoints besides the series (kpatches/lab/), as a kernel on hardware has"
        f" anyway. Rows: {rows}. Again: `make bench-kernel`.",
    ]


def table(lines: Sequence[Sequence[str]]) -> str:
    """Markdown; the first line is the head."""
    head, *rest = lines
    ruler = ["---"] + ["---:"] * (len(head) - 1)
    return "\n".join(f"| {' | '.join(line)} |" for line in [head, ruler, *rest])
