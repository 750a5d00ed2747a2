"""Objectives: gains with their guards; starving a reader is never a gain."""

from __future__ import annotations

import math

import pytest

from mlproxy.objective import PENALTY, Guard, Objective

BOTH = Objective("reads_s", "1/s", "reads", (Guard("writes_s", 0.8, "writes", "disk.write_ios"),))
BASE = {"reads_s": 100.0, "writes_s": 100.0}


def test_a_gain_whose_guard_holds_is_the_primary_metrics() -> None:
    assert BOTH.gain_log({"reads_s": 200.0, "writes_s": 81.0}, BASE) == pytest.approx(math.log(2))


def test_below_the_floor_a_guard_costs() -> None:
    gain = BOTH.gain_log({"reads_s": 200.0, "writes_s": 40.0}, BASE)
    assert gain == pytest.approx(math.log(2) + PENALTY * math.log(0.5))
    assert gain < 0


def test_without_readers_the_guards_are_the_objective() -> None:
    assert BOTH.gain_log({"writes_s": 50.0}, {"writes_s": 100.0}) == pytest.approx(math.log(0.5))
    assert math.isnan(BOTH.gain_log({}, {}))


def test_a_reader_that_starves_is_the_worst_whatever_the_writer_gained() -> None:
    assert BOTH.gain_log({"reads_s": 0.0, "writes_s": 900.0}, BASE) == -math.inf
    assert BOTH.gain_log({"writes_s": 900.0}, BASE) == -math.inf
    assert BOTH.gain_log(BASE, {"writes_s": 900.0}) == math.inf


def test_a_writer_that_vanished_makes_two_records_incomparable() -> None:
    assert math.isnan(BOTH.gain_log({"reads_s": 900.0}, BASE))


def test_a_writer_that_rested_for_one_slot_says_nothing() -> None:
    gain = BOTH.gain_log({"reads_s": 200.0, "writes_s": 0.0}, BASE)
    assert gain == pytest.approx(math.log(2))


def test_totals_are_by_metric_and_only_of_what_is_counted() -> None:
    assert BOTH.totals(5.0, {"disk.write_ios": 7.0}) == {"reads_s": 5.0, "writes_s": 7.0}
    assert BOTH.totals(5.0, {}) == {"reads_s": 5.0}
