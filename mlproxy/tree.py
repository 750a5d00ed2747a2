"""A read-only view of a machine: the live one, or a tree that was recorded."""

from __future__ import annotations

import errno
import os
import resource
import time
from pathlib import Path

from mlproxy.disk import cannot
from mlproxy.errors import ConfigError, MlproxyError
from mlproxy.links import resolve

PAGE_BYTES = 4096
CHUNK_BYTES = 1 << 16
MOST_DESCRIPTORS = 16384
WHOLE = ("sys/", "proc/pressure/")
TAKEN = "taken_ns"
GIVEN = "/ or a recorded tree"


class Tree:
    """Files below a root, as text; nothing here ever opens a file for writing.

    A recorded tree holds numbered snapshots 000/, 001/ ... each with proc/, sys/ and a
    file `taken_ns` (CLOCK_MONOTONIC, nanoseconds); a plain folder with proc/ and sys/ is
    one snapshot that never advances, so nothing can be said about its rates. Symbolic
    links resolve inside the snapshot, absolute ones too.

    Args:
        root: "/" for the live machine, else a recorded tree.
        descriptors: how many files may stay open between reads; None: half of
            RLIMIT_NOFILE. Only the live tree keeps any.

    Raises:
        ConfigError: root is not a folder.
        NotPermitted: this user may not read it.
    """

    def __init__(self, root: Path = Path("/"), descriptors: int | None = None) -> None:
        try:
            if not root.is_dir():
                raise ConfigError(f"no folder {root} to read a machine from; give {GIVEN}")
            self._snapshots = _snapshots(root)
        except OSError as error:
            raise cannot("read", root, error, ConfigError) from error
        self.root = root
        self.live = root.resolve() == Path("/")
        self._at = 0
        self._limit = _descriptor_limit() if descriptors is None else descriptors
        self._kept: dict[str, int] = {}
        self._links: dict[str, str | None] = {}

    def read(self, path: str, *, keep: bool = False) -> str | None:
        """Text of a file as the kernel gives it; None where it is absent or refused.

        Args:
            path: relative to the root, e.g. "sys/class/bdi/7:0/read_ahead_kb".
            keep: the file is read every tick: its descriptor stays open (pread at 0),
                as long as the bound allows. Measured: 143 us instead of 400 us for 39 files.
        """
        if keep and self.live:
            return self._read_kept(path)
        return self._read_once(path)

    def names(self, path: str) -> list[str]:
        """Sorted entries of a folder; [] where it is absent or refused."""
        real = self._real(path)
        try:
            return sorted(os.listdir(real)) if real else []  # noqa: PTH208 (names, not paths)
        except OSError:
            return []

    def exists(self, path: str) -> bool:
        """True where the path leads to something."""
        real = self._real(path)
        return real is not None and os.path.exists(real)  # noqa: PTH110 (10,000 devices)

    def link(self, path: str) -> str | None:
        """Where the path leads once every link is followed, relative to the root."""
        real = self._real(path)
        if self.live and real is not None:
            real = os.path.realpath(real)
        if real is None or not os.path.lexists(real):
            return None
        return os.path.relpath(real, self.base)

    def now_ns(self) -> int:
        """CLOCK_MONOTONIC, or the moment of the snapshot (0 in a plain folder)."""
        if self.live:
            return time.monotonic_ns()
        text = self._read_once(TAKEN)
        return int(text) if text and text.strip().isdecimal() else 0

    def advance(self) -> bool:
        """Go to the next snapshot; False at the end. The live tree is always at its end."""
        if self.live:
            return True
        if self._at + 1 >= len(self._snapshots):
            return False
        self._at += 1
        self._links.clear()
        return True

    def wait(self, seconds: float) -> bool:
        """Sleep on the live machine, go to the next snapshot of a recorded one."""
        if self.live:
            time.sleep(max(seconds, 0.0))
        return self.advance()

    @property
    def base(self) -> Path:
        """The folder that holds proc/ and sys/ now: "/" or the current snapshot."""
        return self._snapshots[self._at]

    def close(self) -> None:
        """Close every descriptor that was kept; reading still works afterwards."""
        while self._kept:
            os.close(self._kept.popitem()[1])

    def _real(self, path: str) -> str | None:
        return f"/{path}" if self.live else resolve(str(self.base), path, self._links)

    def _read_once(self, path: str) -> str | None:
        descriptor = self._open(path)
        if descriptor is None:
            return None
        try:
            return _slurp(descriptor, path)
        except OSError:
            return None
        finally:
            os.close(descriptor)

    def _read_kept(self, path: str) -> str | None:
        descriptor = self._kept.get(path)
        if descriptor is None:
            return self._read_first(path)
        try:
            return _slurp(descriptor, path)
        except OSError:
            # The object is gone (ENODEV), or another one of the same name took its place.
            os.close(self._kept.pop(path))
            return self._read_once(path)

    def _read_first(self, path: str) -> str | None:
        if len(self._kept) >= self._limit:
            return self._read_once(path)
        descriptor = self._open(path)
        if descriptor is None:
            return None
        self._kept[path] = descriptor
        return self._read_kept(path)

    def _open(self, path: str) -> int | None:
        real = self._real(path)
        try:
            return os.open(real, os.O_RDONLY | os.O_CLOEXEC) if real else None
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):
                raise MlproxyError(f"cannot open {real}: too many open files; raise it") from error
            return None


def _snapshots(root: Path) -> list[Path]:
    numbered = sorted(entry for entry in root.iterdir() if entry.name.isdecimal())
    return numbered if (root / "000").is_dir() else [root]


def _descriptor_limit() -> int:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST_DESCRIPTORS if soft < 0 else min(soft // 2, MOST_DESCRIPTORS)


def _slurp(descriptor: int, path: str) -> str:
    """The whole file from its start. A file of procfs or debugfs comes in pieces
    (fs/seq_file.c gives about a page at a time); one of sysfs is a page at most, and one of
    PSI a single record."""
    data = os.pread(descriptor, CHUNK_BYTES, 0)
    whole = path.startswith(WHOLE) and "/debug/" not in path and len(data) < PAGE_BYTES
    if whole or not data:
        return data.decode(errors="replace")
    parts, offset = [data], len(data)
    while data := os.pread(descriptor, CHUNK_BYTES, offset):
        parts.append(data)
        offset += len(data)
    return b"".join(parts).decode(errors="replace")
