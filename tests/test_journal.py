"""What the journal says, what it costs, and what it does when the disk is full."""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from pathlib import Path

import pytest

from mlproxy.disk import Disk
from mlproxy.errors import Busy, JournalError, NotPermitted
from mlproxy.journal import Journal
from mlproxy.proxy import Identity
from mlproxy.record import KnobRecord, Record

KNOBS = {
    "scheduler": KnobRecord("s", "none", ("nr_requests",)),
    "nr_requests": KnobRecord("n", 64),
}
RECORD = Record("r1", "iosched.sda", "iosched", "sys/block/sda", Identity("b", "8:0"), KNOBS)


class Failing(Disk):
    """Counts syncs; fails at what it is told to."""

    def __init__(self) -> None:
        self.syncs = 0
        self.fail = ""

    def fsync(self, descriptor: int, path: Path) -> None:
        self._maybe("fsync")
        self.syncs += 1
        super().fsync(descriptor, path)

    def append(self, descriptor: int, path: Path, data: bytes) -> None:
        if self.fail == "append":
            os.write(descriptor, data[:7])
        self._maybe("append")
        super().append(descriptor, path, data)

    def rename(self, source: Path, target: Path) -> None:
        self._maybe("rename")
        super().rename(source, target)

    def _maybe(self, what: str) -> None:
        if self.fail == what:
            raise OSError(errno.ENOSPC, "full")


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


def begun(state: Path, disk: Disk | None = None) -> Journal:
    journal = Journal(state, disk)
    journal.begin(RECORD)
    return journal


def again(state: Path) -> list[Record]:
    return Journal(state).open_records()


def lines(state: Path) -> list[bytes]:
    return (state / "journal.jsonl").read_bytes().splitlines(keepends=True)


def test_reading_makes_nothing(state: Path) -> None:
    journal = Journal(state)
    assert journal.open_records() == []
    assert journal.damage() == []
    journal.compact()
    assert not state.exists()


def test_a_baseline_alone_is_nothing_to_restore(state: Path) -> None:
    begun(state)
    assert again(state) == []


def test_an_intent_opens_and_another_process_reads_it(state: Path) -> None:
    begun(state).intend("r1", "nr_requests", [7, 8])
    (record,) = again(state)
    assert record.knobs["nr_requests"].ours == {7, 8}
    assert record.knobs["nr_requests"].pending == {7, 8}
    assert record.baselines == {"scheduler": "none", "nr_requests": 64}
    assert list(record.knobs) == ["scheduler", "nr_requests"]
    assert record.identity == RECORD.identity


def test_done_ends_pending_and_remembers_what_was_reset(state: Path) -> None:
    journal = begun(state)
    journal.intend("r1", "scheduler", ["kyber"])
    journal.done("r1", "scheduler", {"nr_requests": 256})
    (record,) = again(state)
    assert record.knobs["scheduler"].pending == frozenset()
    assert record.knobs["nr_requests"].resets == {256}


def test_slots_cost_no_sync(state: Path) -> None:
    disk = Failing()
    journal = begun(state, disk)
    journal.intend("r1", "nr_requests", [8])
    journal.done("r1", "nr_requests", {})
    before = disk.syncs
    for value in (64, 8, 64, 8):
        journal.intend("r1", "nr_requests", [value])
        journal.done("r1", "nr_requests", {})
    assert disk.syncs == before == 2
    journal.intend("r1", "nr_requests", [16])
    assert disk.syncs == before + 1


def test_a_knob_that_disturbs_is_announced_every_time(state: Path) -> None:
    disk = Failing()
    journal = begun(state, disk)
    for value in ("kyber", "none", "kyber"):
        before = disk.syncs
        journal.intend("r1", "scheduler", [value])
        journal.done("r1", "scheduler", {"nr_requests": 64})
        assert disk.syncs == before + 2


def test_intents_add_up_until_one_is_done(state: Path) -> None:
    journal = begun(state)
    journal.intend("r1", "scheduler", ["kyber"])
    journal.intend("r1", "scheduler", ["none"])
    assert journal.record("r1").knobs["scheduler"].pending == {"kyber", "none"}


def test_closing_ends_a_knob(state: Path) -> None:
    journal = begun(state)
    journal.intend("r1", "nr_requests", [8])
    journal.close("r1", {"nr_requests": "restored"})
    assert again(state) == []
    journal.close("r1", {})


def test_the_journal_is_emptied_once_nobody_uses_it(state: Path) -> None:
    journal = begun(state)
    journal.begin(replace(RECORD, id="r2", proxy="iosched.sdb"))
    journal.intend("r1", "nr_requests", [8])
    journal.close("r1", {"nr_requests": "restored"})
    journal.end("r1")
    journal.intend("r2", "nr_requests", [8])
    assert [record.id for record in again(state)] == ["r2"]
    journal.close("r2", {"nr_requests": "restored"})
    journal.end("r2")
    assert lines(state) == []


def test_compaction_keeps_a_baseline_in_use_and_drops_a_closed_one(state: Path) -> None:
    journal = begun(state)
    journal.begin(replace(RECORD, id="r2"))
    journal.end("r2")
    journal.compact()
    assert len(lines(state)) == 1
    journal.intend("r1", "nr_requests", [8])
    assert again(state)[0].baselines == RECORD.baselines


def test_compaction_says_the_same(state: Path) -> None:
    journal = begun(state)
    journal.intend("r1", "scheduler", ["kyber"])
    journal.done("r1", "scheduler", {"nr_requests": 256})
    journal.intend("r1", "nr_requests", [8, 7])
    journal.rebase("r1", "scheduler", "bfq")
    journal.intend("r1", "scheduler", ["none"])
    journal.keep("r1")
    before = again(state)
    journal.compact()
    assert again(state) == before == [journal.record("r1")]
    assert before[0].kept
    assert before[0].knobs["scheduler"].baseline == "bfq"


def test_keeping_is_a_mark_that_can_be_taken_off(state: Path) -> None:
    journal = begun(state)
    journal.intend("r1", "nr_requests", [8])
    journal.keep("r1")
    journal.keep("r1")
    assert again(state)[0].kept
    assert len(lines(state)) == 3
    journal.keep("r1", False)
    assert not again(state)[0].kept


def test_only_one_process_changes_a_journal(state: Path) -> None:
    journal = begun(state)
    with pytest.raises(Busy, match=rf"in use by process {os.getpid()}"):
        Journal(state).begin(RECORD)
    journal.shut()
    other = Journal(state)
    other.begin(replace(RECORD, id="r2"))
    other.intend("r2", "nr_requests", [8])
    other.shut()
    assert [record.id for record in journal.open_records()] == ["r2"]
    journal.intend("r2", "nr_requests", [16])


def test_shutting_twice_does_nothing(state: Path) -> None:
    journal = Journal(state)
    journal.shut()
    journal.shut()
    assert not state.exists()


@pytest.mark.parametrize("shared", ["state", "state/journal.jsonl"])
def test_a_journal_that_others_can_write_to_is_refused(
    state: Path, tmp_path: Path, shared: str
) -> None:
    begun(state).shut()
    (tmp_path / shared).chmod(0o777)
    with pytest.raises(NotPermitted, match="chmod go-w"):
        Journal(state).open_records()
    with pytest.raises(NotPermitted, match="chmod go-w"):
        Journal(state).begin(RECORD)


@pytest.mark.parametrize("fail", ["append", "fsync"])
def test_after_a_failed_change_every_later_one_is_refused(state: Path, fail: str) -> None:
    disk = Failing()
    journal = begun(state, disk)
    disk.fail = fail
    with pytest.raises(JournalError, match=r"ENOSPC.*nothing more is changed"):
        journal.intend("r1", "nr_requests", [8])
    assert journal.open_records() == []
    disk.fail = ""
    with pytest.raises(JournalError, match="ENOSPC"):
        journal.intend("r1", "nr_requests", [8])
    journal.shut()
    assert Journal(state).damage() == []


def test_a_compaction_that_fails_leaves_the_old_journal(state: Path) -> None:
    disk = Failing()
    journal = begun(state, disk)
    journal.intend("r1", "nr_requests", [8])
    disk.fail = "rename"
    with pytest.raises(JournalError, match="ENOSPC"):
        journal.compact()
    assert [record.id for record in again(state)] == ["r1"]


def test_a_journal_that_cannot_be_read_or_made_says_why(state: Path) -> None:
    state.mkdir(mode=0o700)
    (state / "journal.jsonl").mkdir(mode=0o700)
    with pytest.raises(JournalError, match=r"cannot read .* EISDIR"):
        Journal(state).open_records()
    (state / "file").touch()
    with pytest.raises(JournalError, match=r"cannot write in .* EEXIST"):
        Journal(state / "file").begin(RECORD)


def test_a_journal_that_this_user_may_not_read_needs_a_privilege(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun(state)

    def refuse(disk: Disk, path: Path) -> bytes:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Disk, "read", refuse)
    with pytest.raises(NotPermitted, match=r"cannot read .*EACCES.*; this needs root"):
        Journal(state).open_records()
