"""Date features: they agree with the calendar of the standard library, and the graph computes the same."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import numpy as np
import onnxruntime
import polars as pl
import pytest
from onnx import TensorProto, helper

from pipeline.contracts.records.dataset import ColumnProfile, DatePart
from pipeline.graphs.compose import make_model
from pipeline.graphs.dates import date_feature_names, date_features, date_graph

ALL: tuple[DatePart, ...] = ("trend", "year", "month", "day", "weekday", "hour", "season", "clock")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _column(name: str = "d", parts: tuple[DatePart, ...] = ALL, median: float = 0.0) -> ColumnProfile:
    return ColumnProfile(name=name, kind="datetime", missing=0, distinct=9, median=median, parts=parts)


def _moments() -> list[datetime]:
    """Make leap days, ends of years and centuries, and random times of the years 1 to 9999."""
    edges = [(1, 1, 1), (1600, 2, 29), (1899, 12, 31), (1900, 2, 28), (1900, 3, 1), (1969, 12, 31), (1970, 1, 1)]
    edges += [(2000, 2, 29), (2000, 12, 31), (2023, 3, 1), (2024, 2, 29), (2100, 2, 28), (2100, 3, 1), (9999, 12, 31)]
    clocks = [timedelta(0), timedelta(hours=23, minutes=59, seconds=59), timedelta(hours=12, microseconds=250_000)]
    chance = np.random.default_rng(0).uniform(-62_135_596_800, 253_402_300_799, 3000).round(3)
    return [datetime(*day, tzinfo=UTC) + clock for day in edges for clock in clocks] + [
        EPOCH + timedelta(seconds=value) for value in chance.tolist()
    ]


def _seconds(moments: list[datetime]) -> np.ndarray:
    return np.array([(moment - EPOCH) / timedelta(seconds=1) for moment in moments])


def test_date_features_agree_with_the_calendar() -> None:
    moments = _moments()
    column = _column()
    features = dict(zip(date_feature_names(column), date_features([_seconds(moments)], [column]).T, strict=True))
    for name, wanted in {
        "year": [m.year for m in moments],
        "month": [m.month for m in moments],
        "day": [m.day for m in moments],
        "weekday": [m.weekday() for m in moments],
        "hour": [m.hour for m in moments],
    }.items():
        assert features[name].tolist() == wanted, name
    of_day = [((m - m.replace(hour=0, minute=0, second=0, microsecond=0)) / timedelta(days=1)) for m in moments]
    np.testing.assert_allclose(features["clock_sine"], np.sin(np.array(of_day) * math.tau), atol=1e-6)
    np.testing.assert_allclose(features["clock_cosine"], np.cos(np.array(of_day) * math.tau), atol=1e-6)
    np.testing.assert_allclose(features["season_sine"] ** 2 + features["season_cosine"] ** 2, 1, atol=1e-6)


def _in_graph(seconds: list[np.ndarray], columns: list[ColumnProfile]) -> np.ndarray:
    nodes, constants = date_graph(columns, "out")
    inputs = [helper.make_tensor_value_info(column.name, TensorProto.DOUBLE, ["batch"]) for column in columns]
    output = helper.make_tensor_value_info("out", TensorProto.FLOAT, ["batch", None])
    model = make_model("dates", nodes, inputs, [output], constants)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    return session.run(None, {column.name: values for column, values in zip(columns, seconds, strict=True)})[0]


@pytest.mark.parametrize("rows", [0, 1, 3000])
def test_the_graph_computes_the_same_date_features(rows: int) -> None:
    first = _seconds(_moments())[:rows]
    second = np.where(np.arange(rows) % 3 == 1, np.nan, -first)
    columns = [_column(median=1.6e9), _column("e", ("season", "trend", "hour"))]
    wanted, features = date_features([first, second], columns), _in_graph([first, second], columns)
    assert features.shape == (rows, 14)
    np.testing.assert_array_max_ulp(features, wanted, maxulp=1)
    assert (np.isnan(features[:, 10:]).all(axis=1) == np.isnan(second)).all()


def test_the_trend_is_in_days_from_the_median() -> None:
    column = _column(parts=("trend",), median=86_400.0 * 100)
    assert date_features([np.array([86_400.0 * 98.5, np.nan])], [column])[0].tolist() == [-1.5]
    assert pl.Series(date_features([np.array([np.nan])], [column])[:, 0]).is_nan().all()
