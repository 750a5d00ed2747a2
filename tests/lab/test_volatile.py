"""The volatile write cache, against a plain model of it."""

from __future__ import annotations

import tempfile

from hypothesis import given
from hypothesis import strategies as st

from mlproxy.lab.volatile import Store

SIZE = 64 * 1024
writes = st.tuples(st.integers(0, SIZE - 1), st.binary(min_size=1, max_size=9000))


@given(st.lists(writes | st.none(), max_size=20), st.booleans())
def test_a_power_cut_returns_to_the_last_flush(
    steps: list[tuple[int, bytes] | None], volatile: bool
) -> None:
    with tempfile.TemporaryFile() as file:
        file.truncate(SIZE)
        store = Store(file.fileno(), volatile=volatile)
        current = flushed = bytes(SIZE)
        for step in steps:
            if step is None:
                store.flush()
                flushed = current
            else:
                offset, data = step[0], step[1][: SIZE - step[0]]
                store.write(offset, memoryview(data))
                current = current[:offset] + data + current[offset + len(data) :]
        assert store.read(0, SIZE) == current
        store.cut_power()
        assert store.read(0, SIZE) == (flushed if volatile else current)


def test_without_power_writes_go_nowhere() -> None:
    with tempfile.TemporaryFile() as file:
        file.truncate(SIZE)
        store = Store(file.fileno())
        store.cut_power()
        store.write(0, memoryview(b"lost"))
        store.restore_power()
        assert store.read(0, 4) == bytes(4)
        store.write(0, memoryview(b"kept"))
        assert store.read(0, 4) == b"kept"


def test_switching_the_cache_off_is_a_flush() -> None:
    with tempfile.TemporaryFile() as file:
        file.truncate(SIZE)
        store = Store(file.fileno(), volatile=True)
        store.write(0, memoryview(b"kept"))
        store.set_volatile(False)
        assert store.cut_power() == 0
        assert store.read(0, 4) == b"kept"
