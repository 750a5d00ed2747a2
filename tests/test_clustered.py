"""Intervals over clusters."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mlproxy.clustered import clustered_ratio, clustered_share


def test_the_estimate_is_the_ratio_of_the_sums() -> None:
    found = clustered_ratio(np.array([1.0, 2, 3]), np.array([2.0, 2, 2]), ["a", "b", "c"])
    assert found.estimate == pytest.approx(1.0)
    assert found.lower < 1.0 < found.upper
    assert (found.n, found.clusters) == (3, 3)


def test_many_windows_of_few_workloads_are_few_witnesses() -> None:
    hits = np.array([1.0, 0, 1, 1] * 50)
    alone = clustered_share(hits, [str(n) for n in range(200)])
    together = clustered_share(hits, [str(n % 4) for n in range(200)])
    assert together.upper - together.lower > 4 * (alone.upper - alone.lower)


def test_the_interval_holds_as_often_as_it_says() -> None:
    chance = np.random.default_rng(5)
    held = 0
    for _ in range(200):
        rates = chance.beta(9, 1, 30)
        hits = (chance.random((30, 10)) < rates[:, None]).ravel().astype(float)
        found = clustered_share(hits, np.repeat(np.arange(30), 10).astype(str).tolist())
        held += found.lower <= 0.9 <= found.upper
    assert 180 <= held <= 200


def test_where_there_is_nothing_there_is_no_number() -> None:
    assert math.isnan(clustered_share([], []).estimate)
    assert math.isnan(clustered_ratio(np.ones(2), np.zeros(2), ["a", "b"]).estimate)
    one = clustered_share([True, False], ["a", "a"])
    assert one.estimate == 0.5
    assert math.isnan(one.lower)


def test_the_same_input_gives_the_same_interval() -> None:
    values, names = np.arange(40.0), [str(n % 8) for n in range(40)]
    one, two = (clustered_ratio(values, np.ones(40), names, seed=3) for _ in range(2))
    assert one == two
