"""What was reached of profiled kernel files: lines, and branches both ways.

coverage.py OBJECTS SOURCE NAME...: the folder of the objects with their counters, the source
tree, the files without .c. Ends with 1 where a line was never reached; branches that were taken
one way alone are listed with their line.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any


def coverage_of(objects: Path, name: str) -> dict[str, Any]:
    """gcov's own record of one source file."""
    command = ["gcov", "--json-format", "--stdout", "--branch-probabilities", f"{name}.gcda"]
    ended = subprocess.run(command, cwd=objects, check=True, capture_output=True, text=True)
    files: list[dict[str, Any]] = json.loads(ended.stdout)["files"]
    return next(file for file in files if file["file"].endswith(f"{name}.c"))


def judge(record: dict[str, Any], source: Path) -> int:
    """Print one file's coverage; the number of lines that were never reached."""
    text = source.read_text().splitlines()
    lines = record["lines"]
    arcs = [(line["line_number"], arc) for line in lines for arc in line["branches"]]
    missed = sorted({line["line_number"] for line in lines if not line["count"]})
    never = [number for number, arc in arcs if not arc["count"]]
    print(
        f"{source.name}: {len(lines) - len(missed)} of {len(lines)} lines, "
        f"{len(arcs) - len(never)} of {len(arcs)} branches"
    )
    for number in missed:
        print(f"  never reached, line {number}: {text[number - 1].strip()}")
    for number in sorted(set(never)):
        print(f"  {never.count(number)} not taken, line {number}: {text[number - 1].strip()}")
    return len(missed)


def main() -> int:
    objects, source = Path(sys.argv[1]), Path(sys.argv[2])
    folder = source / "drivers/ml_proxy"
    return 1 if sum(judge(coverage_of(objects, n), folder / f"{n}.c") for n in sys.argv[3:]) else 0


if __name__ == "__main__":
    sys.exit(main())
