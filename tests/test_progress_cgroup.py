"""rchar of a cgroup: processes come and go, the sum only grows."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlproxy.lab.cgroup import Cgroup, find_hierarchy
from mlproxy.progress_cgroup import (
    CgroupProgress,
    parse_rchar,
    parse_start_s,
    parse_uptime_s,
)
from mlproxy.tree import Tree

TICKS = os.sysconf("SC_CLK_TCK")


class Machine:
    """A recorded tree in which a test lets processes come and go."""

    def __init__(self, root: Path, group: str = "sys/fs/cgroup/app") -> None:
        self.root, self.group = root, root / group
        self.group.mkdir(parents=True)
        self.members()
        self.uptime(100)

    def uptime(self, seconds: float) -> None:
        self.write(self.root / "proc/uptime", f"{seconds:.2f} 1.00\n")

    def members(self, *pids: int, below: str = "") -> None:
        text = "".join(f"{pid}\n" for pid in pids)
        self.write(self.group / below / "cgroup.procs", text)

    def process(self, pid: int, rchar: int, start_s: int = 50) -> None:
        fields = " ".join(["S", *["0"] * 18, str(start_s * TICKS), "0"])
        self.write(self.root / f"proc/{pid}/stat", f"{pid} (a) b (c) {fields}\n")
        self.write(self.root / f"proc/{pid}/io", f"rchar: {rchar}\nwchar: 5\nread_bytes: 9\n")

    def write(self, path: Path, text: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def source(machine: Machine) -> CgroupProgress:
    return CgroupProgress("/app", Tree(machine.root))


def test_only_what_is_read_from_now_on_counts(machine: Machine) -> None:
    machine.members(1, 2)
    machine.process(1, rchar=1000)
    machine.process(2, rchar=500)
    progress = source(machine)
    readings = [progress.read()]
    machine.process(1, rchar=1100)
    machine.process(2, rchar=507)
    readings.append(progress.read())
    assert readings == [0.0, 107.0]
    progress.close()


def test_the_sum_never_falls_when_processes_come_and_go(machine: Machine) -> None:
    machine.members(1)
    machine.process(1, rchar=1000)
    progress = source(machine)
    readings = [progress.read()]
    machine.process(1, rchar=1010)
    readings.append(progress.read())
    machine.uptime(110)
    machine.members(2, 3)
    machine.process(2, rchar=20, start_s=105)  # born in the cgroup: counts from its start
    machine.process(3, rchar=9000, start_s=50)  # moved here: counts from now on
    readings.append(progress.read())
    machine.process(3, rchar=9005, start_s=50)
    machine.members(3)
    readings.append(progress.read())
    machine.members()
    readings.append(progress.read())
    assert readings == [0.0, 10.0, 30.0, 35.0, 35.0]


def test_a_pid_that_is_used_again_is_another_process(machine: Machine) -> None:
    machine.members(1)
    machine.process(1, rchar=1000)
    progress = source(machine)
    progress.read()
    machine.uptime(120)
    machine.process(1, rchar=30, start_s=110)
    assert progress.read() == 30.0


def test_cgroups_below_count_too(machine: Machine) -> None:
    machine.members(1)
    machine.members(2, below="worker")
    machine.process(1, rchar=5)
    machine.process(2, rchar=5)
    progress = source(machine)
    progress.read()
    machine.process(2, rchar=25)
    assert progress.read() == 20.0


def test_what_cannot_be_read_is_none_and_not_zero(machine: Machine) -> None:
    assert CgroupProgress("/other", Tree(machine.root)).read() is None
    progress = source(machine)
    machine.members(1)
    assert progress.read() is None
    machine.process(1, rchar=5)
    (machine.root / "proc/uptime").unlink()
    assert progress.read() is None


@pytest.mark.parametrize("mount", ["unified", "memory", "pids"])
def test_any_hierarchy_will_do(tmp_path: Path, mount: str) -> None:
    machine = Machine(tmp_path, f"sys/fs/cgroup/{mount}/app")
    machine.members(1)
    machine.process(1, rchar=5)
    assert source(machine).read() == 0.0


@pytest.mark.parametrize("text", [None, "", "wchar: 3\n", "rchar: x\n"])
def test_text_that_does_not_fit_is_none(text: str | None) -> None:
    assert (parse_rchar(text), parse_start_s(text)) == (None, None)
    assert parse_uptime_s(text) is None


READER = """
import os, sys
zero = os.open("/dev/zero", os.O_RDONLY)
os.write(1, b"1")
os.read(0, 1)
os.read(zero, 1 << 20)
os.write(1, b"2")
os.read(0, 1)
"""


@pytest.fixture
def cgroup() -> Iterator[Cgroup]:
    group = Cgroup(find_hierarchy(Path("/proc/self/mounts").read_text()), f"rchar-{os.getpid()}")
    group.path.mkdir()
    yield group
    group.remove()


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: a cgroup of its own")
def test_a_real_process_in_a_real_cgroup(cgroup: Cgroup) -> None:
    argv, pipe = cgroup.wrap([sys.executable, "-c", READER]), subprocess.PIPE
    with subprocess.Popen(argv, stdin=pipe, stdout=pipe, bufsize=0) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        progress = CgroupProgress(f"/{cgroup.name}", Tree())
        assert process.stdout.read(1) == b"1"
        assert progress.read() == 0.0
        process.stdin.write(b"g")
        assert process.stdout.read(1) == b"2"
        assert progress.read() == 1 + (1 << 20)
