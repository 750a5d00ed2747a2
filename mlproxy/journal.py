"""The journal: every baseline, on stable storage before the first change (promise 2).

`<state>/journal.jsonl` only grows, one checked line per event, until nothing is open;
then it is replaced by an empty one. A line is written before the change that it
announces, so a line that a crash tore announces a change that did not happen.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from mlproxy.disk import Disk, cannot, os_reason
from mlproxy.errors import Busy, JournalError
from mlproxy.knob import Value
from mlproxy.lock import holder
from mlproxy.owner import require_owned
from mlproxy.record import (
    Line,
    Record,
    baseline_line,
    begun,
    decode,
    encode,
    intent_line,
    own_line,
)

NAME = "journal.jsonl"
LOCK = "journal.lock"


@dataclass(frozen=True)
class Damage:
    """A line that cannot be used, and what follows from that."""

    line: int
    why: str

    def __str__(self) -> str:
        return f"journal line {self.line}: {self.why}"


class Journal:
    """The records of one state folder. Reading needs no lock; the first change takes one.

    Args:
        state_dir: made at the first change, mode 0700; the journal itself is 0600.

    Raises:
        JournalError: it cannot be read, or a change cannot be made lasting. After a
            failed change every later one is refused: what the file holds is not known.
        NotPermitted: others can write to the folder or the file (promise 8).
        Busy: another process changes this journal.
    """

    def __init__(self, state_dir: Path, disk: Disk | None = None) -> None:
        self.path = state_dir / NAME
        self.disk = disk or Disk()
        self._folder = state_dir
        self._records: dict[str, Record] = {}
        self._used: set[str] = set()
        self._damage: list[Damage] = []
        self._torn = False
        self._loaded = False
        self._lock: int | None = None
        self._descriptor: int | None = None
        self._broken = ""

    def open_records(self) -> list[Record]:
        """Records with a knob that may hold a value of ours, oldest first."""
        self._load()
        return [record for record in self._records.values() if record.open]

    def damage(self) -> list[Damage]:
        """Lines that cannot be used; all others are honoured."""
        self._load()
        return list(self._damage)

    def record(self, id: str) -> Record:
        """One record as it stands now. Raises KeyError."""
        return self._records[id]

    def begin(self, record: Record) -> None:
        """Baselines of a proxy, lasting once this returns."""
        self._add([baseline_line(record)])
        self.use(record.id)

    def use(self, id: str) -> None:
        """Keep a record's baselines in the journal until `end`, also while none is open."""
        self._used.add(id)

    def end(self, id: str) -> None:
        """This process is done with a record; an empty journal follows the last one."""
        self._used.discard(id)
        if not self._used and not self.open_records():
            self.compact()

    def intend(self, id: str, knob: str, values: Iterable[Value]) -> None:
        """Announce a write; lasting once this returns. Until `done` its effects on other
        knobs are not known. Costs nothing where all the values are known and no other knob
        is disturbed, so that slots cost no fsync."""
        record, announced = self._records[id], set(values)
        known = record.knobs[knob]
        if announced - known.ours - {known.baseline} or known.disturbs:
            self._add([intent_line(record, knob, announced)])

    def done(self, id: str, knob: str, observed: Mapping[str, Value]) -> None:
        """The announced write has ended; `observed`: what it made of other knobs.

        Lasting only where there is something to lose: without this line a knob that was
        not disturbed is still restored rightly.
        """
        record = self._records[id]
        if record.knobs[knob].pending:
            line = own_line(record, "done", knob=knob, observed=dict(observed))
            self._add([line], lasting=bool(record.knobs[knob].disturbs))

    def rebase(self, id: str, knob: str, value: Value) -> None:
        """Somebody else set this knob: from now on their value is what is put back."""
        self._add([own_line(self._records[id], "theirs", knob=knob, value=value)])

    def keep(self, id: str, kept: bool = True) -> None:
        """Mark a record: its values stay in force on purpose until someone reverts."""
        if self._records[id].kept != kept:
            self._add([own_line(self._records[id], "kept", kept=kept)])

    def close(self, id: str, why: Mapping[str, str]) -> None:
        """Knobs that are settled, each with why."""
        record = self._records[id]
        lines = [own_line(record, "closed", knob=knob, why=text) for knob, text in why.items()]
        if lines:
            self._add(lines)

    def compact(self) -> None:
        """Replace the journal by the shortest one that says the same.

        A damaged journal is kept aside under its own checksum, never dropped.
        """
        if not self.path.exists() and not self._records:
            return
        self._writable()
        try:
            self._set_aside()
            self._rewrite()
        except OSError as error:
            raise self._break(error) from error

    def shut(self) -> None:
        """Give back the lock and the descriptor; the journal can be used again later."""
        self._close_file()
        if self._lock is not None:
            self.disk.unlock(self._lock, self._folder / LOCK)
        self._lock, self._loaded = None, False

    def aside(self) -> list[Path]:
        """Damaged journals that were kept."""
        return sorted(self._folder.glob(f"{NAME}.damaged-*"))

    def _add(self, lines: list[Line], lasting: bool = True) -> None:
        self._writable()
        if self._torn:
            self.compact()
        try:
            self._append(b"".join(map(encode, lines)), lasting)
        except OSError as error:
            raise self._break(error) from error
        for line in lines:
            self._take(line)

    def _append(self, data: bytes, lasting: bool) -> None:
        descriptor = self._file()
        self.disk.append(descriptor, self.path, data)
        if lasting:
            self.disk.fsync(descriptor, self.path)

    def _file(self) -> int:
        if self._descriptor is None:
            if self.path.exists():
                self._descriptor = self.disk.reopen(self.path)
            else:
                self._descriptor = self.disk.create(self.path)
                self.disk.fsync_folder(self._folder)
        return self._descriptor

    def _writable(self) -> None:
        if self._broken:
            raise JournalError(self._broken)
        if self._lock is not None:
            return
        try:
            self.disk.ensure_folder(self._folder)
            require_owned(self._folder, self._folder.stat())
            self._lock = self.disk.lock(self._folder / LOCK, create=True)
        except BlockingIOError as error:
            who = holder(self._folder / LOCK, self.disk)
            raise Busy(f"the journal {self.path} is in use by {who}") from error
        except OSError as error:
            raise JournalError(f"cannot write in {self._folder}: {os_reason(error)}") from error
        self._loaded = False
        self._load()

    def _load(self) -> None:
        """Read anew unless this process is the one that writes."""
        if self._loaded and self._lock is not None:
            return
        self._records, self._damage, self._torn = {}, [], False
        for number, text, whole in numbered(self._text()):
            self._read_line(number, text, whole)
        self._loaded = True

    def _text(self) -> bytes:
        try:
            require_owned(self.path, self.path.stat())
            return self.disk.read(self.path)
        except FileNotFoundError:
            return b""
        except OSError as error:
            raise cannot("read", self.path, error, JournalError) from error

    def _read_line(self, number: int, text: bytes, whole: bool) -> None:
        self._torn = not whole
        try:
            line = decode(text)
        except ValueError as error:
            if whole:
                why = f"{error}; what it announced is not known, so nothing is restored from it"
                self._damage.append(Damage(number, why))
            return
        try:
            self._take(line)
        except (KeyError, TypeError, ValueError):
            self._damage.append(Damage(number, _orphan(line)))

    def _take(self, line: Line) -> None:
        id = line["record"]
        record = begun(line) if line["kind"] == "baseline" else self._records[id].after(line)
        self._records[id] = record

    def _set_aside(self) -> None:
        if self._damage:
            data = self.disk.read(self.path)
            self.disk.replace(self.path.with_name(f"{NAME}.damaged-{_short(data)}"), data)

    def _rewrite(self) -> None:
        wanted = [r for r in self._records.values() if r.open or r.id in self._used]
        lines = [encode(line) for record in wanted for line in record.lines()]
        self._close_file()
        self.disk.replace(self.path, b"".join(lines))
        self._records = {record.id: record for record in wanted}
        self._damage, self._torn = [], False

    def _close_file(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
        self._descriptor = None

    def _break(self, error: OSError) -> JournalError:
        self._broken = f"cannot write the journal {self.path}: {os_reason(error)}"
        return JournalError(f"{self._broken}; nothing more is changed")


def numbered(data: bytes) -> list[tuple[int, bytes, bool]]:
    """Lines of a journal with their numbers; the last is not whole if its end is missing."""
    *lines, tail = data.split(b"\n")
    found = [(number, text, True) for number, text in enumerate(lines, start=1)]
    return [*found, (len(found) + 1, tail, False)] if tail else found


def _orphan(line: Line) -> str:
    what = {key: line.get(key) for key in ("kind", "proxy", "knob", "values") if key in line}
    told = ", ".join(f"{key} {value}" for key, value in what.items())
    return f"no baseline for it ({told}); this knob cannot be restored by the journal"


def _short(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:8]
