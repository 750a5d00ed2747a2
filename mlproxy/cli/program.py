"""All commands in one program, and how each of them may end."""

from __future__ import annotations

import os
import platform
import sys
import traceback
from collections.abc import Sequence
from importlib import metadata
from typing import Annotated, Any

import typer

from mlproxy.cli.adapters import adapters_app
from mlproxy.cli.apply import apply
from mlproxy.cli.bench import bench_app
from mlproxy.cli.check import check
from mlproxy.cli.console import note, silence_stdout, unprinted
from mlproxy.cli.convert import convert
from mlproxy.cli.evaluate import evaluate
from mlproxy.cli.exit_codes import INTERNAL, INTERRUPTED, epilog
from mlproxy.cli.explain import explain
from mlproxy.cli.lab import demo, record
from mlproxy.cli.pause import pause, resume
from mlproxy.cli.probe import probe
from mlproxy.cli.revert import revert
from mlproxy.cli.run import run
from mlproxy.cli.status import status
from mlproxy.cli.train import train
from mlproxy.errors import ConfigError, MlproxyError

app = typer.Typer(
    name="mlproxy",
    help="Model-made recommendations for Linux kernel knobs, under a gate, a journal and a "
    "measured trial. Start with: mlproxy apply --dry-run",
    epilog=epilog(),
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
COMMANDS = (probe, apply, run, status, explain, revert, pause, resume)
for command in (*COMMANDS, check, record, convert, train, evaluate, demo):
    app.command()(command)
app.add_typer(adapters_app, name="adapters")
app.add_typer(bench_app, name="bench")


USAGE: tuple[type[Exception], ...] = typer.BadParameter.__bases__
"""click's UsageError: typer exports one kind of it, and may have a click of its own."""


def _say_version(asked: bool) -> None:
    if asked:
        system = f"{platform.system()} {platform.release()}"
        print(f"mlproxy {metadata.version('mlproxy')} (Python {sys.version.split()[0]}, {system})")
        raise typer.Exit


Version = Annotated[
    bool,
    typer.Option(
        "--version", callback=_say_version, is_eager=True, help="Print the version and leave."
    ),
]


@app.callback()
def program(version: Version = False) -> None:
    """What comes before the command."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; every error becomes one clear message and its exit code."""
    code = _run(arguments)
    why = unprinted()
    if not why:
        return code
    silence_stdout()
    note(f"cannot print: {why}")
    return code or MlproxyError.exit_code


def _run(arguments: Sequence[str] | None) -> int:
    try:
        code = app(args=arguments, prog_name="mlproxy", standalone_mode=False)
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else INTERNAL
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except MlproxyError as error:
        note(str(error))
        return error.exit_code
    except USAGE as error:
        return _misused(error)
    except Exception as error:
        return _internal(error)
    return code if isinstance(code, int) else 0


def _misused(error: Any) -> int:
    """Says nothing where the help was printed, for want of arguments."""
    message = error.format_message()
    if message:
        command = error.ctx.command_path if error.ctx else "mlproxy"
        note(f"{message} ({command} --help)")
    return ConfigError.exit_code


def _internal(error: Exception) -> int:
    if isinstance(error, OSError) and unprinted("\n"):  # the one sure way to ask
        return MlproxyError.exit_code  # main says why
    if os.environ.get("MLPROXY_DEBUG") == "1":
        traceback.print_exc(file=sys.stderr)
    what = f"{type(error).__name__}: {error}".replace("\n", " ")
    note(
        f"internal error: {what}; please report it with the output of MLPROXY_DEBUG=1 "
        "and of mlproxy --version"
    )
    return INTERNAL
