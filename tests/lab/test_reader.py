"""The plain reader: where its patterns go, what it counts, and what it writes down."""

from __future__ import annotations

import random
from contextlib import AbstractContextManager
from itertools import islice, pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlproxy.errors import ConfigError
from mlproxy.lab import reader
from mlproxy.lab.reader import (
    PAGE_BYTES,
    Phase,
    Reader,
    Recorder,
    Sample,
    batches,
    main,
    parse_phases,
    read_log,
)

PATTERNS = ["random", "sequential", "reverse", "strided-3", "runs-20"]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "data"
    path.write_bytes(bytes(50 * PAGE_BYTES))
    return path


@given(pattern=st.sampled_from(PATTERNS), pages=st.integers(1, 100), seed=st.integers(0, 9))
def test_batches_stay_inside_the_file(pattern: str, pages: int, seed: int) -> None:
    for first, count in islice(batches(pattern, pages, random.Random(seed)), 200):
        assert first >= 0
        assert count >= 1
        assert first + count <= pages


@pytest.mark.parametrize("pattern", ["sequential", "reverse"])
def test_every_page_comes_once_per_round(pattern: str) -> None:
    source = batches(pattern, 40, random.Random(0))
    pages: list[int] = []
    while len(pages) < 40:
        first, count = next(source)
        pages += range(first, first + count)
    assert sorted(pages) == list(range(40))
    assert pages == sorted(pages, reverse=pattern == "reverse")
    assert next(source)[0] == pages[0]


def test_runs_are_sequential_and_start_anywhere() -> None:
    source = batches("runs-20", 1000, random.Random(3))
    got = [next(source) for _ in range(10)]
    assert [count for _, count in got] == [16, 4] * 5
    assert all(got[i][0] + 16 == got[i + 1][0] for i in range(0, 10, 2))
    assert len({first for first, _ in got}) == 10


def test_strided_leaves_pages_out() -> None:
    assert list(islice(batches("strided-3", 8, random.Random(0)), 4)) == [
        (0, 1),
        (3, 1),
        (6, 1),
        (0, 1),
    ]


def test_parse_phases() -> None:
    assert parse_phases("random:5,runs-32:2.5") == (Phase("random", 5.0), Phase("runs-32", 2.5))


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("zigzag:5", "unknown pattern 'zigzag' in 'zigzag:5'; allowed: random"),
        ("runs-0:5", "unknown pattern"),
        ("random", "'random' needs seconds above 0"),
        ("random:0", "'random:0' needs seconds above 0"),
    ],
)
def test_a_wrong_phase_is_named(spec: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        parse_phases(spec)


class Clock:
    """Time that passes 40 ms with every look."""

    def __init__(self) -> None:
        self.now_ns = 0

    def monotonic_ns(self) -> int:
        self.now_ns += 40_000_000
        return self.now_ns


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("mlproxy.lab.reader.time.monotonic_ns", clock.monotonic_ns)
    return clock


@pytest.mark.parametrize("engine", ["mmap", "pread"])
def test_reopening_keeps_the_place_and_the_log_counts_phases(
    file: Path, tmp_path: Path, clock: Clock, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    touched: list[tuple[int, int]] = []
    for name in ("_touch", "_pread"):
        monkeypatch.setattr(reader, name, lambda _, first, pages: touched.append((first, pages)))
    opens: list[Path] = []
    really = reader.opened

    def counted(path: Path, engine: str) -> AbstractContextManager[reader.Touch]:
        opens.append(path)
        return really(path, engine)

    monkeypatch.setattr(reader, "opened", counted)
    recorder = Recorder(tmp_path / "log", tmp_path / "progress")
    phases = [Phase("sequential", 1.0), Phase("reverse", 0.5)]
    Reader(file, engine, 0.1, recorder).run(phases, seed=0)
    assert len(opens) >= 4
    forward = [first for first, count in touched if count > 1]
    assert forward[:5] == [0, 16, 32, 48, 0]
    samples = read_log(tmp_path / "log")
    assert {sample.phase for sample in samples} == {0, 1}
    assert samples == sorted(samples)
    assert samples[-1].useful_bytes == sum(count for _, count in touched) * PAGE_BYTES
    assert int((tmp_path / "progress").read_text()) == samples[-1].useful_bytes


def test_log_lines_are_100_ms_apart(file: Path, tmp_path: Path, clock: Clock) -> None:
    recorder = Recorder(tmp_path / "log", None)
    Reader(file, "pread", 9, recorder).run([Phase("random", 2.0)], seed=0)
    times_ns = [sample.taken_ns for sample in read_log(tmp_path / "log")][:-1]
    assert {later - sooner for sooner, later in pairwise(times_ns)} == {120_000_000}


def test_read_log_leaves_out_a_half_written_line(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("1,0,4096\n2,0,8192\n3,0,1")
    assert read_log(tmp_path / "log") == [Sample(1, 0, 4096), Sample(2, 0, 8192)]


def test_touch_reads_one_byte_of_each_page(tmp_path: Path) -> None:
    class Mapping:
        def __getitem__(self, key: slice) -> bytes:
            self.key = key
            return b""

    mapping = Mapping()
    reader._touch(mapping, 2, 3)  # type: ignore[arg-type]
    assert len(range(*mapping.key.indices(10**9))) == 3
    assert (mapping.key.start, mapping.key.step) == (2 * PAGE_BYTES, PAGE_BYTES)


def test_main_reads_and_reports_success(file: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert main([str(file), "--seconds", "0.01", "--log", str(log)]) == 0
    assert read_log(log)[-1].useful_bytes > 0


def test_main_says_in_one_line_what_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = str(tmp_path / "log")
    assert main([str(tmp_path / "none"), "--log", log]) == 8
    assert "none: No such file" in capsys.readouterr().err
    (tmp_path / "empty").touch()
    assert main([str(tmp_path / "empty"), "--log", log]) == 8
    assert "less than one page" in capsys.readouterr().err
    assert main([str(tmp_path / "empty"), "--log", log, "--pattern", "up"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
