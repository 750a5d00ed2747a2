"""A folder belongs to one matrix on one machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlproxy.errors import ConfigError
from mlproxy.lab.matrix.claim import FILE, claim
from mlproxy.lab.matrix.load import load_matrix

QUICK = load_matrix("quick")
HERE = {"kernel": "6.18", "processor": "X", "cores": "2", "fio": "3.33"}


def test_the_same_again(tmp_path: Path) -> None:
    claim(tmp_path / "new", QUICK, HERE)
    claim(tmp_path / "new", QUICK.model_copy(update={"repeats": 9}), {**HERE, "fio": "3.36"})
    assert [path.name for path in (tmp_path / "new").iterdir()] == [FILE]


def test_another_matrix(tmp_path: Path) -> None:
    claim(tmp_path, QUICK, HERE)
    with pytest.raises(ConfigError, match="rows of another matrix: seed differs"):
        claim(tmp_path, QUICK.model_copy(update={"seed": 2}), HERE)


def test_another_machine(tmp_path: Path) -> None:
    claim(tmp_path, QUICK, HERE)
    with pytest.raises(ConfigError, match=r"rows of another machine: '6\.18', not '6\.19'"):
        claim(tmp_path, QUICK, {**HERE, "kernel": "6.19"})


@pytest.mark.parametrize("text", ["", "[]", '{"matrix": {}}'])
def test_a_claim_that_cannot_be_read(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    with pytest.raises(ConfigError, match="cannot be read"):
        claim(tmp_path, QUICK, HERE)


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be written"):
        claim(tmp_path / "file", QUICK, HERE)
