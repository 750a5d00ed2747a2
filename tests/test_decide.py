"""The choice among candidates, from one batched prediction."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

import numpy as np
import pytest

from mlproxy.columns import Matrix
from mlproxy.decide import Question, recommend, settings_of
from mlproxy.gain import Gain
from mlproxy.knob import Setting, Value
from mlproxy.model import Model
from mlproxy.view import View
from mlproxy_iosched import IoschedAdapter
from mlproxy_iosched.features import IoschedFeatures
from tests.faults import IOSCHED
from tests.world import Anywhere

ADAPTER = IoschedAdapter()
BASELINE: Setting = {"scheduler": "none", "nr_requests": 64, "wbt_lat_usec": 2000}
FEATURES = IoschedFeatures(
    read_share=0.5, read_depth=1, write_depth=8, utilisation=1, requests_s=900, mb_s=40
)


class Scores:
    """Scores by (scheduler code, nr_requests) of the candidate; 0 where none is given."""

    digest = "beef"

    def __init__(self, table: Mapping[tuple[float, float], float], margin: float = 0.0) -> None:
        self.table, self.margin, self.calls = table, margin, 0
        self.domain = Anywhere(0.4)

    def predict(self, rows: Matrix, confidence: float) -> tuple[Any, Any]:
        self.calls += 1
        width = len(ADAPTER.schema.names())
        candidates, currents = (
            [(float(row[width + kind]), float(row[width + 3 + kind])) for row in rows]
            for kind in (1, 0)
        )
        score = self.table.get
        pairs = zip(candidates, currents, strict=True)
        median = np.array([score(one, 0.0) - score(other, 0.0) for one, other in pairs])
        return median, median - self.margin


def question(held: Setting = BASELINE, *options: tuple[str, Value]) -> Question:
    knobs = options or tuple(
        (knob.name, value)
        for knob in ADAPTER.knobs
        for value in dict.fromkeys((*knob.grid, held[knob.name], BASELINE[knob.name]))
    )
    views = (View(FEATURES.vector(), held),)
    return Question(IOSCHED, FEATURES, views, held, BASELINE, knobs, 7)


def answer(table: Mapping[tuple[float, float], float], asked: Question, margin: float = 0.0) -> Any:
    model = cast(Model, Scores(table, margin))
    return recommend(ADAPTER, model, [asked], 0.9, math.log1p(0.05))[0]


def test_no_question_asks_no_model() -> None:
    model = Scores({})
    assert recommend(ADAPTER, cast(Model, model), [], 0.9, 0.05) == []
    assert model.calls == 0


def test_the_best_sure_gain_is_proposed() -> None:
    rec = answer({(0, 8): 0.5, (0, 16): 0.3}, question()).recommendation
    assert (rec.knob, rec.current, rec.proposed, rec.baseline) == ("nr_requests", 64, 8, 64)
    assert rec.gain_log == pytest.approx(0.5)
    assert rec.current_gain_log == 0.0
    assert rec.distance == pytest.approx(0.4)
    assert rec.why


def test_what_is_not_sure_enough_is_not_proposed() -> None:
    rec = answer({(0, 8): 0.5}, question(), margin=0.46).recommendation
    assert not rec.changes
    assert rec.knob == "nr_requests"
    assert rec.doubted == (8, 0.5, pytest.approx(0.04))


def test_a_doubted_candidate_hardly_better_is_not_worth_a_word() -> None:
    assert answer({(0, 8): 0.04}, question(), margin=0.46).recommendation.doubted is None


def test_no_gain_anywhere_stays() -> None:
    assert not answer({}, question()).recommendation.changes


def test_a_neighbour_hardly_better_than_what_is_held_is_not_worth_it() -> None:
    held = {**BASELINE, "nr_requests": 16}
    rec = answer({(0, 16): 0.50, (0, 8): 0.52}, question(held)).recommendation
    assert not rec.changes
    assert rec.current_gain_log == pytest.approx(0.5)


def test_a_held_loss_goes_back_to_the_baseline() -> None:
    held = {**BASELINE, "nr_requests": 16}
    rec = answer({(0, 16): -0.2}, question(held)).recommendation
    assert (rec.proposed, rec.current_gain_log) == (64, pytest.approx(-0.2))


def test_a_held_loss_of_two_knobs_goes_back_even_where_each_step_is_worse() -> None:
    held = {**BASELINE, "nr_requests": 8, "scheduler": "mq-deadline"}
    table = {(1.0, 8.0): -0.1, (0.0, 8.0): -0.3, (1.0, 64.0): -0.4}
    rec = answer(table, question(held)).recommendation
    assert rec.changes
    assert (rec.knob, rec.proposed) == ("scheduler", "none")


def test_candidates_keep_the_other_knobs_as_held() -> None:
    held = {**BASELINE, "nr_requests": 8}
    settings = settings_of(question(held, ("scheduler", "bfq"), ("nr_requests", 64)))
    assert settings == [BASELINE, {**held, "scheduler": "bfq"}, BASELINE]


HELD_16 = {**BASELINE, "nr_requests": 16}
ROSY = {(0.0, 16.0): 0.5, (0.0, 8.0): 0.9}
"""8 is predicted half better than 16, which is held."""


def after_slots(gains: Mapping[int, Gain]) -> Question:
    """What is asked at 16 when slots have measured these values."""
    measured = {frozenset({("nr_requests", value)}): gain for value, gain in gains.items()}
    return replace(question(HELD_16), measured=measured)


@pytest.mark.parametrize(
    ("gains", "proposed"),
    [
        ({}, 8),
        ({16: Gain(9, 1.2, 1.0, 1.42)}, 8),  # 8 promises 1.46
        ({16: Gain(9, 1.3, 1.1, 1.5)}, 16),  # no more than the measurement leaves open
        ({16: Gain(9, 1.2, 1.1, 1.3), 8: Gain(5, 0.6, 0.4, 0.8)}, 16),
        ({16: Gain(9, 0.4, 0.3, 0.5), 8: Gain(5, 0.6, 0.5, 0.7)}, 8),
        ({16: Gain(9, -0.3, -0.4, -0.2), 8: Gain(5, -0.5, -0.6, -0.4)}, 64),
    ],
)
def test_what_slots_measured_takes_the_place_of_what_was_predicted(
    gains: Mapping[int, Gain], proposed: int
) -> None:
    rec = answer(ROSY, after_slots(gains)).recommendation
    assert (rec.proposed if rec.changes else 16) == proposed
    assert ("slots measured" in rec.why) == (proposed in gains)


def test_a_measurement_is_of_a_whole_setting() -> None:
    other = {frozenset({("nr_requests", 8), ("scheduler", "bfq")}): Gain(9, -0.5, -0.6, -0.4)}
    rec = answer(ROSY, replace(question(HELD_16), measured=other)).recommendation
    assert rec.proposed == 8


def test_the_baseline_itself_gains_exactly_nothing_whatever_the_model_says() -> None:
    found = answer({(0, 64): 3.0}, question(), margin=1.0)
    own = [p for p in found.predictions if (p.knob, p.value) == ("nr_requests", 64)]
    assert [(p.gain_log, p.lower_log) for p in own] == [(0.0, 0.0)]


def test_all_questions_share_one_prediction_and_answers_keep_their_order() -> None:
    model = Scores({(0, 8): 0.5})
    held = {**BASELINE, "nr_requests": 8}
    asked = [question(), question(held), replace(question(), taken_ns=9)]
    answers = recommend(ADAPTER, cast(Model, model), asked, 0.9, 0.05)
    assert model.calls == 1
    assert [a.recommendation.changes for a in answers] == [True, False, True]
    ids = [a.recommendation.id for a in answers]
    assert len(set(ids)) == 3


def test_a_prediction_that_is_no_number_changes_nothing() -> None:
    rec = answer({(0, 8): math.nan, (0, 16): math.nan}, question()).recommendation
    assert not rec.changes


def test_missing_features_reach_the_model_as_missing() -> None:
    assert math.isnan(FEATURES.vector()[-1])


class Seen(Scores):
    """Gains of nr_requests over the current one, as each of two views has it, by (current,
    candidate)."""

    def predict(self, rows: Matrix, confidence: float) -> tuple[Any, Any]:
        width = len(ADAPTER.schema.names())
        pairs = [(float(row[width + 3]), float(row[width + 4])) for row in rows]
        median = np.array([self.table.get(pair, 0.0) for pair in pairs])
        return median, median - self.margin


@pytest.mark.parametrize("held", [8, 16])
def test_how_far_off_the_baseline_is_does_not_tell_neighbours_apart(held: int) -> None:
    """Each view takes the other value for a little better, and has its own idea of 64."""
    table = {(8.0, 16.0): 0.06, (8.0, 64.0): -1.0, (16.0, 8.0): 0.08, (16.0, 64.0): -3.0}
    settings = [{**BASELINE, "nr_requests": value} for value in (24 - held, held)]
    options = tuple(("nr_requests", value) for value in (8, 16, 64))
    views = tuple(View(FEATURES.vector(), setting) for setting in settings)
    asked = replace(question(settings[1], *options), views=views)
    model = cast(Model, Seen(table, margin=0.8))
    found = recommend(ADAPTER, model, [asked], 0.9, math.log1p(0.05))[0]
    gains = {option.value: option.gain_log for option in found.predictions}
    assert gains[16] - gains[8] == pytest.approx(-0.01, abs=1e-3)
    assert not found.recommendation.changes
