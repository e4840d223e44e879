"""Which version predicts: aliases, tenants, readiness, integrity, and which versions stay loaded."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from pipeline.codec.pack import pack
from pipeline.codec.unpack import is_packed
from pipeline.contracts.errors import ConflictError, IntegrityError, InvalidRequestError, NotFoundError
from pipeline.evaluation.stored_models import unpack_model
from pipeline.registry.aliases import AliasRef
from pipeline.registry.model_registry import ModelRegistry
from pipeline.serving.api.messages import Caller, HttpRequest
from pipeline.serving.api.model_source import ModelReference
from pipeline.serving.api.prediction_api import PredictionApi
from pipeline.serving.api.protocols.infer import infer_document
from pipeline.serving.loaded_model import InferenceSession
from pipeline.serving.model_cache import MAX_LOADED_BYTES, ModelCache
from pipeline.serving.model_loader import ModelLoader, make_session_factory
from tests.fakes.objects import FakeObjectStore
from tests.fakes.table import FakeTable
from tests.helpers.served_models import CLASSIFIER, ROWS, loaded, model_bytes, publish

BODY = json.dumps({"rows": ROWS}).encode()
CALLER = Caller("demo")


def predict(models: ModelCache, body: bytes = BODY, *, version: int | None = None, caller: Caller = CALLER) -> Any:
    """Return the response of the model adult of tenant demo as JSON."""
    path = "/v2/models/adult/infer" if version is None else f"/v2/models/adult/versions/{version}/infer"
    return json.loads(PredictionApi(models).respond(HttpRequest("POST", path, body), caller).body)


@dataclass
class World:
    """A registry and a cache that reads it; ``sessions`` counts the loaded files."""

    table: FakeTable = field(default_factory=FakeTable)
    artifacts: FakeObjectStore = field(default_factory=FakeObjectStore)
    now: float = 100.0
    sessions: int = 0

    def store(self, *, max_models: int = 8, max_bytes: int = MAX_LOADED_BYTES) -> ModelCache:
        loader = ModelLoader(self.table, self.artifacts, self._session)
        return ModelCache(loader, alias_seconds=5, max_models=max_models, max_bytes=max_bytes, clock=lambda: self.now)

    def _session(self, file: bytes) -> InferenceSession:
        self.sessions += 1
        return make_session_factory(1)(file)

    def publish(self, number: int = 1, *, ready: bool = True, live: bool = True, model: str = "adult") -> int:
        run = f"demo_{model}_{number:012d}"
        return publish(self.table, self.artifacts, run=run, ready=ready, live=live, model=model).version


@pytest.fixture
def world() -> World:
    return World()


def test_the_live_version_predicts_and_the_response_names_it(world: World) -> None:
    world.publish(1)
    world.publish(2)
    answer = predict(world.store())
    assert (answer["model"], answer["version"], len(answer["predictions"])) == ("adult", 2, 3)


def test_an_alias_finds_the_version_that_it_points_to(world: World) -> None:
    world.publish(1)
    world.publish(2)
    ModelRegistry(world.table, world.artifacts).aliases.move(AliasRef("demo", "adult", "canary"), 1, by="someone")
    store = world.store()
    assert store.find(ModelReference("demo", "adult", alias="canary")).version == 1
    assert store.find(ModelReference("demo", "adult")).version == 2
    with pytest.raises(NotFoundError, match="'shadow'"):
        store.find(ModelReference("demo", "adult", alias="shadow"))


@pytest.mark.parametrize(
    ("body", "place"),
    [(b'{"rows": [}', "line 1, column 11"), (b'{"rows":\n[NaN]}', "line 2, column 2"), (b'{"a": "\xff"}', "line 1")],
)
def test_a_body_that_is_not_json_is_refused_with_the_place(world: World, body: bytes, place: str) -> None:
    world.publish()
    with pytest.raises(InvalidRequestError, match=place):
        predict(world.store(), body)


def test_an_older_version_predicts_when_the_path_names_it(world: World) -> None:
    world.publish(1)
    world.publish(2)
    assert predict(world.store(), version=1)["version"] == 1


def test_a_file_is_loaded_once(world: World) -> None:
    world.publish()
    store = world.store()
    assert store.find(ModelReference("demo", "adult")) is store.find(ModelReference("demo", "adult"))
    assert store.ready("demo", "adult", 1) is store.find(ModelReference("demo", "adult"))
    assert world.sessions == 1


def test_a_moved_alias_is_looked_up_again_only_after_alias_seconds(world: World) -> None:
    world.publish(1)
    store = world.store()
    assert store.find(ModelReference("demo", "adult")).version == 1
    world.publish(2)
    world.now += 4.9
    assert store.find(ModelReference("demo", "adult")).version == 1
    world.now += 0.1
    assert store.find(ModelReference("demo", "adult")).version == 2


def test_an_alias_that_moved_back_uses_the_loaded_version(world: World) -> None:
    world.publish(1)
    world.publish(2)
    store = world.store()
    store.find(ModelReference("demo", "adult"))
    store.ready("demo", "adult", 1)
    ModelRegistry(world.table, world.artifacts).aliases.move(AliasRef("demo", "adult"), 1, by="someone")
    world.now += 5
    assert store.find(ModelReference("demo", "adult")).version == 1
    assert world.sessions == 2


@pytest.mark.parametrize(
    "find",
    [
        lambda store: store.find(ModelReference("other", "adult")),
        lambda store: store.ready("other", "adult", 1),
        lambda store: store.find(ModelReference("other", "adult", 1, allow_unready=True)),
        lambda store: store.find(ModelReference("demo", "titanic")),
        lambda store: store.ready("demo", "adult", 2),
        lambda store: store.ready("demo", "adult", 0),
    ],
)
def test_a_model_or_version_that_the_tenant_lacks_is_not_found(
    world: World, find: Callable[[ModelCache], object]
) -> None:
    world.publish()
    store = world.store()
    store.find(ModelReference("demo", "adult"))
    with pytest.raises(NotFoundError):
        find(store)


def test_a_model_without_a_live_version_is_not_found(world: World) -> None:
    world.publish(live=False)
    with pytest.raises(NotFoundError, match="no live model 'adult'"):
        world.store().find(ModelReference("demo", "adult"))


def test_a_version_that_is_not_ready_predicts_only_for_the_smoke_test(world: World) -> None:
    world.publish(ready=False, live=False)
    store = world.store()
    assert predict(store, version=1, caller=CALLER._replace(may_use_unready=True))["version"] == 1
    with pytest.raises(ConflictError, match="has not passed its smoke test"):
        predict(store, version=1)
    ModelRegistry(world.table, world.artifacts).ready("demo", "adult", 1)
    assert predict(store, version=1)["version"] == 1


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ("archive", ConflictError, "version 1 of 'adult' is archived: another version is expected"),
        ("delete", NotFoundError, "version 1"),
    ],
)
def test_an_archived_or_deleted_version_is_not_loaded(
    world: World, change: str, error: type[Exception], message: str
) -> None:
    world.publish(1)
    world.publish(2)
    getattr(ModelRegistry(world.table, world.artifacts).lifecycle, change)("demo", "adult", 1, by="anna")
    with pytest.raises(error, match=message):
        world.store().ready("demo", "adult", 1)
    assert world.sessions == 0


def test_a_changed_model_file_is_refused(world: World) -> None:
    world.publish()
    (key,) = world.artifacts.keys("tenants/demo/artifacts/")
    world.artifacts.put(key, world.artifacts.get(key) + b" ")
    with pytest.raises(IntegrityError, match="sha256"):
        world.store().find(ModelReference("demo", "adult"))
    assert world.sessions == 0


def test_a_version_with_a_damaged_file_is_loaded_again_after_30_seconds(world: World) -> None:
    world.publish(1)
    (key,) = world.artifacts.keys("tenants/demo/artifacts/")
    body = world.artifacts.get(key)
    world.artifacts.put(key, body + b" ")
    store = world.store()
    with pytest.raises(IntegrityError):
        store.find(ModelReference("demo", "adult"))
    world.artifacts.put(key, body)
    with pytest.raises(IntegrityError):
        store.ready("demo", "adult", 1)
    world.now += 30
    assert store.ready("demo", "adult", 1).version == 1


def test_a_missing_model_file_is_an_integrity_error(world: World) -> None:
    world.publish()
    (key,) = world.artifacts.keys("tenants/demo/artifacts/")
    world.artifacts.delete(key)
    with pytest.raises(IntegrityError, match="missing"):
        world.store().find(ModelReference("demo", "adult"))


def test_a_packed_file_gives_the_predictions_of_the_original(world: World) -> None:
    publish(world.table, world.artifacts, packed=True)
    (key,) = world.artifacts.keys("tenants/demo/artifacts/")
    assert is_packed(world.artifacts.get(key))
    answer = infer_document(world.store().find(ModelReference("demo", "adult")), json.loads(BODY))
    assert (
        json.loads(answer.body)["predictions"]
        == json.loads(infer_document(loaded(), json.loads(BODY)).body)["predictions"]
    )


def test_a_damaged_packed_file_is_refused_by_name(world: World) -> None:
    """The sha256 matches: the file was damaged before the version was registered."""
    with pytest.raises(IntegrityError, match="version 1 of 'adult' cannot be unpacked"):
        unpack_model(pack(b"onnx" * 100, [])[:-5], "the file of version 1 of 'adult'")


def test_only_the_most_recently_used_versions_stay_loaded(world: World) -> None:
    for number in (1, 2, 3):
        world.publish(number)
    store = world.store(max_models=2)
    for version in (1, 2, 1, 3, 1):
        store.ready("demo", "adult", version)
    assert world.sessions == 3
    store.ready("demo", "adult", 2)
    assert world.sessions == 4


def test_concurrent_requests_load_a_file_once_and_get_equal_predictions(world: World) -> None:
    world.publish()
    store = world.store()
    start = threading.Barrier(8)
    answers: list[Any] = []

    def ask() -> None:
        start.wait()
        for _ in range(20):
            answers.append(predict(store))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 160
    assert all(answer == answers[0] for answer in answers)
    assert world.sessions == 1


def test_concurrent_requests_each_get_the_prediction_of_their_row(world: World) -> None:
    world.publish()
    store = world.store()
    bodies = [json.dumps({"rows": [{**ROWS[0], "age": age, "job": f"job {age}"}]}).encode() for age in range(0, 80, 10)]
    alone = [predict(store, body) for body in bodies]
    assert len(set(map(str, alone))) == len(bodies)
    start = threading.Barrier(len(bodies))
    wrong: list[Any] = []

    def ask(body: bytes, expected: Any) -> None:
        start.wait()
        for _ in range(200):
            if (prediction := predict(store, body)) != expected:
                wrong.append(prediction)

    threads = [threading.Thread(target=ask, args=pair) for pair in zip(bodies, alone, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.parametrize(("files", "loads"), [(2, 3), (1, 4), (0.5, 4)])  # that fit; sessions that are made
def test_versions_stay_loaded_while_their_files_fit_into_max_bytes(world: World, files: float, loads: int) -> None:
    for number in (1, 2, 3):
        world.publish(number)
    size = len(model_bytes(CLASSIFIER))
    store = world.store(max_bytes=int(size * files))
    for version in (1, 2, 3, 2):
        assert store.ready("demo", "adult", version).version == version
    assert world.sessions == loads


def test_prefetch_loads_live_models_and_reports_a_missing_one(world: World) -> None:
    world.publish()
    store = world.store()
    (failure,) = store.prefetch([("demo", "adult"), ("demo", "gone")])
    assert "demo/gone" in failure
    assert world.sessions == 1
    assert predict(store)["version"] == 1
    assert world.sessions == 1
