"""fio's workloads as loads."""

from __future__ import annotations

from dataclasses import dataclass

from mlproxy.lab import fio
from mlproxy.lab.matrix.loads.base import Bed, Ran, lacks_program
from mlproxy.lab.rows import metrics_of
from mlproxy.lab.workload import Workload

DISK_MB = 3000
"""All files that fio's workloads share."""


@dataclass(frozen=True)
class FioLoad:
    """A workload of fio; progress is the geometric mean of its jobs' bytes per second."""

    workload: Workload
    kind: str = "fio"
    continuous: bool = False
    disk_mb: int = DISK_MB

    @property
    def name(self) -> str:
        return self.workload.name

    @property
    def family(self) -> str:
        return self.workload.family

    def lacks(self) -> str:
        return lacks_program("fio")

    def lay_out(self, bed: Bed) -> None:
        fio.lay_out(bed, [self.workload])

    def run(self, bed: Bed, seconds: float, seed: int) -> Ran:
        result = fio.run(self.workload, bed, seconds, 0.0, seed=seed)
        return Ran(metrics_of(result.as_json()))
