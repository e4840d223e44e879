"""``{"rows": [...]}``: predictions, and refusals with place and reason."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pipeline.contracts.errors import InvalidRequestError
from pipeline.contracts.signature import Column, Signature
from pipeline.parsing.missing import MISSING
from pipeline.serving.api.protocols.infer import infer_document
from pipeline.serving.request_decoder import RequestDecoder
from pipeline.serving.responses import PredictionWriter, format_predictions, to_json
from tests.helpers.served_models import CLASSIFIER, REGRESSOR, ROWS, direct, loaded

NAN = float("nan")
AS_FED = {
    "age": [30, NAN, -1e-3],
    "job": ["cook", "", "juggler"],
    "hours per week": [40.5, NAN, 1e30],
    "member": [1, NAN, 0],
}


def answered(rows: Any, signature: Signature = CLASSIFIER) -> list[dict[str, Any]]:
    body = json.loads(infer_document(loaded(signature), {"rows": rows}).body)
    assert (body["model"], body["version"]) == ("adult", 3)
    return body["predictions"]


def refused(rows: Any) -> str:
    with pytest.raises(InvalidRequestError) as raised:
        infer_document(loaded(), {"rows": rows})
    return raised.value.message


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 0, 1], [1]])
def test_rows_get_the_predictions_of_onnxruntime(order: list[int]) -> None:
    labels, probabilities = direct(CLASSIFIER, **{k: [v[i] for i in order] for k, v in AS_FED.items()})
    predictions = answered([ROWS[i] for i in order])
    assert [prediction["label"] for prediction in predictions] == labels.tolist()
    assert [list(prediction["probabilities"]) for prediction in predictions] == [list(CLASSIFIER.classes)] * len(order)
    served = np.array([list(prediction["probabilities"].values()) for prediction in predictions], np.float32)
    assert np.array_equal(served, probabilities)  # float32 comes through JSON unharmed


def test_regression_values_equal_those_of_onnxruntime() -> None:
    (values,) = direct(REGRESSOR, **AS_FED)
    predictions = answered(ROWS, REGRESSOR)
    assert [list(prediction) for prediction in predictions] == [["value"]] * 3
    assert np.array_equal(np.array([prediction["value"] for prediction in predictions], np.float32), values)


def test_a_nan_prediction_is_null() -> None:
    outputs = [np.array([np.nan, 0.1], np.float32)]
    body = to_json({"predictions": format_predictions(outputs, REGRESSOR)})
    assert body == b'{"predictions":[{"value":null},{"value":0.1}]}'


def test_a_value_may_have_quantiles() -> None:
    outputs = [np.array([0.5, 2], np.float32), np.array([[0, 1], [1.5, np.nan]], np.float32)]
    signature = replace(REGRESSOR, quantiles=(0.1, 0.9))
    body = to_json({"predictions": format_predictions(outputs, signature)})
    assert json.loads(body)["predictions"] == [
        {"value": 0.5, "quantiles": {"0.1": 0.0, "0.9": 1.0}},
        {"value": 2.0, "quantiles": {"0.1": 1.5, "0.9": None}},
    ]


@pytest.mark.parametrize(
    ("signature", "outputs"),
    [
        (Signature(task="regression", target="y", columns=()), [np.array([0.1, np.nan, 1e30], np.float32)]),
        (
            Signature(task="regression", target="y", columns=(), quantiles=(0.1, 0.9)),
            [np.array([0.5, 2], np.float32), np.array([[0, 1], [1.5, np.nan]], np.float32)],
        ),
        (
            Signature(task="regression", target="a", columns=(), targets=("a", "b %")),
            [np.array([[1, 2], [3, 4]], np.float32)],
        ),
        (
            Signature(task="classification", target="y", columns=(), classes=("100 %", 'a "b"')),
            [np.array(['a "b"', "another"], object), np.array([[0.25, 0.75], [np.nan, 0.1]], np.float32)],
        ),
        (
            Signature(
                task="classification", target="y", columns=(), classes=("a", "b"), targets=("a", "b"), separator="|"
            ),
            [np.array(["a|b", ""], object), np.array([[0.25, 0.75], [1, 0.1]], np.float32)],
        ),
    ],
)
def test_predictions_written_from_a_template_equal_those_from_python_objects(
    signature: Signature, outputs: list[np.ndarray[Any, Any]]
) -> None:
    assert b"[%b]" % PredictionWriter(signature)(outputs) == to_json(format_predictions(outputs, signature))


@pytest.mark.parametrize("rows", [1, 20])
def test_a_boolean_among_numbers_is_refused(rows: int) -> None:
    cells = [{**ROWS[0], "age": 1.0}] * rows + [{**ROWS[0], "age": True}]
    with pytest.raises(InvalidRequestError, match=rf"rows\[{rows}\], column 'age': a number .* a boolean"):
        infer_document(loaded(), {"rows": cells})


def test_columns_may_come_in_any_order() -> None:
    shuffled = dict(reversed(ROWS[0].items()))
    assert answered([shuffled]) == answered([ROWS[0]])


def test_a_model_of_one_column_is_served() -> None:
    signature = Signature(task="regression", target="y", columns=(Column(name="x", kind="numeric"),))
    (values,) = direct(signature, x=[1, 2])
    assert [prediction["value"] for prediction in answered([{"x": 1}, {"x": 2}], signature)] == pytest.approx(
        values.tolist()
    )


@pytest.mark.parametrize("marker", [None, *sorted(MISSING), "  ?  "])
def test_each_marker_of_a_missing_value_means_null(marker: str | None) -> None:
    marked = [{**ROWS[0], "job": marker, "member": marker}]
    null = [{**ROWS[0], "job": None, "member": None}]
    assert answered(marked) == answered(null)


@pytest.mark.parametrize(
    ("cell", "text"), [(1, "1"), (1.0, "1"), (True, "true"), (" cook ", "cook"), (2.5, "2.5"), ("Cook", "another")]
)
def test_a_category_is_compared_as_text(cell: Any, text: str) -> None:
    fed = {name: values[:1] for name, values in AS_FED.items()} | {"job": [text]}
    assert answered([{**ROWS[0], "job": cell}])[0]["label"] == direct(CLASSIFIER, **fed)[0][0]
    assert answered([{**ROWS[0], "job": cell}]) == answered([{**ROWS[0], "job": text}])


@pytest.mark.parametrize(("word", "value"), [("true", True), (" Yes ", True), ("FALSE", False), ("no", False)])
def test_a_boolean_may_be_a_word(word: str, value: bool) -> None:
    assert answered([{**ROWS[0], "member": word}]) == answered([{**ROWS[0], "member": value}])
    assert answered([{**ROWS[0], "member": True}]) != answered([{**ROWS[0], "member": False}])


@pytest.mark.parametrize(
    ("column", "cell", "expected", "actual"),
    [
        ("age", "thirty", "a number such as 1299.5 or null", "other text"),
        ("age", True, "a number or null", "a boolean"),
        ("age", [31], "a number or null", "an array"),
        ("age", 1e39, "a number within ±3.4e38", "a larger one"),
        ("age", -(2**127) * 2.0, "a number within ±3.4e38", "a larger one"),
        ("job", ["cook"], "text or null", "an array"),
        ("job", {"a": 1}, "text or null", "an object"),
        ("member", 2, "true, false, 1, 0 or null", "another number"),
        ("member", "perhaps", "true, false, 1, 0 or null", "other text"),
    ],
)
def test_a_cell_of_the_wrong_type_is_refused_with_row_and_column(
    column: str, cell: Any, expected: str, actual: str
) -> None:
    message = refused([ROWS[0], {**ROWS[0], column: cell}])
    assert message == f"rows[1], column '{column}': {expected} is expected, this is {actual}"


def test_missing_and_unknown_columns_are_named_with_the_nearest_known_one() -> None:
    row = {**ROWS[0], "joob": "cook", "income": ">50K"}
    del row["job"]
    message = refused([ROWS[0], row])
    assert message.startswith("rows[1] lacks 'job' and has 'joob', 'income'")
    assert "'joob' is near 'job'" in message
    assert "'income' is what it predicts" in message
    assert "expected: 'age', 'job', 'hours per week', 'member'" in message
    assert "?extra=ignore" in message


def test_an_unknown_column_without_a_similar_one_gets_no_suggestion() -> None:
    assert "has 'zzzzzz', which the model does not read; expected" in refused([{**ROWS[0], "zzzzzz": 1}])


def test_only_some_of_many_unknown_columns_are_named_and_escaped() -> None:
    message = refused([{**ROWS[0], **{f"unknown\n{number}" + "x" * 500: 1 for number in range(50)}}])
    assert "and 40 more" in message
    assert "\n" not in message
    assert len(message) < 2500


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ({"age": 1}, "rows: an array of objects is expected, not an object"),
        (None, "rows: an array of objects is expected, not null"),
        ([], "rows: 1 to 10000 rows are expected, there are 0"),
        ([[1, 2]], "rows[0]: an object is expected, not an array"),
        ([ROWS[0], "cook"], "rows[1]: an object is expected, not text"),
        ([ROWS[0]] * 10_001, "rows: 1 to 10000 rows are expected, there are 10001"),
    ],
)
def test_an_invalid_list_of_rows_is_refused(rows: Any, message: str) -> None:
    assert refused(rows) == message


def test_error_messages_do_not_quote_values() -> None:
    for column in ("age", "member"):
        assert "Jane" not in refused([{**ROWS[0], column: "Jane Doe"}])


def test_a_model_of_many_classes_accepts_fewer_rows_so_that_the_response_fits() -> None:
    classes = tuple(f"a class with a long name {number}" for number in range(1000))
    signature = Signature(
        task="classification", target="y", columns=(Column(name="x", kind="numeric"),), classes=classes
    )
    model = loaded(signature)
    with pytest.raises(InvalidRequestError, match=r"1 to \d+ rows are expected, there are 10000") as raised:
        infer_document(model, {"rows": [{"x": 1}] * 10_000})
    most = int(raised.value.message.split("1 to ")[1].split()[0])
    response = infer_document(model, {"rows": [{"x": 0.1}] * most})
    assert 1_000_000 < len(response.body) < 6_000_000


def _fed(*rows: dict[str, Any], day_first: bool | None = False) -> Any:
    columns = (Column(name="when", kind="datetime", day_first=day_first), Column(name="note", kind="text"))
    return RequestDecoder(Signature(task="regression", target="y", columns=columns), 100).feeds(
        list(rows), lambda row, name: f"rows[{row}], {name}"
    )


@pytest.mark.parametrize("rows", [1, 2])
@pytest.mark.parametrize(
    ("cell", "seconds"),
    [
        ("2024-01-31T10:30:00+02:00", 1706689800.0),
        ("31/1/2024", 1706659200.0),
        ("3/4/2024", 1709510400.0),
        (" 12:30 ", 45000.0),
        (1706659200, 1706659200.0),
        (-0.5, -0.5),
        (None, NAN),
        ("", NAN),
    ],
)
def test_a_date_may_be_text_or_seconds(cell: Any, seconds: float, rows: int) -> None:
    feeds = _fed(*[{"when": cell, "note": None}] * rows, day_first=cell == "31/1/2024")
    assert feeds["when"].dtype == np.float64
    np.testing.assert_array_equal(feeds["when"], [seconds] * rows)


def test_a_text_keeps_its_inner_white_space() -> None:
    feeds = _fed({"when": None, "note": " two  words\n"}, {"when": None, "note": None})
    assert feeds["note"].tolist() == ["two  words", ""]


@pytest.mark.parametrize(
    ("cell", "actual"),
    [("soon", "other text"), ("31/1/2024", "one whose day comes first"), (True, "a boolean"),
     (1e30, "a number beyond"), (NAN, "a number beyond"), ([1], "an array")],
)  # fmt: skip
def test_an_invalid_date_is_refused_with_the_place(cell: Any, actual: str) -> None:
    message = r"rows\[0\], when: a date such as 2024-01-31T10:30:00Z, seconds since 1970 or null is expected, this is "
    with pytest.raises(InvalidRequestError, match=message + actual):
        _fed({"when": cell, "note": "x"})


@pytest.mark.parametrize("extra", [{"zzzzzz": 1}, {"joob": "cook", "income": ">50K"}])
def test_extra_columns_are_dropped_with_ignore_extra(extra: dict[str, Any]) -> None:
    rows = [{**ROWS[0], **extra}, ROWS[1]]
    body = json.loads(infer_document(loaded(), {"rows": rows}, ignore_extra=True).body)
    assert body["predictions"] == answered(ROWS[:2])


def test_an_absent_column_is_an_error_even_with_ignore_extra() -> None:
    row = {"joob": "cook", **{name: cell for name, cell in ROWS[0].items() if name != "job"}}
    with pytest.raises(InvalidRequestError, match="lacks 'job'"):
        infer_document(loaded(), {"rows": [row]}, ignore_extra=True)


def test_unread_columns_of_the_training_file_are_not_extra() -> None:
    signature = replace(CLASSIFIER, unread=("row number", "Größe"))
    row = {**ROWS[0], "row number": 7, " Gro\u0308ße ": None}
    assert answered([row], signature) == answered([ROWS[0]])
    with pytest.raises(InvalidRequestError, match="has 'row'"):
        infer_document(loaded(signature), {"rows": [{**row, "row": 1}]})


@pytest.mark.parametrize("cell", ["3/4/2024", "3-4-24 10:30", "Mon, 01/02/2024"])
def test_an_ambiguous_date_is_refused_when_the_day_month_order_is_unknown(cell: str) -> None:
    message = r"rows\[1\], when: a date such as 2024-01-31T.* does not show whether its day or its month comes first"
    with pytest.raises(InvalidRequestError, match=message):
        _fed({"when": "2024-01-31", "note": "x"}, {"when": cell, "note": "x"}, day_first=None)


@pytest.mark.parametrize(
    ("cell", "seconds"),
    [("3.4.2024", 1712102400.0), ("31/1/2024", 1706659200.0), ("1/31/2024", 1706659200.0), ("2/2/2024", 1706832000.0)],
)
def test_an_unambiguous_date_is_read_when_the_day_month_order_is_unknown(cell: str, seconds: float) -> None:
    assert _fed({"when": cell, "note": None}, day_first=None)["when"].tolist() == [seconds]


def test_a_date_in_the_other_day_month_order_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match="whose month comes first, unlike in the training file"):
        _fed({"when": "1/31/2024", "note": None}, day_first=True)


@pytest.mark.parametrize(
    "cell",
    [
        "5. März 2024",
        "5. Ma\u0308rz 2024",
        "5 de marzo de 2024",
        "2024年3月5日",
        "05MAR2024",
        "Tue, 05 Mar 2024 00:00:00 GMT",
    ],
)
def test_dates_of_common_formats_and_languages_are_read(cell: str) -> None:
    assert _fed({"when": cell, "note": None})["when"].tolist() == [1709596800.0]
