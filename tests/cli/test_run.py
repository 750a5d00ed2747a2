"""The agent as `mlproxy run` builds it, on a small machine whose clock is ours."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mlproxy.cli.agent import built_agent
from mlproxy.cli.session import Session, open_session
from mlproxy.cli.spoken import Spoken
from mlproxy.errors import Busy
from mlproxy.status import read_status
from mlproxy.transports.stock import StockTransport
from mlproxy.tree import Tree
from tests.cli.conftest import Command

KNOB = "sys/class/bdi/7:0/read_ahead_kb"
NS = 1_000_000_000


class Moving(Tree):
    """A flat tree in which loop0 reads 400 times a second of our own clock."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.clock_ns = 100 * NS
        self.seen: list[str] = []
        self._rest = (root / "proc/diskstats").read_text()

    def now_ns(self) -> int:
        """Our clock."""
        return self.clock_ns

    def wait(self, seconds: float) -> bool:
        """Time passes and loop0 reads."""
        self.clock_ns += round(max(seconds, 0.001) * NS)
        reads = 400 * self.clock_ns // NS
        rest = "".join(line for line in self._rest.splitlines(True) if " loop0 " not in line)
        mine = f"   7 0 loop0 {reads} 0 {reads * 8} {reads * 2} 0 0 0 0 0 {reads} {reads * 2}\n"
        (self.root / "proc/diskstats").write_text(mine + rest)
        self.seen.append((self.root / KNOB).read_text().strip())
        return True


@pytest.fixture
def session(opinion: Path, tree: Path, tmp_path: Path) -> Session:
    """Policy: act at once, in full (trust: model), on loop0."""
    machine = tmp_path / "machine"
    shutil.copytree(tree / "000", machine, symlinks=True)
    opinion.write_text(opinion.read_text() + "start: recommendation\ntrust: model\n")
    found = open_session(machine, [opinion])
    moving = Moving(machine)
    return Session(
        moving,
        StockTransport(moving),
        found.registry,
        found.policies,
        found.devices,
        found.proxies,
        found.skipped,
    )


@pytest.fixture
def said() -> list[str]:
    """What the agent said."""
    return []


def test_acts_then_restores(session: Session, state: Path, said: list[str]) -> None:
    tree = session.tree
    assert isinstance(tree, Moving)
    with built_agent(session, state, Spoken(state, said.append)) as agent:
        assert agent is not None
        agent.run(8)
        assert (tree.root / KNOB).read_text().strip() == "16"
        status = read_status(state)
        assert status is not None
    assert tree.seen[0] == "128"
    assert (tree.root / KNOB).read_text().strip() == "128"
    assert any("decision" in line and "apply (gain)" in line for line in said)
    assert any("change" in line and "128 to 16" in line for line in said)
    assert any("revert" in line and "restored to 128" in line for line in said)


def _gone() -> None:
    """What rich does at a broken pipe."""
    raise SystemExit(1)


def _full() -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("refuse", [_gone, _full])
def test_what_cannot_be_said_does_not_end_the_agent(
    session: Session,
    state: Path,
    refuse: Callable[[], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    tree, tried = session.tree, []
    assert isinstance(tree, Moving)

    def say(text: str) -> None:
        tried.append(text)
        refuse()

    with built_agent(session, state, Spoken(state, say)) as agent:
        assert agent is not None
        agent.run(8)
        assert (tree.root / KNOB).read_text().strip() == "16"
    assert (tree.root / KNOB).read_text().strip() == "128"
    assert len(tried) == 1
    assert capsys.readouterr().err.count("the agent goes on") == 1


def test_a_crash_inside_still_restores(session: Session, state: Path) -> None:
    def crash() -> Iterator[None]:
        with built_agent(session, state) as agent:
            assert agent is not None
            agent.run(8)
            yield
            raise RuntimeError("bug")

    running = crash()
    next(running)
    assert (session.tree.root / KNOB).read_text().strip() == "16"
    with pytest.raises(RuntimeError, match="bug"):
        next(running)
    assert (session.tree.root / KNOB).read_text().strip() == "128"


def test_second_agent_is_refused_with_the_holder(
    session: Session, state: Path, tmp_path: Path
) -> None:
    with built_agent(session, state):
        second = built_agent(session, tmp_path / "other")
        with pytest.raises(Busy, match=r"process \d+"):
            second.__enter__()


def test_nothing_to_tune_builds_no_agent(session: Session, state: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    (empty / "proc").mkdir(parents=True)
    with built_agent(open_session(empty), state) as agent:
        assert agent is None
    assert not state.exists()


def test_run_for_a_plain_user_changes_nothing(
    mlproxy: Command, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert mlproxy("run").code == 3
    assert not state.exists()
