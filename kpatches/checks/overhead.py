"""What the hooks cost, in instructions.  Run inside a kernel booted with ICOUNT=off.

Runs overhead.c, compiled as PROGRAM, event by event: unpatched on a kernel without the
series; otherwise with the proxies off, counting, and under a lease whose value is that of
the baseline, so that only the hooks differ.  What a lease's timer costs others is seen
where a task sleeps: counting, while another device is leased.  Prints `cost STATE EVENT
P10 P50 P75 P90 MEAN` in instructions, which overhead_table.py compares.
"""

from __future__ import annotations

import argparse
import errno
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import lab

FILE_MB = 16
DEVICE_MB = 24
MKFS = ("mkfs.ext2", "-q", "-b", "4096")
"""The least between the page cache and the device."""
LEASE_MS = 600_000
SLOT_S = 0.26
"""A little more than the shortest slot, so that repeats see both arms of a trial."""
LIMITS = Path("/proc/sys/vm")
KNOBS = {
    "readahead": "read_ahead_kb",
    "writeback": "dirty_limit_kb",
    "iosched": "async_depth",
}
COUNTERS = {
    "readahead": ("progress_bytes",),
    "writeback": ("accepted_pages",),
    "iosched": ("reads", "others"),
}


@dataclass(frozen=True)
class Event:
    """An event of overhead.c and what it is run on."""

    name: str
    provider: str
    count: int
    program_event: str = ""
    read_ahead_kb: int = 128
    scheduler: str = "none"
    is_asleep: bool = False
    """On the device with a latency."""
    dirty_kb: int = 0
    """Limit of dirty memory, 0 for the default."""


EVENTS = (
    Event("read_hit", "readahead", 8000),
    Event("read_stream", "readahead", 8000, read_ahead_kb=8),
    Event("read_miss", "readahead", 4000),
    Event("read_sleep", "readahead", 2000, "read_miss", is_asleep=True),
    Event("fault_hit", "readahead", 8000),
    Event("fault_miss", "readahead", 3600, read_ahead_kb=4),
    Event("direct_read", "iosched", 4000),
    Event("direct_write", "iosched", 3000, scheduler="mq-deadline"),
    Event("dirty_again", "writeback", 8000),
    Event("dirty_new", "writeback", 4000, dirty_kb=256),
)


@contextmanager
def dirty_limits(kb: int) -> Iterator[None]:
    """Limits so low that every few pages the writer has to look at them."""
    if not kb:
        yield
        return
    names = ("dirty_background_ratio", "dirty_ratio")
    before = {name: (LIMITS / name).read_text() for name in names}
    (LIMITS / "dirty_background_bytes").write_text(str(kb << 9))
    (LIMITS / "dirty_bytes").write_text(str(kb << 10))
    try:
        yield
    finally:
        for name, value in before.items():
            (LIMITS / name).write_text(value)


def recommend_baseline(proxy: lab.Proxy) -> None:
    """Waits out the pause after a trial without gain; OSError if it does not end."""
    baseline = proxy.number(f"{proxy.knob}/baseline")
    for _ in range(60):
        try:
            proxy.recommend(max(baseline, proxy.number(f"{proxy.knob}/min")))
            return
        except OSError as error:
            if error.errno != errno.EAGAIN:
                raise
            time.sleep(10)
    raise OSError(errno.EAGAIN, "the pause does not end", str(proxy.path))


class State:
    """A state of the proxies, in which events are measured."""

    def __init__(self, name: str, repeats: int, measure: Callable[[Event], str]) -> None:
        self.name = name
        self.repeats = repeats
        self.measure = measure

    def run_beside(
        self, event: Event, device: lab.Device, other: lab.Device, checks: lab.Checks
    ) -> None:
        """As run(), in the state "elsewhere" with a lease of the other device."""
        if self.name != "elsewhere":
            self.run(event, device, checks)
        elif event.is_asleep:
            with lease_of(other):
                self.run(event, device, checks)

    def run(self, event: Event, device: lab.Device, checks: lab.Checks) -> None:
        if self.name == "unpatched":
            self._repeat(event, None)
            return
        proxy = lab.Proxy(device, event.provider, KNOBS[event.provider])
        proxy.put("lease_ms", LEASE_MS)
        if self.name != "off":
            proxy.put("mode_limit", "learning")
        # The key is flipped by a worker
        time.sleep(SLOT_S)
        if self.name == "leased" and event.scheduler != "none":
            # The knob is there as soon as the scheduler has used it
            self.measure(event)
        if self.name == "leased" and not proxy.number(f"{proxy.knob}/baseline"):
            print(f"{event.name}: no knob here", flush=True)
        else:
            self._checked(event, proxy, checks)
        proxy.put("mode_limit", "emergency")
        time.sleep(SLOT_S)
        proxy.close()

    def _checked(self, event: Event, proxy: lab.Proxy, checks: lab.Checks) -> None:
        before = counted(proxy, event)
        self._repeat(event, proxy if self.name == "leased" else None)
        more = counted(proxy, event) - before
        # The disk counts anyway
        is_counting = self.name != "off" or event.provider == "iosched"
        is_right = more > 0 if is_counting else more == 0
        checks.expect(f"{event.name}, {self.name}", is_right, f"{more} counted")
        if self.name == "leased":
            left_ms = proxy.number("lease_remaining_ms")
            checks.expect(f"{event.name}, lease", left_ms > 0, f"{left_ms} ms left")

    def _repeat(self, event: Event, leased: lab.Proxy | None) -> None:
        for _ in range(self.repeats):
            if leased is not None:
                recommend_baseline(leased)
                time.sleep(SLOT_S)
            print(f"cost {self.name} {event.name} {self.measure(event)}", flush=True)


@contextmanager
def lease_of(device: lab.Device) -> Iterator[None]:
    proxy = lab.Proxy(device)
    proxy.put("lease_ms", LEASE_MS)
    proxy.put("mode_limit", "learning")
    recommend_baseline(proxy)
    try:
        yield
    finally:
        proxy.put("mode_limit", "emergency")
        proxy.close()


def counted(proxy: lab.Proxy, event: Event) -> int:
    return sum(proxy.number(f"features/{name}") for name in COUNTERS[event.provider])


def states(measure: Callable[[Event], str], repeats: int) -> list[State]:
    if not lab.CLASS.exists():
        return [State("unpatched", repeats, measure)]
    return [
        State("off", repeats, measure),
        State("counting", repeats, measure),
        State("elsewhere", repeats, measure),
        State("leased", 2 * repeats, measure),
    ]


def run(options: argparse.Namespace, checks: lab.Checks) -> None:
    # Nothing of the program comes from the host's files while it runs
    program = shutil.copy(options.program, "/tmp/overhead")
    with (
        lab.device("inline", DEVICE_MB, latency_us=0, mkfs=MKFS) as inline,
        lab.device("asleep", DEVICE_MB, latency_us=20, mkfs=MKFS) as asleep,
    ):
        for device in (inline, asleep):
            lab.fill(device.mount / "file", FILE_MB)

        def measure(event: Event) -> str:
            device = asleep if event.is_asleep else inline
            name = event.program_event or event.name
            path = device.mount / "file"
            lab.forget(path)
            command = (program, name, path, str(event.count), str(options.seed))
            words = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            return " ".join(words.split()[1:])

        for state in states(measure, options.repeats):
            for event in EVENTS:
                device, other = (asleep, inline) if event.is_asleep else (inline, asleep)
                (device.bdi / "read_ahead_kb").write_text(str(event.read_ahead_kb))
                scheduler = Path(f"/sys/block/{device.name}/queue/scheduler")
                scheduler.write_text(event.scheduler)
                with dirty_limits(event.dirty_kb):
                    state.run_beside(event, device, other, checks)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("program", type=Path, help="overhead.c, linked statically")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    if options.seed < 1 or options.repeats < 1:
        parser.error("seed and repeats are at least 1")
    checks = lab.Checks()
    source = Path("/sys/devices/system/clocksource/clocksource0/current_clocksource")
    print(f"clock: {source.read_text().strip()}", flush=True)
    run(options, checks)
    print(f"{checks.failed} failed")
    return 1 if checks.failed else 0


if __name__ == "__main__":
    sys.exit(main())
