"""Do recommendations reach files that are open?  Run inside a booted lab kernel.

One descriptor, opened before the first recommendation, reads on without a seek while
the proxy recommends larger and then smaller windows and then lets the lease lapse; the
same with random access to a mapping.  Files with advice must not move.  On a kernel without
the series a new read_ahead_kb must not move the descriptor either.
"""

from __future__ import annotations

import argparse
import math
import mmap
import os
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import lab

PAGE_KB = 4
BASELINE_KB = 128
FILE_MB = 640
STEP = 16 << 10
PACE_MB_S = 30
LEASE_MS = 2500

Window = tuple[int, int]
"""Which value ruled in KiB, and the size of the window in KiB."""


class Stream:
    """A sequential reader on one descriptor that notes each window it sees."""

    def __init__(self, path: Path, proxy: lab.Proxy) -> None:
        self.fd = os.open(path, os.O_RDONLY)
        self.proxy = proxy
        self.offset = 0
        self.start = time.monotonic()

    def step(self) -> Window | None:
        """Read on; the window that was started meanwhile, if it is one."""
        ruled = self.proxy.effective
        windows, pages = self.proxy.windows
        for _ in range(STEP // 4096):
            if not os.read(self.fd, 4096):
                raise RuntimeError("the stream has ended: use a larger file")
        self.offset += STEP
        ahead = self.offset / (PACE_MB_S << 20) - (time.monotonic() - self.start)
        if ahead > 0.005:
            time.sleep(ahead)
        more, more_pages = self.proxy.windows
        if more == windows:
            return None
        size = (more_pages - pages) * PAGE_KB // (more - windows)
        return (ruled if ruled == self.proxy.effective else 0), size

    def follow(self, kb: int, timeout_s: float = 15.0) -> list[int]:
        """Sizes in KiB of the windows in one turn of kb, up to the second one of kb.

        If no turn gets that far, the longest one that was seen.
        """
        turn: list[int] = []
        longest: list[int] = []
        end = time.monotonic() + timeout_s
        while time.monotonic() < end and turn.count(kb) < 3:
            window = self.step()
            if window is None or not window[0]:
                continue
            turn = [*turn, window[1]] if window[0] == kb else []
            longest = max(longest, turn, key=len)
        return longest


def check_windows(name: str, kb: int, seen: list[int], checks: lab.Checks) -> None:
    """Once a window has kb, all that follow must; growing takes a doubling for each."""
    at = seen.index(kb) if kb in seen else len(seen)
    checks.expect(
        name,
        len(seen) - at >= 3 and set(seen[at:]) == {kb} and at <= 6,
        f"at window {at + 1}, then {seen[at:]}; before {seen[:at]}",
    )


def check_stream(path: Path, proxy: lab.Proxy, checks: lab.Checks) -> None:
    proxy.put("lease_ms", 60000)
    stream = Stream(path, proxy)
    check_windows("baseline", BASELINE_KB, stream.follow(BASELINE_KB), checks)
    for kb in (512, 16, 2048, 4):
        proxy.recommend(kb)
        check_windows(f"stream follows to {kb} KiB", kb, stream.follow(kb), checks)
        proxy.put("mode_limit", "emergency")
        proxy.put("mode_limit", "learning")
    proxy.put("lease_ms", LEASE_MS)
    proxy.recommend(512)
    while proxy.number("lease_remaining_ms"):
        stream.step()
    check_windows("baseline after the lease", BASELINE_KB, stream.follow(BASELINE_KB), checks)
    print(f"one descriptor, {stream.offset >> 20} MiB, no seek")
    os.close(stream.fd)


class RandomMap:
    """Random access to a mapping made before the first recommendation."""

    def __init__(self, path: Path, advice: int | None = None) -> None:
        self.path = path
        fd = os.open(path, os.O_RDONLY)
        self.map = mmap.mmap(fd, 0, prot=mmap.PROT_READ)
        os.close(fd)
        if advice is not None:
            self.map.madvise(advice)
        self.random = random.Random(1)
        self.touched = 0

    def __call__(self) -> None:
        if self.touched % 64 == 0:
            self.map.madvise(mmap.MADV_DONTNEED)
            lab.forget(self.path)
        self.touched += 1
        self.map[self.random.randrange(len(self.map) // 4096) * 4096]


def kb_per_window(proxy: lab.Proxy, work: Callable[[], None], kb: int, count: int) -> float:
    """Mean size of count windows while kb rules; nan if it never does."""
    sizes: list[int] = []
    end = time.monotonic() + 12
    while len(sizes) < count and time.monotonic() < end:
        windows, pages = proxy.windows
        ruled = proxy.effective
        work()
        more, more_pages = proxy.windows
        if ruled == proxy.effective == kb and more > windows:
            sizes.append((more_pages - pages) * PAGE_KB // (more - windows))
    return statistics.fmean(sizes) if sizes else float("nan")


def check_map(path: Path, proxy: lab.Proxy, checks: lab.Checks) -> None:
    proxy.put("lease_ms", 30000)
    access = RandomMap(path)
    for kb in (BASELINE_KB, 16, 512, 4):
        if kb != BASELINE_KB:
            proxy.recommend(kb)
        seen = kb_per_window(proxy, access, kb, 50)
        checks.expect(
            f"random mapping follows to {kb} KiB", seen == kb, f"{seen:.1f} KiB per window"
        )
        proxy.put("mode_limit", "emergency")
        proxy.put("mode_limit", "learning")
    proxy.put("lease_ms", 500)
    proxy.recommend(4)
    time.sleep(0.6)
    seen = kb_per_window(proxy, access, BASELINE_KB, 50)
    checks.expect("baseline after the lease", seen == BASELINE_KB, f"{seen:.1f} KiB per window")


@contextmanager
def advised_reader(path: Path, advice: int) -> Iterator[Callable[[], None]]:
    fd = os.open(path, os.O_RDONLY)
    os.posix_fadvise(fd, 0, 0, advice)

    def read() -> None:
        if not os.read(fd, 4096):
            lab.forget(path)
            os.lseek(fd, 0, os.SEEK_SET)

    yield read
    os.close(fd)


def kb_per_request(
    device: lab.Device, proxy: lab.Proxy, work: Callable[[], None], kb: int, want_kb: int
) -> float:
    """Size of the device's requests while kb rules, over want_kb of them."""
    total = lab.Requests(0, 0)
    end = time.monotonic() + 60
    # A stream begins with small windows
    for _ in range(512):
        work()
    while total.kb < want_kb and time.monotonic() < end:
        if proxy.effective != kb:
            work()
            continue
        before = device.requests()
        for _ in range(256):
            work()
        if proxy.effective == kb:
            seen = device.requests() - before
            total = lab.Requests(total.count + seen.count, total.kb + seen.kb)
    return total.kb / total.count if total.count else float("nan")


def check_advised(
    name: str, device: lab.Device, proxy: lab.Proxy, work: Callable[[], None], checks: lab.Checks
) -> None:
    proxy.put("lease_ms", 60000)
    before = proxy.windows
    means = []
    for kb in (BASELINE_KB, 16, 1024):
        if kb != BASELINE_KB:
            proxy.recommend(kb)
        # So much that the small windows after a wrap do not count
        means.append(kb_per_request(device, proxy, work, kb, 8192))
        proxy.put("mode_limit", "emergency")
        proxy.put("mode_limit", "learning")
    spread = max(means) / min(means)
    checks.expect(
        f"{name} is left alone",
        not any(map(math.isnan, means)) and spread < 1.05 and proxy.windows == before,
        "KiB per request at 128, 16, 1024: "
        + ", ".join(f"{kb:.1f}" for kb in means)
        + f"; {proxy.windows[0] - before[0]} windows counted",
    )


def run(checks: lab.Checks) -> None:
    with lab.device("openfiles", size_mb=704) as device:
        path = lab.fill(device.mount / "file", FILE_MB)
        proxy = lab.Proxy(device)
        proxy.put("mode_limit", "learning")
        check_stream(path, proxy, checks)
        lab.forget(path)
        check_map(path, proxy, checks)
        for name, advice in (
            ("FADV_RANDOM", os.POSIX_FADV_RANDOM),
            ("FADV_SEQUENTIAL", os.POSIX_FADV_SEQUENTIAL),
        ):
            lab.forget(path)
            with advised_reader(path, advice) as work:
                check_advised(name, device, proxy, work, checks)
        for name, advice in (
            ("MADV_RANDOM", mmap.MADV_RANDOM),
            ("MADV_SEQUENTIAL", mmap.MADV_SEQUENTIAL),
        ):
            check_advised(name, device, proxy, RandomMap(path, advice), checks)
        proxy.close()


def read_on(fd: int, mb: int) -> None:
    """Page by page: a window grows to a larger request, and does not shrink again."""
    for _ in range(mb << 8):
        os.read(fd, 4096)


def kb_per_new_request(fd: int, device: lab.Device) -> float:
    read_on(fd, 8)
    before = device.requests()
    read_on(fd, 16)
    seen = device.requests() - before
    return seen.kb / seen.count


def run_stock(checks: lab.Checks) -> None:
    """Without the series a new read_ahead_kb must not reach the descriptor, but a later one."""
    with lab.device("openfiles", size_mb=320) as device:
        path = lab.fill(device.mount / "file", 256)
        fd = os.open(path, os.O_RDONLY)
        means = []
        for kb in (BASELINE_KB, 1024, 4, 16):
            (device.bdi / "read_ahead_kb").write_text(str(kb))
            means.append(kb_per_new_request(fd, device))
        os.close(fd)
        lab.forget(path)
        fd = os.open(path, os.O_RDONLY)
        later = kb_per_new_request(fd, device)
        os.close(fd)
    checks.expect(
        "stock: nothing moves",
        max(means) / min(means) < 1.05,
        "KiB per request at 128, 1024, 4, 16: " + ", ".join(f"{kb:.1f}" for kb in means),
    )
    checks.expect("stock: a file opened later has 16", later < 20, f"{later:.1f} KiB per request")


def main() -> int:
    argparse.ArgumentParser(description=__doc__).parse_args()
    checks = lab.Checks()
    if lab.CLASS.exists():
        run(checks)
    else:
        run_stock(checks)
    print(f"{checks.failed} failed")
    return 1 if checks.failed else 0


if __name__ == "__main__":
    sys.exit(main())
