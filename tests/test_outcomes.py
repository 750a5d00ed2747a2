"""The outcome log: appended, rotated, read past damage, never fatal."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from mlproxy import outcomes
from mlproxy.errors import MlproxyError, NotPermitted
from mlproxy.outcomes import Outcomes


def test_records_come_back_in_order(tmp_path: Path) -> None:
    log = Outcomes(tmp_path / "state")
    for number in range(3):
        log.write("change", number=number)
    assert [(each["kind"], each["number"]) for each in log.read()] == [
        ("change", 0),
        ("change", 1),
        ("change", 2),
    ]
    assert log.path.parent.stat().st_mode & 0o077 == 0


def test_torn_and_foreign_lines_are_passed_over(tmp_path: Path) -> None:
    log = Outcomes(tmp_path)
    log.write("look", n=1)
    with log.path.open("a") as file:
        file.write('[1]\n{"format": 99, "kind": "x"}\n{"format": 1}\n\n{"format": 1, "ki')
    assert [each["n"] for each in log.read()] == [1]


def test_a_full_log_is_moved_aside_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outcomes, "MOST_BYTES", 200)
    log = Outcomes(tmp_path)
    for number in range(20):
        log.write("change", number=number)
    numbers = [each["number"] for each in log.read()]
    assert numbers == list(range(numbers[0], 20))
    assert len(list(tmp_path.iterdir())) == 2


def test_a_log_that_cannot_be_written_is_counted(tmp_path: Path) -> None:
    (tmp_path / "outcomes.jsonl").mkdir()
    log = Outcomes(tmp_path)
    log.write("change")
    assert log.lost == 1


def test_a_log_that_cannot_be_read_is_not_an_empty_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = Outcomes(tmp_path)
    assert list(log.read()) == []
    log.path.mkdir()
    with pytest.raises(MlproxyError, match=r"cannot read .*outcomes\.jsonl: EISDIR"):
        list(log.read())

    def refuse(path: Path, **_: object) -> str:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_text", refuse)
    with pytest.raises(NotPermitted, match="this needs root"):
        list(log.read())


def test_what_json_does_not_know_is_written_as_text(tmp_path: Path) -> None:
    log = Outcomes(tmp_path)
    log.write("change", path=tmp_path)
    assert next(log.read())["path"] == str(tmp_path)
