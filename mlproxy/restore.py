"""Putting baselines back: only over values of ours, never over somebody else's.

What is ours after a crash is what the journal says that we may have left. A write whose
end the journal does not know explains two things more: an integer that the kernel
rounded (within a quarter of the announced one), and any value of a knob that the kernel
resets with that write. There nobody can tell the kernel's reset from a change by
somebody else: the baseline returns, and the report says what was found.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from mlproxy.adapter import Adapter
from mlproxy.errors import JournalError, MlproxyError
from mlproxy.journal import Journal
from mlproxy.knob import Value
from mlproxy.knobfile import KnobFiles, ObjectView
from mlproxy.record import KnobRecord, Record

ROUNDS = 2
"""Knobs that disturb each other need a second one (max_bytes and max_ratio of a bdi)."""


class Outcome(StrEnum):
    """What became of a knob; `closed` lines of the journal say the same words."""

    RESTORED = "restored"
    STOOD_DOWN = "stood-down"
    REFUSED = "refused"
    GONE = "gone"
    OTHER_BOOT = "other-boot"
    OTHER_DEVICE = "other-device"
    KEPT = "kept"
    BUSY = "busy"
    DAMAGED = "damaged"


@dataclass(frozen=True)
class Restored:
    """One line of the report. `found` is what the knob held; None: it could not be read."""

    proxy: str
    knob: str
    outcome: Outcome
    found: Value | None
    baseline: Value | None
    why: str


def plan(
    adapter: Adapter | None, view: ObjectView, knob: str, holds: Value, value: Value
) -> list[Value]:
    """What to write so that `value` is in force, without what the file holds already: a
    scheduler costs a queue freeze even for an equal value."""
    wanted = [value]
    if adapter is not None:
        wanted = list(adapter.writes(view, adapter.knob(knob), holds, value))
    before = [holds, *wanted]
    return [step for held, step in zip(before, wanted, strict=False) if step != held]


class Restorer:
    """Restores one record, in the order of its knobs, and closes it.

    Args:
        adapter: None when it is not installed: the baseline is written as it is.
        last: what this process left in each knob; None after a crash.
    """

    def __init__(
        self,
        record: Record,
        journal: Journal,
        files: KnobFiles,
        adapter: Adapter | None,
        last: Mapping[str, Value] | None = None,
    ) -> None:
        self._record = record
        self._journal = journal
        self._files = files
        self._adapter = adapter
        self._last = last
        self._view = ObjectView(files, record.object_path)
        self._found = {name: files.find(knob.path) for name, knob in record.knobs.items()}
        self._errors: dict[str, str] = {}

    def run(self, why: str) -> list[Restored]:
        """Restore what is ours. A journal that cannot be written does not prevent it."""
        involved = self._involved()
        theirs = [name for name in involved if not self._explained(name)]
        targets = self._targets(involved, theirs)
        for _ in range(ROUNDS):
            self._errors.clear()
            for name, value in targets.items():
                self._put(name, value)
        report = [self._outcome(name, targets, name in theirs, why) for name in involved]
        self._if_journal_works(lambda: self._close(report))
        return [line for line in report if self._noteworthy(line)]

    def theirs(self) -> dict[str, Value]:
        """Knobs that hold what cannot be from us, with what they hold."""
        found = {name: value for name, value in self._found.items() if value is not None}
        return {name: value for name, value in found.items() if not self._explained(name)}

    def _involved(self) -> list[str]:
        """Knobs that we may have changed, and those that restoring them will disturb."""
        knobs = self._record.knobs
        names = {name for name in knobs if knobs[name].open or self._covered(name)}
        for name in [name for name in names if self._explained(name)]:
            if self._found[name] != knobs[name].baseline:
                names |= set(knobs[name].disturbs) & set(knobs)
        return [name for name in knobs if name in names]

    def _explained(self, name: str) -> bool:
        knob, found = self._record.knobs[name], self._found[name]
        if found is None or found == knob.baseline:
            return True
        if self._last is not None and found != self._last.get(name) and found not in knob.pending:
            return False
        if found in knob.ours or _is_rounded(found, knob) or self._covered(name):
            return True
        return found in knob.resets and not self._reset_by_others(name)

    def _reset_by_others(self, name: str) -> bool:
        """True where somebody else wrote a knob that disturbs this one: then what the
        kernel made of it is theirs as well, though we have seen that value before."""
        knobs = self._record.knobs
        return any(name in knobs[other].disturbs and not self._is_ours(other) for other in knobs)

    def _is_ours(self, name: str) -> bool:
        knob, found = self._record.knobs[name], self._found[name]
        if found is None or found == knob.baseline:
            return True
        return found in knob.ours if self._last is None else found == self._last.get(name)

    def _covered(self, name: str) -> bool:
        """True where a write that was cut off may have made the kernel reset this knob."""
        cut_off = (
            self._found[other] in knob.pending
            for other, knob in self._record.knobs.items()
            if name in knob.disturbs
        )
        return self._last is None and any(cut_off)

    def _targets(self, involved: list[str], theirs: list[str]) -> dict[str, Value]:
        """What each knob is to hold. Somebody else's value is put back too where we are
        about to disturb it, and becomes the record's baseline first."""
        targets = {name: self._record.knobs[name].baseline for name in involved}
        disturbed = {
            sibling
            for name in involved
            if name not in theirs and self._found[name] != targets[name]
            for sibling in self._record.knobs[name].disturbs
        }
        for name in theirs:
            del targets[name]
        for name in [name for name in theirs if name in disturbed]:
            targets = self._adopt(name, targets)
        return {name: targets[name] for name in involved if name in targets}

    def _adopt(self, name: str, targets: dict[str, Value]) -> dict[str, Value]:
        found = self._found[name]
        assert found is not None
        self._if_journal_works(lambda: self._journal.rebase(self._record.id, name, found))
        return {**targets, name: found}

    def _put(self, name: str, value: Value) -> None:
        knob = self._record.knobs[name]
        holds = self._files.find(knob.path)
        if holds is None:
            return
        steps = self._steps(name, holds, value)
        if steps and (knob.disturbs or steps != [value]):
            self._if_journal_works(lambda: self._journal.intend(self._record.id, name, steps))
        try:
            for step in steps:
                self._files.write(knob.path, step)
        except MlproxyError as error:
            self._errors[name] = str(error)
        if steps and knob.disturbs:
            self._if_journal_works(lambda: self._done(name))

    def _done(self, name: str) -> None:
        siblings = [key for key in self._record.knobs[name].disturbs if key in self._record.knobs]
        read = {key: self._files.find(self._record.knobs[key].path) for key in siblings}
        seen = {key: value for key, value in read.items() if value is not None}
        self._journal.done(self._record.id, name, seen)

    def _steps(self, name: str, holds: Value, value: Value) -> list[Value]:
        try:
            return plan(self._adapter, self._view, name, holds, value)
        except Exception:  # an adapter that fails must not keep a baseline from returning
            return plan(None, self._view, name, holds, value)

    def _outcome(self, name: str, targets: Mapping[str, Value], theirs: bool, why: str) -> Restored:
        knob, found = self._record.knobs[name], self._found[name]
        outcome, text = self._settled(name, targets.get(name))
        if theirs and outcome is Outcome.RESTORED:
            outcome = Outcome.STOOD_DOWN
            text = f"{name} holds {found}, which is not from us: it is left as it is"
        text = text or why
        return Restored(self._record.proxy, name, outcome, found, knob.baseline, text)

    def _settled(self, name: str, target: Value | None) -> tuple[Outcome, str]:
        path = self._record.knobs[name].path
        holds = self._files.find(path)
        if holds is None and not self._files.path(path).exists():
            return Outcome.GONE, f"{path} is gone"
        if target is None:
            return Outcome.RESTORED, ""
        real = holds if holds != target else self._in_force(name, target)
        if real != target:
            told = self._errors.get(name, f"{path}: {target} was written, {real} is in force")
            return Outcome.REFUSED, told
        return Outcome.RESTORED, ""

    def _in_force(self, name: str, shown: Value) -> Value:
        try:
            real = self._adapter.effective(self._view, name) if self._adapter else None
        except Exception:  # see _steps
            return shown
        return shown if real is None else real

    def _close(self, report: list[Restored]) -> None:
        knobs = self._journal.record(self._record.id).knobs
        for line in report:
            holds = self._files.find(knobs[line.knob].path)
            if line.outcome is Outcome.REFUSED and holds is not None:
                self._journal.intend(self._record.id, line.knob, [holds])
                self._journal.done(self._record.id, line.knob, {})
        settled = [line for line in report if line.outcome is not Outcome.REFUSED]
        why = {line.knob: str(line.outcome) for line in settled if knobs[line.knob].open}
        self._journal.close(self._record.id, why)
        self._journal.end(self._record.id)

    def _noteworthy(self, line: Restored) -> bool:
        touched = self._record.knobs[line.knob].open or self._covered(line.knob)
        return touched or line.outcome is not Outcome.RESTORED

    def _if_journal_works(self, change: Callable[[], None]) -> None:
        try:
            change()
        except JournalError:
            # The next start finds the record open and every baseline in place.
            return


def _is_rounded(found: Value, knob: KnobRecord) -> bool:
    if not isinstance(found, int):
        return False
    announced = [value for value in knob.pending if isinstance(value, int)]
    return any(abs(found - value) * 4 <= abs(value) for value in announced)
