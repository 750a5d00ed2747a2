"""Runs a declared matrix on test beds, from where the last run of it stopped."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from mlproxy.errors import LabError
from mlproxy.lab.arm import KnobState
from mlproxy.lab.bench.setup import Setup
from mlproxy.lab.lock import LOCK_PATH, lab_lock
from mlproxy.lab.matrix.claim import claim
from mlproxy.lab.matrix.contender import AGENT, Contender, contenders
from mlproxy.lab.matrix.document import Block, Matrix
from mlproxy.lab.matrix.machine import machine_facts
from mlproxy.lab.matrix.measure import RowMeasure
from mlproxy.lab.matrix.noharm import wants_more
from mlproxy.lab.matrix.pairs import pairs_of
from mlproxy.lab.matrix.parquet import write_rows
from mlproxy.lab.matrix.plan import beds_of, duel, rows_of, settings_of
from mlproxy.lab.matrix.setting import Setting
from mlproxy.lab.observer import Observer
from mlproxy.lab.runner import Results, Row, run_rows
from mlproxy.lab.testbed import TestBed
from mlproxy.registry import load_registry

LINES, PARQUET = "rows.jsonl", "rows.parquet"
SPARE_MB = 200
WAIT_S = 4 * 3600.0
"""For a lab that others hold."""

MISHAPS = 2
"""Rows of a setting that may fail: on a busy host an agent can be slow to start or to end."""


@dataclass(frozen=True)
class Campaign:
    """A matrix, where its rows go, and how far it is."""

    matrix: Matrix
    folder: Path
    setup: Setup
    bar: Progress
    task: TaskID

    @property
    def results(self) -> Results:
        return Results(self.folder / LINES)

    def due(self, rows: Sequence[Row], profile: str) -> list[Row]:
        """Those that were not measured yet."""
        done = {row["id"] for row in self.results.load()}
        return [row for row in rows if row.id(profile) not in done]

    def advance(self) -> None:
        """One row more."""
        self.bar.advance(self.task)


def run_matrix(
    matrix: Matrix,
    folder: Path,
    console: Console,
    *,
    setup: Setup | None = None,
    lock: Path = LOCK_PATH,
    wait_s: float = WAIT_S,
) -> Path:
    """Measure what `folder` does not hold yet; the Parquet file with all rows.

    Rows are appended to a file of JSON lines and fsynced one by one, so that whatever ends this
    loses one row at most. Raises: ConfigError, ModelError before a row is; LabError, Busy.
    """
    blocks = [(block, settings_of(block, matrix.seed)) for block in matrix.blocks]
    chosen = setup or Setup(seed=matrix.seed)
    for block in matrix.blocks:
        load_registry().get(block.adapter)
        if AGENT in block.contenders:
            chosen.policies(block.adapter)  # an agent without a model would measure as harmless
    machine = machine_facts()
    claim(folder, matrix, machine)
    with (
        lab_lock(f"bench {matrix.name}", path=lock, wait_s=wait_s),
        _progress(console) as bar,
    ):
        total = sum(len(settings) * _most(block) for block, settings in blocks) * matrix.repeats
        task = bar.add_task(matrix.name, total=total)
        campaign = Campaign(matrix, folder, chosen, bar, task)
        campaign.results.cut_torn_line()
        for block, settings in blocks:
            for group in beds_of(settings):
                _run_group(campaign, block, group)
    parquet = folder / PARQUET
    write_rows(parquet, campaign.results.load(), machine, matrix)
    return parquet


def _progress(console: Console) -> Progress:
    """On the terminal only: a log gets the summary."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    times = (TimeElapsedColumn(), TextColumn("left:"), TimeRemainingColumn())
    return Progress(*columns, *times, console=console, disable=not console.is_terminal)


def _most(block: Block) -> int:
    """Rows of a setting in one repeat."""
    adapter = load_registry().get(block.adapter)
    statics = len(block.candidates or adapter.sweep()) if "static" in block.contenders else 0
    return 1 + statics + sum(kind != "static" for kind in block.contenders)


def _run_group(campaign: Campaign, block: Block, settings: Sequence[Setting]) -> None:
    adapter = load_registry().get(block.adapter)
    first = settings[0].device
    size_mb = max(setting.load.disk_mb for setting in settings) + SPARE_MB
    with ExitStack() as stack:
        bed = stack.enter_context(TestBed(first, size_mb=size_mb))
        observer = Observer(bed, adapter)
        stack.callback(observer.close)
        read = KnobState([], bed.disk, bed.devno).read
        found = contenders(adapter, block.contenders, block.candidates, read)
        measure = RowMeasure(bed, adapter, campaign.setup, campaign.advance)
        for setting in settings:
            _run_setting(campaign, block, bed, observer, setting, found, measure)


def _run_setting(
    campaign: Campaign,
    block: Block,
    bed: TestBed,
    observer: Observer,
    setting: Setting,
    found: Sequence[Contender],
    measure: RowMeasure,
) -> None:
    """The repeats that were declared, then the two of the no-harm rule until it is content."""
    matrix, repeat = campaign.matrix, campaign.matrix.repeats
    bed.set_profile(setting.device)
    rows = rows_of(matrix, block, setting, found, range(repeat))
    _run_due(campaign, bed, observer, setting, rows, measure)
    while _again(campaign, block.adapter, setting):
        more = rows_of(matrix, block, setting, duel(found), range(repeat, repeat + 1))
        campaign.bar.update(campaign.task, total=(_total(campaign) + len(more)))
        _run_due(campaign, bed, observer, setting, more, measure, beside=rows)
        repeat += 1


def _total(campaign: Campaign) -> float:
    return campaign.bar.tasks[campaign.task].total or 0.0


def _run_due(
    campaign: Campaign,
    bed: TestBed,
    observer: Observer,
    setting: Setting,
    rows: Sequence[Row],
    measure: RowMeasure,
    beside: Sequence[Row] = (),
) -> None:
    """The rows that are not there yet. One that fails is tried again, the knobs back at their
    baselines; a setting that fails too often ends the run. The knobs of all rows of the setting
    are read back for each, those that are there and those `beside` them too."""
    due = campaign.due(rows, bed.profile.name)
    campaign.bar.advance(campaign.task, len(rows) - len(due))
    if not due:
        return
    campaign.bar.update(campaign.task, description=setting.name)
    setting.load.lay_out(bed)
    for mishaps in itertools.count(1):
        try:
            _run(campaign, bed, observer, [*beside, *rows], measure)
            return
        except LabError as error:
            if mishaps > MISHAPS:
                raise
            campaign.bar.console.print(f"once more: {error}", markup=False)


def _run(
    campaign: Campaign, bed: TestBed, observer: Observer, rows: Sequence[Row], measure: RowMeasure
) -> None:
    run_rows(
        rows,
        bed,
        campaign.results.path,
        observe=observer.windows,
        facts=observer.proxy.facts,
        measure=measure,
        # The lab itself is held for as long as the matrix takes.
        lock=campaign.folder / "rows.lock",
        quiet=True,
    )


def _again(campaign: Campaign, adapter: str, setting: Setting) -> bool:
    rule = campaign.matrix.no_harm
    if rule is None:
        return False
    rows = [
        row
        for row in campaign.results.load()
        if (row["profile"], row["workload"]) == (setting.device.name, setting.load.name)
        and row["notes"]["adapter"] == adapter
    ]
    return any(wants_more(pair, rule) for pair in pairs_of(rows))
