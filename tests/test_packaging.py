"""The wheel and the source archive hold what they must, and a wheel works on its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.markdown import ROOT

NEEDED = (
    ".ci/run",
    "Makefile",
    "requirements.lock",
    "README.md",
    "LICENSE",
    "CHANGELOG.md",
    "mlproxy/loop.py",
    "mlproxy/py.typed",
    "mlproxy/templates/adapter/README.md.in",
    "adapters/mlproxy_readahead/model/model.ubj",
    "configs/database.yaml",
    "tests/test_packaging.py",
    "docs/cli.md",
)


def _run(command: Sequence[str | Path], **env: str) -> str:
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        list(map(str, command)),
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
        env=clean | env,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one wheel and one source archive."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-t", "wheel"]
    subprocess.run([*command, "-d", str(folder)], cwd=ROOT, check=True, capture_output=True)
    return folder


def test_the_source_archive_is_complete(built: Path) -> None:
    (archive,) = built.glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        names = {name.partition("/")[2] for name in opened.getnames()}
    assert set(NEEDED) - names == set()
    assert not [name for name in names if name.startswith((".venv", ".git/", "data/"))]


def test_the_wheel_holds_packages_only(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as opened:
        tops = {name.partition("/")[0] for name in opened.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {
        "mlproxy",
        "mlproxy_iosched",
        "mlproxy_readahead",
        "mlproxy_writeback",
    }


def test_a_fresh_environment_has_the_adapters_with_their_models(
    built: Path, tmp_path: Path
) -> None:
    (wheel,) = built.glob("*.whl")
    venv = tmp_path / "venv"
    _run([sys.executable, "-m", "venv", "--without-pip", venv])
    site = next((venv / "lib").glob("python*/site-packages"))
    options = ["--quiet", "--no-deps", "--no-index", "--target", site]
    _run([sys.executable, "-m", "pip", "install", *options, wheel])
    # The dependencies are this environment's own: what is tested is the wheel, offline.
    own = next(path for path in sys.path if path.endswith("site-packages"))
    (site / "dependencies.pth").write_text(f"{own}\n")
    start = [venv / "bin/python", "-P", "-c", "import sys, mlproxy.cli as c; sys.exit(c.main())"]
    report = json.loads(_run([*start, "adapters", "--json"]))
    assert report["broken"] == {}
    assert {each["name"] for each in report["adapters"] if each["model"]} == {
        "iosched",
        "readahead",
        "writeback",
    }
    where = _run([venv / "bin/python", "-P", "-c", "import mlproxy; print(mlproxy.__file__)"])
    assert where.startswith(str(site))
