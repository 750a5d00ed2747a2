"""Which proxies a policy and a person mean."""

from __future__ import annotations

import pytest

from mlproxy.errors import ConfigError
from mlproxy.proxy import Identity, Proxy
from mlproxy.selection import select


def proxy(device: str, *names: str) -> Proxy:
    return Proxy(
        id=f"readahead.{device}",
        subsystem="readahead",
        device=device,
        transport="stock",
        object_path="",
        identity=Identity("", ""),
        knobs={},
        names=frozenset({device, f"readahead.{device}", *names}),
    )


PROXIES = [proxy("dm-0", "vg-root", "sda2", "sda", "/"), proxy("sdb", "/dev/sdb"), proxy("loop0")]


def devices(*args: tuple[str, ...]) -> list[str]:
    return [found.device for found in select(PROXIES, *args)]


def test_globs_follow_the_stack() -> None:
    assert devices(("sd*",)) == ["dm-0", "sdb"]
    assert devices(("sda2",)) == ["dm-0"]
    assert devices(("/",)) == ["dm-0"]


def test_exclusion_wins() -> None:
    assert devices(("*",), ("loop*",)) == ["dm-0", "sdb"]
    assert devices(("*",), ("sda",)) == ["sdb", "loop0"]


def test_names_narrow_what_the_policy_allows() -> None:
    assert devices(("*",), (), ("vg-root", "readahead.loop0")) == ["dm-0", "loop0"]


def test_a_name_that_selects_nothing_is_an_error() -> None:
    with pytest.raises(ConfigError, match=r"no device 'loop0'.*there is: dm-0, sdb"):
        devices(("sd*",), (), ("sdb", "loop0"))
