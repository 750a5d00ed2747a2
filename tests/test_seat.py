"""Seats: legal values, clamps, and who claims what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from mlproxy.gate_range import Range
from mlproxy.registry import Registry
from mlproxy.seat import Seat, build_seats
from mlproxy.transports.base import Transport
from mlproxy_iosched import IoschedAdapter
from mlproxy_iosched.adapter import NR_REQUESTS, SCHEDULER, WBT_LAT_USEC
from mlproxy_readahead import ReadaheadAdapter
from mlproxy_readahead.adapter import READ_AHEAD_KB
from mlproxy_writeback import WritebackAdapter
from tests.backlog_machine import BacklogMachine
from tests.faults import IOSCHED, LIMIT, READAHEAD, SCHEDULERS, STRICT, WRITEBACK
from tests.machine import Machine, MachineTransport
from tests.world import make_policy, make_seat

QUEUE = {"scheduler": "none", "nr_requests": 64, "wbt_lat_usec": 2000}


def queue(kernel: Sequence[str] = SCHEDULERS, **policy: object) -> Seat:
    seat = make_seat(make_policy("iosched", **policy), None, QUEUE, IoschedAdapter(), IOSCHED)
    return replace(seat, kernel={"scheduler": Range(choices=tuple(kernel))})


def test_options_are_legal_and_hold_the_present_and_the_baseline() -> None:
    seat = make_seat(
        make_policy(knobs={"read_ahead_kb": {"min": 32, "max": 512}}),
        baseline={"read_ahead_kb": 8192},
    )
    values = [value for _, value in seat.options({"read_ahead_kb": 12})]
    assert values == [32, 64, 128, 512, 8192, 12]


def test_the_clamp_is_the_intersection() -> None:
    seat = replace(
        make_seat(make_policy(knobs={"read_ahead_kb": {"max": 4096}})),
        kernel={"read_ahead_kb": Range(16, None)},
    )
    assert seat.clamp(READ_AHEAD_KB) == Range(16, 4096)


def test_words_are_those_that_all_three_allow() -> None:
    assert queue().clamp(SCHEDULER).choices == ("none", "mq-deadline")
    assert queue(["none", "kyber"]).clamp(SCHEDULER).choices == ("none",)


def test_where_no_word_is_allowed_only_the_baseline_is() -> None:
    seat = queue(["none", "kyber"], knobs={"scheduler": {"allow": ["bfq"]}})
    assert seat.clamp(SCHEDULER).choices == ("none",)
    assert seat.options(QUEUE) == (("scheduler", "none"),)


def test_a_knob_that_the_policy_does_not_name_is_no_option_but_has_a_range() -> None:
    seat = queue()
    assert WBT_LAT_USEC.name not in {knob for knob, _ in seat.options(QUEUE)}
    assert seat.clamp(WBT_LAT_USEC) == Range(0, 1_000_000)
    assert seat.clamp(NR_REQUESTS).maximum == 1024


@pytest.fixture
def transport(tmp_path: Path) -> Transport:
    return cast(Transport, MachineTransport(Machine(tmp_path), [READAHEAD, IOSCHED]))


ADAPTERS = Registry({"readahead": ReadaheadAdapter(), "iosched": IoschedAdapter()}, {})
NAMED = replace(READAHEAD, names=frozenset({"sda", "sda1", "/home"}))


def test_seats_are_built_for_what_a_policy_claims(tmp_path: Path) -> None:
    found = cast(Transport, MachineTransport(Machine(tmp_path), [NAMED]))
    home = make_policy(match={"devices": ["/home"]})
    other = make_policy(match={"devices": ["sdb"]})
    assert [seat.proxy.id for seat in build_seats([home], ADAPTERS, found)] == [NAMED.id]
    assert build_seats([other], ADAPTERS, found) == []
    excluded = make_policy(match={"devices": ["*"], "exclude": ["sda1"]})
    assert build_seats([excluded], ADAPTERS, found) == []
    assert len(build_seats([excluded], ADAPTERS, found, ["sda"])) == 1
    assert build_seats([home], ADAPTERS, found, ["sdb"]) == []


def test_the_first_policy_wins_and_says_why_nothing_can_be_recommended(tmp_path: Path) -> None:
    found = cast(Transport, MachineTransport(Machine(tmp_path), [NAMED]))
    first = make_policy(match={"devices": ["sda"]}, model="/nowhere")
    second = make_policy(match={"devices": ["sda"]})
    (seat,) = build_seats([first, second], ADAPTERS, found)
    assert seat.policy is first
    assert seat.model is None
    assert "no model: /nowhere" in seat.lacks


def test_a_policy_whose_knobs_are_not_here_says_so(tmp_path: Path) -> None:
    bare = replace(IOSCHED, names=frozenset({"sda"}))
    found = MachineTransport(Machine(tmp_path), [bare])
    found.value = lambda proxy, knob: None  # type: ignore[method-assign]
    (seat,) = build_seats([make_policy("iosched", model="/x")], ADAPTERS, cast(Transport, found))
    assert seat.knobs == ()
    assert "none of the policy's knobs" in seat.lacks


DIRTY = {"max_ratio_fine": 1_000_000, "strict_limit": 0}


def dirty(**policy: object) -> Seat:
    rules = make_policy("writeback", **policy)
    return make_seat(rules, None, DIRTY, WritebackAdapter(), WRITEBACK)


def test_a_companion_goes_along_and_is_not_asked_about() -> None:
    seat = dirty()
    assert [knob.name for knob in seat.knobs] == ["max_ratio_fine"]
    assert [knob.name for knob in seat.watched] == ["max_ratio_fine", "strict_limit"]
    assert seat.asked(DIRTY) == {"max_ratio_fine": 1_000_000}
    assert {name for name, _ in seat.options(DIRTY)} == {"max_ratio_fine"}
    limited = {"max_ratio_fine": 31_250, "strict_limit": 1}
    assert seat.treated({**DIRTY, "max_ratio_fine": 31_250}) == limited
    assert seat.treated(DIRTY) == {}
    strict = replace(seat, baseline={**DIRTY, "strict_limit": 1})
    assert strict.treated(limited) == {"max_ratio_fine": 31_250}


def test_without_its_companion_a_knob_is_not_offered(tmp_path: Path) -> None:
    machine = BacklogMachine(tmp_path)
    (machine.root / STRICT).unlink()
    proxy = replace(WRITEBACK, knobs={"max_ratio_fine": LIMIT})
    transport = cast(Transport, MachineTransport(machine, [proxy]))
    registry = Registry({"writeback": WritebackAdapter()}, {})
    policy = make_policy("writeback", match={"devices": ["*"]})
    (seat,) = build_seats([policy], registry, transport, [proxy.id])
    assert seat.knobs == ()
    assert "none of the policy's knobs is here" in seat.lacks


def test_the_policy_sets_floors_and_aims() -> None:
    seat = dirty(max_drain="2s", guards={"accepted": 0.5})
    assert seat.aims == {"max_drain_s": 2.0}
    assert [guard.floor for guard in seat.objective.guards] == [0.5, 0.95]
    assert dirty().aims == {"max_drain_s": 5.0}
    assert dirty().objective == WritebackAdapter.objective
