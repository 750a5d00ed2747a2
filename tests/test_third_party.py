"""An adapter for another knob, written from the README alone, does all that ours do."""

from __future__ import annotations

import random
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from mlproxy.lab.profile import PROFILES
from mlproxy.lab.testbed import TestBed
from mlproxy.transports.stock import StockTransport
from mlproxy.tree import Tree
from mlproxy_iosched import IoschedAdapter
from tests.third_party import WINDOWS, WORKLOADS, Scratch, made_up_windows, record_machine

MODEL = "mlproxy_merges/model"


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Scratch:
    """The README's package, installed and without a model."""
    made = Scratch(tmp_path_factory.mktemp("scratch"))
    made.write()
    made.install(made.package)
    return made


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Scratch:
    """The README's package with a model of made-up rows."""
    made = Scratch(tmp_path_factory.mktemp("trained"))
    made.write()
    made.install(made.package)
    rows = made.write_rows(made_up_windows())
    made.mlproxy("train", "merges", rows, "-o", made.package / MODEL)
    made.install(made.package)
    return made


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recorded machine whose administrator forbade merges."""
    root = tmp_path_factory.mktemp("machine")
    record_machine(root, value=2)
    return root


def test_without_a_model_it_is_listed_and_recommends_nothing(
    scratch: Scratch, machine: Path
) -> None:
    listed = {each["name"]: each for each in scratch.json("adapters")["adapters"]}
    assert listed.keys() == {"iosched", "merges", "readahead", "writeback"}
    assert listed["merges"]["model"] is None
    (found,) = _of_merges(scratch.json("apply", "--dry-run", "--root", machine))
    assert found["proposed"] is None
    assert "no model" in found["reason"]


def test_with_a_model_it_dry_runs(trained: Scratch, machine: Path) -> None:
    listed = {each["name"]: each for each in trained.json("adapters")["adapters"]}
    assert listed["merges"]["model"]["groups"] == WORKLOADS
    (found,) = _of_merges(trained.json("apply", "--dry-run", "--root", machine))
    assert (found["device"], found["knob"], found["current"]) == ("sda", "nomerges", 2)
    assert (found["proposed"], found["verdict"]) == (0, "apply")
    assert found["predicted_lower"] > 0.05
    assert "0% merged" in found["why"]


def test_a_broken_one_is_reported_and_skipped(
    tmp_path: Path, machine: Path, trained: Scratch
) -> None:
    made = Scratch(tmp_path)
    made.write({"merges": "broken", "Merges": "Broken", "def reason(": "def excuse("})
    made.install(made.folder / "mlproxy-broken")
    report = made.json("adapters")
    assert [each["name"] for each in report["adapters"]] == ["iosched", "readahead", "writeback"]
    assert "abstract method" in report["broken"]["broken"]
    assert (
        "abstract method" in made.json("apply", "--dry-run", "--root", machine)["skipped"]["broken"]
    )


@pytest.mark.root
def test_it_applies_and_reverts_on_a_real_disk(tmp_path: Path, scratch: Scratch) -> None:
    with TestBed(PROFILES["fast"], size_mb=64, fs=None) as bed, _scanned(bed.disk):
        knob = bed.sysfs / "queue/nomerges"
        try:
            rows = scratch.write_rows({value: _watch(bed.disk, knob, value) for value in (0, 1, 2)})
            scratch.mlproxy("train", "merges", rows, "-o", tmp_path / "model")
            knob.write_text("2")  # the administrator's choice, hence the baseline
            policy = tmp_path / "policy.yaml"
            own = (scratch.package / "mlproxy_merges/policy.yaml").read_text()
            policy.write_text(f"{own}model: {tmp_path / 'model'}\n")
            report = scratch.json("apply", "-c", policy, "--devices", bed.disk)
            (found,) = _of_merges(report)
            assert found["applied"], (found["reason"], found["trouble"], found["candidates"])
            assert knob.read_text() == "0\n"
            (restored,) = scratch.json("revert")["knobs"]
            assert (restored["knob"], restored["outcome"]) == ("nomerges", "restored")
            assert knob.read_text() == "2\n"
        finally:
            knob.write_text("0")


def _of_merges(report: dict[str, Any]) -> list[dict[str, Any]]:
    return [found for found in report["findings"] if found["adapter"] == "merges"]


@contextmanager
def _scanned(disk: str) -> Iterator[None]:
    """Sequential direct reads, sixteen at once, while the block lasts."""
    job = [f"--filename=/dev/{disk}", "--rw=read", "--bs=4k", "--direct=1", "--readonly"]
    deep = ["--ioengine=libaio", "--iodepth=16", "--iodepth_batch=8"]
    lasting = ["--time_based", "--runtime=120", "--rate_iops=2000", "--output=/dev/null"]
    with subprocess.Popen(["fio", "--name=scan", *job, *deep, *lasting]) as fio:
        try:
            yield
        finally:
            fio.terminate()


def _watch(disk: str, knob: Path, value: int) -> list[dict[str, Any]]:
    """Real windows of the disk at `value`, with waits of a host that is busier or less so."""
    rng = random.Random(value)
    knob.write_text(str(value))
    transport = StockTransport(Tree())
    found = [proxy for proxy in transport.discover(IoschedAdapter()) if proxy.device == disk]
    samples = []
    for _ in range(WORKLOADS * WINDOWS + 1):
        time.sleep(0.12)
        sample = transport.sample(found)[found[0].id]
        samples.append({"taken_ns": sample.taken_ns, "values": dict(sample.values)})
    windows = [{"before": first, "after": deepcopy(last)} for first, last in pairwise(samples)]
    for window in windows:
        ticks = "disk.read_ticks_ms"
        waited = window["after"]["values"][ticks] - window["before"]["values"][ticks]
        window["after"]["values"][ticks] += waited * rng.uniform(-0.9, 3.0)
    return windows
