"""The samples of one tick, built when they are asked for: an idle proxy costs next to nothing."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Iterator, Mapping

from mlproxy.adapter import Subject
from mlproxy.parse import DISK_FIELDS
from mlproxy.snapshot import Sample

Cells = tuple[int | None, ...]
"""One proxy's own values in the order of CELL_NAMES; None where one is missing."""

Shared = Mapping[str, float]
"""The host's values, the same object for every proxy of a tick."""

CELL_NAMES = tuple(f"disk.{name}" for name in (*DISK_FIELDS, "read_inflight", "write_inflight"))
CELL_INDEX = {name: index for index, name in enumerate(CELL_NAMES)}
NO_CELLS: Cells = (None,) * len(CELL_NAMES)


class Values(Mapping[str, float]):
    """Attributes of one sample: a proxy's own cells over the host's values, nothing copied."""

    __slots__ = ("_cells", "_shared")

    def __init__(self, cells: Cells, shared: Shared) -> None:
        self._cells = cells
        self._shared = shared

    def __getitem__(self, name: str) -> float:
        index = CELL_INDEX.get(name)
        value = self._shared[name] if index is None else self._cells[index]
        if value is None:
            raise KeyError(name)
        return value

    def __iter__(self) -> Iterator[str]:
        cells = zip(CELL_NAMES, self._cells, strict=True)
        yield from (name for name, cell in cells if cell is not None)
        yield from self._shared

    def __len__(self) -> int:
        return sum(cell is not None for cell in self._cells) + len(self._shared)


class Tick(Mapping[str, Sample]):
    """Samples by proxy id: their cells over the host's values of their level."""

    __slots__ = ("_cells", "_levels", "_shared", "_traced", "taken_ns")

    def __init__(
        self,
        taken_ns: int,
        cells: Mapping[str, Cells],
        levels: Mapping[str, Subject],
        shared: Mapping[Subject, Shared],
        traced: Callable[[str], Shared] | None = None,
    ) -> None:
        """`traced`: values of one proxy that come from a tracepoint."""
        self.taken_ns = taken_ns
        self._cells = cells
        self._levels = levels
        self._shared = shared
        self._traced = traced

    def __getitem__(self, proxy_id: str) -> Sample:
        cells = self._cells[proxy_id]
        shared = self._shared[self._levels[proxy_id]]
        if self._traced is not None:
            shared = ChainMap(dict(self._traced(proxy_id)), dict(shared))
        return Sample(self.taken_ns, Values(cells, shared))

    def __iter__(self) -> Iterator[str]:
        return iter(self._cells)

    def __len__(self) -> int:
        return len(self._cells)
