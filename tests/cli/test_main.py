"""How commands end: one message, the right exit code, never a traceback."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlproxy.cli import probe as probe_module
from mlproxy.cli.exit_codes import exit_codes
from mlproxy.errors import Busy, JournalError, MlproxyError, ModelError, NotPermitted
from mlproxy.lab.bench.__main__ import main as bench
from tests.cli.conftest import Command

KINDS = (MlproxyError, NotPermitted, Busy, JournalError, ModelError)


def _break(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def broken(*_: object) -> None:
        raise error

    monkeypatch.setattr(probe_module, "open_session", broken)


@pytest.mark.parametrize("kind", KINDS)
def test_known_errors_are_one_line_and_their_code(
    mlproxy: Command, monkeypatch: pytest.MonkeyPatch, kind: type[MlproxyError]
) -> None:
    _break(monkeypatch, kind("the knob is gone"))
    ended = mlproxy("probe")
    assert (ended.code, ended.err) == (kind.exit_code, "mlproxy: the knob is gone\n")
    assert kind.exit_code in exit_codes()


def test_unexpected_errors_ask_for_a_report(
    mlproxy: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    _break(monkeypatch, ValueError("two\nlines"))
    ended = mlproxy("probe")
    assert ended.code == 70
    assert ended.err.startswith("mlproxy: internal error: ValueError: two lines; please report")
    assert ended.err.count("\n") == 1


def test_debug_shows_the_traceback(mlproxy: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    _break(monkeypatch, ValueError("bad"))
    monkeypatch.setenv("MLPROXY_DEBUG", "1")
    assert "Traceback" in mlproxy("probe").err


def test_interrupt_is_130(mlproxy: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    _break(monkeypatch, KeyboardInterrupt())
    assert mlproxy("probe").code == 130


def test_usage_errors_are_2(mlproxy: Command) -> None:
    assert mlproxy("probe", "--frob").code == 2
    assert mlproxy("frob").code == 2
    assert mlproxy("apply", "--for", "10").code == 2


@pytest.mark.parametrize("command", ["run", "revert", "pause", "resume", "demo"])
def test_root_is_refused_by_commands_that_write(
    mlproxy: Command, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    ended = mlproxy(command, "--root", "/tmp")
    assert ended.code == 2
    assert f"`mlproxy {command}` writes, and --root /tmp is for looking only" in ended.err


def test_record_refuses_root_too(mlproxy: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert mlproxy("record", "readahead", "-o", "rows", "--root", "/tmp").code == 2


@pytest.mark.parametrize("command", ["run", "apply", "demo"])
def test_plain_users_are_refused_in_a_sentence(
    mlproxy: Command, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    ended = mlproxy(command)
    assert ended.code == 3
    assert f"sudo mlproxy {command}" in ended.err


@pytest.mark.parametrize("command", ["probe", "apply"])
@pytest.mark.parametrize("names", ["", ",", " , "])
def test_no_name_does_not_mean_every_device(
    mlproxy: Command, tree: Path, command: str, names: str
) -> None:
    ended = mlproxy(command, "--root", tree, "--devices", names)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == (
        f"mlproxy: --devices {names!r} names nothing; give NAME,... or leave --devices out\n"
    )


def test_the_bench_asks_for_names_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert bench(["replay", "--only", ","]) == 2
    assert capsys.readouterr().err.startswith("bench replay: --only ',' names nothing")
