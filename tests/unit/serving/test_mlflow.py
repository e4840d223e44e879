"""MLflow's scoring protocol."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest

from pipeline.contracts.errors import InvalidRequestError, UnsupportedMediaTypeError
from tests.helpers.prediction_requests import NUMBERS, call, post
from tests.helpers.served_models import CLASSIFIER, COLUMNS, REGRESSOR, ROWS, direct

PATH = "/v1/models/adult/invocations"
NAN = float("nan")
NAMES = [column.name for column in COLUMNS]
CELLS = [[row[name] for name in NAMES] for row in ROWS]
AS_FED: dict[str, list[Any]] = {
    "age": [30, NAN, -1e-3],
    "job": ["cook", "", "juggler"],
    "hours per week": [40.5, NAN, 1e30],
    "member": [1, NAN, 0],
}
LABELS = direct(CLASSIFIER, **AS_FED)[0].tolist()


@pytest.mark.parametrize(
    "document",
    [
        {"dataframe_split": {"index": [0, 1, 2], "columns": NAMES, "data": CELLS}},
        {"dataframe_split": {"data": CELLS}},
        {"dataframe_records": ROWS, "params": {}},
        {"instances": ROWS},
        {"inputs": {name: [row[name] for row in ROWS] for name in NAMES}},
    ],
)
def test_each_input_format_gets_labels(document: Any) -> None:
    assert post(PATH, document) == {"predictions": LABELS}


def test_a_regression_model_returns_values() -> None:
    (values,) = direct(REGRESSOR, **AS_FED)
    assert post(PATH, {"dataframe_records": ROWS}, REGRESSOR)["predictions"] == pytest.approx(values.tolist())


def test_a_matrix_may_hold_all_columns() -> None:
    assert len(post(PATH, {"inputs": [[1.0] * 8] * 2}, NUMBERS)["predictions"]) == 2


@pytest.mark.parametrize(
    ("content_type", "header", "delimiter"),
    [
        ("text/csv", True, ","),
        ("text/csv; charset=utf-8; header=absent", False, ","),
        ("text/csv", True, ";"),
        ("text/tab-separated-values", True, "\t"),
    ],
)
def test_csv_is_read_and_written(content_type: str, header: bool, delimiter: str) -> None:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter).writerows(([NAMES] if header else []) + CELLS)
    response = call(PATH, text.getvalue().encode(), headers={"content-type": content_type, "accept": "text/csv"})
    assert response.headers["content-type"] == "text/csv"
    table = list(csv.DictReader(io.StringIO(response.body.decode())))
    assert [row["prediction"] for row in table] == LABELS
    assert 0 <= float(table[0]["probability_<=50K"]) <= 1


@pytest.mark.parametrize(
    ("document", "facts"),
    [
        ([], ["dataframe_split", "array"]),
        ({}, ["dataframe_split", "none"]),
        ({"inputs": [], "instances": []}, ["inputs and instances"]),
        ({"dataframe_split": []}, ["columns", "data"]),
        ({"dataframe_split": {"columns": [1], "data": [[1]]}}, ["columns"]),
        ({"dataframe_split": {"columns": ["age", "age"], "data": [[1, 2]]}}, ["repeated"]),
        ({"dataframe_split": {"columns": NAMES, "data": [[1]]}}, ["data[0]", "4"]),
        ({"dataframe_split": {"columns": NAMES, "data": []}}, ["rows"]),
        ({"dataframe_records": [{"age": 1}]}, ["dataframe_records[0]", "'job'"]),
    ],
)
def test_an_invalid_document_is_refused_with_the_place(document: Any, facts: list[str]) -> None:
    with pytest.raises(InvalidRequestError) as raised:
        post(PATH, document)
    assert all(fact in raised.value.message for fact in facts)


def test_another_content_type_is_not_supported() -> None:
    with pytest.raises(UnsupportedMediaTypeError, match="application/json"):
        call(PATH, b"<rows/>", headers={"content-type": "application/xml"})
