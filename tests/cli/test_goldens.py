"""A dry run on every recorded tree gives what it gave before.

`pytest tests/cli/test_goldens.py --update-goldens` writes the goldens; look at the diff.
Numbers that a retrained model changes in the last digits are rounded in the JSON.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import TREES, Command

GOLDENS = TREES.parent / "goldens"
NAMES = sorted(path.name for path in TREES.iterdir() if (path / "000").is_dir())
REPOSITORY = Path(__file__).parents[2]
DIGITS = 3


@pytest.mark.parametrize("name", NAMES)
def test_text(
    mlproxy: Command, monkeypatch: pytest.MonkeyPatch, name: str, update_goldens: bool
) -> None:
    monkeypatch.chdir(TREES)
    ended = mlproxy("apply", "--dry-run", "--root", name)
    assert (ended.code, ended.err) == (0, "")
    lines = (line.rstrip() for line in ended.out.splitlines())
    _compare(GOLDENS / f"{name}.txt", "\n".join(lines) + "\n", update_goldens)


@pytest.mark.parametrize("name", NAMES)
def test_json(
    mlproxy: Command, monkeypatch: pytest.MonkeyPatch, name: str, update_goldens: bool
) -> None:
    monkeypatch.chdir(TREES)
    ended = mlproxy("apply", "--dry-run", "--root", name, "--json")
    assert (ended.code, ended.err) == (0, "")
    text = json.dumps(_rounded(json.loads(ended.out)), indent=1, sort_keys=True)
    _compare(GOLDENS / f"{name}.json", text + "\n", update_goldens)


def test_every_golden_has_its_tree() -> None:
    assert {path.stem for path in GOLDENS.iterdir()} == set(NAMES)


def _compare(golden: Path, text: str, update: bool) -> None:
    assert str(REPOSITORY) not in text, "a golden must not hold this machine's paths"
    if update:
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(text)
    assert golden.exists(), f"no {golden.name}; make it with --update-goldens"
    assert text == golden.read_text()


def _rounded(data: Any) -> Any:
    """The same with numbers cut to what is stable between builds of XGBoost."""
    if isinstance(data, float):
        return float(f"{data:.{DIGITS}g}")
    if isinstance(data, dict):
        return {name: _rounded(value) for name, value in data.items()}
    return [_rounded(value) for value in data] if isinstance(data, list) else data
