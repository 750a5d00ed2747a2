"""Which drawn workloads are recorded for training anyway."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from mlproxy.lab.matrix.split import PARAMETERS, TRAINING
from mlproxy.lab.profile import Profile
from mlproxy.lab.queue_variants import IOSCHED_VARIANTS
from mlproxy.lab.variants import READAHEAD_VARIANTS
from mlproxy.lab.workload import IOSCHED_TRAINING, Job, Workload
from mlproxy.lab.workload import TRAINING as READERS

Jobs = tuple[Job, ...]


def recorded_or_new(workload: Workload, _device: Profile) -> str:
    """`training` for what is recorded on any device, `parameters` for what is not. Which part of
    a file is read does not make it another workload, since none fits the memory."""
    return TRAINING if _whole_files(workload.jobs) in _recorded() else PARAMETERS


@cache
def _recorded() -> frozenset[Jobs]:
    every = (*READERS, *READAHEAD_VARIANTS, *IOSCHED_TRAINING, *IOSCHED_VARIANTS)
    return frozenset(_whole_files(workload.jobs) for workload in every)


def _whole_files(jobs: Jobs) -> Jobs:
    return tuple(replace(job, size_mb=0) for job in jobs)
