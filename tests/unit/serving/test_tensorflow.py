"""TensorFlow Serving's REST API: both formats of predict, classify, regress, status and metadata."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.contracts.errors import InvalidRequestError, MethodNotAllowedError, NotFoundError, TooManyRowsError
from pipeline.serving.api.routes import Route, find_route
from tests.helpers.prediction_requests import NUMBERS, TEXT, post
from tests.helpers.served_models import CLASSIFIER, REGRESSOR, ROWS, direct

PREDICT = "/v1/models/adult:predict"
NAN = float("nan")
MATRIX = [[float(row * 8 + column) for column in range(8)] for row in range(3)]
AS_FED: dict[str, list[Any]] = {
    "age": [30, NAN, -1e-3],
    "job": ["cook", "", "juggler"],
    "hours per week": [40.5, NAN, 1e30],
    "member": [1, NAN, 0],
}


def matrix_values() -> list[float]:
    (values,) = direct(NUMBERS, **{f"x{number}": [row[number] for row in MATRIX] for number in range(8)})
    return pytest.approx(values.tolist())  # type: ignore[no-any-return]


def test_instances_are_rows() -> None:
    labels, probabilities = direct(CLASSIFIER, **AS_FED)
    predictions = post(PREDICT, {"instances": ROWS})["predictions"]
    assert [prediction["label"] for prediction in predictions] == labels.tolist()
    assert predictions[0]["probabilities"] == pytest.approx(probabilities[0].tolist())


def test_inputs_are_columns() -> None:
    inputs = {name: [row[name] for row in ROWS] for name in ROWS[0]}
    labels, _ = direct(CLASSIFIER, **AS_FED)
    assert post(PREDICT, {"inputs": inputs})["outputs"]["label"] == labels.tolist()


def test_the_predictions_of_a_model_with_one_output_are_plain_values() -> None:
    (values,) = direct(REGRESSOR, **AS_FED)
    assert post(PREDICT, {"instances": ROWS}, REGRESSOR) == {"predictions": pytest.approx(values.tolist())}


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({"signature_name": "predict", "instances": MATRIX}, "predictions"),
        ({"signature_name": "serving_default", "instances": [{"x": row} for row in MATRIX]}, "predictions"),
        ({"inputs": {"x": MATRIX}}, "outputs"),
        ({"inputs": MATRIX}, "outputs"),
        ({"inputs": {f"x{number}": [[row[number]] for row in MATRIX] for number in range(8)}}, "outputs"),
    ],
)
def test_a_matrix_may_hold_all_columns(document: Any, field: str) -> None:
    assert post(PREDICT, document, NUMBERS)[field] == matrix_values()


@pytest.mark.parametrize("document", [{"instances": ["cook", "clerk"]}, {"inputs": ["cook", "clerk"]}])
def test_the_values_of_a_single_column_need_no_name(document: Any) -> None:
    (outputs,) = post(PREDICT, document, TEXT).values()
    assert len(outputs["label"] if isinstance(outputs, dict) else outputs) == 2


@pytest.mark.parametrize("unwrapped", [True, False])
def test_examples_are_classified_with_the_probability_of_each_class(unwrapped: bool) -> None:
    examples = ROWS if unwrapped else [{name: [value] for name, value in row.items()} for row in ROWS]
    _, probabilities = direct(CLASSIFIER, **AS_FED)
    result = post("/v1/models/adult:classify", {"examples": examples})["result"]
    assert [label for label, _ in result[0]] == ["<=50K", ">50K", "?"]
    assert [score for _, score in result[2]] == pytest.approx(probabilities[2].tolist())


def test_examples_are_regressed_and_share_their_context() -> None:
    context = {"job": "cook"}
    examples = [{name: row[name] for name in row if name != "job"} for row in ROWS]
    result = post("/v1/models/adult:regress", {"examples": examples, "context": context}, REGRESSOR)["result"]
    (values,) = direct(REGRESSOR, **AS_FED | {"job": ["cook"] * 3})
    assert result == pytest.approx(values.tolist())


def test_status_and_metadata_have_the_format_of_tensorflow_serving() -> None:
    (status,) = post("/v1/models/adult", None, method="GET")["model_version_status"]
    assert (status["version"], status["state"], status["status"]["error_code"]) == ("3", "AVAILABLE", "OK")
    document = post("/v1/models/adult/metadata", None, method="GET")
    assert document["model_spec"] == {"name": "adult", "signature_name": "", "version": "3"}
    definition = document["metadata"]["signature_def"]["signature_def"]["serving_default"]
    assert definition["inputs"]["job"]["dtype"] == "DT_STRING"
    assert [size["size"] for size in definition["outputs"]["probabilities"]["tensor_shape"]["dim"]] == ["-1", "3"]


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/v1/models/m:predict", Route("tf_predict", "m")),
        ("/v1/models/m/versions/12:classify", Route("tf_classify", "m", 12)),
        ("/v1/models/m/labels/canary:regress", Route("tf_regress", "m", None, "canary")),
        ("/v1/models/m@canary:predict", Route("tf_predict", "m", None, "canary")),
        ("/v1/models/m%40canary%3Apredict", Route("tf_predict", "m", None, "canary")),
        ("/v2/models/m@canary/infer", Route("infer", "m", None, "canary")),
        ("/v1/models/m/invocations", Route("invocations", "m")),
        ("/v1/v1/models/m.1/versions/3/invocations", Route("invocations", "m.1", 3)),
    ],
)
def test_a_path_names_a_version_or_an_alias(path: str, route: Route) -> None:
    assert find_route("POST", path) == route


@pytest.mark.parametrize("path", ["/v1/models/m:explain", "/v1/models/m@a/versions/1:predict", "/v1/models/m@:predict"])
def test_an_unknown_route_is_not_found(path: str) -> None:
    with pytest.raises(NotFoundError):
        find_route("POST", path)


def test_a_wrong_method_is_refused_with_the_allowed_method() -> None:
    with pytest.raises(MethodNotAllowedError, match="POST"):
        find_route("GET", PREDICT)


@pytest.mark.parametrize(
    ("path", "document", "facts"),
    [
        (PREDICT, [], ["object", "array"]),
        (PREDICT, {}, ["instances", "inputs"]),
        (PREDICT, {"instances": [], "inputs": []}, ["instances", "inputs"]),
        (PREDICT, {"instances": []}, ["instances", "0"]),
        (PREDICT, {"instances": 7}, ["instances", "number"]),
        (PREDICT, {"instances": ROWS, "signature_name": "other"}, ["signature_name", "serving_default"]),
        (PREDICT, {"instances": [[1, 2, 3, 4]]}, ["instances", "not numeric"]),
        (PREDICT, {"instances": [ROWS[0] | {"age": "x"}]}, ["instances[0]", "'age'"]),
        (PREDICT, {"inputs": {"age": [1]}}, ["inputs", "'job'"]),
        (PREDICT, {"inputs": 7}, ["inputs", "number"]),
        ("/v1/models/adult:classify", {"examples": [7]}, ["examples"]),
        ("/v1/models/adult:classify", {"examples": ROWS, "context": []}, ["context", "array"]),
        ("/v1/models/adult:regress", {"examples": ROWS}, [":predict"]),
    ],
)
def test_an_invalid_document_is_refused_with_the_place(path: str, document: Any, facts: list[str]) -> None:
    with pytest.raises(InvalidRequestError) as raised:
        post(path, document)
    assert all(fact in raised.value.message for fact in facts)


@pytest.mark.parametrize(
    ("rows", "facts"),
    [([[1, 2]], ["8"]), ([[1] * 8, [1] * 7], ["row 1"]), ([[1] * 7 + ["a"]], ["'x7'"]), ([[1] * 8, 5], ["[1]"])],
)
def test_a_matrix_of_another_shape_is_refused_with_the_place(rows: Any, facts: list[str]) -> None:
    with pytest.raises(InvalidRequestError) as raised:
        post(PREDICT, {"instances": rows}, NUMBERS)
    assert all(fact in raised.value.message for fact in facts)


def test_a_regressor_does_not_classify() -> None:
    with pytest.raises(InvalidRequestError, match=":regress"):
        post("/v1/models/adult:classify", {"examples": ROWS}, REGRESSOR)


def test_too_many_instances_are_refused() -> None:
    with pytest.raises(TooManyRowsError, match="10001"):
        post(PREDICT, {"instances": [[0] * 8] * 10_001}, NUMBERS)
