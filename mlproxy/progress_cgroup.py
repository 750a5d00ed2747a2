"""Progress of a cgroup: the characters that its processes read."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from mlproxy.tree import Tree

MOUNT = "sys/fs/cgroup"
Process = tuple[str, float]
"""A process by pid and by its start in seconds after boot."""

_RCHAR = re.compile(r"^rchar: (\d+)$", re.MULTILINE)


@dataclass
class CgroupProgress:
    """Sum of rchar of /proc/<pid>/io over a cgroup and those below it, in bytes.

    rchar counts what read() returned, cached or not, so it does not see page faults: it is
    progress of programs that read, not of those that map their files. Source:
    Documentation/filesystems/proc.rst, 3.3. Reading it of others' processes needs root.

    Args:
        path: as /proc/PID/cgroup prints it: "/system.slice/app.service".
        tree: the machine; any hierarchy of cgroup v1, or v2, will do.
    """

    path: str
    tree: Tree
    resolution_s: float = 0.0
    _total: int = 0
    _known: dict[Process, int] = field(default_factory=dict)
    _read_s: float | None = None

    @property
    def name(self) -> str:
        return f"rchar of cgroup {self.path}"

    def read(self) -> float | None:
        """Bytes read since the first call; None when the cgroup or its counters are gone.

        A process that joined counts from its start if it started since the last call,
        else from now; what one read after the last call before it ended is lost.
        """
        pids = self._pids()
        now_s = parse_uptime_s(self.tree.read("proc/uptime"))
        if pids is None or now_s is None:
            return None
        counts = dict(filter(None, map(self._count, pids)))
        if pids and not counts:
            return None
        self._total += sum(self._grown(process, count) for process, count in counts.items())
        self._known, self._read_s = counts, now_s
        return float(self._total)

    def close(self) -> None:
        """Nothing is kept open."""

    def _grown(self, process: Process, count: int) -> int:
        if process in self._known:
            return max(count - self._known[process], 0)
        born_since = self._read_s is not None and process[1] >= self._read_s
        return count if born_since else 0

    def _count(self, pid: str) -> tuple[Process, int] | None:
        """rchar of one process, known by pid and start, as pids are used again."""
        count = parse_rchar(self.tree.read(f"proc/{pid}/io"))
        start_s = parse_start_s(self.tree.read(f"proc/{pid}/stat"))
        return None if count is None or start_s is None else ((pid, start_s), count)

    def _pids(self) -> set[str] | None:
        """Processes of the cgroup and of those below it; None where there is none."""
        home = self._home()
        if home is None:
            return None
        texts = (self.tree.read(f"{group}/cgroup.procs") for group in self._groups(home))
        return {pid for text in texts if text for pid in text.split()}

    def _groups(self, home: str) -> Iterator[str]:
        yield home
        for name in self.tree.names(home):
            if self.tree.exists(f"{home}/{name}/cgroup.procs"):
                yield from self._groups(f"{home}/{name}")

    def _home(self) -> str | None:
        """The cgroup's folder: below the v2 mount, or below one of the v1 hierarchies."""
        below = self.path.strip("/")
        mounts = [MOUNT, *(f"{MOUNT}/{name}" for name in ("unified", *self.tree.names(MOUNT)))]
        homes = (f"{mount}/{below}" for mount in mounts)
        return next((home for home in homes if self.tree.exists(f"{home}/cgroup.procs")), None)


def parse_rchar(text: str | None) -> int | None:
    """`rchar` of /proc/<pid>/io in bytes."""
    found = _RCHAR.search(text or "")
    return int(found[1]) if found else None


def parse_start_s(text: str | None) -> float | None:
    """Start of a process in seconds after boot: field 22 of /proc/<pid>/stat, whose second
    field, the name, may hold spaces and brackets."""
    fields = (text or "").rpartition(")")[2].split()
    ticks = fields[19] if len(fields) > 19 else ""
    return int(ticks) / os.sysconf("SC_CLK_TCK") if ticks.isdecimal() else None


def parse_uptime_s(text: str | None) -> float | None:
    """Seconds since boot, the first field of /proc/uptime."""
    fields = (text or "").split()
    try:
        return float(fields[0]) if fields else None
    except ValueError:
        return None
