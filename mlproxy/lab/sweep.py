"""A sweep: every workload at every setting of an adapter's knobs, on modelled devices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from mlproxy.adapter import Adapter
from mlproxy.errors import LabError
from mlproxy.knob import Setting
from mlproxy.lab import backlog
from mlproxy.lab.arm import Arm, arm
from mlproxy.lab.fio import lay_out
from mlproxy.lab.observer import Observer
from mlproxy.lab.profile import PROFILES, Profile
from mlproxy.lab.queue_variants import IOSCHED_VARIANTS
from mlproxy.lab.runner import declare, run_rows
from mlproxy.lab.testbed import TestBed
from mlproxy.lab.variants import READAHEAD_VARIANTS
from mlproxy.lab.workload import IOSCHED_TRAINING, TRAINING, Workload

RUNTIME_S, RAMP_S = 2.05, 0.6
CUT, CUT_S = "#cut", 1.05
"""Who opens a file, reads for a second and goes loses what was read ahead by then: such runs, from
their first read on, are a case of their own of the same workload (`unit_of`)."""

QUICK = 4
"""A quick sweep takes every fourth workload."""


def sweep(
    adapter: Adapter, profiles: Sequence[Profile], path: Path, repeats: int, quick: bool = False
) -> int:
    """Record rows to train on into `path`; an interrupted sweep goes on where it stopped.

    Returns how many rows were run. Raises: LabError, NotPermitted, Busy.
    """
    if adapter.objective.metric == backlog.METRIC:
        return backlog.sweep_backlog(adapter, profiles, path, repeats, quick)
    workloads = workloads_of(adapter)[:: QUICK if quick else 1]
    arms = [setting_arm(adapter, setting) for setting in adapter.sweep()]
    if not arms:
        raise LabError(f"adapter {adapter.name} declares no settings to sweep")
    rows = declare(workloads, arms, repeats, runtime_s=RUNTIME_S, ramp_s=RAMP_S)
    if adapter.subject == "bdi":
        rows += declare(cut(workloads), arms, repeats, runtime_s=CUT_S, ramp_s=0.0)
    done = 0
    for profile in profiles:
        with TestBed(profile) as bed:
            lay_out(bed, workloads)
            observer = Observer(bed, adapter)
            try:
                facts = observer.proxy.facts
                done += run_rows(rows, bed, path, observe=observer.windows, facts=facts)
            finally:
                observer.close()
    return done


def profiles_for(adapter: Adapter) -> list[str]:
    """The devices that show what an adapter's knobs do, by name."""
    if adapter.objective.metric == backlog.METRIC:
        return ["stick"]
    return [name for name in PROFILES if name != "stick"]


def workloads_of(adapter: Adapter) -> tuple[Workload, ...]:
    """Buffered readers for what lies above a file system, queues of requests for a disk."""
    if adapter.subject == "disk":
        return IOSCHED_TRAINING + IOSCHED_VARIANTS
    return TRAINING + READAHEAD_VARIANTS


def cut(workloads: Sequence[Workload]) -> list[Workload]:
    """The same under the names that runs of CUT_S are kept by."""
    return [replace(workload, name=workload.name + CUT) for workload in workloads]


def setting_arm(adapter: Adapter, setting: Setting) -> Arm:
    """A setting as the row runner takes it: values by path."""
    folder = {"bdi": "sys/class/bdi/{devno}/", "disk": "sys/block/{disk}/", "host": ""}
    start = folder[adapter.subject]
    values = {f"{start}{adapter.knob(name).path}": value for name, value in setting.items()}
    return arm(",".join(f"{name}={value}" for name, value in setting.items()), values)
