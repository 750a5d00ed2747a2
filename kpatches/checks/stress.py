"""Everything that the series does at once, against each other.  Run inside a booted lab kernel.

stress.py SECONDS [--seed N]: a device stays and one comes and goes, both read, mapped and
written by several processes that share descriptors, in a memory cgroup too small for them.
Meanwhile values are committed and lapse, every attribute of every proxy is written at random,
the administrator changes the knobs and the elevators, and the snapshot is read.  Each process
says how often it did its part; the kernel log is for the caller to judge.  On a kernel without
the class the rest runs, to compare with.
"""

from __future__ import annotations

import argparse
import errno
import mmap
import multiprocessing
import os
import random
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from typing import TypeAlias

import attributes
import lab

FILE_MB = 48
MEMORY_MB = 64
"""Of the processes that read and write; the file alone is three quarters of that."""
COUNT = 1 << 14
PATIENCE_S = 60
ELEVATORS = ("none", "mq-deadline", "kyber")
CGROUP = Path("/sys/fs/cgroup")
SNAPSHOT = Path("/sys/kernel/debug/ml_proxy/snapshot")
GOING = "goes"
"""The device that comes and goes."""


@dataclass(frozen=True)
class Scene:
    """What the processes share."""

    device: lab.Device
    path: Path
    file: int
    """A descriptor of path from before the fork, so that all have the same readahead state."""


Count: TypeAlias = "Synchronized[int]"
Step = Callable[[], None]
Part = Callable[[Scene, random.Random], Step]


def write(path: Path, value: object) -> None:
    """What the kernel refuses, or what is gone, is nothing to it."""
    with suppress(OSError):
        path.write_text(str(value))


def streams(scene: Scene, rng: random.Random) -> Step:
    """Reads through the shared descriptor, from one place and from many."""

    def step() -> None:
        at = rng.randrange(FILE_MB << 8) << 12
        for page in range(rng.choice((1, 4, 64))):
            os.pread(scene.file, COUNT, at + page * COUNT)
        if rng.random() < 0.02:
            advice = rng.choice((os.POSIX_FADV_NORMAL, os.POSIX_FADV_RANDOM))
            os.posix_fadvise(scene.file, 0, 0, advice)

    return step


def maps(scene: Scene, rng: random.Random) -> Step:
    """Faults through a mapping of the shared descriptor."""
    mapped = mmap.mmap(scene.file, FILE_MB << 20, prot=mmap.PROT_READ)

    def step() -> None:
        at = rng.randrange(FILE_MB << 8)
        for page in range(at, min(at + rng.choice((1, 1, 32)), FILE_MB << 8)):
            mapped[page << 12]
        if rng.random() < 0.05:
            mapped.madvise(mmap.MADV_DONTNEED)
            lab.forget(scene.path)
        if rng.random() < 0.01:
            mapped.madvise(rng.choice((mmap.MADV_NORMAL, mmap.MADV_RANDOM, mmap.MADV_SEQUENTIAL)))

    return step


def dirties(scene: Scene, rng: random.Random) -> Step:
    """Buffered writes to a file of the file system, and through the device beside it."""
    fd = os.open(scene.device.mount / "dirty", os.O_RDWR | os.O_CREAT)
    page = bytes(COUNT)

    def step() -> None:
        for _ in range(16):
            os.pwrite(fd, page, rng.randrange(8 << 6) * COUNT)
        if rng.random() < 0.05:
            os.fsync(fd)

    return step


def raw_writes(scene: Scene, rng: random.Random) -> Step:
    """To the device that comes and goes, while it is there."""
    page = bytes(COUNT)

    def step() -> None:
        try:
            fd = os.open(f"/dev/{GOING}", os.O_RDWR)
        except OSError:
            time.sleep(0.02)
            return
        try:
            for _ in range(64):
                os.pwrite(fd, page, rng.randrange(1 << 10) * COUNT)
                os.pread(fd, 4096, rng.randrange(1 << 12) << 12)
        except OSError as error:
            # In the middle of its removal
            if error.errno not in (errno.EIO, errno.ENXIO, errno.ENODEV, errno.ENOSPC):
                raise
        finally:
            os.close(fd)

    return step


def comes_and_goes(scene: Scene, rng: random.Random) -> Step:
    def step() -> None:
        with lab.device(GOING, size_mb=16, is_formatted=False, latency_us=rng.choice((0, 100))):
            write(Path(f"/sys/block/{GOING}/queue/scheduler"), "mq-deadline")
            time.sleep(rng.uniform(0.1, 2))

    return step


def commits(scene: Scene, rng: random.Random) -> Step:
    """Short leases on legal values, renewed or left to lapse, and emergencies."""

    def step() -> None:
        with suppress(OSError, IndexError, StopIteration, ValueError):
            proxy = rng.choice([p for p in lab.CLASS.iterdir() if is_ours(p, scene)])
            knob = next(path.parent for path in proxy.glob("*/recommended"))
            modes = ("learning", "recommendation", "recommendation", "emergency")
            write(proxy / "mode_limit", rng.choice(modes))
            write(proxy / "lease_ms", rng.choice((100, 300, 2000)))
            small = rng.choice((1, 4, 16, 1024, 2048, 8192))
            for _ in range(rng.choice((1, 1, 4))):
                (knob / "recommended").write_text(str(small))
                sequence = int((proxy / "sequence").read_text())
                (proxy / "commit").write_text(str(sequence + 1))
                time.sleep(rng.uniform(0, 0.3))
        time.sleep(rng.uniform(0, 0.3))

    return step


def is_ours(proxy: Path, scene: Scene) -> bool:
    names = (scene.device.name, scene.device.number, GOING)
    return proxy.name.split(".", 1)[1] in names


def molests(scene: Scene, rng: random.Random) -> Step:
    """Any word into any file of any proxy."""

    def step() -> None:
        with suppress(OSError, IndexError):
            proxy = rng.choice(sorted(lab.CLASS.iterdir()))
            for name in rng.choices(sorted(attributes.files_of(proxy)), k=32):
                path = lab.CLASS / name
                if rng.random() < 0.5:
                    write(path, rng.choice(attributes.WORDS))
                else:
                    with suppress(OSError):
                        path.read_bytes()

    return step


def administers(scene: Scene, rng: random.Random) -> Step:
    """The administrator's own knobs, and the elevators."""

    def step() -> None:
        name = rng.choice((scene.device.name, GOING))
        queue = Path(f"/sys/block/{name}/queue")
        write(queue / "scheduler", rng.choice(ELEVATORS))
        write(queue / "nr_requests", rng.choice((8, 32, 64)))
        write(queue / "read_ahead_kb", rng.choice((4, 128, 512)))
        write(queue / "max_sectors_kb", rng.choice((64, 512)))
        write(scene.device.bdi / "max_ratio", rng.choice((50, 100)))
        write(Path("/proc/sys/vm/dirty_ratio"), rng.choice((10, 20)))
        time.sleep(rng.uniform(0, 0.5))

    return step


def observes(scene: Scene, rng: random.Random) -> Step:
    """The snapshot, and what is cached forgotten."""

    def step() -> None:
        with suppress(OSError):
            SNAPSHOT.read_text()
        if rng.random() < 0.1:
            write(Path("/proc/sys/vm/drop_caches"), 1)
        time.sleep(rng.uniform(0, 0.1))

    return step


PARTS: tuple[tuple[Part, int, bool], ...] = (
    (streams, 2, True),
    (maps, 2, True),
    (dirties, 1, True),
    (raw_writes, 1, False),
    (comes_and_goes, 1, False),
    (commits, 2, False),
    (molests, 1, False),
    (administers, 1, False),
    (observes, 1, False),
)
"""How many processes, and whether in the memory cgroup."""


@contextmanager
def little_memory() -> Iterator[Path | None]:
    """A cgroup, or None where the kernel has no memory controller."""
    write(CGROUP / "cgroup.subtree_control", "+memory")
    group = CGROUP / "stress"
    group.mkdir(exist_ok=True)
    limit = group / "memory.max"
    if limit.exists():
        limit.write_text(str(MEMORY_MB << 20))
    yield group if limit.exists() else None
    with suppress(OSError):
        group.rmdir()


def play(
    part: Part, scene: Scene, rng: random.Random, group: Path | None, end: float, count: Count
) -> None:
    if group:
        (group / "cgroup.procs").write_text(str(os.getpid()))
    step = part(scene, rng)
    while time.monotonic() < end:
        step()
        count.value += 1


def play_all(scene: Scene, group: Path | None, options: argparse.Namespace) -> lab.Checks:
    fork = multiprocessing.get_context("fork")
    end = time.monotonic() + options.seconds
    running = []
    for part, number, is_confined in PARTS:
        for i in range(number):
            count: Count = fork.Value("q", 0)
            rng = random.Random(options.seed * 100 + i)
            arguments = (part, scene, rng, group if is_confined else None, end, count)
            process = fork.Process(target=play, args=arguments, daemon=True)
            process.start()
            running.append((part.__name__, process, count))
    checks = lab.Checks()
    for name, process, count in running:
        # A step may wait for a device whose requests take their time
        process.join(max(0.0, end - time.monotonic()) + PATIENCE_S)
        seen = f"{count.value} steps, exit code {process.exitcode}"
        checks.expect(name, process.exitcode == 0 and count.value > 0, seen)
    return checks


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("seconds", type=float)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with lab.device("stays", size_mb=96, latency_us=200) as device, little_memory() as group:
        path = lab.fill(device.mount / "file", FILE_MB)
        file = os.open(path, os.O_RDONLY)
        checks = play_all(Scene(device, path, file), group, options)
        os.close(file)
    print(f"{checks.failed} failed")
    return 1 if checks.failed else 0


if __name__ == "__main__":
    sys.exit(main())
