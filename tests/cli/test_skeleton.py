"""`mlproxy adapters new`: the package it writes works as it is."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from mlproxy.cli.session import open_session
from mlproxy.policy_check import check_policies
from mlproxy.policy_file import default_policy
from mlproxy.registry import load_registry
from tests.cli.conftest import Command


@pytest.fixture
def package(mlproxy: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package called `merging`, importable."""
    folder = tmp_path / "scratch"
    ended = mlproxy("adapters", "new", "merging", "--folder", folder)
    assert ended.code == 0
    assert all(Path(line).exists() for line in ended.out.splitlines()[:-1])
    monkeypatch.syspath_prepend(str(folder))
    return folder


def test_is_a_sound_adapter(package: Path) -> None:
    point = EntryPoint("merging", "mlproxy_merging:MergingAdapter", "mlproxy.adapters")
    registry = load_registry([point])
    assert registry.broken == {}
    adapter = registry.get("merging")
    assert [(knob.name, knob.grid) for knob in adapter.knobs] == [("nomerges", (0, 1, 2))]
    assert check_policies([default_policy(adapter)], registry.adapters) == []


def test_dry_runs_beside_the_others(
    package: Path, mlproxy: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = tmp_path / "machine"
    for path, text in {
        "sys/block/sda/dev": "8:0",
        "sys/block/sda/size": "2048",
        "sys/block/sda/queue/nomerges": "0",
        "proc/diskstats": "   8 0 sda 1 0 8 1 0 0 0 0 0 1 1",
    }.items():
        (machine / path).parent.mkdir(parents=True, exist_ok=True)
        (machine / path).write_text(text + "\n")
    point = EntryPoint("merging", "mlproxy_merging:MergingAdapter", "mlproxy.adapters")
    monkeypatch.setattr("mlproxy.cli.session.load_registry", lambda: load_registry([point]))
    session = open_session(machine)
    assert [proxy.id for proxy in session.proxies["merging"]] == ["merging.sda"]
    ended = mlproxy("apply", "--dry-run", "--root", machine)
    assert ended.code == 0
    assert "nomerges" in ended.out
    assert "no model" in ended.out


def test_its_own_tests_pass_but_for_the_installation(package: Path) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"]
    command += ["--deselect", "tests/test_adapter.py::test_installed_and_sound"]
    ended = subprocess.run(
        command, cwd=package, capture_output=True, text=True, check=False, env={"PYTHONPATH": "."}
    )
    assert ended.returncode == 0, ended.stdout
    assert "3 passed" in ended.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("Bad",), "name 'Bad' is not allowed"),
        (("readahead",), "is installed already"),
        (("x", "--knob", "/sys/nomerges"), "is not allowed: a file relative"),
        (("x", "--knob", "queue/frob"), "give --min and --max"),
        (("x", "--subject", "net"), "is not one of disk, bdi"),
        (("x", "--min", "3", "--max", "3"), "holds no choice"),
    ],
)
def test_what_cannot_be_is_refused(
    mlproxy: Command, tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    ended = mlproxy("adapters", "new", *arguments, "--folder", tmp_path / "new")
    assert ended.code == 2
    assert said in ended.err
    assert not (tmp_path / "new").exists()


def test_a_folder_in_use_is_left_alone(mlproxy: Command, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    ended = mlproxy("adapters", "new", "merging", "--folder", tmp_path)
    assert ended.code == 2
    assert "is in use" in ended.err


def test_wide_ranges_get_a_grid_of_powers(mlproxy: Command, tmp_path: Path) -> None:
    arguments = ("--knob", "queue/max_frob", "--min", "3", "--max", "40")
    mlproxy("adapters", "new", "wide", "--folder", tmp_path / "w", *arguments)
    text = (tmp_path / "w" / "mlproxy_wide" / "adapter.py").read_text()
    assert "grid=(3, 4, 8, 16, 32, 40)" in text
