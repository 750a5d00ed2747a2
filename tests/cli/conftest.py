"""The command line in this process, small trees, and a model that has an opinion."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlproxy.adapter import Adapter
from mlproxy.cli import main
from mlproxy.columns import column_names
from mlproxy.errors import ModelError
from mlproxy.knob import Value

TREES = Path(__file__).parent.parent / "fixtures" / "trees"


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str


Command = Callable[..., Ended]


@pytest.fixture
def mlproxy(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Command:
    """Run one command; its state folder is the test's own."""
    monkeypatch.setenv("COLUMNS", "140")
    monkeypatch.setenv("MLPROXY_STATE", str(tmp_path / "state"))

    def run(*arguments: object) -> Ended:
        capsys.readouterr()
        code = main([str(each) for each in arguments])
        return Ended(code, *capsys.readouterr())

    return run


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """The state folder of `mlproxy`; it does not exist yet."""
    return tmp_path / "state"


@pytest.fixture(scope="session")
def tree() -> Path:
    """Random mmap reads on a loop device at readahead 128."""
    return TREES / "loop-random"


class Opinion:
    """A model that is sure: 16 is twice as good as 128, 8192 half as good."""

    digest = "0123456789ab"
    speed = {4: 1.0, 16: 2.0, 32: 1.7, 128: 1.0, 512: 0.8, 8192: 0.5}

    def __init__(self, columns: Sequence[str]) -> None:
        self._candidate = list(columns).index("candidate.read_ahead_kb")
        self.domain = self

    @staticmethod
    def knows(knob: str, value: Value) -> bool:
        """It has tried everything."""
        return True

    def predict(self, rows: Any, confidence: float) -> tuple[Any, Any]:
        """(median, lower bound) log gains."""
        values = rows[:, self._candidate].tolist()
        gain = np.log([self.speed.get(round(value), 0.9) for value in values])
        return gain, gain - 0.1

    def distance(self, rows: Any) -> Any:
        """Everything is well known."""
        return np.zeros(len(rows))

    def shift(self, before: object, after: object) -> float:
        """Nothing ever changes."""
        return 0.0


@pytest.fixture
def opinion(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A policy for loop0 whose model has a firm opinion on readahead."""

    def load_model(adapter: Adapter, where: str) -> Opinion:
        if where != "/opinion":
            raise ModelError(f"no model: {where} does not exist")
        return Opinion(column_names(adapter.schema.names(), adapter.knobs))

    monkeypatch.setattr("mlproxy.seat.load_model", load_model)
    policy = tmp_path / "opinion.yaml"
    policy.write_text(
        "apiVersion: mlproxy/v1\nadapter: readahead\n"
        'match: {devices: ["loop0"]}\n'
        "model: /opinion\n"
        "knobs: {read_ahead_kb: {min: 4, max: 8192, max_step: null}}\n"
    )
    return policy
