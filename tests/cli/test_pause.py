"""`mlproxy pause` and `resume`."""

from __future__ import annotations

import errno
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


@pytest.mark.parametrize("command", ["pause", "resume"])
def test_a_plain_user_does_not_pause_another_agent_than_the_systems(
    mlproxy: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.delenv("MLPROXY_STATE")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setattr("mlproxy.cli.place.SYSTEM_STATE", tmp_path)
    ended = mlproxy(command)
    assert (ended.code, ended.out) == (3, "")
    assert f"sudo mlproxy {command}" in ended.err
    assert not (tmp_path / "home").exists()
    assert mlproxy(command, "--state", tmp_path / "own").code == 0
    monkeypatch.setattr("mlproxy.cli.place.SYSTEM_STATE", tmp_path / "nowhere")
    assert mlproxy(command).code == 0


@pytest.mark.parametrize("command", ["pause", "resume"])
def test_what_cannot_be_read_is_no_answer(mlproxy: Command, tmp_path: Path, command: str) -> None:
    file = tmp_path / "README.md"
    file.write_text("no folder")
    ended = mlproxy(command, "--state", file)
    assert (ended.code, ended.out) == (1, "")
    assert ended.err == f"mlproxy: cannot read {file}/pause: ENOTDIR (Not a directory)\n"


@pytest.mark.parametrize("command", ["pause", "resume"])
def test_a_folder_of_somebody_else_needs_a_privilege(
    mlproxy: Command, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    def refuse(path: Path, **_: object) -> str:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_text", refuse)
    ended = mlproxy(command)
    assert (ended.code, ended.out) == (3, "")
    assert "cannot read" in ended.err
    assert "this needs root" in ended.err
