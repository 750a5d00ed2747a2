"""Whose are the data races that KCSAN reported?  Run on the host.

races.py VMLINUX SOURCE LOG... [--pristine LOG...]: the kernel with its line numbers, the source
tree on branch ml_proxy, what stress.sh and smp.sh printed, and the same from a kernel without the
series.  A race is the series' own if one of its lines, or a field that it added, is accessed;
other races with a function of the series further up the stack have to be known without it.
"""

from __future__ import annotations

import argparse
import itertools
import re
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FIELDS = re.compile(r"\b(mmap_miss|_?ml_\w+)\b")
"""In a line of a file that was there before: what the series added, or made narrower."""
ACCESS = re.compile(r"(read|write|race|assert)\b.* (to|at) |race at unknown origin")
FRAME = re.compile(r" (?:\? )?([\w.]+)\+0x([0-9a-f]+)/0x([0-9a-f]+)")
PLACE = re.compile(r"(?:.*?/\.\./linux/)?([^:]+):(\d+)")
SECTION = re.compile(r"^races: \d+ reports$(.*?)^races: end$", re.DOTALL | re.MULTILINE)
REPORT = re.compile(r"^BUG: KCSAN.*?^=====", re.DOTALL | re.MULTILINE)
SUFFIX = re.compile(r"\.(isra|constprop|part|cold)\b.*")


@dataclass(frozen=True)
class Frame:
    symbol: str
    offset: int
    size: int


@dataclass(frozen=True)
class Report:
    text: str
    stacks: tuple[tuple[Frame, ...], ...]
    """One for each access, the access first."""

    @property
    def functions(self) -> tuple[str, ...]:
        """What accessed, as the same in kernels that differ."""
        return tuple(sorted(SUFFIX.sub("", stack[0].symbol) for stack in self.stacks))


def stacks_of(lines: Iterable[str]) -> Iterator[tuple[Frame, ...]]:
    stack: list[Frame] = []
    is_open = False
    for line in lines:
        if found := FRAME.match(line):
            if is_open:
                stack.append(Frame(found[1], int(found[2], 16), int(found[3], 16)))
            continue
        if stack:
            yield tuple(stack)
        stack = []
        is_open = ACCESS.match(line) is not None


def reports_in(log: Path) -> list[Report]:
    found = []
    text = log.read_text(errors="replace")
    for part in SECTION.findall(text):
        for report in REPORT.findall(part):
            stacks = tuple(stacks_of(report.splitlines()))
            found.append(Report(report.rsplit("\n", 1)[0], stacks))
    return found


def output_of(*command: str | Path) -> list[str]:
    """Its lines; CalledProcessError if it fails."""
    ended = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return ended.stdout.splitlines()


@dataclass(frozen=True)
class Place:
    file: str
    line: int


class Kernel:
    """Where the code of a frame comes from."""

    def __init__(self, vmlinux: Path, source: Path) -> None:
        self.vmlinux = vmlinux
        self.source = source
        self.symbols: dict[str, dict[int, int]] = defaultdict(dict)
        """By name, since static ones may share it: address by size."""
        rows = [line.split() for line in output_of("nm", "-n", vmlinux)]
        for (address, _, name), (after, *_) in itertools.pairwise(rows):
            self.symbols[name][int(after, 16) - int(address, 16)] = int(address, 16)
        added = ("diff", "--name-only", "--diff-filter=A", "base..ml_proxy")
        self.new = set(output_of("git", "-C", source, *added))

    @cache  # noqa: B019 (one for the whole run)
    def places(self, frame: Frame) -> tuple[Place, ...]:
        """The line, and those into which it was inlined; nothing for what nm does not know."""
        known = self.symbols.get(frame.symbol, {})
        # Not every symbol is in kallsyms, which tells sizes by the next one
        start = next(iter(known.values())) if len(known) == 1 else known.get(frame.size)
        if start is None:
            return ()
        # What is on the stack is where the call returns to
        address = hex(start + frame.offset - 1)
        lines = output_of("addr2line", "-i", "-e", self.vmlinux, address)
        found = [match for line in lines if (match := PLACE.match(line))]
        return tuple(Place(match[1], int(match[2])) for match in found)

    def line(self, place: Place) -> str:
        path = self.source / place.file
        # What the build generated is not there
        lines = path.read_text(errors="replace").splitlines() if path.is_file() else []
        return lines[place.line - 1] if 0 < place.line <= len(lines) else ""

    def is_series(self, frame: Frame) -> bool:
        """A function of the series, or one with a function of it inlined."""
        return frame.symbol.startswith(("ml_", "__ml_")) or any(
            place.file in self.new for place in self.places(frame)
        )

    def is_own(self, report: Report) -> bool:
        accesses = [stack[0] for stack in report.stacks]
        return any(map(self.is_series, accesses)) or any(
            FIELDS.search(self.line(place))
            for access in accesses
            for place in self.places(access)[:1]
        )

    def is_through(self, report: Report) -> bool:
        return any(self.is_series(frame) for stack in report.stacks for frame in stack)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("vmlinux", type=Path)
    parser.add_argument("source", type=Path)
    parser.add_argument("logs", type=Path, nargs="+")
    parser.add_argument("--pristine", type=Path, nargs="*", default=[])
    options = parser.parse_args()
    kernel = Kernel(options.vmlinux, options.source)
    reports = [report for log in options.logs for report in reports_in(log)]
    before = [report for log in options.pristine for report in reports_in(log)]
    known = {report.functions for report in before}
    own = [report for report in reports if kernel.is_own(report)]
    through = [report for report in reports if report not in own and kernel.is_through(report)]
    new = [report for report in through if report.functions not in known]
    for report in own + new:
        print(report.text)
        for place in (p for stack in report.stacks for p in kernel.places(stack[0])[:1]):
            print(f"    {place.file}:{place.line}: {kernel.line(place).strip()}")
    print(f"{len(reports)} reports, of {len(Counter(r.functions for r in reports))} pairs of")
    print(f"functions; without the series {len(before)} of {len(known)} pairs")
    print(f"{len(own)} in the series; {len(through)} below it, {len(new)} not known without it")
    return 1 if own or new else 0


if __name__ == "__main__":
    sys.exit(main())
