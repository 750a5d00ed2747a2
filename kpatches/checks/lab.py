"""What the checks inside a booted lab kernel share: a test device, its proxy, its counters."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

CONFIGFS = Path("/sys/kernel/config/nullb")
CLASS = Path("/sys/class/ml_proxy")
KNOB = "read_ahead_kb"
MODES = ("emergency", "learning", "collaboration", "recommendation")


class Checks:
    """Prints each check and counts those that failed."""

    def __init__(self) -> None:
        self.failed = 0

    def expect(self, name: str, is_right: bool, seen: str) -> None:
        print(f"{'ok' if is_right else 'NOT OK'}: {name}: {seen}", flush=True)
        self.failed += not is_right


@dataclass(frozen=True)
class Requests:
    """Reads that a device has completed, from /proc/diskstats."""

    count: int
    kb: int

    def __sub__(self, other: Requests) -> Requests:
        return Requests(self.count - other.count, self.kb - other.kb)


@dataclass(frozen=True)
class Device:
    """A null_blk, with a file system on it if it was asked for."""

    name: str
    mount: Path

    @property
    def number(self) -> str:
        return Path(f"/sys/block/{self.name}/dev").read_text().strip()

    @property
    def file(self) -> Path:
        return Path("/dev") / self.name

    @property
    def bdi(self) -> Path:
        return Path("/sys/class/bdi") / self.number

    def requests(self) -> Requests:
        fields = Path(f"/sys/block/{self.name}/stat").read_text().split()
        return Requests(int(fields[0]), int(fields[2]) // 2)


def default_mkfs() -> Sequence[str]:
    known = Path("/proc/filesystems").read_text().split()
    return ("mkfs.ext4", "-q") if "ext4" in known else ("mkfs.ext2", "-q", "-b", "4096")


@contextmanager
def device(
    name: str,
    size_mb: int = 448,
    latency_us: int = 100,
    is_formatted: bool = True,
    mb_s: int = 0,
    mkfs: Sequence[str] = (),
) -> Iterator[Device]:
    """A memory-backed device whose requests take latency_us, with a file system or raw.

    Without mkfs it is ext4, or ext2 where the kernel has no ext4.

    Without a latency they complete where they were sent, and nobody sleeps.  With mb_s it
    has that bandwidth and small requests: null_blk stalls on requests of more than a
    fiftieth of a second.
    """
    config = CONFIGFS / name
    config.mkdir()
    mount = Path("/mnt") / name
    try:
        for key, value in (
            ("size", size_mb),
            ("memory_backed", 1),
            ("irqmode", 2 if latency_us else 0),
            ("completion_nsec", latency_us * 1000),
            # Requests as large as windows, so that both can be compared
            ("max_sectors", mb_s * 16 if mb_s else 8192),
            ("mbps", mb_s),
            ("power", 1),
        ):
            (config / key).write_text(str(value))
        if is_formatted:
            subprocess.run([*(mkfs or default_mkfs()), f"/dev/{name}"], check=True)
            mount.mkdir()
            subprocess.run(["mount", f"/dev/{name}", str(mount)], check=True)
        yield Device(name, mount)
    finally:
        if mount.exists():
            subprocess.run(["umount", str(mount)], check=False)
            mount.rmdir()
        (config / "power").write_text("0")
        config.rmdir()


def fill(path: Path, size_mb: int) -> Path:
    """A file of size_mb that is on the device and not in the page cache."""
    block = os.urandom(1 << 20)
    with path.open("wb") as file:
        for _ in range(size_mb):
            file.write(block)
        os.fsync(file.fileno())
    forget(path)
    return path


def forget(path: Path) -> None:
    """Take the file out of the page cache; mapped pages stay."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(fd)


class Proxy:
    """A proxy of a device with one knob, its files kept open."""

    def __init__(self, of: Device, provider: str = "readahead", knob: str = KNOB) -> None:
        # Of a disk, the others of a backing device
        self.path = CLASS / f"{provider}.{of.name if provider == 'iosched' else of.number}"
        self.knob = knob
        self._fds: dict[str, int] = {}

    def get(self, name: str) -> str:
        if name not in self._fds:
            self._fds[name] = os.open(self.path / name, os.O_RDONLY)
        return os.pread(self._fds[name], 4096, 0).decode().strip()

    def number(self, name: str) -> int:
        return int(self.get(name))

    def put(self, name: str, value: object) -> None:
        (self.path / name).write_text(f"{value}\n")

    def recommend(self, value: int) -> None:
        """Stage and commit; renews the lease if the value rules already."""
        self.put(f"{self.knob}/recommended", value)
        self.put("commit", self.number("sequence") + 1)

    @property
    def effective(self) -> int:
        return self.number(f"{self.knob}/effective")

    @property
    def windows(self) -> tuple[int, int]:
        """How many were started so far, and pages in them."""
        return self.number("features/windows"), self.number("features/window_pages")

    def await_effective(self, kb: int, timeout_s: float = 10.0) -> float:
        """Seconds until kb rules; TimeoutError after timeout_s."""
        start = time.monotonic()
        while self.effective != kb:
            if time.monotonic() - start > timeout_s:
                raise TimeoutError(f"{kb} KiB never ruled, but {self.effective}")
            time.sleep(0.001)
        return time.monotonic() - start

    def close(self) -> None:
        for fd in self._fds.values():
            os.close(fd)
        self._fds.clear()
