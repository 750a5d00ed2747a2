"""A knob's text as a value, and what the kernel answers as an error."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from mlproxy.disk import Disk
from mlproxy.errors import NotPermitted, WriteRefused
from mlproxy.knob import Value
from mlproxy.knobfile import KnobFiles, ObjectView, parse_value
from tests import faults
from tests.faults import FakeKernel


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("128\n", 128),
        ("-1\n", -1),
        ("none [mq-deadline] kyber\n", "mq-deadline"),
        ("[none] mq-deadline\n", "none"),
        ("none\n", "none"),
        ("write back\n", "write back"),
        ("", ""),
    ],
)
def test_a_value_is_an_integer_or_the_chosen_word(text: str, value: Value) -> None:
    assert parse_value(text) == value


def test_the_kernels_answer_has_its_name(tmp_path: Path) -> None:
    kernel = FakeKernel(faults.make_tree(tmp_path))
    files = KnobFiles(tmp_path, kernel)
    with pytest.raises(WriteRefused, match=r"cannot write 'x' to .*scheduler: EINVAL"):
        files.write(faults.SCHEDULER, "x")
    kernel.refuse[faults.SCHEDULER] = errno.EPERM
    with pytest.raises(NotPermitted, match=r"EPERM .*needs root"):
        files.write(faults.SCHEDULER, "none")
    with pytest.raises(WriteRefused, match=r"cannot read sys/none: ENOENT"):
        files.read("sys/none")
    assert files.find("sys/none") is None


def test_a_view_reads_the_objects_files_and_its_debug_files(tmp_path: Path) -> None:
    faults.make_tree(tmp_path)
    view = ObjectView(KnobFiles(tmp_path, Disk()), "sys/block/sda")
    assert view.read("queue/nr_requests") == "64"
    assert "depth=64" in (view.debug("hctx0/tags") or "")
    assert view.read("queue/none") is None
    assert view.debug("hctx1/tags") is None
