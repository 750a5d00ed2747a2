"""Links of a recorded tree."""

from __future__ import annotations

from pathlib import Path

from mlproxy.links import follow, resolve


def test_a_circle_leads_nowhere(tmp_path: Path) -> None:
    (tmp_path / "one").symlink_to("two")
    (tmp_path / "two").symlink_to("one")
    assert resolve(str(tmp_path), "one/size", {}) is None
    assert follow(str(tmp_path), "one")[0] is None


def test_every_link_on_the_way_is_told(tmp_path: Path) -> None:
    (tmp_path / "devices/sda/sda2").mkdir(parents=True)
    (tmp_path / "block").mkdir()
    (tmp_path / "block/sda").symlink_to("../devices/sda")
    (tmp_path / "devices/sda/sda2/disk").symlink_to("/block/sda")
    real, links = follow(str(tmp_path), "block/sda/sda2/disk/size")
    assert real == "devices/sda/size"
    assert links == {"block/sda": "../devices/sda", "devices/sda/sda2/disk": "/block/sda"}


def test_parents_stop_at_the_base(tmp_path: Path) -> None:
    assert follow(str(tmp_path), "../../etc/../b")[0] == "b"
    (tmp_path / "b").write_text("inside")
    found = resolve(str(tmp_path), "a/../../b", {})
    assert found is not None
    assert Path(found).read_text() == "inside"
