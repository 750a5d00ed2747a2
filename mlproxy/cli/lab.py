"""`mlproxy record` and `demo`: measure, and show the agent at work."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlproxy.cli.console import out
from mlproxy.cli.options import LIVE, AdapterName, Root
from mlproxy.cli.place import require_live, require_root
from mlproxy.registry import load_registry

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
    from mlproxy.lab.profile import profiles_named
    from mlproxy.lab.sweep import profiles_for, sweep

    found = load_registry().get(adapter)
    profiles = profiles_named(profile or profiles_for(found))
    require_root("record")
    sweep(found, profiles, output, repeats, quick)


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
