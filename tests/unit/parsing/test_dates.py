"""Dates as programs and languages write them, as single texts and in columns, and texts that are not dates."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.contracts.signature import Column, Signature
from pipeline.parsing.dates import is_ambiguous, parse_timestamp
from pipeline.validation.columns.dates import read_seconds
from pipeline.validation.columns.type_inference import infer_column

ROOT = Path(__file__).parents[3]
SPELLINGS = {
    "2024-01-01 10:00:00.123+00": "2024-01-01T10:00:00.123",
    "2024-01-01 10:00:00.5-05": "2024-01-01T15:00:00.5",
    "2024-01-01 10:00:00 +02": "2024-01-01T08:00:00",
    "2024/03/01 1:01:11 PM GMT+1": "2024-03-01T12:01:11",
    "2024/03/01 12:01:11 AM GMT-3:30": "2024-03-01T03:31:11",
    "2024-01-31 10:30 UTC-05:00": "2024-01-31T15:30:00",
    "31.1.2024 10:30 GMT+10": "2024-01-31T00:30:00",
    "2024-01-31 10:30 EST": "2024-01-31T15:30:00",
    "2024-07-31 10:30:15 EDT": "2024-07-31T14:30:15",
    "2024-01-31 10:30 CST": "2024-01-31T16:30:00",
    "2024-07-31 10:30 CDT": "2024-07-31T15:30:00",
    "2024-01-31 10:30 MST": "2024-01-31T17:30:00",
    "2024-07-31 10:30 MDT": "2024-07-31T16:30:00",
    "2024-01-31 10:30 PST": "2024-01-31T18:30:00",
    "31/1/2024 1:30 PM PDT": "2024-01-31T20:30:00",
    "2024-01-31 10:30 CET": "2024-01-31T09:30:00",
    "2024-07-31 10:30 CEST": "2024-07-31T08:30:00",
    "31.01.2024 10:30 MEZ": "2024-01-31T09:30:00",
    "31.07.2024 10.30 Uhr MESZ": "2024-07-31T08:30:00",
    "31.07.2024 10:30 MESZ": "2024-07-31T08:30:00",
    "2024-07-31 10:30 BST": "2024-07-31T09:30:00",
    "05FEB2024": "2024-02-05T00:00:00",
    "5dec99": "1999-12-05T00:00:00",
    "05FEB2024:10:00:00": "2024-02-05T10:00:00",
    "05FEB2024:10:00:00.25": "2024-02-05T10:00:00.25",
    "Mon, 05 Feb 2024 10:00:00 +0000": "2024-02-05T10:00:00",
    "Thu, 1 Feb 2024 10:00:00 -0800": "2024-02-01T18:00:00",
    "Sunday, 4 February 2024": "2024-02-04T00:00:00",
    "Mo, 05.02.2024 10:00": "2024-02-05T10:00:00",
    "01/Jan/2024:10:00:00 +0100": "2024-01-01T09:00:00",
    "[31/Dec/2023:23:59:59 -0500]": "2024-01-01T04:59:59",
    "Mon Apr 06 22:19:49 +0000 2009": "2009-04-06T22:19:49",
    "Mon Apr 06 22:19:49 PDT 2009": "2009-04-07T05:19:49",
    "Thu Jan  4 08:05:00 2024": "2024-01-04T08:05:00",
    "Mon Feb 05 2024 10:00:00 GMT+0100 (Central European Standard Time)": "2024-02-05T09:00:00",
    "20240105T101500Z": "2024-01-05T10:15:00",
    "20240105T101500.5+0200": "2024-01-05T08:15:00.5",
    "20240105T1015": "2024-01-05T10:15:00",
    "20240105 101500": "2024-01-05T10:15:00",
    "2024年1月5日": "2024-01-05T00:00:00",
    "2024年12月31日 23:59": "2024-12-31T23:59:00",
    "2024年1月5日(金) 10時05分": "2024-01-05T10:05:00",
    "2024년 1월 5일": "2024-01-05T00:00:00",
    "2024年1月": "2024-01-01T00:00:00",
    "March 2024": "2024-03-01T00:00:00",
    "Mar 2024": "2024-03-01T00:00:00",
    "Sept-1999": "1999-09-01T00:00:00",
    "agosto de 2023": "2023-08-01T00:00:00",
    "01.03.2024 10:05 Uhr": "2024-03-01T10:05:00",
    "01.03.2024 10.05 Uhr": "2024-03-01T10:05:00",
    "10:05 Uhr": "1970-01-01T10:05:00",
    "5. März 2024": "2024-03-05T00:00:00",
    "5. MÄRZ 2024, 18.30 Uhr": "2024-03-05T18:30:00",
    "3. Okt. 2023": "2023-10-03T00:00:00",
    "24.Dez.2023": "2023-12-24T00:00:00",
    "5 février 2024": "2024-02-05T00:00:00",
    "1er août 2024 10:00": "2024-08-01T10:00:00",
    "25 déc. 2023": "2023-12-25T00:00:00",
    "5 de marzo de 2024": "2024-03-05T00:00:00",
    "15 ene 2024": "2024-01-15T00:00:00",
    "5 maggio 2024": "2024-05-05T00:00:00",
    "12 gennaio 2024": "2024-01-12T00:00:00",
    "5 de março de 2024": "2024-03-05T00:00:00",
    "7 setembro 2023": "2023-09-07T00:00:00",
    "5 mei 2024": "2024-05-05T00:00:00",
    "12 maart 2024": "2024-03-12T00:00:00",
    "5th of March 2024": "2024-03-05T00:00:00",
    "March 22nd, 2024 10:00 PM": "2024-03-22T22:00:00",
    "2024-01-31 10:30 XYZ": None,
    "31JUN2024": None,
    "20241305T101500Z": None,
    "2024年13月5日": None,
    "Monday 10:00": None,
    "5. Foo 2024": None,
    "5 Maybe 2024": None,
}  # fmt: skip
NO_DATES = [
    "Mar", "May", "Monday", "Sunday morning", "March", "April May", "So 2", "May 7", "Jan Mar 24",
    "1.2.3", "v2.10.4", "2.0.1-rc1", "555-1234", "+49 30 1234567", "030 123456", "0171 2345678", "(555) 010-2024",
    "20240105 999999", "12345678T1", "2024", "24 Main St 2024", "Room 5 2024", "10 Downing 2024", "A05FEB2024", "Uhr",
    "GMT+1", "EST", "5 EST", "2024年", "金曜日", "10-11", "May 12345", "Model 2024", "Dr. March 5", "12MAX2024",
]  # fmt: skip


def _seconds(moment: str | None) -> float | None:
    return None if moment is None else datetime.fromisoformat(moment).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(("text", "moment"), SPELLINGS.items())
def test_a_spelling_is_parsed_alike_in_a_column_and_as_a_single_text(text: str, moment: str | None) -> None:
    assert parse_timestamp(text, day_first=True) == _seconds(moment)
    assert read_seconds(pl.Series("d", [text]), day_first=True).to_list() == [_seconds(moment)]


@pytest.mark.parametrize("text", NO_DATES)
def test_words_versions_and_phone_numbers_are_not_dates(text: str) -> None:
    assert [parse_timestamp(text, day_first=day_first) for day_first in (None, True, False)] == [None] * 3
    assert read_seconds(pl.Series("d", [text]), day_first=None).to_list() == [None]


@settings(deadline=None, max_examples=25)
@given(st.lists(st.sampled_from([*SPELLINGS, *NO_DATES, "31.1.2024", "3/4/2024", "10.11.12"]), min_size=3, max_size=60),
       st.sampled_from([None, True, False]), st.sampled_from(["", "s", "hh.mm.ss"]))  # fmt: skip
def test_other_texts_of_a_column_do_not_change_how_a_text_is_parsed(texts, day_first, unit) -> None:
    column = pl.Series("d", [texts[0]] * 120 + [None, *texts])  # the head has a single spelling
    wanted = [text and parse_timestamp(text, day_first=day_first, time_unit=unit) for text in column]
    assert read_seconds(column, day_first=day_first, time_unit=unit).to_list() == wanted


_PIECES = [
    "Mon, ", "5", "05", "13", "2024", "24", ".", "/", "-", " ", ":", "10:05", ":30", ",5", "T", "Feb", "März", "de ",
    "年", "月", "日", "Z", "+01", "-0130", "GMT+1", " EST", " Uhr", " pm", "st", "20240105", "1015", "٣", "(CET)",
]  # fmt: skip


@settings(deadline=None, max_examples=400)
@given(st.lists(st.sampled_from(_PIECES), min_size=1, max_size=9), st.sampled_from([None, True, False]))
def test_column_and_single_parsing_agree_on_any_pieces_of_dates(pieces, day_first) -> None:
    text = "".join(pieces).strip()
    seconds = parse_timestamp(text, day_first=day_first)
    assert read_seconds(pl.Series("d", [text]), day_first=day_first).to_list() == [seconds]


@settings(deadline=None)
@given(
    st.integers(1, 31), st.sampled_from("-/."), st.integers(1, 31), st.sampled_from(["24", "2024", "1969 23:59:59.9"])
)
def test_column_and_single_parsing_agree_and_never_guess_an_unknown_order(first, mark, then, rest) -> None:
    text = f"{first}{mark}{then}{mark}{rest}"
    readings = [parse_timestamp(text, day_first=day_first) for day_first in (True, False)]
    seconds = parse_timestamp(text, day_first=None)
    assert read_seconds(pl.Series("d", [text]), day_first=None).to_list() == [seconds]
    if mark == ".":
        assert seconds == readings[0] if first <= 12 and then <= 12 else seconds in readings
    elif None in readings or readings[0] == readings[1]:
        assert seconds == (readings[0] if readings[0] is not None else readings[1])
    else:
        assert seconds is None
    assert is_ambiguous(text) == (seconds is None and readings[0] is not None)


@pytest.mark.parametrize(
    ("texts", "kind", "first"),
    [
        ([f"{day:02}FEB2024" for day in range(1, 29)], "datetime", "2024-02-01"),
        ([f"2024年1月{day}日" for day in range(1, 29)], "datetime", "2024-01-01"),
        ([f"{day}. März 2024" for day in range(1, 29)], "datetime", "2024-03-01"),
        ([f"Mar {year}" for year in range(1990, 2020)], "datetime", "1990-03-01"),
        ([f"Mon, {day:02}/04/2024 10:00" for day in range(1, 29)], "datetime", "2024-04-01T10:00:00"),
        ([f"202401{day} 101500" for day in range(10, 29)], "datetime", "2024-01-10T10:15:00"),
        (["Mar", "May", "June", "Jan"] * 9, "categorical", None),
        (["Monday", "Tuesday", "Sun"] * 9, "categorical", None),
        (["555-1234", "555-2345", "030-12345"] * 9, "categorical", None),
        (["1.2.3", "1.10.0", "2.0.1"] * 9, "categorical", None),
        (["May 7", "Mar 12", "Jan 3"] * 9, "categorical", None),
        (["12MAX2024", "05FEB2024", "17XYZ2023"] * 9, "categorical", None),
    ],
)  # fmt: skip
def test_a_column_of_dates_in_any_spelling_is_a_date_column(texts: list[str], kind: str, first: str | None) -> None:
    inferred = infer_column(pl.Series("d", texts))
    assert inferred.column.kind == kind
    if first is not None:
        assert inferred.values[0] == _seconds(first)
        assert inferred.values.null_count() == 0


@pytest.mark.parametrize(
    "texts",
    [
        ["2024-01-31", "2024-02-01"],
        ["5. März 2024"] * 3,
        ["05FEB2024"] * 3,
        ["10:30", "11:00"],
        ["10.11.12", "18.00.00"],
    ],
)
def test_a_column_of_unambiguous_dates_has_no_order_of_day_and_month(texts: list[str]) -> None:
    assert infer_column(pl.Series("d", texts)).column.day_first is None


@pytest.mark.parametrize(("written", "read"), [("false", False), ("true", True), ("null", None)])
def test_a_stored_order_of_day_and_month_is_read_unchanged(written: str, read: bool | None) -> None:
    columns = (Column(name="d", kind="datetime"),)
    document = json.dumps(Signature(task="regression", target="y", columns=columns).to_dict())
    stored = document.replace('"day_first": null', f'"day_first": {written}')
    assert Signature.from_dict(json.loads(stored)).columns[0].day_first is read


def test_the_rules_of_rare_spellings_are_compiled_only_when_needed() -> None:
    script = (
        "from pipeline.parsing import dates\n"
        "assert dates._compiled.cache_info().currsize == 0\n"
        "assert dates.parse_timestamp('2024-01-31', day_first=None)\n"
        "assert dates.parse_timestamp('3 Jan 2024', day_first=None)\n"
        "assert dates._compiled_rewrites.cache_info().currsize == 0\n"
        "assert dates.parse_timestamp('05FEB2024', day_first=None)\n"
        "assert dates._compiled_rewrites.cache_info().currsize == 1\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=ROOT)
