"""Matrices: the shipped ones load, whatever is wrong is named with its line."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest

from mlproxy.errors import ConfigError, LabError
from mlproxy.lab.matrix.load import load_matrix, parse_matrix, shipped_names
from mlproxy.lab.matrix.plan import settings_of

HEAD = "apiVersion: mlproxy-bench/v1\nname: mine\n"
BLOCK = (
    "blocks:\n  - adapter: readahead\n    devices: [ssd-dilated]\n    workloads: [mmap-random-4k]\n"
)


@pytest.mark.parametrize("name", shipped_names())
def test_a_shipped_matrix_names_only_what_there_is(name: str) -> None:
    matrix = load_matrix(name)
    assert matrix.name == name
    for block in matrix.blocks:
        with suppress(LabError):  # a program that is not installed here
            assert settings_of(block, matrix.seed)


def test_the_quick_matrix_fits_ten_minutes_and_asks_what_ci_needs() -> None:
    matrix = load_matrix("quick")
    assert (matrix.asked.captured, matrix.asked.floor) == (0.8, 0.9)
    seconds = 0.0
    for block in matrix.blocks:
        pairs = len(block.devices) * len(block.workloads)
        statics = 1 + len(block.candidates) + ("tuned" in block.contenders)
        times = matrix.times_of(block)
        static_s = statics * (times.warm_s + times.counted_s + 1.5)
        agent_s = times.settle_s + times.counted_s + 4
        seconds += pairs * matrix.repeats * (static_s + agent_s)
        seconds += 25 * len(block.devices)  # a test bed and its files
    assert seconds < 600


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (HEAD + "frobnicate: 1\n" + BLOCK, "m.yaml:3: frobnicate: key 'frobnicate' is not allowed"),
        (HEAD + "repeats: 1\n" + BLOCK, "m.yaml:3: repeats: value 1 is not allowed: allowed is a"),
        (HEAD + "times: {run: 2}\n" + BLOCK, "m.yaml:3: times.run: value 2 is not allowed"),
        (
            HEAD + "times: {run: 9s, counted: 2s}\n" + BLOCK,
            "a time to be counted that is not below",
        ),
        (HEAD + BLOCK + "    walk: 3\n", "m.yaml:7: blocks[0].walk: key 'walk' is not allowed"),
        (HEAD + "blocks: [{adapter: readahead}]\n", "devices with workloads, or generated"),
        (HEAD + BLOCK + "    contenders: [magic]\n", "m.yaml:7: blocks[0].contenders[0]: value"),
        (HEAD, "blocks: no value is not allowed: allowed is a list of at least one block"),
        ("a: [", "m.yaml:1: yaml"),
        ("", "holds 0 documents"),
        (HEAD + BLOCK + "---\n" + HEAD + BLOCK, "holds 2 documents"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_matrix(text.encode(), Path("m.yaml"))
    assert said in str(caught.value)


def test_a_matrix_that_is_not_there() -> None:
    with pytest.raises(ConfigError, match=r"no matrix 'quack'; .*one of: .*quick"):
        load_matrix("quack")
    with pytest.raises(ConfigError, match=r"nowhere\.yaml: cannot be read: No such file"):
        load_matrix("nowhere.yaml")


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ("devices: [moon]\n    workloads: [mmap-random-4k]", "no device profile 'moon'"),
        ("devices: [ssd-5ms]\n    workloads: [sqlite-dance]", "no workload 'sqlite-dance'"),
    ],
)
def test_names_that_there_are_not(found: str, said: str) -> None:
    text = f"{HEAD}blocks:\n  - adapter: readahead\n    {found}\n"
    matrix = parse_matrix(text.encode(), Path("m.yaml"))
    with pytest.raises(ConfigError, match=said):
        settings_of(matrix.blocks[0], 1)
