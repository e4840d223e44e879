"""Row formats that need no protocol: columns, CSV, Parquet, a single text; CSV as the response."""

from __future__ import annotations

import io
import json
import sys
from dataclasses import replace
from datetime import date
from typing import Any

import polars as pl
import pytest

from pipeline.contracts.errors import InvalidRequestError, TooManyRowsError, UnsupportedMediaTypeError
from pipeline.contracts.signature import Column, Signature
from pipeline.serving.formats.columns import decode_columns
from pipeline.serving.formats.csv_text import decode_csv, write_csv
from pipeline.serving.formats.parquet import decode_parquet
from pipeline.serving.request_decoder import RequestDecoder
from tests.helpers.prediction_requests import TEXT, call, post
from tests.helpers.served_models import ROWS

PATH = "/v2/models/adult/infer"
BY_COLUMN: dict[str, list[Any]] = {name: [row[name] for row in ROWS] for name in ROWS[0]}
CSV = b"job,age,hours per week,member\ncook,30,40.5,True\n,,,\njuggler,-0.001,1e30,no\n"
SIGNATURE = Signature(
    task="regression",
    target="y",
    columns=(Column(name="price", kind="numeric"), Column(name="when", kind="datetime", is_optional=True)),
)
DECODER = RequestDecoder(SIGNATURE, 100)


def test_columns_get_the_same_predictions_as_rows() -> None:
    assert post(PATH, {"columns": BY_COLUMN}) == post(PATH, {"rows": ROWS})


@pytest.mark.parametrize("body", [CSV, CSV.replace(b"\n", b"\r\n"), b"\xef\xbb\xbf" + CSV, CSV.replace(b",", b";")])
def test_csv_gets_the_same_predictions_as_rows(body: bytes) -> None:
    response = call(PATH, body, headers={"content-type": "text/csv; charset=UTF-8"})
    assert json.loads(response.body) == post(PATH, {"rows": ROWS})


def test_parquet_gets_the_same_predictions_as_rows() -> None:
    file = io.BytesIO()
    pl.DataFrame(BY_COLUMN, strict=False).write_parquet(file)
    response = call(PATH, file.getvalue(), headers={"content-type": "application/vnd.apache.parquet"})
    assert json.loads(response.body) == post(PATH, {"rows": ROWS})


def test_dates_in_parquet_are_read_as_dates() -> None:
    file = io.BytesIO()
    pl.DataFrame({"price": [1.5, float("nan")], "when": [date(1970, 1, 2), None]}).write_parquet(file)
    feeds = decode_parquet(file.getvalue(), DECODER)
    assert feeds["when"].tolist()[0] == 86_400
    assert str(feeds["price"].tolist()) == "[1.5, nan]"


def test_parquet_is_not_supported_without_polars(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(UnsupportedMediaTypeError, match="polars"):
        decode_parquet(b"PAR1", DECODER)


def test_a_plain_text_body_is_a_row_of_a_model_with_one_column() -> None:
    response = call(PATH, b"cook", TEXT, headers={"content-type": "text/plain"})
    assert json.loads(response.body) == post(PATH, {"rows": [{"job": "cook"}]}, TEXT)


@pytest.mark.parametrize(
    "content_type", ["text/plain", "image/png", "application/octet-stream", "text/csv;charset=latin-1"]
)
def test_a_content_type_that_the_model_cannot_read_is_not_supported(content_type: str) -> None:
    with pytest.raises(UnsupportedMediaTypeError, match="content-type"):
        call(PATH, b"cook", headers={"content-type": content_type})


@pytest.mark.parametrize("accept", ["text/csv", "text/csv, application/json;q=0.9"])
def test_a_client_that_accepts_csv_gets_csv(accept: str) -> None:
    response = call(PATH, json.dumps({"rows": ROWS}).encode(), headers={"accept": accept})
    first, *lines = response.body.decode().splitlines()
    assert first == "prediction,probability_<=50K,probability_>50K,probability_?"
    assert len(lines) == 3


@pytest.mark.parametrize(
    ("predictions", "changes", "text"),
    [
        ([{"value": 1.5}, {"value": float("nan")}], {}, "prediction\n1.5\n\n"),
        ([{"value": 1, "quantiles": {"0.1": 0}}], {}, "prediction,quantile_0.1\n1,0\n"),
        ([{"value": {"a": 1, "b": 2}}], {}, "prediction_a,prediction_b\n1,2\n"),
        ([{"label": ["a", "b"], "probabilities": {"a": 1}}], {"separator": "|"}, "prediction,probability_a\na|b,1\n"),
    ],
)
def test_each_kind_of_prediction_is_written_as_csv(predictions: Any, changes: Any, text: str) -> None:
    body = write_csv(predictions, replace(SIGNATURE, **changes)).decode()
    assert [line.strip('"') for line in body.splitlines()] == text.splitlines()


@pytest.mark.parametrize(
    ("columns", "facts"),
    [
        ([], ["object", "array"]),
        ({"price": 1}, ["'price'", "number"]),
        ({"price": [1, 2], "when": ["2024-01-01"]}, ["'when'", "1", "2"]),
        ({"price": []}, ["0"]),
        ({}, ["'price'"]),
        ({"price": [1], "city": ["Bonn"]}, ["'city'"]),
        ({"price": [1], " price": [1]}, ["twice"]),
        ({"price": [1, "x"]}, ["'price'", "row 1"]),
        ({"price": [1, 2], "when": ["2024-01-01", "soon"]}, ["'when'", "row 1"]),
    ],
)
def test_invalid_columns_are_refused_with_the_place(columns: Any, facts: list[str]) -> None:
    with pytest.raises(InvalidRequestError) as raised:
        decode_columns(columns, DECODER, field="columns")
    assert all(fact in raised.value.message for fact in facts)


@pytest.mark.parametrize(
    ("body", "facts"),
    [
        (b"price\n1,2\n", ["line 2", "1 cells"]),
        (b"price,price\n1,2\n", ["'price'", "twice"]),
        (b"price\n", ["0"]),
        (b"", ["0"]),
        (b"price\n\xff\n", ["UTF-8"]),
        (b'price\n"1', ["line 2"]),
        (b"price,city\n1,Bonn\n", ["'city'"]),
        (b"price\nx\n", ["'price'", "row 0"]),
    ],
)
def test_invalid_csv_is_refused_with_the_place(body: bytes, facts: list[str]) -> None:
    with pytest.raises(InvalidRequestError) as raised:
        decode_csv(body, DECODER)
    assert all(fact in raised.value.message for fact in facts)


def test_extra_columns_may_be_ignored_in_csv_and_columns() -> None:
    query = {"extra": "ignore"}
    body = CSV.replace(b"member", b"member,city").replace(b"\ncook", b"\ncook").replace(b"True", b"True,Bonn")
    body = body.replace(b",,,\n", b",,,,\n").replace(b"no\n", b"no,Rom\n")
    response = call(PATH, body, headers={"content-type": "text/csv"}, query=query)
    assert json.loads(response.body) == post(PATH, {"columns": BY_COLUMN | {"city": [1, 2, 3]}}, query=query)


@pytest.mark.parametrize("body", [b"not parquet", b"PAR1" * 10])
def test_a_body_that_is_not_parquet_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequestError, match="Parquet"):
        decode_parquet(body, DECODER)


def test_a_million_rows_are_too_many() -> None:
    with pytest.raises(TooManyRowsError, match="1000000"):
        decode_csv(b"price\n" + b"1\n" * 1_000_000, DECODER)
