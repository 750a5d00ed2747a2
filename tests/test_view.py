"""Views of a phase: what is remembered, and how several become one prediction."""

from __future__ import annotations

import numpy as np
import pytest

from mlproxy.domain import Domain
from mlproxy.view import FADE_S, MOST, View, Views, pool

DOMAIN = Domain(np.zeros(1), np.ones(1), np.zeros((1, 1)), threshold=1.0, step=0.5)
"""Phases lie apart by more than 0.5 in log1p."""


def view(value: float, kb: int) -> View:
    return View([value], {"read_ahead_kb": kb})


def settings(views: Views) -> list[object]:
    return [each.setting["read_ahead_kb"] for each in views.recall(0.0)]


def test_the_present_view_comes_last_and_replaces_the_one_from_the_same_setting() -> None:
    views = Views()
    for number, kb in enumerate((128, 16, 128)):
        assert not views.add(view(1.0 + number / 10, kb), float(number), DOMAIN)
    assert settings(views) == [16, 128]
    assert [(each.vector, each.age_s) for each in views.recall(5.0)] == [([1.1], 4.0), ([1.2], 3.0)]
    assert views.values("read_ahead_kb") == {16, 128}


def test_what_looks_otherwise_from_the_same_setting_is_another_phase() -> None:
    views = Views()
    views.add(view(1.0, 128), 0.0, DOMAIN)
    views.add(view(9.0, 16), 1.0, DOMAIN)
    assert settings(views) == [128, 16], "another setting looks otherwise in any phase"
    assert views.add(view(9.0, 128), 2.0, DOMAIN)
    assert settings(views) == [128]


def test_without_a_model_nothing_can_be_told_apart() -> None:
    views = Views()
    views.add(view(1.0, 128), 0.0, None)
    assert not views.add(view(9.0, 128), 1.0, None)


def test_no_more_than_the_last_few_are_kept() -> None:
    views = Views()
    for kb in range(MOST + 3):
        views.add(view(1.0, kb), 0.0, DOMAIN)
    assert settings(views) == list(range(2, MOST + 3))


def pooled(*seen: tuple[float, float, float]) -> tuple[float, float]:
    gains, doubts, ages = (np.array(each, float) for each in zip(*seen, strict=True))
    gain, doubt = pool(gains[:, None], doubts[:, None], ages.tolist())
    return float(gain[0]), float(doubt[0])


def test_one_view_is_what_it_says() -> None:
    assert pooled((0.4, 0.2, 0.0)) == pytest.approx((0.4, 0.2))


def test_the_surer_view_counts_more_and_agreement_makes_surer() -> None:
    gain, doubt = pooled((1.0, 0.2, 0.0), (0.9, 1.0, 0.0))
    assert gain == pytest.approx((25 * 1.0 + 0.9) / 26)
    assert doubt == pytest.approx(0.2, abs=0.01)
    assert pooled((0.5, 0.2, 0.0), (0.5, 0.2, 0.0)) == pytest.approx((0.5, 0.2 / 2**0.5))


def test_a_view_fades_with_age() -> None:
    fresh, _ = pooled((1.0, 0.5, 0.0), (0.0, 0.5, 0.0))
    faded, _ = pooled((1.0, 0.5, FADE_S), (0.0, 0.5, 0.0))
    assert (fresh, faded) == pytest.approx((0.5, 0.2))


def test_views_that_contradict_each_other_are_sure_of_little() -> None:
    gain, doubt = pooled((0.5, 0.3, 0.0), (-0.5, 0.3, 0.0))
    assert (gain, doubt) == pytest.approx((0.0, 0.5))


def test_a_view_that_flatly_contradicts_the_present_one_is_of_another_phase() -> None:
    assert pooled((2.0, 0.1, 0.0), (-2.0, 0.1, 0.0)) == pytest.approx((-2.0, 0.1))
    doubts = np.array([[0.1, 0.1], [0.1, 0.1]])
    gain, _ = pool(np.array([[2.0, 0.3], [-2.0, 0.2]]), doubts, [0.0, 0.0])
    assert gain.tolist() == pytest.approx([-2.0, 0.2]), "as a whole, not option by option"


def test_a_prediction_that_is_no_number_stays_none() -> None:
    assert np.isnan(pooled((0.5, 0.1, 0.0), (np.nan, 0.1, 0.0))[0])


def test_a_present_view_without_doubt_is_heeded_alone() -> None:
    assert pooled((0.5, 0.1, 0.0), (0.0, 0.0, 0.0))[0] == pytest.approx(0.0, abs=1e-6)


def test_a_change_in_small_steps_is_a_change_of_phase_too() -> None:
    """Each mean is near the last one; the fourth is far from the first."""
    views = Views()
    seen = [views.add(view(0.3 * step, 128), float(step), DOMAIN) for step in range(5)]
    assert seen == [False, False, False, True, False]
    assert settings(views) == [128]
