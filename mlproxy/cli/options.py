"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlproxy.errors import ConfigError
from mlproxy.units import parse_duration_s

LIVE = Path("/")


def duration_s(text: str | float) -> float:
    """Seconds of "10s" or "10m"; a usage error says what is allowed."""
    if isinstance(text, float):
        return text
    try:
        seconds = parse_duration_s(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    if seconds <= 0:
        raise typer.BadParameter(f"{text!r} is no time at all; give at least 1ms")
    return seconds


def names_of(text: str | None, option: str = "--devices") -> tuple[str, ...]:
    """Names of "sda,nvme0n1"; none where the option was left out. Raises: ConfigError."""
    if text is None:
        return ()
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    if not names:
        raise ConfigError(f"{option} {text!r} names nothing; give NAME,... or leave {option} out")
    return names


AdapterName = Annotated[str, typer.Argument(metavar="ADAPTER", help="An installed adapter.")]
Rows = Annotated[
    list[Path],
    typer.Argument(
        metavar="ROWS...", help="Files that `record` or `convert` made.", readable=False
    ),
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Same rows and seed, same model.")]
Root = Annotated[
    Path,
    typer.Option(
        "--root",
        metavar="DIR",
        help="Read this recorded tree instead of the live machine; implies a dry run.",
        readable=False,
    ),
]
State = Annotated[
    Path | None,
    typer.Option(
        "--state",
        metavar="DIR",
        help="State folder.",
        readable=False,
        show_default="$MLPROXY_STATE, else /var/lib/mlproxy for root, else ~/.local/state/mlproxy",
    ),
]
Configs = Annotated[
    list[Path] | None,
    typer.Option(
        "-c",
        "--config",
        metavar="FILE",
        help="A policy file; may be repeated.",
        readable=False,
        show_default="each adapter's own policy",
    ),
]
Devices = Annotated[
    str | None,
    typer.Option(
        "--devices",
        metavar="NAME,...",
        help="Exactly these devices, mounts or proxies, whatever the policies match.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON (docs/json.md) instead.")]
For = Annotated[
    float | None,
    typer.Option(
        "--for", metavar="DURATION", parser=duration_s, help="For this long, e.g. 30s or 10m."
    ),
]
