"""A table that becomes a list where its columns have no room for words."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

LEAST_COLUMN = 10
"""Mean width of a column below which most words of it would be broken."""


class NarrowTable(Table):
    """A block of lines for each row, "column: value", on a terminal that is too narrow."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if options.max_width >= LEAST_COLUMN * len(self.columns):
            return super().__rich_console__(console, options)
        return chain([Text(str(self.title))] if self.title else [], self._blocks())

    def _blocks(self) -> Iterator[Text]:
        names = [str(column.header).replace("\n", " ") for column in self.columns]
        for row in zip(*(column.cells for column in self.columns), strict=True):
            yield Text()
            for name, cell in zip(names, map(str, row), strict=True):
                if cell:
                    value = cell.replace("\n", ", ")
                    yield Text(f"{name}: {value}" if name else value)
        yield Text()
