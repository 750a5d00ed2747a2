"""Evidence: windows of one phase at one setting, never mixed."""

from __future__ import annotations

import math
from typing import cast

from mlproxy.domain import Domain
from mlproxy.evidence import DEPTH, Evidence
from mlproxy.features import FeatureSchema, feature
from tests.world import Anywhere

DOMAIN = cast(Domain, Anywhere())


class Two(FeatureSchema):
    a: float = feature("1", "test", "always there")
    b: float | None = feature("1", "test", "sometimes there", optional=True)


def test_the_mean_passes_over_what_is_missing() -> None:
    evidence = Evidence()
    for b in (None, 2.0, 4.0):
        evidence.add(Two(a=1.0, b=b), {"k": 1}, None)
    assert list(evidence.mean()) == [1.0, 3.0]


def test_what_is_always_missing_stays_missing() -> None:
    evidence = Evidence()
    evidence.add(Two(a=1.0), {"k": 1}, DOMAIN)
    evidence.add(Two(a=1.0), {"k": 1}, DOMAIN)
    assert math.isnan(evidence.mean()[1])


def test_another_setting_starts_anew_and_is_no_phase() -> None:
    evidence = Evidence()
    evidence.add(Two(a=1.0), {"k": 1}, DOMAIN)
    assert not evidence.add(Two(a=100.0), {"k": 2}, DOMAIN)
    assert len(evidence) == 1
    assert evidence.setting == {"k": 2}
    assert evidence.mean()[0] == 100.0


def test_an_unlike_window_is_a_new_phase_and_drops_the_old() -> None:
    evidence = Evidence()
    assert not evidence.add(Two(a=1.0), {"k": 1}, DOMAIN)
    assert not evidence.add(Two(a=1.1), {"k": 1}, DOMAIN)
    assert evidence.add(Two(a=9.0), {"k": 1}, DOMAIN)
    assert list(evidence.mean())[:1] == [9.0]


def test_without_a_domain_there_are_no_phases_and_the_depth_is_bounded() -> None:
    evidence = Evidence()
    for a in range(10):
        assert not evidence.add(Two(a=float(a * a)), {"k": 1}, None)
    assert len(evidence) == DEPTH


def test_clear_forgets_features_too() -> None:
    evidence = Evidence()
    evidence.add(Two(a=1.0), {"k": 1}, None)
    evidence.clear()
    assert len(evidence) == 0
    assert evidence.features is None
