"""The columns that a model sees."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mlproxy.columns import LEAST_SPREAD, column_names, fill_rows, spread
from mlproxy_iosched import IoschedAdapter

KNOBS = IoschedAdapter.knobs
NOW = {"scheduler": "none", "nr_requests": 63, "wbt_lat_usec": 0}


def test_three_columns_per_knob_after_the_features() -> None:
    names = column_names(("a",), KNOBS[:1])
    assert names == ["a", "current.scheduler", "candidate.scheduler", "step.scheduler"]


def test_rows_differ_only_in_the_candidate() -> None:
    rows = fill_rows([1.5, math.nan], KNOBS, NOW, [NOW, {**NOW, "nr_requests": 7}])
    assert rows.shape == (2, 2 + 9)
    assert rows.dtype == np.float32
    assert list(rows[1, 5:8]) == [63.0, 7.0, -3.0]
    assert np.isnan(rows[:, 1]).all()
    np.testing.assert_array_equal(rows[0, :5], rows[1, :5])


def test_a_knob_that_was_not_there_is_missing() -> None:
    row = fill_rows([], KNOBS, {"nr_requests": 64}, [{"nr_requests": 8}])[0]
    assert np.isnan(row[:3]).all()
    assert np.isnan(row[6:]).all()


def test_no_candidates_make_no_rows() -> None:
    assert fill_rows([1.0], KNOBS, NOW, []).shape == (0, 10)


def test_the_spread_is_never_zero() -> None:
    found = spread(np.array([1.0, 1.0]), np.array([0.5, 2.0]))
    assert list(found) == pytest.approx([0.5, LEAST_SPREAD])
