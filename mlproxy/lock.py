"""Locks on the knobs' own files: one agent per knob, whatever its state folder is.

flock() works on files of sysfs and procfs; it needs only a descriptor for reading.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from mlproxy.disk import Disk, os_reason
from mlproxy.errors import Busy, NotPermitted, WriteRefused

LOCKS = Path("/proc/locks")


class Locks:
    """Exclusive locks on some files, all or none.

    Raises:
        Busy: another process has one of them; the message names it.
        NotPermitted: a file may not be read.
        WriteRefused: a file is gone.
    """

    def __init__(self, paths: Sequence[Path], disk: Disk) -> None:
        self._disk = disk
        self._held: list[tuple[int, Path]] = []
        try:
            for path in paths:
                self._held.append((_take(path, disk), path))
        except BaseException:
            self.release()
            raise

    def release(self) -> None:
        """Give all of them back."""
        while self._held:
            self._disk.unlock(*self._held.pop())


def holder(path: Path, disk: Disk) -> str:
    """Who has the lock, for people: "process 812 (mlproxy run)" (fs/locks.c, /proc/locks)."""
    try:
        facts = path.stat()
        device = f"{os.major(facts.st_dev):02x}:{os.minor(facts.st_dev):02x}"
        wanted = f"{device}:{facts.st_ino}"
        for line in disk.read(LOCKS).decode().splitlines():
            fields = line.split()
            if len(fields) > 5 and fields[1] == "FLOCK" and fields[5] == wanted:
                return f"process {fields[4]} ({_command(fields[4], disk)})"
    except OSError:
        pass
    return "another process"


def _command(pid: str, disk: Disk) -> str:
    try:
        words = disk.read(Path("/proc") / pid / "cmdline").decode(errors="replace").split("\0")
    except OSError:
        return "already gone"
    return " ".join(words).strip() or "no command line"


def _take(path: Path, disk: Disk) -> int:
    try:
        return disk.lock(path)
    except BlockingIOError as error:
        raise Busy(f"{path} is held by {holder(path, disk)}") from error
    except PermissionError as error:
        raise NotPermitted(f"cannot open {path}: {os_reason(error)}; this needs root") from error
    except OSError as error:
        raise WriteRefused(f"cannot open {path}: {os_reason(error)}") from error
