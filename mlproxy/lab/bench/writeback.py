"""Dirty data on a slow device, with the agent and without, in parts (--only NAME,...).

stream: how long `sync` takes after a writer that never stops, what another's fsync waits for,
    what the device writes; host: the same under the host's own dirty threshold, once.
onset: how soon a limit comes, how long one write takes meanwhile, how soon it is gone.
bursts, fast: who needs no limit. neighbour: a fast device beside the slow one.
curve: a run at each of some limits, for a plot; not among the parts unless it is named.
"""

from __future__ import annotations

from collections.abc import Callable

from mlproxy.errors import ConfigError
from mlproxy.lab.bench import (
    writeback_bursts,
    writeback_curve,
    writeback_neighbour,
    writeback_onset,
    writeback_stream,
)
from mlproxy.lab.bench.report import Report
from mlproxy.lab.bench.setup import Setup
from mlproxy.lab.bench.writeback_place import FULL, QUICK, Size

Part = Callable[[Report, Setup, Size], None]


def _stream(report: Report, setup: Setup, size: Size) -> None:
    writeback_stream.run(report, setup, size, size.stream_threshold_s)


def _host(report: Report, setup: Setup, size: Size) -> None:
    writeback_stream.run(report, setup, size, None)


PARTS: dict[str, Part] = {
    "stream": _stream,
    "onset": writeback_onset.run,
    "bursts": writeback_bursts.run,
    "fast": writeback_bursts.run_fast,
    "neighbour": writeback_neighbour.run,
    "host": _host,
    "curve": writeback_curve.run,
}
LONG = ("host", "curve")
"""Parts that run only by name: many minutes of one kind of run."""


def run(report: Report, setup: Setup) -> None:
    """The parts that are named, or all but the long ones. Raises: ConfigError."""
    names = setup.only or tuple(name for name in PARTS if name not in LONG)
    unknown = [name for name in names if name not in PARTS]
    if unknown:
        raise ConfigError(f"unknown part {unknown[0]!r} of writeback; there are {', '.join(PARTS)}")
    for name in names:
        PARTS[name](report, setup, QUICK if setup.quick else FULL)
