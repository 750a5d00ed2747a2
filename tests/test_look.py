"""Looks: from where, and when a doubt is worth one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mlproxy.controller import Change
from mlproxy.decide import Prediction
from mlproxy.look import blind_knob, doubtful
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


def test_doubt_looks_once_where_much_may_be_gained_but_nothing_is_sure() -> None:
    bench = Bench()
    unsure = answer()
    bench.controller.doubt(unsure, Verdict("refuse", "stale", ""), bench.now_ns)
    assert bench.controller.look is None
    bench.controller.doubt(unsure, Verdict("refuse", "min-gain", ""), bench.now_ns)
    assert bench.controller.look is not None
    assert bench.obey() == Change("read_ahead_kb", 16, "look")
    bench.controller.conclude(HOLD, bench.now_ns + 3 * NS)
    bench.obey()
    bench.controller.doubt(unsure, Verdict("refuse", "min-gain", ""), bench.now_ns + 9 * NS)
    assert bench.controller.look is None, "not again in the same phase for a minute"
    bench.controller.doubt(unsure, Verdict("refuse", "min-gain", ""), bench.now_ns + 90 * NS)
    assert bench.controller.look is not None


@pytest.mark.parametrize(("best", "looks_at"), [(2048, 512), (32, 32), (4, 16), (128, None)])
def test_a_look_in_doubt_is_from_the_candidate_itself_a_step_away_at_most(
    best: int, looks_at: int | None
) -> None:
    bench = Bench(knobs={"read_ahead_kb": {"min": 4, "max": 8192, "max_step": "8x"}})
    promising = replace(answer(), predictions=(Prediction("read_ahead_kb", best, 0.9, -0.2),))
    found = doubtful(bench.controller.seat, {"read_ahead_kb": 128}, promising)
    assert (found[1] if found else None) == looks_at
