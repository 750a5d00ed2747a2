"""Weights of training rows: repeats tell how sure a measurement is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mlproxy.columns import LEAST_SPREAD
from mlproxy.dataset import Record, build_dataset
from mlproxy.weights import PRIOR_FREEDOM, noise_of, row_variance
from tests.surrogate import ADAPTER, make_records


def test_repeats_tell_the_variance_of_one_run() -> None:
    runs = {"a": {"4": [0.0, 2.0], "8": [1.0, 3.0]}, "b": {"4": [0.0, 0.0]}}
    noise = noise_of(runs)
    assert noise.common == pytest.approx((2.0 + 2.0) / 3)
    assert noise.of("a") == pytest.approx((4.0 + PRIOR_FREEDOM * 4 / 3) / (2 + PRIOR_FREEDOM))
    assert noise.of("b") < noise.common < noise.of("a")
    assert noise.of("never seen") == pytest.approx(noise.common)


def test_without_repeats_all_groups_are_as_sure_as_two_runs_agree() -> None:
    noise = noise_of({"a": {"4": [1.0], "8": [3.0]}})
    assert noise.common == noise.of("a") == pytest.approx(LEAST_SPREAD**2)


def test_what_cannot_be_compared_says_nothing() -> None:
    assert noise_of({"a": {"4": [float("nan"), 1.0], "8": [float("inf"), 1.0]}}).freedom["a"] == 0


def test_no_measurement_is_surer_than_what_features_can_tell() -> None:
    assert row_variance(0.0, 0.0) == LEAST_SPREAD**2


def _with_repeats() -> list[Record]:
    """Two groups, every run twice; the second run of one of them differs by half."""
    records = [r for r in make_records() if r.group in ("device0/random", "device1/random")]
    again = [
        replace(r, metrics={"progress": r.metrics["progress"] * (1.5 if "0/" in r.group else 1.0)})
        for r in records
    ]
    return records + again


def test_rows_of_a_noisy_group_weigh_less_and_the_mean_is_one() -> None:
    data = build_dataset(ADAPTER, _with_repeats())
    groups = np.array(data.group)
    noisy, quiet = (data.weight[groups == f"device{n}/random"].mean() for n in (0, 1))
    assert noisy < 0.5 * quiet
    assert data.weight.mean() == pytest.approx(1.0)


def test_a_record_that_knows_its_own_variance_and_rarity_is_believed() -> None:
    one, two, *_ = [r for r in make_records() if r.group == "device0/random"]
    told = [replace(one, variance=0.0), replace(two, variance=0.09, weight=5.0)]
    data = build_dataset(ADAPTER, told)
    own, other = data.weight[:2]
    floor = LEAST_SPREAD**2
    assert other / own == pytest.approx(5.0 / (floor + 0.09) * floor)


def test_plain_records_keep_their_digest_and_those_of_trials_have_another() -> None:
    records = make_records()[:4]
    told = [replace(records[0], variance=0.1), *records[1:]]
    assert build_dataset(ADAPTER, records).digest != build_dataset(ADAPTER, told).digest
    named = [replace(record, family="f") for record in records]
    assert build_dataset(ADAPTER, records).digest == build_dataset(ADAPTER, named).digest
