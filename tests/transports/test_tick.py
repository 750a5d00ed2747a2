"""Values of one sample: its own cells over what all samples of a tick share."""

from __future__ import annotations

import pytest

from mlproxy.transports.tick import CELL_NAMES, NO_CELLS, Tick, Values

CELLS = (7, None, *NO_CELLS[2:])


def test_own_cells_come_first_and_then_the_first_layer_that_knows() -> None:
    found = Values(CELLS, ({"host.a": 1.0}, {"host.a": 2.0, "vm.b": 3.0}))
    assert dict(found) == {CELL_NAMES[0]: 7, "host.a": 1.0, "vm.b": 3.0}
    assert len(found) == 3
    assert found.get("vm.c") is None
    with pytest.raises(KeyError, match="read_merges"):
        found[CELL_NAMES[1]]


def test_a_sample_has_the_layers_of_its_level_and_its_own_trace() -> None:
    tick = Tick(
        5,
        {"one": CELLS, "two": CELLS},
        {"one": "bdi", "two": "disk"},
        {"bdi": ({"host.a": 1.0},), "disk": ({"host.a": 2.0},)},
        lambda proxy_id: {"trace.reads": float(len(proxy_id))},
    )
    assert list(tick) == ["one", "two"]
    assert tick["one"].taken_ns == 5
    assert [tick[name].values["host.a"] for name in tick] == [1.0, 2.0]
    assert tick["one"].values["trace.reads"] == 3.0
