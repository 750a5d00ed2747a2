"""`mlproxy evaluate` and `convert`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mlproxy.cli.evaluate import is_honest
from mlproxy.cli.schema_training import Estimate, EvaluateReport, FamilyScore
from tests.cli.conftest import Command
from tests.cli.test_train import rows_file
from tests.recorded import of_device, readahead

pytest.importorskip("pyarrow")


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Real rows of a few workloads of each family, as Parquet."""
    from mlproxy.parquet import write_parquet

    path = tmp_path_factory.mktemp("rows") / "rows.parquet"
    write_parquet(readahead(), of_device("ssd-5ms", every=3), path)
    return path


def test_says_by_family_how_honest_and_how_useful(mlproxy: Command, rows: Path) -> None:
    ended = mlproxy("evaluate", "readahead", rows, "--json")
    assert ended.code == 0, ended.err
    report = EvaluateReport.model_validate_json(ended.out)
    whole, *families = report.families
    assert whole.family == "all"
    assert sum(family.regret.n for family in families) == whole.regret.n
    held = whole.bound_held
    assert held.estimate is not None
    assert held.low is not None
    assert held.high is not None
    assert held.low <= held.estimate <= held.high
    assert report.honest is is_honest(whole, 0.9)


def test_for_people_it_is_a_table_and_a_verdict(mlproxy: Command, rows: Path) -> None:
    ended = mlproxy("evaluate", "readahead", rows, "--seed", "2")
    assert ended.code == 0, ended.err
    assert "90% bound held" in ended.out
    assert "readahead: the bound of what is chosen" in ended.out


def score(estimate: float, low: float, high: float, n: int = 600, groups: int = 50) -> FamilyScore:
    held = Estimate(estimate=estimate, low=low, high=high, n=n, workloads=30)
    return FamilyScore(
        family="all",
        groups=groups,
        share_inside=1.0,
        bound_held=held,
        chosen_bound_held=held,
        regret=held,
        captured=held,
    )


@pytest.mark.parametrize(
    ("found", "honest"),
    [
        (score(0.91, 0.86, 0.95), True),
        (score(0.86, 0.80, 0.91), True),
        (score(0.84, 0.78, 0.91), False),
        (score(0.87, 0.85, 0.89), False),
        (score(0.97, 0.95, 0.99), False),
        (score(0.91, 0.86, 0.95, n=499), False),
        (score(0.91, 0.86, 0.95, groups=39), False),
    ],
)
def test_honest_is_neither_too_bold_nor_too_timid_on_enough(
    found: FamilyScore, honest: bool
) -> None:
    assert is_honest(found, 0.9) is honest


def test_rows_and_parquet_make_the_same_model(mlproxy: Command, tmp_path: Path) -> None:
    lines = rows_file(tmp_path)
    parquet = tmp_path / "rows.parquet"
    ended = mlproxy("convert", "readahead", lines, "-o", parquet)
    assert ended.code == 0, ended.err
    assert "9 records with 36 windows of readahead" in ended.out
    digests = []
    for source in (lines, parquet):
        folder = tmp_path / f"model-{source.suffix[1:]}"
        assert mlproxy("train", "readahead", source, "-o", folder).code == 0
        digests.append(json.loads((folder / "manifest.json").read_text())["sha256"])
    assert digests[0] == digests[1]


def test_the_name_of_a_parquet_file_says_so(mlproxy: Command, tmp_path: Path) -> None:
    ended = mlproxy("convert", "readahead", rows_file(tmp_path), "-o", tmp_path / "rows.csv")
    assert ended.code == 2
    assert "ends in .parquet" in ended.err


def test_parquet_of_another_adapter_is_refused(mlproxy: Command, rows: Path) -> None:
    ended = mlproxy("evaluate", "iosched", rows)
    assert ended.code == 2
    assert "adapter is readahead, needed is iosched" in ended.err
