"""`mlproxy convert`: recorded rows as Parquet."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlproxy.cli.console import line, out
from mlproxy.cli.options import AdapterName, Rows
from mlproxy.errors import ConfigError
from mlproxy.registry import load_registry

Output = Annotated[
    Path,
    typer.Option("-o", "--output", metavar="FILE", help="NAME.parquet, or a folder (--parts)."),
]
Parts = Annotated[
    int, typer.Option("--parts", min=0, help="A folder of up to so many files, for --engine dask.")
]


def convert(adapter: AdapterName, rows: Rows, output: Output, parts: Parts = 0) -> None:
    """Write the features of recorded rows as Parquet, with their names and units in the file.

    `train` and `evaluate` read it like the rows themselves.

    Example: mlproxy convert readahead rows.jsonl -o rows.parquet
    """
    from mlproxy.lab.rows import records_from
    from mlproxy.parquet import SUFFIX, write_parquet, write_parts

    if not parts and output.suffix != SUFFIX:
        raise ConfigError(f"{output}: the name of a Parquet file ends in {SUFFIX}")
    found = load_registry().get(adapter)
    records = records_from(found, rows)
    if parts:
        write_parts(found, records, output, parts)
    else:
        write_parquet(found, records, output)
    windows = sum(len(record.windows) for record in records)
    line(out(), f"{output}: {len(records)} records with {windows} windows of {adapter}")
