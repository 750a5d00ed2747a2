"""Drawn settings: many, different, the same each time, and split before anything is trained."""

from __future__ import annotations

import hashlib
import subprocess
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from mlproxy.errors import ConfigError
from mlproxy.lab import fio
from mlproxy.lab.matrix.devices import draw_devices
from mlproxy.lab.matrix.document import Block, Generated
from mlproxy.lab.matrix.generate import FAMILIES
from mlproxy.lab.matrix.load import load_matrix
from mlproxy.lab.matrix.loads.base import lacks_program
from mlproxy.lab.matrix.loads.fio_jobs import FioLoad
from mlproxy.lab.matrix.plan import settings_of
from mlproxy.lab.matrix.queue_families import QUEUE_FAMILIES
from mlproxy.lab.matrix.setting import Setting
from mlproxy.lab.matrix.split import DEVICE, FAMILY, HELD_OUT, PARAMETERS, TRAINING
from mlproxy.lab.sweep import workloads_of
from mlproxy.lab.workload import Job
from mlproxy.registry import load_registry

SETTINGS = settings_of(load_matrix("generated").blocks[0], 1)


def drawn(seed: int, adapter: str = "readahead", **fields: object) -> list[Setting]:
    generated = Generated.model_validate(fields)
    return settings_of(Block(adapter=adapter, generated=generated), seed)


def test_there_are_three_hundred_different_ones() -> None:
    assert len({setting.name for setting in SETTINGS}) == len(SETTINGS) >= 300
    assert {setting.load.family for setting in SETTINGS} == set(FAMILIES)


def test_the_shipped_draw_stays_what_it_was_when_the_splits_were_fixed() -> None:
    text = "\n".join(f"{setting.name} {setting.split} {setting.device!r}" for setting in SETTINGS)
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == "2d3c71984ad74df1"


def test_more_settings_change_none_that_were_there() -> None:
    assert drawn(1, settings=50) == SETTINGS[:50]
    assert drawn(2, settings=50) != SETTINGS[:50]


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
@pytest.mark.parametrize("family", [*FAMILIES, *QUEUE_FAMILIES])
def test_fio_takes_every_family(family: str, tmp_path: Path) -> None:
    every = [*SETTINGS, *drawn(1, "iosched", settings=30)]
    load = next(s.load for s in every if s.load.family == family)
    assert isinstance(load, FioLoad)
    text = fio.job_file(load.workload, tmp_path, 1.0, 0.0, 1)
    command = ["fio", "--parse-only", "-"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_asking_for_more_than_there_is() -> None:
    with pytest.raises(ConfigError, match="no 5000 different settings on 1 devices"):
        drawn(1, settings=5000, devices=1)


@pytest.mark.parametrize("adapter", ["readahead", "iosched"])
def test_on_named_devices_what_is_recorded_for_training_is_not_held_out(adapter: str) -> None:
    """Whatever part of a file is read: none of them fits the memory."""
    fields = {"settings": 40, "devices": ["ssd-dilated"]}
    recorded = {whole(w.jobs) for w in workloads_of(load_registry().get(adapter))}
    for split, known in ((PARAMETERS, False), (TRAINING, True)):
        found = drawn(3, adapter, **{**fields, "settings": 2, "splits": [split]})
        assert {setting.split for setting in found} == {split}
        assert {whole(load.workload.jobs) in recorded for load in loads(found)} == {known}
    assert {setting.device.name for setting in drawn(3, adapter, **fields)} == {"ssd-dilated"}


def test_a_device_that_there_is_not() -> None:
    with pytest.raises(ConfigError, match="no device profile 'quack'; there is: ssd-dilated"):
        drawn(1, devices=["quack"])


def whole(jobs: tuple[Job, ...]) -> tuple[Job, ...]:
    return tuple(replace(job, size_mb=0) for job in jobs)


def loads(settings: list[Setting]) -> list[FioLoad]:
    return [setting.load for setting in settings if isinstance(setting.load, FioLoad)]
