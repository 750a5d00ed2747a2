"""Knobs: the number a model sees, and where features are blind."""

from __future__ import annotations

import math

import pytest

from mlproxy_iosched.adapter import SCHEDULER
from mlproxy_readahead.adapter import READ_AHEAD_KB


@pytest.mark.parametrize(
    ("value", "blind"), [(-1, False), (0, True), (4, True), (6, True), (8, True), (12, False)]
)
def test_at_or_below_a_blind_value_nothing_is_told_apart(value: int, blind: bool) -> None:
    assert READ_AHEAD_KB.is_blind(value) is blind


def test_a_knob_without_blind_values_never_is() -> None:
    assert not SCHEDULER.is_blind("none")


def test_a_name_is_its_place_and_an_unknown_one_is_missing() -> None:
    assert SCHEDULER.code("mq-deadline") == 1.0
    assert math.isnan(SCHEDULER.code("cfq"))
    assert READ_AHEAD_KB.code(128) == 128.0
