"""What a test bed owns, on record, and how all of it goes away.

The names of everything follow from the owner's pid and are on record before the first part is
built, so the owner's own exit and a later `reap` of a killed owner are the same few steps.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from mlproxy.errors import LabError
from mlproxy.lab import loop
from mlproxy.lab.cgroup import Cgroup, find_hierarchy

RUN_DIRECTORY = Path("/run/mlproxy/lab")
_PATIENCE_S = 10.0


@dataclass(frozen=True)
class Record:
    """The resources of one bed; `owner` tells a process apart from a later one of its pid."""

    name: str
    owner: str
    backing_directory: str

    @classmethod
    def of_this_process(cls, number: int, backing_directory: Path) -> Record:
        pid = os.getpid()
        return cls(f"{pid}-{number}", f"{_identity(pid)}", str(backing_directory))

    @property
    def file(self) -> Path:
        return RUN_DIRECTORY / f"{self.name}.json"

    @property
    def directory(self) -> Path:
        return RUN_DIRECTORY / self.name

    @property
    def fuse(self) -> Path:
        return self.directory / "fuse"

    @property
    def mount(self) -> Path:
        return self.directory / "mnt"

    @property
    def disk_name(self) -> str:
        """The served file; unique, so that the loop device on it can be told from others."""
        return f"disk-{self.name}"

    @property
    def backing(self) -> Path:
        return Path(self.backing_directory) / f"mlproxy-lab-{self.name}"

    @property
    def cgroup(self) -> Cgroup:
        return Cgroup(find_hierarchy(Path("/proc/self/mounts").read_text()), f"mlproxy-{self.name}")

    def write(self) -> None:
        """Put it on record, and make the directories that it names."""
        draft = self.file.with_suffix(".draft")
        draft.write_text(json.dumps(asdict(self)))
        draft.replace(self.file)
        self.fuse.mkdir(parents=True)
        self.mount.mkdir()

    def owner_lives(self) -> bool:
        pid = int(self.name.split("-")[0])
        return _identity(pid) == self.owner

    def dismantle(self) -> None:
        """Take everything down, in reverse; a part that is not there is skipped.

        Raises `LabError` with all that failed; then the record stays for the next `reap`.
        """
        steps: list[Callable[[], None]] = [
            lambda: patiently(self.unmount_from_workload),
            self._detach_loops,
            lambda: patiently(lambda: unmount(self.fuse)),
            lambda: patiently(self._remove_cgroup),
            lambda: self.backing.unlink(missing_ok=True),
        ]
        failures = [failure for step in steps if (failure := _failure(step))]
        if failures:
            raise LabError(f"test bed {self.name} is not wholly gone: {'; '.join(failures)}")
        shutil.rmtree(self.directory, ignore_errors=True)
        self.file.unlink(missing_ok=True)

    def unmount_from_workload(self) -> None:
        """Kill what runs in the cgroup and unmount the file system; `LabError` when it is busy.

        Every new try kills again: a process may just have been joining the cgroup.
        """
        self.cgroup.kill()
        unmount(self.mount)

    def _remove_cgroup(self) -> None:
        self.cgroup.kill()
        self.cgroup.remove()

    def _detach_loops(self) -> None:
        for disk in loop.attached(self.disk_name):
            loop.reset_knobs(disk, rotational=False)
            loop.detach(disk)


def reap() -> list[str]:
    """Remove what dead owners left behind; the names of their beds.

    Raises `LabError` when something could not be removed, after all the rest was.
    """
    RUN_DIRECTORY.mkdir(parents=True, exist_ok=True)
    with _alone():
        dead = [record for record in _records() if not record.owner_lives()]
        failures = [failure for record in dead if (failure := _failure(record.dismantle))]
    if failures:
        raise LabError("; ".join(failures))
    return [record.name for record in dead]


def unmount(where: Path) -> None:
    """Unmount if mounted; `LabError` when it is busy."""
    if is_mounted(where):
        loop.run(["umount", str(where)])


def is_mounted(where: Path) -> bool:
    mounts = Path("/proc/self/mounts").read_text().splitlines()
    return any(line.split()[1] == str(where) for line in mounts)


def _records() -> Iterator[Record]:
    for file in RUN_DIRECTORY.glob("*.json"):
        with suppress(FileNotFoundError):  # its owner has just finished
            yield Record(**json.loads(file.read_text()))


@contextmanager
def _alone() -> Iterator[None]:
    with (RUN_DIRECTORY / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _identity(pid: int) -> str:
    """Boot and start time of a process (proc(5), field 22 of stat); empty when there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    state, *rest = stat.rpartition(")")[2].split()
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return "" if state == "Z" else f"{boot} {rest[18]}"


def patiently(step: Callable[[], None]) -> None:
    """Until it works: a killed process lets go of its files a moment later.

    Raises `LabError` with the last failure after ten seconds.
    """
    deadline = time.monotonic() + _PATIENCE_S
    while failure := _failure(step):
        if time.monotonic() > deadline:
            raise LabError(failure)
        time.sleep(0.05)


def _failure(step: Callable[[], None]) -> str:
    try:
        step()
    except (OSError, LabError) as error:
        return str(error)
    return ""


if __name__ == "__main__":
    reap()
