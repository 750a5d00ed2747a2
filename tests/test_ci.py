"""The CI's own check: a test that ran nowhere is a failure, unless a reason is given."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.markdown import ROOT

SKIPPED = '<testcase classname="tests.test_a" name="test_{0}"><skipped message="why"/></testcase>'
RAN = '<testcase classname="tests.test_a" name="test_{0}"/>'


def _report(path: Path, **tests: bool) -> Path:
    cases = "".join((RAN if ran else SKIPPED).format(name) for name, ran in tests.items())
    path.write_text(f"<testsuites><testsuite>{cases}</testsuite></testsuites>")
    return path


@pytest.mark.parametrize(
    ("as_root", "as_user", "allowed", "said"),
    [
        ({"x": True, "y": False}, {"x": False, "y": True}, "", "each test has run somewhere"),
        ({"x": True, "y": False}, {"x": True}, "", "never ran: tests.test_a::test_y: why"),
        ({"x": True, "y": False}, {}, "tests.test_a::test_y: no such disk", "(1 allowed not to)"),
        ({"x": True}, {"x": False}, "tests.test_a::test_x: old", "test_x does run: take the line"),
        ({"x": False}, {"x": False}, "", "the reports hold no test that ran"),
    ],
)
def test_skips(
    tmp_path: Path, as_root: dict[str, bool], as_user: dict[str, bool], allowed: str, said: str
) -> None:
    (tmp_path / "allowed").write_text(f"# reasons\n{allowed}\n")
    reports = [_report(tmp_path / "root", **as_root), _report(tmp_path / "user", **as_user)]
    command = [sys.executable, ROOT / ".ci/skips.py", tmp_path / "allowed", *reports]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert said in done.stdout + done.stderr
    assert (done.returncode == 0) is said.startswith(("each", "(1"))


def test_the_script_is_sound_and_runs_the_readmes_commands() -> None:
    subprocess.run(["bash", "-n", ROOT / ".ci/run"], check=True)
    text = (ROOT / ".ci/run").read_text()
    for command in ("plain run", "plain test", "directory run", "directory test", "lint"):
        assert command in text
