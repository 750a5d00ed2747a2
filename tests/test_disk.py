"""Files change whole or not at all, and only where nobody else could have changed them."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

from mlproxy.disk import Disk, atomic_write_json, os_reason, read_json
from mlproxy.errors import JournalError, NotPermitted

T = TypeVar("T")


class Counting(Disk):
    """Notes every step."""

    def __init__(self) -> None:
        self.steps: list[str] = []

    def _do(self, step: str, path: Path, effect: Callable[[], T]) -> T:
        self.steps.append(f"{step} {path.name}")
        return super()._do(step, path, effect)


class Full(Disk):
    """Has no room left."""

    def append(self, descriptor: int, path: Path, data: bytes) -> None:
        raise OSError(errno.ENOSPC, "full")


def test_replace_syncs_the_content_before_the_name_and_then_the_folder(tmp_path: Path) -> None:
    disk = Counting()
    disk.replace(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_bytes() == b"new"
    folder = tmp_path.name
    steps = ["create a.new", "append a.new", "fsync a.new", "rename a", f"fsync_folder {folder}"]
    assert disk.steps == steps


def test_reading_is_no_step(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 200_000)
    disk = Counting()
    assert disk.read(tmp_path / "a") == b"x" * 200_000
    assert disk.steps == []


def test_write_leaves_nothing_of_a_longer_value(tmp_path: Path) -> None:
    (tmp_path / "knob").write_text("8192\n")
    Disk().write(tmp_path / "knob", b"4\n")
    assert (tmp_path / "knob").read_text() == "4\n"


def test_write_makes_no_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Disk().write(tmp_path / "knob", b"4\n")


def test_files_and_folders_are_private_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        atomic_write_json(tmp_path / "a/b/c.json", {"x": 1})
    finally:
        os.umask(before)
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("a", "a/b", "a/b/c.json")]
    assert modes == [0o700, 0o700, 0o600]


def test_made_folders_are_synced_in_their_parents(tmp_path: Path) -> None:
    disk = Counting()
    disk.ensure_folder(tmp_path / "a/b")
    parent = f"fsync_folder {tmp_path.name}"
    assert disk.steps == ["make_folder a", parent, "make_folder b", "fsync_folder a"]


def test_append_follows_no_link(tmp_path: Path) -> None:
    (tmp_path / "target").touch()
    (tmp_path / "link").symlink_to("target")
    with pytest.raises(OSError, match="symbolic links"):
        Disk().create(tmp_path / "link")
    with pytest.raises(OSError, match="symbolic links"):
        Disk().reopen(tmp_path / "link")


def test_a_lock_excludes_until_it_is_given_back(tmp_path: Path) -> None:
    disk, path = Disk(), tmp_path / "lock"
    held = disk.lock(path, create=True)
    with pytest.raises(BlockingIOError):
        disk.lock(path)
    disk.unlock(held, path)
    disk.unlock(disk.lock(path), path)


def test_unlink_removes(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    Disk().unlink(tmp_path / "a")
    assert not (tmp_path / "a").exists()


def test_json_goes_round(tmp_path: Path) -> None:
    data = {"b": [1, "x", None], "a": 1.5}
    atomic_write_json(tmp_path / "d.json", data)
    assert read_json(tmp_path / "d.json") == data


def test_no_json_is_none(tmp_path: Path) -> None:
    assert read_json(tmp_path / "none.json") is None


def test_json_that_others_can_write_to_is_refused(tmp_path: Path) -> None:
    atomic_write_json(tmp_path / "d.json", {})
    (tmp_path / "d.json").chmod(0o666)
    with pytest.raises(NotPermitted, match="chmod go-w"):
        read_json(tmp_path / "d.json")


def test_broken_json_names_the_file(tmp_path: Path) -> None:
    atomic_write_json(tmp_path / "d.json", {})
    (tmp_path / "d.json").write_text("{")
    with pytest.raises(JournalError, match=r"d\.json does not hold JSON"):
        read_json(tmp_path / "d.json")


def test_what_cannot_be_read_or_written_says_why(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir(mode=0o700)
    with pytest.raises(JournalError, match=r"cannot read .* EISDIR"):
        read_json(tmp_path / "folder")
    with pytest.raises(JournalError, match=r"cannot write .* ENOSPC"):
        atomic_write_json(tmp_path / "d.json", {}, Full())


def test_what_this_user_may_not_read_needs_a_privilege(tmp_path: Path) -> None:
    class Closed(Disk):
        def read(self, path: Path) -> bytes:
            raise PermissionError(errno.EACCES, "Permission denied")

    atomic_write_json(tmp_path / "d.json", {})
    with pytest.raises(NotPermitted, match=r"cannot read .*EACCES.*; this needs root"):
        read_json(tmp_path / "d.json", Closed())


def test_a_reason_has_the_name_of_the_errno() -> None:
    assert os_reason(OSError(errno.EINVAL, "")) == "EINVAL (Invalid argument)"
    assert os_reason(OSError()) == "unknown error"
