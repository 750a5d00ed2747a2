"""Refusing files that somebody else can write to (promise 8)."""

from __future__ import annotations

import grp
import os
import pwd
import stat
from pathlib import Path

from mlproxy.errors import NotPermitted


def require_owned(path: Path, info: os.stat_result) -> None:
    """Refuse a file, already opened, that others can change or replace.

    The file, its directory and the directory a symbolic link really leads to must belong to
    root or to the caller (under sudo also to who called it) and be writable by nobody else;
    a sticky directory (/tmp) will do.

    Raises:
        NotPermitted: names the path, what is wrong and the command that repairs it.
    """
    _require(path, info)
    for directory in sorted({path.absolute().parent, path.resolve().parent}):
        found = directory.stat()
        if not (found.st_mode & stat.S_ISVTX and found.st_uid in _trusted()):
            _require(directory, found)


def _require(path: Path, info: os.stat_result) -> None:
    if info.st_uid not in _trusted():
        who = " or user ".join(["root", *(str(uid) for uid in sorted(_trusted()) if uid)])
        raise NotPermitted(
            f"{path}: owner: user {info.st_uid} is not allowed: allowed is {who}, because the "
            f"owner could change it (chown {os.geteuid()} {path})"
        )
    others = info.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    if others & stat.S_IWGRP and _is_private_group(info):
        others &= ~stat.S_IWGRP
    if others:
        raise NotPermitted(
            f"{path}: mode: {stat.S_IMODE(info.st_mode):04o} is not allowed: allowed is what "
            f"only its owner can write (chmod go-w {path})"
        )


def _trusted() -> set[int]:
    """Root, the caller, and who became root by sudo, which sudo itself puts in SUDO_UID."""
    caller = os.environ.get("SUDO_UID", "")
    asked = {int(caller)} if os.geteuid() == 0 and caller.isdecimal() else set()
    return {0, os.geteuid()} | asked


def _is_private_group(info: os.stat_result) -> bool:
    """True for a plain user's own group of one, which umask 002 systems give to each user."""
    try:
        owner, group = pwd.getpwuid(info.st_uid), grp.getgrgid(info.st_gid)
    except KeyError:
        return False
    alone = not set(group.gr_mem) - {owner.pw_name}
    own = owner.pw_gid == info.st_gid and group.gr_name == owner.pw_name
    return owner.pw_uid != 0 and own and alone
