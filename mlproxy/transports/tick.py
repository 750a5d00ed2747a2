"""The samples of one tick, built when they are asked for: an idle proxy costs next to nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from mlproxy.adapter import Subject
from mlproxy.parse import DISK_FIELDS
from mlproxy.snapshot import Sample

Cells = tuple[int | None, ...]
"""One proxy's own values in the order of CELL_NAMES; None where one is missing."""

Layers = tuple[Mapping[str, float], ...]
"""Values that are not a proxy's own, the host's the same objects for every proxy of a tick;
the first mapping that holds a name has it."""

CELL_NAMES = tuple(f"disk.{name}" for name in (*DISK_FIELDS, "read_inflight", "write_inflight"))
CELL_INDEX = {name: index for index, name in enumerate(CELL_NAMES)}
NO_CELLS: Cells = (None,) * len(CELL_NAMES)


class Values(Mapping[str, float]):
    """Attributes of one sample: a proxy's own cells over the host's values, nothing copied."""

    __slots__ = ("_cells", "_layers")

    def __init__(self, cells: Cells, layers: Layers) -> None:
        self._cells = cells
        self._layers = layers

    def __getitem__(self, name: str) -> float:
        index = CELL_INDEX.get(name)
        value = self._below(name) if index is None else self._cells[index]
        if value is None:
            raise KeyError(name)
        return value

    def __iter__(self) -> Iterator[str]:
        cells = zip(CELL_NAMES, self._cells, strict=True)
        yield from (name for name, cell in cells if cell is not None)
        yield from dict.fromkeys(name for layer in self._layers for name in layer)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _below(self, name: str) -> float | None:
        for layer in self._layers:
            value = layer.get(name)
            if value is not None:
                return value
        return None


class Tick(Mapping[str, Sample]):
    """Samples by proxy id: their cells over the host's values of their level."""

    __slots__ = ("_cells", "_levels", "_shared", "_traced", "taken_ns")

    def __init__(
        self,
        taken_ns: int,
        cells: Mapping[str, Cells],
        levels: Mapping[str, Subject],
        shared: Mapping[Subject, Layers],
        traced: Callable[[str], Mapping[str, float]] | None = None,
    ) -> None:
        """`traced`: values of one proxy that come from a tracepoint or a file of their own."""
        self.taken_ns = taken_ns
        self._cells = cells
        self._levels = levels
        self._shared = shared
        self._traced = traced

    def __getitem__(self, proxy_id: str) -> Sample:
        cells = self._cells[proxy_id]
        layers = self._shared[self._levels[proxy_id]]
        if self._traced is not None:
            layers = (self._traced(proxy_id), *layers)
        return Sample(self.taken_ns, Values(cells, layers))

    def __iter__(self) -> Iterator[str]:
        return iter(self._cells)

    def __len__(self) -> int:
        return len(self._cells)
