"""Numbers: row numbers, dates, codes, and quantities that float32 cannot hold."""

from __future__ import annotations

import random
from datetime import UTC, datetime

import polars as pl
import pytest

from pipeline.contracts.records.dataset import Dropped
from pipeline.validation.columns.inferred import InferredColumn
from pipeline.validation.columns.type_inference import infer_column, infer_unnamed_column

ROWS = 400
NOON = datetime(2024, 3, 16, 12, tzinfo=UTC).timestamp()


def _infer(name, values):
    inferred = infer_column(pl.Series(name, values, strict=False))
    assert isinstance(inferred, InferredColumn)
    return inferred


def _column(name, values):
    return _infer(name, values).column


@pytest.mark.parametrize("name", ["n", "x", "record_id", "Nr"])
@pytest.mark.parametrize("first", [0, 1])
def test_a_row_number_is_dropped(name, first):
    numbers = list(range(first, ROWS + first))
    random.Random(0).shuffle(numbers)
    for values in (numbers, list(map(str, numbers))):
        dropped = infer_column(pl.Series(name, values))
        assert isinstance(dropped, Dropped)
        assert "row number" in dropped.reason


@pytest.mark.parametrize(
    ("name", "first"), [("year", 1900), ("day", 1), ("week", 0), ("rank", 1), ("time", 0), ("age", 0), ("x", 17)]
)
def test_a_sequence_with_a_meaningful_name_or_start_is_numeric(name, first):
    assert _column(name, range(first, first + 300)).kind == "numeric"


def test_a_sequential_identifier_is_dropped_for_any_first_value():
    assert isinstance(infer_column(pl.Series("order_id", range(10_000, 10_300))), Dropped)


@pytest.mark.parametrize("values", [[7, 3, 9, 12, 50], ["12", "0", "3", "7", "400"]])
def test_an_unnamed_column_of_row_numbers_with_gaps_is_dropped(values):
    raw = pl.Series("column_1", values)
    assert isinstance(infer_unnamed_column(raw, infer_column(raw)), Dropped)


@pytest.mark.parametrize("values", [[7, 3, 7, 12, 50], [0.5, 1.5, 2.5, 3.0, 9.0], ["a", "b", "a", "b", "c"]])
def test_an_unnamed_column_of_other_values_is_kept(values):
    raw = pl.Series("column_1", values)
    assert isinstance(infer_unnamed_column(raw, infer_column(raw)), InferredColumn)


@pytest.mark.parametrize(("unit", "factor"), [("s", 1), ("ms", 1_000), ("us", 1_000_000), ("ns", 1_000_000_000)])
@pytest.mark.parametrize("name", ["timestamp", "created_at", "Zeit", "event_time_ms"])
def test_an_epoch_in_a_column_named_like_a_time_is_a_date(name, unit, factor):
    inferred = _infer(name, [str(int((NOON + hour * 3_600) * factor)) for hour in range(ROWS)])
    assert (inferred.column.kind, inferred.column.time_unit) == ("datetime", unit)
    assert inferred.values[1] == NOON + 3_600
    assert unit in inferred.warnings[0]


@pytest.mark.parametrize("name", ["counter", "population", "meter", "revenue"])
def test_epoch_sized_numbers_are_numeric_under_another_name(name):
    chance = random.Random(0)
    assert _column(name, [1_000_000_000 + chance.randrange(10**7) for _ in range(ROWS)]).kind == "numeric"


@pytest.mark.parametrize("cast", [int, str])
def test_yyyymmdd_numbers_are_dates_under_any_name(cast):
    days = [cast(20_240_101 + 100 * (day % 12) + day % 28) for day in range(ROWS)]
    inferred = _infer("d", days)
    assert (inferred.column.kind, inferred.column.time_unit) == ("datetime", "yyyymmdd")
    assert inferred.values[0] == datetime(2024, 1, 1, tzinfo=UTC).timestamp()


def test_eight_digit_numbers_that_are_not_calendar_days_are_numeric():
    chance = random.Random(0)
    assert _column("price", [20_000_000 + chance.randrange(900_000) for _ in range(ROWS)]).kind == "numeric"


@pytest.mark.parametrize("first", [2**24 + 1, 2**53 + 1, 2**63 + 11, 10**30 + 7])
def test_repeated_long_codes_are_categories_with_all_digits(first):
    values = [str(first + number % 7) for number in range(ROWS)]
    inferred = _infer("gtin", values)
    assert (inferred.column.kind, inferred.column.is_code) == ("categorical", True)
    assert inferred.values.n_unique() == 7
    assert inferred.values[3] == str(first + 3)


@pytest.mark.parametrize(
    "values",
    [
        [25_000_000 + 1_000_000 * (number % 9) for number in range(ROWS)],  # round amounts
        [20_000_000 + number * 7_919 for number in range(ROWS)],  # no number repeats
        [1_000 + number % 7 for number in range(ROWS)],  # short
    ],
)
def test_amounts_and_short_numbers_are_not_codes(values):
    assert _column("amount", values).kind == "numeric"


@pytest.mark.parametrize(
    ("offset", "spread"), [(1e9, 300.0), (6_650_003.0, 5.0), (52.52, 0.0002), (2_460_000.5, 3.0), (-8e8, 50.0)]
)
def test_a_small_spread_on_a_large_offset_is_stored_as_float64(offset, spread):
    chance = random.Random(0)
    inferred = _infer("x", [offset + chance.gauss(0, spread) for _ in range(ROWS)])
    assert inferred.column.is_wide
    assert inferred.values.dtype == pl.Float64
    assert "large offset" in inferred.warnings[0]


@pytest.mark.parametrize(("offset", "spread"), [(0, 1), (2_000, 15), (1e6, 1e5), (52.5, 5), (1e-9, 1e-10), (0, 1e9)])
def test_an_ordinary_spread_is_stored_as_float32(offset, spread):
    chance = random.Random(0)
    inferred = _infer("x", [offset + chance.gauss(0, spread) for _ in range(ROWS)])
    assert not inferred.column.is_wide
    assert inferred.values.dtype == pl.Float32
    assert inferred.warnings == ()
