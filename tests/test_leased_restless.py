"""A model that wavers does not move what the kernel's slots have settled."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

from tests.class_world import ClassWorld
from tests.machine import NS, Rates, reads


def _traced(workload: str, value: int) -> Rates:
    return reads(workload, value, traced=True)


def wavering(world: ClassWorld, every_s: int, *values: int) -> None:
    """Make its model promise most of one value and then of the other."""

    def score(workload: str, value: int) -> float:
        rosy = values[world.machine.now_ns // (every_s * NS) % len(values)]
        return 1.4 if value == rosy else 0.9 if value in values else 0.0

    world.machine.rates = _traced
    world.model.score = score


def test_a_model_that_changes_its_mind_does_not_move_what_slots_have_settled(
    tmp_path: Path,
) -> None:
    """It promises most of 16 and of 4 KiB in turns; 4 is better, and each is tried once."""
    world = ClassWorld(tmp_path)
    wavering(world, 20, 4, 16)
    world.run(60)
    world.device.commits.clear()
    world.run(100)
    assert {value for _, value in world.device.commits} == {4}
    assert "slots measured" in world.records("decision")[-1]["why"]


def test_a_value_is_not_left_before_slots_have_said_what_they_think_of_it(tmp_path: Path) -> None:
    """Without dwell the model would change it every 5 s: a pair takes 2 s in learning mode."""
    world = ClassWorld(tmp_path, gate={"dwell": "5s"})
    wavering(world, 5, 32, 16)
    world.run(30)
    values = [value for _, value in world.device.commits]
    assert "undecided" in {each["rule"] for each in world.records("decision")}
    assert sum(one != other for one, other in pairwise(values)) <= 3
