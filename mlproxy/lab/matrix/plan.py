"""What a matrix asks to be measured: settings and rows, before anything runs."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from mlproxy.errors import LabError
from mlproxy.lab.matrix.contender import AGENT, DEFAULT, Contender
from mlproxy.lab.matrix.devices import draw_devices
from mlproxy.lab.matrix.document import Block, Generated, Matrix
from mlproxy.lab.matrix.generate import FAMILIES, Split, draw_settings
from mlproxy.lab.matrix.loads.base import Load
from mlproxy.lab.matrix.loads.catalog import load_named
from mlproxy.lab.matrix.queue_families import QUEUE_FAMILIES
from mlproxy.lab.matrix.recorded import recorded_or_new
from mlproxy.lab.matrix.setting import Setting
from mlproxy.lab.matrix.split import Splits
from mlproxy.lab.profile import Profile, profiles_named
from mlproxy.lab.runner import Row, declare
from mlproxy.registry import load_registry


@dataclass(frozen=True)
class Case:
    """What one row runs: a load on its device, beside the agent or alone.

    The device stands here in full: a row is another one when it is drawn anew under its name.
    """

    load: Load
    device: str
    kind: str
    adapter: str
    run_s: float
    split: str

    @property
    def name(self) -> str:
        return self.load.name

    @property
    def family(self) -> str:
        return self.load.family


def settings_of(block: Block, seed: int) -> list[Setting]:
    """Every setting of a block. Raises: ConfigError for a name that there is not, LabError for
    a program that is not installed."""
    named = [
        Setting(load_named(load), device)
        for device in profiles_named(block.devices)
        for load in block.workloads
    ]
    found = named + (_drawn(block.generated, block.adapter, seed) if block.generated else [])
    for setting in found:
        if why := setting.load.lacks():
            raise LabError(f"workload {setting.load.name}: {why}")
    return found


def _drawn(asked: Generated, adapter: str, seed: int) -> list[Setting]:
    subject = load_registry().get(adapter).subject
    families = QUEUE_FAMILIES if subject == "disk" else FAMILIES
    pool, split = _pool(asked.devices, seed, tuple(families))
    return draw_settings(asked.settings, pool, seed, families, split, asked.splits)


def _pool(
    devices: int | Sequence[str], seed: int, families: Sequence[str]
) -> tuple[list[Profile], Split]:
    """Devices that are drawn, of which some are held out; or known ones, on which that is new
    which was not recorded."""
    if not isinstance(devices, int):
        return profiles_named(devices), recorded_or_new
    drawn = draw_devices(devices, seed)
    return drawn, Splits.of(seed, families, [device.name for device in drawn]).of_setting


def beds_of(settings: Sequence[Setting]) -> Iterator[list[Setting]]:
    """Settings that share a test bed: files of one kind, and heads that seek or none."""

    def key(setting: Setting) -> tuple[bool, str]:
        return setting.device.rotational, setting.load.kind

    for _, group in groupby(sorted(settings, key=key), key=key):
        yield list(group)


def rows_of(
    matrix: Matrix, block: Block, setting: Setting, found: Sequence[Contender], repeats: range
) -> list[Row]:
    """The rows of a setting, shuffled within each repeat, so that what the machine does
    meanwhile hits all contenders alike."""
    times = matrix.times_of(block)
    order: dict[int, list[Row]] = {}
    for contender in found:
        case = Case(
            setting.load,
            repr(setting.device),
            contender.kind,
            block.adapter,
            times.run_s,
            setting.split,
        )
        warm_s = times.settle_s if contender.kind == AGENT else times.warm_s
        declared = declare(
            [case], [contender.arm], repeats, runtime_s=times.counted_s, ramp_s=warm_s
        )
        for row in declared:
            order.setdefault(row.repeat, []).append(row)
    shuffled = [_shuffled(rows, matrix.seed, setting.name) for rows in order.values()]
    return [row for rows in shuffled for row in rows]


def duel(found: Sequence[Contender]) -> list[Contender]:
    """The two that are run again until their ratio is known well enough."""
    return [each for each in found if each.kind in (DEFAULT, AGENT)]


def _shuffled(rows: list[Row], seed: int, name: str) -> list[Row]:
    random.Random(f"{seed}/{name}/{rows[0].repeat}").shuffle(rows)
    return rows
