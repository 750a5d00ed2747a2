"""Training rows: every window against every setting of its group."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mlproxy.dataset import Record, build_dataset, means_of, read_records
from mlproxy.errors import ConfigError
from mlproxy_iosched import IoschedAdapter
from tests.surrogate import ADAPTER, make_records
from tests.test_decide import FEATURES

RECORDS = [r for r in make_records() if r.group == "device0/random"]


def test_gains_are_over_the_setting_in_force() -> None:
    data = build_dataset(ADAPTER, RECORDS)
    assert data.rows.shape[0] == 8 * 3 * 8
    first = data.gain_log[:8]
    np.testing.assert_allclose(data.gain_log[data.own], 0.0, atol=1e-12)
    progress = [record.metrics["progress"] for record in RECORDS]
    assert first[0] - first[4] == pytest.approx(math.log(progress[0] / progress[4]))


def test_own_points_to_the_setting_in_force() -> None:
    data = build_dataset(ADAPTER, RECORDS)
    width = len(ADAPTER.schema.names())
    own = data.rows[data.own]
    np.testing.assert_array_equal(own[:, width], own[:, width + 1])
    np.testing.assert_array_equal(data.window[data.own], data.window)


def test_groups_never_mix() -> None:
    data = build_dataset(ADAPTER, make_records())
    assert len(set(data.group)) == 20
    assert len(data.window_rows) == len(make_records()) * 3


def test_repeats_are_averaged_as_logs() -> None:
    one, two = (replace(RECORDS[0], metrics={"progress": value}) for value in (1.0, 4.0))
    ((_, mean),) = means_of([one, two]).values()
    assert mean == {"progress": pytest.approx(2.0)}


def test_the_reference_is_a_setting_that_has_the_metrics() -> None:
    """The first setting starved the readers: the others still compare with each other."""
    windows = (FEATURES.model_dump(),)
    records = [
        Record("d/w", {"nr_requests": depth}, windows, metrics)
        for depth, metrics in [
            (256, {"writes_s": 9.0}),
            (64, {"reads_s": 10.0, "writes_s": 9.0}),
            (8, {"reads_s": 20.0, "writes_s": 9.0}),
        ]
    ]
    data = build_dataset(IoschedAdapter(), records)
    assert sorted(data.gain_log) == pytest.approx([-math.log(2), 0.0, 0.0, math.log(2)])
    assert len(data.window_rows) == 2, "what cannot be compared is left out"


def test_nothing_to_train_on_is_said() -> None:
    with pytest.raises(ConfigError, match="nothing to train on"):
        build_dataset(ADAPTER, [])


def test_records_are_read_back(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    lines = [
        {"group": r.group, "setting": r.setting, "windows": r.windows, "metrics": r.metrics}
        for r in RECORDS
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert read_records([path]) == RECORDS


@pytest.mark.parametrize("text", ["{}", "not json", "[1]", '{"group": "g"}'])
def test_what_is_no_record_is_named_with_its_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(text + "\n")
    with pytest.raises(ConfigError, match=r"rows\.jsonl:1: not a record"):
        read_records([path])
    with pytest.raises(ConfigError, match="cannot be read"):
        read_records([tmp_path / "absent"])


def test_the_digest_changes_with_the_data() -> None:
    other = [replace(RECORDS[0], metrics={"progress": 1.0}), *RECORDS[1:]]
    assert build_dataset(ADAPTER, RECORDS).digest != build_dataset(ADAPTER, other).digest
