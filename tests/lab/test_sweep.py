"""The sweep: settings become arms, workloads of a kind go with the object that they load,
and on a real bed the rows it records can be trained on."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlproxy.dataset import unit_of
from mlproxy.knob import Setting
from mlproxy.lab import sweep as module
from mlproxy.lab.profile import PROFILES
from mlproxy.lab.rows import read_rows, records_of
from mlproxy.lab.sweep import CUT, setting_arm, sweep, workloads_of
from mlproxy.lab.workload import TRAINING, by_name
from mlproxy_iosched import IoschedAdapter
from mlproxy_readahead import ReadaheadAdapter


@pytest.mark.parametrize("adapter", [ReadaheadAdapter(), IoschedAdapter()])
def test_every_workload_has_a_name_of_its_own(
    adapter: ReadaheadAdapter | IoschedAdapter,
) -> None:
    names = [workload.name for workload in workloads_of(adapter)]
    assert len(names) == len(set(names)) > 30


def test_a_bdi_is_loaded_through_the_page_cache_and_a_disk_past_it() -> None:
    readers = {job.direct for w in workloads_of(ReadaheadAdapter()) for job in w.jobs}
    assert False in readers
    assert any(job.role == "writer" for w in workloads_of(IoschedAdapter()) for job in w.jobs)


def test_an_arm_names_the_object_that_holds_the_knob() -> None:
    assert setting_arm(ReadaheadAdapter(), {"read_ahead_kb": 16}).knobs == (
        ("sys/class/bdi/{devno}/read_ahead_kb", "16"),
    )
    wanted = {"scheduler": "none", "nr_requests": 8}
    assert setting_arm(IoschedAdapter(), wanted).knobs == (
        ("sys/block/{disk}/queue/scheduler", "none"),
        ("sys/block/{disk}/queue/nr_requests", "8"),
    )


class TwoValues(ReadaheadAdapter):
    """The readahead adapter, swept at two values only."""

    def sweep(self) -> list[Setting]:
        return [{"read_ahead_kb": 4}, {"read_ahead_kb": 512}]


@pytest.mark.root
def test_a_real_sweep_resumes_and_its_rows_are_records(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = (by_name(TRAINING, "mmap-random-4k"), by_name(TRAINING, "psync-random-4k"))
    monkeypatch.setattr(module, "workloads_of", lambda adapter: chosen)
    rows = tmp_path / "rows.jsonl"
    adapter = TwoValues()
    assert sweep(adapter, [PROFILES["ssd-dilated"]], rows, 1) == 8
    assert sweep(adapter, [PROFILES["ssd-dilated"]], rows, 1) == 0
    records = records_of(adapter, read_rows([rows]))
    assert {(r.group, r.setting["read_ahead_kb"]) for r in records} == {
        (f"ssd-dilated/{workload.name}{case}", value)
        for workload in chosen
        for case in ("", CUT)
        for value in (4, 512)
    }
    for record in records:
        assert record.metrics["progress"] > 0
        assert all((window["read_kb_per_request"] or 0) >= 4 for window in record.windows)
    assert {unit_of(r.group) for r in records} == {f"ssd-dilated/{w.name}" for w in chosen}
    mapped = {r.setting["read_ahead_kb"]: r for r in records if "mmap" in r.group}
    assert mapped[512].metrics["progress"] < mapped[4].metrics["progress"] / 2
