"""How soon does the baseline return when the agent is gone?  Run inside a booted lab kernel.

A child renews a recommendation while this process reads a sequential stream.  The child is
killed or stopped, the mode is set to emergency, or the device is removed; then the last
moment counts at which the recommendation ruled or a window of its size was started.
"""

from __future__ import annotations

import argparse
import errno
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import lab

TREATED_KB = 512
BASELINE_KB = 128
LEASE_MS = 2500
RENEW_S = 0.4
PACE_MB_S = 30
STEP = 64 << 10
MARGIN_S = 0.1
"""For a reader that is not scheduled at the very moment."""


class Stream:
    """Reads a file again and again on one descriptor, and looks at each step who rules."""

    def __init__(self, path: Path, proxy: lab.Proxy) -> None:
        self.path = path
        self.fd = os.open(path, os.O_RDONLY)
        self.proxy = proxy
        self.slot_s = 0.0

    def is_treated(self) -> bool:
        """Read on; True if the recommendation ruled or sized a window meanwhile."""
        windows, pages = self.proxy.windows
        start = time.monotonic()
        for _ in range(STEP // 4096):
            if not os.read(self.fd, 4096):
                lab.forget(self.path)
                os.lseek(self.fd, 0, os.SEEK_SET)
        time.sleep(max(0.0, STEP / (PACE_MB_S << 20) - (time.monotonic() - start)))
        more, more_pages = self.proxy.windows
        slot_s = self.proxy.number("trial/slot_ms") / 1000
        self.slot_s = max(self.slot_s, slot_s)
        if more == windows:
            return self.proxy.effective != BASELINE_KB
        kb = (more_pages - pages) * 4 / (more - windows)
        return self.proxy.effective != BASELINE_KB or kb > BASELINE_KB

    def last_treated_s(self, since: float, for_s: float) -> float:
        """Seconds after since when the recommendation was last seen to rule; 0 if never."""
        last = since
        while time.monotonic() < since + for_s:
            if self.is_treated():
                last = time.monotonic()
        return last - since


def agent(proxy: lab.Proxy) -> int:
    """Fork a child that renews the lease; its process id."""
    pid = os.fork()
    if pid:
        return pid
    try:
        while True:
            proxy.recommend(TREATED_KB)
            time.sleep(RENEW_S)
    finally:
        os._exit(1)


def by_signal(number: signal.Signals) -> Callable[[Stream, lab.Proxy], float]:
    def run(stream: Stream, proxy: lab.Proxy) -> float:
        pid = agent(proxy)
        end = time.monotonic() + 0.6 + random.random() * RENEW_S
        while time.monotonic() < end:
            stream.is_treated()
        os.kill(pid, number)
        died = time.monotonic()
        last = stream.last_treated_s(died, LEASE_MS / 1000 + 2 * stream.slot_s)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        return last

    return run


def by_emergency(stream: Stream, proxy: lab.Proxy) -> float:
    proxy.recommend(TREATED_KB)
    end = time.monotonic() + 8
    while not (stream.is_treated() and proxy.effective == TREATED_KB):
        if not proxy.number("lease_remaining_ms"):
            proxy.recommend(TREATED_KB)
        if time.monotonic() > end:
            raise TimeoutError("the recommendation never ruled")
    proxy.put("mode_limit", "emergency")
    return stream.last_treated_s(time.monotonic(), 0.5)


def one(run: Callable[[Stream, lab.Proxy], float], number: int) -> tuple[float, float]:
    """A fresh device, so that no run inherits a pause: (last treated, slot) in s."""
    with lab.device(f"deadman{number}", size_mb=160) as device:
        path = lab.fill(device.mount / "file", 128)
        proxy = lab.Proxy(device)
        proxy.put("lease_ms", LEASE_MS)
        proxy.put("mode_limit", "learning")
        stream = Stream(path, proxy)
        try:
            return run(stream, proxy), stream.slot_s
        finally:
            os.close(stream.fd)
            proxy.close()


def errno_of(call: Callable[[], object]) -> int:
    try:
        call()
    except OSError as error:
        return error.errno or 0
    return 0


def removed(number: int) -> float:
    """Seconds until the proxy is gone although its files and the file are open."""
    with lab.device(f"deadman{number}", size_mb=64, is_formatted=False) as device:
        proxy = lab.Proxy(device)
        proxy.put("mode_limit", "learning")
        proxy.recommend(TREATED_KB)
        old = proxy.number("id")
        fd = os.open(device.file, os.O_RDONLY)
        os.read(fd, 4096)
        start = time.monotonic()
        (lab.CONFIGFS / device.name / "power").write_text("0")
        while proxy.path.exists():
            time.sleep(0.001)
        gone = time.monotonic() - start
        answer = errno_of(lambda: proxy.get("id"))
        if answer != errno.ENODEV:
            raise RuntimeError(f"a file held open across removal: errno {answer}")
        os.close(fd)
        proxy.close()
        (lab.CONFIGFS / device.name / "power").write_text("1")
        again = lab.Proxy(device)
        found = again.get("mode"), again.number("id") > old, again.effective
        if found != ("emergency", True, BASELINE_KB):
            raise RuntimeError(f"the next device of that number: {found}")
        again.close()
        return gone


def report(name: str, last: list[float], bound_s: float, checks: lab.Checks) -> None:
    last.sort()
    quantiles = [last[round(q * (len(last) - 1))] for q in (0, 0.5, 0.9, 1)]
    checks.expect(
        name,
        last[-1] <= bound_s,
        f"{len(last)} runs, bound {bound_s:.2f} s; recommendation last ruled after "
        + "min/median/p90/max {:.3f}/{:.3f}/{:.3f}/{:.3f} s".format(*quantiles),
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=20)
    runs = parser.parse_args().runs
    checks = lab.Checks()
    cases: tuple[tuple[str, float, Callable[[Stream, lab.Proxy], float]], ...] = (
        ("SIGKILL", LEASE_MS / 1000, by_signal(signal.SIGKILL)),
        ("SIGSTOP", LEASE_MS / 1000, by_signal(signal.SIGSTOP)),
        ("emergency", 0.0, by_emergency),
    )
    number = 0
    for name, lease_s, run in cases:
        seen = []
        for _ in range(runs):
            seen.append(one(run, number := number + 1))
        slot_s = max(slot for _, slot in seen)
        report(name, [last for last, _ in seen], lease_s + slot_s + MARGIN_S, checks)
    gone = [removed(number := number + 1) for _ in range(runs)]
    report("device removed", gone, 1.0, checks)
    print(f"{checks.failed} failed")
    return 1 if checks.failed else 0


if __name__ == "__main__":
    sys.exit(main())
