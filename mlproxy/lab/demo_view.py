"""What `mlproxy demo` shows: an introduction, a live line, the ratios and a plot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from mlproxy.cli.console import line, table
from mlproxy.lab.profile import Profile
from mlproxy.lab.reader import Sample
from mlproxy.lab.timeline import KnobSample, Span, rate, value_at
from mlproxy.status import KnobStatus

BLOCKS = " ▁▂▃▄▅▆▇█"
PLOT_ROWS = 5
PLOT_COLUMNS = 72
PLAIN_EVERY_S = 2.0
SETTLED_S = 5.0
"""The agent needs some seconds to see a phase; the settled ratio leaves them out."""

SAME = 0.03
"""Two runs of one thing differ by this much; a smaller difference is called the same."""

WHAT = {
    "random": "random look-ups",
    "sequential": "a table scan",
}


@dataclass(frozen=True)
class Now:
    """The moment, for the live view. Speed in bytes/s; row is the agent's own status."""

    elapsed_s: float
    phase: str
    speed: float
    knob: str
    row: KnobStatus | None


@dataclass(frozen=True)
class Run:
    """One finished run: progress of every client, phases, and the knob."""

    name: str
    samples: list[list[Sample]]
    spans: list[Span]
    knob: list[KnobSample]

    def speed(self, phase: int, skip_s: float = 0.0) -> float:
        """Bytes per second in a phase, without its first seconds."""
        span = self.spans[phase]
        span = span.after(min(skip_s, span.seconds / 2))
        return rate(self.samples, span.start_ns, span.end_ns)


def opening(console: Console, profile: Profile, disk: str, clients: int, phase_s: float) -> None:
    """What is going to happen."""
    line(console, "mlproxy demo: can a model set a kernel knob better than its default?")
    line(console)
    latency_ms = profile.latency_us / 1000
    line(
        console,
        f"Device    {disk}, made for this demo in memory: an SSD ten times slower than real, "
        f"{latency_ms:g} ms\n          per request, {profile.bandwidth_mb_s:g} MB/s, "
        f"{profile.channels} requests at once.",
    )
    line(
        console,
        f"Workload  one client scans a mapped table for {phase_s:g} s, then {clients} look up "
        f"rows at random for {phase_s:g} s.",
    )
    line(
        console,
        "Knob      read_ahead_kb, how much the kernel reads ahead. Its default, 128, is right for\n"
        "          the scan; for a look-up it reads 32 pages where one is wanted.",
    )
    line(
        console,
        "Nobody tells mlproxy what the clients do: it sees the disk's counters, asks its model\n"
        "and sets the knob, or leaves it. First a run without it, then the same run with it.",
    )
    line(console)


class Screen:
    """The live view on a terminal; a line every two seconds elsewhere."""

    def __init__(self, console: Console, name: str, seconds: float) -> None:
        self._console = console
        self._name = name
        self._seconds = seconds
        self._speeds: list[float] = []
        self._printed_s = -PLAIN_EVERY_S
        self._live: Live | None = None

    def __enter__(self) -> Self:
        line(self._console, f"-- {self._name} --")
        if self._console.is_terminal:
            self._live = Live(console=self._console, refresh_per_second=4, transient=True)
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, now: Now) -> None:
        """Show the moment."""
        self._speeds.append(now.speed)
        if self._live is not None:
            self._live.update(self._picture(now))
        if self._live is None or now.elapsed_s >= self._seconds:
            self._print(now)

    def _print(self, now: Now) -> None:
        if now.elapsed_s - self._printed_s >= PLAIN_EVERY_S:
            self._printed_s = now.elapsed_s
            line(self._console, _sentence(now))

    def _picture(self, now: Now) -> RenderableType:
        grid = Table.grid(padding=(0, 2))
        grid.add_row("time", f"{now.elapsed_s:4.0f} of {self._seconds:.0f} s")
        grid.add_row("phase", WHAT[now.phase])
        grid.add_row("throughput", Text(f"{now.speed / 1e6:6.1f} MB/s  {self._spark()}"))
        grid.add_row("read_ahead_kb", Text(now.knob, style="bold"))
        if now.row is not None:
            grid.add_row("mode", _mode(now.row, now.knob))
            grid.add_row("verdict", Text(f"{now.row.rule}: {now.row.reason}"))
        return Group(grid)

    def _spark(self) -> str:
        recent = self._speeds[-48:]
        return bar(recent, max(recent) or 1.0)


def _sentence(now: Now) -> str:
    said = f"{now.elapsed_s:4.0f} s  {WHAT[now.phase]:<16} {now.speed / 1e6:6.1f} MB/s"
    said += f"  read_ahead_kb {now.knob:>4}"
    if now.row is not None:
        said += f"  {_mode(now.row, now.knob)}; {now.row.rule}: {now.row.reason}"
    return said


def _mode(row: KnobStatus, knob: str) -> str:
    if row.share:
        return f"{row.mode}, rules {row.share:.0%} of the time"
    return "baseline" if knob == str(row.baseline) else "a short look"


def ending(console: Console, without: Run, treated: Run) -> None:
    """Ratios and plot."""
    line(console)
    console.print(_table(without, treated))
    console.print(plot(without, treated))
    line(console, f"Settled: without the first {SETTLED_S:.0f} s of a phase, in which mlproxy sees")
    line(console, "what is new. A file takes the knob's value when it is opened; the clients")
    line(console, "reopen theirs every 1.5 s.")
    line(console, "The device is gone again. On this machine: mlproxy apply --dry-run")


def _table(without: Run, treated: Run) -> Table:
    found = table("phase", "without", "with mlproxy", "whole phase", "settled", "")
    for number, span in enumerate(without.spans):
        whole = treated.speed(number) / without.speed(number)
        settled = treated.speed(number, SETTLED_S) / without.speed(number, SETTLED_S)
        found.add_row(
            WHAT[span.pattern],
            f"{without.speed(number) / 1e6:.1f} MB/s",
            f"{treated.speed(number) / 1e6:.1f} MB/s",
            f"{whole:.2f}x",
            f"{settled:.2f}x",
            word(whole),
        )
    return found


def word(ratio: float) -> str:
    """A ratio in one word; a loss is called one."""
    if ratio < 1 - SAME:
        return "worse"
    return "the same" if ratio <= 1 + SAME else "better"


def plot(without: Run, treated: Run, columns: int = PLOT_COLUMNS) -> Text:
    """Throughput over time of both runs, each phase to its own scale, the knob below."""
    width = columns // len(without.spans)
    tops = [
        max(max(_speeds(run, number, width)) for run in (without, treated))
        for number in range(len(without.spans))
    ]
    text = Text("\nThroughput over time; full height is ")
    text.append(
        ", ".join(f"{t / 1e6:.1f} MB/s ({WHAT[s.pattern]})" for t, s in _named(without, tops))
    )
    text.append("\n")
    for run, style in ((without, "dim"), (treated, "green")):
        text.append(f"\n{run.name}\n")
        for row in _rows(run, tops, width):
            text.append(row + "\n", style=style)
        text.append(_knob_line(run, width) + "  read_ahead_kb\n", style="bold")
    return text


def _named(run: Run, tops: Sequence[float]) -> list[tuple[float, Span]]:
    return list(zip(tops, run.spans, strict=True))


def _speeds(run: Run, phase: int, width: int) -> list[float]:
    span = run.spans[phase]
    step_ns = (span.end_ns - span.start_ns) // width
    starts = [span.start_ns + column * step_ns for column in range(width)]
    return [rate(run.samples, start, start + step_ns) for start in starts]


def _rows(run: Run, tops: Sequence[float], width: int) -> list[str]:
    """Rows of the plot from the top: eighths of a block give the height."""
    heights = [
        [round(speed / (top or 1.0) * PLOT_ROWS * 8) for speed in _speeds(run, number, width)]
        for number, top in enumerate(tops)
    ]
    return [
        "│".join("".join(_cell(height, row) for height in part) for part in heights)
        for row in reversed(range(PLOT_ROWS))
    ]


def _cell(height: int, row: int) -> str:
    return BLOCKS[max(0, min(8, height - 8 * row))]


def bar(values: Sequence[float], top: float) -> str:
    """One row of blocks, `top` is full height."""
    return "".join(BLOCKS[max(0, min(8, round(value / top * 8)))] for value in values)


def _knob_line(run: Run, width: int) -> str:
    """The knob's value where it changes, a line where it stays."""
    parts = []
    shown = ""
    for span in run.spans:
        step_ns = (span.end_ns - span.start_ns) // width
        part, shown = _knob_part(run, span, step_ns, width, shown)
        parts.append(part)
    return "│".join(parts)


def _knob_part(run: Run, span: Span, step_ns: int, width: int, shown: str) -> tuple[str, str]:
    cells = ""
    while len(cells) < width:
        value = value_at(run.knob, span.start_ns + (len(cells) + 1) * step_ns - 1)
        if value != shown and len(cells) + len(value) <= width:
            cells, shown = cells + value, value
        else:
            cells += "─"
    return cells, shown
