"""A trusted value that is new to its phase is checked by one pair of slots: the agent in
virtual time."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

from mlproxy.ruling import Ruling
from tests.machine import NS
from tests.world import World

SLOT_S = 2.0
"""Four thirds of the 1.5 s in which files are opened anew: readahead on a stock kernel."""


def trusting(folder: Path, **policy: Any) -> World:
    """An agent whose trust was earned, beside an application that tells how fast it is."""
    rules = {"start": "recommendation", "trust": "measured", "resolution_s": 0.0}
    return World(folder, **{**rules, **policy})


def spans(world: World, since_s: float = 0.0) -> list[tuple[int, float]]:
    """Each value that was in force from a moment on, and for how many seconds."""
    moments = [(when_s, int(text)) for when_s, _, text in world.kernel.writes if when_s >= since_s]
    ends = [*moments, (world.machine.now_ns / NS, 0)]
    return [(value, end_s - start_s) for (start_s, value), (end_s, _) in pairwise(ends)]


def record(world: World) -> list[tuple[int, bool]]:
    """Each value that begins to rule from now on, and whether it is checked first."""
    opened: list[tuple[int, bool]] = []
    real = world.controller.rule

    def rule(ruling: Ruling | None) -> None:
        if ruling is not None:
            opened.append((int(ruling.treated["read_ahead_kb"]), ruling.checking))
        real(ruling)

    object.__setattr__(world.controller, "rule", rule)
    return opened


def test_a_sound_value_rules_after_one_short_pair(tmp_path: Path) -> None:
    world = trusting(tmp_path)
    world.model.score = lambda workload, value: -float(value != 32)
    world.run(4)
    ruling = world.controller.ruling
    assert ruling is not None
    assert (ruling.checking, ruling.share, ruling.plan.slot_s) == (True, 0.5, SLOT_S)
    world.run(2 * SLOT_S)
    assert world.controller.ruling is ruling
    assert (ruling.checking, ruling.passed, ruling.share) == (False, True, 7 / 8)
    world.run(60)
    assert ruling.state.losses == 0
    assert {value for value, _ in spans(world)} == {32, 128}


def test_a_value_that_loses_its_check_is_taken_back_and_remembered(tmp_path: Path) -> None:
    world = trusting(tmp_path)
    world.model.score = lambda workload, value: -float(value != 512)
    world.run(60)
    (event,) = world.records("trial")
    assert (event["event"], event["losses"], event["wins"]) == ("emergency", 1, 0)
    assert event["remembered_s"] == 600
    held_s = [seconds for value, seconds in spans(world) if value == 512]
    assert len(held_s) == 1, "one slot, and never again"
    assert held_s[0] < SLOT_S + 0.1
    assert (world.value, world.controller.ruling) == (128, None)
    assert world.controller.verdict.rule == "regression"


def test_each_phase_is_checked_once(tmp_path: Path) -> None:
    world = trusting(tmp_path)
    world.model.score = lambda workload, value: (
        -float(value != {"random": 32, "sequential": 512}[workload])
    )
    opened = record(world)
    world.run(40)
    world.machine.workload = "sequential"
    world.run(40)
    world.machine.workload = "random"
    world.run(40)
    assert opened == [(32, True), (512, True), (32, True)]


def test_within_a_phase_it_is_checked_once_and_after_idleness_again(tmp_path: Path) -> None:
    world = trusting(tmp_path)
    world.model.score = lambda workload, value: -float(value != 32)
    opened = record(world)
    for strange, workload in ((0, "random"), (2, "random"), (0, "random"), (0, "idle")):
        world.model.domain.strange, world.machine.workload = strange, workload
        world.run(30)
        assert (world.controller.ruling is None) is bool(strange or workload == "idle")
    world.machine.workload = "random"
    world.run(30)
    assert opened == [(32, True), (32, False), (32, True)]


def test_without_a_progress_source_nothing_is_checked(tmp_path: Path) -> None:
    world = trusting(tmp_path, trust="model", resolution_s=None)
    world.model.score = lambda workload, value: -float(value != 32)
    world.run(60)
    assert world.values() == [32]
