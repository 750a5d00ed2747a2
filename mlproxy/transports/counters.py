"""The host-wide counter files, each read once per tick and parsed only where it changed."""

from __future__ import annotations

from collections.abc import Collection

from mlproxy.parse import DISK_FIELDS, DiskRow, parse_disk_line
from mlproxy.transports.host_values import HostValues
from mlproxy.tree import Tree

HOST_FIELDS = ("read_ios", "read_sectors", "write_ios", "write_sectors")
HOST_NAMES = tuple(f"host.{name}" for name in HOST_FIELDS)
HOST_COLUMNS = tuple(DISK_FIELDS.index(name) for name in HOST_FIELDS)
PRESSURES = ("io", "memory", "cpu")


class DiskTable:
    """Rows of /proc/diskstats by devno; a row stays the same object until its line changes.

    `changed` names the rows that came, went or moved in the last update.
    """

    def __init__(self) -> None:
        self.rows: dict[str, DiskRow] = {}
        self.changed: set[str] = set()
        self._lines: list[str] = []
        self._devnos: list[str] = []

    def update(self, text: str) -> None:
        """Take the file as it is now."""
        lines = text.splitlines()
        self.changed = set()
        if len(lines) != len(self._lines) or not self._patch(lines):
            self._rebuild(lines)
        self._lines = lines

    def _patch(self, lines: list[str]) -> bool:
        """Parse the lines that differ; False when a line is now about another device."""
        for index, (line, old) in enumerate(zip(lines, self._lines, strict=True)):
            if line == old:
                continue
            found = parse_disk_line(line)
            if found is None or found[0] != self._devnos[index]:
                return False
            self.rows[found[0]] = found[1]
            self.changed.add(found[0])
        return True

    def _rebuild(self, lines: list[str]) -> None:
        old = self.rows
        parsed = [parse_disk_line(line) for line in lines]
        self._devnos = [found[0] if found else "" for found in parsed]
        # An equal row stays the object it was: that is how an idle device is known.
        self.rows = {
            devno: old[devno] if old.get(devno) == row else row
            for devno, row in (found for found in parsed if found)
        }
        moved = {devno for devno, row in self.rows.items() if old.get(devno) is not row}
        self.changed |= moved | (set(old) - set(self.rows))


class HostTotal:
    """Sums over a set of devices, for the share that one of them has in a host counter."""

    def __init__(self) -> None:
        self._devnos: frozenset[str] = frozenset()
        self._fresh: frozenset[str] = frozenset()
        self._rows: dict[str, DiskRow] = {}
        self._sums = [0] * len(HOST_FIELDS)

    def choose(self, devnos: Collection[str]) -> None:
        """Take another set of devices; those that are no longer in it are taken off."""
        self._devnos = frozenset(devnos)
        for devno in set(self._rows).difference(devnos):
            self._replace(devno, None)
        self._fresh = self._devnos.difference(self._rows)

    def update(self, table: DiskTable) -> dict[str, float]:
        """Sums as "host.read_ios" and so on; {} where no device is counted. Only changed rows
        are added, and a device that went away takes its share with it (the delta is missing)."""
        for devno in self._fresh | (table.changed & self._devnos):
            self._replace(devno, table.rows.get(devno))
        self._fresh = frozenset()
        return dict(zip(HOST_NAMES, map(float, self._sums), strict=True)) if self._rows else {}

    def _replace(self, devno: str, row: DiskRow | None) -> None:
        old = self._rows.pop(devno, None)
        for place, column in enumerate(HOST_COLUMNS):
            self._sums[place] += (row[column] if row else 0) - (old[column] if old else 0)
        if row is not None:
            self._rows[devno] = row


class HostCounters:
    """/proc/vmstat and /proc/pressure, read whole and parsed where somebody asks."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree

    def read(self) -> HostValues:
        """The files as they are now."""
        texts = {name: self._text(f"proc/pressure/{name}") for name in PRESSURES}
        return HostValues(self._text("proc/vmstat"), texts)

    def _text(self, path: str) -> str:
        return self._tree.read(path, keep=True) or ""
