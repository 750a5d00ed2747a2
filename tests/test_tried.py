"""What slots found out in a phase."""

from __future__ import annotations

from mlproxy.gain import Gain
from mlproxy.tried import FEWEST_PAIRS, KEPT_S, Tried, key_of

GAIN = Gain(FEWEST_PAIRS, 0.5, 0.4, 0.6)
KEY = frozenset({("read_ahead_kb", 16)})


def test_a_gain_counts_from_enough_pairs_on_and_the_last_word_stands() -> None:
    tried = Tried()
    tried.take("one", {"read_ahead_kb": 16}, False, None, 1)
    tried.take("one", {"read_ahead_kb": 16}, False, Gain(FEWEST_PAIRS - 1, 9.0, 8.0, 10.0), 2)
    assert tried.recall(0, 2) == {}
    tried.take("one", {"read_ahead_kb": 16}, False, GAIN, 3)
    assert tried.recall(0, 3) == {KEY: GAIN}
    later = Gain(FEWEST_PAIRS, 0.1, 0.0, 0.2)
    tried.take("one", {"read_ahead_kb": 16}, False, later, 4)
    assert tried.recall(0, 4) == {KEY: later}


def test_a_gain_that_was_not_measured_for_long_is_forgotten() -> None:
    tried = Tried()
    tried.take("one", {"read_ahead_kb": 16}, False, GAIN, 0)
    assert tried.recall(0, round(KEPT_S * 1e9)) == {KEY: GAIN}
    assert tried.recall(0, round(KEPT_S * 1e9) + 1) == {}


def test_another_phase_forgets_checks_and_gains() -> None:
    tried = Tried()
    tried.recall(5, 5)
    tried.take("one", {"read_ahead_kb": 16}, True, GAIN, 6)
    tried.take("one", {"read_ahead_kb": 4}, False, None, 6)
    assert tried.recall(5, 6) == {KEY: GAIN}
    assert tried.has_passed({"read_ahead_kb": 16})
    assert not tried.has_passed({"read_ahead_kb": 4})
    assert tried.recall(7, 7) == {}
    assert not tried.has_passed({"read_ahead_kb": 16})


def test_a_trial_that_began_in_another_phase_says_nothing_of_this_one() -> None:
    tried = Tried()
    tried.take("one", {"read_ahead_kb": 16}, False, GAIN, 1)
    tried.clear()
    tried.take("one", {"read_ahead_kb": 16}, False, GAIN, 2)
    assert tried.recall(0, 2) == {}
    tried.take("two", {"read_ahead_kb": 16}, False, GAIN, 3)
    assert tried.recall(0, 3) == {KEY: GAIN}


def test_a_key_holds_what_differs_from_the_baseline() -> None:
    baseline = {"scheduler": "none", "nr_requests": 64}
    assert key_of({"scheduler": "none", "nr_requests": 8}, baseline) == {("nr_requests", 8)}
    assert key_of(baseline, baseline) == frozenset()
