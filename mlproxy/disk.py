"""The one layer through which the journal and the actuator touch files.

Every call that changes something is one *step*: tests replace `Disk._do` to count the
steps, to kill the process before or after each of them, and to lose what was not synced.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from mlproxy.errors import JournalError, MlproxyError, NotPermitted
from mlproxy.owner import require_owned

T = TypeVar("T")
CHUNK_BYTES = 1 << 16
PRIVATE_FILE = 0o600
PRIVATE_FOLDER = 0o700


class Disk:
    """Files of this machine. Methods raise OSError; those who call know what it means."""

    def read(self, path: Path) -> bytes:
        """The whole file; files of sysfs and procfs say nothing useful as their size."""
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            parts = []
            while data := os.read(descriptor, CHUNK_BYTES):
                parts.append(data)
            return b"".join(parts)
        finally:
            os.close(descriptor)

    def write(self, path: Path, data: bytes) -> None:
        """Give a file that exists new content in one write, as a knob of sysfs wants it."""
        self._do("write", path, lambda: self._write(path, data))

    def attach(self, path: Path, flags: int) -> int:
        """A descriptor of a file that exists, to `put` to or read from again and again:
        once the file's object is gone it answers ENODEV, whoever has the name by then."""
        return os.open(path, flags | os.O_CLOEXEC)

    def put(self, descriptor: int, path: Path, data: bytes) -> None:
        """As `write`, through a descriptor of `attach`."""
        self._do("write", path, lambda: self._put(descriptor, path, data))

    def create(self, path: Path) -> int:
        """An empty private file, also where one is already; its descriptor appends."""
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        return self._do("create", path, lambda: os.open(path, flags, PRIVATE_FILE))

    def reopen(self, path: Path) -> int:
        """A descriptor that appends to a file that exists; follows no link."""
        return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC)

    def append(self, descriptor: int, path: Path, data: bytes) -> None:
        """Add all of `data` at the end; a full disk may leave part of it behind."""
        self._do("append", path, lambda: _write_all(descriptor, data))

    def fsync(self, descriptor: int, path: Path) -> None:
        """Content of a file to stable storage."""
        self._do("fsync", path, lambda: os.fsync(descriptor))

    def fsync_folder(self, path: Path) -> None:
        """Names in a folder to stable storage: after a file was created or renamed."""
        self._do("fsync_folder", path, lambda: _fsync_folder(path))

    def make_folder(self, path: Path) -> None:
        """A private folder; no umask opens it to others."""
        self._do("make_folder", path, lambda: path.mkdir(PRIVATE_FOLDER))

    def rename(self, source: Path, target: Path) -> None:
        """Give a file another name, over what has it now."""
        self._do("rename", target, lambda: source.rename(target))

    def unlink(self, path: Path) -> None:
        """Remove a file."""
        self._do("unlink", path, path.unlink)

    def lock(self, path: Path, create: bool = False) -> int:
        """An exclusive flock on a file, for as long as the descriptor is open.

        The kernel gives it back when the process dies, however it dies.

        Raises:
            BlockingIOError: somebody else has it.
        """
        flags = os.O_RDONLY | os.O_CLOEXEC | (os.O_CREAT | os.O_NOFOLLOW if create else 0)
        return self._do("lock", path, lambda: _lock(path, flags))

    def unlock(self, descriptor: int, path: Path) -> None:
        """Give a lock back."""
        self._do("unlock", path, lambda: os.close(descriptor))

    def replace(self, path: Path, data: bytes) -> None:
        """Give a private file new content: after any crash it holds all of the old or all
        of the new (temporary file, fsync, rename, fsync of the folder)."""
        temporary = path.with_name(f"{path.name}.new")
        descriptor = self.create(temporary)
        try:
            self.append(descriptor, temporary, data)
            self.fsync(descriptor, temporary)
        finally:
            os.close(descriptor)
        self.rename(temporary, path)
        self.fsync_folder(path.parent)

    def ensure_folder(self, path: Path) -> None:
        """Make a private folder, its parents too, so that it outlasts a crash."""
        if not path.is_dir():
            self.ensure_folder(path.parent)
            self.make_folder(path)
            self.fsync_folder(path.parent)

    def _write(self, path: Path, data: bytes) -> None:
        descriptor = os.open(path, os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC)
        try:
            os.write(descriptor, data)
        finally:
            os.close(descriptor)

    def _put(self, descriptor: int, path: Path, data: bytes) -> None:
        os.pwrite(descriptor, data, 0)

    def _do(self, step: str, path: Path, effect: Callable[[], T]) -> T:
        """Every change passes here, named and with the path that it changes."""
        return effect()


def atomic_write_json(path: Path, data: Any, disk: Disk | None = None) -> None:
    """Store plain data in a private file; a crash leaves the old or the new, whole.

    Raises:
        JournalError: the file cannot be written.
    """
    disk = disk or Disk()
    try:
        disk.ensure_folder(path.parent)
        disk.replace(path, json.dumps(data, sort_keys=True).encode() + b"\n")
    except OSError as error:
        raise JournalError(f"cannot write {path}: {os_reason(error)}") from error


def read_json(path: Path, disk: Disk | None = None) -> Any:
    """Plain data that `atomic_write_json` stored; None where there is no such file.

    Raises:
        JournalError: the file cannot be read or does not hold JSON.
        NotPermitted: this user may not read it, or others can write to it.
    """
    disk = disk or Disk()
    try:
        require_owned(path, path.stat())
        return json.loads(disk.read(path))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise cannot("read", path, error, JournalError) from error
    except ValueError as error:
        raise JournalError(
            f"{path} does not hold JSON ({error}); remove it to start anew"
        ) from error


def cannot(
    verb: str, path: Path, error: OSError, kind: type[MlproxyError] = MlproxyError
) -> MlproxyError:
    """What to raise where a file refuses: `kind`, or NotPermitted where a privilege lacks."""
    text = f"cannot {verb} {path}: {os_reason(error)}"
    if isinstance(error, PermissionError):
        return NotPermitted(f"{text}; this needs root, or a folder of your own")
    return kind(text)


def os_reason(error: OSError) -> str:
    """ "EINVAL (Invalid argument)": what the kernel answered, by name and in words."""
    name = errno.errorcode.get(error.errno or 0, "unknown error")
    return f"{name} ({os.strerror(error.errno)})" if error.errno else name


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def _fsync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _lock(path: Path, flags: int) -> int:
    descriptor = os.open(path, flags, PRIVATE_FILE)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
