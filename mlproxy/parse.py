"""Pure parsers of the kernel's text files: text in, values out.

None of them raises on any text: what does not fit is left out, because a field that one
kernel lacks is absent, not wrong.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

DISK_FIELDS = (
    "read_ios",
    "read_merges",
    "read_sectors",
    "read_ticks_ms",
    "write_ios",
    "write_merges",
    "write_sectors",
    "write_ticks_ms",
    "in_flight",
    "io_ticks_ms",
    "queue_ticks_ms",
    "discard_ios",
    "discard_merges",
    "discard_sectors",
    "discard_ticks_ms",
    "flush_ios",
    "flush_ticks_ms",
)
"""Fields of a /proc/diskstats line (Documentation/admin-guide/iostats.rst). The last six
came with 4.18 and 5.5, so a row may be shorter; sectors are 512 bytes; `in_flight` is a
gauge, the others only grow."""

OCTAL = re.compile(r"\\([0-7]{3})")

DiskRow = tuple[int, ...]


@dataclass(frozen=True)
class Mount:
    """One line of /proc/self/mountinfo (Documentation/filesystems/proc.rst, 3.5)."""

    devno: str
    root: str
    point: str
    fstype: str
    source: str


def parse_int(text: str | None) -> int | None:
    """A file with one integer."""
    try:
        return int(text) if text else None
    except ValueError:
        return None


def parse_choice(text: str | None) -> tuple[str | None, tuple[str, ...]]:
    """A file like "none [mq-deadline] kyber": the current word and all of them.

    A single word without brackets ("none" of a bio-based device, block/elevator.c) is
    both; several words without brackets have no current one.
    """
    words = (text or "").split()
    current = [word[1:-1] for word in words if word.startswith("[") and word.endswith("]")]
    choices = tuple(word.strip("[]") for word in words)
    if current:
        return current[0], choices
    return (choices[0] if len(choices) == 1 else None), choices


def parse_disk_line(line: str) -> tuple[str, DiskRow] | None:
    """One line of /proc/diskstats: "major:minor" and its counters as in DISK_FIELDS."""
    fields = line.split()
    try:
        row = tuple(map(int, fields[3 : 3 + len(DISK_FIELDS)]))
    except ValueError:
        return None
    return (f"{fields[0]}:{fields[1]}", row) if len(row) >= 11 else None


def parse_diskstats(text: str) -> dict[str, DiskRow]:
    """/proc/diskstats by "major:minor"."""
    return dict(found for line in text.splitlines() if (found := parse_disk_line(line)))


def parse_vmstat(text: str) -> dict[str, int]:
    """/proc/vmstat by name (mm/vmstat.c); pages or events as the kernel counts them."""
    fields = text.split()
    try:
        # Every tick comes here: five times faster than line by line.
        return dict(zip(fields[::2], map(int, fields[1::2]), strict=True))
    except ValueError:
        return dict(found for line in text.splitlines() if (found := _counter(line)))


def parse_pressure(text: str) -> dict[str, float]:
    """A /proc/pressure file (Documentation/accounting/psi.rst).

    Returns:
        "some_us" and "full_us", the total stall in microseconds, and "some_avg10" and
        "full_avg10", percent of the last ten seconds; only those that the file holds.
    """
    found: dict[str, float] = {}
    for kind, key, value in _pressure_fields(text):
        if key == "total":
            found[f"{kind}_us"] = value
        elif key == "avg10":
            found[f"{kind}_avg10"] = value
    return found


def parse_mountinfo(text: str) -> list[Mount]:
    """/proc/self/mountinfo in mount order."""
    return [mount for line in text.split("\n") if (mount := _mount(line))]


def parse_inflight(text: str | None) -> tuple[int, int] | None:
    """A disk's `inflight` file: reads and writes (Documentation/ABI/stable/sysfs-block)."""
    fields = (text or "").split()
    try:
        return (int(fields[0]), int(fields[1])) if len(fields) == 2 else None
    except ValueError:
        return None


def _counter(line: str) -> tuple[str, int] | None:
    name, _, value = line.partition(" ")
    number = parse_int(value)
    return None if number is None else (name, number)


def _pressure_fields(text: str) -> Iterator[tuple[str, str, float]]:
    for line in text.splitlines():
        kind, *fields = line.split() or [""]
        if kind not in ("some", "full"):
            continue
        for field in fields:
            key, _, value = field.partition("=")
            if value.replace(".", "", 1).isdecimal():
                yield kind, key, float(value)


def _mount(line: str) -> Mount | None:
    left, _, right = line.partition(" - ")
    # Only a blank separates: a path may hold any other space character as it is.
    head, tail = left.split(" "), right.split(" ")
    if len(head) < 6 or len(tail) < 2:
        return None
    return Mount(head[2], _plain(head[3]), _plain(head[4]), tail[0], _plain(tail[1]))


def _plain(text: str) -> str:
    """Undo the octal escapes of blanks and backslashes (fs/proc_namespace.c, mangle)."""
    return OCTAL.sub(lambda found: chr(int(found[1], 8)), text)
