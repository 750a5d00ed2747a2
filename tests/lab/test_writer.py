"""A writer that notes what it waits for."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from mlproxy.errors import ConfigError, LabError
from mlproxy.lab.notes import Note, Noted, read_notes, write_notes, writing
from mlproxy.lab.writer import Phase, main, parse_phases

NS = 10**9


class Anywhere:
    """No cgroup."""

    @staticmethod
    def wrap(argv: Sequence[str]) -> list[str]:
        return list(argv)


def test_phases_are_read_and_a_wrong_one_is_named() -> None:
    assert parse_phases("stream:40,burst-160-2.5:30") == (
        Phase("stream", (), 40.0),
        Phase("burst", (160.0, 2.5), 30.0),
    )
    for wrong in ("stream", "stream-3:1", "burst-1:5", "dance:3", "overwrite-x:3"):
        with pytest.raises(ConfigError, match=wrong):
            parse_phases(f"log:1,{wrong}")


def test_every_kind_writes_and_notes(tmp_path: Path) -> None:
    spec = "stream:0.2,pause:0.05,burst-1-0.05:0.1,overwrite-1:0.1,log:0.1"
    began_ns = time.monotonic_ns()
    with writing(tmp_path, Anywhere(), {"a": spec}) as writers:
        noted = writers.wait()["a"]
    assert not (tmp_path / "a").exists()
    kinds = {(note.kind, note.phase) for note in noted.notes}
    assert kinds == {("write", 0), ("write", 2), ("burst", 2), ("write", 3), ("sync", 4)}
    assert all(began_ns < note.end_ns and note.took_ns > 0 for note in noted.notes)
    assert noted.of("burst").notes[0].bytes == 1_000_000
    assert noted.of("write", 0).megabytes > 0


def test_a_writer_that_fails_is_an_error(tmp_path: Path) -> None:
    with (
        pytest.raises(LabError, match=r"writer of no/where ended with"),
        writing(tmp_path, Anywhere(), {"no/where": "stream:1"}) as writers,
    ):
        writers.wait()
    assert main([str(tmp_path / "a"), "--phases", "x", "--notes", str(tmp_path / "n")]) != 0


def test_notes_survive_a_file_and_are_summed(tmp_path: Path) -> None:
    notes = [
        Note("sync", 0, 1 * NS, NS // 4, 10**6),
        Note("sync", 0, 2 * NS, NS // 2, 10**6),
        Note("sync", 1, 3 * NS, NS // 4, 2 * 10**6),
        Note("write", 1, 4 * NS, 2 * NS, 5),
    ]
    write_notes(tmp_path / "notes", notes)
    noted = Noted(read_notes(tmp_path / "notes"))
    assert list(noted.notes) == notes
    syncs = noted.of("sync")
    assert (syncs.megabytes, syncs.longest_s, syncs.mb_s) == (4.0, 0.5, 4.0)
    assert (syncs.quantile_s(0.5), syncs.quantile_s(0.99)) == (0.25, 0.5)
    assert len(syncs.between(1.5 * NS, 2.5 * NS).notes) == len(noted.of("sync", 1).notes) == 1
    assert math.isnan(Noted([]).quantile_s(0.5))
