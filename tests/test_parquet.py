"""Records as Parquet: the same records come back, and what was made for others is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from mlproxy.dataset import Record
from mlproxy.errors import ConfigError
from mlproxy.manifest import MODEL, digest_of
from mlproxy.parquet import KEY, read_parquet, write_parquet, write_parts
from mlproxy.training import train
from mlproxy_iosched import IoschedAdapter
from tests.recorded import of_device, recorded
from tests.surrogate import ADAPTER, make_records

pq = pytest.importorskip("pyarrow.parquet")

RECORDS = make_records()[:32]


def test_the_same_records_come_back(tmp_path: Path) -> None:
    odd = [
        replace(RECORDS[0], family="f", variance=0.25, weight=3.0),
        replace(RECORDS[1], windows=()),
        *RECORDS[2:],
    ]
    write_parquet(ADAPTER, odd, tmp_path / "a.parquet")
    assert read_parquet(ADAPTER, tmp_path / "a.parquet") == odd


@pytest.mark.parametrize("name", ["readahead", "iosched", "writeback"])
def test_real_rows_come_back_with_words_and_missing_features(tmp_path: Path, name: str) -> None:
    from mlproxy.registry import load_registry

    adapter, records = load_registry().get(name), list(recorded(name))[:60]
    write_parquet(adapter, records, tmp_path / "a.parquet")
    assert read_parquet(adapter, tmp_path / "a.parquet") == records


def test_the_file_says_what_its_columns_are(tmp_path: Path) -> None:
    write_parquet(ADAPTER, RECORDS, tmp_path / "a.parquet")
    schema = pq.read_schema(tmp_path / "a.parquet")
    about = json.loads(schema.metadata[KEY])
    assert about["fingerprint"] == ADAPTER.schema.fingerprint()
    assert {"name": "read_wait_ms", "unit": "ms"} in about["features"]
    assert schema.field("feature.read_wait_ms").metadata[b"unit"] == b"ms"
    assert schema.field("setting.read_ahead_kb").metadata[b"unit"] == b"KiB"


def test_another_fingerprint_is_one_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    write_parquet(ADAPTER, RECORDS, path)
    table = pq.read_table(path)
    about = json.loads(table.schema.metadata[KEY]) | {"fingerprint": "0123456789ab"}
    pq.write_table(table.replace_schema_metadata({KEY: json.dumps(about)}), path)
    wanted = ADAPTER.schema.fingerprint()
    with pytest.raises(ConfigError, match=f"fingerprint is 0123456789ab, needed is {wanted}"):
        read_parquet(ADAPTER, path)
    assert ConfigError.exit_code == 2


def test_what_is_of_others_or_no_parquet_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    write_parquet(ADAPTER, RECORDS, path)
    with pytest.raises(ConfigError, match="adapter is readahead, needed is iosched"):
        read_parquet(IoschedAdapter(), path)
    pq.write_table(pq.read_table(path).replace_schema_metadata({}), path)
    with pytest.raises(ConfigError, match="names no features"):
        read_parquet(ADAPTER, path)
    path.write_bytes(b"PAR1 not at all")
    with pytest.raises(ConfigError, match=r"a\.parquet: cannot be read"):
        read_parquet(ADAPTER, path)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_parquet(ADAPTER, tmp_path / "absent.parquet")


def test_parts_never_share_a_group(tmp_path: Path) -> None:
    records = make_records()
    write_parts(ADAPTER, records, tmp_path, 3)
    files = sorted(tmp_path.glob("part-*.parquet"))
    groups = [{record.group for record in read_parquet(ADAPTER, path)} for path in files]
    assert len(files) == 3
    assert sum(map(len, groups)) == len(set.union(*groups)) == 20


def test_a_model_does_not_depend_on_the_form_of_its_rows(tmp_path: Path) -> None:
    records: list[Record] = of_device("ssd-5ms", every=8)
    write_parquet(ADAPTER, records, tmp_path / "a.parquet")
    again = read_parquet(ADAPTER, tmp_path / "a.parquet")
    one = train(ADAPTER, records, tmp_path / "one")
    two = train(ADAPTER, again, tmp_path / "two")
    assert one == two
    assert digest_of(tmp_path / "one" / MODEL) == digest_of(tmp_path / "two" / MODEL)
