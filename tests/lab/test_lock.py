"""The lab lock excludes, names its holder and is gone with its process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from mlproxy.errors import Busy
from mlproxy.lab.lock import lab_lock


def test_a_second_holder_is_told_who_holds_it(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "lab.lock"
    with (
        lab_lock("12 rows", path=path),
        pytest.raises(Busy, match=r"held by 12 rows \(pid \d+\)"),
        lab_lock("others", path=path),
    ):
        pass


def test_it_is_free_again_after_an_exception(tmp_path: Path) -> None:
    path = tmp_path / "lab.lock"
    with pytest.raises(ZeroDivisionError), lab_lock("first", path=path):
        raise ZeroDivisionError
    with lab_lock("second", path=path):
        assert path.read_text().startswith("second")
    assert path.read_text() == ""


def test_waiting_gives_up_with_the_same_answer(tmp_path: Path) -> None:
    path = tmp_path / "lab.lock"
    with (
        lab_lock("first", path=path),
        pytest.raises(Busy, match="first"),
        lab_lock("second", path=path, wait_s=0.3),
    ):
        pass


def test_a_killed_holder_leaves_nothing_locked(tmp_path: Path) -> None:
    path = tmp_path / "lab.lock"
    script = (
        "import os, sys, pathlib\nfrom mlproxy.lab.lock import lab_lock\n"
        "with lab_lock('doomed', path=pathlib.Path(sys.argv[1])): os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(path)], check=False)
    assert done.returncode == -9
    assert path.read_text().startswith("doomed")
    with lab_lock("next", path=path):
        assert path.read_text().startswith("next")
