from __future__ import annotations

import os
import stat
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from mlproxy.errors import NotPermitted
from mlproxy.owner import require_owned

STRANGER = 12345
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="giving a file away needs root")


@pytest.fixture
def owned(tmp_path: Path) -> Path:
    """A file as it should be, in a directory as it should be."""
    tmp_path.chmod(0o755)
    path = tmp_path / "file"
    path.write_text("x")
    path.chmod(0o644)
    return path


def check(path: Path) -> None:
    require_owned(path, path.stat())


def test_ones_own_file_is_taken(owned: Path) -> None:
    check(owned)


@pytest.mark.parametrize("mode", [0o646, 0o666, 0o602])
def test_a_file_that_all_can_write_is_refused(owned: Path, mode: int) -> None:
    owned.chmod(mode)
    with pytest.raises(NotPermitted, match=rf"file: mode: {mode:04o} is not allowed: allowed is"):
        check(owned)


def test_a_directory_that_all_can_write_is_refused_unless_sticky(owned: Path) -> None:
    owned.parent.chmod(0o777)
    with pytest.raises(NotPermitted, match=f"chmod go-w {owned.parent}"):
        check(owned)
    owned.parent.chmod(0o1777)
    check(owned)


def test_a_link_is_as_safe_as_the_directory_it_leads_to(owned: Path, tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir(mode=0o755)
    link = inner / "link"
    link.symlink_to(owned)
    check(link)
    tmp_path.chmod(0o777)
    with pytest.raises(NotPermitted, match=f"chmod go-w {tmp_path}"):
        check(link)


def test_a_link_in_a_directory_that_all_can_write_is_refused(owned: Path) -> None:
    inner = owned.parent / "inner"
    inner.mkdir()
    inner.chmod(0o777)
    link = inner / "link"
    link.symlink_to(owned)
    with pytest.raises(NotPermitted, match=f"chmod go-w {inner}"):
        check(link)


@as_root
def test_a_stranger_owns_the_file_or_the_sticky_directory(owned: Path) -> None:
    os.chown(owned, STRANGER, 0)
    with pytest.raises(NotPermitted, match="owner: user 12345 is not allowed: allowed is root"):
        check(owned)
    os.chown(owned, 0, 0)
    os.chown(owned.parent, STRANGER, 0)
    owned.parent.chmod(0o1777)
    with pytest.raises(NotPermitted, match=f"{owned.parent}: owner: user 12345"):
        check(owned)


@as_root
def test_under_sudo_the_callers_own_files_are_taken(
    owned: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.chown(owned.parent, STRANGER, 0)
    os.chown(owned, STRANGER, 0)
    monkeypatch.setenv("SUDO_UID", str(STRANGER))
    check(owned)
    monkeypatch.setenv("SUDO_UID", "54321")
    with pytest.raises(NotPermitted, match="user 12345 is not allowed: allowed is root or user 54"):
        check(owned)
    monkeypatch.setenv("SUDO_UID", "nonsense")
    with pytest.raises(NotPermitted, match="allowed is root, because"):
        check(owned)


def test_a_plain_user_cannot_borrow_trust_from_sudos_variable(
    owned: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUDO_UID", str(STRANGER))
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    info = SimpleNamespace(st_uid=STRANGER, st_gid=0, st_mode=stat.S_IFREG | 0o644)
    assert accepted(owned, cast(os.stat_result, info)) is False


@as_root
def test_roots_own_file_is_not_for_its_group(owned: Path) -> None:
    owned.chmod(0o664)
    with pytest.raises(NotPermitted, match="mode: 0664"):
        check(owned)


@pytest.mark.parametrize(
    ("group", "members", "gid", "taken"),
    [
        ("ada", [], 1000, True),
        ("ada", ["ada"], 1000, True),
        ("ada", ["ada", "eve"], 1000, False),
        ("staff", [], 1000, False),
        ("ada", [], 50, False),
    ],
)
def test_a_plain_users_private_group_is_nobody_else(
    owned: Path,
    monkeypatch: pytest.MonkeyPatch,
    group: str,
    members: list[str],
    gid: int,
    taken: bool,
) -> None:
    ada = SimpleNamespace(pw_uid=1000, pw_gid=1000, pw_name="ada")
    monkeypatch.setattr("pwd.getpwuid", lambda uid: ada)
    monkeypatch.setattr("grp.getgrgid", lambda _: SimpleNamespace(gr_name=group, gr_mem=members))
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    info = SimpleNamespace(st_uid=1000, st_gid=gid, st_mode=stat.S_IFREG | 0o664)
    monkeypatch.setattr(Path, "stat", lambda *_, **__: info)
    assert accepted(owned, cast(os.stat_result, info)) is taken


def accepted(path: Path, info: os.stat_result) -> bool:
    try:
        require_owned(path, info)
    except NotPermitted:
        return False
    return True
