"""A survey: one decision per seat after a short observation, nothing written."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from mlproxy.adapter import Missing
from mlproxy.seat import Seat
from mlproxy.survey import PARTS, Finding, Survey
from mlproxy.transports.base import Transport
from mlproxy.trust import Key, TrustStore, identity_key
from tests.faults import READAHEAD
from tests.machine import Clock, Machine, MachineTransport, reads
from tests.world import Physicist, make_policy, make_seat


class Site:
    """A machine with a survey on it."""

    def __init__(
        self,
        folder: Path,
        seat: Seat | None = None,
        known: TrustStore | None = None,
        **policy: Any,
    ) -> None:
        self.machine = Machine(folder)
        chosen = seat or make_seat(make_policy(**policy), Physicist())
        self.machine.admin(str(chosen.baseline["read_ahead_kb"]))
        tree = Clock(self.machine.root, self.machine)
        tree.live = True
        transport = cast(Transport, MachineTransport(self.machine))
        self.survey = Survey(tree, transport, [chosen], known)

    def find(self) -> Finding:
        self.survey.observe(5.0)
        (found,) = self.survey.decide()
        return found


def test_it_finds_what_the_model_recommends_and_writes_nothing(tmp_path: Path) -> None:
    site = Site(tmp_path)
    found = site.find()
    assert found.verdict is not None
    assert found.verdict.action == "apply"
    assert found.recommendation is not None
    assert found.recommendation.proposed == 4
    assert site.machine.kernel.writes == []


def test_until_trusted_it_goes_as_far_as_one_step(tmp_path: Path) -> None:
    found = Site(tmp_path, trust="measured", start="learning").find()
    assert found.verdict is not None
    assert found.recommendation is not None
    assert (found.verdict.action, found.recommendation.proposed) == ("apply", 16)


def test_it_takes_windows_as_long_as_those_it_was_trained_on(tmp_path: Path) -> None:
    site = Site(tmp_path)
    assert site.survey.observe(5.0) == PARTS
    assert site.machine.samples == PARTS + 1


def test_an_idle_device_says_so(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.machine.workload = "idle"
    found = site.find()
    assert (found.answer, found.verdict, found.recommendation) == (None, None, None)
    assert "idle" in found.reason


def test_a_device_without_counters_says_so(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.machine.gone.add(READAHEAD.id)
    assert site.find().reason == "no counters for this object"


def test_a_missing_required_feature_says_which(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.machine.counters.clear()
    site.machine.rates = lambda workload, value: {"vm.pgmajfault": 1.0}
    assert "missing" in site.find().reason


def test_a_blind_value_is_held(tmp_path: Path) -> None:
    found = Site(tmp_path, make_seat(model=Physicist(), baseline={"read_ahead_kb": 4})).find()
    assert found.verdict is not None
    assert (found.verdict.action, found.verdict.rule) == ("hold", "blind")
    assert "looks from 16" in found.reason


def test_without_a_model_the_reason_is_the_models(tmp_path: Path) -> None:
    found = Site(tmp_path, make_seat(lacks="no model: /x")).find()
    assert found.reason == "no model: /x"
    assert found.answer is None


@pytest.mark.parametrize(
    ("policy", "rule"),
    [
        ({"mode": "emergency", "start": "emergency"}, "emergency"),
        ({"gate": {"max_io_pressure": "10%"}}, "io-pressure"),
        ({"gate": {"min_gain": "900%"}}, "no-change"),
    ],
)
def test_the_gate_is_asked(tmp_path: Path, policy: dict[str, Any], rule: str) -> None:
    found = Site(tmp_path, **policy).find()
    assert found.verdict is not None
    assert found.verdict.rule == rule


def test_a_mean_over_the_phase_and_not_over_two(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.machine.at(3.0, site.machine.becomes("sequential"))
    found = site.find()
    assert found.recommendation is not None
    assert found.recommendation.proposed == 8192


def test_missing_is_an_exception_of_its_own() -> None:
    assert not issubclass(Missing, ValueError)
    assert reads("idle", 4)["disk.read_ios"] < 12


def test_what_an_agent_measured_to_be_worse_is_not_applied(tmp_path: Path) -> None:
    trust = TrustStore(tmp_path / "trust.json")
    trust.regress(Key(identity_key(READAHEAD), "feedbeef0000", "read_ahead_kb", "down"), 4, -0.5)
    found = Site(tmp_path, known=trust).find()
    assert found.verdict is not None
    assert (found.verdict.action, found.verdict.rule) == ("refuse", "regression")


def test_what_another_tool_keeps_rewriting_is_left_to_it(tmp_path: Path) -> None:
    trust = TrustStore(tmp_path / "trust.json")
    for _ in range(3):
        trust.overridden(identity_key(READAHEAD), "read_ahead_kb")
    found = Site(tmp_path, known=trust).find()
    assert found.verdict is not None
    assert (found.verdict.action, found.verdict.rule) == ("hold", "contested")
