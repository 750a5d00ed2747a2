"""The trust store: what was earned outlives a restart, what is doubtful does not."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from mlproxy.mode import Mode
from mlproxy.proxy import Identity, Proxy
from mlproxy.trust import Key, Regression, Trust, TrustStore, identity_key

UP = Key("readahead:wwid-1", "a" * 64, "read_ahead_kb", "up")
DOWN = Key(UP.proxy, UP.model, UP.knob, "down")
EARNED = Trust(Mode.COLLABORATION, k=1, pairs=17, gain=0.25)


class Clock:
    """A wall clock that a test sets."""

    def __init__(self, now_s: float) -> None:
        self.now_s = now_s

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "trust.json"


def test_an_absent_file_is_an_empty_store_without_a_word(path: Path) -> None:
    store = TrustStore.load(path)
    assert (store.get(UP), store.problem, path.exists()) == (None, "", False)


def test_trust_is_kept_across_a_restart_for_its_direction_alone(path: Path) -> None:
    TrustStore.load(path).put(UP, EARNED)
    again = TrustStore.load(path)
    assert again.get(UP) == EARNED
    assert again.get(UP).mode is Mode.COLLABORATION  # type: ignore[union-attr]
    assert again.get(DOWN) is None
    assert path.stat().st_mode & 0o777 == 0o600
    assert [item.name for item in path.parent.iterdir()] == ["trust.json"]


def test_another_model_has_earned_nothing_and_takes_the_place(path: Path) -> None:
    store = TrustStore.load(path)
    store.put(UP, EARNED)
    other = Key(UP.proxy, "b" * 64, UP.knob, "down")
    assert store.get(other) is None
    store.put(other, Trust())
    assert store.get(UP) is None
    assert TrustStore.load(path).get(UP) is None


def test_other_proxies_and_knobs_keep_theirs(path: Path) -> None:
    store = TrustStore.load(path)
    for key in (UP, Key("other", UP.model, UP.knob, "up"), Key(UP.proxy, UP.model, "wbt", "up")):
        store.put(key, EARNED)
    store.put(Key(UP.proxy, "b" * 64, UP.knob, "up"), Trust())
    assert store.get(Key("other", UP.model, UP.knob, "up")) == EARNED
    assert store.get(Key(UP.proxy, UP.model, "wbt", "up")) == EARNED


def test_a_regression_loses_the_trust_and_is_remembered(path: Path) -> None:
    clock = Clock(1000.0)
    store = TrustStore.load(path, clock)
    store.put(UP, EARNED)
    store.put(DOWN, EARNED)
    assert store.regress(UP, 8192, -0.5) == 600
    clock.now_s += 100
    again = TrustStore.load(path, clock)
    assert (again.get(UP), again.get(DOWN)) == (Trust(Mode.LEARNING, k=2), EARNED)
    assert again.regressions(UP.proxy, UP.knob) == (Regression(8192, "up", -0.5, 500.0),)
    assert again.regressions(UP.proxy, "other") == again.regressions("other", UP.knob) == ()


def test_each_regression_raises_the_bar_for_the_next_trial(path: Path) -> None:
    store = TrustStore.load(path)
    for value in (512, 2048, 8192):
        store.regress(UP, value, -0.1)
    assert TrustStore.load(path).get(UP) == Trust(Mode.LEARNING, k=3)


def test_a_regression_is_forgotten_and_doubles_when_it_happens_again(path: Path) -> None:
    clock = Clock(1000.0)
    store = TrustStore.load(path, clock)
    store.regress(UP, "bfq", -0.1)
    clock.now_s += 600
    assert store.regressions(UP.proxy, UP.knob) == ()
    assert [store.regress(UP, "bfq", -0.1) for _ in range(9)] == [
        min(600 * 2**n, 86_400) for n in range(1, 10)
    ]
    assert store.regress(UP, "kyber", -0.1) == 600
    clock.now_s += 3 * 86_400
    assert store.regress(UP, "bfq", -0.1) == 600


def test_a_clock_that_was_set_does_not_make_a_regression_immortal(path: Path) -> None:
    clock = Clock(4_000_000_000.0)
    store = TrustStore.load(path, clock)
    store.regress(UP, 8192, -0.5)
    clock.now_s = 1_800_000_000.0
    assert store.regressions(UP.proxy, UP.knob) == ()


GOOD_KEY = {"proxy": "p", "model": "m", "knob": "k", "direction": "up"}
BAD_REGRESSION = {
    "proxy": "p",
    "knob": "k",
    "value": [1],
    "direction": "up",
    "gain": 0,
    "when_s": 0,
    "times": 1,
}
ENDLESS = {**BAD_REGRESSION, "value": 1, "times": math.inf}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        "{}",
        '{"version": 99, "trust": [], "regressions": []}',
        '{"version": 1, "trust": 3, "regressions": []}',
        '{"version": 1, "trust": ["x"], "regressions": []}',
        json.dumps({"version": 1, "trust": [{"key": GOOD_KEY, "trust": {"mode": "god"}}]}),
        json.dumps({"version": 1, "trust": [{"key": GOOD_KEY, "trust": {"rank": 3}}]}),
        json.dumps({"version": 1, "trust": [{"key": GOOD_KEY, "trust": {}}], "regressions": [{}]}),
        json.dumps({"version": 1, "trust": [], "regressions": [BAD_REGRESSION]}),
        json.dumps({"version": 1, "trust": [{"key": GOOD_KEY, "trust": {"k": math.inf}}]}),
        json.dumps({"version": 1, "trust": [], "regressions": [ENDLESS]}),
        "\x00\xff" * 50,
        "[" * 100_000,
    ],
)
def test_a_corrupt_file_is_no_trust_and_says_so(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True)
    path.write_text(text)
    path.chmod(0o600)
    store = TrustStore.load(path)
    assert store.problem.startswith(f"no trust is assumed: {path}: ")
    assert "\n" not in store.problem
    assert store.get(Key(**GOOD_KEY)) is None
    store.put(UP, EARNED)
    assert TrustStore.load(path).get(UP) == EARNED


def test_a_file_that_others_can_write_is_no_trust(path: Path) -> None:
    TrustStore.load(path).put(UP, EARNED)
    path.chmod(0o666)
    store = TrustStore.load(path)
    assert store.get(UP) is None
    assert "0666" in store.problem


def test_a_store_that_cannot_be_written_says_so_and_goes_on(tmp_path: Path) -> None:
    (tmp_path / "trust.json").mkdir()
    store = TrustStore(tmp_path / "trust.json")
    store.put(UP, EARNED)
    assert store.get(UP) == EARNED
    assert "not kept for the next start" in store.problem


def proxy(identity: Identity) -> Proxy:
    return Proxy("readahead.7:0", "readahead", "loop0", "stock", "", identity, {})


def test_a_device_that_names_itself_is_known_after_a_reboot() -> None:
    one = proxy(Identity("boot-1", "8:0", "5", "wwid-1"))
    other = proxy(Identity("boot-2", "8:16", "9", "wwid-1"))
    assert identity_key(one) == identity_key(other) == "readahead:wwid-1"


def test_a_nameless_device_is_another_one_after_a_reboot_or_a_new_disk() -> None:
    identities = [
        Identity("b1", "7:0", "5"),
        Identity("b2", "7:0", "5"),
        Identity("b1", "7:0", "6"),
    ]
    assert len({identity_key(proxy(identity)) for identity in identities}) == 3
