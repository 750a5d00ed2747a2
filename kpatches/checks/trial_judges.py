"""Does the kernel's own trial judge rightly?  Run inside a booted lab kernel.

Each run has a fresh device and a proxy without trust.  A good and a harmful window for
random access to a mapping, a good one for a sequential stream, and one that equals the
baseline; what the trial makes of each is printed, with the number of treated slots.
"""

from __future__ import annotations

import argparse
import math
import mmap
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import lab

FORGET_EACH = 16
"""Accesses after which nothing may be cached, or large windows read the whole file."""

NEAR = 64 * mmap.PAGESIZE
"""An access no further away counts as progress through all that lies between, up to 64 times
one: of random accesses to 256 MB one in 500, and a slot of 130 has one a quarter of the time."""

RESULTS = ("wins", "losses", "ties", "void")

Work = Callable[[], None]


@dataclass(frozen=True)
class Case:
    name: str
    kb: int
    is_mapped: bool
    verdicts: frozenset[str]
    """What the trial may say."""
    baseline_kb: int = 128
    timeout_s: float = 90.0
    slots: int | None = None
    """Treated slots at most."""
    latency_us: int = 100
    mb_s: int = 100
    """A page more in a window costs as much as this device's bandwidth says."""
    min_ties: float = 0.0
    """Share of the judged pairs, over all runs."""
    is_even: bool = False
    """Each access to a mapping is one window and one page of progress: no hit, no neighbour."""


CASES = (
    Case("good: 4 KiB on random mmap", 4, True, frozenset({"promoted"})),
    Case(
        "harmful: 8192 KiB on random mmap",
        8192,
        True,
        frozenset({"emergency", "no gain"}),
        slots=3,
    ),
    Case(
        "good: 2048 KiB on a stream",
        2048,
        False,
        frozenset({"promoted"}),
        latency_us=5000,
        mb_s=0,
    ),
    Case(
        "neutral: 1024 in both arms on a stream",
        1024,
        False,
        frozenset({"undecided", "no gain", "emergency"}),
        baseline_kb=1024,
        timeout_s=40.0,
        latency_us=5000,
        mb_s=0,
    ),
    # 18 windows a slot: one more or less in one of the arms is 1/18, no tie
    Case(
        "neutral: 8192 in both arms on a stream of 100 MB/s",
        8192,
        False,
        frozenset({"undecided", "no gain"}),
        baseline_kb=8192,
        timeout_s=120.0,
    ),
    # 60 windows a slot: its edges are 2 % of it, mostly within a tie
    Case(
        "neutral: 1024 in both arms on random mmap",
        1024,
        True,
        frozenset({"undecided"}),
        baseline_kb=1024,
        timeout_s=20.0,
        latency_us=1000,
        mb_s=0,
        min_ties=0.75,
        is_even=True,
    ),
    # Windows enough
    Case(
        "neutral: 256 in both arms on random mmap",
        256,
        True,
        frozenset({"undecided"}),
        baseline_kb=256,
        timeout_s=8.0,
        latency_us=500,
        mb_s=0,
        min_ties=0.95,
        is_even=True,
    ),
)


@contextmanager
def stream(path: Path, case: Case) -> Iterator[Work]:
    fd = os.open(path, os.O_RDONLY)
    buffer = bytearray(1 << 16)

    def work() -> None:
        if not os.readv(fd, [buffer]):
            lab.forget(path)
            os.lseek(fd, 0, os.SEEK_SET)

    yield work
    os.close(fd)


@contextmanager
def random_map(path: Path, case: Case) -> Iterator[Work]:
    fd = os.open(path, os.O_RDONLY)
    mapped = mmap.mmap(fd, 0, prot=mmap.PROT_READ)
    os.close(fd)
    rng = random.Random(1)
    touched = 0
    step = max(case.kb << 10, 2 * NEAR) if case.is_even else mmap.PAGESIZE
    forget_each = 1 if case.is_even else FORGET_EACH

    def work() -> None:
        nonlocal touched
        if touched % forget_each == 0:
            mapped.madvise(mmap.MADV_DONTNEED)
            lab.forget(path)
        touched += 1
        mapped[rng.randrange(len(mapped) // step) * step]

    yield work
    mapped.close()


def verdict(proxy: lab.Proxy) -> str | None:
    mode = proxy.get("mode")
    if mode in ("collaboration", "recommendation"):
        return "promoted"
    if not proxy.number("lease_remaining_ms"):
        return "emergency" if mode == "emergency" else "no gain"
    return None


def judge(case: Case, proxy: lab.Proxy, work: Work) -> tuple[str, int, float]:
    """The verdict, treated slots until then, seconds."""
    proxy.put("lease_ms", 600000)
    proxy.put("mode_limit", "recommendation")
    proxy.recommend(case.kb)
    start = time.monotonic()
    slots = 0
    was_treated = False
    while time.monotonic() - start < case.timeout_s:
        found = verdict(proxy)
        if found:
            return found, slots, time.monotonic() - start
        is_treated = proxy.effective == case.kb
        slots += is_treated and not was_treated
        was_treated = is_treated
        end = time.monotonic() + 0.02
        while time.monotonic() < end:
            work()
    return "undecided", slots, time.monotonic() - start


def spread_of(proxy: lab.Proxy) -> float:
    """Standard deviation of the pairs' log2 ratio; 0 without pairs."""
    pairs = proxy.number("trial/pairs")
    if not pairs:
        return 0.0
    mean = proxy.number("trial/log_sum") / pairs
    return math.sqrt(max(0.0, proxy.number("trial/log_squares") / pairs - mean**2)) / 256


Results = dict[str, int]
"""Pairs by result."""


def run(case: Case, number: int) -> tuple[str, int, Results, str]:
    with lab.device(
        f"judge{number}", size_mb=336, latency_us=case.latency_us, mb_s=case.mb_s
    ) as device:
        (device.bdi / "read_ahead_kb").write_text(str(case.baseline_kb))
        path = lab.fill(device.mount / "file", 256)
        proxy = lab.Proxy(device)
        with (random_map if case.is_mapped else stream)(path, case) as work:
            before = proxy.windows[0]
            found, slots, seconds = judge(case, proxy, work)
            rate = (proxy.windows[0] - before) / seconds
        results = {name: proxy.number(f"trial/{name}") for name in RESULTS}
        cost = (proxy.get("trial/treated_cost_ns"), proxy.get("trial/baseline_cost_ns"))
        spread = spread_of(proxy)
        proxy.close()
    counts = "/".join(str(results[name]) for name in RESULTS)
    detail = f"{seconds:.1f} s, {counts}, ns/page {cost[0]} against {cost[1]}"
    detail += f", a pair {100 * (2**spread - 1):.1f} % apart, {rate:.0f} windows/s"
    return found, slots, results, detail


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--case", type=int, action="append", help="number from 0; all by default")
    options = parser.parse_args()
    checks = lab.Checks()
    number = 0
    for index in options.case or range(len(CASES)):
        case = CASES[index]
        seen: Counter[str] = Counter()
        pairs: Counter[str] = Counter()
        most = 0
        for _ in range(options.runs):
            found, slots, results, detail = run(case, number := number + 1)
            pairs.update(results)
            print(f"  {case.name}: {found} after {slots} treated slots; {detail}", flush=True)
            seen[found] += 1
            most = max(most, slots)
        judged = sum(pairs[name] for name in RESULTS if name != "void")
        is_right = set(seen) <= case.verdicts and (case.slots is None or most <= case.slots)
        is_right = is_right and pairs["ties"] >= case.min_ties * judged
        checks.expect(
            case.name,
            is_right,
            f"{dict(seen)}, at most {most} treated slots, {pairs['ties']} of {judged} pairs tied",
        )
    print(f"{checks.failed} failed")
    return 1 if checks.failed else 0


if __name__ == "__main__":
    sys.exit(main())
