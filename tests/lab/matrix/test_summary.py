"""The numbers of the report: peers, shares, comparisons, verdicts."""

from __future__ import annotations

import math

import pytest

from mlproxy.errors import ConfigError
from mlproxy.lab.matrix.document import Asked
from mlproxy.lab.matrix.pairs import pairs_of
from mlproxy.lab.matrix.parquet import RowFile
from mlproxy.lab.matrix.peers import CEILING, ORACLE, SINGLE, TABLE, ratio, single_static
from mlproxy.lab.matrix.summary import Summary, summarize
from mlproxy.lab.matrix.verdict import judge
from mlproxy.lab.rows import read_rows
from mlproxy.lab.stats import Repeat
from mlproxy.registry import load_registry
from tests.lab.matrix.made import AGENT, STATICS, rows, two_workloads
from tests.markdown import ROOT

ADAPTERS = load_registry().adapters


def _summary(made: list[dict[str, object]]) -> Summary:
    return summarize(RowFile(made), [], ADAPTERS)


def test_a_single_static_value_is_a_compromise() -> None:
    """4 is best for one and bad for the other; 16 is the best single one."""
    made = rows({STATICS[0]: 3.0, STATICS[1]: 2.5, AGENT: 1.0}, "a")
    made += rows({STATICS[0]: 0.2, STATICS[1]: 0.9, AGENT: 1.0}, "b")
    found = single_static(pairs_of(made))
    assert sorted(ratio(logs) for logs in found.values()) == pytest.approx([0.9, 2.5])


def test_shares_of_everybody() -> None:
    found = _summary(two_workloads())
    shares = {each.who: each for each in found.shares if each.part == "all"}
    assert shares[ORACLE].share is not None
    assert shares[ORACLE].share.estimate == pytest.approx(1)
    assert shares["tuned"].share is not None
    assert shares["tuned"].share.estimate < 0
    assert found.total.share is not None
    assert found.total.share.estimate == pytest.approx(math.log(2.4) / math.log(3))
    assert found.total.pairs == 1
    assert {each.part for each in found.shares} == {"all", "adapter readahead", "split named"}


def test_against_peers_all_pairs_count() -> None:
    found = {each.peer: each for each in _summary(two_workloads()).against}
    assert found["default"].ratio.estimate == pytest.approx(math.sqrt(2.4 * 0.98))
    assert found["tuned"].ratio.estimate == pytest.approx(math.sqrt(24 * 0.98))
    assert set(found) == {"default", "tuned", SINGLE, ORACLE}


def test_pairs_without_headroom_and_harm() -> None:
    found = _summary(two_workloads(repeats=5))
    flat, interval = found.no_headroom
    assert flat == 1
    assert interval is not None
    assert interval.estimate == pytest.approx(0.98)
    assert [each.harm for each in found.judged] == [Repeat.PASSED, Repeat.PASSED]


def test_the_agents_cost() -> None:
    cost = _summary(two_workloads()).cost
    assert cost is not None
    assert (cost.cpu, cost.resident_mb, cost.rows) == (0.003, 90.0, 8)


def test_the_table_of_classes_with_rows_to_learn_from() -> None:
    """A random load and a sequential one, whose windows at the default are recorded ones."""
    recorded = list(read_rows([ROOT / "training/readahead.jsonl.gz"]))
    windows = {
        row["workload"]: row["windows"]
        for row in recorded
        if row["arm"].endswith("=128") and row["profile"] == "ssd-dilated"
    }
    made = two_workloads()
    for each in made:
        if each["arm"] == "default":
            each["windows"] = windows[each["workload"]]
    found = summarize(RowFile(made), recorded, ADAPTERS)
    shares = {each.who: each.share for each in found.shares if each.part == "all"}
    assert shares[TABLE] == shares[CEILING]
    assert shares[TABLE] is not None
    assert shares[TABLE].estimate > 0.8


def test_rows_without_the_agent_compare_nothing() -> None:
    with pytest.raises(ConfigError, match="no setting has both mlproxy and static candidates"):
        _summary(rows({STATICS[0]: 1.0}))


@pytest.mark.parametrize(
    ("asked", "met"),
    [
        (Asked(), []),
        (Asked(captured=0.7, floor=0.9), [True, True]),
        (Asked(captured=0.9), [False]),
        (Asked(floor=0.99), [False]),
    ],
)
def test_what_is_asked_is_judged(asked: Asked, met: list[bool]) -> None:
    assert [each.met for each in judge(_summary(two_workloads()), asked)] == met


def test_without_headroom_nothing_can_be_captured() -> None:
    lines = judge(_summary(rows({STATICS[0]: 1.0, AGENT: 1.0})), Asked(captured=0.1))
    assert [(line.met, line.found) for line in lines] == [
        (False, "no pair has headroom that counts")
    ]
