"""Does a recommended dirty limit bound the time to drain, and do its guards hold?

Run inside a booted lab kernel: a device of 20 MB/s, a writer that is faster.
"""

from __future__ import annotations

import argparse
import errno
import os
import sys
import threading
import time
from pathlib import Path

import lab

MB_S = 20
LIMIT_KB = 10240
HOT_MB = 48
DOWN_S = HOT_MB / (MB_S / 2)
"""Until the limit of what is hot is down, by half of what is written; no guard before."""
WRITE = bytes(64 << 10)
VM = Path("/proc/sys/vm")


class Writer(threading.Thread):
    """Writes a file in a loop of size_mb, as fast as it may."""

    def __init__(self, path: Path, size_mb: int) -> None:
        super().__init__(daemon=True)
        self.path = path
        self.size = size_mb << 20
        self.written = 0
        self.stopping = False

    def run(self) -> None:
        fd = os.open(self.path, os.O_WRONLY | os.O_CREAT)
        while not self.stopping:
            os.pwrite(fd, WRITE, self.written % self.size)
            self.written += len(WRITE)
            # Python's lock must not be what limits the main thread
            if self.written % (4 << 20) == 0:
                time.sleep(0.001)
        os.close(fd)

    def stop(self) -> None:
        self.stopping = True
        self.join()


def mb_s_of(writer: Writer, for_s: float) -> float:
    before, start = writer.written, time.monotonic()
    time.sleep(for_s)
    return (writer.written - before) / (time.monotonic() - start) / (1 << 20)


def drain_s() -> float:
    start = time.monotonic()
    os.sync()
    return time.monotonic() - start


def backlog_mb(proxy: lab.Proxy) -> float:
    return proxy.number("features/backlog_pages") * 4 / 1024


def written_mb(proxy: lab.Proxy) -> float:
    return proxy.number("features/written_pages") * 4 / 1024


def sustained(device: lab.Device, proxy: lab.Proxy, limit_kb: int) -> tuple[float, float, float]:
    """Backlog in MB, device's MB/s over 6 s, seconds to drain."""
    if limit_kb:
        proxy.recommend(limit_kb)
    writer = Writer(device.mount / "file", 640)
    writer.start()
    time.sleep(2)
    before = written_mb(proxy)
    time.sleep(6)
    rate = (written_mb(proxy) - before) / 6
    backlog = backlog_mb(proxy)
    writer.stop()
    found = backlog, rate, drain_s()
    proxy.put("mode_limit", "emergency")
    proxy.put("mode_limit", "recommendation")
    return found


def check_sustained(device: lab.Device, proxy: lab.Proxy, checks: lab.Checks) -> None:
    without = sustained(device, proxy, 0)
    under = sustained(device, proxy, LIMIT_KB)
    shape = "backlog {:.0f} MB, device {:.1f} MB/s, drained in {:.2f} s"
    checks.expect(
        "a limit bounds the time to drain",
        under[2] <= 1.5 * LIMIT_KB / 1024 / MB_S + 0.2 and under[1] >= 0.9 * without[1],
        f"without: {shape.format(*without)}; with {LIMIT_KB} KiB: {shape.format(*under)}",
    )


def check_lowering(device: lab.Device, proxy: lab.Proxy, checks: lab.Checks) -> None:
    writer = Writer(device.mount / "file", 640)
    writer.start()
    while backlog_mb(proxy) < 100:
        time.sleep(0.1)
    proxy.recommend(LIMIT_KB)
    start = time.monotonic()
    rates = []
    while backlog_mb(proxy) > 1.2 * LIMIT_KB / 1024 and time.monotonic() - start < 30:
        rates.append(mb_s_of(writer, 1))
    took = time.monotonic() - start
    checks.expect(
        "lowered no faster than the device drains",
        took < 25 and min(rates[1:]) > MB_S / 5,
        f"100 MB down to {LIMIT_KB} KiB in {took:.1f} s; the writer went on at "
        + " ".join(f"{rate:.0f}" for rate in rates)
        + " MB/s",
    )
    proxy.put("mode_limit", "emergency")
    time.sleep(2)
    checks.expect(
        "without the lease the backlog grows again",
        backlog_mb(proxy) > 2 * LIMIT_KB / 1024,
        f"{backlog_mb(proxy):.0f} MB after 2 s",
    )
    writer.stop()
    os.sync()
    proxy.put("mode_limit", "recommendation")


def errno_of_recommend(proxy: lab.Proxy, kb: int) -> int:
    try:
        proxy.recommend(kb)
    except OSError as error:
        return error.errno or 0
    return 0


def check_guard(device: lab.Device, proxy: lab.Proxy, checks: lab.Checks) -> None:
    """A writer that hits the same pages again needs the page cache, not the device."""
    writer = Writer(device.mount / "hot", HOT_MB)
    # What is usual has to be seen within seconds: as much is written back as is dirtied
    for name in ("dirty_expire_centisecs", "dirty_writeback_centisecs"):
        (VM / name).write_text("50")
    writer.start()
    mb_s_of(writer, 2)
    proxy.put("mode_limit", "emergency")
    proxy.put("mode_limit", "recommendation")
    usual = mb_s_of(writer, 5)
    proxy.recommend(4096)
    start = time.monotonic()
    under = mb_s_of(writer, 1)
    while proxy.number("lease_remaining_ms") and time.monotonic() - start < 15:
        time.sleep(0.05)
    took = time.monotonic() - start
    again = errno_of_recommend(proxy, 4096)
    after = mb_s_of(writer, 3)
    writer.stop()
    checks.expect(
        "a guard takes a limit back that the page cache did not need",
        took < DOWN_S + 4 and again == errno.EAGAIN and after > usual / 3,
        f"{usual:.0f} MB/s before, {under:.0f} under 4096 KiB, lease over after {took:.1f} s, "
        f"then {after:.0f}; the next commit: {errno.errorcode.get(again, again)}",
    )


def main() -> int:
    argparse.ArgumentParser(description=__doc__).parse_args()
    checks = lab.Checks()
    with lab.device("dirtylimit", size_mb=720, latency_us=100, mb_s=MB_S) as device:
        proxy = lab.Proxy(device, "writeback", "dirty_limit_kb")
        proxy.put("mode_limit", "recommendation")
        proxy.put("lease_ms", 60000)
        print(f"baseline {proxy.get('dirty_limit_kb/baseline')} KiB", flush=True)
        check_sustained(device, proxy, checks)
        check_lowering(device, proxy, checks)
        check_guard(device, proxy, checks)
        proxy.close()
        os.sync()
    print(f"{checks.failed} failed")
    return 1 if checks.failed else 0


if __name__ == "__main__":
    sys.exit(main())
