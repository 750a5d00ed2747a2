"""Loads on a folder instead of a bed: what they lay out, what they count, what they refuse."""

from __future__ import annotations

import random
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from mlproxy.errors import ConfigError, LabError
from mlproxy.lab.matrix.loads import files, gets, rocksdb, sqlite
from mlproxy.lab.matrix.loads.base import PROGRESS, finished, lacks_program, said
from mlproxy.lab.matrix.loads.catalog import catalog, load_named
from mlproxy.lab.matrix.loads.files import FilesLoad
from mlproxy.lab.matrix.loads.gets import GetsLoad
from mlproxy.lab.matrix.loads.phases import PhasesLoad
from mlproxy.lab.matrix.loads.rocksdb import RocksdbLoad
from mlproxy.lab.matrix.loads.sqlite import SqliteLoad
from mlproxy.lab.profile import PROFILES, Profile


class NoCgroup:
    def wrap(self, argv: Sequence[str]) -> list[str]:
        return list(argv)


@dataclass
class Folder:
    """A bed that is a folder; it notes what it is told."""

    mount: Path
    cgroup: NoCgroup = field(default_factory=NoCgroup)
    profile: Profile = PROFILES["ssd-5ms"]
    told: list[str] = field(default_factory=list)

    def set_profile(self, profile: Profile) -> None:
        self.profile = profile
        self.told.append(profile.name)

    def drop_caches(self) -> None:
        self.told.append("drop")


@pytest.fixture
def bed(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


SMALL = [
    SqliteLoad("point", True, rows=500),
    SqliteLoad("scan", False, rows=500),
    SqliteLoad("wal", True, rows=500),
    GetsLoad(4, leaves=300),
    FilesLoad("scan", total_mb=3),
    FilesLoad("copy", total_mb=3),
    PhasesLoad((("random", 0.2), ("sequential", 0.2)), file_mb=2),
]


@pytest.mark.parametrize("load", SMALL, ids=lambda load: load.name)
def test_a_load_gets_on_cold_and_at_the_devices_own_speed(load: SqliteLoad, bed: Folder) -> None:
    load.lay_out(bed)
    assert bed.told == ["fast", "ssd-5ms"]
    names = {path.name for path in bed.mount.iterdir()}
    assert not [name for name in names if name.endswith(".part")]
    load.lay_out(bed)
    assert bed.told == ["fast", "ssd-5ms"], "laid out twice"
    ran = load.run(bed, 1.3 if load.continuous else 0.3, 3)
    assert ran.metrics[PROGRESS] > 0
    assert bed.told[2:] == ["drop"]
    assert bool(ran.speed) is load.continuous


def test_every_load_of_the_catalog_has_a_name_of_its_own_kind() -> None:
    assert {load.kind for load in catalog().values()} == {
        "fio",
        "sqlite",
        "rocksdb",
        "gets",
        "files",
        "phases",
    }
    assert all(name == load.name for name, load in catalog().items())
    assert all(load.disk_mb >= 1000 for load in catalog().values())
    with pytest.raises(ConfigError, match="no workload 'sqlite-x'; there is: sqlite-point-mmap"):
        load_named("sqlite-x")


def test_sqlite_counts_rows(tmp_path: Path) -> None:
    file = tmp_path / "a.db"
    sqlite.make(file, 3000, 8192)
    done, seconds = sqlite.drive(file, "scan", False, 0.0, 1)
    assert 0 < done <= sqlite.SCAN_ROWS
    assert seconds > 0
    with file.open("rb") as opened:
        assert int.from_bytes(opened.read(18)[16:18], "big") == 8192


def test_sqlite_says_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert sqlite.main(["run", str(tmp_path / "no/such.db"), "point", "0", "1", "0"]) == 8
    assert "unable to open database file" in capsys.readouterr().err


@pytest.mark.parametrize("fanout", [4, gets.FANOUT])
@pytest.mark.parametrize("leaves", [1, 4, 5, 255, 256, 257, 1000])
def test_a_tree_finds_every_key_and_no_other(
    leaves: int, fanout: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gets, "FANOUT", fanout)
    monkeypatch.setattr(gets, "_KEYS", struct.Struct(f"<{fanout}q"))
    file = tmp_path / "a.tree"
    gets.make(file, leaves)
    assert file.stat().st_size == sum(gets.level_sizes(leaves)) * gets.PAGE_BYTES
    tree = gets.Tree(file.read_bytes(), leaves)
    last = tree.records - 1
    keys = {0, last, *random.Random(leaves).sample(range(tree.records), min(tree.records, 200))}
    first_leaf = sum(gets.level_sizes(leaves)[:-1]) * gets.PAGE_BYTES
    size = gets.PAGE_BYTES // gets.LEAF_RECORDS
    assert {key: tree.get(key) for key in keys} == {key: first_leaf + key * size for key in keys}
    assert tree.read(last, 64) == 1
    with pytest.raises(KeyError):
        tree.get(tree.records)


def test_the_tree_of_the_bench_has_four_levels() -> None:
    assert gets.level_sizes(gets.LEAVES) == [1, 3, 586, 150_000]


def test_files_are_many_and_add_up() -> None:
    sizes = list(files.sizes_kb(64))
    assert sum(sizes) == 64 << 10
    assert len(sizes) > 100
    assert sizes == list(files.sizes_kb(64))
    assert sorted(sizes)[len(sizes) // 2] < sum(sizes) / len(sizes)


def test_phases_fill_the_time() -> None:
    load = PhasesLoad((("random", 4.0), ("sequential", 2.0)))
    assert load.plan(9.0) == [("random", 4.0), ("sequential", 2.0), ("random", 3.0)]
    assert load.name == "phases-random.4s-sequential.2s"


SAID = """RocksDB:    version 7.8.3
readrandom   :     312.5 micros/op 3200 ops/sec 2.0 seconds 6400 operations;  1.3 MB/s
"""


def test_db_bench_is_understood() -> None:
    assert rocksdb.parse(SAID, "readrandom") == 3200
    old = "readseq      :       0.610 micros/op 1639344 ops/sec;  181.4 MB/s\n"
    assert rocksdb.parse(old, "readseq") == 1639344
    with pytest.raises(LabError, match="db_bench reports no mixgraph; it said"):
        rocksdb.parse(SAID, "mixgraph")


def test_what_db_bench_is_asked() -> None:
    scan = RocksdbLoad("readseq", True).command(Path("/x"), 2.0, 4)
    assert {"--mmap_read=1", "--advise_random_on_open=0"} <= set(scan)
    assert any(each.startswith("--reads=") for each in scan)
    assert not any(each.startswith("--duration") for each in scan)
    get = RocksdbLoad("readrandom", False, threads=4).command(Path("/x"), 2.4, 4)
    assert {"--duration=2", "--threads=4", "--mmap_read=0", "--seed=5"} <= set(get)
    assert "--advise_random_on_open=0" not in get
    assert "--key_dist_a=0.002312" in RocksdbLoad("mixgraph", True).command(Path("/x"), 1, 0)


def test_a_copy_of_a_database_shares_its_tables_alone(tmp_path: Path) -> None:
    source = tmp_path / "whole"
    source.mkdir()
    for name in ("000005.sst", "MANIFEST-000004", "CURRENT", "LOCK"):
        (source / name).write_text(name)
    copy = tmp_path / "copy"
    rocksdb.fresh_copy(source, copy)
    (copy / "CURRENT").write_text("changed")
    rocksdb.fresh_copy(source, copy)
    assert sorted(path.name for path in copy.iterdir()) == [
        "000005.sst",
        "CURRENT",
        "MANIFEST-000004",
    ]
    assert (copy / "000005.sst").samefile(source / "000005.sst")
    assert (copy / "CURRENT").read_text() == "CURRENT"
    assert not (copy / "CURRENT").samefile(source / "CURRENT")


@pytest.mark.skipif(bool(lacks_program("db_bench")), reason="needs db_bench")
@pytest.mark.parametrize("benchmark", rocksdb.SIX)
def test_db_bench_itself(benchmark: str, bed: Folder) -> None:
    load = RocksdbLoad(benchmark, True, keys=20_000)
    load.lay_out(bed)
    before = sorted(path.name for path in (bed.mount / "rocksdb-20000").iterdir())
    assert load.run(bed, 1.0, 1).metrics[PROGRESS] > 0
    assert sorted(path.name for path in (bed.mount / "rocksdb-20000").iterdir()) == before
    assert not (bed.mount / "rocksdb-run").exists()


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["no-such-program-at-all"], "is not installed"),
        (["sh", "-c", "echo bad luck >&2; exit 3"], "sh ended with 3: bad luck"),
        (["sleep", "5"], "did not end within 0 s"),
    ],
)
def test_a_program_that_fails(argv: list[str], words: str) -> None:
    with pytest.raises(LabError, match=words):
        finished(argv, 0.2)


@pytest.mark.parametrize("text", ["", "hello", "[1]"])
def test_a_program_that_says_something_else(text: str) -> None:
    with pytest.raises(LabError, match="a load said"):
        said(text)


def test_what_is_not_installed() -> None:
    assert lacks_program("no-such-program-at-all") == "no-such-program-at-all is not installed"
    assert lacks_program("sh") == ""
