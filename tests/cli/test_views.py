"""What people read: status, explain, and the lines of a running agent."""

from __future__ import annotations

import errno
import math
from pathlib import Path
from typing import Any

import pytest

from mlproxy.cli.schema import ExplainReport, StatusReport
from mlproxy.cli.spoken import Spoken
from mlproxy.model import load_model
from mlproxy.outcomes import Outcomes
from mlproxy.registry import load_registry
from mlproxy.status import KnobStatus, Status, write_status
from tests.cli.conftest import Command

ROW = KnobStatus(
    proxy="readahead.8:0",
    device="sda",
    adapter="readahead",
    knob="read_ahead_kb",
    baseline=128,
    effective=16,
    mode="learning",
    share=0.125,
    rule="gain",
    reason="sure",
)
ROWS = {
    "measured": {"measured_gain": 0.5, "measured_low": 0.25, "measured_high": 0.75, "pairs": 17},
    "untested": {"predicted_gain": 0.4, "predicted_lower": 0.1},
    "lost": {"measured_gain": -0.25, "measured_low": -0.5, "measured_high": -0.125},
    "": {},
}
DECISION = {
    "id": "3fa90c12",
    "proxy": "readahead.8:0",
    "device": "sda",
    "adapter": "readahead",
    "knob": "read_ahead_kb",
    "current": 128,
    "proposed": 16,
    "baseline": 128,
    "predicted_gain": 0.5,
    "predicted_lower": 0.25,
    "rule": "gain",
    "action": "apply",
    "reason": "sure enough",
    "why": "97 % major faults",
    "model": "abc",
    "features": {"read_kb_per_request": 4.0, "rotational": None},
    "candidates": [{"knob": "read_ahead_kb", "value": 16, "gain": 0.5, "lower": 0.25}],
}
CHANGE = {
    "proxy": "readahead.8:0",
    "device": "sda",
    "adapter": "readahead",
    "knob": "read_ahead_kb",
    "before": 128,
    "after": 16,
    "why": "gain",
    "recommendation": "3fa90c12",
    "do": "echo 16 > /sys/class/bdi/8:0/read_ahead_kb",
    "undo": "echo 128 > /sys/class/bdi/8:0/read_ahead_kb",
}
TRIAL = {
    "recommendation": "3fa90c12",
    "proxy": "readahead.8:0",
    "knob": "read_ahead_kb",
    "proposed": 16,
    "event": "promoted",
    "wins": 14,
    "losses": 1,
    "ties": 2,
    "void": 0,
    "gain": 0.5,
    "low": 0.25,
    "high": 0.75,
}


@pytest.fixture
def told(state: Path) -> list[str]:
    """What a running agent says of a decision, a change and a trial."""
    lines: list[str] = []
    log = Spoken(state, lines.append)
    log.write("decision", **DECISION)
    log.write("change", **CHANGE)
    log.write("trial", **TRIAL)
    return lines


def _write_status(state: Path, pid: int) -> None:
    state.mkdir()
    rows = tuple(ROW.model_copy(update={"judged": word, **more}) for word, more in ROWS.items())
    write_status(state, Status(pid=pid, started_s=1.0, updated_s=2.0, ticks=9, knobs=rows))


def test_status_keeps_measured_untested_and_lost_apart(mlproxy: Command, state: Path) -> None:
    _write_status(state, pid=1)
    report = StatusReport.model_validate_json(mlproxy("status", "--json").out)
    assert [row.measured_gain for row in report.measured] == [0.5]
    assert [row.predicted_gain for row in report.untested] == [0.4]
    assert [row.measured_gain for row in report.lost] == [-0.25]
    assert [row.judged for row in report.others] == [""]
    text = mlproxy("status").out
    places = [text.index(word) for word in ("Measured", "+50.0 %", "Untested", "+40.0 %", "Lost")]
    assert places == sorted(places)
    assert "-25.0 %" in text[places[-1] :]


def test_status_tells_a_dead_agent_from_a_live_one(mlproxy: Command, state: Path) -> None:
    _write_status(state, pid=1)
    assert "Agent 1 is running, 9 ticks" in mlproxy("status").out
    write_status(state, Status(pid=2**22 + 1, started_s=1.0, updated_s=2.0))
    assert mlproxy("status").out.startswith("No agent is running; the last one")


def test_status_without_an_agent_is_a_sentence(mlproxy: Command, state: Path) -> None:
    ended = mlproxy("status")
    assert ended.code == 0
    assert ended.out == f"No agent has run with the state folder {state}.\n"


def test_running_agent_says_what_happens(told: list[str]) -> None:
    decision, change, trial = (line.split(maxsplit=1)[1] for line in told)
    assert decision.endswith("sda read_ahead_kb 128 to 16: apply (gain), sure enough [3fa90c12]")
    assert change.endswith("sda read_ahead_kb 128 to 16: gain [3fa90c12]")
    assert "promoted at +50.0 %, 14 won, 1 lost" in trial


def test_explain_tells_everything(mlproxy: Command, told: list[str]) -> None:
    text = mlproxy("explain", "3fa90c12").out
    for part in ("97 % major faults", "+50.0 %, at least +25.0 %", "apply (gain): sure enough"):
        assert part in text
    assert "promoted: +50.0 % (+25.0 % to +75.0 %), 14 won, 1 lost, 2 tied" in text
    assert CHANGE["do"] in text
    assert CHANGE["undo"] in text
    assert "rotational            missing" in text


def test_explain_json_is_the_documented_model(mlproxy: Command, told: list[str]) -> None:
    report = ExplainReport.model_validate_json(mlproxy("explain", "3fa90c12", "--json").out)
    assert report.features == {"read_kb_per_request": 4.0, "rotational": None}
    assert [event.kind for event in report.events] == ["change", "trial"]


def test_explain_says_which_features_spoke_for_it(mlproxy: Command, state: Path) -> None:
    """By the shipped model; not where another one decided."""
    adapter = load_registry().get("readahead")
    features = dict.fromkeys(adapter.schema.names(), 1.0) | {"read_kb_per_request": 128.0}
    shipped = load_model(adapter).digest
    setting = {"read_ahead_kb": 128}
    asked = DECISION | {"features": features, "setting": setting, "baselines": setting}
    Outcomes(state).write("decision", **(asked | {"model": shipped}))
    text = mlproxy("explain", "3fa90c12").out
    assert "What spoke for it" in text
    report = ExplainReport.model_validate_json(mlproxy("explain", "3fa90c12", "--json").out)
    strengths = [abs(math.log(each.factor)) for each in report.contributions]
    assert strengths
    assert strengths == sorted(strengths, reverse=True)
    assert {each.column for each in report.contributions} <= set(adapter.schema.names()) | {
        f"{kind}.read_ahead_kb" for kind in ("current", "candidate", "step")
    }
    Outcomes(state).write("decision", **asked)
    assert "What spoke for it" not in mlproxy("explain", "3fa90c12").out


def test_untested_is_said_in_that_word(mlproxy: Command, state: Path) -> None:
    Outcomes(state).write("decision", **DECISION)
    assert "measured  untested" in mlproxy("explain", "3fa90c12").out


def test_unknown_id_lists_the_latest(mlproxy: Command, told: list[str]) -> None:
    ended = mlproxy("explain", "00000000")
    assert ended.code == 2
    assert "the latest are: 3fa90c12 (sda read_ahead_kb 128 to 16)" in ended.err


@pytest.mark.parametrize("command", [("status",), ("explain", "3fa9"), ("revert",)])
def test_a_state_folder_of_somebody_else_needs_a_privilege(
    mlproxy: Command, state: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    def closed(name: str) -> None:
        real = getattr(Path, name)

        def refuse(path: Path, *rest: Any, **more: Any) -> Any:
            if path.is_relative_to(state):
                raise PermissionError(errno.EACCES, "Permission denied", str(path))
            return real(path, *rest, **more)

        monkeypatch.setattr(Path, name, refuse)

    for name in ("stat", "read_text", "read_bytes"):
        closed(name)
    ended = mlproxy(*command)
    assert (ended.code, ended.out) == (3, "")
    assert "EACCES (Permission denied); this needs root" in ended.err
