"""The leases of this process: opened with a record in the journal, ended, taken back.

What is changed for good is `mode_limit` and `lease_ms` of a device in class ml_proxy, so
these are what the journal holds. A recommendation itself needs no record: the kernel's own
timer ends it, whatever becomes of this process.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mlproxy.disk import Disk
from mlproxy.errors import MlproxyError, WriteRefused
from mlproxy.gate_range import Range
from mlproxy.identity import boot_id
from mlproxy.journal import Journal
from mlproxy.knob import Value
from mlproxy.knobfile import KnobFiles
from mlproxy.lease import LEASE_MS, LIMIT, NUMBER, Lease, lease_ms
from mlproxy.mode import Mode
from mlproxy.proxy import Identity, Proxy
from mlproxy.record import KnobRecord, Record
from mlproxy.recover import settle
from mlproxy.restore import Outcome, Restored, Restorer
from mlproxy.transports.ml_class import class_device
from mlproxy.tree import Tree

OWNER = "ml_proxy"
"""In the place of the adapter's name: no adapter has a say in how these are restored."""


@dataclass
class _Session:
    lease: Lease
    id: str
    last: dict[str, Value]


class Leases:
    """The one door to class ml_proxy."""

    def __init__(self, root: Path, journal: Journal, disk: Disk) -> None:
        self._root = root
        self._journal = journal
        self._disk = disk
        self._files = KnobFiles(root, disk)
        self._sessions: dict[str, _Session] = {}

    def open(self, proxy: Proxy, ceiling: Mode, lease_s: float) -> None:
        """Allow recommendations up to `ceiling`: from now on the kernel counts, too.

        Whatever another model earned there before is taken back first.

        Raises:
            WriteRefused, NotPermitted: a file of the device cannot be used.
            JournalError: nothing was written.
        """
        if proxy.id not in self._sessions:
            self._sessions[proxy.id] = self._begin(proxy)
        session = self._sessions[proxy.id]
        held = session.last[LIMIT]
        lower = [Mode.LEARNING] if held not in (Mode.EMERGENCY, Mode.LEARNING) else []
        self._set(session, LEASE_MS, [lease_ms(lease_s)])
        self._set(session, LIMIT, [str(mode) for mode in [*lower, ceiling]])

    def recommend(
        self,
        proxy: Proxy,
        values: Mapping[str, Value],
        clamps: Mapping[str, Range],
        staged: Mapping[str, Value] | None = None,
    ) -> None:
        """Stage and commit what is inside `clamps` (promise 4); see Lease.recommend for what
        else may be raised. `staged` is `values` as the class takes them, where that differs.
        Raises: WriteRefused."""
        for name, value in values.items():
            objection = clamps[name].objects(value, "allowed range")
            if objection is not None:
                raise WriteRefused(f"{name} = {value} of {proxy.device}: {objection}")
        self._sessions[proxy.id].lease.recommend(values if staged is None else staged)

    def withdraw(self, proxy: Proxy) -> None:
        """The baseline at once, without losing what the kernel's trial has earned: the
        baseline itself is recommended, and that lease may end. Where the kernel does not
        take it, mode_limit goes down and up again. Raises: WriteRefused."""
        session = self._sessions[proxy.id]
        try:
            session.lease.recommend({})
        except MlproxyError:
            ceiling = session.last[LIMIT]
            self._set(session, LIMIT, [str(Mode.EMERGENCY), ceiling])

    def stop(self, proxy: Proxy) -> None:
        """The baseline at once, and nothing is counted any more. Raises: WriteRefused."""
        self._set(self._sessions[proxy.id], LIMIT, [str(Mode.EMERGENCY)])

    def restore(self, proxy: Proxy, why: str) -> list[Restored]:
        """End the lease, and put `mode_limit` and `lease_ms` back, except what somebody else
        changed. One line for each of the two; [] where nothing was opened."""
        session = self._sessions.pop(proxy.id, None)
        if session is None:
            return []
        try:
            self._end(session)
        finally:
            session.lease.close()
        record = self._journal.record(session.id)
        return Restorer(record, self._journal, self._files, None, session.last).run(why)

    def release(self, proxy: Proxy) -> None:
        """Let the device go; what was not restored stays in the journal."""
        session = self._sessions.pop(proxy.id, None)
        if session is not None:
            session.lease.close()
            self._journal.end(session.id)

    def _begin(self, proxy: Proxy) -> _Session:
        self._settle(proxy)
        tree, name = Tree(self._root), proxy.lease.rpartition("/")[2]
        knobs = sorted(class_device(tree, name).knobs)
        lease = Lease(self._root, proxy.lease, knobs, self._disk)
        try:
            number = str(lease.read(NUMBER))
            last = {each: lease.read(each) for each in (LEASE_MS, LIMIT)}
            identity = Identity(boot_id(tree), name.partition(".")[2], number)
            held = {n: KnobRecord(f"{proxy.lease}/{n}", value) for n, value in last.items()}
            id = os.urandom(6).hex()
            self._journal.begin(Record(id, proxy.id, OWNER, proxy.lease, identity, held))
        except BaseException:
            lease.close()
            raise
        return _Session(lease, id, last)

    def _settle(self, proxy: Proxy) -> None:
        """Baselines come from before an agent that died, not from what it left."""
        tree = Tree(self._root)
        for record in self._journal.open_records():
            if record.object_path == proxy.lease:
                for line in settle(record, self._journal, self._files, None, tree):
                    if line.outcome is Outcome.REFUSED:
                        raise WriteRefused(f"an earlier change cannot be taken back: {line.why}")

    def _set(self, session: _Session, name: str, values: list[Value]) -> None:
        wanted = [value for value in values if value != session.last[name] or len(values) > 1]
        if not wanted:
            return
        self._journal.intend(session.id, name, wanted)
        try:
            for value in wanted:
                session.lease.write(name, value)
                session.last[name] = value
        finally:
            self._journal.done(session.id, name, {})

    def _end(self, session: _Session) -> None:
        """A device whose mode_limit was above emergency before us may hold a lease of ours."""
        baseline = self._journal.record(session.id).knobs[LIMIT].baseline
        try:
            if baseline != Mode.EMERGENCY and session.lease.read(LIMIT) == session.last[LIMIT]:
                self._set(session, LIMIT, [str(Mode.EMERGENCY)])
        except MlproxyError:
            return  # the lease ends by itself, and the journal has what to put back
