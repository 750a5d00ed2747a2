"""Judgements of benches on made-up rows: no device, no agent."""

from __future__ import annotations

import io
import os
import time
from typing import Any

import pytest
from rich.console import Console

from mlproxy.lab.bench import cost, grid, iosched, noharm, reaction
from mlproxy.lab.bench.cell import Cell, real_changes, static_share
from mlproxy.lab.bench.iosched import Pair
from mlproxy.lab.bench.reaction import Reaction
from mlproxy.lab.bench.report import Report
from mlproxy.lab.bench.static import Static
from mlproxy.lab.stats import RepeatRule
from mlproxy.lab.timeline import NS, KnobSample

STATIC = {"random": {4: 3e6, 128: 1e6}, "sequential": {4: 3e6, 128: 48e6, 512: 50e6}}


def report(quick: bool = False) -> Report:
    return Report("bench", quick=quick, console=Console(file=io.StringIO()))


def words(found: Report) -> list[str]:
    return [line.word for line in found.lines]


def reactions(**changed: Any) -> list[Reaction]:
    values: dict[str, Any] = {"random": 2.5e6, "sequential": 49e6, "late_s": 3.0}
    values |= {"reached_s": 2.0} | changed
    return [
        Reaction(0, "random", values["late_s"], values["reached_s"], values["random"], 1e6, 20),
        Reaction(0, "sequential", 3.0, 1.0, values["sequential"], 48e6, 10),
    ]


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, ["met", "reported", "met", "met"]),
        ({"late_s": 10.5}, ["NOT MET", "reported", "met", "met"]),
        ({"late_s": None}, ["NOT MET", "reported", "met", "met"]),
        ({"random": 1.9e6}, ["met", "reported", "NOT MET", "met"]),
        ({"sequential": 47e6}, ["met", "reported", "met", "NOT MET"]),
    ],
)
def test_reaction(changed: dict[str, Any], expected: list[str]) -> None:
    found = report()
    reaction.judge(found, reactions(**changed), STATIC)
    assert words(found) == expected


@pytest.mark.parametrize(
    ("reached_s", "word", "said"),
    [(2.0, "met", "1.5 s of 20"), (5.5, "NOT MET", "3.2 s of 20"), (None, "NOT MET", "10 never")],
)
def test_the_median_of_twenty_changes(reached_s: float | None, word: str, said: str) -> None:
    found = report()
    reaction.judge(found, reactions(reached_s=reached_s) * 10, STATIC)
    assert found.lines[1].word == word
    assert said in found.lines[1].found


def test_phases_alternate_from_random_within_their_lengths_and_follow_the_seed() -> None:
    plan = reaction.plan(reaction.FULL, 7)
    assert [pattern for pattern, _ in plan][:3] == ["random", "sequential", "random"]
    assert all(15 <= seconds <= 40 for _, seconds in plan)
    assert plan == reaction.plan(reaction.FULL, 7) != reaction.plan(reaction.FULL, 8)


def test_a_scan_may_stay_below_the_default_where_that_is_as_good() -> None:
    static = {"random": {4: 3.0, 64: 1.5, 128: 1.0}, "sequential": {4: 3, 64: 49, 128: 48, 512: 50}}
    assert reaction.right_values("random", static["random"]) == {"4", "64"}
    assert reaction.right_values("sequential", static["sequential"]) == {"64", "128", "512"}


def cell(**changed: Any) -> Cell:
    values: dict[str, Any] = {"share": 0.97, "changes": 0, "steady_s": 60.0}
    values |= changed
    return Cell("w", 128, static_share=1.0, looks=1, look_s=2.0, **values)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, ["met", "reported", "reported", "met", "reported"]),
        ({"share": 0.94}, ["NOT MET", "reported", "reported", "met", "reported"]),
        ({"changes": 2}, ["met", "reported", "reported", "met", "reported"]),
        ({"changes": 3}, ["met", "reported", "reported", "NOT MET", "reported"]),
        ({"changes": 3, "steady_s": 120.0}, ["met", "reported", "reported", "met", "reported"]),
        ({"changes": 2, "steady_s": 6.0}, ["met", "reported", "reported", "met", "reported"]),
    ],
)
def test_grid(changed: dict[str, Any], expected: list[str]) -> None:
    found = report()
    grid.judge(found, [cell(), cell(**changed)], [1.0])
    assert words(found) == expected


def test_the_best_is_chosen_on_one_half_and_measured_on_the_other() -> None:
    assert Static({4: [9.0, 1.0], 128: [2.0, 2.0]}).best == pytest.approx(2**0.5)
    assert Static({4: [9.0, 9.0], 128: [2.0, 2.0]}).best == pytest.approx(9.0)


def test_static_share_weighs_values_by_time() -> None:
    knob = [KnobSample(0, "4"), KnobSample(NS, "128")]
    assert static_share(knob, 0, 4 * NS, {4: 10.0, 128: 50.0}) == pytest.approx(0.8)


def change(time_s: float, why: str, before: int, after: int) -> dict[str, Any]:
    return {"kind": "change", "time_s": time_s, "why": why, "before": before, "after": after}


def test_looks_and_the_way_back_are_no_changes_but_what_a_look_brings_is() -> None:
    outcomes = [
        change(1, "gain", 128, 4),
        {"kind": "decision", "time_s": 2},
        change(11, "look", 4, 16),
        change(13, "gain", 16, 4),
        change(21, "look", 4, 16),
        change(23, "gain", 16, 512),
        change(30, "gain", 512, 2048),
    ]
    assert real_changes(outcomes, 10) == 2
    assert real_changes(outcomes, 0) == 3


@pytest.mark.parametrize(
    ("size", "agent_us", "agent_write", "profile", "expected"),
    [
        (iosched.FULL, 19.0, 8.6, iosched.ASKED, ["met", "met"]),
        (iosched.FULL, 21.0, 9.0, iosched.ASKED, ["NOT MET", "met"]),
        (iosched.FULL, 19.0, 8.4, iosched.ASKED, ["met", "NOT MET"]),
        (iosched.QUICK, 30.0, 8.1, iosched.ASKED, ["met", "met"]),
        (iosched.FULL, 40.0, 7.0, "disk-seek", ["reported", "reported"]),
    ],
)
def test_iosched(
    size: iosched.Size, agent_us: float, agent_write: float, profile: str, expected: list[str]
) -> None:
    found = report()
    iosched.judge(found, size, profile, [Pair(100, agent_us, 10, agent_write)] * 3)
    assert words(found) == expected


@pytest.mark.parametrize(
    ("quick", "ratios", "expected"),
    [
        (False, [1.0, 0.99, 1.01, 1.0, 1.0], "met"),
        (False, [0.9, 0.9, 0.91, 0.9, 0.9], "NOT MET"),
        (False, [0.99, 0.97, 0.96, 0.98, 0.97], "NOT MET"),
        (True, [0.9, 1.1], "met"),
        (True, [0.9, 0.9], "NOT MET"),
    ],
)
def test_noharm(quick: bool, ratios: list[float], expected: str) -> None:
    found = report(quick)
    rule = noharm.QUICK.rule if quick else RepeatRule()
    noharm.judge(found, "w", ratios, rule)
    assert words(found) == [expected]


def test_cpu_and_memory_of_a_process() -> None:
    before_s = time.process_time()
    found_s = cost.cpu_s(os.getpid())
    assert before_s <= found_s <= time.process_time()
    with pytest.raises(OSError, match="No such process"):
        cost.cpu_s(2**22 + 1)
    assert cost.resident_mb("Name:\tx\nVmRSS:\t  1000 kB\n") == pytest.approx(1.024)
    assert cost.resident_mb("") == 0.0
    assert cost.wakes("Name:\tx\nvoluntary_ctxt_switches:\t7\n") == 7
    assert cost.wakes("nonvoluntary_ctxt_switches:\t7\n") == 0
