"""A refusal of the gate is overruled by nothing: what it refuses ends with its lease."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.backlog_machine import WHOLE, BacklogWorld
from tests.machine import NS
from tests.world import World


@pytest.mark.parametrize("lease_s", [10, 60])
def test_winning_slots_do_not_renew_what_is_refused(tmp_path: Path, lease_s: int) -> None:
    world = World(
        tmp_path,
        resolution_s=0.1,
        trust="measured",
        lease=f"{lease_s}s",
        trial={"slot": "500ms"},
    )
    world.run(25)
    assert world.controller.ruling is not None
    world.model.domain.strange = 5.0
    world.run(lease_s + 20)
    assert world.controller.verdict.rule == "out-of-range"
    assert world.controller.ruling is None
    assert world.value in (128, 16), "the baseline, or a look"


def test_steps_do_not_renew_what_is_refused(tmp_path: Path) -> None:
    world = BacklogWorld(tmp_path)
    world.machine.workload = "stream"
    world.run(12)
    ruling = world.controller.ruling
    assert ruling is not None
    assert world.machine.value() > ruling.treated["max_ratio_fine"], "still on its way"  # type: ignore[operator]
    world.judge.domain.strange = 5.0
    asked_ns = world.machine.now_ns
    while world.controller.ruling is not None:
        world.run(0.5)
        assert world.machine.now_ns - asked_ns < 20 * NS
    world.run(5)
    assert world.machine.value() == WHOLE
