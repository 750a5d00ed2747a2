"""The real bed: root, FUSE, a loop device, a file system. Effects are counted, never timed."""

from __future__ import annotations

import mmap
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mlproxy.errors import LabError
from mlproxy.lab import loop, reap
from mlproxy.lab.profile import PROFILES
from mlproxy.lab.testbed import FileSystem, TestBed

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(
        os.geteuid() != 0
        or not Path("/dev/fuse").exists()
        or not Path("/dev/loop-control").exists(),
        reason="needs root, /dev/fuse and loop devices",
    ),
]
VOLATILE = replace(PROFILES["fast"], volatile_cache=True)
OWNER = """
import subprocess, time
from mlproxy.lab.profile import PROFILES
from mlproxy.lab.testbed import TestBed
with TestBed(PROFILES["ssd-dilated"], size_mb=300) as bed:
    (bed.mount / "dirty").write_bytes(bytes(20_000_000))
    command = ["sh", "-c", f"exec sleep 600 > {bed.mount}/open"]
    subprocess.Popen(bed.cgroup.wrap(command))
    while not (bed.mount / "open").exists():
        time.sleep(0.01)
    print(bed.mount.parent.name, bed._server.pid, flush=True)
    time.sleep(600)
"""


@pytest.fixture(scope="module")
def bed() -> Iterator[TestBed]:
    with TestBed(PROFILES["fast"], size_mb=300) as bed:
        yield bed


def bytes_read(bed: TestBed) -> int:
    count: int = bed.stats()["bytes"]["read"]
    return count


def remains(name: str) -> list[str]:
    """What a bed of that name left in the system."""
    record = reap.Record(name, "", "/dev/shm")
    places = [record.file, record.directory, record.backing, record.cgroup.path]
    mounts = [where for where in (record.mount, record.fuse) if reap.is_mounted(where)]
    found = [place for place in places if place.exists()] + mounts
    return [*map(str, found), *loop.attached(record.disk_name)]


@pytest.mark.parametrize(("read_ahead_kb", "expected"), [(0, 4096), (64, 65536), (128, 131072)])
def test_readahead_at_open_rules_a_random_mapped_read(
    bed: TestBed, read_ahead_kb: int, expected: int
) -> None:
    file = bed.mount / "mapped"
    file.write_bytes(bytes(8 << 20))
    (bed.sysfs / "bdi" / "read_ahead_kb").write_text(str(read_ahead_kb))
    bed.drop_caches()
    with file.open("rb") as handle, mapping(handle.fileno()) as mapped:
        before = bytes_read(bed)
        assert mapped[5 << 20] == 0
        assert bytes_read(bed) - before == expected


def mapping(fd: int) -> mmap.mmap:
    return mmap.mmap(fd, 0, prot=mmap.PROT_READ)


def test_dropped_caches_are_read_again_and_kept_ones_are_not(bed: TestBed) -> None:
    file = bed.mount / "cold"
    file.write_bytes(bytes(1 << 20))
    before = bytes_read(bed)
    file.read_bytes()
    assert bytes_read(bed) == before
    bed.drop_caches()
    file.read_bytes()
    assert bytes_read(bed) - before >= 1 << 20


@pytest.mark.parametrize("nr_requests", [8, 64])
def test_nr_requests_bounds_what_the_disk_holds(bed: TestBed, nr_requests: int) -> None:
    bed.set_profile(PROFILES["ssd-dilated"])
    (bed.sysfs / "queue" / "nr_requests").write_text(str(nr_requests))
    bed.stats()
    command = [
        "fio",
        "--name=write",
        f"--filename={bed.mount}/deep",
        "--size=12m",
        "--rw=randwrite",
    ]
    command += ["--bs=64k", "--direct=1", "--ioengine=libaio", "--iodepth=100"]
    subprocess.run(bed.cgroup.wrap(command), check=True, capture_output=True)
    stats = bed.stats()
    assert stats["most_in_flight"] == nr_requests
    assert stats["late_us"] > 0
    assert bed.stats()["late_us"] == 0, "nothing came since"
    bed.set_profile(PROFILES["fast"])


def test_the_workload_runs_inside_the_memory_limit(bed: TestBed) -> None:
    shown = subprocess.check_output(bed.cgroup.wrap(["cat", "/proc/self/cgroup"]), text=True)
    assert bed.cgroup.name in shown


@pytest.mark.parametrize("fs", ["ext4", "xfs"])
def test_a_power_cut_loses_the_unflushed_and_keeps_the_flushed(fs: FileSystem) -> None:
    with TestBed(VOLATILE, size_mb=400, fs=fs) as bed:
        kept = bed.mount / "kept"
        with kept.open("wb") as file:
            file.write(b"k" * 10_000)
            file.flush()
            os.fsync(file.fileno())
        direct_write(kept, b"n" * 4096)
        assert kept.read_bytes()[:4096] == b"n" * 4096
        assert bed.drop_unflushed() >= 1
        assert kept.read_bytes() == b"k" * 10_000


def direct_write(file: Path, data: bytes) -> None:
    """Overwrite the start of a file past the page cache, with no flush behind it."""
    with mmap.mmap(-1, len(data)) as aligned:
        aligned[:] = data
        fd = os.open(file, os.O_WRONLY | os.O_DIRECT)
        os.write(fd, aligned)
        os.close(fd)


def test_everything_is_gone_after_an_exception() -> None:
    bed = TestBed(PROFILES["disk-seek"], size_mb=300)
    with pytest.raises(ZeroDivisionError):
        fail_inside(bed)
    assert remains(bed.mount.parent.name) == []
    assert (bed.sysfs / "queue" / "rotational").read_text() == "0\n"


def fail_inside(bed: TestBed) -> None:
    with bed:
        assert (bed.sysfs / "queue" / "rotational").read_text() == "1\n"
        raise ZeroDivisionError


def test_everything_is_gone_when_a_part_cannot_be_built() -> None:
    bed = TestBed(PROFILES["fast"], size_mb=20, fs="xfs")
    with pytest.raises(LabError, match=r"mkfs\.xfs"), bed:
        pass
    assert remains(bed.mount.parent.name) == []


@pytest.mark.parametrize("also_server", [False, True])
def test_reap_removes_what_a_killed_owner_left(also_server: bool) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", OWNER], stdout=subprocess.PIPE, text=True
    ) as owner:
        assert owner.stdout
        name, server = owner.stdout.readline().split()
        assert len(remains(name)) == 7
        if also_server:
            os.kill(int(server), signal.SIGKILL)
        owner.kill()
    reap.reap()
    assert remains(name) == []


def test_sigterm_takes_the_bed_down_before_the_owner_ends() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", OWNER], stdout=subprocess.PIPE, text=True
    ) as owner:
        assert owner.stdout
        name = owner.stdout.readline().split()[0]
        owner.terminate()
        assert owner.wait() == 143
    assert remains(name) == []
