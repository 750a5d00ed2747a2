"""A matrix on a pretended bed: what is run, again after an interruption, and once more for the
no-harm rule."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from mlproxy.errors import Busy, LabError
from mlproxy.lab.arm import READ_AHEAD, KnobState
from mlproxy.lab.fio import WorkloadResult
from mlproxy.lab.lock import lab_lock
from mlproxy.lab.matrix import run
from mlproxy.lab.matrix.document import Matrix
from mlproxy.lab.matrix.load import parse_matrix
from mlproxy.lab.matrix.noharm import AT_LEAST
from mlproxy.lab.matrix.parquet import read_file
from mlproxy.lab.matrix.run import MISHAPS
from mlproxy.lab.matrix.tuned import VM
from mlproxy.lab.profile import Profile
from mlproxy.lab.runner import run_rows

TEXT = """
apiVersion: mlproxy-bench/v1
name: pretended
repeats: 2
{more}
blocks:
  - adapter: readahead
    devices: [ssd-5ms, disk-seek]
    workloads: [sqlite-point-mmap, sqlite-scan-mmap]
    contenders: [static, tuned, mlproxy]
    candidates: [{{read_ahead_kb: 16}}]
"""
SETTINGS, CONTENDERS, REPEATS = 4, 4, 2


def _matrix(more: str = "") -> Matrix:
    return parse_matrix(TEXT.format(more=more).encode(), Path("m.yaml"))


@dataclass
class World:
    """A pretended machine; `stop_after` rows Ctrl-C comes."""

    folder: Path
    beds: list[str] = field(default_factory=list)
    seen: list[tuple[str, str, str, str]] = field(default_factory=list)
    noise: float = 0.0
    stop_after: int = 10**6
    fail_at: set[int] = field(default_factory=set)
    tried: int = 0

    @property
    def knob(self) -> Path:
        return self.folder / READ_AHEAD.format(devno="7:9")

    def run(self, matrix: Matrix) -> Path:
        lock = self.folder / "lab.lock"
        return run.run_matrix(matrix, self.folder / "out", Console(quiet=True), lock=lock, wait_s=0)


class FakeBed:
    """Notes the device that rows run on."""

    disk, devno = "loop9", "7:9"

    def __init__(self, profile: Profile, world: World) -> None:
        self.profile = profile
        self.mount = world.folder
        world.beds.append("seeks" if profile.rotational else "flash")

    def set_profile(self, profile: Profile) -> None:
        self.profile = profile

    def drop_caches(self) -> None:
        pass

    def stats(self) -> dict[str, float]:
        return {"late_us": 3.0}


class FakeObserver:
    """Sees nothing."""

    windows = None

    def __init__(self, bed: FakeBed, adapter: Any) -> None:
        self.proxy = type("Proxy", (), {"facts": {}})

    def close(self) -> None:
        pass


class FakeMeasure:
    """Notes what it is asked and the knob in force, and makes a number up."""

    def __init__(self, world: World, bed: FakeBed, adapter: Any, setup: Any, done: Any) -> None:
        self.world, self.bed, self.done = world, bed, done

    def __call__(self, case: Any, bed: Any, *times: float, seed: int, observe: Any) -> Any:
        self.world.tried += 1
        self._mishap()
        knob = self.world.knob.read_text()
        self.world.seen.append((self.bed.profile.name, case.name, case.kind, knob))
        rng = random.Random(f"{case.kind}/{seed}")
        notes = {"adapter": case.adapter, "kind": case.kind, "split": "named"}
        notes |= {"metric": "progress", "guards": {}, "loadavg": 0.0}
        self.done()
        speed = {"progress": rng.lognormvariate(0, self.world.noise)}
        return WorkloadResult((), [], speed, notes)

    def _mishap(self) -> None:
        if len(self.world.seen) >= self.world.stop_after:
            raise KeyboardInterrupt
        if self.world.tried in self.world.fail_at:
            self.world.knob.write_text("7")
            raise LabError("the agent was slow to end")


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    world = World(tmp_path)
    values = {**VM, "dirty_bytes": 0, "dirty_background_bytes": 0}
    for file, value in [(tmp_path / f"proc/sys/vm/{name}", values[name]) for name in values]:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{value}\n")
    world.knob.parent.mkdir(parents=True)
    world.knob.write_text("128\n")

    @contextmanager
    def bed(profile: Profile, size_mb: int) -> Iterator[FakeBed]:
        yield FakeBed(profile, world)

    monkeypatch.setattr(run, "TestBed", bed)
    monkeypatch.setattr(run, "Observer", FakeObserver)
    monkeypatch.setattr(run, "RowMeasure", partial(FakeMeasure, world))
    monkeypatch.setattr(run, "KnobState", partial(KnobState, root=tmp_path))
    monkeypatch.setattr(run, "run_rows", partial(run_rows, root=tmp_path))
    monkeypatch.setattr("mlproxy.lab.matrix.loads.sqlite.SqliteLoad.lay_out", lambda *_: None)
    return world


def test_every_contender_meets_every_setting_under_its_own_knobs(world: World) -> None:
    rows = read_file(world.run(_matrix())).rows
    assert len(rows) == len(world.seen) == SETTINGS * CONTENDERS * REPEATS
    assert world.beds == ["flash", "seeks"]
    knobs = {(kind, knob.strip()) for _, _, kind, knob in world.seen}
    assert knobs == {("default", "128"), ("static", "16"), ("tuned", "4096"), ("mlproxy", "128")}
    assert world.knob.read_text().strip() == "128"


@pytest.mark.parametrize("stop_after", [0, 1, 7, 20])
def test_what_was_measured_is_not_measured_again(world: World, stop_after: int) -> None:
    world.stop_after = stop_after
    with pytest.raises(KeyboardInterrupt):
        world.run(_matrix())
    assert world.knob.read_text().strip() == "128"
    world.stop_after = 10**6
    rows = read_file(world.run(_matrix())).rows
    assert len(world.seen) == len(rows) == SETTINGS * CONTENDERS * REPEATS
    assert len({row["id"] for row in rows}) == len(rows)
    world.run(_matrix())
    assert len(world.seen) == len(rows)


def test_default_and_agent_are_run_again_until_it_is_clear(world: World) -> None:
    world.noise = 0.3
    rule = "no_harm: {floor: 97%, half_width: 2%, at_most: 6}"
    rows = read_file(world.run(_matrix(rule))).rows
    kinds = Counter(row["notes"]["kind"] for row in rows)
    assert kinds["static"] == kinds["tuned"] == SETTINGS * REPEATS
    assert kinds["default"] == kinds["mlproxy"] > SETTINGS * REPEATS
    assert max(row["repeat"] for row in rows) <= 5
    assert all(row["effective"] for row in rows), "the knobs are read back for these as well"


def test_a_quiet_pair_is_run_five_times(world: World) -> None:
    rows = read_file(world.run(_matrix("no_harm: {}"))).rows
    assert len(rows) == SETTINGS * (CONTENDERS * REPEATS + 2 * (AT_LEAST - REPEATS))


def test_a_row_that_fails_is_tried_again_from_the_baseline(world: World) -> None:
    world.fail_at = {3, 4}
    rows = read_file(world.run(_matrix())).rows
    assert len(rows) == SETTINGS * CONTENDERS * REPEATS
    assert {knob.strip() for *_, kind, knob in world.seen if kind == "default"} == {"128"}


def test_a_setting_that_keeps_failing_ends_the_run(world: World) -> None:
    world.fail_at = set(range(3, 50))
    with pytest.raises(LabError, match="slow to end"):
        world.run(_matrix())
    assert (len(world.seen), world.tried) == (2, 2 + MISHAPS + 1)
    assert world.knob.read_text().strip() == "128"


def test_a_lab_that_others_hold(world: World) -> None:
    with (
        lab_lock("something else", path=world.folder / "lab.lock"),
        pytest.raises(Busy, match="held by something else"),
    ):
        world.run(_matrix())
    assert world.seen == []
