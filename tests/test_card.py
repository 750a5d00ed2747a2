"""The model card says what the model is, and the same model has the same card."""

from __future__ import annotations

from pathlib import Path

from mlproxy.card import CARD
from mlproxy.manifest import MODEL, digest_of, load_manifest
from mlproxy.training import train
from tests.surrogate import ADAPTER, make_records


def test_a_card_is_written_beside_the_manifest(tmp_path: Path) -> None:
    named = [r for r in make_records() if r.group.startswith(("device0", "device1", "device2"))]
    manifest = train(ADAPTER, named, tmp_path / "a", seed=7)
    card = (tmp_path / "a" / CARD).read_text()
    assert manifest.data_sha256 in card
    assert digest_of(tmp_path / "a" / MODEL) in card
    assert "mlproxy train readahead ROWS... -o DIR --seed 7" in card
    low, high = manifest.ranges["read_wait_ms"]
    assert f"| `read_wait_ms` | ms | {low:g} to {high:g} |  | time a read request took |" in card
    assert "| `run_kb` | KiB | never seen | optional |" in card
    assert "4, 16, 32, 64, 128, 512, 2048, 8192" in card
    for name, value in manifest.metrics.items():
        assert f"| {name} | {value:g} |" in card
    train(ADAPTER, named, tmp_path / "b", seed=7)
    assert (tmp_path / "b" / CARD).read_text() == card
    assert load_manifest(tmp_path / "a", ADAPTER) == manifest


def test_families_have_numbers_of_their_own(tmp_path: Path) -> None:
    from dataclasses import replace

    named = [replace(r, family=r.group.partition("/")[2]) for r in make_records()]
    manifest = train(ADAPTER, named, tmp_path / "m")
    assert set(manifest.families) == {"random", "sequential"}
    for found in manifest.families.values():
        assert 0.0 <= found["bound_holds"] <= 1.0
        assert found["rows"] == 10 * 8 * 3 * 7
    card = (tmp_path / "m" / CARD).read_text()
    assert "| sequential |" in card
