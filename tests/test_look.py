"""Looks: from where, and when a doubt is worth one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mlproxy.decide import Answer, Prediction
from mlproxy.look import DOUBT_AGAIN_S, blind_knob, doubtful
from mlproxy.verdict import Verdict
from tests.machine import NS
from tests.test_controller import HOLD, Bench
from tests.test_judgement import answer


@pytest.mark.parametrize(
    ("limits", "looks"), [({"min": 4}, True), ({"min": 4, "max": 8}, False), ({"min": 32}, False)]
)
def test_a_look_stays_within_the_policys_range(limits: dict[str, int], looks: bool) -> None:
    bench = Bench(baseline=4, knobs={"read_ahead_kb": limits})
    assert (blind_knob(bench.controller.seat, {"read_ahead_kb": 4}) is not None) is looks
    bench.busy(value=4)
    assert (bench.controller.look is not None) is looks


UNSURE = Verdict("refuse", "min-gain", "")


def look(bench: Bench, after_s: float = 0.0) -> object:
    """The value that a doubt looks from; the look is over again when this returns."""
    bench.now_ns += round(after_s * NS)
    bench.controller.doubt(answer(values=(512,)), UNSURE, bench.now_ns)
    if bench.controller.look is None:
        return None
    value = bench.controller.look.value
    bench.obey()
    for _ in range(4):
        bench.busy(value=value)
    assert bench.controller.question(bench.now_ns) is not None
    bench.controller.conclude(HOLD, bench.now_ns)
    bench.obey()
    return value


def test_doubt_needs_a_verdict_that_leaves_something_to_find_out() -> None:
    bench = Bench()
    bench.controller.doubt(answer(), Verdict("refuse", "stale", ""), bench.now_ns)
    assert bench.controller.look is None


def test_doubt_looks_once_from_a_value_in_a_phase_and_then_rests_for_a_minute() -> None:
    bench = Bench(knobs={"read_ahead_kb": {"min": 4, "max": 8192}})
    assert look(bench) == 512
    assert look(bench, 2) is None, "seen from there in this phase"
    assert look(bench, DOUBT_AGAIN_S + 1) == 512


@pytest.mark.parametrize(("best", "looks_at"), [(2048, 512), (32, 32), (4, 16), (128, None)])
def test_a_look_in_doubt_is_from_the_candidate_itself_a_step_away_at_most(
    best: int, looks_at: int | None
) -> None:
    bench = Bench(knobs={"read_ahead_kb": {"min": 4, "max": 8192, "max_step": "8x"}})
    promising = replace(answer(), predictions=(Prediction("read_ahead_kb", best, 0.9, -0.2),))
    seen = {128} if best == 4 else {16, 128}
    found = doubtful(bench.controller.seat, {"read_ahead_kb": 128}, promising, seen, False)
    assert (found[1] if found else None) == looks_at


@pytest.mark.parametrize(
    ("value", "gain_log", "lower_log", "seen", "looks_at"),
    [
        (4, -0.1, -1.0, {128}, 16),  # from 0.4 to 2.2 times as fast: one look is worth it
        (4, -0.1, -0.5, {128}, None),
        (4, -0.1, -1.0, {16, 128}, None),
        (4, -0.4, -2.0, {128}, None),  # rather a loss
        (2048, -0.1, -1.0, {128}, None),  # 16 does not lie on the way
    ],
)
def test_a_hope_looks_once_from_where_more_shows(
    value: int, gain_log: float, lower_log: float, seen: set[int], looks_at: int | None
) -> None:
    options = (Prediction("read_ahead_kb", value, gain_log, lower_log), HELD)
    found = doubtful(
        Bench().controller.seat, {"read_ahead_kb": 128}, hopeful(options), seen, again=True
    )
    assert (found[1] if found else None) == looks_at


HELD = Prediction("read_ahead_kb", 128, 0.0, 0.0)


def hopeful(options: tuple[Prediction, ...]) -> Answer:
    rec = replace(answer().recommendation, current_gain_log=0.0)
    return replace(answer(rec), predictions=options)
