"""Scores: coverage, regret and captured headroom, counted by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mlproxy.scores import Unseen, joined, regrets, scores, workload_of

ACT = math.log(1.05)


def rows(
    gains: list[list[float]],
    medians: list[list[float]],
    doubt: float = 0.1,
    inside: bool = True,
    family: str = "f",
) -> Unseen:
    """Windows of three candidates; the first is in force."""
    gain, median = np.array(gains), np.array(medians)
    windows = np.repeat(np.arange(len(gain)), gain.shape[1])
    change = np.tile(np.arange(gain.shape[1]) > 0, len(gain))
    names = np.array([f"d/w{window}" for window in windows])
    return Unseen(
        gain=gain.ravel(),
        median=median.ravel(),
        lower=median.ravel() - doubt,
        window=windows,
        change=change,
        inside=np.full(gain.size, inside),
        family=np.full(gain.size, family),
        workload=np.array([workload_of(name) for name in names]),
        group=names,
    )


def test_coverage_regret_and_headroom() -> None:
    found = rows(
        gains=[[0.0, 0.5, 0.4], [0.0, -0.2, 0.3]], medians=[[0.0, 0.3, 0.6], [0.0, 0.4, 0.1]]
    )
    whole, family = scores(found, ACT)
    assert (whole.family, family.family) == ("all", "f")
    assert whole.every.estimate == pytest.approx(2 / 4)  # 0.5 >= 0.2 and 0.3 >= 0.0
    assert whole.chosen.estimate == 0.0  # 0.4 < 0.5, -0.2 < 0.3
    assert whole.regret_log.estimate == pytest.approx((0.1 + 0.5) / 2)
    assert whole.captured.estimate == pytest.approx((0.4 - 0.2) / (0.5 + 0.3))
    assert whole.groups == 2


def test_what_is_not_sure_or_outside_stays_as_it_is() -> None:
    sure = rows([[0.0, 0.5, 0.0]], [[0.0, 0.5, 0.0]])
    for other in (
        rows([[0.0, 0.5, 0.0]], [[0.0, 0.5, 0.0]], doubt=0.5),
        rows([[0.0, 0.5, 0.0]], [[0.0, 0.5, 0.0]], inside=False),
    ):
        assert regrets(other, ACT)[0].tolist() == [0.5]
    assert regrets(sure, ACT)[0].tolist() == [0.0]


def test_where_nothing_is_to_be_gained_nothing_is_missed() -> None:
    found = rows([[0.0, -0.5, -0.1]], [[0.0, 0.5, 0.0]])
    assert regrets(found, ACT)[0].tolist() == [pytest.approx(0.5)]
    found = rows([[0.0, -0.5, -0.1]], [[0.0, -0.5, 0.0]])
    assert regrets(found, ACT)[0].tolist() == [0.0]


def test_folds_are_joined_without_mixing_windows() -> None:
    one = rows([[0.0, 0.5, 0.4]], [[0.0, 0.5, 0.4]])
    two = rows([[0.0, -0.2, 0.3]], [[0.0, -0.2, 0.3]])
    both = joined([one, two])
    assert both.window.tolist() == [0, 0, 0, 1, 1, 1]
    assert regrets(both, ACT)[0].tolist() == [0.0, 0.0]


def test_a_workload_is_the_same_on_every_device_and_in_every_case() -> None:
    assert workload_of("ssd/random") == workload_of("disk/random") == "random"
    assert workload_of("sda/readahead.sda#1a2b") == "readahead.sda"
    assert workload_of("alone") == "alone"
