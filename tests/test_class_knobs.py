"""Knobs that class ml_proxy takes under another name and in another unit: writeback's."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from mlproxy.adapter import Missing
from mlproxy.transports.choose import open_transport
from mlproxy.transports.kernel import _translated
from mlproxy.tree import Tree
from mlproxy_writeback import WritebackAdapter
from mlproxy_writeback.features import WHOLE
from tests.transports.test_kernel import FILES, TREES, offer

ADAPTER = WritebackAdapter()
THRESHOLD_KB, BASELINE_KB = 400_000.0, 500_000
VALUES = {
    "bdi.writeback_kb": 0.0,
    "bdi.reclaimable_kb": 300_000.0,
    "bdi.host_thresh_kb": THRESHOLD_KB,
    "kernel.dirty_limit_kb.baseline": float(BASELINE_KB),
}


@pytest.mark.parametrize("shift", range(1, 10))
def test_a_share_becomes_kib_and_is_known_again_though_the_threshold_moves(shift: int) -> None:
    setting = {"max_ratio_fine": WHOLE >> shift, "strict_limit": 1}
    held = {name: int(value) for name, value in ADAPTER.to_class(setting, VALUES).items()}
    assert held["dirty_limit_kb"] % 4 == 0
    assert held["dirty_limit_kb"] == pytest.approx(THRESHOLD_KB / 2**shift, rel=0.05)
    for moved in (0.8, 1.0, 1.3):
        values = {**VALUES, "bdi.host_thresh_kb": THRESHOLD_KB * moved}
        assert ADAPTER.from_class(held, values) == setting


def test_no_limit_is_the_baseline_and_back() -> None:
    none = {"max_ratio_fine": WHOLE, "strict_limit": 0}
    assert ADAPTER.to_class(none, VALUES) == {"dirty_limit_kb": BASELINE_KB}
    assert ADAPTER.from_class({"dirty_limit_kb": BASELINE_KB}, VALUES) == none


def test_without_debugfs_no_share_is_known() -> None:
    values = {"kernel.dirty_limit_kb.baseline": 1.0}
    with pytest.raises(Missing, match="stats"):
        ADAPTER.to_class({"max_ratio_fine": 62_500, "strict_limit": 1}, values)
    assert ADAPTER.from_class({"dirty_limit_kb": 4}, values)["max_ratio_fine"] == WHOLE


def test_what_is_recommended_counts_as_in_force_while_the_kernel_gets_there() -> None:
    numbers = {
        "kernel.dirty_limit_kb.baseline": float(BASELINE_KB),
        "kernel.dirty_limit_kb.effective": 290_000.0,
    }
    found = _translated(ADAPTER, numbers, VALUES)
    assert found["kernel.max_ratio_fine.baseline"] == WHOLE
    assert "kernel.max_ratio_fine.recommended" not in found
    numbers["kernel.dirty_limit_kb.recommended"] = 25_000.0
    found = _translated(ADAPTER, numbers, VALUES)
    assert found["kernel.max_ratio_fine.effective"] == WHOLE >> 4
    assert found["kernel.strict_limit.effective"] == 1


def test_a_device_that_goes_while_it_is_read_is_gone(tmp_path: Path) -> None:
    root = tmp_path / "machine"
    shutil.copytree(TREES / "loop-random/001", root, symlinks=True)
    bdi = "sys/class/bdi/7:0"
    for name, text in {"max_ratio_fine": "1000000", "strict_limit": "0"}.items():
        (root / bdi / name).write_text(f"{text}\n")
    limit = {"baseline": "500000", "recommended": "", "effective": "500000"}
    numbers = {f"dirty_limit_kb/{name}": text for name, text in limit.items()}
    offer(root, "writeback.7:0", bdi, {**FILES, "provider": "writeback", **numbers})
    transport = open_transport(Tree(root))
    proxy = next(p for p in transport.discover(ADAPTER) if p.lease)
    assert proxy.id in transport.sample([proxy])
    counters = root / "proc/diskstats"
    kept = [line for line in counters.read_text().splitlines(True) if " loop0 " not in line]
    counters.write_text("".join(kept))
    assert proxy.id not in transport.sample([proxy])
