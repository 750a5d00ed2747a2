"""Compare what overhead.py printed in several boots: a table, and 1 if a path got dearer.

In brackets is what was asked of a path; what was accepted of it is in overhead_limits.tsv.
"""

from __future__ import annotations

import argparse
import csv
import statistics
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

LIMITS = Path(__file__).with_name("overhead_limits.tsv")
LAYOUT = 2
"""Instructions that an event may cost more while all proxies are off, besides the NOPs."""
COUNTED = 30
"""Instructions of an event that is decided on and counted."""
TIMED = 130
"""Instructions of an event in which a task waits or a request completes."""
QUANTILES = {"p10": 0, "p50": 1, "p75": 2, "p90": 3, "mean": 4}
ELSEWHERE = "elsewhere"
"""State in which only another device is leased, whose timer is in the tree."""
SPREADS = {"off": 12, "counting": 16, "leased": 24}
"""Instructions by which another build or boot of the same hooks may differ, by state."""


@dataclass(frozen=True)
class Row:
    """One path: an event, and the quantile of its costs in which that path is, or their mean."""

    path: str
    event: str
    quantile: str
    hooks: int
    """Static branches on the path, each a NOP while the proxies are off."""
    asked: int
    is_same_leased: bool = True
    """The path under a lease is that of the baseline."""


ROWS = (
    Row("read, cached", "read_hit", "p50", 1, COUNTED),
    Row("read that starts a window", "read_stream", "p75", 3, COUNTED),
    Row("read that misses, completed at once", "read_miss", "p50", 3, TIMED),
    Row("read that sleeps", "read_sleep", "p50", 4, TIMED),
    Row("fault, cached", "fault_hit", "mean", 1, COUNTED),
    Row("fault that misses, completed at once", "fault_miss", "mean", 4, TIMED),
    Row("direct read", "direct_read", "p50", 0, TIMED),
    Row("direct write, mq-deadline", "direct_write", "p50", 1, TIMED),
    Row("write to a dirty page", "dirty_again", "p50", 1, COUNTED),
    Row("write to a clean page", "dirty_new", "p50", 1, COUNTED),
    # A leased limit is kept as a strict limit: another path, and not the hook's cost
    Row("the same, limits looked at", "dirty_new", "p90", 2, COUNTED, is_same_leased=False),
)

Costs = dict[tuple[str, str], list[list[float]]]
"""By state and event: for each repeat the quantiles and the mean."""
Limits = dict[tuple[str, str], int]
"""By path and state: accepted instructions more than the pristine kernel's."""


def read_costs(logs: list[Path]) -> Costs:
    costs: Costs = defaultdict(list)
    for log in logs:
        for line in log.read_text().splitlines():
            words = line.split()
            if len(words) == 8 and words[0] == "cost":
                costs[words[1], words[2]].append([float(word) for word in words[3:]])
    return costs


def read_limits(path: Path) -> Limits:
    with path.open(newline="") as file:
        return {
            (line["path"], state): int(line[state])
            for line in csv.DictReader(file, delimiter="\t")
            for state in SPREADS
            if line[state]
        }


def write_limits(path: Path, limits: Limits) -> None:
    with path.open("w", newline="") as file:
        out = csv.writer(file, delimiter="\t", lineterminator="\n")
        out.writerow(("path", *SPREADS))
        for row in ROWS:
            out.writerow((row.path, *(limits.get((row.path, state), "") for state in SPREADS)))


def repeats(costs: Costs, state: str, row: Row) -> list[float]:
    return [repeat[QUANTILES[row.quantile]] for repeat in costs[state, row.event]]


def overheads(row: Row, costs: Costs, base: float) -> dict[str, int]:
    """Instructions more than in the pristine kernel, for each state that was measured."""
    found = {}
    for state in SPREADS:
        values = repeats(costs, state, row)
        if values:
            # A trial's two arms may differ: the dearer one
            cost = max(values) if state == "leased" else statistics.median(values)
            found[state] = round(cost - base)
    return found


def asked(row: Row, state: str) -> int | None:
    if state == "off":
        return row.hooks + LAYOUT
    return row.asked if state != "leased" or row.is_same_leased else None


def cell(more: int | None, limit: int | None) -> str:
    if more is None:
        return "-"
    return f"{more:+d}" + (f" ({limit})" if limit is not None else "")


def table(costs: Costs) -> Limits:
    """Prints it and what is more than asked; returns what was measured."""
    measured: Limits = {}
    over = []
    header = ("path", "hooks", "unpatched", "spread", *(f"{s} (asked)" for s in SPREADS))
    print("| " + " | ".join(header) + " |")
    print("|---|" + "---:|" * (len(header) - 1))
    for row in ROWS:
        base = repeats(costs, "unpatched", row)
        if not base:
            continue
        more = overheads(row, costs, statistics.median(base))
        cells = [row.path, str(row.hooks), f"{statistics.median(base):.0f}"]
        cells.append(f"{max(base) - min(base):.0f}")
        cells += [cell(more.get(state), asked(row, state)) for state in SPREADS]
        print("| " + " | ".join(cells) + " |")
        for state, value in more.items():
            measured[row.path, state] = value
            limit = asked(row, state)
            if limit is not None and value > limit:
                over.append(f"{row.path}, {state}: {value:+d}, asked {limit}")
    print("".join(f"more than asked: {line}\n" for line in over), end="")
    for row in ROWS:
        beside = repeats(costs, ELSEWHERE, row)
        if beside:
            timer = statistics.median(beside) - statistics.median(repeats(costs, "counting", row))
            print(f"{row.path}: {timer:+.0f} while another device is leased")
    return measured


def dearer(measured: Limits, limits: Limits) -> list[str]:
    wrong = []
    for (path, state), limit in limits.items():
        value = measured.get((path, state))
        if value is None:
            wrong.append(f"{path}, {state}: not measured")
        elif value > limit + SPREADS[state]:
            wrong.append(f"{path}, {state}: {value:+d}, accepted {limit:+d} and {SPREADS[state]}")
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("logs", type=Path, nargs="+", help="output of overhead.py")
    parser.add_argument("--accept", action="store_true", help=f"write {LIMITS.name}")
    options = parser.parse_args()
    measured = table(read_costs(options.logs))
    if options.accept:
        write_limits(LIMITS, measured)
    wrong = dearer(measured, read_limits(LIMITS))
    print("".join(f"NOT OK: {line}\n" for line in wrong), end="")
    print(f"{len(wrong)} failed")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
