"""After a crash, and for `mlproxy revert`: every open record of the journal is settled."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from mlproxy.adapter import Adapter
from mlproxy.disk import Disk
from mlproxy.errors import Busy
from mlproxy.identity import boot_id, differs, identify
from mlproxy.journal import Damage, Journal
from mlproxy.knobfile import KnobFiles
from mlproxy.lock import Locks
from mlproxy.record import Record
from mlproxy.restore import Outcome, Restored, Restorer
from mlproxy.tree import Tree

AFTER_CRASH = "left by a process that ended without restoring"


def recover(
    root: Path,
    journal: Journal,
    disk: Disk,
    adapters: Mapping[str, Adapter],
    include_kept: bool = False,
    only: Collection[str] | None = None,
) -> list[Restored]:
    """Restore what earlier processes left; doing it twice changes nothing.

    Args:
        adapters: the installed ones by name; a record whose adapter is not among them is
            restored by plain writes.
        include_kept: also what was left in force on purpose (`mlproxy revert`; a start of
            the agent leaves it and goes on from there).
        only: ids of proxies; None: all.

    Returns:
        One line per knob or record, and one per damaged line of the journal.

    Raises:
        JournalError, NotPermitted, Busy: the journal or a knob's file cannot be used.
    """
    files, tree = KnobFiles(root, disk), Tree(root)
    damage = journal.damage()
    report: list[Restored] = []
    for record in journal.open_records():
        if only is not None and record.proxy not in only:
            continue
        if record.kept and not include_kept and _judge(record, tree) is None:
            report.append(_whole(record, Outcome.KEPT, "left in force on purpose"))
            continue
        report += _alone(record, journal, files, adapters.get(record.adapter), tree)
    return report + _damaged(journal, damage)


def settle(
    record: Record, journal: Journal, files: KnobFiles, adapter: Adapter | None, tree: Tree
) -> list[Restored]:
    """Restore one record of another process, or close it where it is about another boot
    or another device; the caller holds the knobs."""
    judged = _judge(record, tree)
    if judged is None:
        return Restorer(record, journal, files, adapter).run(AFTER_CRASH)
    if judged.outcome is not Outcome.REFUSED:
        names = [name for name, knob in record.knobs.items() if knob.open]
        journal.close(record.id, dict.fromkeys(names, str(judged.outcome)))
        journal.end(record.id)
    return [judged]


def _alone(
    record: Record, journal: Journal, files: KnobFiles, adapter: Adapter | None, tree: Tree
) -> list[Restored]:
    """Settle while nobody else can hold the knobs."""
    paths = {files.path(knob.path) for knob in record.knobs.values()}
    try:
        locks = Locks(sorted(path for path in paths if path.exists()), files.disk)
    except Busy as error:
        return [_whole(record, Outcome.BUSY, str(error))]
    try:
        return settle(record, journal, files, adapter, tree)
    finally:
        locks.release()


def _judge(record: Record, tree: Tree) -> Restored | None:
    """Why a record is not to be restored; None when it is about this boot and device."""
    boot = boot_id(tree)
    if boot and boot != record.identity.boot_id:
        return _whole(record, Outcome.OTHER_BOOT, "of another boot: the kernel started anew")
    now = identify(tree, record.object_path)
    if now is None:
        return _whole(record, Outcome.GONE, f"{record.object_path} is gone")
    if boot != record.identity.boot_id or (record.identity.devno and not now.devno):
        text = f"{record.object_path} cannot be told to be the same device: left as it is"
        return _whole(record, Outcome.REFUSED, text)
    why = differs(record.identity, now)
    return _whole(record, Outcome.OTHER_DEVICE, f"another device: {why}") if why else None


def _whole(record: Record, outcome: Outcome, why: str) -> Restored:
    names = ", ".join(name for name, knob in record.knobs.items() if knob.open)
    return Restored(record.proxy, names, outcome, None, None, why)


def _damaged(journal: Journal, damage: list[Damage]) -> list[Restored]:
    """Damaged lines; the journal is made whole and the damaged one kept aside."""
    if not damage:
        return []
    journal.compact()
    aside = ", ".join(str(path) for path in journal.aside())
    told = [f"{line} (kept as {aside})" for line in damage]
    return [Restored("journal", "", Outcome.DAMAGED, None, None, why) for why in told]
