"""What a person sees on a patched kernel; the tree was recorded on one."""

from __future__ import annotations

import json

from tests.cli.conftest import TREES, Command

TREE = TREES.parent / "kernel/lab-random"


def test_probe_names_the_transport_and_who_judges(mlproxy: Command) -> None:
    ended = mlproxy("probe", "--root", TREE, "--json")
    found = {proxy["adapter"]: proxy for proxy in json.loads(ended.out)["proxies"]}
    assert found["readahead"]["transport"] == "kernel"
    assert found["readahead"]["progress"] == "the kernel's own trial"
    assert found["readahead"]["knobs"][0]["takes_effect"] == "at once"
    assert found["iosched"]["transport"] == "stock"


def test_the_tables_name_it_too(mlproxy: Command) -> None:
    probed = mlproxy("probe", "--root", TREE, "--devices", "lab")
    assert "(kernel)" in probed.out
    assert "transport: kernel, stock" in probed.out
    assert "readahead: read_ahead_kb takes effect for files opened" not in probed.out
    dry = mlproxy("apply", "--dry-run", "--root", TREE)
    assert (dry.code, "(kernel)" in dry.out) == (0, True)
    assert "`mlproxy run` recommends to the kernel, which reaches open files" in dry.out


def test_a_dry_run_tells_how_run_would_reach_each(mlproxy: Command) -> None:
    found = json.loads(mlproxy("apply", "--dry-run", "--root", TREE, "--json").out)
    transports = {each["adapter"]: each["transport"] for each in found["findings"]}
    assert transports == {"readahead": "kernel", "iosched": "stock"}
