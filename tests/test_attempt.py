"""What is likely but not sure is left to the kernel's own trial."""

from __future__ import annotations

from pathlib import Path

from mlproxy.mode import Mode
from tests.class_world import ClassWorld
from tests.world import World


def test_what_is_likely_but_not_sure_is_left_to_the_kernels_trial(tmp_path: Path) -> None:
    world = ClassWorld(tmp_path)
    world.model.margin = 5.0
    world.run(60)
    first = next(each for each in world.records("decision") if each["action"] == "apply")
    assert (first["rule"], first["proposed"]) == ("try", 16)
    assert "the kernel tries it" in first["reason"]
    assert world.device.trials["down"].mode > Mode.LEARNING, "measured, so it stays"
    assert world.device.recommended is not None


def test_a_wrong_attempt_costs_three_slots_and_is_followed_by_few(tmp_path: Path) -> None:
    world = ClassWorld(tmp_path)
    world.model.margin = 5.0
    world.model.score = lambda workload, value: float(value > 128)
    world.run(50)
    treated = [value for _, value in world.machine.spans if value > 128]
    attempts = {value for _, value in world.device.commits if value > 128}
    assert attempts == {512}, "the kernel's pause and the memory of it hold the others back"
    assert len(treated) <= 3 * 3, "each slot is seen in up to three pieces"
    assert world.records("trial")[0]["event"] == "emergency"


def test_a_stock_kernel_is_asked_for_no_attempt(tmp_path: Path) -> None:
    world = World(tmp_path, start="learning", trust="measured", resolution_s=0.0)
    world.model.margin = 5.0
    world.run(60)
    assert "try" not in {each["rule"] for each in world.records("decision")}
