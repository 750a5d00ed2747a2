"""Training: equal data and seed give equal models, and skill must be shown."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from mlproxy.dataset import Dataset
from mlproxy.errors import ConfigError
from mlproxy.manifest import MODEL, digest_of
from mlproxy.training import FEWEST_SURE, UNSURE, _has_skill, _skilled, train
from tests.surrogate import ADAPTER, make_records

SMALL = [r for r in make_records() if r.group.startswith(("device0", "device1", "device2"))]


def test_equal_data_and_seed_give_the_same_file(tmp_path: Path) -> None:
    one, two = (train(ADAPTER, SMALL, tmp_path / name) for name in "ab")
    assert one == two
    assert digest_of(tmp_path / "a" / MODEL) == digest_of(tmp_path / "b" / MODEL)


def test_confidence_costs_and_the_manifest_says_what_was_used(tmp_path: Path) -> None:
    manifest = train(ADAPTER, make_records(), tmp_path / "m")
    stretch = [manifest.stretch[key] for key in ("0.8", "0.9", "0.95", "0.99")]
    assert stretch == sorted(stretch)
    assert stretch[-1] < UNSURE
    assert manifest.groups[0] == "device0/random"
    assert manifest.units["read_wait_ms"] == "ms"


def test_one_group_cannot_be_validated(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="two or more"):
        train(ADAPTER, SMALL[:8], tmp_path / "m")
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize(
    ("gain", "skill"),
    [
        ([0.5, 0.4, 0.6, 0.5], True),
        ([0.5, -0.4, -0.6, 0.5], False),
        ([-0.5, -0.4, -0.6, -0.5], False),
        ([0.5, 0.5, 0.5], True),
    ],
)
def test_skill_is_a_gain_on_groups_never_seen(gain: list[float], skill: bool) -> None:
    assert _has_skill(np.array(gain), [f"g{n}" for n in range(len(gain))]) is skill


def test_many_windows_of_one_group_are_one_witness() -> None:
    assert not _has_skill(np.full(100, 0.5), ["g"] * 100)


def test_a_skill_in_what_is_sure_must_show_in_enough_groups() -> None:
    data = cast(
        Dataset,
        SimpleNamespace(group=[f"g{n // 2}" for n in range(10)], gain_log=np.full(10, 0.5)),
    )
    assert _skilled(data, np.arange(10), FEWEST_SURE)
    assert not _skilled(data, np.arange(8), FEWEST_SURE)
    assert _skilled(data, np.arange(8), 2)
