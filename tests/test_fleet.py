"""Training on a Dask cluster of two workers on loopback."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlproxy.cli.schema_training import TrainReport
from mlproxy.clustered import clustered_ratio
from mlproxy.errors import ConfigError
from mlproxy.evaluation import judge
from mlproxy.lab.rows import read_rows
from mlproxy.manifest import load_manifest
from mlproxy.model import load_model
from mlproxy.parquet import write_parquet, write_parts
from mlproxy.scores import regrets
from mlproxy.training import train
from tests.cli.conftest import Command
from tests.cli.conftest import mlproxy as mlproxy
from tests.markdown import ROOT
from tests.recorded import of_device, readahead

distributed = pytest.importorskip("distributed", reason="needs the extra mlproxy[fleet]")
pytest.importorskip("pandas", reason="needs the extra mlproxy[fleet]")
fleet = pytest.importorskip("mlproxy.fleet")

ADAPTER = readahead()
ROWS = of_device("ssd-dilated", every=3)
OTHER = of_device("ssd-5ms", every=3)
ACT = 0.05


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=":0"
    ) as found:
        yield found


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("parts")
    write_parts(ADAPTER, ROWS, folder, 4)
    return folder


def documented(address: str) -> list[list[str]]:
    """The commands of mlproxy in the page's section on clusters, for the cluster of this test."""
    page = (ROOT / "docs/lab.md").read_text().partition("### On a cluster")[2]
    lines = page.partition("\n## ")[0].replace("\\\n", "").splitlines()
    commands = [shlex.split(line) for line in lines if "bin/mlproxy " in line]
    return [[address if "tcp://" in word else word for word in words[1:]] for words in commands]


def test_the_documented_commands_train_as_well_as_one_machine(
    mlproxy: Command, cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    own = {record.group for record in ROWS}
    rows = read_rows([ROOT / "training/readahead.jsonl.gz"])
    kept = [row for row in rows if f"{row['profile']}/{row['workload']}" in own]
    Path("rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in kept))
    convert, far_train = documented(cluster.scheduler_address)
    for command in (convert, [*far_train, "--json"]):
        ended = mlproxy(*command)
        assert ended.code == 0, ended.err
    report = TrainReport.model_validate_json(ended.out)
    assert report.folder == "model"
    Path("model").rename("far")
    near = train(ADAPTER, ROWS, tmp_path / "near")
    far = load_manifest(tmp_path / "far", ADAPTER)
    assert (report.records, far.rows, far.groups) == (len(ROWS), near.rows, near.groups)
    assert far.candidates == near.candidates
    assert far.ranges == near.ranges
    for name in ("median_absolute_error_log", "mean_absolute_error_log"):
        assert far.metrics[name] == pytest.approx(near.metrics[name], rel=0.3)
    missed = []
    for name in ("far", "near"):
        (tmp_path / name).chmod(0o755)
        rows = judge(ADAPTER, load_model(ADAPTER, str(tmp_path / name)), OTHER)
        regret, workloads = regrets(rows, ACT)
        missed.append(regret)
    apart = clustered_ratio(missed[0] - missed[1], np.ones(len(regret)), workloads)
    assert abs(apart.estimate) < 0.15
    assert apart.lower <= 0.0, "the fleet misses surely more"


def test_files_are_found_by_path_folder_and_url(parts: Path) -> None:
    names = [f"part-{number:04d}.parquet" for number in range(4)]
    for source in (str(parts), f"file://{parts}"):
        assert [url.rpartition("/")[2] for url in fleet.parts_of([source])] == names
    assert len(fleet.parts_of([str(parts / names[1])])) == 1
    with pytest.raises(ConfigError, match=r"no \*\.parquet there"):
        fleet.parts_of([str(parts / "absent")])


def test_a_group_in_two_files_is_refused(cluster: Any, tmp_path: Path) -> None:
    few = ROWS[:30]
    for name in ("a", "b"):
        write_parquet(ADAPTER, few, tmp_path / f"{name}.parquet")
    with pytest.raises(ConfigError, match=r"is in .*a\.parquet and in .*b\.parquet"):
        fleet.train_on_fleet(ADAPTER, [str(tmp_path)], tmp_path / "m", cluster.scheduler_address)


def test_what_a_worker_cannot_read_is_said_here(cluster: Any, tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_text("no Parquet")
    with pytest.raises(ConfigError, match=r"a\.parquet: cannot be read"):
        fleet.train_on_fleet(ADAPTER, [str(tmp_path)], tmp_path / "m", cluster.scheduler_address)


def test_a_scheduler_that_is_not_there_is_said(
    parts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fleet, "ANSWERS_S", 1)
    with pytest.raises(ConfigError, match="no Dask scheduler answers"):
        fleet.train_on_fleet(ADAPTER, [str(parts)], tmp_path / "m", "tcp://127.0.0.1:9")


def test_outlines_bring_back_few_windows_and_every_extreme(tmp_path: Path) -> None:
    from mlproxy.fleet_block import MOST_WINDOWS, load_block

    record = ROWS[0]
    many = replace(record, windows=record.windows * 100)
    write_parquet(ADAPTER, [many, *ROWS[1:24]], tmp_path / "a.parquet")
    block = load_block(ADAPTER, str(tmp_path / "a.parquet"))
    thin = block.outline()
    assert len(thin.data.rows) == 0
    assert len(thin.data.window_rows) < len(block.data.window_rows)
    assert thin.data.window_group.count(block.data.window_group[0]) <= MOST_WINDOWS + 40
    np.testing.assert_array_equal(
        np.nanmax(thin.data.window_rows, axis=0), np.nanmax(block.data.window_rows, axis=0)
    )


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--engine", "dask"), "go together"),
        (("--scheduler", "tcp://x:1"), "go together"),
        (("--engine", "dask", "--scheduler", "tcp://x:1", "--from-outcomes", "x"), "trains here"),
    ],
)
def test_options_that_do_not_fit_are_refused(
    mlproxy: Command, options: tuple[str, ...], said: str
) -> None:
    ended = mlproxy("train", "readahead", "rows", "-o", "model", *options)
    assert ended.code == 2
    assert said in ended.err
