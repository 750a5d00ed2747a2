"""A policy: what an operator allows, for one subsystem on a set of devices.

These are the models; `policy_file` reads them from YAML and `policy_check` compares several.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, PrivateAttr, ValidationInfo, field_validator, model_validator

from mlproxy import units
from mlproxy.mode import Mode
from mlproxy.policy_fields import (
    Duration,
    Factor,
    Glob,
    Number,
    Part,
    Percent,
    Whole,
    Word,
    allowed,
    keys,
    rule,
)
from mlproxy.policy_objective import ObjectiveSource

BUILTIN = "builtin"
"""In place of a model's folder: the one that the adapter ships, if it does."""

Place = tuple[str | int, ...]
"""Keys and list positions from the document down: ("knobs", "read_ahead_kb", "min")."""


class Match(Part):
    """Which devices a policy claims. A name is the kernel's, a partition's or a mount's."""

    devices: tuple[Glob, ...] = allowed(
        'a list of at least one glob of kernel names or mounts, without /dev/: "nvme*", "/home"',
        ["*"],
        min_length=1,
    )
    exclude: tuple[Glob, ...] = allowed(
        'a list of globs of kernel names or mounts, without /dev/: "zram*", "ram*"', []
    )

    def selects(self, names: Iterable[str]) -> bool:
        """True when a name is wanted and none excluded: an excluded partition, mount or
        device below keeps the whole proxy out."""
        known = tuple(names)
        return _any(known, self.devices) and not _any(known, self.exclude)


class KnobPolicy(Part):
    """The part of a knob's range that may be used; an absent bound is the adapter's own."""

    min: Whole | None = allowed("a whole number from 0", None, ge=0, le=2**62)
    max: Whole | None = allowed("a whole number from 0, at least min", None, ge=0, le=2**62)
    max_step: Annotated[Factor, Field(gt=1, le=1e6)] | None = allowed(
        "a factor above 1x up to 1000000x, or null for no limit, e.g. 8x", "8x"
    )
    """Largest change in one step, as a number of times; binds until the model is trusted."""
    allow: tuple[Word, ...] | None = allowed(
        "a list of at least one word, e.g. [none, mq-deadline], and no min, max or max_step",
        None,
        min_length=1,
    )

    @field_validator("max")
    @classmethod
    def _in_order(cls, value: int | None, info: ValidationInfo) -> int | None:
        low = info.data.get("min")
        if value is not None and low is not None and value < low:
            raise rule(f"a whole number not below min, {low}")
        return value

    @model_validator(mode="after")
    def _one_kind(self) -> KnobPolicy:
        if self.allow is not None and self.model_fields_set & {"min", "max", "max_step"}:
            raise rule("either a range (min, max, max_step) or words (allow), not both")
        return self


class GatePolicy(Part):
    """When a recommendation is good enough. Fractions: 0.05 is 5%."""

    min_gain: Percent = allowed("a percentage from 0% to 1000%, e.g. 5%", "5%", le=10)
    confidence: Number = allowed("a number from 0.5 to 0.99", 0.9, ge=0.5, le=0.99)
    dwell_s: Duration = allowed("a duration from 0s to 24h, e.g. 10s", "10s", "dwell", le=86400)
    out_of_range: Literal["refuse", "hold"] = allowed("refuse or hold", "refuse")
    max_memory_pressure: Annotated[Percent, Field(le=1)] | None = allowed(
        "a percentage from 0% to 100% (PSI memory, some)", None
    )
    max_io_pressure: Annotated[Percent, Field(le=1)] | None = allowed(
        "a percentage from 0% to 100% (PSI io, some)", None
    )


class TrialPolicy(Part):
    """How paired slots are cut; without `slot` the adapter's settling time decides."""

    slot_s: Annotated[Duration, Field(ge=0.1, le=3600)] | None = allowed(
        "a duration from 100ms to 1h, e.g. 250ms", None, "slot"
    )
    seed: Whole = allowed("a whole number from 0 to 4294967295", 0, ge=0, le=2**32 - 1)


class LookPolicy(Part):
    """How often the agent looks again from a value that hides what the workload is."""

    every_s: Duration = allowed("a duration from 1s to 24h, e.g. 6s", "6s", "every", ge=1, le=86400)


@dataclass(frozen=True)
class Origin:
    """Where a policy was read: the file, and the line of each of its values."""

    path: Path
    line: int = 1
    lines: Mapping[Place, int] = field(default_factory=dict)


class Policy(Part):
    """One subsystem's policy; keys as in YAML, times in seconds inside."""

    api_version: Literal["mlproxy/v1"] = allowed("mlproxy/v1", key="apiVersion")
    adapter: Word = allowed("the name of an installed adapter, e.g. readahead")
    match: Match = allowed("a mapping with devices and exclude", {})
    mode: Mode = allowed(f"the ceiling, one of {', '.join(Mode)}", "recommendation")
    start: Mode = allowed(f"one of {', '.join(Mode)}, not above mode", "learning")
    trust: Literal["measured", "model"] = allowed("measured or model", "measured")
    interval_s: Duration = allowed(
        "a duration from 100ms to 1h, e.g. 1s", "1s", "interval", ge=0.1, le=3600
    )
    lease_s: Duration = allowed(
        "a duration from 200ms to 24h, at least twice the interval, e.g. 10s",
        "10s",
        "lease",
        ge=0.2,
        le=86400,
    )
    model: str = allowed(
        "builtin, or the absolute path of a model's folder",
        BUILTIN,
        pattern=r"^(builtin|/[^\x00]+)$",
    )
    knobs: Mapping[Word, KnobPolicy] = allowed(
        "a mapping of at least one knob to {min, max, max_step} or {allow}", min_length=1
    )
    gate: GatePolicy = allowed(f"a mapping with {', '.join(keys(GatePolicy))}", {})
    trial: TrialPolicy = allowed("a mapping with slot and seed", {})
    look: LookPolicy = allowed("a mapping with every", {})
    objective: ObjectiveSource | None = allowed(
        "a mapping with exactly one of file, command, prometheus, cgroup, kernel", None
    )
    max_drain_s: Annotated[Duration, Field(ge=0.1, le=3600)] | None = allowed(
        "a duration from 100ms to 1h, e.g. 5s, for an adapter that bounds a backlog",
        None,
        "max_drain",
    )
    """What is dirty may take so long to write back."""
    explore: Annotated[Percent, Field(le=0.5)] = allowed(
        "a percentage from 0% to 50%, e.g. 2%: proposals in learning mode that are drawn from all "
        "safe candidates, to learn from them",
        "2%",
    )
    guards: Mapping[Word, Annotated[Number, Field(ge=0, le=1)]] = allowed(
        "a mapping of the adapter's guarded metrics to floors from 0.0 to 1.0, e.g. {written: 0.9}",
        {},
    )
    on_regression: Literal["revert"] = allowed("revert", "revert")
    on_exit: Literal["revert", "keep"] = allowed("revert or keep", "revert")

    _origin: Origin | None = PrivateAttr(None)

    @field_validator("start")
    @classmethod
    def _below_ceiling(cls, value: Mode, info: ValidationInfo) -> Mode:
        ceiling = info.data.get("mode", Mode.RECOMMENDATION)
        if value > ceiling:
            lower = ", ".join(mode for mode in Mode if mode <= ceiling)
            raise rule(f"{lower} (mode is {ceiling})")
        return value

    @field_validator("lease_s")
    @classmethod
    def _outlives_ticks(cls, value: float, info: ValidationInfo) -> float:
        shortest = 2 * info.data.get("interval_s", 0.0)
        if value < shortest:
            raise rule(f"at least twice the interval, {units.format_duration(shortest)}")
        return value

    @property
    def source(self) -> Path | None:
        """The file it was read from; None when it was made in a program."""
        return self._origin.path if self._origin else None

    @property
    def line(self) -> int:
        """The line on which its document starts; 1 when it was made in a program."""
        return self._origin.line if self._origin else 1

    def read_from(self, origin: Origin) -> Policy:
        """The same policy, knowing where it was read."""
        copy = self.model_copy()
        copy._origin = origin
        return copy

    def where(self, *place: str | int) -> str:
        """`file:line` of a value, or of what encloses it."""
        if self._origin is None:
            return "policy"
        lines = self._origin.lines
        inward = (place[:length] for length in range(len(place), 0, -1))
        line = next((lines[part] for part in inward if part in lines), self._origin.line)
        return f"{self._origin.path}:{line}"


def policy_schema() -> dict[str, Any]:
    """JSON schema of one policy document, for editors and the reference."""
    return Policy.model_json_schema(by_alias=True)


def _any(names: Iterable[str], globs: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name, glob) for name in names for glob in globs)
