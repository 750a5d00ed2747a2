"""`apply`, `run` and `revert` on a real kernel: a loop device of the test's own."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from mlproxy.cli.schema import ApplyReport
from tests.cli.conftest import Command

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(
        os.geteuid() != 0 or not Path("/dev/loop-control").exists(),
        reason="needs root: loop devices",
    ),
]
SIZE = 16 * 2**20
CHUNK = 2**16


@dataclass(frozen=True)
class Busy:
    """A loop device that is being read; its readahead, and what it has been."""

    name: str
    knob: Path
    seen: set[str]


@pytest.fixture
def busy(tmp_path: Path) -> Iterator[Busy]:
    """Something to decide about; nothing is left behind."""
    backing = tmp_path / "backing"
    backing.write_bytes(os.urandom(SIZE))
    command = ["losetup", "--find", "--show", "--read-only", str(backing)]
    device = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    name = Path(device).name
    devno = Path(f"/sys/block/{name}/dev").read_text().strip()
    found = Busy(name, Path(f"/sys/class/bdi/{devno}/read_ahead_kb"), set())
    before, over = found.knob.read_text(), threading.Event()
    reader = threading.Thread(target=_read, args=(device, found, over))
    reader.start()
    try:
        yield found
    finally:
        over.set()
        reader.join()
        found.knob.write_text(before)
        subprocess.run(["losetup", "--detach", device], check=True)


def _read(device: str, busy: Busy, over: threading.Event) -> None:
    """64 KiB a hundred times a second, never from the cache."""
    descriptor, place = os.open(device, os.O_RDONLY), 0
    while not over.wait(0.01):
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.pread(descriptor, CHUNK, place)
        place = (place + CHUNK) % SIZE
        busy.seen.add(busy.knob.read_text().strip())
    os.close(descriptor)


@pytest.fixture
def policy(opinion: Path, busy: Busy) -> Path:
    """The firm opinion, about this device."""
    text = opinion.read_text().replace("loop0", busy.name)
    opinion.write_text(text + "start: recommendation\ntrust: model\n")
    return opinion


def test_apply_for_a_while_takes_it_back(mlproxy: Command, busy: Busy, policy: Path) -> None:
    before = busy.knob.read_text()
    ended = mlproxy("apply", "-c", policy, "--for", "1s", "--json")
    assert ended.code == 0, ended.err
    (found,) = ApplyReport.model_validate_json(ended.out).findings
    assert (found.applied, found.in_force) == (True, 16)
    assert "16" in busy.seen
    assert busy.knob.read_text() == before
    assert "restored" in ended.err


def test_apply_stays_until_revert(mlproxy: Command, busy: Busy, policy: Path) -> None:
    before = busy.knob.read_text()
    ended = mlproxy("apply", "-c", policy)
    assert ended.code == 0, ended.err
    assert "1 of 1 changes made. `mlproxy revert` undoes them." in ended.out
    assert busy.knob.read_text() == "16\n"
    assert "kept on purpose" in mlproxy("status").out
    assert "put back" in mlproxy("revert").out
    assert busy.knob.read_text() == before


def test_run_acts_and_restores(mlproxy: Command, busy: Busy, policy: Path) -> None:
    before = busy.knob.read_text()
    ended = mlproxy("run", "-c", policy, "--for", "5s")
    assert ended.code == 0, ended.err
    assert f"{busy.name} read_ahead_kb {before.strip()} to 16: gain" in ended.out
    assert "16" in busy.seen
    assert busy.knob.read_text() == before
