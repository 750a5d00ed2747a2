"""`mlproxy run`: the agent."""

from __future__ import annotations

import math
import signal
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from rich.console import Console

from mlproxy.cli.console import line, note, out
from mlproxy.cli.options import LIVE, Configs, Devices, For, Root, State, names_of
from mlproxy.cli.pause import paused_by
from mlproxy.cli.place import require_live, require_root, state_dir
from mlproxy.cli.restoring import put_back, restored_knobs
from mlproxy.cli.session import open_session
from mlproxy.cli.signals import ENDING, unwinding
from mlproxy.cli.spoken import Spoken
from mlproxy.cli.view_probe import NOTHING
from mlproxy.cli.view_revert import show_restored
from mlproxy.cli.view_status import live_view
from mlproxy.errors import WriteRefused
from mlproxy.registry import load_registry
from mlproxy.restore import Restored
from mlproxy.status import read_status

if TYPE_CHECKING:
    from mlproxy.loop import Agent


def run(
    seconds: For = None,
    config: Configs = None,
    devices: Devices = None,
    state: State = None,
    root: Root = LIVE,
) -> None:
    """Run the agent: keep observing, deciding, applying and measuring (root).

    Ctrl-C or SIGTERM ends it; every value goes back to its baseline, unless a policy says
    `on_exit: keep`.

    Example: sudo mlproxy run -c /etc/mlproxy/policy.yaml
    """
    require_live(root, "run")
    require_root("run")
    folder = state_dir(state)
    recovered = restored_knobs(put_back(LIVE, folder, load_registry().adapters))
    if recovered:
        note("an earlier mlproxy ended without restoring; now:")
        show_restored(out(), recovered)
    session = open_session(LIVE, config, names_of(devices))
    from mlproxy.cli.agent import built_agent

    console = out()
    outcomes = Spoken(folder, partial(line, console))
    with unwinding(), built_agent(session, folder, outcomes) as agent:
        if agent is None:
            line(console, NOTHING)
            return
        note(f"{len(agent.controllers)} proxies, state in {folder}; Ctrl-C ends and restores")
        _run(agent, folder, math.inf if seconds is None else seconds, console)
    _require_restored(agent.unrestored)
    note("ended; every value is back at its baseline, or kept where the policy says so")


def _require_restored(unrestored: Sequence[Restored]) -> None:
    """Raises: WriteRefused, naming every knob that the kernel kept from its baseline."""
    if unrestored:
        told = "; ".join(f"{each.proxy} {each.knob}: {each.why}" for each in unrestored)
        raise WriteRefused(f"not back at its baseline: {told}; `mlproxy revert` tries again")


def _run(agent: Agent, folder: Path, seconds: float, console: Console) -> None:
    """Until the time is over or a signal comes; the tick under way is finished."""

    def stop(number: int, frame: FrameType | None) -> None:
        agent.stop()

    before = {number: signal.signal(number, stop) for number in ENDING}
    try:
        with _view(folder, console):
            agent.run(seconds)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _view(folder: Path, console: Console) -> AbstractContextManager[Any]:
    """The status, once a second, on a terminal; what happens scrolls by above it."""
    if not console.is_terminal:
        return nullcontext()
    from rich.live import Live

    def picture() -> Any:
        status = read_status(folder)
        paused = paused_by(folder)
        head = f"paused {paused}" if paused else f"{status.ticks if status else 0} ticks"
        return live_view(status.knobs if status else (), head)

    return Live(get_renderable=picture, refresh_per_second=1, console=console)
