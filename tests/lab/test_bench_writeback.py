"""Judgements of the writeback bench on made-up runs: no device, no agent."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from mlproxy.errors import ConfigError
from mlproxy.lab.bench import (
    writeback,
    writeback_bursts,
    writeback_neighbour,
    writeback_onset,
    writeback_stream,
)
from mlproxy.lab.bench.report import Report
from mlproxy.lab.bench.setup import Setup
from mlproxy.lab.bench.writeback_onset import Overload, overload_of
from mlproxy.lab.bench.writeback_place import QUICK
from mlproxy.lab.bench.writeback_stream import Streamed
from mlproxy.lab.notes import Note, Noted
from mlproxy.lab.timeline import NS, KnobSample
from mlproxy.lab.writer import parse_phases

DEFAULT = Streamed(100.0, 0.003, 7.0, 20.0, 20.0)


def report() -> Report:
    return Report("bench", quick=False, console=Console(file=io.StringIO()))


def words(found: Report) -> list[str]:
    return [line.word for line in found.lines]


def streamed(drain_s: float = 1.5, p99_s: float = 0.5, written: float = 20.0) -> Streamed:
    return Streamed(drain_s, 0.3, p99_s, 20.0, written)


@pytest.mark.parametrize(
    ("default", "agent", "missed"),
    [
        (DEFAULT, streamed(), []),
        (DEFAULT, streamed(drain_s=2.6), [0, 1]),
        (DEFAULT, streamed(p99_s=3.0), [2]),
        (DEFAULT, streamed(written=18.0), [4]),
        (replace(DEFAULT, drain_s=18.0), streamed(), []),
    ],
)
def test_a_stream_with_bounded_dirty_data(
    default: Streamed, agent: Streamed, missed: list[int]
) -> None:
    found = report()
    writeback_stream.judge(found, [(default, agent)] * 3)
    said = words(found)
    assert [place for place, word in enumerate(said) if word == "NOT MET"] == missed
    assert said[3] == said[5] == "reported"
    assert said[1] == ("reported" if default.drain_s < 100 else said[1])


@pytest.mark.parametrize(
    ("agent", "missed"),
    [
        (Overload(8.0, 4.0, 0.4, 0.3, 100.0), []),
        (Overload(11.0, 4.0, 0.4, 0.3, 100.0), [0]),
        (Overload(None, None, 0.4, 0.3, 100.0), [0, 2]),
        (Overload(8.0, 4.0, 2.4, 0.3, 100.0), [1]),
        (Overload(8.0, 31.0, 0.4, 0.3, 50.0), [2, 3]),
    ],
)
def test_onset_and_release(agent: Overload, missed: list[int]) -> None:
    found = report()
    writeback_onset.judge(found, [(Overload(None, None, 0.3, 0.3, 100.0), agent)] * 2)
    assert [place for place, word in enumerate(words(found)) if word == "NOT MET"] == missed


def test_an_overload_is_read_from_notes_and_from_what_the_knob_did() -> None:
    notes = [
        Note("write", 0, 11 * NS, NS, 1000),
        Note("write", 0, 15 * NS, 3 * NS, 1000),
        Note("write", 0, 30 * NS, NS // 2, 1000),
        Note("burst", 2, 60 * NS, 2 * NS, 160_000_000),
        Note("burst", 2, 70 * NS, 9 * NS, 160_000_000),
    ]
    strict = [KnobSample(0, "0"), KnobSample(18 * NS, "1"), KnobSample(34 * NS, "0")]
    assert overload_of(Noted(notes), strict) == Overload(8.0, 4.0, 0.5, 3.0, 80.0)
    assert overload_of(Noted(notes), []) == Overload(None, None, 0.5, 3.0, 80.0)


@pytest.mark.parametrize(("agent", "word"), [(100.0, "met"), (96.0, "NOT MET")])
def test_who_needs_no_limit_must_not_lose(agent: float, word: str) -> None:
    found = report()
    writeback_bursts.judge(found, "burst", [(100.0, agent)] * 3)
    assert words(found) == [word]


def test_each_burst_comes_twice_and_drains_by_itself() -> None:
    for spec in writeback_bursts.kinds(10.0).values():
        (phase,) = parse_phases(spec)
        if phase.kind == "burst":
            assert phase.seconds >= 2 * phase.numbers[1]
            assert phase.numbers[0] < 20.0 * phase.numbers[1]


@pytest.mark.parametrize(("agent", "word"), [(96.0, "met"), (94.0, "NOT MET")])
def test_a_neighbour_keeps_its_speed(agent: float, word: str) -> None:
    found = report()
    arms = {"alone": [100.0] * 2, "default": [60.0] * 2, "agent": [agent] * 2}
    writeback_neighbour.judge(found, arms)
    assert words(found) == ["reported", word]


def test_parts_are_named_and_an_unknown_one_is_an_error() -> None:
    ran = []
    parts = {"stream": lambda *given: ran.append(given[2]), "curve": None}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writeback, "PARTS", parts)
        writeback.run(report(), Setup(quick=True))
        assert ran == [QUICK]
        with pytest.raises(ConfigError, match="'streams' of writeback; there are stream, curve"):
            writeback.run(report(), Setup(only=("streams",)))


def test_one_pair_has_a_ratio_and_no_interval() -> None:
    found = writeback_stream.ratio([(9.0, 3.0)])
    assert (found.lower, found.estimate, found.upper) == (3.0, 3.0, 3.0)
    found = writeback_stream.ratio([(9.0, 3.0), (8.0, 4.0)])
    assert found.lower < found.estimate < found.upper
