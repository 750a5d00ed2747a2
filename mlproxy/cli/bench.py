"""`mlproxy bench`: measure a declared matrix; `bench report`: what its rows say."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from typer.core import TyperGroup

from mlproxy.cli.console import emit, line, table
from mlproxy.cli.options import LIVE, AsJson, Root
from mlproxy.cli.place import require_live, require_root
from mlproxy.cli.schema_bench import BenchReport, bench_report
from mlproxy.cli.signals import unwinding
from mlproxy.errors import ConfigError

if TYPE_CHECKING:
    from mlproxy.lab.matrix.summary import Summary
    from mlproxy.lab.matrix.verdict import Line

QUICK = "quick"
MISSED = 1
PLACE = Path("data/bench")
EXTRA = ("matplotlib", "pyarrow")
SHOWN, WIDTH = 3, 7
"""Tables on the terminal, and their columns: shares, peers, pairs without peers. The report has
all."""


class MatrixFirst(TyperGroup):
    """A first word that is no command is the matrix of the command `run`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] != "--help":
            args = ["run", *args]
        return super().parse_args(ctx, args)


bench_app = typer.Typer(cls=MatrixFirst, no_args_is_help=True)

Folder = Annotated[
    Path | None,
    typer.Option(
        "-o", "--output", metavar="DIR", help="Rows and report.", show_default="data/bench/MATRIX"
    ),
]
Name = Annotated[
    str, typer.Argument(metavar="MATRIX", help="A shipped matrix, or the path of a YAML file.")
]
Quick = Annotated[bool, typer.Option("--quick", help="The shipped matrix `quick`: ten minutes.")]
RowFiles = Annotated[
    list[Path], typer.Argument(metavar="ROWS...", help="rows.parquet, or the rows.jsonl of a run.")
]
Training = Annotated[
    list[Path] | None,
    typer.Option(
        "--training",
        metavar="FILE",
        help="Rows that `record` made, for the table of four classes; may be repeated.",
    ),
]


@bench_app.callback()
def bench() -> None:
    """Measure mlproxy against the default, static values and TuneD over a declared matrix.

    `mlproxy bench MATRIX` is `mlproxy bench run MATRIX`; MATRIX is quick, phases, programs-small,
    programs, rocksdb, queues, held-out, held-out-queues, generated, or the path of a YAML file.
    What was measured stays: a run that was interrupted goes on where it stopped.

    Example: sudo mlproxy bench quick -o data/quick
    """


@bench_app.command()
def run(
    matrix: Name = "",
    quick: Quick = False,
    output: Folder = None,
    as_json: AsJson = False,
    root: Root = LIVE,
) -> None:
    """Measure a matrix (root), then print what it says; exit code 1 if it misses what it asks.

    Example: sudo mlproxy bench quick
    """
    require_live(root, "bench")
    from mlproxy.lab.matrix.load import load_matrix

    if bool(matrix) == quick:
        raise ConfigError("name one matrix, or give --quick")
    declared = load_matrix(QUICK if quick else matrix)
    require_root("bench")
    _require_extra()
    from mlproxy.lab.matrix.report.write import read_summary
    from mlproxy.lab.matrix.run import run_matrix
    from mlproxy.lab.matrix.verdict import judge

    with unwinding():
        rows = run_matrix(declared, output or PLACE / declared.name, Console(stderr=True))
    summary, _ = read_summary([rows])
    lines = judge(summary, declared.asked)
    _tell(summary, lines, [rows], as_json)
    if not all(each.met for each in lines):
        raise typer.Exit(MISSED)


@bench_app.command()
def report(
    rows: RowFiles, output: Folder = None, training: Training = None, as_json: AsJson = False
) -> None:
    """Write one HTML page, figures and Markdown from measured rows; the same rows give the same
    files.

    Example: mlproxy bench report data/quick/rows.parquet -o data/quick
    """
    _require_extra()
    from mlproxy.lab.matrix.report.write import write_report

    summary, written = write_report(rows, output, training or ())
    _tell(summary, [], written, as_json)


def _require_extra() -> None:
    """Before anything is measured. Raises: ConfigError."""
    missing = [name for name in EXTRA if find_spec(name) is None]
    if missing:
        raise ConfigError(f"`mlproxy bench` needs {', '.join(missing)}: pip install mlproxy[bench]")


def _tell(summary: Summary, lines: Sequence[Line], files: Sequence[Path], as_json: bool) -> None:
    def show(console: Console, told: BenchReport) -> None:
        from mlproxy.lab.matrix.report.texts import sentences, tables

        for each in tables(summary)[:SHOWN]:
            found = table(*each.columns[:WIDTH], title=each.caption)
            for row in each.rows:
                found.add_row(*row[:WIDTH])
            console.print(found)
        for sentence in sentences(summary):
            line(console, sentence)
        for asked in told.asked:
            line(console, f"{'met' if asked.met else 'NOT MET'}: {asked.asked}: {asked.found}")
        for path in told.files:
            line(console, f"written: {path}")

    emit(bench_report(summary, lines, files), as_json, show)
