"""Progress sources: what tells how fast the application gets on.

Without one a trial on a stock kernel judges nothing. Signals that look like progress and
choose the wrong arm are refused by name, with the reason.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from mlproxy.errors import ConfigError
from mlproxy.objective import Objective
from mlproxy.policy_objective import ObjectiveSource
from mlproxy.progress_cgroup import CgroupProgress
from mlproxy.progress_polled import command_progress, prometheus_progress
from mlproxy.refused import SIGNALS, refusal
from mlproxy.snapshot import Sample
from mlproxy.tree import Tree

LONGEST_NUMBER = 64
"""Characters; a longer text is no number, and is not read whole to learn that."""


class ProgressSource(Protocol):
    """A number that grows as the application gets on."""

    @property
    def name(self) -> str:
        """What is read, for people."""

    @property
    def resolution_s(self) -> float:
        """How old a reading may be; slots and washout are made long enough for it."""

    def read(self) -> float | None:
        """The number now; None when it cannot be had. Returns at once."""

    def close(self) -> None:
        """Stop whatever reads in the background."""


@dataclass(frozen=True)
class FileProgress:
    """A file that holds one number; it may be replaced whole at any time.

    Opened anew each time, without waiting: a pipe in its place gives None.
    """

    path: Path
    resolution_s: float = 0.0

    @property
    def name(self) -> str:
        return f"file {self.path}"

    def read(self) -> float | None:
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            text = os.read(descriptor, LONGEST_NUMBER + 1)
            return parse_number(text) if len(text) <= LONGEST_NUMBER else None
        except OSError:
            return None
        finally:
            os.close(descriptor)

    def close(self) -> None:
        """Nothing is kept open."""


@dataclass
class SampleProgress:
    """An attribute of the proxy's own sample, where that is true progress."""

    attribute: str
    resolution_s: float = 0.0
    _value: float | None = None

    @property
    def name(self) -> str:
        return f"counter {self.attribute}"

    def update(self, sample: Sample) -> None:
        """Take the attribute from the newest sample."""
        self._value = sample.values.get(self.attribute)

    def read(self) -> float | None:
        return self._value

    def close(self) -> None:
        """Nothing is kept open."""


def open_progress(
    source: ObjectiveSource | None, objective: Objective, tree: Tree
) -> ProgressSource | None:
    """The progress source of a policy, or what the adapter knows to be progress.

    None where there is none (a trial is then `untested`), for `kernel: true` (the kernel's
    own trial judges) and where a recorded tree cannot run or ask the live machine.

    Raises:
        ConfigError: the signal is one that the adapter's objective refuses.
    """
    if source is None:
        return _stock_progress(objective)
    why = refusal(source, objective)
    if why:
        raise ConfigError(f"objective {why}")
    if source.file is not None:
        return FileProgress(tree.base / source.file.lstrip("/"))
    if source.cgroup is not None:
        return CgroupProgress(source.cgroup, tree)
    if source.command is not None and tree.live:
        return command_progress(source.command)
    if source.prometheus is not None and tree.live:
        return prometheus_progress(source.prometheus.url, source.prometheus.metric)
    return None


def parse_number(text: bytes) -> float | None:
    """The one finite number that a file holds; None for anything else."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _stock_progress(objective: Objective) -> SampleProgress | None:
    attribute = objective.stock_progress
    for kind in objective.refused:
        if attribute and kind in SIGNALS and attribute.startswith(SIGNALS[kind].attributes):
            raise ConfigError(f"progress {attribute} is refused: {SIGNALS[kind].why}")
    return SampleProgress(attribute) if attribute else None
