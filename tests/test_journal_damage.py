"""A journal that was torn, flipped or written by something else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mlproxy.errors import JournalError
from mlproxy.journal import Journal, numbered
from mlproxy.record import encode
from tests.test_journal import RECORD, again, begun, lines


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


def test_a_torn_last_line_is_nothing(state: Path) -> None:
    journal = begun(state)
    journal.intend("r1", "nr_requests", [8])
    journal.shut()
    path = state / "journal.jsonl"
    whole = path.read_bytes()
    start = len(lines(state)[0])
    for end in range(start, len(whole) - 1):
        path.write_bytes(whole[:end])
        torn = Journal(state)
        assert torn.open_records() == []
        assert torn.damage() == []


def test_what_follows_a_torn_line_is_not_joined_to_it(state: Path) -> None:
    begun(state).shut()
    path = state / "journal.jsonl"
    path.write_bytes(path.read_bytes() + b'{"kind":"int')
    journal = Journal(state)
    journal.begin(replace(RECORD, id="r2"))
    journal.intend("r2", "nr_requests", [8])
    read = Journal(state)
    assert [record.id for record in read.open_records()] == ["r2"]
    assert read.damage() == []


def test_a_last_line_that_only_lacks_its_end_counts(state: Path) -> None:
    journal = begun(state)
    journal.intend("r1", "nr_requests", [8])
    journal.shut()
    path = state / "journal.jsonl"
    path.write_bytes(path.read_bytes()[:-1])
    assert [record.id for record in again(state)] == ["r1"]


def test_a_damaged_line_is_named_the_rest_is_honoured_and_the_file_kept(state: Path) -> None:
    journal = begun(state)
    journal.intend("r1", "nr_requests", [8])
    journal.intend("r1", "scheduler", ["kyber"])
    journal.shut()
    path = state / "journal.jsonl"
    damaged = path.read_bytes().replace(b'"values":[8]', b'"values":[9]')
    path.write_bytes(damaged)
    journal = Journal(state)
    (damage,) = journal.damage()
    assert str(damage).startswith("journal line 2: its checksum does not match")
    assert journal.open_records()[0].knobs["scheduler"].ours == {"kyber"}
    journal.compact()
    (aside,) = journal.aside()
    assert aside.read_bytes() == damaged
    assert journal.damage() == []
    assert again(state)[0].knobs["scheduler"].ours == {"kyber"}


def test_an_intent_without_its_baseline_is_damage(state: Path) -> None:
    journal = begun(state)
    journal.intend("r1", "nr_requests", [8])
    journal.shut()
    path = state / "journal.jsonl"
    path.write_bytes(b"[]\n" + lines(state)[1])
    first, second = Journal(state).damage()
    assert "not a record" in str(first)
    assert "no baseline for it (kind intent, proxy iosched.sda, knob nr_requests" in str(second)
    assert again(state) == []


def test_unknown_kinds_and_knobs_are_damage(state: Path) -> None:
    begun(state).shut()
    path = state / "journal.jsonl"
    strange = {"kind": "guess", "record": "r1", "proxy": "p"}
    unknown = {**strange, "kind": "intent", "knob": "wbt", "values": [1]}
    path.write_bytes(path.read_bytes() + encode(strange) + encode(unknown))
    assert [damage.line for damage in Journal(state).damage()] == [2, 3]


def test_another_format_is_left_alone(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun(state).shut()
    path = state / "journal.jsonl"
    with monkeypatch.context() as patch:
        patch.setattr("mlproxy.record.VERSION", 2)
        path.write_bytes(encode({"kind": "baseline"}))
    with pytest.raises(JournalError, match="another format"):
        Journal(state).open_records()


def test_lines_have_numbers_and_the_last_may_lack_its_end() -> None:
    assert numbered(b"a\nb") == [(1, b"a", True), (2, b"b", False)]
    assert numbered(b"a\n") == [(1, b"a", True)]
    assert numbered(b"") == []


def test_no_flipped_bit_makes_another_baseline(state: Path) -> None:
    """Whatever one bit does, what is read is a true record or none."""
    journal = begun(state)
    journal.intend("r1", "nr_requests", [8])
    journal.done("r1", "nr_requests", {})
    journal.shut()
    path = state / "journal.jsonl"
    true, data = again(state)[0], path.read_bytes()
    for place in range(len(data) * 8):
        flipped = bytearray(data)
        flipped[place // 8] ^= 1 << place % 8
        path.write_bytes(flipped)
        read = Journal(state)
        for record in read.open_records():
            assert record.baselines == true.baselines
            assert record.identity == true.identity
            assert record.knobs["nr_requests"].ours == {8}
        assert read.damage() or place // 8 == len(data) - 1


def test_a_line_in_another_form_is_damage_though_it_means_the_same(state: Path) -> None:
    begun(state).shut()
    path = state / "journal.jsonl"
    path.write_bytes(path.read_bytes().replace(b'":', b'": '))
    (damage,) = Journal(state).damage()
    assert "not in the form that mlproxy writes" in str(damage)
