"""How commands end: one message, the right exit code, never a traceback."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from mlproxy.cli import probe as probe_module
from mlproxy.cli.exit_codes import exit_codes
from mlproxy.errors import Busy, JournalError, MlproxyError, ModelError, NotPermitted
from mlproxy.lab.bench.__main__ import main as bench
from tests.cli.conftest import Command

MLPROXY = [sys.executable, "-c", "import sys; from mlproxy.cli import main; sys.exit(main())"]
INTERRUPTED_EARLY = """
import os, signal, sys

class Impatient:
    def find_spec(self, name, path=None, target=None):
        if name == "typer":
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Impatient())
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
from mlproxy.cli import main
sys.exit(main(["adapters"]))
"""
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


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("probe", "--frob"), "No such option: --frob"),
        (("frob",), "No such command 'frob'."),
        (("explain",), "Missing argument 'ID'."),
        (("apply", "--for", "10"), "Invalid value for '--for': '10' is not a duration"),
    ],
)
def test_usage_errors_are_one_line_and_2(
    mlproxy: Command, arguments: tuple[str, ...], said: str
) -> None:
    ended = mlproxy(*arguments)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith(f"mlproxy: {said}")
    command = "mlproxy" if arguments == ("frob",) else f"mlproxy {arguments[0]}"
    assert ended.err.endswith(f" ({command} --help)\n")
    assert ended.err.count("\n") == 1


@pytest.mark.parametrize("arguments", [(), ("bench",)])
def test_without_arguments_the_help_is_all(mlproxy: Command, arguments: tuple[str, ...]) -> None:
    ended = mlproxy(*arguments)
    assert (ended.code, ended.err) == (2, "")
    assert "Usage: mlproxy" in ended.out


def test_the_version_is_what_reports_need(mlproxy: Command) -> None:
    ended = mlproxy("--version")
    assert ended.code == 0
    assert ended.out.startswith(f"mlproxy {metadata.version('mlproxy')} (Python 3.")


@pytest.mark.parametrize("command", [("probe", "-c"), ("check",)])
def test_a_policy_that_this_user_may_not_read_is_one_line(
    mlproxy: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: tuple[str, ...]
) -> None:
    path = tmp_path / "policy.yaml"
    path.touch()
    real = os.open

    def refuse(name: str | Path, *rest: int, **more: int) -> int:
        if Path(name) == path:
            raise PermissionError(errno.EACCES, "Permission denied", str(name))
        return real(name, *rest, **more)

    monkeypatch.setattr(os, "open", refuse)
    monkeypatch.setattr(os, "access", lambda name, *_: Path(name) != path)
    ended = mlproxy(*command, path)
    assert ended.out + ended.err.removeprefix("mlproxy: ") == (
        f"{path}: this user may not read it\n"
    )


@pytest.mark.parametrize("arguments", [("adapters",), ("adapters", "--json"), ("--help",)])
def test_a_full_disk_behind_stdout_is_one_line(arguments: tuple[str, ...]) -> None:
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            [*MLPROXY, *arguments], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert ended.returncode == 1
    assert ended.stderr == "mlproxy: cannot print: ENOSPC (No space left on device)\n"


def test_a_closed_stdout_is_no_error() -> None:
    command = ["/bin/sh", "-c", 'exec "$@" >&-', "sh", *MLPROXY, "adapters"]
    ended = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_an_interrupt_while_the_program_is_loaded_is_130() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", INTERRUPTED_EARLY], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "")


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


@pytest.mark.parametrize("arguments", [("probe",), ("apply", "--dry-run")])
def test_a_folder_without_a_machine_is_not_one_with_nothing_to_tune(
    mlproxy: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    for root in (tmp_path, ""):
        ended = mlproxy(*arguments, "--root", root)
        assert (ended.code, ended.out) == (2, "")
        assert ended.err.startswith(f"mlproxy: no machine in {root or '.'}: there is no ")
    (tmp_path / "000" / "proc").mkdir(parents=True)
    assert mlproxy(*arguments, "--root", tmp_path).code == 0


def test_the_bench_asks_for_root_where_it_makes_devices(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setattr("mlproxy.lab.bench.grid.run", lambda *_: pytest.fail("it ran"))
    assert bench(["grid", "--lock", str(tmp_path / "lock")]) == 3
    assert capsys.readouterr().err == (
        "bench grid: it makes devices, which needs root: sudo make bench BENCHES=grid\n"
    )
    ran: list[str] = []
    monkeypatch.setattr("mlproxy.lab.bench.replay.run", lambda *_: ran.append("replay"))
    bench(["replay"])
    assert ran == ["replay"]
