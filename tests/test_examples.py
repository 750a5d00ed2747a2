"""Every example that a document marks as executable runs, and prints what is shown."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.markdown import ROOT, Example, examples, show

MARKED = list(examples())
MLPROXY = [sys.executable, "-c", "from mlproxy.cli import main; raise SystemExit(main())"]
WIDTH = "110"


def _argv(command: str) -> list[str]:
    words = shlex.split(command)
    assert words[0] in ("mlproxy", "make"), f"{command!r} is not run here"
    return [*MLPROXY, *words[1:]] if words[0] == "mlproxy" else words


@pytest.mark.parametrize("example", MARKED, ids=lambda each: f"{each.page}: {each.command}")
def test_example(example: Example, tmp_path: Path, update_goldens: bool) -> None:
    env = {**os.environ, "COLUMNS": WIDTH, "MLPROXY_STATE": str(tmp_path / "state")}
    done = subprocess.run(
        _argv(example.command), cwd=ROOT, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    if not example.compared:
        return
    lines = [line.rstrip() for line in done.stdout.splitlines()]
    output = "\n".join(lines).strip("\n") + "\n"
    if update_goldens:
        show(example, output)
    else:
        assert example.shown == output


def test_there_are_examples() -> None:
    assert {each.page for each in MARKED} >= {"README.md"}
