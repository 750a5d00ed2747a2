"""`mlproxy check`."""

from __future__ import annotations

from pathlib import Path

from mlproxy.cli.schema import CheckReport
from mlproxy.registry import load_registry
from tests.cli.conftest import Command

GOOD = """apiVersion: mlproxy/v1
adapter: readahead
match: {devices: ["sd*"]}
knobs: {read_ahead_kb: {min: 16, max: 512}}
"""


def _write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_good_files_are_ok(mlproxy: Command, tmp_path: Path) -> None:
    path = _write(tmp_path, "a.yaml", GOOD)
    ended = mlproxy("check", path)
    assert (ended.code, ended.out) == (0, f"{path}: ok (1 policy)\n")


def test_all_problems_of_all_files_are_shown(mlproxy: Command, tmp_path: Path) -> None:
    good = _write(tmp_path, "a.yaml", GOOD)
    bad = _write(tmp_path, "b.yaml", GOOD + "lease: 1\nfrob: 2\n")
    gone = tmp_path / "c.yaml"
    ended = mlproxy("check", good, bad, gone)
    assert ended.code == 2
    assert f"{good}: ok (1 policy)" in ended.out
    assert f"{bad}:5: lease: value '1' is not allowed" in ended.out
    assert f"{bad}:6: frob: key 'frob' is not allowed" in ended.out
    assert f"{gone}: cannot be read" in ended.out


def test_values_beyond_the_adapter_are_refused(mlproxy: Command, tmp_path: Path) -> None:
    path = _write(tmp_path, "a.yaml", GOOD.replace("512", "99999"))
    ended = mlproxy("check", path)
    assert ended.code == 2
    assert f"{path}:4: knobs.read_ahead_kb.max: value '99999'" in ended.out
    assert "ok" not in ended.out


def test_two_claims_of_one_knob_are_refused(mlproxy: Command, tmp_path: Path) -> None:
    first = _write(tmp_path, "a.yaml", GOOD)
    second = _write(tmp_path, "b.yaml", GOOD.replace('"sd*"', '"sda"'))
    ended = mlproxy("check", first, second, "--json")
    report = CheckReport.model_validate_json(ended.out)
    assert ended.code == 2
    assert not report.ok
    (problem,) = report.problems
    assert problem.startswith(f"{second}:3: match.devices: value 'sda'")
    assert f"{first}:3" in problem


def test_a_model_that_cannot_be_used_is_named(mlproxy: Command, tmp_path: Path) -> None:
    gone = _write(tmp_path, "a.yaml", GOOD + "model: /nonexistent\n")
    ended = mlproxy("check", gone)
    said = f"{gone}:5: model: no model: /nonexistent does not exist\n"
    assert (ended.code, ended.out) == (2, said)
    own = load_registry().get("readahead").home() / "model"
    good = _write(tmp_path, "b.yaml", GOOD + f"model: {own}\n")
    assert mlproxy("check", good).out == f"{good}: ok (1 policy)\n"
