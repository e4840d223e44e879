"""Rollouts with real requests through the deployed functions, and their entries in the history."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from typing import Any

import httpx
import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from pipeline.cloud.s3_object_store import S3ObjectStore
from pipeline.contracts.object_keys import artifact_key
from pipeline.contracts.promotion.rollout import RolloutRule
from pipeline.contracts.records.alias_move import AliasMove
from pipeline.contracts.signature import Column, Signature
from pipeline.registry.aliases import AliasRef
from pipeline.registry.model_registry import ModelRegistry
from tests.fakes.records import artifact, model_version
from tests.helpers.cloud_driver import STACK, Cloud

COLUMNS = (Column(name="x", kind="numeric"), Column(name="y", kind="numeric"))
WIDTH, LAYERS = 1_000, 16  # of the slow version


def make_model(columns: tuple[Column, ...], *, sign: float = 1.0, is_slow: bool = False) -> bytes:
    """Return an ONNX file whose label is "b" where ``sign * x`` is positive."""
    inputs = [helper.make_tensor_value_info(column.name, TensorProto.FLOAT, ["n"]) for column in columns]
    constants = {"column": np.array([-1, 1]), "weights": np.array([[-sign, sign]], np.float32),
                 "classes": np.array(["a", "b"], object)}  # fmt: skip
    nodes = [helper.make_node("Reshape", ["x", "column"], ["wide"])]
    scores = "wide"
    if is_slow:  # many multiplications that only scale x
        constants |= {"in": np.full((1, WIDTH), 1 / WIDTH, np.float32), "out": np.ones((WIDTH, 1), np.float32),
                      "square": np.full((WIDTH, WIDTH), 1 / WIDTH, np.float32)}  # fmt: skip
        nodes.append(helper.make_node("MatMul", [scores, "in"], ["deep0"]))
        nodes += [helper.make_node("MatMul", [f"deep{n}", "square"], [f"deep{n + 1}"]) for n in range(LAYERS)]
        nodes.append(helper.make_node("MatMul", [f"deep{LAYERS}", "out"], ["narrow"]))
        scores = "narrow"
    nodes += [
        helper.make_node("MatMul", [scores, "weights"], ["scores"]),
        helper.make_node("Softmax", ["scores"], ["probabilities"]),
        helper.make_node("ArgMax", ["probabilities"], ["best"], axis=1, keepdims=0),
        helper.make_node("Gather", ["classes", "best"], ["label"]),
    ]
    outputs = [helper.make_tensor_value_info("label", TensorProto.STRING, ["n"]),
               helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", 2])]  # fmt: skip
    initializers = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "label", inputs, outputs, initializers)
    return helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 20)]).SerializeToString()


@pytest.fixture(scope="module")
def registry(cloud: Cloud) -> ModelRegistry:
    return ModelRegistry(cloud.table, S3ObjectStore(cloud.s3, cloud.artifacts))


def register(registry: ModelRegistry, cloud: Cloud, model: str, body: bytes, columns: tuple[Column, ...]) -> int:
    """Register a READY version."""
    file = artifact(body=body)
    file = file.model_copy(update={"key": artifact_key("demo", file.sha256)})
    S3ObjectStore(cloud.s3, cloud.artifacts).put_if_absent(file.key, body)
    signature = Signature(task="classification", target="label", columns=columns, classes=("a", "b"))
    run = f"demo_{model}_{random.getrandbits(48):012x}"
    draft = model_version(run, model).model_copy(update={"artifact": file, "signature": signature})
    return registry.ready("demo", model, registry.register(draft).version).version


def ask(cloud: Cloud, model: str, count: int) -> Counter[int]:
    """Send requests of one row, one after another; return how many had each status."""
    numbers = random.Random(1)
    url, headers = f"{cloud.api_url}/v2/models/{model}/infer", {"x-api-key": cloud.key}
    statuses: Counter[int] = Counter()
    with httpx.Client(headers=headers, timeout=60) as http:
        for _ in range(count):
            statuses[http.post(url, json={"rows": [{"x": numbers.uniform(-1, 1)}]}).status_code] += 1
    return statuses


def check(cloud: Cloud) -> dict[str, Any]:
    """Invoke the function that the schedule invokes every minute."""
    stack = cloud.session.client("cloudformation")
    description = stack.describe_stack_resource(StackName=STACK, LogicalResourceId="CheckRolloutsFunction")
    name = description["StackResourceDetail"]["PhysicalResourceId"]
    response = cloud.session.client("lambda").invoke(FunctionName=name, Payload=b"{}")
    return dict(json.loads(response["Payload"].read()))


def newest_move(registry: ModelRegistry, model: str) -> AliasMove:
    return registry.moves.list("demo", model, limit=1)[0]


CANARIES: dict[str, tuple[dict[str, Any], int, set[int], str]] = {  # changes, requests, their statuses, the reason
    "disagrees": ({"sign": -1.0}, 140, {200}, "its predictions differ by"),
    "slow": ({"is_slow": True}, 140, {200}, "its p95 is"),
    "fails": ({"columns": COLUMNS}, 60, {200, 400}, "of its requests failed"),
}


@pytest.mark.parametrize("model", CANARIES)
def test_a_canary_that_exceeds_a_bound_is_rolled_back(cloud: Cloud, registry: ModelRegistry, model: str) -> None:
    changes, count, statuses, reason = CANARIES[model]
    live = AliasRef("demo", model)
    first = register(registry, cloud, model, make_model(COLUMNS[:1]), COLUMNS[:1])
    registry.aliases.move(live, first, by="a test")
    changes = {"columns": COLUMNS[:1], **changes}
    second = register(registry, cloud, model, make_model(**changes), changes["columns"])
    registry.rollouts.start(live, second, RolloutRule(mode="canary", percent=50, minutes=30), by="a test")
    assert set(ask(cloud, model, count)) == statuses
    check(cloud)
    newest = newest_move(registry, model)
    assert (newest.alias, newest.version, newest.previous, newest.by) == ("canary", first, second, "canary")
    assert reason in newest.reason
    assert registry.aliases.version(live) == first
    assert not [rollout for rollout in registry.rollouts.running() if rollout.model == model]


@pytest.mark.parametrize(("mode", "live_after"), [("canary", 1), ("shadow", 0)])
def test_a_rollout_within_its_bounds_ends_after_its_duration(
    cloud: Cloud, registry: ModelRegistry, mode: Any, live_after: int
) -> None:
    model = f"good-{mode}"
    live = AliasRef("demo", model)
    versions = [register(registry, cloud, model, make_model(COLUMNS[:1]), COLUMNS[:1]) for _ in range(2)]
    registry.aliases.move(live, versions[0], by="a test")
    registry.rollouts.start(live, versions[1], RolloutRule(mode=mode, percent=50, minutes=0.05), by="a test")
    assert set(ask(cloud, model, 20)) == {200}
    time.sleep(3)  # its 0.05 minutes
    check(cloud)
    newest = newest_move(registry, model)
    assert (registry.aliases.version(live), newest.by) == (versions[live_after], mode)
    assert "within the bounds" in newest.reason
