"""Fail when a test ran nowhere: skips.py ALLOWED JUNIT_XML...

A test counts as run when one of the reports did not skip it. ALLOWED holds a line
`test id: reason` for each test that no machine of this kind can run.
"""

from __future__ import annotations

import sys
from pathlib import Path
from xml.etree import ElementTree


def main(allowed: Path, reports: list[Path]) -> int:
    """0 when all tests ran or may be skipped; else says which did not, and why."""
    may = _allowed(allowed)
    skipped = _skipped_everywhere(reports)
    wrong = [f"never ran: {name}: {why}" for name, why in skipped.items() if name not in may]
    wrong += [f"{allowed}: {name} does run: take the line out" for name in may - skipped.keys()]
    print("\n".join(sorted(wrong)) or f"each test has run somewhere ({len(may)} allowed not to)")
    return 1 if wrong else 0


def _allowed(path: Path) -> set[str]:
    lines = (line.strip() for line in path.read_text().splitlines())
    return {line.partition(": ")[0] for line in lines if line and not line.startswith("#")}


def _skipped_everywhere(reports: list[Path]) -> dict[str, str]:
    """Test id to reason, for tests that every report skipped or did not hold."""
    skipped: dict[str, str] = {}
    ran: set[str] = set()
    for report in reports:
        for case in ElementTree.parse(report).iter("testcase"):
            name = f"{case.get('classname')}::{case.get('name')}"
            mark = case.find("skipped")
            if mark is None:
                ran.add(name)
            else:
                skipped[name] = mark.get("message") or ""
    if not ran:
        raise SystemExit("the reports hold no test that ran")
    return {name: why for name, why in skipped.items() if name not in ran}


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), [Path(name) for name in sys.argv[2:]]))
