"""`mlproxy apply --dry-run`: what it prints, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mlproxy.cli.schema import ApplyReport
from tests.cli.conftest import Command


def test_prints_the_change_with_its_shell_lines(
    mlproxy: Command, tree: Path, opinion: Path
) -> None:
    ended = mlproxy("apply", "--dry-run", "--root", tree, "-c", opinion)
    assert ended.code == 0
    assert "echo 16 > /sys/class/bdi/7:0/read_ahead_kb" in ended.out
    assert "echo 128 > /sys/class/bdi/7:0/read_ahead_kb" in ended.out
    assert "files opened from now on" in ended.out
    assert "1 change would be made. Nothing was written." in ended.out
    assert ended.err == ""


def test_json_is_the_documented_model(mlproxy: Command, tree: Path, opinion: Path) -> None:
    ended = mlproxy("apply", "--dry-run", "--root", tree, "-c", opinion, "--json")
    report = ApplyReport.model_validate_json(ended.out)
    (found,) = report.findings
    assert (found.device, found.current, found.proposed) == ("loop0", 128, 16)
    assert (found.verdict, found.rule) == ("apply", "gain")
    assert found.predicted_gain == pytest.approx(1.0, abs=0.2)
    assert not found.applied
    assert {each.value for each in found.candidates} >= {4, 16, 128, 8192}


def test_root_alone_implies_a_dry_run(mlproxy: Command, tree: Path, opinion: Path) -> None:
    ended = mlproxy("apply", "--root", tree, "-c", opinion, "--json")
    assert ended.code == 0
    assert json.loads(ended.out)["dry_run"] is True


def test_dry_run_with_for_is_refused(mlproxy: Command) -> None:
    ended = mlproxy("apply", "--dry-run", "--for", "10s")
    assert ended.code == 2
    assert ended.err.startswith("mlproxy: --for keeps a change")


def test_without_a_model_nothing_is_recommended(
    mlproxy: Command, tree: Path, opinion: Path, tmp_path: Path
) -> None:
    policy = tmp_path / "policy.yaml"
    text = opinion.read_text().replace("/opinion", "/nowhere")
    policy.write_text(text)
    ended = mlproxy("apply", "--dry-run", "--root", tree, "-c", policy, "--json")
    (found,) = ApplyReport.model_validate_json(ended.out).findings
    assert (found.verdict, found.proposed) == ("none", None)
    assert "no model" in found.reason


def test_nothing_to_tune_is_a_sentence(mlproxy: Command, tmp_path: Path) -> None:
    (tmp_path / "machine" / "proc").mkdir(parents=True)
    ended = mlproxy("apply", "--dry-run", "--root", tmp_path / "machine")
    assert ended.code == 0
    assert ended.out.startswith("Nothing to tune:")


def test_devices_override_the_policy(mlproxy: Command, tree: Path, opinion: Path) -> None:
    ended = mlproxy(
        "apply", "--dry-run", "--root", tree, "-c", opinion, "--devices", "vda", "--json"
    )
    (found,) = ApplyReport.model_validate_json(ended.out).findings
    assert found.device == "vda"


def test_unknown_device_names_the_known(mlproxy: Command, tree: Path) -> None:
    ended = mlproxy("apply", "--dry-run", "--root", tree, "--devices", "sdz")
    assert ended.code == 2
    assert "'sdz'" in ended.err
    assert "loop0" in ended.err


def test_two_policies_for_one_knob_are_refused(
    mlproxy: Command, tree: Path, opinion: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.yaml"
    other.write_text(opinion.read_text())
    ended = mlproxy("apply", "--dry-run", "--root", tree, "-c", opinion, "-c", other)
    assert ended.code == 2
    assert f"{other}:3: match.devices" in ended.err


def test_plain_user_is_told_what_to_do(mlproxy: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    ended = mlproxy("apply")
    assert ended.code == 3
    assert "sudo mlproxy apply" in ended.err
    assert ended.err.count("\n") == 1


def test_broken_default_policy_costs_its_adapter_only(
    mlproxy: Command, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlproxy.cli import session
    from mlproxy.errors import PolicyError

    whole = session.default_policy

    def default_policy(adapter: object) -> object:
        if getattr(adapter, "name", "") == "iosched":
            raise PolicyError("policy.yaml:1: adapter: no value")
        return whole(adapter)  # type: ignore[arg-type]

    monkeypatch.setattr(session, "default_policy", default_policy)
    ended = mlproxy("apply", "--dry-run", "--root", tree, "--json")
    report = ApplyReport.model_validate_json(ended.out)
    assert {found.adapter for found in report.findings} == {"readahead", "writeback"}
    assert "iosched" in report.skipped
    assert "adapter iosched is skipped" in ended.err


def test_a_narrow_terminal_breaks_no_word(
    mlproxy: Command, monkeypatch: pytest.MonkeyPatch, tree: Path, opinion: Path
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    lines = mlproxy("apply", "--dry-run", "--root", tree, "-c", opinion).out.splitlines()
    first = lines.index("device: loop0")
    assert lines[first : first + 5] == [
        "device: loop0",
        "adapter: readahead",
        "knob: read_ahead_kb",
        "current: 128",
        "proposed: 16",
    ]
    assert all(len(each) <= 40 for each in lines[first : first + 8])
