"""What a bench says: every run as it comes, then what was asked and whether it was met."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console

from mlproxy.cli.console import line, table
from mlproxy.lab.runner import versions
from mlproxy.lab.stats import Interval

FORMAT = 1


@dataclass(frozen=True)
class Line:
    """One acceptance line: what was asked, what was found, whether that is enough.

    `met` is None for a number that is only reported.
    """

    asked: str
    found: str
    met: bool | None

    @property
    def word(self) -> str:
        """The judgement in one word."""
        return {True: "met", False: "NOT MET", None: "reported"}[self.met]


@dataclass
class Report:
    """Runs and judgements of one bench."""

    name: str
    quick: bool
    console: Console
    runs: list[dict[str, Any]] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    started_s: float = field(default_factory=time.time)

    def say(self, text: str) -> None:
        """A sentence that belongs to the report."""
        self.notes.append(text)
        line(self.console, text)

    def run(self, kind: str, **fields: Any) -> None:
        """One run: printed at once and kept."""
        self.runs.append({"kind": kind, **fields})
        shown = "  ".join(f"{name}={_shown(value)}" for name, value in fields.items())
        line(self.console, f"[{time.time() - self.started_s:6.0f} s] {kind}: {shown}")

    def judge(self, asked: str, found: str, met: bool | None) -> None:
        """One acceptance line."""
        self.lines.append(Line(asked, found, met))

    @property
    def passed(self) -> bool:
        """Nothing that was asked was missed, and something was asked."""
        judged = [each.met for each in self.lines if each.met is not None]
        return bool(judged) and all(judged)

    def finish(self, folder: Path | None) -> int:
        """Print the judgements, write the files; the exit code."""
        found = table("asked", "found", "", title=self.title())
        for each in self.lines:
            found.add_row(each.asked, each.found, each.word)
        self.console.print(found)
        if folder is not None:
            self._write(folder)
        return 0 if self.passed else 1

    def title(self) -> str:
        """Name and size."""
        return f"{self.name} ({'quick' if self.quick else 'full'} size)"

    def _write(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        stem = f"{self.name}-quick" if self.quick else self.name
        document = {
            "format": FORMAT,
            "bench": self.name,
            "quick": self.quick,
            "started_s": round(self.started_s),
            "seconds": round(time.time() - self.started_s),
            "versions": versions(),
            "passed": self.passed,
            "lines": [asdict(each) for each in self.lines],
            "notes": self.notes,
            "runs": self.runs,
        }
        (folder / f"{stem}.json").write_text(json.dumps(document, indent=1) + "\n")
        (folder / f"{stem}.md").write_text(self._markdown(document))

    def _markdown(self, document: dict[str, Any]) -> str:
        facts = ", ".join(f"{name} {value}" for name, value in document["versions"].items())
        when = time.strftime("%Y-%m-%d", time.gmtime(self.started_s))
        rows = [f"| {each.asked} | {each.found} | {each.word} |" for each in self.lines]
        head = [f"# Bench: {self.title()}", "", f"{when}, {document['seconds']} s; {facts}.", ""]
        command = f"python -m mlproxy.lab.bench {self.name}{' --quick' if self.quick else ''}"
        head += [f"Made by `{command}`; every run is in the JSON file beside this one.", ""]
        body = ["| asked | found | |", "|---|---|---|", *rows, ""]
        return "\n".join([*head, *body, *(f"- {note}" for note in self.notes)]) + "\n"


def interval_text(interval: Interval, spec: str) -> str:
    """An estimate with its bounds, each in the same format: "3.87 (3.82 to 3.90)"."""
    estimate, lower, upper = (
        format(each, spec) for each in (interval.estimate, interval.lower, interval.upper)
    )
    return f"{estimate} ({lower} to {upper})"


def _shown(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}: {_shown(each)}" for name, each in value.items()) + "}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ", ".join(map(_shown, value)) + "]"
    return str(value)


def mb_s(bytes_s: float) -> float:
    """MB/s, to three digits behind the point."""
    return round(bytes_s / 1e6, 3)
