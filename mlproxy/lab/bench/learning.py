"""From learning to recommendation: how long until measured pairs have earned it.

The application opens its files many times per slot, and reports its own progress in a file
about ten times per slot.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from mlproxy.lab.agentrun import AgentRun
from mlproxy.lab.bench.report import Report
from mlproxy.lab.bench.setup import Setup, agent_on
from mlproxy.lab.clients import Client, started
from mlproxy.lab.testbed import TestBed
from mlproxy.mode import Mode

SLOT = "250ms"
REOPEN_S = INTERVAL_S = 0.02
AIM_S = 60.0
FULL_S, QUICK_S = 240.0, 90.0


def earn(report: Report, setup: Setup, bed: TestBed, file: Path) -> None:
    """Random look-ups from `start: learning` until the mode is recommendation."""
    limit_s = QUICK_S if setup.quick else FULL_S
    bed.drop_caches()
    with tempfile.TemporaryDirectory(prefix="mlproxy-bench-") as name:
        progress = Path(name) / "progress"
        progress.write_text("0\n")
        policies = setup.policies(
            "readahead", start="learning", trust="measured", slot=SLOT, objective=progress
        )
        client = Client(f"random:{limit_s + 30}", reopen_s=REOPEN_S, interval_s=INTERVAL_S)
        with (
            started(bed, file, [client], Path(name), progress),
            agent_on(bed, policies) as agent,
        ):
            seconds = _wait(agent, limit_s)
            _tell(report, agent, seconds)
    said = f"{seconds:.0f} s" if seconds is not None else f"not within {limit_s:.0f} s"
    report.judge(
        f"start: learning with slots of {SLOT} earns recommendation (aim: {AIM_S:.0f} s)",
        said,
        seconds is not None,
    )


def _wait(agent: AgentRun, limit_s: float) -> float | None:
    """Seconds from ready to the mode; None when the limit comes first."""
    begun_s = time.monotonic()
    while time.monotonic() - begun_s < limit_s:
        agent.check()
        status = agent.status()
        if status and any(row.share and row.mode == Mode.RECOMMENDATION for row in status.knobs):
            return time.monotonic() - begun_s
        time.sleep(0.2)
    return None


def _tell(report: Report, agent: AgentRun, seconds: float | None) -> None:
    status = agent.status()
    row = status.knobs[0] if status and status.knobs else None
    trials = [each["event"] for each in agent.outcomes() if each["kind"] == "trial"]
    report.run(
        "learning",
        earned_s=seconds,
        mode=row.mode if row else "",
        wins=row.wins if row else 0,
        losses=row.losses if row else 0,
        measured_gain=row.measured_gain if row else None,
        rule=row.rule if row else "",
        reason=row.reason if row else "",
        events=trials,
    )
