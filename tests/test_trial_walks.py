"""What the trial's rules promise, by exact enumeration of the walks that they make.

The walk is driven through `judge` itself, so that a changed rule changes these numbers.
"""

from __future__ import annotations

from collections import defaultdict
from fractions import Fraction

import pytest

from mlproxy.mode import Mode
from mlproxy.trial import Event, Measure, Pair, TrialState, judge

WIN = Pair(Measure(150, 1), Measure(100, 1))
LOSS = Pair(Measure(100, 1), Measure(150, 1))


def trial(k: int, win: float, most_pairs: int = 400) -> tuple[float, float, float]:
    """One trial in learning: chance of promotion, of no gain, mean pairs to a promotion."""
    chances = {0: 1.0}
    promoted = given_up = weighted = 0.0
    for number in range(1, most_pairs + 1):
        later: dict[int, float] = defaultdict(float)
        for score, chance in chances.items():
            for pair, likely in ((WIN, win), (LOSS, 1 - win)):
                state, _, event = judge(TrialState(k=k, score=score), pair)
                if event is Event.PROMOTED:
                    promoted += chance * likely
                    weighted += number * chance * likely
                elif event is Event.NO_GAIN:
                    given_up += chance * likely
                else:
                    later[state.score] += chance * likely
        chances = later
    return promoted, given_up, weighted / promoted


def test_a_neutral_value_is_hardly_ever_promoted() -> None:
    promoted, given_up, _ = trial(k=0, win=0.5)
    print(f"\nneutral value promoted in one trial: {promoted:.4%}")
    assert promoted == pytest.approx(0.003, abs=0.0005)
    assert promoted + given_up == pytest.approx(1.0, abs=1e-9)


def test_nor_with_all_the_restarts_that_follow() -> None:
    ever, reached = 0.0, 1.0
    for k in range(12):
        promoted, given_up, _ = trial(k, win=0.5)
        ever += reached * promoted
        reached *= given_up
    print(f"\nneutral value ever promoted, restarts with k included: {ever:.4%}")
    assert ever <= 0.01


@pytest.mark.parametrize(("win", "power", "pairs"), [(0.9, 0.997, 17), (0.8, 0.94, 28)])
def test_a_good_value_is_promoted_soon(win: float, power: float, pairs: int) -> None:
    promoted, _, mean_pairs = trial(k=0, win=win)
    print(f"\nwin chance {win}: promoted {promoted:.2%}, after {mean_pairs:.1f} pairs on average")
    assert promoted == pytest.approx(power, abs=0.006)
    assert mean_pairs == pytest.approx(pairs, abs=1.0)


def strain(win: float, pairs: int) -> float:
    """Chance that a trusted value is demoted within so many pairs."""
    chances, demoted = {0: 1.0}, 0.0
    for _ in range(pairs):
        later: dict[int, float] = defaultdict(float)
        for level, chance in chances.items():
            for pair, likely in ((WIN, win), (LOSS, 1 - win)):
                start = TrialState(Mode.RECOMMENDATION, strain=level, score=-10_000)
                state, _, event = judge(start, pair)
                if event is Event.DEMOTED:
                    demoted += chance * likely
                else:
                    later[state.strain] += chance * likely
        chances = later
    return demoted


def test_a_good_value_keeps_its_trust_and_a_bad_one_loses_it() -> None:
    good, harmful = strain(win=0.8, pairs=1000), strain(win=0.1, pairs=20)
    print(f"\ndemoted: {good:.2%} of good ones in 1000 pairs, {harmful:.2%} of bad ones in 20")
    assert good < 0.01
    assert harmful > 0.9


def test_the_walk_is_made_of_whole_numbers() -> None:
    state = TrialState()
    for pair in (WIN, LOSS, WIN):
        state = judge(state, pair).state
    for value in (state.score, state.log_sum, state.log_squares, state.pairs):
        assert type(value) is int
    assert isinstance(state.share, Fraction)
