"""One memory cgroup for the workload, on either cgroup version."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mlproxy.errors import LabError

# sh joins the group and becomes the workload, so that not one page is charged elsewhere.
_JOIN = 'echo $$ > "$0" && exec "$@"'


@dataclass(frozen=True)
class Hierarchy:
    """The mounted hierarchy that limits memory: its root and what it calls the limit."""

    root: Path
    limit_file: str


@dataclass(frozen=True)
class Cgroup:
    """A memory cgroup below `hierarchy`."""

    hierarchy: Hierarchy
    name: str

    @property
    def path(self) -> Path:
        return self.hierarchy.root / self.name

    @property
    def procs_file(self) -> Path:
        return self.path / "cgroup.procs"

    def create(self, limit_bytes: int) -> None:
        """Make the group; `LabError` where the hierarchy does not let children limit memory."""
        self.path.mkdir()
        limit = self.path / self.hierarchy.limit_file
        try:
            limit.write_text(f"{limit_bytes}\n")
        except OSError as error:
            raise LabError(
                f"cannot set {limit}: {error.strerror}; with cgroup v2, 'memory' must stand in "
                f"{self.hierarchy.root}/cgroup.subtree_control"
            ) from error

    def wrap(self, argv: Sequence[str]) -> list[str]:
        """The command that joins the cgroup and then becomes `argv`."""
        return ["sh", "-c", _JOIN, str(self.procs_file), *argv]

    def pids(self) -> list[int]:
        """The processes inside; none when the cgroup is gone."""
        try:
            return [int(pid) for pid in self.procs_file.read_text().split()]
        except FileNotFoundError:
            return []

    def kill(self) -> None:
        """Kill what still runs inside; it is all workload of one bed."""
        for pid in self.pids():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def remove(self) -> None:
        """Remove the empty cgroup; one that is gone is no error, one in use is OSError."""
        if self.path.exists():
            self.path.rmdir()


def find_hierarchy(mounts: str) -> Hierarchy:
    """The hierarchy for memory in the text of /proc/self/mounts, version 1 first.

    A host with both versions mounted has the controller in version 1.
    """
    table = [line.split() for line in mounts.splitlines()]
    for _, where, kind, options, *_ in table:
        if kind == "cgroup" and "memory" in options.split(","):
            return Hierarchy(Path(where), "memory.limit_in_bytes")
    for _, where, kind, *_ in table:
        if kind == "cgroup2":
            return Hierarchy(Path(where), "memory.max")
    raise LabError("no memory cgroup: neither a cgroup v1 memory nor a cgroup2 mount")
