"""The report: same rows, same bytes; self-contained; losses are named."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mlproxy.errors import ConfigError
from mlproxy.lab.matrix.load import load_matrix
from mlproxy.lab.matrix.parquet import write_rows
from mlproxy.lab.matrix.report.texts import interval_text
from mlproxy.lab.matrix.report.write import MARKDOWN, PAGE, write_report
from mlproxy.lab.stats import Interval
from tests.lab.matrix.made import AGENT, STATICS, row, two_workloads

MACHINE = {"cores": "2", "kernel": "6.18 <test>"}


@pytest.fixture(scope="module")
def parquet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two workloads, and one with phases of which there is a curve."""
    made = two_workloads()
    curve = [(0.5 * n, 1e6 * (1 + n % 7)) for n in range(60)]
    knobs = {"read_ahead_kb": [(0.0, "128"), (6.0, "16"), (20.0, "128")]}
    for arm in ("default", *STATICS, AGENT):
        more = {"curve": curve, **({"knobs": knobs} if arm == AGENT else {})}
        made += [row("phases", arm, n, 1e6, family="phases", **more) for n in range(2)]
    path = tmp_path_factory.mktemp("rows") / "rows.parquet"
    write_rows(path, made, MACHINE, load_matrix("quick"))
    return path


def test_the_same_rows_give_the_same_files(parquet: Path, tmp_path: Path) -> None:
    one, other = (write_report([parquet], tmp_path / name)[1] for name in ("a", "b"))
    assert [path.name for path in one] == [
        PAGE,
        MARKDOWN,
        "ratios.png",
        "captured.png",
        "phases.png",
        "cost.png",
    ]
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in other]


def test_the_page_needs_nothing_beside_it(parquet: Path, tmp_path: Path) -> None:
    write_report([parquet], tmp_path)
    text = (tmp_path / PAGE).read_text()
    assert set(re.findall(r'(?:src|href)="([^,"]*)', text)) == {"data:image/png;base64"}
    assert text.count("<img") == 4
    assert "6.18 &lt;test&gt;" in text
    assert "http" not in re.sub(r'base64,[^"]*', "", text)


def test_losses_stand_there_as_plainly_as_gains(parquet: Path, tmp_path: Path) -> None:
    write_report([parquet], tmp_path)
    text = (tmp_path / MARKDOWN).read_text()
    assert "slower than the default in 1 pairs, in 1 of them with the whole interval." in text
    lost = text.split("## Where mlproxy was slower than the default")[1].split("##")[0]
    assert "ssd-dilated/psync-sequential-64k" in lost
    assert "| whole |" in lost
    assert "The modelled device was late by 12 us in the median row" in text
    assert "sudo mlproxy bench quick" in text
    assert "| cores | 2 |" in text


def test_pictures_are_pictures(parquet: Path, tmp_path: Path) -> None:
    pictures = [path for path in write_report([parquet], tmp_path)[1] if path.suffix == ".png"]
    assert all(path.read_bytes().startswith(b"\x89PNG\r\n") for path in pictures)
    assert all(b"Matplotlib" not in path.read_bytes() for path in pictures)


def test_a_folder_that_cannot_be_made(parquet: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be written"):
        write_report([parquet], tmp_path / "file")


def test_intervals_as_text() -> None:
    assert interval_text(Interval(1.5, 1.25, 2)) == "1.500 (1.250 to 2.000)"
    assert interval_text(Interval(1.5, 0, float("inf"))) == "1.500 (one workload: no interval)"
    assert interval_text(None) == "none"
