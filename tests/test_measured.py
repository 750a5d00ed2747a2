"""What a trial leaves behind for training."""

from __future__ import annotations

import math

import pytest

from mlproxy.gain import LOG_UNIT
from mlproxy.measured import is_due, measured
from mlproxy.trial import TrialState


def test_mean_and_variance_are_in_natural_logarithms() -> None:
    logs = [LOG_UNIT, 2 * LOG_UNIT, 3 * LOG_UNIT]
    state = TrialState(wins=3, log_sum=sum(logs), log_squares=sum(log * log for log in logs))
    found = measured(state)
    assert found["pairs"] == 3
    assert found["mean_log"] == pytest.approx(math.log(4))
    assert found["variance_log"] == pytest.approx(math.log(2) ** 2)


def test_one_pair_has_no_variance_and_none_no_mean() -> None:
    assert measured(TrialState(wins=1, log_sum=256, log_squares=256**2))["variance_log"] is None
    assert measured(TrialState(void=3)) == {"pairs": 0, "mean_log": None, "variance_log": None}


def test_it_is_logged_often_at_first_and_seldom_later() -> None:
    due = [pairs for pairs in range(300) if is_due(pairs)]
    assert due == [2, 4, 8, 16, 32, 64, 128, 192, 256]
