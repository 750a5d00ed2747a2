"""Who rewrites a knob is counted where a value of ours was rewritten, and then left alone."""

from __future__ import annotations

from pathlib import Path

from mlproxy.mode import Mode
from mlproxy.trust import Key, Trust, identity_key
from tests.faults import READAHEAD
from tests.world import World

KNOB = (identity_key(READAHEAD), "read_ahead_kb")


def test_a_knob_that_was_never_written_is_not_contested(tmp_path: Path) -> None:
    world = World(tmp_path, mode="emergency", start="emergency")
    world.run(3)
    world.machine.admin("256")
    world.run(3)
    assert "is 256, we left 128" in world.controller.stood_down
    assert world.trust.overrides(*KNOB) == 0


def test_a_value_of_ours_that_is_rewritten_counts(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.run(10)
    world.machine.admin("256")
    world.run(3)
    assert world.trust.overrides(*KNOB) == 1


def test_a_contested_knob_is_not_even_looked_at(tmp_path: Path) -> None:
    world = World(tmp_path, baseline=4)
    for _ in range(3):
        world.trust.overridden(*KNOB)
    world.run(60)
    assert world.values() == []


def test_who_observes_uses_nothing_that_was_earned_before(tmp_path: Path) -> None:
    world = World(tmp_path, start="emergency", trust="measured", resolution_s=0.1)
    key = Key(KNOB[0], world.model.digest, KNOB[1], "down")
    world.trust.put(key, Trust(mode=Mode.RECOMMENDATION, k=1))
    world.run(30)
    assert world.controller.verdict.rule == "emergency"
    assert world.values() == []
