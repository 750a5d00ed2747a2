"""The one door to the kernel: remember, write, read back, restore, stand down."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from mlproxy.adapter import Adapter
from mlproxy.disk import Disk
from mlproxy.errors import MlproxyError, Overridden, WriteRefused
from mlproxy.gate_range import UNSTATED, Range
from mlproxy.identity import differs, identify
from mlproxy.journal import Journal
from mlproxy.knob import Knob, Value
from mlproxy.knobfile import KnobFiles, ObjectView
from mlproxy.lease import LIMIT
from mlproxy.leases import Leases
from mlproxy.lock import Locks
from mlproxy.mode import Mode
from mlproxy.proxy import Proxy
from mlproxy.record import KnobRecord, Record, fresh
from mlproxy.recover import settle
from mlproxy.restore import Outcome, Restored, Restorer, plan
from mlproxy.tree import Tree


@dataclass
class _Session:
    """What this process did to one proxy since its baselines were recorded."""

    proxy: Proxy
    adapter: Adapter
    id: str
    last: dict[str, Value]
    theirs: set[str] = field(default_factory=set)


class Actuator:
    """Changes knobs and takes the changes back; nothing else in mlproxy writes to one.

    Args:
        root: "/" or a tree to practise on.
    """

    def __init__(self, root: Path, journal: Journal, disk: Disk | None = None) -> None:
        self.root = root
        self.journal = journal
        self._disk = disk or Disk()
        self._files = KnobFiles(root, self._disk)
        self._locks: dict[str, Locks] = {}
        self._sessions: dict[str, _Session] = {}
        self.leases = Leases(root, journal, self._disk)

    def hold(self, proxy: Proxy) -> None:
        """Keep every other agent off the proxy's knobs, whatever their state folder is.

        Raises:
            Busy: names the process that has one of them.
            NotPermitted, WriteRefused: a knob's file cannot be opened.
        """
        if proxy.id not in self._locks:
            limits = [f"{proxy.lease}/{LIMIT}"] if proxy.lease else []
            names = sorted({*proxy.knobs.values(), *limits})
            paths = [self._files.path(path) for path in names]
            self._locks[proxy.id] = Locks(paths, self._disk)

    def release(self, proxy: Proxy) -> None:
        """Let other agents have the proxy. What is not restored stays in the journal."""
        self.leases.release(proxy)
        session = self._sessions.pop(proxy.id, None)
        if session is not None:
            self.journal.end(session.id)
        locks = self._locks.pop(proxy.id, None)
        if locks is not None:
            locks.release()

    def begin(self, proxy: Proxy, adapter: Adapter) -> dict[str, Value]:
        """Hold a proxy and record its baselines, as the first `set` would; what its knobs hold,
        by name. Raises: as `set`."""
        self.hold(proxy)
        return dict(self._session(proxy, adapter).last)

    def baselines(self, proxy: Proxy) -> dict[str, Value]:
        """What each knob held before us, by name; empty before the first `set`."""
        session = self._sessions.get(proxy.id)
        return self.journal.record(session.id).baselines if session else {}

    def set(
        self, proxy: Proxy, adapter: Adapter, knob: Knob, value: Value, clamp: Range = UNSTATED
    ) -> Value:
        """Give a knob a value, holding the proxy and recording its baselines first.

        Args:
            clamp: intersection of what kernel, adapter and policy allow (promise 4); the
                baseline is always allowed.

        Returns:
            What is in force.

        Raises:
            Overridden: somebody else changed the knob, or one that the kernel resets with
                it; nothing was written, and until `restore` nothing will be.
            WriteRefused: out of `clamp`, of another device by now, or the kernel refused or
                changed the value; the old value is back.
            JournalError: nothing was written.
            Busy, NotPermitted: see `hold`.
        """
        self.hold(proxy)
        session = self._session(proxy, adapter)
        held = self._untouched(session, knob)
        if value != self._recorded(session, knob.name).baseline:
            self._refuse_stranger(proxy)
        steps = plan(adapter, self._view(session), knob.name, held, value)
        self._check_clamp(session, knob, [*steps, value], clamp)
        if not steps:
            return self._in_force(session, knob, held)
        self.journal.intend(session.id, knob.name, steps)
        self._change(session, knob, held, steps)
        return value

    def open_lease(self, proxy: Proxy, ceiling: Mode, lease_s: float) -> None:
        """Hold a proxy of class ml_proxy and allow recommendations; see Leases.open."""
        self.hold(proxy)
        self._refuse_stranger(proxy)
        self.leases.open(proxy, ceiling, lease_s)

    def restore(self, proxy: Proxy, why: str) -> list[Restored]:
        """Put every baseline back, except where somebody else changed the knob.

        The next `set` records fresh baselines, so an override ends here. Returns one line
        per knob that we changed; [] where we changed none. What the kernel refused is still ours
        to restore.
        """
        ended = self.leases.restore(proxy, why)
        session = self._sessions.pop(proxy.id, None)
        if session is None:
            return ended
        record = self.journal.record(session.id)
        adapter, last = session.adapter, session.last
        report = Restorer(record, self.journal, self._files, adapter, last).run(why)
        refused = [line.knob for line in report if line.outcome is Outcome.REFUSED]
        if refused:
            session.last |= self._holds(session, refused)
            self._sessions[proxy.id] = session
        return ended + report

    def keep(self, proxy: Proxy) -> None:
        """Leave the values in force on purpose (on_exit: keep) and let the proxy go; the
        record stays open, so that `revert` can still restore it."""
        session = self._sessions.get(proxy.id)
        if session is not None:
            self.journal.keep(session.id)
        self.release(proxy)

    def _session(self, proxy: Proxy, adapter: Adapter) -> _Session:
        if proxy.id not in self._sessions:
            self._refuse_stranger(proxy)
            record = self._record(proxy, adapter)
            last = record.baselines
            if record.open:  # taken over
                last = {name: self._files.read(knob.path) for name, knob in record.knobs.items()}
            self._sessions[proxy.id] = _Session(proxy, adapter, record.id, last)
        return self._sessions[proxy.id]

    def _refuse_stranger(self, proxy: Proxy) -> None:
        now = identify(Tree(self.root), proxy.object_path)
        why = differs(proxy.identity, now) if now and now.devno else None
        if why is not None:
            raise WriteRefused(f"{proxy.id} is another device by now: {why}")

    def _record(self, proxy: Proxy, adapter: Adapter) -> Record:
        """The record to work with: a value of ours is never taken for a baseline."""
        for record in self.journal.open_records():
            if record.proxy == proxy.id:
                if record.kept and record.identity == proxy.identity:
                    return self._take_over(record)
                self._settle(record, adapter)
        record = fresh(proxy, adapter, self._files)
        self.journal.begin(record)
        return record

    def _settle(self, record: Record, adapter: Adapter) -> None:
        tree = Tree(self.root)
        for line in settle(record, self.journal, self._files, adapter, tree):
            if line.outcome is Outcome.REFUSED:
                raise WriteRefused(f"an earlier change cannot be taken back: {line.why}")

    def _take_over(self, record: Record) -> Record:
        """Go on with values that were kept; what was changed since is a new baseline."""
        theirs = Restorer(record, self.journal, self._files, None).theirs()
        for name, found in theirs.items():
            self.journal.rebase(record.id, name, found)
        self.journal.keep(record.id, False)
        self.journal.use(record.id)
        return self.journal.record(record.id)

    def _untouched(self, session: _Session, knob: Knob) -> Value:
        """What the knob holds, once it is sure that nobody else changed it or a sibling."""
        if knob.name not in session.last:
            known = ", ".join(session.last) or "none"
            raise WriteRefused(f"{session.proxy.id} has no {knob.name} to set; it has: {known}")
        along = [name for name in knob.companions if name in session.last]
        for name in [*self._affected(session, knob), *along]:
            found = self._files.read(session.proxy.knobs[name])
            if name in session.theirs or found != session.last[name]:
                raise self._stand_down(session, knob, name, found)
        return session.last[knob.name]

    def _affected(self, session: _Session, knob: Knob) -> list[str]:
        return [name for name in (knob.name, *knob.disturbs) if name in session.last]

    def _stand_down(self, session: _Session, knob: Knob, name: str, found: Value) -> Overridden:
        if name not in session.theirs and self._recorded(session, name).open:
            self.journal.close(session.id, {name: Outcome.STOOD_DOWN})
        session.theirs.add(name)
        left = session.last[name]
        text = f"{name} of {session.proxy.device} holds {found}, mlproxy left {left}: "
        text += "somebody else changed it, it is theirs"
        if name in knob.disturbs:
            text += f"; writing {knob.name} would reset it"
        return Overridden(text)

    def _check_clamp(
        self, session: _Session, knob: Knob, values: list[Value], clamp: Range
    ) -> None:
        baseline = self._recorded(session, knob.name).baseline
        for value in values:
            objection = clamp.objects(value, "allowed range")
            if objection is not None and value != baseline:
                raise WriteRefused(
                    f"{knob.name} = {value} of {session.proxy.device} is not written: {objection}"
                )

    def _change(self, session: _Session, knob: Knob, held: Value, steps: list[Value]) -> None:
        try:
            for step in steps:
                self._files.write(session.proxy.knobs[knob.name], step)
            self._confirm(session, knob, steps[-1])
        except MlproxyError as error:
            trouble = self._put_back(session, knob, held)
            raise type(error)(f"{error}{trouble}") from error
        finally:
            self._remember(session, knob)

    def _confirm(self, session: _Session, knob: Knob, value: Value) -> None:
        path = session.proxy.knobs[knob.name]
        holds = self._files.read(path)
        if holds != value:
            self.journal.intend(session.id, knob.name, [holds])
            raise WriteRefused(f"{path}: {value} was written, the kernel made it {holds}")
        real = self._in_force(session, knob, value)
        if real != value:
            raise WriteRefused(f"{path} says {value}, but {real} is in force")

    def _put_back(self, session: _Session, knob: Knob, held: Value) -> str:
        path = session.proxy.knobs[knob.name]
        try:
            holds = self._files.read(path)
            for step in plan(session.adapter, self._view(session), knob.name, holds, held):
                self._files.write(path, step)
            holds = self._files.read(path)
        except MlproxyError as error:
            return f"; {held} could not be put back: {error}"
        if holds == held:
            return ""
        self.journal.intend(session.id, knob.name, [holds])
        return f"; {held} could not be put back, it is {holds} now"

    def _remember(self, session: _Session, knob: Knob) -> None:
        """What the write left, here and in the knobs that the kernel reset with it."""
        seen = self._holds(session, self._affected(session, knob))
        session.last.update(seen)
        siblings = {name: value for name, value in seen.items() if name != knob.name}
        self.journal.done(session.id, knob.name, siblings)

    def _holds(self, session: _Session, names: list[str]) -> dict[str, Value]:
        """What knobs hold now, of those that can be read."""
        read = {name: self._files.find(session.proxy.knobs[name]) for name in names}
        return {name: value for name, value in read.items() if value is not None}

    def _in_force(self, session: _Session, knob: Knob, shown: Value) -> Value:
        real = session.adapter.effective(self._view(session), knob.name)
        return shown if real is None else real

    def _recorded(self, session: _Session, name: str) -> KnobRecord:
        return self.journal.record(session.id).knobs[name]

    def _view(self, session: _Session) -> ObjectView:
        return ObjectView(self._files, session.proxy.object_path)
