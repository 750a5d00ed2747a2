"""Every load that a matrix can name."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from mlproxy.errors import ConfigError
from mlproxy.lab.matrix.loads.base import Load
from mlproxy.lab.matrix.loads.files import MODES as FILE_MODES
from mlproxy.lab.matrix.loads.files import FilesLoad
from mlproxy.lab.matrix.loads.fio_jobs import FioLoad
from mlproxy.lab.matrix.loads.gets import GetsLoad
from mlproxy.lab.matrix.loads.phases import PhasesLoad
from mlproxy.lab.matrix.loads.rocksdb import SIX, RocksdbLoad
from mlproxy.lab.matrix.loads.sqlite import MODES, SqliteLoad
from mlproxy.lab.queue_variants import IOSCHED_VARIANTS
from mlproxy.lab.variants import READAHEAD_VARIANTS
from mlproxy.lab.workload import IOSCHED_TRAINING, TRAINING

_FIO = (*TRAINING, *READAHEAD_VARIANTS, *IOSCHED_TRAINING, *IOSCHED_VARIANTS)


@cache
def catalog() -> Mapping[str, Load]:
    """Loads by name."""
    loads: list[Load] = [
        *map(FioLoad, _FIO),
        *(SqliteLoad(mode, mapped) for mode in MODES for mapped in (True, False)),
        *(RocksdbLoad(each, mapped) for each in SIX for mapped in (True, False)),
        *(GetsLoad(records) for records in (1, 64)),
        *map(FilesLoad, FILE_MODES),
        PhasesLoad((("random", 15.0), ("sequential", 15.0))),
        PhasesLoad((("runs-32", 10.0), ("reverse", 10.0), ("random", 10.0))),
    ]
    return {load.name: load for load in loads}


def load_named(name: str) -> Load:
    """The load of a name. Raises: ConfigError that lists what begins alike."""
    found = catalog().get(name)
    if found is None:
        stem = name.split("-")[0]
        alike = [each for each in catalog() if each.startswith(stem)] or list(catalog())
        raise ConfigError(f"no workload {name!r}; there is: {', '.join(sorted(alike))}")
    return found
