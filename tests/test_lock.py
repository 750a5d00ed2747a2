"""Locks exclude, name their holder, and are all taken or none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mlproxy.disk import Disk
from mlproxy.errors import Busy, NotPermitted, WriteRefused
from mlproxy.lock import LOCKS, Locks, holder


class Deaf(Disk):
    """Cannot read one path, or may not open it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self, path: Path) -> bytes:
        if path == self.path:
            raise PermissionError(13, "no", str(path))
        return super().read(path)

    def lock(self, path: Path, create: bool = False) -> int:
        if path == self.path:
            raise PermissionError(13, "no", str(path))
        return super().lock(path, create)


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    found = [tmp_path / "a", tmp_path / "b"]
    for path in found:
        path.touch()
    return found


def test_all_or_none_are_taken(paths: list[Path]) -> None:
    other = Locks(paths[1:], Disk())
    with pytest.raises(Busy, match=f"b is held by process {os.getpid()} "):
        Locks(paths, Disk())
    Locks(paths[:1], Disk()).release()
    other.release()
    Locks(paths, Disk()).release()


def test_a_file_that_may_not_be_opened_or_is_gone(paths: list[Path], tmp_path: Path) -> None:
    with pytest.raises(NotPermitted, match=r"EACCES .*needs root"):
        Locks(paths, Deaf(paths[1]))
    with pytest.raises(WriteRefused, match="ENOENT"):
        Locks([*paths, tmp_path / "gone"], Disk())
    Locks(paths, Disk()).release()


def test_a_holder_that_cannot_be_found_is_another_process(paths: list[Path]) -> None:
    assert holder(paths[0], Disk()) == "another process"
    assert holder(paths[0], Deaf(LOCKS)) == "another process"


def test_a_holder_without_a_command_line(paths: list[Path]) -> None:
    locks = Locks(paths, Disk())
    told = holder(paths[0], Deaf(Path(f"/proc/{os.getpid()}/cmdline")))
    assert told == f"process {os.getpid()} (already gone)"
    locks.release()


def test_nothing_of_a_lock_is_left_in_a_child_that_runs_a_program(paths: list[Path]) -> None:
    locks = Locks(paths, Disk())
    assert all(not os.get_inheritable(held) for held, _ in locks._held)
    locks.release()
