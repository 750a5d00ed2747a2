"""The controller of one seat, asked step by step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from mlproxy.change import Change
from mlproxy.controller import CONFIRM, Controller
from mlproxy.dwell import onward, phase_changed, since_change_s
from mlproxy.look import IDLE_WINDOWS, MOST_WINDOWS
from mlproxy.mode import Mode
from mlproxy.ruling import open_ruling
from mlproxy.snapshot import Sample
from mlproxy.trial import TrialState
from mlproxy.verdict import Verdict
from tests.machine import NS, reads
from tests.test_judgement import REC, answer
from tests.world import Physicist, make_policy, make_seat

HOLD = Verdict("hold", "no-change", "")


class Bench:
    """A controller, a clock and counters."""

    def __init__(self, baseline: int = 128, **policy: Any) -> None:
        self.now_ns = 100 * NS
        self.counters: dict[str, float] = dict.fromkeys(reads("random", 128), 0.0)
        seat = make_seat(make_policy(**policy), Physicist(), {"read_ahead_kb": baseline})
        self.controller = Controller(seat, None, self.now_ns)
        self.observe()

    def observe(self) -> None:
        self.controller.observe(Sample(self.now_ns, dict(self.counters)), self.now_ns)

    def step(self, seconds: float, rates: Mapping[str, float]) -> None:
        for name, rate in rates.items():
            self.counters[name] = self.counters.get(name, 0.0) + rate * seconds
        self.now_ns += round(seconds * NS)
        self.observe()

    def busy(self, seconds: float = 1.0, value: int = 128, workload: str = "random") -> None:
        self.step(seconds, reads(workload, value))

    def rule(self, mode: Mode = Mode.RECOMMENDATION, resolution_s: float | None = None) -> None:
        seat = self.controller.seat
        self.controller.rule(
            open_ruling(
                REC,
                {"read_ahead_kb": 4},
                seat.policy,
                seat.adapter.objective,
                TrialState(mode=mode),
                seat.knobs[0],
                resolution_s,
                self.now_ns,
            )
        )

    def obey(self) -> Change | None:
        change = self.controller.wanted(self.now_ns, False)
        if change is not None:
            self.controller.changed({change.knob: change.value}, change, self.now_ns)
        return change


def test_nothing_is_asked_before_a_phase_was_seen_twice_and_once_per_window() -> None:
    bench = Bench()
    for _ in range(CONFIRM - 1):
        bench.busy()
        assert bench.controller.question(bench.now_ns) is None
    bench.busy()
    asked = bench.controller.question(bench.now_ns)
    assert asked is not None
    assert (asked.views[-1].setting, asked.held) == ({"read_ahead_kb": 128}, {"read_ahead_kb": 128})
    assert bench.controller.question(bench.now_ns) is None


def test_a_sample_before_the_interval_is_over_makes_no_window() -> None:
    bench = Bench()
    for _ in range(8):
        bench.busy(0.1)
    assert bench.controller.watch.seen_ns == 100 * NS
    bench.busy(0.1)
    assert bench.controller.watch.seen_ns == bench.now_ns


def test_what_is_seen_while_a_change_settles_is_not_counted() -> None:
    bench = Bench()
    bench.rule()
    assert bench.obey() == Change("read_ahead_kb", 4, "gain")
    seen_ns = bench.controller.watch.seen_ns
    bench.busy(1.4)
    bench.busy(0.2)
    bench.busy(0.8)
    assert bench.controller.watch.seen_ns == seen_ns
    bench.busy(0.2, 4)
    assert bench.controller.watch.seen_ns == bench.now_ns


def test_an_idle_window_forgets_and_is_said() -> None:
    bench = Bench()
    bench.busy()
    bench.step(1, reads("idle", 128))
    bench.busy()
    assert bench.controller.question(bench.now_ns) is None
    assert bench.controller.verdict.rule == "idle"


def test_a_look_is_given_up_where_nothing_is_read() -> None:
    bench = Bench(baseline=4)
    bench.busy(value=4)
    assert bench.controller.look is not None
    bench.obey()
    bench.busy(1.5, 16)
    for _ in range(IDLE_WINDOWS + 1):
        assert bench.controller.look is not None
        bench.step(0.5, reads("idle", 16))
    assert bench.controller.look is None
    assert bench.controller.looks == 1
    assert bench.obey() == Change("read_ahead_kb", 4, "look")


def test_a_look_whose_windows_contradict_each_other_ends() -> None:
    bench = Bench(baseline=4)
    bench.busy(value=4)
    bench.obey()
    bench.busy(1.5, 16)
    for number in range(MOST_WINDOWS + 1):
        assert bench.controller.look is not None
        bench.busy(0.5, 16, ("random", "sequential")[number % 2])
        assert bench.controller.question(bench.now_ns) is None
    assert bench.controller.look is None


def test_a_decision_ends_the_look_and_the_next_waits() -> None:
    bench = Bench(baseline=4, look={"every": "6s"})
    bench.busy(value=4)
    bench.obey()
    bench.busy(1.5, 16)
    bench.busy(0.5, 16)
    bench.busy(0.5, 16)
    asked = bench.controller.question(bench.now_ns)
    assert asked is not None
    assert (asked.views[-1].setting, asked.held) == ({"read_ahead_kb": 16}, {"read_ahead_kb": 4})
    bench.controller.conclude(HOLD, bench.now_ns)
    assert bench.obey() == Change("read_ahead_kb", 4, "look")
    bench.busy(1.5, 4)
    for _ in range(4):
        bench.busy(1, 4)
        assert bench.controller.look is None
    bench.busy(1, 4)
    assert bench.controller.look is not None


def test_a_held_verdict_renews_and_a_refusal_does_not() -> None:
    bench = Bench()
    bench.rule()
    ruling = bench.controller.ruling
    assert ruling is not None
    until_ns = ruling.lease_until_ns
    bench.controller.conclude(Verdict("refuse", "min-gain", ""), bench.now_ns + NS)
    assert ruling.lease_until_ns == until_ns
    bench.controller.conclude(HOLD, bench.now_ns + NS)
    assert ruling.lease_until_ns == until_ns + NS


def test_a_lapsed_lease_wants_the_baseline() -> None:
    bench = Bench()
    bench.rule()
    bench.obey()
    bench.now_ns += 20 * NS
    assert bench.obey() == Change("read_ahead_kb", 128, "lease over")
    assert bench.controller.ruling is None


def test_paused_wants_the_baseline_and_a_look_is_dropped() -> None:
    bench = Bench()
    bench.rule()
    bench.obey()
    change = bench.controller.wanted(bench.now_ns, True)
    assert change == Change("read_ahead_kb", 128, "paused")


def test_who_stood_down_wants_nothing() -> None:
    bench = Bench()
    bench.rule()
    bench.controller.stand_down("theirs")
    assert bench.obey() is None
    assert bench.controller.ruling is None


def test_the_dwell_counts_from_a_change_or_a_new_ruling_and_not_from_slots() -> None:
    bench = Bench()
    assert since_change_s(bench.controller, bench.now_ns) == float("inf")
    bench.rule(Mode.COLLABORATION, 0.0)
    begun_ns = bench.now_ns
    for _ in range(100):
        bench.now_ns += NS // 4
        bench.observe()
        bench.obey()
    assert since_change_s(bench.controller, bench.now_ns) == 25.0
    assert bench.controller.changed_ns == begun_ns


def test_only_a_phase_after_the_change_ends_the_dwell() -> None:
    bench = Bench()
    assert not phase_changed(bench.controller, REC)
    bench.controller.changed_ns = bench.controller.watch.phase_ns
    assert not phase_changed(bench.controller, REC)
    for _ in range(3):
        bench.busy()
    bench.busy(1, 128, "sequential")
    assert phase_changed(bench.controller, REC)


@pytest.mark.parametrize(
    ("current", "proposed", "goes_on"),
    [(4, 1, True), (4, 64, False), (4, 4, False), (64, 4, False)],
)
def test_onward_is_the_direction_of_the_last_change_from_where_it_led(
    current: int, proposed: int, goes_on: bool
) -> None:
    bench = Bench()
    further = replace(REC, current=current, proposed=proposed)
    assert not onward(bench.controller, further)
    bench.rule()
    assert onward(bench.controller, further) is goes_on


def test_a_look_takes_the_running_slot_out_of_the_count() -> None:
    bench = Bench()
    bench.rule(Mode.COLLABORATION, 0.0)
    ruling = bench.controller.ruling
    assert ruling is not None
    ruling._counted_from = (bench.now_ns, {"progress": 1.0})
    bench.controller.doubt(answer(), Verdict("refuse", "min-gain", ""), bench.now_ns)
    assert bench.controller.look is not None
    assert ruling._counted_from is None


def test_the_next_moment_is_never_now() -> None:
    bench = Bench()
    bench.rule(Mode.COLLABORATION, 0.0)
    for _ in range(200):
        bench.obey()
        bench.controller.schedule(bench.now_ns)
        assert bench.controller.due_ns > bench.now_ns
        assert bench.controller.due_ns <= bench.now_ns + 2 * NS
        bench.busy((bench.controller.due_ns - bench.now_ns) / NS)
