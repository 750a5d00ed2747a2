"""The trial: what paired treated and baseline slots prove, in integers only.

Pure: a state and a pair give the next state and what happened. The rules are those of the
kernel's own trial, so that both judge alike: in learning a win counts +1 and a loss -2, at
12 + k the mode rises, at -6 there is no gain (a random walk that is neither clamped nor
restarted at 0 promotes a neutral value in 0.3 % of trials); above learning a loss counts +1
and a win -2 with a floor of 0, at 8 the mode falls.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum
from fractions import Fraction
from typing import NamedTuple

from mlproxy.gain import LOG_UNIT, Gain, log2_units, measured_gain
from mlproxy.mode import Mode

PROMOTE_AT, NO_GAIN_AT, DEMOTE_AT = 12, -6, 8
MIN_EVENTS = 16
"""A pair in which even the better slot made less progress than this is void: asking both
would throw out just those pairs in which a bad value starved the application."""

TIE_SHARE = 32
SHIFT_RATIO = 2
BAD_RATIO, BAD_IN_A_ROW = 2, 2
FEWEST_HALVINGS, MOST_HALVINGS = -2, 3
"""Baseline share in recommendation mode: 1/8 / 2**halvings, from 1/2 on drift to 1/64."""

EXPECTED_STEP = 0.7
"""Mean step of the score when nine pairs of ten are won."""

MAX_LOG = 16 * LOG_UNIT
"""One pair adds at most 16 doublings to the sums, so that they stay within 64 bits."""


class Result(StrEnum):
    """What a pair, or a whole trial, says of the treated value."""

    WIN = "win"
    LOSE = "lose"
    TIE = "tie"
    VOID = "void"
    UNTESTED = "untested"


class Event(StrEnum):
    """What a pair brought about."""

    PROMOTED = "promoted"
    PROVEN = "proven"
    DEMOTED = "demoted"
    NO_GAIN = "no gain"
    EMERGENCY = "emergency"
    GUARD = "guard"

    @property
    def takes_back(self) -> bool:
        """True when the value has to give way to the baseline at once (promise 6)."""
        return self in (Event.NO_GAIN, Event.EMERGENCY, Event.GUARD)


@dataclass(frozen=True, slots=True)
class Measure:
    """Progress of the application in the counted part of one slot; more is better."""

    events: int
    elapsed_ns: int


@dataclass(frozen=True, slots=True)
class Pair:
    """A treated and a baseline slot side by side, and the nearest baseline slots around.

    `before` and `after` are not of the pair: whether the workload shifted is asked of
    neither arm, so that throwing a pair out leaves the sign of the others a fair coin. (Asked
    of the pair's own baseline slot, a neutral value wins 45 % under exponential noise.)
    """

    treated: Measure
    baseline: Measure
    before: Measure | None = None
    after: Measure | None = None


@dataclass(frozen=True, slots=True)
class TrialState:
    """Everything a trial remembers.

    Args:
        mode: the mode in force for this direction of change.
        k: trials that ended without gain; each raises the bar of promotion by one.
        score: the walk towards promotion.
        strain: the walk towards demotion, above learning.
        bad: pairs in a row that were at least twice as bad.
        halvings: times the baseline share was halved since 1/8, in recommendation mode.
        log_sum, log_squares: sums of the pairs' log2 ratio in units of 1/256, and squared.
    """

    mode: Mode = Mode.LEARNING
    k: int = 0
    score: int = 0
    strain: int = 0
    bad: int = 0
    halvings: int = 0
    wins: int = 0
    losses: int = 0
    ties: int = 0
    void: int = 0
    log_sum: int = 0
    log_squares: int = 0

    @property
    def pairs(self) -> int:
        """Pairs judged: wins, losses and ties."""
        return self.wins + self.losses + self.ties

    @property
    def share(self) -> Fraction:
        """Share of time in which the recommended value rules."""
        if self.mode is not Mode.RECOMMENDATION:
            return self.mode.share
        return 1 - (1 - self.mode.share) / Fraction(2) ** self.halvings

    @property
    def gain(self) -> Gain | None:
        """The measured gain with its 95 % interval; None when nothing was judged."""
        return measured_gain(self.pairs, self.log_sum, self.log_squares)

    @property
    def result(self) -> Result:
        """What the trial says so far: a win or a loss when its interval excludes no gain."""
        gain = self.gain
        if gain is None:
            return Result.UNTESTED
        if gain.lower > 0:
            return Result.WIN
        return Result.LOSE if gain.upper < 0 else Result.TIE


class Judged(NamedTuple):
    """One step of a trial: the next state, what the pair said, what that brought about."""

    state: TrialState
    result: Result
    event: Event | None


def judge(
    state: TrialState,
    pair: Pair,
    ceiling: Mode = Mode.RECOMMENDATION,
    min_events: int = MIN_EVENTS,
    strikes: int = BAD_IN_A_ROW,
) -> Judged:
    """The trial after one more pair. In emergency mode nothing is judged.

    Args:
        strikes: pairs in a row at least twice as bad that make an emergency.
    """
    if state.mode is Mode.EMERGENCY:
        return Judged(state, Result.UNTESTED, None)
    result = classify(pair, min_events)
    if result is Result.VOID:
        return Judged(replace(state, void=state.void + 1), result, None)
    counted = _count(state, pair, result)
    if counted.bad >= strikes:
        return Judged(_stop(counted), result, Event.EMERGENCY)
    walk = _learn if state.mode is Mode.LEARNING else _keep
    after, event = walk(counted, result, ceiling)
    return Judged(after, result, event)


def classify(pair: Pair, min_events: int = MIN_EVENTS) -> Result:
    """What one pair says of the treated value; symmetric in its two arms."""
    if max(pair.treated.events, pair.baseline.events) < min_events or _shifted(pair):
        return Result.VOID
    if not (_is_usable(pair.treated) and _is_usable(pair.baseline)):
        return Result.VOID
    treated, baseline = _progress(pair.treated, pair.baseline)
    if abs(treated - baseline) * TIE_SHARE <= max(treated, baseline):
        return Result.TIE
    return Result.WIN if treated > baseline else Result.LOSE


def is_bad(pair: Pair) -> bool:
    """True when the treated slot was at least twice as bad as its baseline slot."""
    treated, baseline = _progress(pair.treated, pair.baseline)
    return baseline > 0 and treated * BAD_RATIO <= baseline


def drifted(state: TrialState) -> TrialState:
    """After a drift of the workload: the baseline gets half of the time again."""
    if state.mode is not Mode.RECOMMENDATION:
        return state
    return replace(state, halvings=FEWEST_HALVINGS, score=0)


def slots_per_pair(share: Fraction) -> int:
    """Slots of a block: as many as give the rarer arm one. Raises: ValueError at 0 and 1."""
    rarer = min(share, 1 - share)
    if rarer <= 0:
        raise ValueError(f"share {share} has no pairs; above 0 and below 1 is allowed")
    return math.ceil(1 / rarer)


def predicted_time_to_verdict_s(
    share: Fraction, slot_s: float, settle_s: float, state: TrialState
) -> float:
    """Seconds until the next promotion if nine pairs of ten are won; infinite in emergency."""
    if share <= 0:
        return math.inf
    pairs = math.ceil((PROMOTE_AT + state.k - state.score) / EXPECTED_STEP)
    return pairs * slots_per_pair(share) * max(slot_s, settle_s * 4 / 3)


def _count(state: TrialState, pair: Pair, result: Result) -> TrialState:
    log = _log_ratio(pair)
    return replace(
        state,
        wins=state.wins + (result is Result.WIN),
        losses=state.losses + (result is Result.LOSE),
        ties=state.ties + (result is Result.TIE),
        bad=state.bad + 1 if is_bad(pair) else 0,
        log_sum=state.log_sum + log,
        log_squares=state.log_squares + log * log,
    )


def _learn(state: TrialState, result: Result, ceiling: Mode) -> tuple[TrialState, Event | None]:
    score = state.score + _STEP[result]
    if score <= NO_GAIN_AT:
        return replace(state, score=0, k=state.k + 1), Event.NO_GAIN
    return _climb(replace(state, score=score), ceiling)


def _keep(state: TrialState, result: Result, ceiling: Mode) -> tuple[TrialState, Event | None]:
    strain = max(state.strain - _STRAIN[result], 0)
    if strain >= DEMOTE_AT:
        lower = state.mode.demoted()
        return replace(state, mode=lower, score=0, strain=0, halvings=0), Event.DEMOTED
    return _climb(replace(state, strain=strain, score=state.score + _STEP[result]), ceiling)


def _climb(state: TrialState, ceiling: Mode) -> tuple[TrialState, Event | None]:
    if state.score < PROMOTE_AT + state.k:
        return state, None
    fresh = replace(state, score=0)
    if state.mode.promoted(ceiling) > state.mode:
        return replace(fresh, mode=state.mode.promoted(ceiling), strain=0), Event.PROMOTED
    if state.mode is Mode.RECOMMENDATION and state.halvings < MOST_HALVINGS:
        return replace(fresh, halvings=state.halvings + 1), Event.PROVEN
    return fresh, None


def _stop(state: TrialState) -> TrialState:
    return replace(state, mode=Mode.EMERGENCY, k=state.k + 1, score=0, strain=0, bad=0, halvings=0)


def _is_usable(measure: Measure) -> bool:
    return measure.events >= 0 and measure.elapsed_ns > 0


def _progress(one: Measure, other: Measure) -> tuple[int, int]:
    """Both rates over the same denominator: integers that compare as the rates do."""
    return one.events * other.elapsed_ns, other.events * one.elapsed_ns


def _shifted(pair: Pair) -> bool:
    if pair.before is None or pair.after is None:
        return False
    low, high = sorted(_progress(pair.before, pair.after))
    return high > SHIFT_RATIO * low


def _log_ratio(pair: Pair) -> int:
    treated, baseline = _progress(pair.treated, pair.baseline)
    log = log2_units(max(treated, 1)) - log2_units(max(baseline, 1))
    return max(-MAX_LOG, min(MAX_LOG, log))


_STEP = {Result.WIN: 1, Result.TIE: 0, Result.LOSE: -2}
_STRAIN = {Result.WIN: 2, Result.TIE: 0, Result.LOSE: -1}
