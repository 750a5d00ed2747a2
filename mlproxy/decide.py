"""From features to a recommendation: one batched prediction, then the choice per proxy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from mlproxy.adapter import Adapter
from mlproxy.columns import Array64, fill_rows
from mlproxy.features import FeatureSchema
from mlproxy.knob import Setting, Value
from mlproxy.model import Model
from mlproxy.proxy import Proxy
from mlproxy.recommendation import Doubted, Recommendation, recommendation_id
from mlproxy.tried import Gains, key_of
from mlproxy.units import format_gain
from mlproxy.view import View, pool

LEAST_RATIO = -1 + 1e-6
"""A measured ratio - 1 whose logarithm is still finite."""


@dataclass(frozen=True)
class Question:
    """What is asked of the model about one proxy.

    Args:
        features: those of the last window, to give reasons with.
        views: what the phase looked like from each setting it was seen at, the present last.
        held: the setting to stay at unless something is better; the present but during a look.
        options: legal (knob, value) pairs, the held and baseline values among them.
        measured: what slots measured in this phase; it takes the place of a prediction.
    """

    proxy: Proxy
    features: FeatureSchema
    views: Sequence[View]
    held: Setting
    baseline: Setting
    options: Sequence[tuple[str, Value]]
    taken_ns: int
    measured: Gains = field(default_factory=dict)


class Prediction(NamedTuple):
    """Log gains over the baseline of one option, as predicted or as measured in this phase."""

    knob: str
    value: Value
    gain_log: float
    lower_log: float
    pairs: int = 0

    @property
    def upper_log(self) -> float:
        """As far above the median as the lower bound lies below."""
        return 2 * self.gain_log - self.lower_log


@dataclass(frozen=True)
class Answer:
    """The recommendation with every candidate's prediction, for `explain`; `setting` was in
    force in the window of `features`."""

    recommendation: Recommendation
    predictions: tuple[Prediction, ...]
    features: FeatureSchema
    setting: Setting
    baseline: Setting


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
    settings = [settings_of(question) for question in questions]
    rows = [
        fill_rows(view.vector, adapter.asked, view.setting, block)
        for question, block in zip(questions, settings, strict=True)
        for view in question.views
    ]
    median, low = model.predict(np.vstack(rows), confidence)
    distances = model.domain.distance(np.array([q.views[-1].vector for q in questions], float))
    answers, start = [], 0
    for question, block, distance in zip(questions, settings, distances.tolist(), strict=True):
        end = start + len(question.views) * len(block)
        options = _predictions(question, block, median[start:end], low[start:end])
        chosen = _choose(question, options, min_gain_log)
        answers.append(
            Answer(
                _recommend(
                    adapter, model, question, chosen, options, confidence, min_gain_log, distance
                ),
                options,
                question.features,
                question.views[-1].setting,
                question.baseline,
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


def _predictions(
    question: Question, settings: Sequence[Setting], median: Array64, low: Array64
) -> tuple[Prediction, ...]:
    """Gains over the baseline, pooled over the views: the model predicts those over the
    setting that a view was taken at, which is no gain over itself by definition."""
    shape = (len(question.views), len(settings))
    over_own, doubt = median.reshape(shape).copy(), (median - low).reshape(shape)
    for place, view in enumerate(question.views):
        own = [same(setting, view.setting) for setting in settings]
        over_own[place, own] = doubt[place, own] = 0.0
    ages_s = [view.age_s for view in question.views]
    here = next((n for n, each in enumerate(settings) if same(each, question.held)), 0)
    gain, unsure = _pooled(over_own, doubt, here, ages_s)
    known = [same(setting, question.baseline) for setting in settings[1:]]
    gain[known] = unsure[known] = 0.0
    predicted = tuple(
        Prediction(knob, value, *numbers)
        for (knob, value), *numbers in zip(
            question.options, gain.tolist(), (gain - unsure).tolist(), strict=True
        )
    )
    if not question.measured:
        return predicted
    return tuple(
        _known(question, option, setting)
        for option, setting in zip(predicted, settings[1:], strict=True)
    )


def _pooled(
    over_own: Array64, doubt: Array64, here: int, ages_s: Sequence[float]
) -> tuple[Array64, Array64]:
    """Gain over the baseline, column 0, and its doubt for each other column. What is pooled are
    gains over what is held, column `here`: each view has its own idea of how far a distant
    baseline is behind, and that would outweigh what they say of two neighbours."""
    doubts = np.hypot(doubt, doubt[:, [here]])
    doubts[:, here] = 0.0
    gain, unsure = pool(over_own - over_own[:, [here]], doubts, ages_s)
    return gain[1:] - gain[0], np.hypot(unsure[1:], unsure[0])


def _known(question: Question, option: Prediction, setting: Setting) -> Prediction:
    """The option as it was measured, where it was; a gain is believed no more where it is surely
    a loss by what is seen now: the phase is another then."""
    found = question.measured.get(key_of(setting, question.baseline))
    if found is None or (found.mean > 0 and option.upper_log < 0):
        return option
    mean_log, lower_log = (math.log1p(max(r, LEAST_RATIO)) for r in (found.mean, found.lower))
    return Prediction(option.knob, option.value, mean_log, lower_log, found.pairs)


def same(one: Setting, other: Setting) -> bool:
    """True when `other` holds every knob of `one` at the same value."""
    return all(other.get(knob) == value for knob, value in one.items())


def _choose(question: Question, options: Sequence[Prediction], min_gain_log: float) -> Prediction:
    """The best sure gain; what is held unless that is better by any account; the baseline
    where what is held is surely a loss. What is held is told of the knob that tempts most.

    A value whose gain was measured gives way to one that promises more than the measurement
    leaves open: else each neighbour with a rosy prediction would be tried for ever."""
    tempting = max(options, key=lambda option: option.gain_log)
    held = max(
        (option for option in options if option.value == question.held[option.knob]),
        key=lambda option: (option.gain_log, option.knob == tempting.knob),
    )
    sure = [option for option in options if option.lower_log >= min_gain_log]
    if sure:
        best = max(sure, key=lambda option: option.gain_log)
        surer = best.gain_log > held.upper_log if held.pairs else best.lower_log > held.lower_log
        better = best.gain_log - held.gain_log >= min_gain_log and surer
        doubted = held.lower_log < 0 and best.gain_log >= held.gain_log
        return best if better or doubted else held
    if not held.upper_log < 0:
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
    min_gain_log: float,
    distance: float,
) -> Recommendation:
    knob, held = chosen.knob, question.held[chosen.knob]
    unknown = Prediction(knob, held, math.nan, math.nan)
    now = next((o for o in options if (o.knob, o.value) == (knob, held)), unknown)
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
        current_gain_log=now.gain_log,
        confidence=confidence,
        why=_why(adapter, question, chosen) + _told(chosen),
        model=model.digest,
        distance=distance,
        doubted=_doubted(question, chosen, options, min_gain_log),
        pairs=chosen.pairs,
        current_pairs=now.pairs,
    )


def _doubted(
    question: Question, chosen: Prediction, options: Sequence[Prediction], min_gain_log: float
) -> Doubted | None:
    """The best by its median where what is held stays, if that would be worth a change."""
    best = max(options, key=lambda option: option.gain_log)
    worth = best.gain_log - chosen.gain_log >= min_gain_log
    if not worth or chosen.value != question.held[chosen.knob]:
        return None
    return Doubted(best.value, best.gain_log, best.lower_log) if best.knob == chosen.knob else None


def _told(chosen: Prediction) -> str:
    if not chosen.pairs:
        return ""
    return f"; {chosen.pairs} pairs of slots measured {format_gain(math.expm1(chosen.gain_log))}"


def _why(adapter: Adapter, question: Question, chosen: Prediction) -> str:
    held = question.held[chosen.knob]
    try:
        return adapter.reason(question.features, chosen.knob, held, chosen.value)
    except Exception as error:  # a plug-in's fault must not end the agent
        return f"adapter {adapter.name} gives no reason: {type(error).__name__}: {error}"
