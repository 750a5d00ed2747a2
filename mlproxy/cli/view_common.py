"""Pieces that several views share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rich.console import Console

from mlproxy.cli.console import line
from mlproxy.units import format_gain

UNKNOWN = "-"


def text(value: object) -> str:
    """A value for people; "-" where there is none."""
    return UNKNOWN if value is None or value == "" else str(value)


def gain_text(gain: float | None, lower: float | None) -> str:
    """A gain and its lower bound: +41.0 % (+12.0 %)."""
    if gain is None:
        return UNKNOWN
    least = "" if lower is None else f" ({format_gain(lower)})"
    return f"{format_gain(gain)}{least}"


def with_transport(adapter: str, transport: str) -> str:
    """An adapter's name, and how it is reached where that is not the ordinary way."""
    return adapter if transport == "stock" else f"{adapter} ({transport})"


def show_notes(console: Console, notes: Mapping[str, str], used: Iterable[str]) -> None:
    """What the adapters in use say in every output."""
    for name in sorted(set(used)):
        if notes.get(name):
            line(console, f"{name}: {notes[name]}")


def show_lacks(console: Console, lacks: Iterable[tuple[str, Iterable[str]]]) -> None:
    """What is lacking, each once, with the devices that lack it."""
    devices: dict[str, list[str]] = {}
    for device, missing in lacks:
        for each in missing:
            names = devices.setdefault(each, [])
            if device not in names:
                names.append(device)
    if devices:
        line(console)
        line(console, "What cannot be had here:")
    for what, names in devices.items():
        line(console, f"  {what} ({', '.join(names)})")
