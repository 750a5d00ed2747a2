from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from mlproxy.adapter import Adapter
from mlproxy.errors import NotPermitted, PolicyError
from mlproxy.policy_file import default_policy, load_policies, load_policy, parse_policies

GOOD = """\
# Readahead, small windows.
apiVersion: mlproxy/v1
adapter: readahead
knobs:
  read_ahead_kb: {min: 4, max: 64}
"""
SECOND = "---\napiVersion: mlproxy/v1\nadapter: iosched\nknobs: {nr_requests: {min: 8}}\n"


@pytest.fixture
def policy_path(tmp_path: Path) -> Path:
    tmp_path.chmod(0o755)
    path = tmp_path / "policy.yaml"
    path.write_text(GOOD)
    path.chmod(0o644)
    return path


def test_a_policy_knows_where_each_value_was_read(policy_path: Path) -> None:
    policy = load_policy(policy_path)
    assert (policy.source, policy.line) == (policy_path, 2)
    assert policy.where("knobs", "read_ahead_kb", "max") == f"{policy_path}:5"
    assert policy.where("adapter") == f"{policy_path}:3"
    assert policy.where("gate", "dwell") == f"{policy_path}:2"


def test_each_document_is_a_policy_with_its_own_lines(policy_path: Path) -> None:
    policy_path.write_text(GOOD + SECOND)
    first, second = load_policies(policy_path)
    assert (first.adapter, second.adapter) == ("readahead", "iosched")
    assert (second.line, second.where("knobs", "nr_requests")) == (7, f"{policy_path}:9")


def test_one_policy_is_asked_for_and_two_are_there(policy_path: Path) -> None:
    policy_path.write_text(GOOD + SECOND)
    with pytest.raises(
        PolicyError, match=":7: document: 2 documents is not allowed: allowed is one"
    ):
        load_policy(policy_path)


def test_all_broken_rules_of_all_documents_are_named_in_order() -> None:
    text = GOOD + "mode: x\ninterval: 1\n" + SECOND + "mode: y\n"
    with pytest.raises(PolicyError) as caught:
        parse_policies(text.encode(), Path("p.yaml"))
    found = [line.split(": ")[:2] for line in str(caught.value).splitlines()]
    assert found == [["p.yaml:6", "mode"], ["p.yaml:7", "interval"], ["p.yaml:12", "mode"]]


def test_a_file_full_of_mistakes_is_not_recited() -> None:
    text = GOOD + "".join(f"k{n}: 1\n" for n in range(30))
    with pytest.raises(PolicyError) as caught:
        parse_policies(text.encode(), Path("p.yaml"))
    lines = str(caught.value).splitlines()
    assert len(lines) == 21
    assert lines[19].startswith("p.yaml:25: k19: ")
    assert lines[20] == "p.yaml: 10 more broken rules"


@pytest.mark.parametrize(
    ("data", "start"),
    [
        (b"", "p.yaml:1: document: an empty file is not allowed: allowed is a mapping with api"),
        (b"# a note\n", "p.yaml:1: document: an empty file"),
        (b"- a\n", "p.yaml:1: document: value ['a'] is not allowed: allowed is a mapping with"),
        (b"text\n", "p.yaml:1: document: value 'text' is not allowed: allowed is a mapping"),
        (b"\n---\n", "p.yaml:3: document: value '' is not allowed: allowed is a mapping with"),
        (b"a: 1\nb: \xff\n", "p.yaml:2: file: byte 0xff is not allowed: allowed is text in UTF-8"),
        (b"#" * 65537, "p.yaml:1: file: a size above 64 KiB is not allowed: allowed is at most"),
        (GOOD.encode() + b"adapter: b\n", "p.yaml:6: adapter: repeated key 'adapter'"),
        (GOOD.encode() + b"<<: {mode: x}\n", "p.yaml:6: <<: key '<<' is not allowed"),
        (GOOD.encode() + b"mode: 'a\n  b'\n", "p.yaml:6: mode: value 'a b' is not allowed"),
        (GOOD.encode() + b"match: {devices: [*]}\n", "p.yaml:6: yaml: "),
    ],
)
def test_a_document_that_is_no_policy_is_refused(data: bytes, start: str) -> None:
    with pytest.raises(PolicyError) as caught:
        parse_policies(data, Path("p.yaml"))
    assert str(caught.value).startswith(start)


def test_a_byte_order_mark_and_64_kib_are_allowed() -> None:
    data = b"\xef\xbb\xbf" + GOOD.encode()
    data += b"#" * (65536 - len(data))
    assert parse_policies(data, Path("p.yaml"))[0].adapter == "readahead"


def test_what_is_not_a_file_is_refused(policy_path: Path) -> None:
    with pytest.raises(PolicyError, match="not a regular file"):
        load_policy(policy_path.parent)
    with pytest.raises(PolicyError, match="cannot be read: No such file"):
        load_policy(policy_path.parent / "absent.yaml")
    with pytest.raises(PolicyError, match="cannot be read: "):
        load_policy(Path("nul\0.yaml"))
    fifo = policy_path.parent / "fifo"
    os.mkfifo(fifo)
    with pytest.raises(PolicyError, match="not a regular file"):
        load_policy(fifo)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_that_may_not_be_read_is_refused(policy_path: Path) -> None:
    policy_path.chmod(0o000)
    with pytest.raises(NotPermitted, match="may not read it"):
        load_policy(policy_path)


def test_a_file_that_others_can_write_is_refused(policy_path: Path) -> None:
    policy_path.chmod(0o646)
    with pytest.raises(NotPermitted, match="chmod go-w"):
        load_policy(policy_path)


def test_an_adapter_ships_its_policy(policy_path: Path) -> None:
    adapter = cast(Adapter, SimpleNamespace(home=lambda: policy_path.parent))
    assert default_policy(adapter).source == policy_path


PIECES = """apiVersion mlproxy/v1 adapter knobs read_ahead_kb min max allow match devices gate
objective file command prometheus url metric psi /a 1s 5% 8x 4 -1 .nan .inf true null http://[ mode
learning lease : - , [ ] { } # & * ! | > ' " % ? a"""
WORDS = st.sampled_from([*PIECES.split(), " ", "\t", "\n", ": ", "- ", "---\n"])
KEY_NAMES = """match devices exclude knobs min max max_step allow gate dwell min_gain confidence
objective command prometheus url metric interval lease start mode trial slot seed a"""
KEYS = st.sampled_from(KEY_NAMES.split())
LEAVES = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8))
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


def refusal(data: bytes) -> str | None:
    """The message of the PolicyError, None when the policy is taken."""
    try:
        parse_policies(data, Path("p.yaml"))
    except PolicyError as error:
        return str(error)
    return None


@given(st.one_of(st.binary(max_size=80), st.lists(WORDS, max_size=30).map("".join).map(str.encode)))
@example(b'"\\UFFFFFFFF"')
def test_whatever_is_written_is_a_policy_or_a_policy_error(data: bytes) -> None:
    for line in (refusal(data) or "").splitlines():
        assert line.startswith("p.yaml:")
        assert " is not allowed: allowed is " in line


@given(st.dictionaries(KEYS, VALUES, max_size=6))
def test_whatever_the_values_only_policy_errors_come_out(values: dict[str, object]) -> None:
    text = GOOD + (yaml.safe_dump(values, allow_unicode=True) if values else "")
    for line in (refusal(text.encode()) or "").splitlines():
        assert line.startswith("p.yaml:")
        assert " is not allowed: allowed is " in line
