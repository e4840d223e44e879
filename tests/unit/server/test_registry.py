"""Models of a registry: aliases are followed, tenants are separate, and keys come from the registry."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from pipeline.contracts.errors import NotFoundError, UnauthenticatedError
from pipeline.registry.api_keys import ApiKeys
from pipeline.registry.model_registry import ModelRegistry
from pipeline.server.authentication import RegistryKeys
from pipeline.server.execution.sessions import make_server_session
from pipeline.server.models.registry import RegistryModels
from pipeline.serving.api.model_source import ModelReference
from pipeline.serving.loaded_model import InferenceSession
from pipeline.serving.metadata import MAX_NAMED_VERSIONS
from pipeline.serving.model_loader import ModelLoader
from tests.fakes.objects import FakeObjectStore
from tests.fakes.table import FakeTable
from tests.helpers.served_models import publish

LIVE = ModelReference("demo", "adult")


@dataclass
class Scene:
    """A registry with published versions; ``sessions`` counts the sessions made from it."""

    table: FakeTable = field(default_factory=FakeTable)
    artifacts: FakeObjectStore = field(default_factory=FakeObjectStore)
    sessions: int = 0
    reports: list[str] = field(default_factory=list)

    def publish(self, number: int, *, live: bool = True) -> int:
        run = f"demo_adult_{number:012d}"
        return publish(self.table, self.artifacts, run=run, ready=True, live=live, model="adult").version

    def models(self, names: list[str] | None = None) -> RegistryModels:
        registry = ModelRegistry(self.table, self.artifacts)
        return RegistryModels(
            ModelLoader(self.table, self.artifacts, self._session),
            list_models=lambda tenant: [summary.model for summary in registry.models(tenant)],
            models=names,
            max_bytes=1 << 20,
            report=self.reports.append,
        )

    def _session(self, file: bytes) -> InferenceSession:
        self.sessions += 1
        return make_server_session(file, threads=1, with_batching=True)


@pytest.fixture
def scene() -> Scene:
    scene = Scene()
    scene.publish(1)
    return scene


def test_a_moved_alias_is_followed_at_the_next_refresh(scene: Scene) -> None:
    models = scene.models()
    assert models.find(LIVE).version == 1
    scene.publish(2)
    assert models.find(LIVE).version == 1
    models.refresh()
    assert scene.sessions == 2  # loaded before a request asks for it
    assert models.find(LIVE).version == 2
    assert models.live_version("demo", "adult") == 2


def test_versions_lists_the_newest_versions_that_can_be_called(scene: Scene) -> None:
    for number in range(2, MAX_NAMED_VERSIONS + 3):
        scene.publish(number)
    lifecycle = ModelRegistry(scene.table, scene.artifacts).lifecycle
    lifecycle.delete("demo", "adult", 5, by="anna")
    lifecycle.archive("demo", "adult", 7, by="anna")
    assert scene.models().versions("demo", "adult") == [3, 4, 6, *range(8, MAX_NAMED_VERSIONS + 3)]
    assert scene.models().versions("demo", "nothing") == []


def test_a_new_version_that_cannot_be_loaded_does_not_replace_the_live_one(scene: Scene) -> None:
    models = scene.models()
    models.find(LIVE)
    scene.publish(2)
    (key,) = scene.artifacts.keys("tenants/demo/artifacts/")
    scene.artifacts.delete(key)
    models.refresh()
    assert models.find(LIVE).version == 1
    assert len(scene.reports) == 1


def test_other_tenants_cannot_see_the_models(scene: Scene) -> None:
    models = scene.models()
    models.find(LIVE)
    with pytest.raises(NotFoundError):
        models.find(ModelReference("other", "adult"))
    assert list(models.names("other")) == []


def test_only_the_tenant_of_a_model_can_unload_it(scene: Scene) -> None:
    models = scene.models()
    with pytest.raises(NotFoundError):
        models.unload("other", "adult")
    models.unload("demo", "adult")
    with pytest.raises(NotFoundError):
        models.find(LIVE)
    models.load("demo", "adult")
    assert models.find(LIVE).version == 1


def test_only_the_named_models_are_served(scene: Scene) -> None:
    models = scene.models(["other"])
    with pytest.raises(NotFoundError):
        models.find(LIVE)
    assert list(models.names("demo")) == []


def test_keys_of_the_registry_are_accepted_and_a_revoked_key_is_refused_soon(scene: Scene) -> None:
    now = [0.0]
    store = ApiKeys(scene.table)
    key = store.create("demo")
    keys = RegistryKeys(store.resolve, clock=lambda: now[0])
    assert keys.recall(key) is None
    assert keys.authenticate(key).tenant == "demo"
    assert keys.recall(key) == keys.authenticate(key)
    store.revoke(key[:11])
    now[0] = 31
    assert keys.recall(key) is None
    with pytest.raises(UnauthenticatedError):
        keys.authenticate(key)


@pytest.mark.parametrize("key", ["", "md_unknown"])
def test_unknown_keys_are_refused(scene: Scene, key: str) -> None:
    with pytest.raises(UnauthenticatedError):
        RegistryKeys(ApiKeys(scene.table).resolve).authenticate(key)
