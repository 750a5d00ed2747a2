"""Applying findings for real, on a tree of ordinary files; and `revert` and `status` after."""

from __future__ import annotations

import errno
import json
import os
import signal
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from mlproxy.cli import restoring
from mlproxy.cli.act import hand
from mlproxy.cli.findings import found_change
from mlproxy.cli.restoring import put_back
from mlproxy.cli.schema import ExplainReport, RevertReport, StatusReport
from mlproxy.decide import Answer, Prediction
from mlproxy.errors import Busy, JournalError, Overridden, WriteRefused
from mlproxy.knob import Value
from mlproxy.policy import Policy
from mlproxy.recommendation import Recommendation
from mlproxy.registry import load_registry
from mlproxy.seat import Seat
from mlproxy.survey import Finding
from mlproxy.transports.stock import StockTransport
from mlproxy.tree import Tree
from mlproxy.verdict import Verdict
from tests.backlog_machine import BacklogMachine
from tests.cli.conftest import Command
from tests.faults import LIMIT, READ_AHEAD_KB, READAHEAD, STRICT, WRITEBACK, make_tree, put

REC = Recommendation(
    id="3fa90c12",
    proxy=READAHEAD.id,
    device="sda",
    knob="read_ahead_kb",
    current=128,
    proposed=16,
    baseline=128,
    gain_log=0.7,
    lower_log=0.3,
    current_gain_log=0.0,
    confidence=0.9,
    why="97 % of the reads were major faults",
    model="abc",
    distance=0.1,
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """One disk, sda, with readahead 128."""
    return make_tree(tmp_path / "machine")


def _finding(action: str = "apply") -> Finding:
    adapter = load_registry().get("readahead")
    policy = Policy.model_validate(
        {"apiVersion": "mlproxy/v1", "adapter": "readahead", "knobs": {"read_ahead_kb": {}}}
    )
    seat = Seat(READAHEAD, adapter, policy, None, adapter.knobs, {"read_ahead_kb": _any()}, _held())
    features = adapter.schema.model_construct(read_kb_per_request=4.0)
    predictions = (Prediction("read_ahead_kb", 16, 0.7, 0.3),)
    answer = Answer(REC, predictions, features, {}, {})
    return Finding(seat, answer, Verdict(action, "gain", "sure"), "sure")  # type: ignore[arg-type]


def _any() -> object:
    from mlproxy.gate_range import Range

    return Range()


def _held() -> dict[str, Value]:
    return {"read_ahead_kb": 128}


def _full(descriptor: int, path: Path, data: bytes) -> None:
    raise OSError(errno.ENOSPC, "full", str(path))


def _value(root: Path) -> str:
    return (root / READ_AHEAD_KB).read_text().strip()


def _apply(root: Path, state: Path, keep: bool, action: str = "apply") -> list[str]:
    """What the knob held while the hand was open, and after."""
    finding = _finding(action)
    row = found_change(finding, StockTransport(Tree(root)))
    with hand(root, state) as doing:
        (done,) = doing.apply([finding], [row])
        during = _value(root)
        if keep:
            doing.keep()
    assert done.applied == (action == "apply")
    return [during, _value(root)]


def test_changes_are_taken_back_at_the_end(root: Path, state: Path) -> None:
    assert _apply(root, state, keep=False) == ["16", "128"]


def test_kept_changes_stay_until_reverted(root: Path, state: Path) -> None:
    assert _apply(root, state, keep=True) == ["16", "16"]
    assert [each.outcome for each in put_back(root, state, {})] == ["kept"]
    assert _value(root) == "16"
    (line,) = put_back(root, state, load_registry().adapters, include_kept=True)
    assert (line.outcome, _value(root)) == ("restored", "128")


def test_only_what_the_gate_allows_is_done(root: Path, state: Path) -> None:
    assert _apply(root, state, keep=True, action="hold") == ["128", "128"]
    assert not (state / "journal.jsonl").exists()


def test_an_interrupt_restores(root: Path, state: Path) -> None:
    finding = _finding()
    row = found_change(finding, StockTransport(Tree(root)))
    with suppress(KeyboardInterrupt), hand(root, state) as doing:
        doing.apply([finding], [row])
        assert _value(root) == "16"
        os.kill(os.getpid(), signal.SIGTERM)
        pytest.fail("the signal did not unwind")
    assert _value(root) == "128"
    assert [each.outcome for each in doing.restored] == ["restored"]


def test_second_hand_is_refused_with_the_holder(root: Path, state: Path, tmp_path: Path) -> None:
    finding = _finding()
    row = found_change(finding, StockTransport(Tree(root)))
    with hand(root, state) as first, hand(root, tmp_path / "other") as second:
        first.apply([finding], [row])
        (refused,) = second.apply([finding], [row])
    assert isinstance(second.error, Busy)
    assert f"process {os.getpid()}" in refused.trouble
    assert _value(root) == "128"


def test_status_explain_and_revert_after_apply(
    mlproxy: Command, root: Path, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _apply(root, state, keep=True)
    report = StatusReport.model_validate_json(mlproxy("status", "--json").out)
    (held,) = report.held
    assert (held.proxy, held.baseline, held.ours, held.kept) == (READAHEAD.id, 128, (16,), True)
    told = ExplainReport.model_validate_json(mlproxy("explain", "3fa9", "--json").out)
    assert (told.id, told.why, told.measured) == (REC.id, REC.why, "untested")
    assert told.do == (f"echo 16 > /{READ_AHEAD_KB}",)
    assert told.undo == (f"echo 128 > /{READ_AHEAD_KB}",)
    monkeypatch.setattr("mlproxy.cli.revert.require_root", lambda _: None)
    recover = restoring.recover
    monkeypatch.setattr(restoring, "recover", lambda _, *rest: recover(root, *rest))
    assert mlproxy("revert", "iosched").code == 2
    ended = mlproxy("revert", READAHEAD.id, "--json")
    (knob,) = RevertReport.model_validate_json(ended.out).knobs
    assert (ended.code, knob.outcome, _value(root)) == (0, "restored", "128")
    assert mlproxy("revert").out.startswith("Nothing to revert")


def test_a_value_of_somebody_else_is_left(root: Path, state: Path) -> None:
    _apply(root, state, keep=True)
    put(root, READ_AHEAD_KB, "512")
    (line,) = put_back(root, state, load_registry().adapters, include_kept=True)
    assert (line.outcome, _value(root)) == ("stood-down", "512")


def test_outcomes_hold_the_decision_and_the_change(root: Path, state: Path) -> None:
    _apply(root, state, keep=False)
    lines = (state / "outcomes.jsonl").read_text().splitlines()
    kinds = {entry["kind"]: entry for entry in map(json.loads, lines)}
    assert kinds["decision"]["id"] == kinds["change"]["recommendation"] == REC.id
    assert kinds["decision"]["action"] == "apply"


def test_what_comes_in_steps_is_left_to_the_agent(tmp_path: Path, state: Path) -> None:
    machine = BacklogMachine(tmp_path)
    adapter = load_registry().get("writeback")
    policy = Policy.model_validate(
        {"apiVersion": "mlproxy/v1", "adapter": "writeback", "knobs": {"max_ratio_fine": {}}}
    )
    held = {"max_ratio_fine": 1_000_000, "strict_limit": 0}
    seat = Seat(WRITEBACK, adapter, policy, None, adapter.asked, {"max_ratio_fine": _any()}, held)
    rec = replace(
        REC, proxy=WRITEBACK.id, knob="max_ratio_fine", current=1_000_000, proposed=15_625,
        baseline=1_000_000,
    )  # fmt: skip
    options = (Prediction("max_ratio_fine", 15_625, 0.7, 0.3),)
    features = adapter.schema.model_construct(backlog_share=0.8)
    answer = Answer(rec, options, features, {}, {})
    finding = Finding(seat, answer, Verdict("apply", "gain", "sure"), "sure")
    row = found_change(finding, StockTransport(Tree(machine.root)))
    assert row.do == (f"echo 15625 > /{LIMIT}", f"echo 1 > /{STRICT}")
    assert row.undo == (f"echo 1000000 > /{LIMIT}", f"echo 0 > /{STRICT}")
    with hand(machine.root, state) as doing:
        (done,) = doing.apply([finding], [row])
        assert isinstance(doing.error, WriteRefused)
    assert "which `mlproxy run` does" in (done.trouble or "")
    assert (machine.value(), machine.strict) == (1_000_000, 0)


def test_what_somebody_set_during_the_look_is_theirs(root: Path, state: Path) -> None:
    finding = _finding()
    row = found_change(finding, StockTransport(Tree(root)))
    put(root, READ_AHEAD_KB, "1024")
    with hand(root, state) as doing:
        (done,) = doing.apply([finding], [row])
        doing.keep()
    assert isinstance(doing.error, Overridden)
    assert "was 128 when mlproxy looked and holds 1024" in (done.trouble or "")
    assert _value(root) == "1024"


def test_what_cannot_be_kept_is_taken_back(root: Path, state: Path) -> None:
    finding = _finding()
    row = found_change(finding, StockTransport(Tree(root)))
    with hand(root, state) as doing:
        doing.apply([finding], [row])
        doing._actuator.journal.disk.append = _full  # type: ignore[method-assign]
        with pytest.raises(JournalError, match="ENOSPC"):
            doing.keep()
    assert _value(root) == "128"
