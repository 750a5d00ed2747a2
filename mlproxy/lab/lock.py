"""One lab at a time: an exclusive lock that names its holder."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from mlproxy.errors import Busy

LOCK_PATH = Path("/run/mlproxy/lab.lock")


@contextmanager
def lab_lock(purpose: str, *, path: Path = LOCK_PATH, wait_s: float = 0.0) -> Iterator[None]:
    """Hold the lab, for `purpose`; Busy names the holder when it is not free within wait_s.

    The kernel releases a flock with its process, so a lock left behind does not exist.
    """
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8") as file:
        _acquire(file, path, time.monotonic() + wait_s)
        _write(file, f"{purpose} (pid {os.getpid()})")
        try:
            yield
        finally:
            _write(file, "")


def _acquire(file: TextIO, path: Path, deadline_s: float) -> None:
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() >= deadline_s:
                file.seek(0)
                holder = file.read().strip() or "an unnamed process"
                raise Busy(f"the lab is held by {holder}; wait for it, or see {path}") from None
            time.sleep(0.2)


def _write(file: TextIO, text: str) -> None:
    file.seek(0)
    file.truncate()
    file.write(text)
    file.flush()
