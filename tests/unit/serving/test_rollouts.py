"""Requests are split between the live version and a new one, measured and compared."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from pipeline.contracts.errors import InvalidRequestError, TransientError
from pipeline.contracts.promotion.rollout import Rollout, RolloutMode, RolloutRule
from pipeline.contracts.table_keys import rollout_key
from pipeline.registry.aliases import AliasRef
from pipeline.registry.model_registry import ModelRegistry
from pipeline.server.models.registry import RegistryModels
from pipeline.serving.api.assignment import request_position
from pipeline.serving.api.errors import log_facts
from pipeline.serving.api.messages import Caller, HttpRequest, HttpResponse
from pipeline.serving.api.model_source import ModelSource
from pipeline.serving.api.prediction_api import PredictionApi
from pipeline.serving.model_cache import ModelCache
from pipeline.serving.model_loader import ModelLoader, make_session_factory
from pipeline.serving.rollouts.comparison import compare_outputs
from pipeline.serving.rollouts.counters import RolloutCounters
from tests.fakes.objects import FakeObjectStore
from tests.fakes.table import FakeTable
from tests.helpers.served_models import ROWS, publish

REQUESTS = 40


@dataclass
class Scene:
    """Versions 1 (live) and 2 of one model."""

    table: FakeTable = field(default_factory=FakeTable)
    artifacts: FakeObjectStore = field(default_factory=FakeObjectStore)

    def __post_init__(self) -> None:
        for number in (1, 2):
            run = f"demo_adult_{number:012d}"
            publish(self.table, self.artifacts, run=run, ready=True, live=number == 1, model="adult")

    @property
    def registry(self) -> ModelRegistry:
        return ModelRegistry(self.table, self.artifacts)

    def start(self, mode: RolloutMode = "canary", percent: float = 50) -> Rollout:
        rule = RolloutRule(mode=mode, percent=percent)
        return self.registry.rollouts.start(AliasRef("demo", "adult"), 2, rule, by="anna")

    def loader(self) -> ModelLoader:
        return ModelLoader(self.table, self.artifacts, make_session_factory(1))

    def function(self) -> ModelCache:
        counters = RolloutCounters(self.table.increment, clock=iter(range(0, 1_000_000, 6)).__next__)
        return ModelCache(self.loader(), alias_seconds=0, counters=counters)

    def server(self) -> RegistryModels:
        return RegistryModels(
            self.loader(),
            list_models=lambda tenant: ["adult"],
            models=None,
            max_bytes=1 << 20,
            report=print,
            increment=self.table.increment,
        )

    def counters(self, rollout: Rollout) -> dict[str, Any]:
        return self.table.get(*rollout_key("demo", "adult", rollout.id)) or {}


@pytest.fixture
def scene() -> Scene:
    return Scene()


def body(number: int) -> bytes:
    return json.dumps({"rows": [{**ROWS[0], "age": number}]}).encode()


def send(
    models: ModelSource, content: bytes, *, principal: str = "key-1", target: str = "adult", **headers: str
) -> HttpResponse:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = HttpRequest("POST", f"/v2/models/{target}/infer", content, named)
    return PredictionApi(models).respond(request, Caller("demo", principal=principal))


def versions(models: ModelSource, **headers: str) -> list[int]:
    return [json.loads(send(models, body(number), **headers).body)["version"] for number in range(REQUESTS)]


def test_the_live_version_responds_and_nothing_is_counted_without_a_rollout(scene: Scene) -> None:
    response = send(scene.function(), body(1))
    assert json.loads(response.body)["version"] == 1
    assert "variant" not in response.facts


@pytest.mark.parametrize("make", [Scene.function, Scene.server])
def test_a_canary_always_responds_to_the_same_share_of_requests(
    scene: Scene, make: Callable[[Scene], ModelSource]
) -> None:
    scene.start(percent=25)
    models = make(scene)
    chosen = versions(models)
    assert 2 <= chosen.count(2) <= 20
    assert versions(models) == chosen
    assert versions(make(scene)) == chosen  # in another process, too


def test_a_session_always_gets_the_same_version(scene: Scene) -> None:
    scene.start()
    models = scene.function()
    names = [f"session-{number}" for number in range(30)]  # a rollout's id is random: few could all get one version
    sessions = {session: set(versions(models, x_session_id=session)) for session in names}
    assert all(len(seen) == 1 for seen in sessions.values())
    assert set.union(*sessions.values()) == {1, 2}


def test_requests_that_name_a_version_or_alias_are_not_split(scene: Scene) -> None:
    scene.start(percent=100)
    models = scene.function()
    assert json.loads(send(models, body(1), target="adult/versions/1").body)["version"] == 1
    assert json.loads(send(models, body(1), target="adult@canary").body)["version"] == 2
    assert json.loads(send(models, body(1)).body)["version"] == 2


def test_both_versions_are_measured_and_canary_requests_are_compared(scene: Scene) -> None:
    rollout = scene.start()
    models = scene.function()
    chosen = versions(models)
    counters = scene.counters(rollout)
    assert (counters["live_requests"], counters["new_requests"]) == (chosen.count(1), chosen.count(2))
    assert (counters["compared"], counters["different"]) == (chosen.count(2), 0)  # the same file
    assert sum(value for name, value in counters.items() if name.startswith("new_latency_")) == chosen.count(2)
    assert counters["expires_at"] > 0
    statistics = scene.registry.rollouts.statistics(rollout)
    assert (statistics.disagreement, statistics.new_failed) == (0, 0)


def test_a_shadow_is_compared_and_never_responds(scene: Scene) -> None:
    rollout = scene.start("shadow", 100)
    models = scene.function()
    assert set(versions(models)) == {1}
    counters = scene.counters(rollout)
    assert (counters["live_requests"], counters["new_requests"], counters["compared"]) == (REQUESTS,) * 3
    assert send(models, body(1)).facts["variant"] == "live"


def test_a_server_compares_in_the_background(scene: Scene) -> None:
    rollout = scene.start("shadow", 100)
    models = scene.server()
    assert set(versions(models)) == {1}
    models.close()
    assert scene.counters(rollout)["compared"] == REQUESTS


def test_the_live_version_responds_when_the_new_version_cannot_be_loaded(scene: Scene) -> None:
    rollout = scene.start(percent=100)
    item = scene.table.get("TENANT#demo#MODEL#adult", "VERSION#000002")
    assert item is not None
    scene.table.put({**item, "record": item["record"].replace('"key":"tenants/', '"key":"gone/')})
    assert set(versions(scene.function())) == {1}
    assert scene.counters(rollout)["new_failed"] == scene.counters(rollout)["new_requests"] == REQUESTS


def test_an_invalid_request_is_not_a_failure_of_the_new_version(scene: Scene) -> None:
    rollout = scene.start(percent=100)
    models = scene.function()
    with pytest.raises(InvalidRequestError) as raised:
        send(models, b'{"rows": [{"nothing": 1}]}')
    assert log_facts(raised.value)["variant"] == "canary"
    assert scene.counters(rollout)["new_requests"] == 1
    assert "new_failed" not in scene.counters(rollout)


def test_counts_are_written_later_when_the_table_is_busy(scene: Scene) -> None:
    written: list[dict[str, float]] = []

    def increment(pk: str, sk: str, amounts: Any, values: Any) -> None:
        if not written:
            written.append({})
            raise TransientError("busy")
        written.append(dict(amounts))

    counters = RolloutCounters(increment)
    for _ in range(2):
        counters.add(("demo", "adult", "r"), {"live_requests": 1})
        counters.flush()
    assert written[1:] == [{"live_requests": 2}]


def test_at_least_nine_tenths_of_the_counts_are_written() -> None:
    written: list[float] = []
    counters = RolloutCounters(
        lambda pk, sk, amounts, values: written.append(amounts["live_requests"]), clock=lambda: 0
    )
    for request in range(1, 501):
        counters.add(("demo", "adult", "r"), {"live_requests": 1})
        counters.count_request()
        assert sum(written) >= 0.9 * request
    assert len(written) < 80


def test_the_counts_of_a_new_rollout_are_written_soon_in_a_long_running_process() -> None:
    written: Counter[str] = Counter()
    counters = RolloutCounters(
        lambda pk, sk, amounts, values: written.update({pk: int(amounts["new_requests"])}), clock=lambda: 0
    )
    for model, requests in (("adult", 1_000), ("houses", 20)):
        for _ in range(requests):
            counters.add(("demo", model, "r"), {"new_requests": 1})
            counters.count_request()
    assert written["ROLLOUT#demo#houses"] >= 18


def test_request_positions_are_spread_evenly_and_differ_between_rollouts() -> None:
    positions = [request_position("demo", "key", lambda name: None, b"%d" % number) for number in range(2_000)]
    first, second = ([position(seed) for position in positions] for seed in ("a", "b"))
    assert abs(sum(place < 0.1 for place in first) / 2_000 - 0.1) < 0.03
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.1


def test_outputs_with_different_shapes_count_as_different() -> None:
    assert compare_outputs(np.zeros(3, np.float32), np.zeros((3, 2), np.float32)) == {"compared": 3, "different": 3}
    sums = compare_outputs(np.array([1, 2, np.nan], np.float32), np.array([1, 4, 5], np.float32))
    assert (sums["values"], sums["live_sum"], sums["difference_squares"]) == (2, 3, 4)
