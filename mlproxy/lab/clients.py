"""Reader processes on a test bed: clients that go through phases of their own file."""

from __future__ import annotations

import mmap
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mlproxy.errors import LabError
from mlproxy.lab.fio import Bed
from mlproxy.lab.profile import PROFILES
from mlproxy.lab.reader import Sample
from mlproxy.lab.timeline import merge

_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True)
class Client:
    """One reader: its phases as the reader takes them ("random:5,sequential:5"), how often it
    opens its file again, and how often it logs and reports its progress."""

    phases: str
    reopen_s: float = 1.5
    interval_s: float = 0.1
    seed: int = 0


@dataclass(frozen=True)
class Clients:
    """Readers under way; the first one's log tells the phases."""

    processes: tuple[subprocess.Popen[bytes], ...]
    logs: tuple[Path, ...]
    started_ns: int

    @property
    def running(self) -> bool:
        """True until the last one is done."""
        return any(process.poll() is None for process in self.processes)

    def samples(self) -> list[list[Sample]]:
        """What they logged so far."""
        return merge(self.logs)

    def wait(self) -> None:
        """Until all are done. LabError when one failed."""
        for process in self.processes:
            if process.wait():
                raise LabError(f"a reader ended with {process.returncode}")


@contextmanager
def started(
    bed: Bed, file: Path, clients: Sequence[Client], folder: Path, progress: Path | None = None
) -> Iterator[Clients]:
    """Readers of `file` in the bed's cgroup, ended with the block. The first reports progress."""
    folder.mkdir(parents=True, exist_ok=True)
    logs = tuple(folder / f"client-{number}.log" for number in range(len(clients)))
    processes: list[subprocess.Popen[bytes]] = []
    started_ns = time.monotonic_ns()
    try:
        for number, (client, log) in enumerate(zip(clients, logs, strict=True)):
            command = _command(file, client, log, progress if number == 0 else None)
            processes.append(subprocess.Popen(bed.cgroup.wrap(command), start_new_session=True))
        yield Clients(tuple(processes), logs, started_ns)
    finally:
        for process in processes:
            process.kill()
            process.wait()


def _command(file: Path, client: Client, log: Path, progress: Path | None) -> list[str]:
    command = [sys.executable, "-m", "mlproxy.lab.reader", str(file)]
    command += ["--phases", client.phases, "--reopen-s", str(client.reopen_s)]
    command += ["--interval-s", str(client.interval_s)]
    command += ["--seed", str(client.seed), "--log", str(log)]
    return command + (["--progress", str(progress)] if progress else [])


def lay_out_file(bed: Bed, size_mb: int, name: str = "table") -> Path:
    """A file of written blocks, at full device speed and past the page cache."""
    file, profile = bed.mount / name, bed.profile
    bed.set_profile(PROFILES["fast"])
    try:
        _write(file, size_mb)
    except OSError as error:
        raise LabError(f"cannot lay out {file}: {error.strerror}") from error
    finally:
        bed.set_profile(profile)
    return file


def _write(file: Path, size_mb: int) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_DIRECT, 0o600)
    try:
        with mmap.mmap(-1, _BLOCK_BYTES) as block:
            block.write(b"mlproxy " * (_BLOCK_BYTES // 8))
            for _ in range(size_mb):
                os.write(descriptor, block)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
