"""The gRPC services through a channel: predictions, metadata, the repository, health, reflection, errors."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from pipeline.contracts.errors import IntegrityError, ObjectNotFoundError
from pipeline.server.authentication import FixedKeys
from pipeline.server.grpc.messages import find_service, message_class
from pipeline.server.limits import ServerLimits
from pipeline.server.models.model_files import LOCAL_TENANT
from pipeline.serving.api.messages import Caller
from tests.helpers.running_server import RunningServer, run_folder, write_scaling_model

OIP = "inference.GRPCInferenceService"
TENSORFLOW = "tensorflow.serving.PredictionService"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    for version in (1, 2):
        write_scaling_model(folder, version=version, factor=version + 1)
    return folder


def _rpc(channel: grpc.Channel, service: str, name: str) -> Callable[..., Any]:
    method = find_service(service).methods_by_name[name]
    return channel.unary_unary(
        f"/{service}/{name}",
        request_serializer=message_class(method.input_type.full_name).SerializeToString,
        response_deserializer=message_class(method.output_type.full_name).FromString,
    )


def _call(channel: grpc.Channel, name: str, /, **fields: Any) -> Any:
    request = message_class(find_service(OIP).methods_by_name[name].input_type.full_name)(**fields)
    return _rpc(channel, OIP, name)(request, timeout=5)


def _tensor(*values: float, **changes: Any) -> dict[str, Any]:
    contents = {"fp32_contents": values}
    return {"name": "x", "datatype": "FP32", "shape": [len(values) // 2, 2], "contents": contents} | changes


def _raw(*values: float) -> bytes:
    return np.array(values, "<f4").tobytes()


def test_typed_contents_get_a_response_with_typed_contents(channel: grpc.Channel) -> None:
    response = _call(channel, "ModelInfer", model_name="scale", id="7", inputs=[_tensor(1, 2, 3, 4)])
    (output,) = response.outputs
    assert (response.model_name, response.model_version, response.id) == ("scale", "2", "7")
    assert (output.name, output.datatype, list(output.shape)) == ("y", "FP32", [2, 2])
    assert list(output.contents.fp32_contents) == [3, 6, 9, 12]


def test_raw_contents_get_a_response_with_raw_contents(channel: grpc.Channel) -> None:
    tensor = {"name": "x", "datatype": "FP32", "shape": [1, 2]}
    response = _call(channel, "ModelInfer", model_name="scale", inputs=[tensor], raw_input_contents=[_raw(1, 2)])
    assert np.frombuffer(response.raw_output_contents[0], "<f4").tolist() == [3, 6]


def test_a_request_may_name_a_version(channel: grpc.Channel) -> None:
    response = _call(channel, "ModelInfer", model_name="scale", model_version="1", inputs=[_tensor(1, 2)])
    assert list(response.outputs[0].contents.fp32_contents) == [2, 4]


def test_grpc_gives_the_same_predictions_as_http(server: RunningServer, channel: grpc.Channel) -> None:
    values = np.random.default_rng(0).normal(size=20).astype(np.float32).tolist()
    response = _call(channel, "ModelInfer", model_name="scale", inputs=[_tensor(*values)])
    document = server.infer(*values).json()
    assert list(response.outputs[0].contents.fp32_contents) == pytest.approx(document["outputs"][0]["data"])


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"model_name": "other", "inputs": [_tensor(1, 2)]}, grpc.StatusCode.NOT_FOUND),
        ({"model_name": "scale", "model_version": "9", "inputs": [_tensor(1, 2)]}, grpc.StatusCode.NOT_FOUND),
        ({"model_name": "scale", "model_version": "x", "inputs": [_tensor(1, 2)]}, grpc.StatusCode.NOT_FOUND),
        ({"model_name": "scale"}, grpc.StatusCode.INVALID_ARGUMENT),
        ({"model_name": "scale", "inputs": [_tensor(1, 2, name="z")]}, grpc.StatusCode.INVALID_ARGUMENT),
        ({"model_name": "scale", "inputs": [_tensor(1, 2, datatype="X")]}, grpc.StatusCode.INVALID_ARGUMENT),
        ({"model_name": "scale", "inputs": [_tensor(1, 2, shape=[9, 9])]}, grpc.StatusCode.INVALID_ARGUMENT),
        (
            {"model_name": "scale", "inputs": [_tensor(1, 2)], "outputs": [{"name": "z"}]},
            grpc.StatusCode.INVALID_ARGUMENT,
        ),
        (
            {"model_name": "scale", "inputs": [_tensor(1, 2)], "raw_input_contents": [b"", b""]},
            grpc.StatusCode.INVALID_ARGUMENT,
        ),
        (
            {"model_name": "scale", "inputs": [_tensor(1, 2)], "raw_input_contents": [b"123"]},
            grpc.StatusCode.INVALID_ARGUMENT,
        ),
        ({"model_name": "scale", "inputs": [_tensor(*[1.0] * 30_000)]}, grpc.StatusCode.RESOURCE_EXHAUSTED),
    ],
)
def test_invalid_requests_get_their_status_code(
    channel: grpc.Channel, fields: dict[str, Any], code: grpc.StatusCode
) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        _call(channel, "ModelInfer", **fields)
    assert caught.value.code() == code
    assert "Traceback" not in caught.value.details()


def test_a_missing_stored_object_is_logged_and_not_quoted(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(reference: object) -> None:
        raise ObjectNotFoundError("tenants/demo/secret.onnx")

    with run_folder(folder) as server, grpc.insecure_channel(server.grpc) as channel:
        monkeypatch.setattr(server.models, "find", refuse)
        response = server.infer(1, 2)
        with pytest.raises(grpc.RpcError) as caught:
            _call(channel, "ModelInfer", model_name="scale", inputs=[_tensor(1, 2)])
    assert (response.status_code, caught.value.code()) == (500, grpc.StatusCode.INTERNAL)
    assert "secret" not in response.text + caught.value.details()
    events = [entry for line in server.logs.getvalue().splitlines() if "message" in (entry := json.loads(line))]
    assert [(event["message"], event["error"]) for event in events] == [
        ("request failed", "ObjectNotFoundError"),
        ("call failed", "ObjectNotFoundError"),
    ]


def test_a_damaged_file_is_unavailable_and_logged(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(reference: object) -> None:
        raise IntegrityError("/models/scale/2/model.onnx cannot be loaded")

    with run_folder(folder) as server, grpc.insecure_channel(server.grpc) as channel:
        monkeypatch.setattr(server.models, "find", refuse)
        assert server.infer(1, 2).status_code == 503
        with pytest.raises(grpc.RpcError) as caught:
            _call(channel, "ModelInfer", model_name="scale", inputs=[_tensor(1, 2)])
    assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
    assert "damaged" in caught.value.details()
    assert "/models" not in caught.value.details()
    events = [entry for line in server.logs.getvalue().splitlines() if "message" in (entry := json.loads(line))]
    assert [(event["message"], event["error"]) for event in events] == [
        ("request failed", "IntegrityError"),
        ("call failed", "IntegrityError"),
    ]


def test_metadata_and_readiness_are_reported(channel: grpc.Channel) -> None:
    metadata = _call(channel, "ModelMetadata", name="scale")
    assert list(metadata.versions) == ["1", "2"]
    assert (metadata.inputs[0].name, list(metadata.inputs[0].shape)) == ("x", [-1, 2])
    assert _call(channel, "ServerLive").live
    assert _call(channel, "ServerReady").ready
    assert _call(channel, "ServerMetadata").name == "modeldrop"
    assert _call(channel, "ModelReady", name="scale", version="2").ready
    assert not _call(channel, "ModelReady", name="other").ready


def test_models_are_unloaded_and_loaded(channel: grpc.Channel) -> None:
    _call(channel, "RepositoryModelUnload", model_name="scale")
    index = _call(channel, "RepositoryIndex").models
    assert [(model.name, model.state) for model in index] == [("scale", "UNAVAILABLE")]
    assert not _call(channel, "RepositoryIndex", ready=True).models
    _call(channel, "RepositoryModelLoad", model_name="scale")
    index = _call(channel, "RepositoryIndex").models
    assert [(model.name, model.version, model.state) for model in index] == [("scale", "2", "READY")]
    with pytest.raises(grpc.RpcError) as caught:
        _call(channel, "RepositoryModelLoad", model_name="other")
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND


def test_health_and_reflection_are_served(channel: grpc.Channel) -> None:
    health = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service=OIP), timeout=5)
    assert health.status == health_pb2.HealthCheckResponse.SERVING
    ask = reflection_pb2.ServerReflectionRequest
    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    listed, described = stub.ServerReflectionInfo(
        iter([ask(list_services=""), ask(file_containing_symbol=TENSORFLOW)]), timeout=5
    )
    services = {service.name for service in listed.list_services_response.service}
    assert services >= {OIP, TENSORFLOW, "grpc.health.v1.Health"}
    assert described.file_descriptor_response.file_descriptor_proto


def _predict(channel: grpc.Channel, **spec: Any) -> Any:
    request = message_class("tensorflow.serving.PredictRequest")(model_spec={"name": "scale"} | spec)
    tensor = request.inputs["x"]
    tensor.dtype = 1
    for size in (1, 2):
        tensor.tensor_shape.dim.add(size=size)
    tensor.tensor_content = _raw(1, 2)
    return _rpc(channel, TENSORFLOW, "Predict")(request, timeout=5)


def test_the_tensorflow_serving_api_predicts(channel: grpc.Channel) -> None:
    response = _predict(channel)
    assert (response.model_spec.name, response.model_spec.version.value) == ("scale", 2)
    tensor = response.outputs["y"]
    assert [axis.size for axis in tensor.tensor_shape.dim] == [1, 2]
    assert np.frombuffer(tensor.tensor_content, "<f4").tolist() == [3, 6]
    assert np.frombuffer(_predict(channel, version={"value": 1}).outputs["y"].tensor_content, "<f4")[0] == 2


@pytest.mark.parametrize(
    ("spec", "code"),
    [
        ({"name": "other"}, grpc.StatusCode.NOT_FOUND),
        ({"version_label": "canary"}, grpc.StatusCode.NOT_FOUND),
        ({"signature_name": "other"}, grpc.StatusCode.INVALID_ARGUMENT),
    ],
)
def test_the_tensorflow_serving_api_refuses_unknown_models_labels_and_signatures(
    channel: grpc.Channel, spec: dict[str, Any], code: grpc.StatusCode
) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        _predict(channel, **spec)
    assert caught.value.code() == code


def test_calls_need_a_key(folder: Path) -> None:
    with (
        run_folder(folder, authenticator=FixedKeys(["secret"], LOCAL_TENANT)) as server,
        grpc.insecure_channel(server.grpc) as channel,
    ):
        request = message_class("inference.ModelReadyRequest")(name="scale")
        rpc = _rpc(channel, OIP, "ModelReady")
        for metadata in ((), (("x-api-key", "other"),)):
            with pytest.raises(grpc.RpcError) as caught:
                rpc(request, metadata=metadata, timeout=5)
            assert caught.value.code() == grpc.StatusCode.UNAUTHENTICATED
        assert rpc(request, metadata=(("x-api-key", "secret"),), timeout=5).ready


class _OneModelKey:
    """Accepts every key as a key for another model."""

    def recall(self, key: str) -> Caller:
        return Caller(LOCAL_TENANT, frozenset({"predict", "read", "publish"}), models=frozenset({"other"}))

    authenticate = recall


def test_a_key_for_another_model_cannot_see_this_model(folder: Path) -> None:
    with (
        run_folder(folder, authenticator=_OneModelKey()) as server,
        grpc.insecure_channel(server.grpc) as channel,
    ):
        for name, fields in (
            ("ModelInfer", {"model_name": "scale", "inputs": [_tensor(1, 2)]}),
            ("ModelInfer", {"model_name": "scale@live", "inputs": [_tensor(1, 2)]}),
            ("ModelMetadata", {"name": "scale"}),
            ("RepositoryModelUnload", {"model_name": "scale"}),
        ):
            with pytest.raises(grpc.RpcError) as caught:
                _call(channel, name, **fields)
            assert caught.value.code() == grpc.StatusCode.NOT_FOUND
        with pytest.raises(grpc.RpcError) as caught:
            _predict(channel)
        assert caught.value.code() == grpc.StatusCode.NOT_FOUND
        assert not _call(channel, "RepositoryIndex").models
        assert server.infer(1, 2).status_code == 404


def test_calls_above_the_limit_are_refused_with_a_retry_delay(folder: Path) -> None:
    with (
        run_folder(folder, limits=ServerLimits(max_concurrent=0)) as server,
        grpc.insecure_channel(server.grpc) as channel,
        pytest.raises(grpc.RpcError) as caught,
    ):
        _call(channel, "ModelInfer", model_name="scale", inputs=[_tensor(1, 2)])
    assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert ("grpc-retry-pushback-ms", "1000") in caught.value.trailing_metadata()


def test_the_server_responds_after_a_canceled_call(channel: grpc.Channel) -> None:
    request = message_class("inference.ModelInferRequest")(model_name="scale", inputs=[_tensor(1, 2)])
    future = _rpc(channel, OIP, "ModelInfer").future(request, timeout=5)
    future.cancel()
    assert _call(channel, "ServerLive").live


def test_the_compiled_protos_match_the_sources(tmp_path: Path) -> None:
    from tools.compile_protos import PROTOS, compile_protos

    compile_protos(tmp_path / "descriptors.binpb")
    assert (tmp_path / "descriptors.binpb").read_bytes() == (PROTOS / "descriptors.binpb").read_bytes()


@pytest.mark.parametrize("service", [OIP, TENSORFLOW])
def test_an_unparsable_message_is_an_invalid_argument(channel: grpc.Channel, service: str) -> None:
    method = {OIP: "ModelInfer", TENSORFLOW: "Predict"}[service]
    with pytest.raises(grpc.RpcError) as refused:
        channel.unary_unary(f"/{service}/{method}")(b"\xff\xff\xff\xff", timeout=5)
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert f"{method}Request is expected" in refused.value.details()
