"""Where one proxy's own values come from, and whether they moved since the last tick."""

from __future__ import annotations

from collections.abc import Mapping

from mlproxy.parse import DISK_FIELDS, DiskRow, parse_inflight
from mlproxy.stack import StackObject
from mlproxy.transports.tick import NO_CELLS, Cells
from mlproxy.tree import Tree

PADDING: Cells = (None,) * len(DISK_FIELDS)


class Source:
    """The cells of one object. `changed` is False when every counter stands as it stood."""

    __slots__ = ("_inflight", "_only", "_seen", "_tree", "cells", "changed", "item")

    def __init__(self, tree: Tree, item: StackObject, *, inflight: bool) -> None:
        """`inflight`: read the disk's own gauges too, one more file for every busy disk."""
        self.item = item
        self.changed = True
        self.cells: Cells | None = NO_CELLS
        self._tree = tree
        self._seen: DiskRow | tuple[DiskRow | None, ...] | None = ()
        path = f"sys/block/{item.disk}/inflight"
        self._inflight = path if inflight and tree.exists(path) else ""
        plain = len(item.counters) == 1 and not item.anonymous
        self._only = item.counters[0] if plain else ""

    def update(self, rows: Mapping[str, DiskRow]) -> Cells | None:
        """Cells of this tick, the same object as before while nothing moved; None when
        the object is gone."""
        if not self._only:
            return self._update_many(rows)
        row = rows.get(self._only)
        self.changed = row is not self._seen
        if self.changed:
            self._seen = row
            self.cells = self._fill(row) if row else None
        return self.cells

    def _update_many(self, rows: Mapping[str, DiskRow]) -> Cells | None:
        if self.item.anonymous and not self._tree.exists(self.item.path):
            self.changed, self.cells, self._seen = True, None, ()
        elif self.item.counters:
            seen = tuple(map(rows.get, self.item.counters))
            self.changed = seen != self._seen
            self._seen = seen
            known = [row for row in seen if row]
            self.cells = self._fill(tuple(map(sum, zip(*known, strict=False)))) if known else None
        return self.cells

    def _fill(self, row: DiskRow) -> Cells:
        return (*row, *PADDING[len(row) :], *self._flight())

    def _flight(self) -> tuple[int | None, int | None]:
        if not self._inflight:
            return None, None
        return parse_inflight(self._tree.read(self._inflight, keep=True)) or (None, None)
