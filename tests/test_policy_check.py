from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from mlproxy.adapter import Adapter
from mlproxy.knob import Effect, Knob
from mlproxy.policy import Policy
from mlproxy.policy_check import check_policies
from mlproxy.policy_file import parse_policies
from mlproxy_readahead import ReadaheadAdapter
from mlproxy_writeback import WritebackAdapter

DEPTH = Knob("depth", "d", "requests", "", (8,), Effect.AT_ONCE, "", 1.0, minimum=4, maximum=64)
ORDER = Knob("order", "o", "", "", ("fifo",), Effect.AT_ONCE, "", 1.0, choices=("fifo", "fair"))
OPEN = Knob("open", "u", "", "", (1,), Effect.AT_ONCE, "", 1.0, minimum=1)
ADAPTERS = {
    "queue": cast(Adapter, SimpleNamespace(knobs=(DEPTH, ORDER, OPEN))),
    "other": cast(Adapter, SimpleNamespace(knobs=(DEPTH,))),
}
HEAD = "apiVersion: mlproxy/v1\nadapter: queue\n"


def policies(*tails: str) -> list[Policy]:
    text = "---\n".join(f"{HEAD}{tail}\n" for tail in tails)
    return parse_policies(text.encode(), Path("p.yaml"))


def problems(*tails: str) -> list[str]:
    return check_policies(policies(*tails), ADAPTERS)


@pytest.mark.parametrize(
    "knobs",
    ["depth: {min: 4, max: 64}", "depth: {}", "order: {allow: [fair]}", "open: {max: 9999}"],
)
def test_what_the_adapter_allows_is_no_problem(knobs: str) -> None:
    assert problems(f"knobs: {{{knobs}}}") == []


@pytest.mark.parametrize(
    ("knobs", "problem"),
    [
        ("dpeth: {}", "knobs.dpeth: key 'dpeth' is not allowed: allowed is depth, order, open"),
        (
            "depth: {min: 3}",
            "knobs.depth.min: value '3' is not allowed: allowed is 4 to 64 requests",
        ),
        ("depth: {max: 65}", "knobs.depth.max: value '65' is not allowed: allowed is 4 to 64"),
        ("depth: {max: 3}", "knobs.depth.max: value '3' is not allowed: allowed is 4 to 64"),
        ("open: {min: 0}", "knobs.open.min: value '0' is not allowed: allowed is 1 to any"),
        (
            "depth: {allow: [a]}",
            "knobs.depth.allow: key 'allow' is not allowed: allowed is min, max",
        ),
        (
            "order: {min: 1}",
            "knobs.order.min: key 'min' is not allowed: allowed is allow with words",
        ),
        (
            "order: {allow: [fifo, fiar]}",
            "knobs.order.allow[1]: value 'fiar' is not allowed: allowed is fifo, fair",
        ),
    ],
)
def test_what_an_adapter_does_not_allow_is_named_with_its_line(knobs: str, problem: str) -> None:
    (found,) = problems(f"knobs:\n  {knobs}")
    assert found.startswith(f"p.yaml:4: {problem}")


def test_an_unknown_adapter_lists_the_installed_ones() -> None:
    text = HEAD.replace("queue", "qeueu") + "knobs: {depth: {}}\n"
    found = check_policies(parse_policies(text.encode(), Path("p.yaml")), ADAPTERS)
    assert found == [
        "p.yaml:2: adapter: value 'qeueu' is not allowed: allowed is other, queue",
    ]


@pytest.mark.parametrize(
    ("first", "second", "conflict"),
    [
        ("devices: ['*']", "devices: [sda]", True),
        ("devices: [sd*]", "devices: [nvme*, sda]", True),
        ("devices: ['*a']", "devices: [sd*]", True),
        ("devices: [sd*]", "devices: [nvme*]", False),
        ("devices: ['*'], exclude: [nvme*]", "devices: [nvme*]", False),
        ("devices: ['*'], exclude: [nvme0n1]", "devices: [nvme*]", True),
        ("devices: [sda]", "devices: [sd*], exclude: [sda]", False),
    ],
)
def test_overlapping_globs_conflict(first: str, second: str, conflict: bool) -> None:
    tails = [f"match: {{{match}}}\nknobs: {{depth: {{}}}}" for match in (first, second)]
    assert bool(problems(*tails)) is conflict
    assert bool(problems(*reversed(tails))) is conflict


def test_a_conflict_names_both_places_and_the_knobs() -> None:
    found = problems("knobs: {depth: {}, open: {}}", "match:\n  devices: [sd*]\nknobs: {depth: {}}")
    assert found == [
        "p.yaml:8: match.devices: value 'sd*' is not allowed: allowed is devices that no other "
        "policy claims; p.yaml:1 claims depth of it too"
    ]


def test_other_knobs_or_another_adapter_are_no_conflict() -> None:
    assert problems("knobs: {depth: {}}", "knobs: {open: {}}") == []
    one, two = policies("knobs: {depth: {}}", "knobs: {depth: {}}")
    assert check_policies([one, two.model_copy(update={"adapter": "other"})], ADAPTERS) == []


@pytest.mark.parametrize(
    ("names", "shared"),
    [
        ([{"sda", "sda1"}, {"nvme0n1"}], None),
        ([{"sda"}, {"dm-0", "nvme0n1"}, {"dm-1", "sdb"}], "dm-1"),
        ([], None),
    ],
)
def test_real_devices_decide_where_they_are_known(
    names: list[set[str]], shared: str | None
) -> None:
    both = policies(
        "match: {devices: [sd*]}\nknobs: {depth: {}}",
        "match: {devices: ['dm-*', 's*'], exclude: [sda]}\nknobs: {depth: {}}",
    )
    assert len(check_policies(both, ADAPTERS)) == 1
    found = check_policies(both, ADAPTERS, {"queue": names})
    assert [problem for problem in found if f"'{shared}'" in problem] == found
    assert bool(found) is (shared is not None)


def test_keys_that_an_adapter_would_not_heed_are_refused() -> None:
    adapters: dict[str, Adapter] = {a.name: a for a in (ReadaheadAdapter(), WritebackAdapter())}

    def said(adapter: str, knob: str, tail: str) -> list[str]:
        text = f"apiVersion: mlproxy/v1\nadapter: {adapter}\nknobs: {{{knob}: {{}}}}\n{tail}\n"
        return check_policies(parse_policies(text.encode(), Path("p.yaml")), adapters)

    own = ("writeback", "max_ratio_fine")
    assert said(*own, "max_drain: 2s\nguards: {accepted: 0.9, written: 0.9}") == []
    (problem,) = said(*own, "guards: {fsync_p50: 0.5}")
    assert problem.startswith("p.yaml:4: guards.fsync_p50: key 'fsync_p50' is not allowed")
    assert problem.endswith("allowed is accepted, written")
    other = ("readahead", "read_ahead_kb")
    (problem,) = said(*other, "max_drain: 2s")
    assert problem == (
        "p.yaml:4: max_drain: key 'max_drain' is not allowed: allowed is no such key for readahead"
    )
    (problem,) = said(*other, "guards: {progress: 0.9}")
    assert problem.endswith("allowed is none: readahead guards nothing")
