"""`mlproxy adapters`: what is installed; `adapters new`: a working skeleton."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlproxy.adapter import Adapter
from mlproxy.cli.console import emit
from mlproxy.cli.options import AsJson
from mlproxy.cli.schema import AdaptersReport, ListedAdapter
from mlproxy.cli.train import model_facts
from mlproxy.cli.view_adapters import show_adapters
from mlproxy.errors import ConfigError, ModelError
from mlproxy.registry import load_registry

adapters_app = typer.Typer()

Name = Annotated[str, typer.Argument(help="Of the new adapter: small letters, digits, _.")]
Folder = Annotated[
    Path | None,
    typer.Option("--folder", metavar="DIR", help="Where.", show_default="mlproxy-NAME"),
]
KnobPath = Annotated[
    str,
    typer.Option("--knob", metavar="PATH", help="File with one integer, relative to the object."),
]
SubjectName = Annotated[
    str,
    typer.Option("--subject", help="The object: disk (/sys/block/*) or bdi (/sys/class/bdi/*)."),
]

Minimum = Annotated[
    int | None,
    typer.Option("--min", help="Smallest value.", show_default="the kernel's, if known"),
]
Maximum = Annotated[
    int | None,
    typer.Option("--max", help="Largest value.", show_default="the kernel's, if known"),
]


@adapters_app.callback(invoke_without_command=True)
def adapters(context: typer.Context, as_json: AsJson = False) -> None:
    """List the installed adapters with their models, and why one is broken; or start one.

    Example: mlproxy adapters
    """
    if context.invoked_subcommand is None:
        emit(adapters_report(), as_json, show_adapters)


@adapters_app.command()
def new(
    name: Name,
    folder: Folder = None,
    knob: KnobPath = "queue/nomerges",
    subject: SubjectName = "disk",
    minimum: Minimum = None,
    maximum: Maximum = None,
) -> None:
    """Write a package with a working adapter for one knob, to be changed from there.

    Example: mlproxy adapters new merges --knob queue/nomerges
    """
    from mlproxy.cli.skeleton import Skeleton, known_range, write_skeleton

    low, high = known_range(knob) or (minimum, maximum)
    low = low if minimum is None else minimum
    high = high if maximum is None else maximum
    if low is None or high is None:
        raise ConfigError(f"what may {knob} hold? give --min and --max")
    target = folder or Path(f"mlproxy-{name.replace('_', '-')}")
    for path in write_skeleton(Skeleton(name, knob, subject, low, high), target):
        print(path)
    print(f"next: pip install -e {target} && mlproxy adapters; then read {target}/README.md")


def adapters_report() -> AdaptersReport:
    """Every adapter of this environment."""
    registry = load_registry()
    listed = (_listed(adapter) for _, adapter in sorted(registry.adapters.items()))
    return AdaptersReport(adapters=tuple(listed), broken=dict(registry.broken))


def _listed(adapter: Adapter) -> ListedAdapter:
    from mlproxy.manifest import load_manifest

    model, lacks = None, ""
    try:
        model = model_facts(load_manifest(adapter.home() / "model", adapter))
    except ModelError as error:
        lacks = str(error)
    return ListedAdapter(
        name=adapter.name,
        version=adapter.version,
        package=type(adapter).__module__.partition(".")[0],
        subject=adapter.subject,
        knobs=tuple(knob.name for knob in adapter.knobs),
        features=adapter.schema.names(),
        note=adapter.note,
        model=model,
        model_lacks=lacks,
    )
