"""Drawn settings: many, different, the same each time, and split before anything is trained."""

from __future__ import annotations

import hashlib
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from mlproxy.errors import ConfigError
from mlproxy.lab import fio
from mlproxy.lab.matrix.devices import draw_devices
from mlproxy.lab.matrix.generate import FAMILIES, draw_settings
from mlproxy.lab.matrix.load import load_matrix
from mlproxy.lab.matrix.loads.base import lacks_program
from mlproxy.lab.matrix.loads.fio_jobs import FioLoad
from mlproxy.lab.matrix.split import DEVICE, FAMILY, HELD_OUT, PARAMETERS, TRAINING

DRAWN = load_matrix("generated").blocks[0].generated
assert DRAWN is not None
SETTINGS = draw_settings(DRAWN.settings, DRAWN.devices, 1)


def test_there_are_three_hundred_different_ones() -> None:
    assert len({setting.name for setting in SETTINGS}) == len(SETTINGS) >= 300
    assert {setting.load.family for setting in SETTINGS} == set(FAMILIES)


def test_the_shipped_draw_stays_what_it_was_when_the_splits_were_fixed() -> None:
    text = "\n".join(f"{setting.name} {setting.split} {setting.device!r}" for setting in SETTINGS)
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == "2d3c71984ad74df1"


def test_more_settings_change_none_that_were_there() -> None:
    assert draw_settings(50, DRAWN.devices, 1) == SETTINGS[:50]
    assert draw_settings(50, DRAWN.devices, 2) != SETTINGS[:50]


def test_each_split_holds_out_what_it_says() -> None:
    by_split = {name: [s for s in SETTINGS if s.split == name] for name in (TRAINING, *HELD_OUT)}
    assert all(len(found) >= 30 for found in by_split.values()), Counter(s.split for s in SETTINGS)
    seen = by_split[TRAINING] + by_split[PARAMETERS]
    assert not {s.load.family for s in by_split[FAMILY]} & {s.load.family for s in seen}
    assert not {s.device.name for s in by_split[DEVICE]} & {s.device.name for s in seen}
    assert not {s.name for s in by_split[PARAMETERS]} & {s.name for s in by_split[TRAINING]}


def test_every_parameter_is_drawn() -> None:
    jobs = [job for s in SETTINGS if isinstance(s.load, FioLoad) for job in s.load.workload.jobs]
    devices = {s.device for s in SETTINGS}
    assert len({job.bs for job in jobs}) >= 7
    assert len({job.extra for job in jobs if job.extra}) >= 10
    assert {job.engine for job in jobs} == {"mmap", "psync"}
    assert {job.numjobs for job in jobs} == {1, 2, 4, 8}
    assert len({job.size_mb for job in jobs}) >= 4
    assert len({len(s.load.workload.jobs) for s in SETTINGS if isinstance(s.load, FioLoad)}) >= 5
    for field in ("latency_us", "bandwidth_mb_s", "channels", "seek_ms"):
        assert len({getattr(device, field) for device in devices}) >= 4, field


def test_devices_stand_for_what_their_name_says() -> None:
    found = {device.name: device for device in draw_devices(200, 7)}
    for device in found.values():
        assert device.name.startswith("disk-" if device.rotational else "ssd-")
        assert f"{device.bandwidth_mb_s:g}mb" in device.name
    assert 0.1 < sum(device.rotational for device in found.values()) / len(found) < 0.3


@pytest.mark.skipif(bool(lacks_program("fio")), reason="needs fio")
@pytest.mark.parametrize("family", FAMILIES)
def test_fio_takes_every_family(family: str, tmp_path: Path) -> None:
    load = next(s.load for s in SETTINGS if s.load.family == family)
    assert isinstance(load, FioLoad)
    text = fio.job_file(load.workload, tmp_path, 1.0, 0.0, 1)
    command = ["fio", "--parse-only", "-"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_asking_for_more_than_there_is() -> None:
    with pytest.raises(ConfigError, match="no 5000 different settings on 1 devices"):
        draw_settings(5000, 1, 1)
