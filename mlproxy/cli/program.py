"""All commands in one program, and how each of them may end."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence

import typer

from mlproxy.cli.adapters import adapters_app
from mlproxy.cli.apply import apply
from mlproxy.cli.bench import bench_app
from mlproxy.cli.check import check
from mlproxy.cli.console import note
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
from mlproxy.errors import MlproxyError

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


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; every error becomes one clear message and its exit code."""
    try:
        app(args=arguments, prog_name="mlproxy")
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else INTERNAL
    except MlproxyError as error:
        note(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:
        return _internal(error)
    return 0


def _internal(error: Exception) -> int:
    if os.environ.get("MLPROXY_DEBUG") == "1":
        traceback.print_exc(file=sys.stderr)
    what = f"{type(error).__name__}: {error}".replace("\n", " ")
    note(f"internal error: {what}; please report it with the output of MLPROXY_DEBUG=1")
    return INTERNAL
