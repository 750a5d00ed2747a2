"""Where the state is kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlproxy.cli.place import SYSTEM_STATE, is_live, state_dir
from tests.cli.conftest import Command


@pytest.fixture
def plain_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """No root, no MLPROXY_STATE."""
    monkeypatch.delenv("MLPROXY_STATE", raising=False)
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setenv("HOME", "/home/alice")


def test_the_option_wins(plain_user: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLPROXY_STATE", "/elsewhere")
    assert state_dir(Path("/given")) == Path("/given")
    assert state_dir(None) == Path("/elsewhere")


def test_root_has_the_system_folder(plain_user: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert state_dir(None) == SYSTEM_STATE


def test_a_plain_user_has_a_folder_at_home(
    plain_user: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert state_dir(None) == Path("/home/alice/.local/state/mlproxy")
    monkeypatch.setenv("XDG_STATE_HOME", "/home/alice/state")
    assert state_dir(None) == Path("/home/alice/state/mlproxy")


def test_a_plain_user_hears_of_the_system_folder(
    plain_user: None, monkeypatch: pytest.MonkeyPatch, mlproxy: Command, tmp_path: Path
) -> None:
    monkeypatch.delenv("MLPROXY_STATE")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("mlproxy.cli.place.SYSTEM_STATE", tmp_path)
    said = "mlproxy: the system's agent keeps its state in"
    assert mlproxy("status").err.startswith(said)
    assert mlproxy("revert").err.startswith(said)
    assert mlproxy("explain", "3fa9").err.startswith(said)
    assert mlproxy("status", "--state", tmp_path).err == ""


def test_only_the_root_folder_is_live(tmp_path: Path) -> None:
    (tmp_path / "slash").symlink_to("/")
    assert is_live(Path("/"))
    assert is_live(tmp_path / "slash")
    assert not is_live(tmp_path)
