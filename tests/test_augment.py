"""Augmentation of training rows: what is blurred, by how much, and what may be missing."""

from __future__ import annotations

import numpy as np
import pytest

from mlproxy.augment import COPIES, DROP_SHARE, augmentation_of
from mlproxy.capacity import FEW, MANY, MANY_GROUPS, capacity_of
from mlproxy.features import FeatureSchema, feature


class Schema(FeatureSchema):
    """A share, a time, and something that may be missing."""

    share: float = feature("1", "here", "a share")
    wait_ms: float = feature("ms", "here", "a time")
    runs: float | None = feature("KiB", "there", "perhaps", optional=True)


ROWS = np.tile(np.array([[0.0, 100.0, 1000.0, 128.0]], np.float32), (4000, 1))
AUGMENTATION = augmentation_of(Schema, FEW)


def test_times_and_rates_vary_more_than_shapes() -> None:
    assert AUGMENTATION.blurs == [FEW.blur, FEW.speed_blur, FEW.blur]
    shown = AUGMENTATION.copies(ROWS, 1)
    assert shown.shape == (COPIES * len(ROWS), 4)
    assert np.log1p(shown[:, 1]).std() == pytest.approx(FEW.speed_blur, rel=0.1)
    assert np.log1p(shown[:, 2])[np.isfinite(shown[:, 2])].std() == pytest.approx(FEW.blur, rel=0.1)


def test_nothing_becomes_negative_and_a_zero_is_not_exact() -> None:
    shares = AUGMENTATION.copies(ROWS, 1)[:, 0]
    assert shares.min() == 0.0
    assert 0.0 < shares.max() < 1.0


def test_only_what_is_optional_goes_missing_and_candidates_stay() -> None:
    shown = AUGMENTATION.copies(ROWS, 1)
    assert np.isfinite(shown[:, :2]).all()
    assert np.isnan(shown[:, 2]).mean() == pytest.approx(DROP_SHARE, rel=0.2)
    assert (shown[:, 3] == 128.0).all()


def test_what_was_missing_stays_missing_and_the_rows_are_left_alone() -> None:
    rows = ROWS.copy()
    rows[:, 2] = np.nan
    assert np.isnan(AUGMENTATION.copies(rows, 1)[:, 2]).all()
    assert (rows[:, :2] == ROWS[:, :2]).all()


def test_the_same_seed_gives_the_same_copies() -> None:
    one, two = AUGMENTATION.copies(ROWS, 7), AUGMENTATION.copies(ROWS, 7)
    assert np.array_equal(one, two, equal_nan=True)
    assert not np.array_equal(one, AUGMENTATION.copies(ROWS, 8), equal_nan=True)


def test_more_groups_are_blurred_less() -> None:
    assert (capacity_of(MANY_GROUPS - 1), capacity_of(MANY_GROUPS)) == (FEW, MANY)
    assert MANY.blur < FEW.blur
    assert MANY.speed_blur < FEW.speed_blur
    assert MANY.max_depth > FEW.max_depth
