"""Do reads beside an asynchronous writer gain from a recommended async_depth?

Run inside a booted lab kernel: mq-deadline on a device of 100 MB/s, a direct writer that
fills its queue, and a reader that waits for each read.
"""

from __future__ import annotations

import argparse
import errno
import mmap
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import lab

MB_S = 100
DEPTH = 1
MIN_GAIN = 2.0


@contextmanager
def writer(device: lab.Device) -> Iterator[None]:
    """Direct asynchronous writes, deep enough to fill the queue."""
    command = (
        f"fio --name=writer --filename={device.file} --rw=write --direct=1 --bs=64k --eta=never"
        " --ioengine=libaio --iodepth=256 --time_based --runtime=600 --size=64m --offset=64m"
        " --thread --output=/dev/null"
    )
    fio = subprocess.Popen(command.split())
    time.sleep(2)
    try:
        yield
    finally:
        fio.kill()
        fio.wait()


class Reader:
    """Direct reads at random, one after the other."""

    def __init__(self, device: lab.Device) -> None:
        self.fd = os.open(device.file, os.O_RDONLY | os.O_DIRECT)
        self.page = mmap.mmap(-1, 4096)
        self.random = random.Random(1)

    def ms_of(self, proxy: lab.Proxy, value: int, count: int) -> float:
        """Mean milliseconds of count reads while value rules."""
        took: list[float] = []
        end = time.monotonic() + 30
        while len(took) < count and time.monotonic() < end:
            is_before = proxy.effective == value
            start = time.monotonic()
            os.preadv(self.fd, [self.page], self.random.randrange(16384) * 4096)
            seconds = time.monotonic() - start
            if is_before and proxy.effective == value:
                took.append(seconds)
        return 1000 * sum(took) / len(took) if took else float("nan")


def errno_of_stage(proxy: lab.Proxy) -> int:
    try:
        proxy.put("async_depth/recommended", DEPTH)
    except OSError as error:
        return error.errno or 0
    return 0


def check(device: lab.Device, checks: lab.Checks) -> None:
    queue = Path(f"/sys/block/{device.name}/queue")
    (queue / "scheduler").write_text("mq-deadline")
    proxy = lab.Proxy(device, "iosched", "async_depth")
    proxy.put("mode_limit", "recommendation")
    proxy.put("lease_ms", 600000)
    found = errno_of_stage(proxy)
    checks.expect(
        "off until the elevator limits a request",
        found == errno.EOPNOTSUPP,
        f"baseline {proxy.get('async_depth/baseline')}, {errno.errorcode.get(found, found)}",
    )
    with writer(device):
        reader = Reader(device)
        # On a busy machine the writer takes its time to start
        while not (baseline := proxy.number("async_depth/baseline")):
            time.sleep(0.1)
        proxy.recommend(DEPTH)
        start = time.monotonic()
        without = reader.ms_of(proxy, baseline, 100)
        under = reader.ms_of(proxy, DEPTH, 100)
        checks.expect(
            "reads beside a writer",
            without >= MIN_GAIN * under,
            f"{without:.1f} ms at the baseline of {baseline}, {under:.1f} ms at {DEPTH}",
        )
        while proxy.get("mode") == "learning" and time.monotonic() - start < 90:
            reader.ms_of(proxy, baseline, 10)
        counts = "/".join(proxy.get(f"trial/{n}") for n in ("wins", "losses", "ties", "void"))
        mode = proxy.get("mode")
        checks.expect(
            "the trial agrees",
            mode in ("collaboration", "recommendation"),
            f"{mode} after {time.monotonic() - start:.1f} s, {counts}",
        )
        (queue / "scheduler").write_text("none")
        time.sleep(1)
        checks.expect(
            "a switch of the elevator ends the lease",
            proxy.number("lease_remaining_ms") == 0 and proxy.effective == 0,
            f"effective {proxy.effective}",
        )
    os.close(reader.fd)
    proxy.close()


def main() -> int:
    argparse.ArgumentParser(description=__doc__).parse_args()
    checks = lab.Checks()
    with lab.device("asyncdepth", size_mb=128, is_formatted=False, mb_s=MB_S) as device:
        check(device, checks)
    print(f"{checks.failed} failed")
    return 1 if checks.failed else 0


if __name__ == "__main__":
    sys.exit(main())
