"""Trials under the loop in virtual time: slots, looks, promotion, regress."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from mlproxy.status import read_status
from tests.machine import NS, Rates, reads
from tests.world import World


def test_until_trusted_a_change_is_taken_in_steps_with_a_dwell_between(tmp_path: Path) -> None:
    world = World(tmp_path, start="learning", trust="measured", resolution_s=0.0)
    world.run(12)
    assert set(world.values()) == {16, 128}
    world.run(30)
    assert 4 in world.values()


def test_a_proven_value_is_promoted_after_twelve_wins(tmp_path: Path) -> None:
    world = World(
        tmp_path,
        start="learning",
        trust="measured",
        resolution_s=0.0,
        trial={"slot": "250ms"},
    )
    world.run(90)
    events = world.records("trial")
    assert [(e["event"], e["mode"], e["wins"]) for e in events[:2]] == [
        ("promoted", "collaboration", 12),
        ("promoted", "recommendation", 24),
    ]
    world.stop()
    world.start()
    written = len(world.values())
    world.run(6)
    after = world.values()[written:]
    assert after[0] == 4, "trust earned is kept across restarts: it acts at once, in one step"


def test_a_harmful_value_is_taken_back_and_remembered(tmp_path: Path) -> None:
    world = World(tmp_path, start="collaboration", trust="measured", resolution_s=0.0)
    world.model.score = lambda workload, value: -float(value != 2048)
    world.run(60)
    (event,) = world.records("trial")
    assert event["event"] == "emergency"
    assert event["losses"] == 2
    assert event["remembered_s"] > 0
    assert world.value == 128
    written = len(world.values())
    world.run(60)
    assert 2048 not in world.values()[written:]


def test_without_progress_it_stays_at_learning_untested_and_says_so(tmp_path: Path) -> None:
    world = World(tmp_path, start="recommendation", trust="measured")
    world.run(120)
    world.agent.close()
    status = read_status(world.state)
    assert status is not None
    row = status.knobs[0]
    assert (row.mode, row.share, row.judged) == ("learning", 0.125, "untested")
    assert world.records("trial") == []


def test_no_window_mixes_two_settings(tmp_path: Path) -> None:
    """Every window that the adapter is asked about was spent under one settled value."""
    world = World(
        tmp_path, start="learning", trust="measured", resolution_s=0.0, trial={"slot": "1s"}
    )
    adapter = world.seats[0].adapter
    asked: list[tuple[float, float, int]] = []
    real = type(adapter).features

    def features(window, proxy, setting):  # type: ignore[no-untyped-def]
        asked.append((window.before.taken_ns, window.after.taken_ns, setting["read_ahead_kb"]))
        return real(adapter, window, proxy, setting)

    object.__setattr__(adapter, "features", features)
    world.run(120)
    writes = [(round(when_s * NS), int(text)) for when_s, _, text in world.kernel.writes]
    history = [(0, 128), *writes, (10**18, 0)]
    for first, last, value in asked:
        spans = [v for (t, v), (end, _) in pairwise(history) if t < last and end > first]
        assert spans == [value]
        since = max(t for t, _ in history if t <= first)
        assert first - since >= 0.25 * NS or since == 0


def test_no_question_mixes_the_arms(tmp_path: Path) -> None:
    """A slot often ends with the very window that asks: current and features stay of one arm."""
    world = World(tmp_path, start="collaboration", trust="measured", resolution_s=0.0)
    seen: list[tuple[int, float]] = []
    controller = world.controller
    real = controller.question

    def question(now_ns: int):  # type: ignore[no-untyped-def]
        asked = real(now_ns)
        if asked is not None:
            value = asked.views[-1].setting["read_ahead_kb"]
            seen.append((value, asked.features.read_kb_per_request))
        return asked

    object.__setattr__(controller, "question", question)
    world.model.score = lambda workload, value: -float(value != 512)
    world.machine.workload = "sequential"
    world.run(60)
    assert {value for value, _ in seen} == {128, 512}
    assert all(value == pytest.approx(size) for value, size in seen)


def test_a_look_during_a_slot_voids_it(tmp_path: Path) -> None:
    """Progress made while looking belongs to neither arm."""

    def rates(workload: str, value: int) -> Rates:
        grown = dict(reads(workload, value))
        if value == 16:
            grown["app.progress"] *= 1000
        return grown

    world = World(tmp_path, start="recommendation", trust="measured", resolution_s=0.0)
    world.machine.rates = rates
    world.run(120)
    assert world.controller.looks > 3
    ruling = world.controller.ruling
    assert ruling is not None
    gain = ruling.state.gain
    assert gain is not None
    truth = reads("random", 4)["app.progress"] / reads("random", 128)["app.progress"]
    assert gain.mean + 1 == pytest.approx(truth, rel=0.02)


def test_a_late_tick_skips_slots_without_judging_them(tmp_path: Path) -> None:
    world = World(
        tmp_path, start="collaboration", trust="measured", resolution_s=0.0, trial={"slot": "250ms"}
    )
    world.run(5)
    ruling = world.controller.ruling
    assert ruling is not None
    pairs = ruling.state.pairs
    world.machine.advance(30)
    world.agent.tick()
    assert ruling.state.pairs <= pairs + 1
    assert ruling.slot_end_ns is not None
    assert ruling.slot_end_ns > world.machine.now_ns
