"""`mlproxy record`, `train` and `demo`: measure, make a model, show it at work."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from mlproxy.cli.console import emit, line, out, table
from mlproxy.cli.options import LIVE, AsJson, Root
from mlproxy.cli.place import require_live, require_root
from mlproxy.cli.schema import ModelFacts, TrainReport
from mlproxy.errors import ConfigError
from mlproxy.registry import load_registry

if TYPE_CHECKING:
    from mlproxy.manifest import Manifest

AdapterName = Annotated[str, typer.Argument(metavar="ADAPTER", help="An installed adapter.")]
Rows = Annotated[list[Path], typer.Argument(metavar="ROWS...", help="Files that `record` made.")]
Folder = Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="The model's folder.")]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Same rows and seed, same model.")]
Profiles = Annotated[
    list[str] | None, typer.Option("--profile", metavar="NAME", help="Device; may be repeated.")
]
RowFile = Annotated[
    Path,
    typer.Option("-o", "--output", metavar="FILE", help="JSON lines; an interrupted run resumes."),
]
Repeats = Annotated[int, typer.Option("--repeats", min=1, help="Runs of each row.")]
Quick = Annotated[bool, typer.Option("--quick", help="A small grid: minutes instead of hours.")]


def record(
    adapter: AdapterName,
    output: RowFile,
    profile: Profiles = None,
    repeats: Repeats = 3,
    quick: Quick = False,
    root: Root = LIVE,
) -> None:
    """Measure workloads on test-bed devices over every value of an adapter's knobs (root).

    Example: sudo mlproxy record readahead --profile ssd-dilated -o rows.jsonl --quick
    """
    require_live(root, "record")
    from mlproxy.lab.profile import PROFILES
    from mlproxy.lab.sweep import profiles_for, sweep

    found = load_registry().get(adapter)
    names = profile or profiles_for(found)
    unknown = [name for name in names if name not in PROFILES]
    if unknown:
        raise ConfigError(f"no device profile {unknown[0]!r}; there is: {', '.join(PROFILES)}")
    require_root("record")
    sweep(found, [PROFILES[name] for name in names], output, repeats, quick)


def train(
    adapter: AdapterName, rows: Rows, output: Folder, seed: Seed = 1, as_json: AsJson = False
) -> None:
    """Train an adapter's model on recorded rows and print how good it is.

    Example: mlproxy train readahead rows.jsonl -o model
    """
    from mlproxy import training
    from mlproxy.lab.rows import read_rows, records_of

    found = load_registry().get(adapter)
    records = records_of(found, read_rows(rows))
    manifest = training.train(found, records, output, seed)
    report = TrainReport(
        adapter=adapter, folder=str(output), records=len(records), model=model_facts(manifest)
    )
    emit(report, as_json, _show_training)


def demo(root: Root = LIVE) -> None:
    """Show the agent at work on a device of its own, about a minute (root).

    Makes a slow test device, runs two kinds of workload without and then with the agent,
    and removes everything again.

    Example: sudo mlproxy demo
    """
    require_live(root, "demo")
    require_root("demo")
    from mlproxy.lab.demo import run_demo

    run_demo(out())


def model_facts(manifest: Manifest) -> ModelFacts:
    """What a report says of a model."""
    from mlproxy.manifest import MODEL

    return ModelFacts(
        rows=manifest.rows,
        groups=len(manifest.groups),
        sha256=manifest.sha256[MODEL],
        xgboost=manifest.xgboost,
        metrics=dict(manifest.metrics),
    )


def metric_rows(facts: ModelFacts) -> Sequence[tuple[str, str]]:
    """Metrics for people."""
    return [(name, f"{value:.4g}") for name, value in sorted(facts.metrics.items())]


def _show_training(console: Console, report: TrainReport) -> None:
    found = table("metric (groups held out)", "value")
    for row in metric_rows(report.model):
        found.add_row(*row)
    console.print(found)
    size = f"{report.model.rows} rows of {report.records} records in {report.model.groups} groups"
    line(console, f"{report.adapter}: {size}; model {report.model.sha256[:12]} in {report.folder}")
