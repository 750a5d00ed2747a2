"""`mlproxy pause` and `resume`."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlproxy.cli.schema import StatusReport
from mlproxy.loop import PAUSE
from tests.cli.conftest import Command


def test_pause_says_who_and_resume_ends_it(
    mlproxy: Command, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUDO_USER", "alice")
    ended = mlproxy("pause")
    assert ended.code == 0
    assert ended.out.startswith("paused by alice (sudo) at 2")
    assert (state / PAUSE).read_text().startswith("by alice (sudo) at 2")
    report = StatusReport.model_validate_json(mlproxy("status", "--json").out)
    assert report.paused.startswith("by alice")
    assert mlproxy("pause").out.startswith("already paused by alice")
    assert mlproxy("resume").out.startswith("resumed; it was paused by alice")
    assert not (state / PAUSE).exists()
    assert mlproxy("resume").out.startswith("not paused")


def test_apply_is_refused_while_paused(
    mlproxy: Command, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    mlproxy("pause")
    ended = mlproxy("apply")
    assert ended.code == 1
    assert "`mlproxy resume` ends it" in ended.err
