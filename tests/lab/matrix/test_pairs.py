"""Pairs: whatever order the rows have, one metric, and only rows that a matrix made."""

from __future__ import annotations

import random

import pytest

from mlproxy.errors import ConfigError
from mlproxy.lab.matrix.pairs import LEAST, agents, pairs_of
from tests.lab.matrix.made import AGENT, STATICS, row, rows, two_workloads


def test_the_order_of_rows_does_not_matter() -> None:
    made = two_workloads()
    mixed = list(made)
    random.Random(1).shuffle(mixed)
    assert pairs_of(mixed) == pairs_of(made)


def test_what_a_pair_holds() -> None:
    (pair,) = pairs_of(rows({STATICS[0]: 2.0, "tuned": 1.0, AGENT: 1.0}, repeats=2))
    assert pair.candidates == ["default", STATICS[0]]
    assert pair.has("tuned")
    assert not pair.has("nobody")
    assert pair.name == "ssd-dilated/mmap-random-4k"
    assert agents([pair]) == [pair]


def test_devices_and_adapters_are_pairs_of_their_own() -> None:
    made = rows({AGENT: 1.0}) + rows({AGENT: 1.0}, profile="ssd-5ms")
    made += rows({AGENT: 1.0}, adapter="iosched")
    assert len(pairs_of(made)) == 3


def test_a_load_without_the_primary_metric_is_judged_by_what_is_guarded() -> None:
    made = rows({AGENT: 2.0}, guards={"writes_s": 0.85})
    for each in made:
        each["metrics"] = {"writes_s": each["metrics"]["progress"]}
    (pair,) = pairs_of(made)
    assert pair.metric == "writes_s"
    assert pair.guards == {}
    assert pair.logs(AGENT)[0] == pytest.approx(0.6931, abs=1e-4)


def test_nothing_done_is_little_not_an_error() -> None:
    (pair,) = pairs_of([row("w", "default", 0, 10.0), row("w", AGENT, 0, 0.0)])
    assert pair.values[AGENT][0] == LEAST


@pytest.mark.parametrize("strange", [{"profile": "x"}, {"notes": {}}, {"notes": None}])
def test_a_row_that_no_matrix_made(strange: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="not a row of a matrix"):
        pairs_of([strange])
