"""Records of made-up devices, and real models trained on them in a second."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from mlproxy.dataset import Record
from mlproxy.decide import Answer, Question, recommend
from mlproxy.knob import Setting
from mlproxy.model import Model, load_model
from mlproxy.snapshot import Sample, Window
from mlproxy.training import train
from mlproxy.view import View
from mlproxy_readahead import ReadaheadAdapter
from mlproxy_readahead.adapter import READ_AHEAD_KB
from tests.faults import READAHEAD
from tests.machine import reads

ADAPTER = ReadaheadAdapter()
DEVICES = range(10)


def window(workload: str, read_ahead_kb: int, chance: random.Random, device: int = 0) -> Window:
    """One second of a workload, with a few percent of noise."""
    rates = reads(workload, read_ahead_kb)
    speed = 1 + 0.04 * device
    grown = {name: rate * speed * chance.uniform(0.97, 1.03) for name, rate in rates.items()}
    grown["host.read_ios"] = grown["disk.read_ios"]
    return Window(Sample(0, dict.fromkeys(grown, 0.0)), Sample(1_000_000_000, grown))


def make_records(*, shuffled: bool = False, seed: int = 1) -> list[Record]:
    """Two workloads on each device over the whole grid; `shuffled` deals the results anew."""
    records = list(_records(random.Random(seed)))
    if not shuffled:
        return records
    metrics = [record.metrics for record in records]
    random.Random(seed).shuffle(metrics)
    pairs = zip(records, metrics, strict=True)
    return [replace(record, metrics=dealt) for record, dealt in pairs]


def _records(chance: random.Random) -> Iterator[Record]:
    for device in DEVICES:
        for workload in ("random", "sequential"):
            for value in READ_AHEAD_KB.grid:
                assert isinstance(value, int)
                yield _record(f"device{device}", device, workload, value, chance)


def _record(name: str, device: int, workload: str, value: int, chance: random.Random) -> Record:
    setting: Setting = {"read_ahead_kb": value}
    windows = [window(workload, value, chance, device) for _ in range(3)]
    features = (ADAPTER.features(each, READAHEAD, setting).model_dump() for each in windows)
    progress = reads(workload, value)["app.progress"] * chance.uniform(0.98, 1.02)
    return Record(f"{name}/{workload}", setting, tuple(features), {"progress": progress})


def trained(folder: Path, records: Sequence[Record]) -> Model:
    """A model as it is loaded after training."""
    train(ADAPTER, records, folder)
    folder.chmod(0o755)
    for path in folder.iterdir():
        path.chmod(0o644)
    return load_model(ADAPTER, str(folder))


def ask(model: Model, workload: str, value: int = 128, seed: int = 99, device: int = 4) -> Answer:
    """The model's answer to one window of a workload at one value."""
    setting: Setting = {"read_ahead_kb": value}
    seen = window(workload, value, random.Random(seed), device)
    features = ADAPTER.features(seen, READAHEAD, setting)
    options = tuple(("read_ahead_kb", each) for each in READ_AHEAD_KB.grid)
    baseline: Setting = {"read_ahead_kb": 128}
    views = (View(features.vector(), setting),)
    question = Question(READAHEAD, features, views, setting, baseline, options, 0)
    return recommend(ADAPTER, model, [question], 0.9, 0.05)[0]
