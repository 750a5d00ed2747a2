"""Is a window like what the model was trained on: judged jointly."""

from __future__ import annotations

import json

import numpy as np
import pytest

from mlproxy.domain import Domain, fit_domain

CHANCE = np.random.default_rng(3)


def line(rows: int = 400) -> np.ndarray:
    """Two features that always move together."""
    base = CHANCE.uniform(0, 6, rows)
    return np.expm1(np.stack([base, base + CHANCE.normal(0, 0.05, rows)], axis=1))


DOMAIN = fit_domain(line(), ["g"] * 400, 1)


def test_what_was_seen_is_inside() -> None:
    assert (DOMAIN.distance(line(100)) <= 1).mean() > 0.97


def test_a_combination_never_seen_is_outside_though_each_value_was() -> None:
    strange = np.expm1(np.array([[1.0, 5.0], [5.0, 1.0]]))
    assert (DOMAIN.distance(strange) > 1).all()


def test_a_value_far_away_is_outside() -> None:
    assert DOMAIN.distance(np.array([[1e9, 1e9]]))[0] > 1
    assert np.isfinite(DOMAIN.distance(np.array([[np.inf, 1.0]]))).all()


def test_absence_alone_is_not_strange() -> None:
    middle = float(np.expm1(3.0))
    assert DOMAIN.distance(np.array([[np.nan, middle]]))[0] <= 1


def test_a_feature_that_was_always_missing_does_no_harm() -> None:
    rows = np.column_stack([line(), np.full(400, np.nan)])
    domain = fit_domain(rows, ["g"] * 400, 1)
    assert (domain.distance(rows[:50]) <= 1).all()
    assert (domain.distance(np.column_stack([line(20), np.full(20, 7.0)])) <= 1.0).mean() > 0.9


def test_a_shift_is_a_step_longer_than_neighbours_make() -> None:
    rows = line()
    order = np.argsort(rows[:, 0])
    domain = fit_domain(rows[order], ["g"] * 400, 1)
    low, high = rows[order[0]], rows[order[-1]]
    assert domain.shift(low.tolist(), low.tolist()) == 0.0
    assert domain.shift(low.tolist(), high.tolist()) > 1
    assert domain.shift([np.nan, low[1]], low.tolist()) == pytest.approx(0.0)


def test_it_survives_json() -> None:
    again = Domain.from_dict(json.loads(json.dumps(DOMAIN.as_dict())))
    rows = line(20)
    np.testing.assert_allclose(again.distance(rows), DOMAIN.distance(rows), rtol=0.02, atol=0.01)
    with pytest.raises(KeyError):
        Domain.from_dict({})
