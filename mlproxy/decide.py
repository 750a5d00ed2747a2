"""From features to a recommendation: one batched prediction, then the choice per proxy."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mlproxy.adapter import Adapter
from mlproxy.columns import fill_rows
from mlproxy.features import FeatureSchema
from mlproxy.knob import Setting, Value
from mlproxy.model import Model
from mlproxy.proxy import Proxy
from mlproxy.recommendation import Recommendation, recommendation_id


@dataclass(frozen=True)
class Question:
    """What is asked of the model about one proxy.

    Args:
        vector: mean features of the phase, NaN where missing.
        current: the setting under which the features were seen.
        held: the setting to stay at unless something is better; `current` but during a look.
        options: legal (knob, value) pairs, the held and baseline values among them.
    """

    proxy: Proxy
    features: FeatureSchema
    vector: Sequence[float]
    current: Setting
    held: Setting
    baseline: Setting
    options: Sequence[tuple[str, Value]]
    taken_ns: int


class Prediction(NamedTuple):
    """Log gains over the baseline of one option."""

    knob: str
    value: Value
    gain_log: float
    lower_log: float


@dataclass(frozen=True)
class Answer:
    """The recommendation with every candidate's prediction, for `explain`."""

    recommendation: Recommendation
    predictions: tuple[Prediction, ...]
    features: FeatureSchema


def recommend(
    adapter: Adapter,
    model: Model,
    questions: Sequence[Question],
    confidence: float,
    min_gain_log: float,
) -> list[Answer]:
    """One answer per question, from one prediction over all their rows."""
    if not questions:
        return []
    blocks = [_rows(adapter, question) for question in questions]
    median, low = model.predict(np.vstack(blocks), confidence)
    distances = model.domain.distance(np.array([q.vector for q in questions], float))
    answers, start = [], 0
    for question, block, distance in zip(questions, blocks, distances.tolist(), strict=True):
        end = start + len(block)
        options = tuple(_predictions(question, median[start:end], low[start:end]))
        chosen = _choose(question, options, min_gain_log)
        answers.append(
            Answer(
                _recommend(adapter, model, question, chosen, options, confidence, distance),
                options,
                question.features,
            )
        )
        start = end
    return answers


def settings_of(question: Question) -> list[Setting]:
    """The baseline first, then each option with the other knobs as they are held."""
    return [
        question.baseline,
        *({**question.held, knob: value} for knob, value in question.options),
    ]


def _rows(adapter: Adapter, question: Question) -> NDArray[np.float32]:
    return fill_rows(
        question.vector,
        adapter.knobs,
        question.current,
        settings_of(question),
    )


def _predictions(
    question: Question, median: NDArray[Any], low: NDArray[Any]
) -> Iterator[Prediction]:
    """Gains over the baseline: the model predicts those over the setting in force, which is
    no gain over itself by definition."""
    held, current, baseline = question.held, question.current, question.baseline
    zero = 0.0 if baseline == current else float(median[0])
    alone = {knob: _differ(held, baseline) <= {knob} for knob in held}
    seen = {knob: _differ(held, current) <= {knob} for knob in held}
    for (knob, value), gain, lower in zip(
        question.options, median[1:].tolist(), low[1:].tolist(), strict=True
    ):
        if alone[knob] and value == baseline[knob]:
            yield Prediction(knob, value, 0.0, 0.0)
        elif seen[knob] and value == current[knob]:
            yield Prediction(knob, value, -zero, -zero)
        else:
            yield Prediction(knob, value, gain - zero, lower - zero)


def _differ(one: Setting, other: Setting) -> set[str]:
    """Knobs of `one` that `other` holds at another value."""
    return {knob for knob, value in one.items() if other.get(knob) != value}


def _choose(question: Question, options: Sequence[Prediction], min_gain_log: float) -> Prediction:
    """The best sure gain; what is held unless that is worth a change; else the baseline."""
    held = max(
        (option for option in options if option.value == question.held[option.knob]),
        key=lambda option: option.gain_log,
    )
    sure = [option for option in options if option.lower_log >= min_gain_log]
    if sure:
        best = max(sure, key=lambda option: option.gain_log)
        stays = held.lower_log >= 0 and best.gain_log - held.gain_log < min_gain_log
        return held if stays else best
    if held.gain_log >= 0:
        return held
    back = [
        option
        for option in options
        if option.value == question.baseline[option.knob] != question.held[option.knob]
    ]
    return max(back, key=lambda option: option.gain_log, default=held)


def _recommend(
    adapter: Adapter,
    model: Model,
    question: Question,
    chosen: Prediction,
    options: Sequence[Prediction],
    confidence: float,
    distance: float,
) -> Recommendation:
    knob, held = chosen.knob, question.held[chosen.knob]
    now = next((o.gain_log for o in options if (o.knob, o.value) == (knob, held)), math.nan)
    name = recommendation_id(question.proxy.id, knob, chosen.value, model.digest, question.taken_ns)
    return Recommendation(
        id=name,
        proxy=question.proxy.id,
        device=question.proxy.device,
        knob=knob,
        current=held,
        proposed=chosen.value,
        baseline=question.baseline[knob],
        gain_log=chosen.gain_log,
        lower_log=chosen.lower_log,
        current_gain_log=now,
        confidence=confidence,
        why=_why(adapter, question, chosen),
        model=model.digest,
        distance=distance,
    )


def _why(adapter: Adapter, question: Question, chosen: Prediction) -> str:
    held = question.held[chosen.knob]
    try:
        return adapter.reason(question.features, chosen.knob, held, chosen.value)
    except Exception as error:  # a plug-in's fault must not end the agent
        return f"adapter {adapter.name} gives no reason: {type(error).__name__}: {error}"
