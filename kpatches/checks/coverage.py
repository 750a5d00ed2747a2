"""What was reached of profiled kernel files: lines, and branches both ways.

coverage.py LOG OBJECTS SOURCE: the log of a guest that printed its counters as lines
"gcda NAME BASE64", the folder of the objects, the source tree. Ends with 1 where a line was
never reached; branches that were taken one way alone are listed with their line.
"""

from __future__ import annotations

import base64
import gzip
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def counters(log: Path) -> dict[str, bytes]:
    """Counter files by name, as the guest printed them."""
    lines = (line.split() for line in log.read_text(errors="replace").splitlines())
    return {line[1]: base64.b64decode(line[2]) for line in lines if line[:1] == ["gcda"]}


def report(objects: Path, found: dict[str, bytes]) -> Iterator[dict[str, Any]]:
    """gcov's own record of each source file."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for gcda, data in found.items():
            (folder / gcda).write_bytes(data)
            notes = Path(gcda).with_suffix(".gcno").name
            shutil.copy(objects / notes, folder / notes)
        command = ["gcov", "--json-format", "--branch-probabilities", *sorted(found)]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
        for file in sorted(folder.glob("*.gcov.json.gz")):
            yield from json.loads(gzip.decompress(file.read_bytes()))["files"]


def judge(record: dict[str, Any], source: Path) -> int:
    """Print one file's coverage; the number of lines that were never reached."""
    text = (source / record["file"]).read_text().splitlines()
    lines = record["lines"]
    arcs = [(line, arc) for line in lines for arc in line["branches"] if not arc["throw"]]
    missed = sorted({line["line_number"] for line in lines if not line["count"]})
    never = [line["line_number"] for line, arc in arcs if not arc["count"]]
    print(
        f"{record['file']}: {len(lines) - len(missed)} of {len(lines)} lines, "
        f"{len(arcs) - len(never)} of {len(arcs)} branches"
    )
    for number in missed:
        print(f"  never reached, line {number}: {text[number - 1].strip()}")
    for number in sorted(set(never)):
        print(f"  {never.count(number)} not taken, line {number}: {text[number - 1].strip()}")
    return len(missed)


def main() -> int:
    log, objects, source = (Path(argument) for argument in sys.argv[1:])
    found = counters(log)
    if not found:
        print(f"{log}: no counters: is CONFIG_GCOV_KERNEL on?", file=sys.stderr)
        return 1
    ours = [r for r in report(objects, found) if r["file"].endswith(".c")]
    return 1 if sum(judge(record, source) for record in ours) else 0


if __name__ == "__main__":
    sys.exit(main())
