"""Options and fixtures that every test may use."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

NEEDED = ("losetup", "mkfs.ext4", "fio")


def pytest_addoption(parser: pytest.Parser) -> None:
    """`pytest --update-goldens` writes what is compared otherwise."""
    parser.addoption("--update-goldens", action="store_true", help="rewrite golden files")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """A test marked `root` is skipped, with the reason, where it cannot run."""
    if item.get_closest_marker("root") is not None and (why := _no_test_bed()):
        pytest.skip(why)


def _no_test_bed() -> str:
    """Why no test bed can be made here; "" where it can."""
    if os.geteuid() != 0:
        return "needs root"
    missing = [name for name in NEEDED if shutil.which(name) is None]
    if missing:
        return f"needs {', '.join(missing)}"
    absent = [path for path in ("/dev/fuse", "/dev/loop-control") if not Path(path).exists()]
    return f"needs {', '.join(absent)}" if absent else ""


@pytest.fixture
def update_goldens(request: pytest.FixtureRequest) -> bool:
    """True when golden files are to be written instead of compared."""
    return bool(request.config.getoption("--update-goldens"))
