"""Compare what overhead.py printed in several boots: a table, and 1 if a limit is exceeded."""

from __future__ import annotations

import argparse
import statistics
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

LAYOUT = 2
"""Instructions that an event may cost more while all proxies are off, besides the NOPs."""
COUNTED = 30
"""Instructions of an event that is decided on and counted."""
TIMED = 130
"""Instructions of an event in which a task waits or a request completes."""
QUANTILES = {"p10": 0, "p50": 1, "p75": 2, "p90": 3}
STATES = ("off", "counting", "leased")


@dataclass(frozen=True)
class Row:
    """One path: an event, and the quantile of its costs in which that path is."""

    path: str
    event: str
    quantile: str
    hooks: int
    """Static branches on the path, each a NOP while the proxies are off."""
    limit: int
    is_same_leased: bool = True
    """The path under a lease is that of the baseline."""


ROWS = (
    Row("read() from the page cache", "read_hit", "p50", 1, COUNTED),
    Row("read() that starts a window", "read_stream", "p75", 4, COUNTED),
    Row("read() that misses, completed at once", "read_miss", "p50", 5, TIMED),
    Row("read() that sleeps", "read_sleep", "p50", 6, TIMED),
    Row("fault, cached", "fault_hit", "p50", 1, COUNTED),
    Row("fault that misses, completed at once", "fault_miss", "p50", 6, TIMED),
    Row("direct read, none", "direct_read", "p50", 1, TIMED),
    Row("direct write, mq-deadline", "direct_write", "p50", 2, TIMED),
    Row("write() to a dirty page", "dirty_again", "p50", 1, COUNTED),
    Row("write() to a clean page", "dirty_new", "p50", 1, COUNTED),
    # A leased limit is kept as a strict limit: another path, and not the hook's cost
    Row("the same, limits looked at", "dirty_new", "p90", 2, COUNTED, is_same_leased=False),
)

Costs = dict[tuple[str, str], list[list[float]]]
"""By state and event: for each repeat the quantiles and the mean."""


def read_costs(logs: list[Path]) -> Costs:
    costs: Costs = defaultdict(list)
    for log in logs:
        for line in log.read_text().splitlines():
            words = line.split()
            if len(words) == 8 and words[0] == "cost":
                costs[words[1], words[2]].append([float(word) for word in words[3:]])
    return costs


def repeats(costs: Costs, state: str, row: Row) -> list[float]:
    return [repeat[QUANTILES[row.quantile]] for repeat in costs[state, row.event]]


def compare(row: Row, costs: Costs) -> tuple[list[str], list[str]]:
    """The cells of the row, and what exceeds its limit."""
    base = repeats(costs, "unpatched", row)
    if not base:
        return [row.path, "not measured"], [f"{row.path}: not measured"]
    middle = statistics.median(base)
    cells = [row.path, str(row.hooks), f"{middle:.0f}", f"{max(base) - min(base):.0f}"]
    exceeded = []
    for state in STATES:
        values = repeats(costs, state, row)
        if not values:
            cells.append("-")
            continue
        # A trial's two arms may differ: the dearer one
        more = (statistics.median(values) if state == "off" else max(values)) - middle
        limit = row.hooks + LAYOUT if state == "off" else row.limit
        is_limited = state != "leased" or row.is_same_leased
        cells.append(f"{more:+.0f}" + (f" ({limit})" if is_limited else ""))
        if is_limited and more > limit:
            exceeded.append(f"{row.path}, {state}: {more:+.0f}, the limit is {limit}")
    return cells, exceeded


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("logs", type=Path, nargs="+", help="output of overhead.py")
    costs = read_costs(parser.parse_args().logs)
    exceeded = []
    header = ("path", "hooks", "unpatched", "spread", *(f"{s} (limit)" for s in STATES))
    print("| " + " | ".join(header) + " |")
    print("|---|" + "---:|" * (len(header) - 1))
    for row in ROWS:
        cells, over = compare(row, costs)
        print("| " + " | ".join(cells) + " |")
        exceeded += over
    for line in exceeded:
        print(f"NOT OK: {line}")
    print(f"{len(exceeded)} failed")
    return 1 if exceeded else 0


if __name__ == "__main__":
    sys.exit(main())
