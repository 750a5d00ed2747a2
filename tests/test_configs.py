"""Every policy that is shipped can be read, fits its adapter and says what it is for."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlproxy.adapter import Adapter
from mlproxy.mode import Mode
from mlproxy.policy import Policy
from mlproxy.policy_check import check_policies
from mlproxy.policy_file import parse_policies
from mlproxy_iosched import IoschedAdapter
from mlproxy_readahead import ReadaheadAdapter
from mlproxy_writeback import WritebackAdapter

HERE = Path(__file__).parent.parent
CONFIGS = sorted((HERE / "configs").glob("*.yaml"))
DEFAULTS = sorted((HERE / "adapters").glob("*/policy.yaml"))
ADAPTERS: dict[str, Adapter] = {
    "readahead": ReadaheadAdapter(),
    "iosched": IoschedAdapter(),
    "writeback": WritebackAdapter(),
}


def read(path: Path) -> list[Policy]:
    """Without the check of owner and mode, which are the checkout's own."""
    return parse_policies(path.read_bytes(), path)


def test_the_shelf_is_complete() -> None:
    assert {path.stem for path in CONFIGS} == {
        "observe-only",
        "database",
        "mixed-server",
        "desktop",
    }
    assert [path.parent.name for path in DEFAULTS] == [
        "mlproxy_iosched",
        "mlproxy_readahead",
        "mlproxy_writeback",
    ]


@pytest.mark.parametrize(
    "path", CONFIGS + DEFAULTS, ids=lambda path: f"{path.parent.name}/{path.stem}"
)
def test_a_shipped_policy_fits_the_adapters(path: Path) -> None:
    assert check_policies(read(path), ADAPTERS) == []
    assert path.read_text().startswith("# ")


def test_observe_only_never_rules() -> None:
    found = read(HERE / "configs" / "observe-only.yaml")
    assert {policy.adapter for policy in found} == set(ADAPTERS)
    assert {policy.mode for policy in found} == {Mode.EMERGENCY}


@pytest.mark.parametrize("path", DEFAULTS, ids=lambda path: path.parent.name)
def test_a_default_policy_sees_loop_devices_and_undoes_what_it_did(path: Path) -> None:
    (policy,) = read(path)
    assert policy.match.selects({"loop0"})
    assert not policy.match.selects({"zram0"})
    assert (policy.on_regression, policy.on_exit) == ("revert", "revert")
