"""What the journal knows of one proxy, and how the lines of the journal add up to it."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from mlproxy.adapter import Adapter
from mlproxy.errors import JournalError
from mlproxy.knob import Value
from mlproxy.knobfile import KnobFiles
from mlproxy.proxy import Identity, Proxy

VERSION = 1
NOTHING: dict[str, frozenset[Value]] = {
    "ours": frozenset(),
    "resets": frozenset(),
    "pending": frozenset(),
}

Line = dict[str, Any]


@dataclass(frozen=True)
class KnobRecord:
    """One knob of a record.

    Args:
        path: the knob's file, relative to the root.
        baseline: what to put back.
        disturbs: knobs of the same proxy that the kernel changes when this one is written.
        ours: values that we chose and may have left there.
        resets: values that the kernel gave it when we wrote a knob that disturbs it.
        pending: values of a write that was announced and of which nothing says that it ended.
    """

    path: str
    baseline: Value
    disturbs: tuple[str, ...] = ()
    ours: frozenset[Value] = frozenset()
    resets: frozenset[Value] = frozenset()
    pending: frozenset[Value] = frozenset()

    @property
    def open(self) -> bool:
        """True while the knob may hold a value that it has because of us."""
        return bool(self.ours or self.resets)


@dataclass(frozen=True)
class Record:
    """The baselines of one proxy, with what we may have done to it since.

    `knobs` is in the order in which they are restored; `kept`: the values were left in
    force on purpose (on_exit: keep), so a start of the agent does not take them back.
    """

    id: str
    proxy: str
    adapter: str
    object_path: str
    identity: Identity
    knobs: Mapping[str, KnobRecord] = field(default_factory=dict)
    kept: bool = False

    @property
    def open(self) -> bool:
        """True while a knob may hold a value of ours."""
        return any(knob.open for knob in self.knobs.values())

    @property
    def baselines(self) -> dict[str, Value]:
        """What each knob held before us."""
        return {name: knob.baseline for name, knob in self.knobs.items()}

    def change(self, name: str, **changes: Any) -> Record:
        """The same record with one knob changed."""
        knob = replace(self.knobs[name], **changes)
        return replace(self, knobs={**self.knobs, name: knob})

    def after(self, line: Line) -> Record:
        """The record once a line of its own is taken into account.

        Raises:
            KeyError, TypeError, ValueError: the line does not have that shape.
        """
        match line["kind"]:
            case "intent":
                announced = frozenset(line["values"])
                ours = self.knobs[line["knob"]].ours | announced
                pending = self.knobs[line["knob"]].pending | announced
                return self.change(line["knob"], ours=ours, pending=pending)
            case "done":
                return self._done(line["knob"], line["observed"])
            case "knob":
                return self.change(line["knob"], **{key: frozenset(line[key]) for key in NOTHING})
            case "theirs":
                return self.change(line["knob"], baseline=line["value"], **NOTHING)
            case "kept":
                return replace(self, kept=line["kept"])
            case "closed":
                return self.change(line["knob"], **NOTHING)
        raise ValueError(f"unknown kind {line['kind']!r}")

    def lines(self) -> list[Line]:
        """The shortest journal that adds up to this record."""
        found = [baseline_line(self)]
        for name, knob in self.knobs.items():
            if knob.open:
                state = {key: ordered(getattr(knob, key)) for key in NOTHING}
                found.append(own_line(self, "knob", knob=name, **state))
        if self.kept:
            found.append(own_line(self, "kept", kept=True))
        return found

    def _done(self, name: str, observed: Mapping[str, Value]) -> Record:
        record = self.change(name, pending=frozenset())
        for sibling, value in observed.items():
            resets = record.knobs[sibling].resets | {value}
            record = record.change(sibling, resets=resets)
        return record


def fresh(proxy: Proxy, adapter: Adapter, files: KnobFiles) -> Record:
    """A new record: baselines of all knobs that can be read, in the adapter's order."""
    knobs = {}
    for knob in adapter.knobs:
        path = proxy.knobs.get(knob.name)
        value = None if path is None else files.find(path)
        if path is not None and value is not None:
            knobs[knob.name] = KnobRecord(path, value, knob.disturbs)
    id = os.urandom(6).hex()
    return Record(id, proxy.id, adapter.name, proxy.object_path, proxy.identity, knobs)


def baseline_line(record: Record) -> Line:
    """The first line of a record: all that is needed to put its knobs back."""
    knobs = [
        {"name": name, "path": knob.path, "value": knob.baseline, "disturbs": list(knob.disturbs)}
        for name, knob in record.knobs.items()
    ]
    return own_line(
        record,
        "baseline",
        adapter=record.adapter,
        object=record.object_path,
        identity=record.identity.as_dict(),
        knobs=knobs,
    )


def intent_line(record: Record, knob: str, values: Iterable[Value]) -> Line:
    """Announces values that the knob may hold from now on."""
    return own_line(record, "intent", knob=knob, values=ordered(values))


def ordered(values: Iterable[Value]) -> list[Value]:
    """Integers, then words, so that equal sets make equal lines."""
    return sorted(values, key=lambda value: (isinstance(value, str), value))


def own_line(record: Record, kind: str, **rest: Any) -> Line:
    """A line that belongs to a record; the proxy's name is for people and for damage."""
    return {"kind": kind, "record": record.id, "proxy": record.proxy, **rest}


def begun(line: Line) -> Record:
    """The record that a baseline line begins. Raises KeyError or TypeError on another shape."""
    knobs = {
        knob["name"]: KnobRecord(knob["path"], knob["value"], tuple(knob["disturbs"]))
        for knob in line["knobs"]
    }
    identity = Identity(**line["identity"])
    return Record(line["record"], line["proxy"], line["adapter"], line["object"], identity, knobs)


def encode(line: Line) -> bytes:
    """One journal line: JSON in one fixed form, with the format's version and a checksum."""
    body = _canonical({**line, "v": VERSION})
    return _canonical({**line, "v": VERSION, "sum": _checksum(body)}) + b"\n"


def decode(text: bytes) -> Line:
    """The line that `encode` made.

    Raises:
        ValueError: not exactly what `encode` would write.
        JournalError: a format that this version does not know.
    """
    line = json.loads(text)
    if not isinstance(line, dict):
        raise ValueError("not a record")
    found = line.pop("sum", None)
    if found != _checksum(_canonical(line)):
        raise ValueError("its checksum does not match")
    if line.pop("v", None) != VERSION:
        raise JournalError(f"the journal has another format; this mlproxy knows {VERSION}")
    if encode(line) != text + b"\n":
        raise ValueError("it is not in the form that mlproxy writes")
    return line


def _canonical(line: Line) -> bytes:
    return json.dumps(line, sort_keys=True, separators=(",", ":")).encode()


def _checksum(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()[:16]
