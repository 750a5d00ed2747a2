"""Exploration: seldom, stated, only what is safe, only while learning and where it is measured."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from mlproxy.decide import Answer, Prediction
from mlproxy.explore import AGAIN_S, ENOUGH_PAIRS
from mlproxy.judgement import Judgement
from mlproxy.recommendation import Recommendation
from mlproxy.ruling import NS
from mlproxy.verdict import Verdict
from tests.test_judgement import FEATURES, NOW, REC, controller, court
from tests.world import World

LEARNING = {"start": "learning", "trust": "measured"}
GAINS = {4: 0.5, 16: 0.4, 32: 0.1, 64: 0.0, 128: 0.0, 512: -0.1, 2048: -0.9}
SAFE = {16, 32, 64}
"""4 is too large a step, 2048 a likely loss, 128 in force; 512 is surely one, or only perhaps."""


def answer(proposed: int = 16, sure: bool = True) -> Answer:
    doubt = 0.05 if sure else 0.6
    predictions = tuple(
        Prediction("read_ahead_kb", value, gain, gain - doubt) for value, gain in GAINS.items()
    )
    rec = Recommendation(
        **{**vars(REC), "proposed": proposed, "gain_log": GAINS[proposed]}
        | {"lower_log": GAINS[proposed] - doubt}
    )
    return Answer(rec, predictions, FEATURES, {}, {})


def draws(
    judge: Judgement, asked: Answer, times: int, **policy: Any
) -> list[tuple[Recommendation, Verdict]]:
    """What is proposed `times` times, each long after the last, with nothing in force."""
    one = controller(**{**LEARNING, **policy})
    found = []
    for turn in range(times):
        now = NOW + round(turn * (AGAIN_S + 1) * NS)
        one.watch.seen_ns = now
        found.append(judge.verdict(one, asked, now, ""))
    return found


def test_so_many_are_drawn_evenly_from_what_is_safe_and_the_propensity_says_it(
    tmp_path: Path,
) -> None:
    found = draws(court(tmp_path), answer(), 4000, explore="20%")
    drawn = [rec for rec, _ in found if rec.explored]
    counts = Counter(rec.proposed for rec in drawn)
    assert set(counts) == SAFE
    assert len(drawn) == pytest.approx(800, rel=0.15)
    assert all(count == pytest.approx(267, rel=0.3) for count in counts.values())
    chances = {rec.proposed: rec.propensity for rec, _ in found}
    assert chances == pytest.approx({16: 0.8 + 0.2 / 3, 32: 0.2 / 3, 64: 0.2 / 3})
    shares = Counter(rec.proposed for rec, _ in found)
    for value, chance in chances.items():
        assert shares[value] / len(found) == pytest.approx(chance, abs=0.02)


def test_the_default_is_one_in_fifty(tmp_path: Path) -> None:
    found = draws(court(tmp_path), answer(), 4000)
    assert sum(rec.explored for rec, _ in found) == pytest.approx(80, abs=30)


def test_what_nothing_is_sure_of_may_be_drawn_too(tmp_path: Path) -> None:
    found = draws(court(tmp_path), answer(proposed=16, sure=False), 400, explore="50%")
    applied = {rec.proposed for rec, verdict in found if verdict.action == "apply"}
    assert applied == SAFE | {512}
    assert {verdict.rule for _, verdict in found} == {"explore", "min-gain"}


@pytest.mark.parametrize(
    "policy",
    [
        {"explore": "0%"},
        {"explore": "50%", "start": "collaboration"},
        {"explore": "50%", "mode": "emergency", "start": "emergency"},
        {"explore": "50%", "knobs": {"read_ahead_kb": {"min": 256}}},
    ],
)
def test_nothing_is_drawn_where_it_may_not(tmp_path: Path, policy: dict[str, Any]) -> None:
    found = draws(court(tmp_path), answer(sure=False), 300, **policy)
    assert {rec.proposed for rec, _ in found if rec.explored} <= {512}
    if "knobs" not in policy:
        assert not any(rec.explored for rec, _ in found)


def test_nothing_is_drawn_where_nothing_measures_it(tmp_path: Path) -> None:
    found = draws(court(tmp_path, None), answer(), 300, explore="50%")
    assert not any(rec.explored for rec, _ in found)


def test_a_phase_is_drawn_for_once_a_minute(tmp_path: Path) -> None:
    judge, one = court(tmp_path), controller(**LEARNING, explore="50%")
    one.watch.phase_ns = NOW - NS
    found = []
    for turn in range(50):
        one.watch.seen_ns = NOW + turn * NS
        found.append(judge.verdict(one, answer(), NOW + turn * NS, "")[0])
    assert sum(rec.propensity < 1.0 for rec in found) == 1


def test_what_was_drawn_is_measured_before_the_model_has_its_way(tmp_path: Path) -> None:
    judge, one = court(tmp_path), controller(**LEARNING, explore="50%")
    rec, verdict = next(
        each for each in draws(judge, answer(), 99, explore="50%") if each[0].explored
    )
    one.watch.seen_ns = NOW
    judge.enforce(one, rec, verdict, NOW)
    assert one.ruling is not None
    assert one.ruling.share == pytest.approx(1 / 8)
    one.changed_ns = NOW - 20 * NS
    held = judge.verdict(one, answer(), NOW, "")[1]
    assert (held.action, held.rule) == ("hold", "explore")


def test_the_same_seed_draws_the_same(tmp_path: Path) -> None:
    one, two = (draws(court(tmp_path), answer(), 60, explore="20%") for _ in range(2))
    other = draws(court(tmp_path), answer(), 60, explore="20%", trial={"seed": 9})
    assert one == two
    assert one != other


def test_under_the_loop_it_is_logged_with_its_propensity_and_what_it_measured(
    tmp_path: Path,
) -> None:
    world = World(
        tmp_path, **LEARNING, resolution_s=0.0, explore="50%", trial={"slot": "250ms", "seed": 4}
    )
    world.run(300)
    drawn = [each for each in world.records("decision") if each["explored"]]
    assert drawn
    assert all(0.0 < each["propensity"] < 1.0 for each in drawn)
    assert {each["rule"] for each in drawn} == {"explore"}
    ids = {each["id"] for each in drawn}
    tried = [each for each in world.records("measured") if each["recommendation"] in ids]
    assert tried
    assert all(each["pairs"] >= 2 for each in tried)
    assert max(each["pairs"] for each in tried) <= 8 * ENOUGH_PAIRS
    steps = {max(each["proposed"], 128) / min(each["proposed"], 128) for each in drawn}
    assert max(steps) <= 8
