"""Headroom and its captured share: known cases, invariances, and no luck from noise."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlproxy.errors import LabError
from mlproxy.lab.matrix.headroom import (
    captured,
    choose,
    clustered_mean,
    crossed,
    halves,
    headroom_of,
    interval,
    mean,
)
from mlproxy.lab.matrix.pairs import pairs_of
from tests.lab.matrix.made import AGENT, STATICS, row, rows, two_workloads

RATIOS = st.lists(st.floats(0.05, 20), min_size=4, max_size=4)


def _pair(ratios: dict[str, float], **more: object):
    (pair,) = pairs_of(rows(ratios, **more))
    return pair


def test_the_best_is_the_best_static_one() -> None:
    found = headroom_of(_pair({STATICS[0]: 3.0, STATICS[1]: 2.0, AGENT: 2.0}))
    assert found.best.estimate == pytest.approx(3.0)
    assert found.ours.estimate == pytest.approx(2.0)
    assert found.counts
    share = captured([found])
    assert share is not None
    assert share.estimate == pytest.approx(math.log(2) / math.log(3))
    assert math.isinf(share.upper)


def test_the_default_is_a_candidate_as_well() -> None:
    found = headroom_of(_pair({STATICS[0]: 0.5, AGENT: 1.0}))
    assert found.best.estimate == pytest.approx(1.0)
    assert not found.counts
    assert captured([found]) is None


def test_only_pairs_with_true_headroom_count() -> None:
    found = [headroom_of(pair) for pair in pairs_of(two_workloads())]
    assert [each.counts for each in found] == [True, False]
    share = captured(found)
    assert share is not None
    assert share.estimate == pytest.approx(math.log(2.4) / math.log(3))


def test_noise_alone_gives_no_headroom_on_average() -> None:
    """Chosen and measured on the same repeats, the best of four looks 1.1 times as fast."""
    names = [f"read_ahead_kb={kb}" for kb in (4, 8, 16, 32)]
    crossed_logs, naive = [], []
    for number in range(150):
        made = rows(dict.fromkeys(names, 1.0) | {AGENT: 1.0}, f"w{number}", 4, noise=0.1)
        (pair,) = pairs_of(made)
        crossed_logs.append(mean(crossed(pair)))
        naive.append(max(mean(pair.logs(name)) for name in pair.candidates))
    assert np.mean(naive) > 0.05
    assert abs(np.mean(crossed_logs)) < 0.02


@given(RATIOS, st.floats(0.01, 100))
@settings(max_examples=40, deadline=None)
def test_a_share_does_not_depend_on_the_unit(ratios: list[float], unit: float) -> None:
    made = dict(zip((*STATICS, AGENT), ratios, strict=True))
    scaled = [
        {**each, "metrics": {"progress": each["metrics"]["progress"] * unit}} for each in rows(made)
    ]
    (one,), (other,) = pairs_of(rows(made)), pairs_of(scaled)
    assert headroom_of(one).best.estimate == pytest.approx(headroom_of(other).best.estimate)
    assert headroom_of(one).ours.estimate == pytest.approx(headroom_of(other).ours.estimate)


@given(st.lists(st.floats(1.3, 20), min_size=2, max_size=6))
@settings(max_examples=30, deadline=None)
def test_the_oracle_captures_all_and_the_default_nothing(best: list[float]) -> None:
    made = [rows({STATICS[0]: ratio, AGENT: 1.0}, f"w{n}") for n, ratio in enumerate(best)]
    pairs = pairs_of([each for group in made for each in group])
    oracle = captured(headroom_of(pair, crossed(pair)) for pair in pairs)
    nothing = captured(headroom_of(pair) for pair in pairs)
    assert oracle is not None
    assert nothing is not None
    assert (oracle.estimate, oracle.lower, oracle.upper) == pytest.approx((1, 1, 1))
    assert nothing.estimate == pytest.approx(0)


def test_one_workload_on_many_devices_is_one_witness() -> None:
    """Three devices of a workload on which nothing was captured do not narrow the interval."""
    pairs = []
    for device in ("a", "b", "c"):
        pairs += pairs_of(rows({STATICS[0]: 2.0, AGENT: 1.0}, "bad", profile=device))
    pairs += pairs_of(rows({STATICS[0]: 2.0, AGENT: 2.0}, "good"))
    share = captured(map(headroom_of, pairs))
    assert share is not None
    assert (share.lower, share.upper) == pytest.approx((0, 1))
    assert share.estimate == pytest.approx(0.25)


def test_the_choice_keeps_to_the_guards() -> None:
    guards = {"guards": {"writes_s": 0.85}}
    made = rows({STATICS[0]: 5.0, STATICS[1]: 2.0, AGENT: 2.0}, **guards)
    for each in made:
        each["metrics"]["writes_s"] = 50.0 if each["arm"] == STATICS[0] else 100.0
    (pair,) = pairs_of(made)
    assert choose(pair, [0, 1]) == STATICS[1]


def test_one_repeat_is_not_enough() -> None:
    (pair,) = pairs_of([row("w", arm, 0, 1.0) for arm in ("default", *STATICS, AGENT)])
    with pytest.raises(LabError, match="two repeats of every candidate"):
        crossed(pair)
    assert math.isinf(interval({0: 0.0}).upper)


def test_halves_are_disjoint_and_complete() -> None:
    assert halves([4, 1, 3, 2, 0]) == ([0, 2, 4], [1, 3])


def test_a_clustered_mean_weighs_pairs_and_draws_workloads() -> None:
    logs = [("a", math.log(2)), ("a", math.log(2)), ("b", 0.0)]
    found = clustered_mean(logs)
    assert found is not None
    assert found.estimate == pytest.approx(2 ** (2 / 3))
    assert (found.lower, found.upper) == pytest.approx((1, 2))
    assert clustered_mean([]) is None
    one = clustered_mean([("a", 0.0)])
    assert one is not None
    assert math.isinf(one.upper)
