"""Parsers of the kernel's text files."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlproxy.parse import (
    DISK_FIELDS,
    Mount,
    parse_choice,
    parse_disk_line,
    parse_diskstats,
    parse_inflight,
    parse_int,
    parse_mountinfo,
    parse_pressure,
    parse_vmstat,
)

LINE = " 254       0 vda 32639 10067 3039074 7464 11393 18193 1614368 4566 3 4344 12350"
DISCARD = " 4644 42 142456 247"
FLUSH = " 1836 72"
LINES = st.lists(
    st.lists(
        st.sampled_from(
            ["some", "full", "avg10=0.1", "total=", "total=x=1", "-", "[", "7", "\\400"]
        )
        | st.text(max_size=6),
        max_size=20,
    ).map(" ".join)
).map("\n".join)


@pytest.mark.parametrize(
    "parse",
    [
        parse_choice,
        parse_disk_line,
        parse_diskstats,
        parse_inflight,
        parse_int,
        parse_mountinfo,
        parse_pressure,
        parse_vmstat,
    ],
)
@given(text=st.text() | LINES)
def test_no_text_makes_a_parser_raise(parse: Callable[[str], object], text: str) -> None:
    parse(text)


@given(row=st.lists(st.integers(0, 2**64 - 1), min_size=11, max_size=17))
def test_a_disk_line_keeps_every_number(row: list[int]) -> None:
    line = "   8       1 sda1 " + " ".join(map(str, row))
    assert parse_disk_line(line) == ("8:1", tuple(row))


@pytest.mark.parametrize(
    ("line", "fields"), [(LINE, 11), (LINE + DISCARD, 15), (LINE + DISCARD + FLUSH, 17)]
)
def test_older_kernels_have_shorter_lines(line: str, fields: int) -> None:
    found = parse_diskstats(line)["254:0"]
    assert len(found) == fields
    assert dict(zip(DISK_FIELDS, found, strict=False))["in_flight"] == 3


def test_fields_of_a_later_kernel_are_left_out() -> None:
    found = parse_disk_line(LINE + DISCARD + FLUSH + " 99 98")
    assert found is not None
    assert dict(zip(DISK_FIELDS, found[1], strict=True))["flush_ticks_ms"] == 72


def test_a_broken_line_does_not_take_the_others_along() -> None:
    text = f"   8       0 sda 1 2 x\n{LINE}\n   8       1 sda1 1 2\n"
    assert list(parse_diskstats(text)) == ["254:0"]


@pytest.mark.parametrize(
    ("text", "current", "choices"),
    [
        ("none [mq-deadline] kyber bfq \n", "mq-deadline", ("none", "mq-deadline", "kyber", "bfq")),
        ("[none]\n", "none", ("none",)),
        ("none\n", "none", ("none",)),
        ("none mq-deadline\n", None, ("none", "mq-deadline")),
        ("", None, ()),
        (None, None, ()),
    ],
)
def test_choices(text: str | None, current: str | None, choices: tuple[str, ...]) -> None:
    assert parse_choice(text) == (current, choices)


@pytest.mark.parametrize(
    ("text", "number"), [("128\n", 128), ("-1\n", -1), ("", None), (None, None), ("off", None)]
)
def test_integers(text: str | None, number: int | None) -> None:
    assert parse_int(text) == number


def test_vmstat() -> None:
    assert parse_vmstat("pgmajfault 12\nodd\nnr_dirty x\npgpgin 7\n") == {
        "pgmajfault": 12,
        "pgpgin": 7,
    }


def test_pressure() -> None:
    text = "some avg10=1.50 avg60=0.41 avg300=0.17 total=4525006\nfull avg10=0.00 total=12\n"
    assert parse_pressure(text) == {
        "some_avg10": 1.5,
        "some_us": 4525006.0,
        "full_avg10": 0.0,
        "full_us": 12.0,
    }


def test_pressure_without_full_leaves_it_out() -> None:
    assert parse_pressure("some avg10=0.00 total=3\n") == {"some_avg10": 0.0, "some_us": 3.0}


def test_mountinfo() -> None:
    text = (
        "36 35 98:0 /sub /mnt/a\\040b\\134c rw,noatime master:1 shared:7 - ext4 /dev/root rw\n"
        "37 35 0:39 / /pool rw - btrfs /dev/loop0 rw,subvol=/\n"
        "38 35 0:40 / /half rw\n"
    )
    assert parse_mountinfo(text) == [
        Mount("98:0", "/sub", "/mnt/a b\\c", "ext4", "/dev/root"),
        Mount("0:39", "/", "/pool", "btrfs", "/dev/loop0"),
    ]


def test_a_mount_point_may_hold_other_spaces() -> None:
    [mount] = parse_mountinfo("36 35 8:1 / /mnt/a\u00a0b\u2028c rw - ext4 /dev/sda1 rw")
    assert mount.point == "/mnt/a\u00a0b\u2028c"


@pytest.mark.parametrize(
    ("text", "flight"), [("       3        1\n", (3, 1)), ("3", None), ("a b", None), (None, None)]
)
def test_inflight(text: str | None, flight: tuple[int, int] | None) -> None:
    assert parse_inflight(text) == flight
