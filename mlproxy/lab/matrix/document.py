"""A matrix as it is declared in YAML: devices x loads x contenders, and how long to measure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, model_validator

from mlproxy.lab.matrix.contender import AGENT, KINDS, STATIC
from mlproxy.policy_fields import Duration, Number, Part, Percent, Whole, Word, allowed, rule

Kind = Literal["static", "tuned", "mlproxy"]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+-]{0,80}$")]


class Times(Part):
    """How long a row takes. Files are opened anew with each run of `run` seconds."""

    run_s: Duration = allowed(
        "a duration from 500ms to 1m, e.g. 1.5s", "1.5s", "run", ge=0.5, le=60
    )
    counted_s: Duration = allowed(
        "a duration from 1s to 10m, at least run, e.g. 20s", "20s", "counted", ge=1, le=600
    )
    warm_s: Duration = allowed("a duration from 0s to 10m", "2s", "warm", ge=0, le=600)
    """Of a row without an agent."""
    settle_s: Duration = allowed("a duration from 0s to 10m", "12s", "settle", ge=0, le=600)
    """Of a row with the agent, in which it sees and acts; does not count."""

    @model_validator(mode="after")
    def _in_order(self) -> Times:
        if self.counted_s < self.run_s:
            raise rule("a time to be counted that is not below run")
        return self


class NoHarm(Part):
    """When the default and the agent are run again: until the interval of their ratio is
    narrow enough, or the limit is reached."""

    floor: Percent = allowed("a percentage from 50% to 100%, e.g. 97%", "97%", ge=0.5, le=1)
    half_width: Percent = allowed("a percentage from 0.1% to 50%", "2%", ge=0.001, le=0.5)
    at_most: Whole = allowed("a whole number of repeats from 2 to 200", 40, ge=2, le=200)


class Asked(Part):
    """What the matrix fails on, by exit code; null asks nothing."""

    captured: Annotated[Number, Field(ge=0, le=1)] | None = allowed(
        "a share of the headroom from 0.0 to 1.0, or null", None
    )
    floor: Annotated[Number, Field(ge=0, le=2)] | None = allowed(
        "the least mlproxy / default of a pair, from 0.0 to 2.0, or null", None
    )


class Generated(Part):
    """Settings that are drawn from the matrix's seed, on devices that are drawn as well (a
    number), or on profiles by name, whose settings are new where no training row has them."""

    settings: Whole = allowed("a whole number from 1 to 5000", 300, ge=1, le=5000)
    devices: Annotated[int, Field(ge=1, le=500)] | tuple[Name, ...] = allowed(
        "a whole number from 1 to 500, or a list of device profiles, e.g. [ssd-dilated]", 24
    )
    splits: tuple[Literal["training", "parameters", "device", "family"], ...] = allowed(
        "a list of training, parameters, device, family; empty for all", []
    )


class Block(Part):
    """Loads on devices for one adapter; every load on every device."""

    adapter: Word = allowed("the name of an installed adapter, e.g. readahead")
    devices: tuple[Name, ...] = allowed("a list of device profiles, e.g. [ssd-dilated]", [])
    workloads: tuple[Name, ...] = allowed("a list of workloads, e.g. [mmap-random-4k]", [])
    generated: Generated | None = allowed("a mapping with settings and devices", None)
    contenders: tuple[Kind, ...] = allowed(
        f"a list of {', '.join(KINDS)}; the default runs always", [STATIC, AGENT], min_length=1
    )
    candidates: tuple[Mapping[Word, int | str], ...] = allowed(
        "a list of static settings, e.g. [{read_ahead_kb: 4}]; empty for all of the adapter's", []
    )
    times: Times | None = allowed(
        "a mapping with run, counted, warm and settle; null for the matrix's", None
    )

    @model_validator(mode="after")
    def _something(self) -> Block:
        if bool(self.devices) != bool(self.workloads):
            raise rule("devices and workloads together")
        if not self.devices and self.generated is None:
            raise rule("devices with workloads, or generated settings, or both")
        return self


class Matrix(Part):
    """The whole document."""

    api_version: Literal["mlproxy-bench/v1"] = allowed("mlproxy-bench/v1", key="apiVersion")
    name: Name = allowed("a word of letters, digits and ._+-")
    seed: Whole = allowed("a whole number from 0 to 4294967295", 1, ge=0, le=2**32 - 1)
    repeats: Whole = allowed("a whole number from 2 to 100", 5, ge=2, le=100)
    """Two at least: the best static value is chosen on one half and measured on the other."""
    times: Times = allowed("a mapping with run, counted, warm and settle", {})
    no_harm: NoHarm | None = allowed("a mapping with floor, half_width and at_most", None)
    asked: Asked = allowed("a mapping with captured and floor", {})
    blocks: tuple[Block, ...] = allowed("a list of at least one block", min_length=1)

    def times_of(self, block: Block) -> Times:
        """A block's own, or those of all."""
        return block.times or self.times
