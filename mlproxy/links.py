"""Symbolic links of a recorded tree, followed without ever leaving it."""

from __future__ import annotations

import os

MOST_LINKS = 40
"""As in the kernel (fs/namei.c, MAXSYMLINKS)."""


def resolve(base: str, path: str, folders: dict[str, str | None]) -> str | None:
    """The file behind `path` below `base`; None where a link turns in circles.

    Args:
        base: folder that acts as "/".
        path: relative to it; ".." stops at the base, as in a chroot.
        folders: folders that were resolved before, to look up and to fill.
    """
    folder, _, leaf = path.strip("/").rpartition("/")
    if folder not in folders:
        folders[folder] = _walk(base, folder)
    real = folders[folder]
    if real is None or not leaf:
        return real
    target = f"{real}/{leaf}"
    if leaf != ".." and not os.path.islink(target):  # noqa: PTH114 (every read comes here)
        return target
    return _walk(base, f"{real[len(base) :]}/{leaf}")


def follow(base: str, path: str) -> tuple[str | None, dict[str, str]]:
    """Follow `path` part by part, taking absolute links as relative to `base`.

    Returns:
        The file at the end relative to `base` (None where links turn in circles), and the
        text of every link on the way by its own path.
    """
    done: list[str] = []
    todo = path.split("/")[::-1]
    links: dict[str, str] = {}
    followed = 0
    while todo and followed <= MOST_LINKS:
        part = todo.pop()
        if part == "..":
            done = done[:-1]
        elif part not in ("", "."):
            here = "/".join([*done, part])
            target = _target(f"{base}/{here}")
            if target is None:
                done.append(part)
                continue
            links[here] = target
            followed += 1
            done = [] if target.startswith("/") else done
            todo.extend(target.split("/")[::-1])
    return (None if todo else "/".join(done)), links


def _walk(base: str, path: str) -> str | None:
    real, _ = follow(base, path)
    return None if real is None else f"{base}/{real}"


def _target(path: str) -> str | None:
    try:
        return os.readlink(path)  # noqa: PTH115 (text, not a path)
    except OSError:
        return None
