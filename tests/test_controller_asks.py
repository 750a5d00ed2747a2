"""When a controller asks its model: a steady phase whose best value is in force, less often."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from mlproxy.change import Change
from mlproxy.controller import CONFIRM
from mlproxy.mode import Mode
from mlproxy.verdict import Verdict
from tests.machine import NS, reads
from tests.test_controller import HOLD, Bench
from tests.world import World


def asks(bench: Bench, workload: str = "random", value: int = 128) -> bool:
    """One more window; True when the model is asked about it."""
    bench.busy(1.0, value, workload)
    return bench.controller.question(bench.now_ns) is not None


def content(**policy: str) -> Bench:
    """A controller that was just told that what is in force is the best."""
    bench = Bench(**policy)
    assert [asks(bench) for _ in range(CONFIRM)] == [False, True]
    bench.controller.conclude(HOLD, bench.now_ns)
    return bench


def test_what_is_the_best_already_is_asked_about_in_every_second_window() -> None:
    bench = content()
    asked = []
    for _ in range(6):
        asked.append(asks(bench))
        if asked[-1]:
            bench.controller.conclude(HOLD, bench.now_ns)
    assert asked == [False, True, False, True, False, True]


@pytest.mark.parametrize("rule", ["gain", "min-gain", "dwell", "max-step", "out-of-range"])
def test_any_other_verdict_is_asked_about_in_every_window(rule: str) -> None:
    bench = content()
    bench.controller.conclude(Verdict("hold", rule, ""), bench.now_ns)
    assert [asks(bench) for _ in range(3)] == [True, True, True]


@pytest.mark.parametrize("skipped", [0, 1])
def test_another_phase_is_asked_about_as_soon_as_it_is_confirmed(skipped: int) -> None:
    bench = content()
    assert [asks(bench) for _ in range(skipped)] == [False] * skipped
    assert [asks(bench, "sequential") for _ in range(CONFIRM)] == [False, True]


def test_after_a_regression_it_is_asked_as_soon_as_the_phase_is_confirmed() -> None:
    bench = content()
    asks(bench)
    bench.controller.rule(None)
    assert [asks(bench) for _ in range(CONFIRM)] == [False, True]


def test_a_fresh_setting_is_asked_about_as_soon_as_it_is_confirmed() -> None:
    bench = content()
    change = Change("read_ahead_kb", 64, "gain")
    bench.controller.changed({"read_ahead_kb": 64}, change, bench.now_ns)
    bench.busy(1.5, 64)
    assert [asks(bench, value=64) for _ in range(CONFIRM)] == [False, True]


def test_slots_are_asked_about_in_successive_windows() -> None:
    bench = content()
    bench.rule(Mode.COLLABORATION, 0.0)
    assert (True, True) in pairwise([asks(bench) for _ in range(12)])


def test_a_window_that_nobody_is_asked_about_renews_what_rules() -> None:
    bench = content()
    bench.rule()
    ruling = bench.controller.ruling
    assert ruling is not None
    until_ns = ruling.lease_until_ns
    bench.busy()
    assert ruling.lease_until_ns == until_ns + NS
    bench.controller.conclude(Verdict("refuse", "out-of-range", ""), bench.now_ns)
    bench.busy()
    assert ruling.lease_until_ns == until_ns + NS


def test_a_window_of_another_phase_renews_nothing() -> None:
    bench = content()
    bench.rule()
    ruling = bench.controller.ruling
    assert ruling is not None
    bench.busy()
    until_ns = ruling.lease_until_ns
    bench.busy(workload="sequential")
    assert ruling.lease_until_ns == until_ns


def test_a_steady_minute_has_half_as_many_questions_as_windows(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.machine.rates = lambda workload, value: reads(workload, value, traced=True)
    world.run(20)
    assert world.value == 4
    batches = len(world.model.batches)
    world.run(60)
    assert len(world.model.batches) - batches == 30
    assert "lease over" not in world.whys()
