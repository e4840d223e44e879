"""TensorFlow Serving by gRPC: Classify, Regress and GetModelMetadata of a registered model, by examples."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pipeline.contracts.errors import ForbiddenError, InvalidRequestError, NotFoundError
from pipeline.contracts.signature import Signature
from pipeline.server.grpc.messages import message_class
from pipeline.server.grpc.tensorflow_serving import TensorFlowService
from pipeline.serving.api.messages import Caller
from pipeline.serving.api.model_source import ModelReference
from pipeline.serving.formats.rows import decode_rows
from pipeline.serving.loaded_model import LoadedModel
from tests.helpers.served_models import CLASSIFIER, REGRESSOR, ROWS, loaded

CALLER = Caller("demo")


class OneModel:
    """A repository with one model, by the name adult."""

    def __init__(self, signature: Signature) -> None:
        self.model = loaded(signature)

    def find(self, reference: ModelReference) -> LoadedModel:
        if (reference.tenant, reference.model) != ("demo", "adult"):
            raise NotFoundError("there is no such model")
        return self.model


def _feature(value: Any) -> Any:
    feature = message_class("tensorflow.Feature")()
    if isinstance(value, str):
        feature.bytes_list.value.append(value.encode())
    elif isinstance(value, bool):
        feature.int64_list.value.append(int(value))
    elif value is not None:
        feature.float_list.value.append(value)
    return feature


def _request(kind: str, rows: list[dict[str, Any]], **spec: Any) -> Any:
    request = message_class(f"tensorflow.serving.{kind}")(model_spec={"name": "adult"} | spec)
    for row in rows:
        example = request.input.example_list.examples.add()
        for column, value in row.items():
            example.features.feature[column].CopyFrom(_feature(value))
    return request


def _run(model: LoadedModel) -> list[Any]:
    return model.run(decode_rows(ROWS, model.decoder, field="rows"))


def test_classify_gives_each_class_its_probability() -> None:
    repository = OneModel(CLASSIFIER)
    reply = TensorFlowService(repository).classify(_request("ClassificationRequest", ROWS), CALLER)
    response = reply.message
    assert (response.model_spec.name, response.model_spec.version.value) == ("adult", 3)
    result = response.result.classifications
    assert [[entry.label for entry in row.classes] for row in result] == [list(CLASSIFIER.classes)] * len(ROWS)
    scores = np.array([[entry.score for entry in row.classes] for row in result])
    np.testing.assert_allclose(scores, _run(repository.model)[1], rtol=1e-6)
    assert reply.facts["rows"] == len(ROWS)


def test_regress_gives_a_value_for_each_example() -> None:
    repository = OneModel(REGRESSOR)
    response = TensorFlowService(repository).regress(_request("RegressionRequest", ROWS), CALLER).message
    values = [regression.value for regression in response.result.regressions]
    np.testing.assert_allclose(values, _run(repository.model)[0], rtol=1e-6)


def _multi_inference(*methods: str, rows: list[dict[str, Any]] = ROWS) -> Any:
    tasks = [{"model_spec": {"name": "adult"}, "method_name": f"tensorflow/serving/{method}"} for method in methods]
    examples = _request("ClassificationRequest", rows).input
    return message_class("tensorflow.serving.MultiInferenceRequest")(tasks=tasks, input=examples)


@pytest.mark.parametrize(("method", "signature"), [("classify", CLASSIFIER), ("regress", REGRESSOR)])
def test_multi_inference_gives_the_results_of_separate_requests(method: str, signature: Signature) -> None:
    service = TensorFlowService(OneModel(signature))
    kind = {"classify": "classification", "regress": "regression"}[method]
    alone = getattr(service, method)(_request(f"{kind.title()}Request", ROWS), CALLER).message
    reply = service.multi_inference(_multi_inference(method, method), CALLER)
    assert [getattr(result, f"{kind}_result") for result in reply.message.results] == [alone.result] * 2
    assert reply.message.results[0].model_spec.version.value == 3
    assert reply.facts["rows"] == len(ROWS)


@pytest.mark.parametrize(("methods", "fact"), [((), "tasks"), (("guess",), r"tasks\[0\]"), (("regress",), "one value")])
def test_invalid_tasks_are_refused(methods: tuple[str, ...], fact: str) -> None:
    with pytest.raises(InvalidRequestError, match=fact):
        TensorFlowService(OneModel(CLASSIFIER)).multi_inference(_multi_inference(*methods), CALLER)


def test_the_context_adds_features_to_each_example() -> None:
    repository = OneModel(REGRESSOR)
    request = _request("RegressionRequest", [])
    listed = request.input.example_list_with_context
    for name, value in ROWS[0].items():
        example = listed.context if name == "job" else listed.examples[0] if listed.examples else listed.examples.add()
        example.features.feature[name].CopyFrom(_feature(value))
    (value,) = TensorFlowService(repository).regress(request, CALLER).message.result.regressions
    assert value.value == pytest.approx(float(_run(repository.model)[0][0]), rel=1e-6)


def test_the_metadata_describes_the_signature_of_the_model() -> None:
    request = message_class("tensorflow.serving.GetModelMetadataRequest")(
        model_spec={"name": "adult"}, metadata_field=["signature_def"]
    )
    response = TensorFlowService(OneModel(CLASSIFIER)).get_model_metadata(request, CALLER).message
    signatures = message_class("tensorflow.serving.SignatureDefMap")()
    assert response.metadata["signature_def"].Unpack(signatures)
    definition = signatures.signature_def["serving_default"]
    assert definition.method_name == "tensorflow/serving/predict"
    assert set(definition.inputs) == {column.name for column in CLASSIFIER.columns}
    assert definition.inputs["job"].dtype == 7  # DT_STRING
    assert set(definition.outputs) == set(CLASSIFIER.outputs)


@pytest.mark.parametrize(
    ("method", "request_name", "signature", "rows", "fact"),
    [
        ("classify", "ClassificationRequest", REGRESSOR, ROWS, "regression"),
        ("regress", "RegressionRequest", CLASSIFIER, ROWS, "one value"),
        ("classify", "ClassificationRequest", CLASSIFIER, [], "example_list"),
        ("classify", "ClassificationRequest", CLASSIFIER, [{**ROWS[0], "color": "red"}], "color"),
        ("classify", "ClassificationRequest", CLASSIFIER, [{**ROWS[0], "age": "old"}], "age"),
    ],
)
def test_invalid_requests_are_refused(
    method: str, request_name: str, signature: Signature, rows: list[dict[str, Any]], fact: str
) -> None:
    service = TensorFlowService(OneModel(signature))
    with pytest.raises(InvalidRequestError, match=fact):
        getattr(service, method)(_request(request_name, rows), CALLER)


def test_another_metadata_field_is_refused() -> None:
    request = message_class("tensorflow.serving.GetModelMetadataRequest")(model_spec={"name": "adult"})
    with pytest.raises(InvalidRequestError, match="signature_def"):
        TensorFlowService(OneModel(CLASSIFIER)).get_model_metadata(request, CALLER)


def test_models_and_permissions_are_checked() -> None:
    service = TensorFlowService(OneModel(CLASSIFIER))
    with pytest.raises(NotFoundError):
        service.classify(_request("ClassificationRequest", ROWS, name="other"), CALLER)
    with pytest.raises(ForbiddenError):
        service.classify(_request("ClassificationRequest", ROWS), Caller("demo", frozenset({"read"})))


def test_bytes_that_are_not_text_are_base64() -> None:
    from pipeline.server.grpc.tensorflow_examples import read_examples

    request = _request("ClassificationRequest", [{}])
    features = request.input.example_list.examples[0].features.feature
    features["picture"].bytes_list.value.append(b"\xff\xd8\xff")
    features["vector"].float_list.value.extend([1.0, 2.0])
    features["nothing"].float_list.SetInParent()
    assert read_examples(request) == [{"picture": "/9j/", "vector": [1.0, 2.0], "nothing": None}]


def test_field_names_and_numbers_match_tensorflow_serving() -> None:
    """From the file descriptors of the package tensorflow-serving-api 2.21, and its inference.proto."""
    expected = {
        "Input": {"example_list": 1, "example_list_with_context": 2},
        "ExampleListWithContext": {"examples": 1, "context": 2},
        "ClassificationRequest": {"model_spec": 1, "input": 2},
        "ClassificationResponse": {"model_spec": 2, "result": 1},
        "Class": {"label": 1, "score": 2},
        "InferenceTask": {"model_spec": 1, "method_name": 2},
        "InferenceResult": {"model_spec": 1, "classification_result": 2, "regression_result": 3},
        "MultiInferenceRequest": {"tasks": 1, "input": 2},
        "MultiInferenceResponse": {"results": 1},
        "RegressionRequest": {"model_spec": 1, "input": 2},
        "RegressionResponse": {"model_spec": 2, "result": 1},
        "GetModelMetadataRequest": {"model_spec": 1, "metadata_field": 2},
        "GetModelMetadataResponse": {"model_spec": 1, "metadata": 2},
    }
    for name, fields in expected.items():
        descriptor = message_class(f"tensorflow.serving.{name}").DESCRIPTOR
        assert {field.name: field.number for field in descriptor.fields} == fields
