"""Settings drawn from a seed: families of fio workloads with their parameters, on devices.

Readers above a file system here; queues of requests in queue_families.py.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

from mlproxy.errors import ConfigError
from mlproxy.lab.matrix.draw import Draw
from mlproxy.lab.matrix.loads.fio_jobs import FioLoad
from mlproxy.lab.matrix.setting import Setting
from mlproxy.lab.profile import Profile
from mlproxy.lab.workload import FILES, Engine, Job, Workload

_ENGINES: tuple[Engine, ...] = ("mmap", "psync")
_SIZES_MB = (360, 480, 600, 720)
"""All larger than the memory of the cgroup."""

Family = Callable[[Draw], tuple[Job, ...]]
Split = Callable[[Workload, Profile], str]
"""Which split a setting belongs to."""


def draw_settings(
    count: int,
    pool: Sequence[Profile],
    seed: int,
    families: Mapping[str, Family],
    split: Split,
    wanted: Collection[str] = (),
) -> list[Setting]:
    """`count` different settings over all families in turns, of the splits that are wanted (all
    of them where none is named). Raises: ConfigError when the parameters do not give so many."""
    found: dict[str, Setting] = {}
    names = tuple(families)
    for number in range(count * 20):
        family = names[number % len(names)]
        draw = Draw(seed, f"{family}/{number // len(names)}")
        workload = Workload(_name(family, jobs := families[family](draw)), family, jobs)
        device = draw.one_of("device", pool)
        where = split(workload, device)
        if not wanted or where in wanted:
            setting = Setting(FioLoad(workload), device, where)
            found.setdefault(setting.name, setting)
        if len(found) == count:
            return list(found.values())
    raise ConfigError(f"no {count} different settings on {len(pool)} devices: ask for fewer")


def _reader(draw: Draw, rw: str, engine: Engine, bs: str) -> Job:
    return Job("reader", rw, engine, bs, size_mb=draw.one_of("size", _SIZES_MB))


def _random(draw: Draw) -> tuple[Job, ...]:
    engine = draw.one_of("engine", _ENGINES)
    bs = draw.one_of("bs", ("4k", "8k", "16k", "32k", "64k"))
    threads = draw.one_of("threads", (1, 2, 4, 8))
    return (replace(_reader(draw, "randread", engine, bs), numjobs=threads),)


def _zipf(draw: Draw) -> tuple[Job, ...]:
    theta = round(draw.between("theta", 0.6, 1.4), 2)
    theta = 1.01 if theta == 1.0 else theta  # fio cannot draw from 1.0
    threads = draw.one_of("threads", (1, 2, 4))
    job = _reader(draw, "randread", "mmap", draw.one_of("bs", ("4k", "8k", "16k")))
    return (replace(job, numjobs=threads, extra=(("random_distribution", f"zipf:{theta}"),)),)


def _sequential(draw: Draw) -> tuple[Job, ...]:
    bs = draw.one_of("bs", ("4k", "16k", "64k", "256k", "1m"))
    return (_reader(draw, "read", draw.one_of("engine", _ENGINES), bs),)


def _streams(draw: Draw) -> tuple[Job, ...]:
    """More readers than read files have the stream files, in full."""
    number = draw.one_of("streams", range(FILES["read"] + 1, FILES["stream"] + 1))
    bs = draw.one_of("bs", ("4k", "16k", "64k"))
    return (Job("reader", "read", draw.one_of("engine", _ENGINES), bs),) * number


def _strided(draw: Draw) -> tuple[Job, ...]:
    bs_kb = draw.one_of("bs", (4, 8, 16))
    skip_kb = bs_kb * draw.one_of("skip", (1, 3, 7, 15, 31))
    engine = draw.one_of("engine", _ENGINES)
    return (_reader(draw, f"read:{skip_kb}k", engine, f"{bs_kb}k"),)


def _reverse(draw: Draw) -> tuple[Job, ...]:
    bs_kb = draw.one_of("bs", (4, 8, 16, 32, 64))
    engine = draw.one_of("engine", _ENGINES)
    return (_reader(draw, f"read:-{2 * bs_kb}k", engine, f"{bs_kb}k"),)


def _runs(draw: Draw) -> tuple[Job, ...]:
    blocks = draw.one_of("blocks", (4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256))
    return (_reader(draw, f"randread:{blocks}", draw.one_of("engine", _ENGINES), "4k"),)


def _mixed(draw: Draw) -> tuple[Job, ...]:
    """Two readers that want different things."""
    scan = _reader(draw, "read", draw.one_of("scan-engine", _ENGINES), "64k")
    bs = draw.one_of("bs", ("4k", "8k", "16k"))
    rw = draw.one_of("rw", ("randread", "randread:16", "randread:64"))
    return scan, _reader(draw, rw, "mmap", bs)


def _beside_writer(draw: Draw) -> tuple[Job, ...]:
    rw = draw.one_of("rw", ("randread", "read", "randread:32"))
    reader = _reader(draw, rw, draw.one_of("engine", _ENGINES), draw.one_of("bs", ("4k", "16k")))
    rate = draw.one_of("rate", ("1m", "2m", "4m", "8m"))
    return reader, Job("writer", "randwrite", "psync", "16k", rate=rate)


FAMILIES: Mapping[str, Family] = {
    "random": _random,
    "zipf": _zipf,
    "sequential": _sequential,
    "streams": _streams,
    "strided": _strided,
    "reverse": _reverse,
    "runs": _runs,
    "mixed": _mixed,
    "beside-writer": _beside_writer,
}


def _name(family: str, jobs: tuple[Job, ...]) -> str:
    """Every parameter that was drawn, so that equal names are equal workloads."""
    if family == "streams":
        return f"streams-{len(jobs)}-{jobs[0].engine}-{jobs[0].bs}"
    return "+".join([family, *map(_job_name, jobs)])


def _job_name(job: Job) -> str:
    parts = [job.rw.replace(":", "."), job.engine, job.bs]
    parts += [f"x{job.numjobs}"] if job.numjobs > 1 else []
    parts += [f"qd{job.iodepth}"] if job.iodepth > 1 else []
    parts += [f"fsync{job.fsync}"] if job.fsync else []
    parts += [f"{job.size_mb}m"] if job.size_mb else []
    parts += [value.replace(":", ".") for _, value in job.extra]
    parts += [job.rate] if job.rate else []
    return "-".join(parts)
