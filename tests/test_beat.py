"""When windows end: on the beat, or on the way to it."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlproxy.beat import HURRY, next_beat_ns
from mlproxy.watch import NEARLY
from tests import faults
from tests.faults import READAHEAD
from tests.machine import NS
from tests.world import Physicist, World, elsewhere, make_policy, make_seat


@pytest.mark.parametrize("late_ns", [0, 1, NS // 50])
def test_on_the_beat_it_stays_there_however_long_a_tick_took(late_ns: int) -> None:
    assert next_beat_ns(7 * NS + late_ns, NS) == 8 * NS


@pytest.mark.parametrize("offset_ns", range(NS // 10, NS, NS // 10))
def test_from_anywhere_it_gets_there_and_no_window_is_too_short(offset_ns: int) -> None:
    now_ns = 5 * NS + offset_ns
    for _ in range(20):
        end_ns = next_beat_ns(now_ns, NS)
        assert NEARLY * NS < HURRY * NS <= end_ns - now_ns <= NS
        now_ns = end_ns
    assert now_ns % NS == 0


def test_proxies_that_fell_out_of_step_are_looked_at_together_again(tmp_path: Path) -> None:
    policy, model = make_policy(), Physicist()
    other = elsewhere(READAHEAD, "sdb", "8:16")
    seats = [
        make_seat(policy, model, {"read_ahead_kb": 128}, proxy=proxy)
        for proxy in (READAHEAD, other)
    ]
    world = World(tmp_path, seats=seats, model=model)
    faults.put(world.machine.root, other.knobs["read_ahead_kb"], "128")
    world.machine.workload = "idle"
    world.agent.controllers[1].due_ns += NS // 2
    world.run(20)
    samples = world.machine.samples
    world.run(20)
    assert world.machine.samples - samples == 20
