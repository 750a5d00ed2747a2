"""`python -m mlproxy.lab.bench NAME [--quick] [--out DIR]`: one measurement with its judgement."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from rich.console import Console

from mlproxy.cli.exit_codes import INTERRUPTED
from mlproxy.cli.options import names_of
from mlproxy.cli.signals import unwinding
from mlproxy.errors import MlproxyError, NotPermitted
from mlproxy.lab.bench.report import Report
from mlproxy.lab.bench.setup import Setup
from mlproxy.lab.lock import LOCK_PATH, lab_lock

BENCHES = ("reaction", "grid", "iosched", "noharm", "cost", "writeback", "replay", "unseen")
OFFLINE = ("replay", "unseen")
"""Benches that need no device, and so no lab of their own."""

WAIT_S = 4 * 3600.0
WIDTH = 140


def main(argv: Sequence[str] | None = None) -> int:
    """Run one bench; 0 when all that is asked was met, 1 when not."""
    options = _arguments(argv)
    bench = importlib.import_module(f"mlproxy.lab.bench.{options.name}")
    console = Console(highlight=False, emoji=False, width=None if sys.stdout.isatty() else WIDTH)
    report = Report(options.name, options.quick, console)
    models = dict(pair.split("=", 1) for pair in options.model)
    try:
        setup = Setup(options.quick, options.seed, names_of(options.only, "--only"), models)
        with unwinding(), _lab(options.name, options.lock):
            bench.run(report, setup)
    except MlproxyError as error:
        print(f"bench {options.name}: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED
    return report.finish(options.out)


def _lab(name: str, lock: Path) -> AbstractContextManager[None]:
    if name in OFFLINE:
        return nullcontext()
    if os.geteuid() != 0:
        raise NotPermitted(f"it makes devices, which needs root: sudo make bench BENCHES={name}")
    return lab_lock(f"bench {name}", path=lock, wait_s=WAIT_S)


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m mlproxy.lab.bench", description=__doc__)
    parser.add_argument("name", choices=BENCHES)
    parser.add_argument("--quick", action="store_true", help="minutes instead of an hour")
    parser.add_argument("--out", type=Path, help="folder for the JSON and markdown summary")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--only",
        help="workloads of grid, noharm, replay, unseen; parts of writeback",
        metavar="NAME,...",
    )
    parser.add_argument("--model", action="append", default=[], metavar="ADAPTER=DIR")
    parser.add_argument("--lock", type=Path, default=LOCK_PATH, help="the lab's lock file")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
