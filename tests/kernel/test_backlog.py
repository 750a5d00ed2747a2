"""The writeback adapter on a booted patched kernel: its limit is the kernel's, and leased.

As test_end_to_end: skipped without a built kernel.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from tests.kernel.test_end_to_end import BOOT, KERNEL, ROOT, WORK

MAX_DRAIN_S, SLACK_S = 2.0, 1.0
LEASE_S = 10.0
UNTOUCHED = {
    "max_ratio_fine": "1000000",
    "strict_limit": "0",
    "mode_limit": "emergency",
    "lease_remaining_ms": "0",
}


@pytest.fixture(scope="module")
def seen() -> Any:
    if not BOOT.exists() or not KERNEL.exists():
        pytest.skip(f"needs a built kernel: no {KERNEL}; make it with kpatches/scripts/build.sh um")
    command = f"cd {ROOT} && {sys.executable} tests/kernel/backlog_guest.py"
    environment = {**os.environ, "KERNEL": str(KERNEL), "MEM": "3G", "TIMEOUT": "900"}
    environment["MLPROXY_KERNEL_DIR"] = str(WORK)
    ended = subprocess.run(
        ["sh", str(BOOT), "um", command], capture_output=True, text=True, env=environment
    )
    results = [line for line in ended.stdout.splitlines() if line.startswith("RESULT ")]
    assert results, ended.stdout[-4000:] + ended.stderr[-2000:]
    return json.loads(results[-1].removeprefix("RESULT "))


def test_a_stream_drains_in_time_and_the_device_writes_as_before(seen: Any) -> None:
    default, agent = seen["default"], seen["agent"]
    print(f"drain {default['drain_s']:.2f} to {agent['drain_s']:.2f} s")
    print(f"counted by the kernel: {agent['features']}")
    print(f"device {default['written_mb_s']:.1f} to {agent['written_mb_s']:.1f} MB/s")
    assert agent["drain_s"] <= MAX_DRAIN_S + SLACK_S < default["drain_s"]
    assert agent["written_mb_s"] >= 0.9 * default["written_mb_s"]


def test_the_limit_is_the_kernels_own_and_the_stock_knobs_stay(seen: Any) -> None:
    agent = seen["agent"]
    assert 0 < agent["limit_kb"] < seen["baseline_kb"]
    (knob,) = agent["status"]["knobs"]
    assert knob["transport"] == "kernel"
    assert knob["counted"]["pauses"] > 0 < knob["counted"]["written_pages"]
    assert any("dirty_limit_kb/recommended" in change["do"] for change in agent["changes"])
    assert agent["left"]["max_ratio_fine"] == "1000000"
    assert agent["left"]["strict_limit"] == "0"


def test_bursts_after_it_have_their_memory(seen: Any) -> None:
    assert seen["agent"]["burst_mb_s"] >= 0.9 * seen["default"]["burst_mb_s"]


def test_the_overlay_vanishes_with_the_lease_of_a_dead_agent(seen: Any) -> None:
    killed = seen["killed"]
    print(f"the limit of a killed agent ruled for {killed['for_s']:.1f} s more")
    assert killed["ruled"]
    assert 0 < killed["for_s"] <= LEASE_S + 1.0
    assert killed["effective_kb"] == seen["baseline_kb"]
    assert killed["left"] == UNTOUCHED
