"""Where a command prints: results on stdout, everything else on stderr."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar

from pydantic import BaseModel
from rich import box
from rich.console import Console
from rich.table import Table

from mlproxy.cli.narrow import NarrowTable
from mlproxy.disk import os_reason

PLAIN_WIDTH = 140
"""Columns of a table that goes into a file or a pipe; COLUMNS changes it."""

Report = TypeVar("Report", bound=BaseModel)


def out() -> Console:
    """Console on stdout."""
    terminal = sys.stdout is not None and sys.stdout.isatty()
    width = None if terminal or "COLUMNS" in os.environ else PLAIN_WIDTH
    return Console(width=width, highlight=False, emoji=False)


def note(text: str) -> None:
    """A remark for the person, on stderr, never wrapped; lost where stderr is."""
    if sys.stderr is not None:  # print would take stdout
        with suppress(OSError):
            print(f"mlproxy: {text}", file=sys.stderr)


def unprinted(more: str = "") -> str:
    """Why stdout does not take what was printed, and `more`; "" when it does, or was closed."""
    try:
        print(more, end="", flush=True)
    except OSError as error:
        return os_reason(error)
    return ""


def silence_stdout() -> None:
    """Send what stdout still holds nowhere: the interpreter tries once more at its end."""
    with open(os.devnull, "wb") as nowhere:  # noqa: PTH123
        os.dup2(nowhere.fileno(), sys.stdout.fileno())


def emit(report: Report, as_json: bool, view: Callable[[Console, Report], None]) -> None:
    """Print a report as JSON or through its view."""
    if as_json:
        print(report.model_dump_json(indent=2), flush=True)
    else:
        view(out(), report)


def line(console: Console, text: str = "") -> None:
    """One line as it is: shell lines and paths must survive copy and paste."""
    console.print(text, soft_wrap=True, markup=False)


def table(*columns: str, title: str = "") -> Table:
    """An empty table in the project's style."""
    found = NarrowTable(
        title=title or None,
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1),
    )
    for column in columns:
        found.add_column(column, overflow="fold")
    return found


@contextmanager
def observing(seconds: float, quiet: bool) -> Iterator[None]:
    """A bar on stderr that fills in `seconds`; nothing when quiet or not on a terminal."""
    if quiet or not sys.stderr.isatty():
        yield
        return
    from rich.progress import Progress, ProgressColumn, Task, TextColumn
    from rich.progress_bar import ProgressBar

    class Elapsed(ProgressColumn):
        """Drawn by the clock, since whoever observes does not count."""

        def render(self, task: Task) -> ProgressBar:
            return ProgressBar(total=seconds, completed=min(task.elapsed or 0.0, seconds), width=40)

    columns = (TextColumn("{task.description}"), Elapsed(), TextColumn(f"{seconds:.0f} s"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        progress.add_task("observing")
        yield
