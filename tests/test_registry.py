"""The registry: a broken adapter is reported and never stops the others."""

from __future__ import annotations

from dataclasses import replace
from importlib.metadata import EntryPoint

import pytest

from mlproxy.errors import UnknownAdapter
from mlproxy.registry import GROUP, load_registry
from mlproxy_readahead import ReadaheadAdapter
from mlproxy_readahead.adapter import READ_AHEAD_KB

GOOD = EntryPoint("readahead", "mlproxy_readahead:ReadaheadAdapter", GROUP)


class NoKnobs(ReadaheadAdapter):
    name = "noknobs"
    knobs = ()


class OutOfRange(ReadaheadAdapter):
    name = "outofrange"
    knobs = (replace(READ_AHEAD_KB, grid=(4, 9999)),)


class Boundless(ReadaheadAdapter):
    name = "boundless"
    knobs = (replace(READ_AHEAD_KB, maximum=None),)


class WrongKind(ReadaheadAdapter):
    name = "wrongkind"
    knobs = (replace(READ_AHEAD_KB, grid=(4, "many")),)


class Unheard(ReadaheadAdapter):
    name = "unheard"
    knobs = (replace(READ_AHEAD_KB, grid=("b",), choices=("a",)),)


BROKEN = {
    "absent": ("no_such_package:Adapter", "ModuleNotFoundError"),
    "nothing": ("mlproxy_readahead:Nothing", "AttributeError"),
    "function": ("mlproxy.registry:load_registry", "TypeError"),
    "misnamed": ("mlproxy_readahead:ReadaheadAdapter", "called 'readahead'"),
    "noknobs": (f"{__name__}:NoKnobs", "no knob"),
    "outofrange": (f"{__name__}:OutOfRange", "outside its range"),
    "boundless": (f"{__name__}:Boundless", "neither a range nor choices"),
    "wrongkind": (f"{__name__}:WrongKind", "wrong kind"),
    "unheard": (f"{__name__}:Unheard", "not among its choices"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_adapter_is_named_and_skipped(name: str) -> None:
    place, why = BROKEN[name]
    registry = load_registry([EntryPoint(name, place, GROUP), GOOD])
    assert list(registry.adapters) == ["readahead"]
    assert why in registry.broken[name]
    with pytest.raises(UnknownAdapter, match="broken"):
        registry.get(name)


def test_an_unknown_adapter_lists_those_that_are_there() -> None:
    registry = load_registry([GOOD])
    assert registry.get("readahead").name == "readahead"
    with pytest.raises(UnknownAdapter, match="installed: readahead"):
        registry.get("writeback")


def test_the_adapters_of_this_project_are_installed() -> None:
    registry = load_registry()
    assert {"readahead", "iosched"} <= set(registry.adapters)
    assert registry.broken == {}
