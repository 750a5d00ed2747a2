"""The order of trust and the share of time that each mode grants."""

from __future__ import annotations

from fractions import Fraction

import pytest

from mlproxy.mode import Mode


def test_the_order_is_the_order_of_trust_not_the_alphabet() -> None:
    shuffled = [Mode.RECOMMENDATION, Mode.COLLABORATION, Mode.EMERGENCY, Mode.LEARNING]
    assert sorted(shuffled) == list(Mode)
    assert [mode.rank for mode in Mode] == [0, 1, 2, 3]


def test_every_comparison_follows_the_rank() -> None:
    for low in Mode:
        for high in Mode:
            assert (low < high) == (low.rank < high.rank)
            assert (low <= high) == (low.rank <= high.rank)
            assert (low > high) == (low.rank > high.rank)
            assert (low >= high) == (low.rank >= high.rank)


def test_shares() -> None:
    expected = [Fraction(0), Fraction(1, 8), Fraction(1, 2), Fraction(7, 8)]
    assert [mode.share for mode in Mode] == expected


@pytest.mark.parametrize(
    ("mode", "ceiling", "expected"),
    [
        (Mode.EMERGENCY, Mode.RECOMMENDATION, Mode.LEARNING),
        (Mode.LEARNING, Mode.RECOMMENDATION, Mode.COLLABORATION),
        (Mode.COLLABORATION, Mode.RECOMMENDATION, Mode.RECOMMENDATION),
        (Mode.RECOMMENDATION, Mode.RECOMMENDATION, Mode.RECOMMENDATION),
        (Mode.LEARNING, Mode.LEARNING, Mode.LEARNING),
        (Mode.RECOMMENDATION, Mode.COLLABORATION, Mode.COLLABORATION),
    ],
)
def test_promotion_is_one_step_and_stops_at_the_ceiling(
    mode: Mode, ceiling: Mode, expected: Mode
) -> None:
    assert mode.promoted(ceiling) is expected


def test_demotion_is_one_step_and_stops_at_emergency() -> None:
    assert Mode.RECOMMENDATION.demoted() is Mode.COLLABORATION
    assert Mode.LEARNING.demoted() is Mode.EMERGENCY
    assert Mode.EMERGENCY.demoted() is Mode.EMERGENCY


def test_a_ceiling_only_lowers() -> None:
    assert Mode.RECOMMENDATION.under(Mode.LEARNING) is Mode.LEARNING
    assert Mode.LEARNING.under(Mode.RECOMMENDATION) is Mode.LEARNING


def test_a_mode_is_its_word() -> None:
    assert Mode("learning") is Mode.LEARNING
    assert f"{Mode.LEARNING}" == "learning"
