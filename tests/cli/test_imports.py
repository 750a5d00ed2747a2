"""What a command loads: numpy and XGBoost only where something is predicted."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

CONFIG = Path(__file__).parents[2] / "configs" / "database.yaml"
HEAVY = ("numpy", "xgboost", "pyarrow", "prometheus_client")
PROGRAM = """
import sys
from mlproxy.cli import main
code = main(sys.argv[1:])
loaded = [name for name in {heavy!r} if name in sys.modules]
print("LOADED", *loaded, file=sys.stderr)
sys.exit(code)
"""


def _loaded(*arguments: str) -> tuple[int, list[str]]:
    program = PROGRAM.format(heavy=HEAVY)
    command = [sys.executable, "-c", program, *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    return ended.returncode, ended.stderr.rsplit("LOADED", 1)[1].split()


@pytest.mark.parametrize(
    "arguments", [("--help",), ("check", str(CONFIG)), ("status",), ("revert",)]
)
def test_light_commands_stay_light(arguments: tuple[str, ...], tmp_path: Path) -> None:
    state = ["--state", str(tmp_path)] if arguments[0] in ("status", "revert") else []
    assert _loaded(*arguments, *state) == (0, [])


def test_the_probe_is_not_blind() -> None:
    code, loaded = _loaded("adapters")
    assert code == 0
    assert "numpy" in loaded
