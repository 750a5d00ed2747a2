"""`mlproxy probe` and `mlproxy adapters`."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from mlproxy.cli import adapters
from mlproxy.cli.schema import AdaptersReport, ProbeReport
from mlproxy.registry import Registry, load_registry
from tests.cli.conftest import TREES, Command


def test_probe_shows_knobs_and_what_is_lacking(mlproxy: Command) -> None:
    ended = mlproxy("probe", "--root", TREES / "lvm-crypt")
    assert ended.code == 0
    assert "read_ahead_kb" in ended.out
    assert "files opened from now on" in ended.out
    assert "debugfs cannot be read: the depth in force cannot be checked (sda)" in ended.out


def test_probe_json_gives_the_ranges_that_kernel_and_adapter_allow(
    mlproxy: Command, tree: Path
) -> None:
    ended = mlproxy("probe", "--root", tree, "--json", "--devices", "loop0")
    report = ProbeReport.model_validate_json(ended.out)
    by_knob = {knob.knob: knob for proxy in report.proxies for knob in proxy.knobs}
    assert (by_knob["read_ahead_kb"].value, by_knob["read_ahead_kb"].minimum) == (128, 4)
    assert by_knob["read_ahead_kb"].special == {"0": "off"}
    assert "mq-deadline" in by_knob["scheduler"].choices
    progress = {proxy.adapter: proxy.progress for proxy in report.proxies}
    assert progress == {"readahead": "", "iosched": "disk.read_ios", "writeback": ""}


def test_probe_names_the_objective_of_the_policy(
    mlproxy: Command, tree: Path, opinion: Path
) -> None:
    opinion.write_text(opinion.read_text() + "objective: {file: /run/app/ops}\n")
    ended = mlproxy("probe", "--root", tree, "-c", opinion, "--json")
    progress = {p.device: p.progress for p in ProbeReport.model_validate_json(ended.out).proxies}
    assert progress["loop0"] == "the policy's objective (file)"
    assert progress["vda"] == ""


def test_probe_of_nothing_is_a_sentence(mlproxy: Command, tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    assert mlproxy("probe", "--root", tmp_path).out.startswith("Nothing to tune")


def test_adapters_lists_what_is_installed(mlproxy: Command) -> None:
    report = AdaptersReport.model_validate_json(mlproxy("adapters", "--json").out)
    listed = {each.name: each for each in report.adapters}
    assert listed["readahead"].knobs == ("read_ahead_kb",)
    assert listed["iosched"].package == "mlproxy_iosched"
    assert all(each.model or each.model_lacks for each in report.adapters)


def test_broken_adapter_is_listed_with_why(
    mlproxy: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def with_a_broken_one() -> Registry:
        return load_registry([EntryPoint("frob", "no_such_module:Frob", "mlproxy.adapters")])

    monkeypatch.setattr(adapters, "load_registry", with_a_broken_one)
    ended = mlproxy("adapters")
    assert ended.code == 0
    assert "broken, skipped: frob: ModuleNotFoundError" in ended.out
