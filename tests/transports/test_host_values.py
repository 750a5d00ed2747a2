"""Values of the host: what is asked for is parsed, and is what a parse of the whole gives."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlproxy.parse import parse_pressure, parse_vmstat
from mlproxy.transports.host_values import HostValues

VMSTAT = "nr_free_pages 10\npgmajfault 7\npgmajfault_x 8\nworkingset_refault_file 0\n"
PRESSURE = (
    "some avg10=1.50 avg60=0.00 avg300=0.00 total=120\n"
    "full avg10=0.25 avg60=0.00 avg300=0.00 total=60\n"
)

LINES = st.tuples(
    st.sampled_from(["nr_a", "nr_ab", "b_nr_a", "a"]),
    st.sampled_from(["0", "17", "18446744073709551615"]),
)


def test_counters_and_stalls_have_their_names() -> None:
    found = HostValues(VMSTAT, {"io": PRESSURE})
    assert found["vm.nr_free_pages"] == 10
    assert found["vm.pgmajfault"] == 7
    assert found["vm.workingset_refault_file"] == 0
    assert found["psi.io.some_us"] == 120
    assert found["psi.io.full_avg10"] == 0.25
    assert len(found) == 8


@pytest.mark.parametrize("name", ["vm.pgmaj", "vm.", "vm.10", "psi.cpu.some_us", "psi.io", "x", ""])
def test_what_is_not_there_is_missing(name: str) -> None:
    found = HostValues(VMSTAT, {"io": PRESSURE})
    assert found.get(name) is None
    assert found.get(name) is None, "nor the second time"
    assert name not in found


@given(st.lists(LINES, max_size=6))
def test_each_value_is_that_of_a_parse_of_the_whole(lines: list[tuple[str, str]]) -> None:
    text = "".join(f"{name} {value}\n" for name, value in lines)
    whole = {f"vm.{key}": value for key, value in parse_vmstat(text).items()}
    assert dict(HostValues(text, {})) == whole


def test_a_line_that_is_no_counter_is_missing() -> None:
    found = HostValues("nr_a x\nnr_b\nnr_c 3\n", {})
    assert dict(found) == {"vm.nr_c": 3}
    assert found.get("vm.nr_a") is found.get("vm.nr_b") is None


@given(st.text(alphabet="smefulo avg10=total.\n0123", max_size=60))
def test_no_text_is_an_error(text: str) -> None:
    found = HostValues(text, {"io": text})
    whole = {f"psi.io.{key}": value for key, value in parse_pressure(text).items()}
    assert {name: found.get(name) for name in whole} == whole
    assert found.get("vm.some") in (None, parse_vmstat(text).get("some"))
