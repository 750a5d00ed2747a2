"""The model decides, and only the model that belongs here is loaded."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mlproxy.columns import fill_rows
from mlproxy.contributions import contributions
from mlproxy.errors import ModelError
from mlproxy.manifest import MANIFEST, MODEL, digest_of
from mlproxy.model import Model, load_model
from mlproxy.verdict import Verdict
from mlproxy_iosched import IoschedAdapter
from tests.faults import READAHEAD
from tests.surrogate import ADAPTER, ask, make_records, trained, window
from tests.world import World, make_policy, make_seat


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("model") / "true"


@pytest.fixture(scope="module")
def model(folder: Path) -> Model:
    return trained(folder, make_records())


@pytest.fixture(scope="module")
def shuffled(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return trained(tmp_path_factory.mktemp("model") / "shuffled", make_records(shuffled=True))


def test_a_trained_model_recommends_what_the_device_does_best(model: Model) -> None:
    lowered = ask(model, "random").recommendation
    assert lowered.proposed in (4, 16)
    assert lowered.gain > 1
    raised = ask(model, "sequential").recommendation
    assert raised.proposed in (512, 2048, 8192)
    assert raised.lower > 0.05


@pytest.mark.parametrize("value", [16, 128, 2048])
@pytest.mark.parametrize("workload", ["random", "sequential"])
def test_trained_on_shuffled_labels_it_recommends_nothing(
    shuffled: Model, workload: str, value: int
) -> None:
    answers = [ask(shuffled, workload, value, device=device) for device in range(10)]
    answers = [a for a in answers if a.recommendation.proposed != 128]
    assert [a.recommendation.proposed for a in answers if a.recommendation.changes] == []


def test_swapping_the_model_changes_the_decision_of_the_same_agent(
    tmp_path: Path, model: Model, shuffled: Model
) -> None:
    """The same machine, policy and seed: one acts, the other finds nothing to do."""
    written = {}
    for name, chosen in {"true": model, "shuffled": shuffled}.items():
        seat = make_seat(make_policy(look={"every": "24h"}), chosen)
        world = World(tmp_path / name, seats=[seat])
        world.run(20)
        written[name] = {value for value in world.values() if value != 16}
        world.stop()
    assert written["true"] & {4, 8}
    assert not written["shuffled"] & {4, 8, 512, 2048, 8192}


def test_without_a_model_the_answer_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no model"):
        load_model(ADAPTER, str(tmp_path / "nowhere"))
    (tmp_path / "empty").mkdir(mode=0o755)
    with pytest.raises(ModelError, match="no model in"):
        load_model(ADAPTER, str(tmp_path / "empty"))
    seat = make_seat(model=None, lacks="no model: /nowhere does not exist")
    world = World(tmp_path / "world", seats=[seat])
    world.run(20)
    assert world.values() == []
    assert world.controller.verdict == Verdict("hold", "start", "nothing was seen yet")


def test_the_lower_bound_never_exceeds_the_median_and_falls_with_confidence(model: Model) -> None:
    features = ADAPTER.features(
        window("random", 128, random.Random(1)), READAHEAD, {"read_ahead_kb": 128}
    )
    candidates = [{"read_ahead_kb": value} for value in (4, 128, 8192)]
    rows = fill_rows(features.vector(), ADAPTER.knobs, {"read_ahead_kb": 128}, candidates)
    median, low = model.predict(rows, 0.8)
    _, lower = model.predict(rows, 0.95)
    assert (low <= median).all()
    assert (lower <= low).all()
    assert model.predict(rows[:0], 0.9)[0].shape == (0,)


def test_a_confidence_that_was_not_calibrated_is_refused(model: Model) -> None:
    with pytest.raises(ModelError, match=r"0\.999 asked; the model is calibrated to 0\.99"):
        model.predict(np.zeros((1, len(model.manifest.columns)), np.float32), 0.999)


def test_contributions_add_up_to_the_predicted_gain(model: Model) -> None:
    features = ask(model, "random").features.model_dump()
    setting, candidate = {"read_ahead_kb": 128}, {"read_ahead_kb": 16}
    shares = contributions(ADAPTER, model, features, setting, setting, candidate)
    vector = ADAPTER.schema.model_validate(features).vector()
    rows = fill_rows(vector, ADAPTER.knobs, setting, [candidate, setting])
    median = model.predict(rows, 0.9)[0]
    assert set(shares) == set(model.manifest.columns)
    assert sum(shares.values()) == pytest.approx(median[0] - median[1], abs=1e-4)
    strengths = [abs(share) for share in shares.values()]
    assert strengths == sorted(strengths, reverse=True)


def test_the_digest_is_of_the_model_file(model: Model, folder: Path) -> None:
    assert model.digest == digest_of(folder / MODEL)[:12]


def _manifest(**changes: object) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        data = json.loads((folder / MANIFEST).read_text()) | changes
        (folder / MANIFEST).write_text(json.dumps(data))

    return change


BAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "folder open to others": (lambda f: f.chmod(0o777), "chmod go-w|writable"),
    "file open to the group": (lambda f: (f / MODEL).chmod(0o664), "chmod go-w|writable"),
    "altered model": (lambda f: (f / MODEL).write_bytes(b"x"), "sha256"),
    "altered domain": (lambda f: (f / "domain.json").write_text("{}"), "sha256"),
    "model gone": (lambda f: (f / MODEL).unlink(), "No such file"),
    "foreign fingerprint": (_manifest(fingerprint="0" * 12), "fingerprint"),
    "foreign adapter": (_manifest(adapter="iosched"), "adapter is 'iosched'"),
    "other columns": (_manifest(columns=["a"]), "columns"),
    "other format": (_manifest(format="mlproxy-model/v0"), "format"),
    "nothing checked": (_manifest(sha256={}), "sha256 must name"),
    "unknown key": (_manifest(surprise=1), "surprise"),
    "no manifest": (lambda f: (f / MANIFEST).write_text("no json"), "manifest.json"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_model_that_is_not_as_it_should_be_is_refused(
    tmp_path: Path, model: Model, folder: Path, name: str
) -> None:
    copy = tmp_path / "copy"
    copy.mkdir(mode=0o755)
    for path in folder.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
        (copy / path.name).chmod(0o644)
    assert load_model(ADAPTER, str(copy)).digest == model.digest
    spoil, message = BAD[name]
    spoil(copy)
    with pytest.raises(ModelError, match=message):
        load_model(ADAPTER, str(copy))


def test_a_file_that_is_no_model_is_refused_also_with_the_right_sha(
    tmp_path: Path, model: Model, folder: Path
) -> None:
    copy = tmp_path / "copy"
    copy.mkdir(mode=0o755)
    for path in folder.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    (copy / MODEL).write_bytes(b"not a model")
    sha = {name: digest_of(copy / name) for name in (MODEL, "domain.json")}
    _manifest(sha256=sha)(copy)
    for path in copy.iterdir():
        path.chmod(0o644)
    with pytest.raises(ModelError, match="not a model"):
        load_model(ADAPTER, str(copy))


def test_another_adapters_model_is_refused(model: Model, folder: Path) -> None:
    with pytest.raises(ModelError, match="adapter"):
        load_model(IoschedAdapter(), str(folder))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_model_of_somebody_else_is_refused(tmp_path: Path, model: Model, folder: Path) -> None:
    copy = tmp_path / "copy"
    copy.mkdir(mode=0o755)
    for path in folder.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
        (copy / path.name).chmod(0o644)
    os.chown(copy / MODEL, 65534, 65534)
    with pytest.raises(ModelError, match=r"65534|owned"):
        load_model(ADAPTER, str(copy))
