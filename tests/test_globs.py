from __future__ import annotations

from fnmatch import fnmatchcase
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlproxy.globs import covers, share_a_name

GLOBS = st.lists(st.sampled_from(["a", "b", "*", "?", "[ab]", "[!a]"]), max_size=4).map("".join)
NAMES = ["".join(letters) for size in range(5) for letters in product("abc", repeat=size)]


@pytest.mark.parametrize(
    ("first", "second", "share"),
    [
        ("*", "sda", True),
        ("sd*", "nvme*", False),
        ("sd*", "sda", True),
        ("sd?", "sda1", False),
        ("*1", "sd*", True),
        ("sd[ab]", "sdc", False),
        ("sd[!a]", "sdb", True),
        ("a*c", "ab*", True),
        ("", "*", True),
        ("", "?", False),
        ("]a[", "]a[", True),
    ],
)
def test_two_globs_share_a_name(first: str, second: str, share: bool) -> None:
    assert share_a_name(first, second) is share
    assert share_a_name(second, first) is share


@given(GLOBS, GLOBS)
def test_a_shared_name_is_never_missed(first: str, second: str) -> None:
    shared = any(fnmatchcase(name, first) and fnmatchcase(name, second) for name in NAMES)
    assert share_a_name(first, second) or not shared
    if "[" not in first + second:
        assert share_a_name(first, second) is shared


@given(GLOBS, GLOBS)
def test_cover_is_only_claimed_where_it_holds(wide: str, narrow: str) -> None:
    if covers(wide, narrow):
        assert all(fnmatchcase(name, wide) for name in NAMES if fnmatchcase(name, narrow))


@pytest.mark.parametrize(
    ("wide", "narrow"), [("nvme*", "nvme*"), ("nvme*", "nvme?n1"), ("*", "sd?"), ("sda", "sda")]
)
def test_plain_cases_of_cover_are_seen(wide: str, narrow: str) -> None:
    assert covers(wide, narrow)


@pytest.mark.parametrize(
    ("wide", "narrow"), [("*a*", "x[ab]"), ("a?", "a*"), ("sd*", "*"), ("[ab]", "[ab]")]
)
def test_cover_is_not_claimed_on_looks(wide: str, narrow: str) -> None:
    assert not covers(wide, narrow)


def test_many_stars_take_no_time() -> None:
    assert not share_a_name("*a" * 100 + "x", "*a" * 100 + "y")
