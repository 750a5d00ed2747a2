"""The status file: whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mlproxy.status import NAME, Status, read_status, write_status


def test_it_is_read_back_and_replaced_as_a_whole(tmp_path: Path) -> None:
    for ticks in (1, 2):
        write_status(tmp_path, Status(pid=os.getpid(), started_s=1, updated_s=2, ticks=ticks))
    found = read_status(tmp_path)
    assert found is not None
    assert found.ticks == 2
    assert found.alive
    assert [path.name for path in tmp_path.iterdir()] == [NAME]


def test_a_process_that_ended_is_not_alive() -> None:
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    assert not Status(pid=child, started_s=1, updated_s=2).alive


@pytest.mark.parametrize("text", [None, "", "{}", '{"pid": 1'])
def test_where_nothing_can_be_read_there_is_none(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / NAME).write_text(text)
    assert read_status(tmp_path) is None
