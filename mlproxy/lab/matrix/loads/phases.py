"""A reader that goes through phases of unlike patterns, again and again: what a static value
cannot suit, and what shows how fast an agent reacts."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

from mlproxy.lab.clients import Client, lay_out_file, started
from mlproxy.lab.matrix.loads.base import PROGRESS, Bed, Ran
from mlproxy.lab.stats import geometric_mean
from mlproxy.lab.timeline import rate, rates, spans

FILE_MB = 800
WIDTH_S = 0.5
LEAST = 1.0


@dataclass(frozen=True)
class PhasesLoad:
    """Patterns of `mlproxy.lab.reader` with their seconds, from a mapped file.

    Progress is the geometric mean over the phases of useful bytes per second, so that a slow
    phase weighs as much as a fast one.
    """

    phases: tuple[tuple[str, float], ...]
    file_mb: int = FILE_MB
    kind: str = "phases"
    family: str = "phases"
    continuous: bool = True
    disk_mb: int = 1000

    @property
    def name(self) -> str:
        return "phases-" + "-".join(f"{pattern}.{seconds:g}s" for pattern, seconds in self.phases)

    def lacks(self) -> str:
        return ""

    def lay_out(self, bed: Bed) -> None:
        file = bed.mount / self._file
        if not file.exists() or file.stat().st_size < self.file_mb << 20:
            lay_out_file(bed, self.file_mb, self._file)

    def plan(self, seconds: float) -> list[tuple[str, float]]:
        """The phases that fill the time; the last one may be cut."""
        found, left = [], seconds
        for pattern, length in cycle(self.phases):
            if left < 0.1:
                break
            found.append((pattern, round(min(length, left), 2)))
            left -= length
        return found

    def run(self, bed: Bed, seconds: float, seed: int) -> Ran:
        bed.drop_caches()
        plan = self.plan(seconds)
        client = Client(",".join(f"{pattern}:{length}" for pattern, length in plan), seed=seed)
        with (
            tempfile.TemporaryDirectory(prefix="mlproxy-bench-") as folder,
            started(bed, bed.mount / self._file, [client], Path(folder)) as clients,
        ):
            clients.wait()
            samples, begun_ns = clients.samples()[0], clients.started_ns
        found = spans(samples, [pattern for pattern, _ in plan], samples[0].taken_ns)
        speeds = [max(rate([samples], span.start_ns, span.end_ns), LEAST) for span in found]
        end_ns = samples[-1].taken_ns - round(WIDTH_S * 1e9)
        curve = rates([samples], samples[0].taken_ns, end_ns, WIDTH_S)
        offset_s = (samples[0].taken_ns - begun_ns) / 1e9
        points = ((offset_s + number * WIDTH_S, speed) for number, speed in enumerate(curve))
        return Ran({PROGRESS: geometric_mean(speeds)}, tuple(points))

    @property
    def _file(self) -> str:
        return f"phases-{self.file_mb}"
