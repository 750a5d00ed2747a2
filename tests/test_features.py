"""Feature schemas: order, requiredness, and what changes a fingerprint."""

from __future__ import annotations

import math

import pytest
from pydantic import ValidationError

from mlproxy.features import FeatureSchema, feature


class One(FeatureSchema):
    a: float = feature("ms", "/proc/a", "needed")
    b: float | None = feature("1", "/proc/b", "not needed", optional=True)


class OtherUnit(FeatureSchema):
    a: float = feature("s", "/proc/a", "needed")
    b: float | None = feature("1", "/proc/b", "not needed", optional=True)


class OtherWords(FeatureSchema):
    a: float = feature("ms", "/elsewhere", "said otherwise")
    b: float | None = feature("1", "/proc/b", "not needed", optional=True)


def test_order_and_requiredness() -> None:
    assert One.names() == ("a", "b")
    assert One.required() == ("a",)
    assert [row["required"] for row in One.describe()] == [True, False]


def test_a_missing_value_is_missing_and_not_zero() -> None:
    vector = One(a=1.0).vector()
    assert vector[0] == 1.0
    assert math.isnan(vector[1])


@pytest.mark.parametrize("bad", [{}, {"a": math.nan}, {"a": math.inf}, {"a": 1, "c": 2}])
def test_what_is_no_feature_is_refused(bad: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        One.model_validate(bad)


def test_the_fingerprint_is_of_meaning_and_not_of_words() -> None:
    assert One.fingerprint() != OtherUnit.fingerprint()
    assert One.fingerprint() == OtherWords.fingerprint()
    assert len(One.fingerprint()) == 12
