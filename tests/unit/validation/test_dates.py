"""Columns of dates: the accepted formats, the order of day and month, and what the data set stores."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.parsing.dates import EARLIEST, LATEST, parse_timestamp, timestamp_from_number
from pipeline.validation.columns.cells import strip_cells
from pipeline.validation.columns.date_inference import read_dates
from pipeline.validation.columns.dates import convert_temporal, convert_time_numbers, read_seconds
from pipeline.validation.columns.inferred import InferredColumn
from pipeline.validation.columns.type_inference import infer_column

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _infer(*values, name="day"):
    inferred = infer_column(strip_cells(pl.Series(name, values)))
    assert isinstance(inferred, InferredColumn)
    assert inferred.column.kind == "datetime"
    return inferred


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2024-01-31", "2024-01-31T00:00:00+00:00"),
        ("2024/1/31 10:30", "2024-01-31T10:30:00+00:00"),
        ("2024-01-31T10:30:00.125Z", "2024-01-31T10:30:00.125000+00:00"),
        ("2024-01-31 10:30:00+02:00", "2024-01-31T08:30:00+00:00"),
        ("2024-01-31 10:30:00,5 -0330", "2024-01-31T14:00:00.500000+00:00"),
        ("31.1.24 23:59:59 UTC", "2024-01-31T23:59:59+00:00"),
        ("31/12/1969", "1969-12-31T00:00:00+00:00"),
        ("3 Jan 2024", "2024-01-03T00:00:00+00:00"),
        ("14-February-68 12:05 am", "2068-02-14T00:05:00+00:00"),
        ("Sept 9, 2024, 1:15PM", "2024-09-09T13:15:00+00:00"),
        ("2024-02", "2024-02-01T00:00:00+00:00"),
        ("0001-01-01", "0001-01-01T00:00:00+00:00"),
        ("12:30", "1970-01-01T12:30:00+00:00"),
        ("10/03/2004 18.00.00", "2004-03-10T18:00:00+00:00"),
        ("10.03.2004 18.00", "2004-03-10T18:00:00+00:00"),
        ("2004-03-10T08.30.15,5", "2004-03-10T08:30:15.500000+00:00"),
        ("10.3.04 6.05 pm", "2004-03-10T18:05:00+00:00"),
        ("3 Jan 2024 10.30.00 +0200", "2024-01-03T08:30:00+00:00"),
        ("18.00.00", "1970-01-01T18:00:00+00:00"),
        ("00.00.00", "1970-01-01T00:00:00+00:00"),
        ("31.12.24", "2024-12-31T00:00:00+00:00"),
    ],
)
def test_a_date_format_is_parsed_alike_in_a_column_and_as_a_single_text(text, moment):
    wanted = (datetime.fromisoformat(moment) - EPOCH) / timedelta(seconds=1)
    assert parse_timestamp(text, day_first=True) == wanted
    assert read_seconds(pl.Series("d", [text]), day_first=True).to_list() == [wanted]


@pytest.mark.parametrize(
    "text",
    ["2024-02-30", "0000-00-00", "2024-13-01", "2024-01-31 24:00", "31/1/024", "3 Foo 2024", "10:61", "13:00 pm",
     "٢٠٢٤-01-31", "2024-01-31 or so", "20240131", "", "1:2:3", "0:00 am", "18.00", "1.5", "24.00.00", "18.60.00",
     "2024-01-31 18.5", "2024-01-31 18.00:00", "2024-01-31 18:00.00", "10.03.2004 25.00", "0001-01-01 00:00+05:00",
     "9999-12-31 23:59-01:00", "0000-01-01", "1706659200", "1.2.3.4", "99999-01-01"],
)  # fmt: skip
def test_text_that_is_not_a_date_is_none_in_a_column_and_as_a_single_text(text):
    assert parse_timestamp(text, day_first=True) is None
    assert read_seconds(pl.Series("d", [text]), day_first=True).to_list() == [None]


_DAY = r"[0-9]{1,4}[-/. ]([0-9]{1,2}|Jan|december)[-/., ][0-9]{1,4}"
_TIME = r"[T ][0-9]{1,2}[:.][0-9]{2}([:.][0-9]{2}(\.[0-9]{1,7})?)?( ?[aP]m)?(Z| ?[+-][0-9]{2}:?[0-9]{2})?"
_UNITS = ["", "s", "ms", "us", "ns", "yyyymmdd", "hh.mm.ss"]


@settings(deadline=None)  # the first example compiles the expressions
@given(st.from_regex(rf"\A{_DAY}({_TIME})?\Z"), st.sampled_from([None, True, False]), st.sampled_from(_UNITS))
def test_column_and_single_parsing_agree_on_any_date_text(text, day_first, unit):
    seconds = parse_timestamp(text, day_first=day_first, time_unit=unit)
    assert read_seconds(pl.Series("d", [text]), day_first=day_first, time_unit=unit).to_list() == [seconds]


@settings(deadline=None)
@given(st.from_regex(r"\A([0-9]{1,2}\.){1,2}[0-9]{1,2}\Z|\A[+-]?[0-9]{1,21}(\.[0-9]{0,3})?\Z"), st.sampled_from(_UNITS))
def test_column_and_single_parsing_agree_on_any_number_or_dotted_text(text, unit):
    seconds = parse_timestamp(text, day_first=True, time_unit=unit)
    column = pl.Series("d", [text, None, "31.12.2024"])
    assert read_seconds(column, day_first=True, time_unit=unit).to_list() == [seconds, None, 1735603200.0]


@pytest.mark.parametrize(
    ("unit", "number", "moment"),
    [
        ("s", 1706659200, "2024-01-31"),
        ("ms", 1706659200000, "2024-01-31"),
        ("us", 1706659200000000, "2024-01-31"),
        ("ns", 1706659200000000000, "2024-01-31"),
        ("yyyymmdd", 20240131, "2024-01-31"),
        ("yyyymmdd", 99991231, "9999-12-31"),
        ("s", -86400, "1969-12-31"),
        ("yyyymmdd", 20240230, None),
        ("yyyymmdd", 240131, None),
        ("yyyymmdd", 20240131.5, None),
        ("s", 1e300, None),
        ("s", float("inf"), None),
        ("s", float("nan"), None),
        ("yyyymmdd", float("nan"), None),
        ("ms", -1e18, None),
    ],
)
def test_a_number_is_converted_by_its_unit_in_a_column_and_as_a_single_value(unit, number, moment):
    wanted = moment and (datetime.fromisoformat(moment).replace(tzinfo=UTC) - EPOCH) / timedelta(seconds=1)
    assert timestamp_from_number(number, unit) == wanted
    assert convert_time_numbers(pl.Series("d", [float(number)]), unit).to_list() == [wanted]


@given(
    st.sampled_from(_UNITS), st.floats() | st.integers(19000101, 21001231).map(float) | st.integers(0, 2**62).map(float)
)
def test_column_and_single_conversion_agree_on_any_number_and_stay_in_the_calendar(unit, number):
    seconds = timestamp_from_number(number, unit)
    assert convert_time_numbers(pl.Series("d", [number]), unit).to_list() == [seconds]
    assert seconds is None or EARLIEST <= seconds <= LATEST


@given(
    st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59)),
    st.sampled_from(["ms", "us", "ns"]),
)
@settings(deadline=None)
def test_a_typed_time_equals_the_timestamp_of_its_text(moment, unit):
    if unit == "ns" and not 1700 < moment.year < 2200:
        return
    moment = moment.replace(microsecond=moment.microsecond // 1000 * 1000) if unit == "ms" else moment
    typed = convert_temporal(pl.Series("t", [moment], dtype=pl.Datetime(unit)))
    assert typed.to_list() == [parse_timestamp(moment.isoformat(), day_first=None)]


@given(st.integers(0, 86_399_999_999))
def test_a_typed_time_of_day_equals_the_timestamp_of_its_text(micros):
    moment = (EPOCH + timedelta(microseconds=micros)).time()
    assert convert_temporal(pl.Series("t", [moment])).to_list() == [parse_timestamp(moment.isoformat(), day_first=None)]


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_typed_times_are_converted_to_seconds_exactly(unit):
    a_second = {"ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    ticks = [number * 1_234_567_890_123 % (1_700_000_000 * a_second) for number in range(5000)]
    typed = convert_temporal(pl.Series("t", ticks).cast(pl.Datetime(unit)))
    assert typed.to_list() == [tick / a_second for tick in ticks]
    assert convert_time_numbers(pl.Series("t", ticks), unit).to_list() == [float(tick) / a_second for tick in ticks]


def test_a_huge_integer_is_not_a_timestamp():
    assert [timestamp_from_number(10**400, unit) for unit in _UNITS] == [None] * len(_UNITS)


@pytest.mark.parametrize(
    ("values", "unit", "first"),
    [
        (["10.11.12", "18.00.00", "23.59.59", "00.30.00"], "hh.mm.ss", 36672.0),
        (["01.00.00", "02.00.00", "03.00.00"], "hh.mm.ss", 3600.0),
        (["10.11.12", "31.12.24", "01.02.03"], "", 1352505600.0),
        (["10/03/2004 18.00.00", "11/03/2004 19.00.00", "25/03/2004 20.00.00"], "", 1078941600.0),
    ],
)
def test_a_column_decides_whether_dotted_texts_are_times_of_day(values, unit, first):
    dates = read_dates(pl.Series("t", values))
    assert (dates.column.time_unit, dates.values[0]) == (unit, first)
    assert dates.warnings == ()


@pytest.mark.parametrize("values", [["1.2", "18.00", "3.5"], ["1.2.3", "1.2.3.4"], ["10.0.1.5", "10.0.1.6"]])
def test_decimals_and_versions_are_not_times(values):
    assert read_dates(pl.Series("v", values)) is None


@pytest.mark.parametrize(
    ("values", "first", "day_first"),
    [(("3/4/2024", "31/1/2024"), "2024-04-03", True), (("3/4/2024", "1/31/2024"), "2024-03-04", False)],
)
def test_the_values_decide_whether_the_day_comes_first(values, first, day_first):
    inferred = _infer(*values)
    assert (inferred.column.day_first, inferred.warnings) == (day_first, ())
    assert inferred.values[0] == date.fromisoformat(first).toordinal() * 86400 - EPOCH.toordinal() * 86400


@pytest.mark.parametrize(("values", "assumed"), [(("3/4/2024", "1/2/2024"), "month"), (("3.4.2024",), "day")])
def test_an_ambiguous_order_of_day_and_month_is_assumed_and_reported(values, assumed):
    (warning,) = _infer(*values).warnings
    assert f"the {assumed} is assumed" in warning


def test_a_few_cells_that_are_not_dates_are_missing_with_a_warning():
    inferred = _infer(*["2024-01-31"] * 19, "0000-00-00")
    assert inferred.values.null_count() == 1
    assert inferred.warnings == ("column 'day': 1 cell without a valid date, read as missing",)


def test_a_mix_of_times_with_and_without_a_time_zone_is_reported():
    assert "1 time without a time zone" in _infer("2024-01-31 10:30Z", "2024-01-31 10:30").warnings[0]


def test_a_column_with_many_words_among_dates_is_not_a_date_column():
    assert read_dates(pl.Series(["2024-01-31"] * 8 + ["soon"] * 2)) is None


def test_a_typed_time_with_a_zone_is_converted_to_utc():
    values = pl.Series("t", [datetime(2024, 1, 31, 10, 30)], dtype=pl.Datetime("ms")).dt.replace_time_zone("Asia/Tokyo")
    assert infer_column(values).values.to_list() == [datetime(2024, 1, 31, 1, 30, tzinfo=UTC).timestamp()]


def test_the_data_set_stores_dates_as_seconds_and_lists_the_parts_that_vary(drop):
    rows = [f"2024-{1 + n % 12:02}-01 12:00,{n % 7 / 7:.2f},{'ab'[n % 2]}" for n in range(300)]
    validated = drop("a.csv", "when,size,y\n" + "\n".join(rows))
    when = validated.dataset.columns[0]
    assert (when.kind, when.parts) == ("datetime", ("trend", "month", "weekday", "season"))
    assert validated.split("train")["when"].dtype == pl.Float64
    assert when.median == pytest.approx(validated.split("train")["when"].median())
    assert validated.dataset.signature.columns[0].kind == "datetime"


def test_only_the_clock_parts_vary_in_a_time_of_day(drop):
    rows = [f"{n % 24}:{n % 60:02},{n % 7 / 7:.2f},{'ab'[n % 2]}" for n in range(300)]
    validated = drop("a.csv", "when,size,y\n" + "\n".join(rows))
    assert validated.dataset.columns[0].parts == ("trend", "hour", "clock")
