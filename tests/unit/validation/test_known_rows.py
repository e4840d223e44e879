"""Later files of a model are read like its training file."""

from __future__ import annotations

import polars as pl
import pytest

from pipeline.contracts.errors import InvalidColumnsError
from pipeline.contracts.signature import Column, Signature
from pipeline.parsing.numbers import NumberFormat
from pipeline.validation.known_rows import read_known_rows

GERMAN = NumberFormat(decimal=",", group=".")
COLUMNS = (
    Column(name="preis", kind="numeric", number_format=GERMAN),
    Column(name="ort", kind="categorical"),
    Column(name="neu", kind="boolean"),
    Column(name="tag", kind="datetime", day_first=True),
)


@pytest.fixture
def read(tmp_path):
    def read(name, body, columns=COLUMNS, *, ignore_extra=False, **fields):
        path = tmp_path / "upload"
        path.write_bytes(body if isinstance(body, bytes) else body.encode())
        (folder := tmp_path / "work").mkdir()
        signature = Signature(task="regression", target="y", columns=columns, **fields)
        return read_known_rows(name, path, signature, folder, ignore_extra=ignore_extra)

    return read


def test_cells_become_the_values_of_a_prediction_request(read):
    rows = read("later.csv", "ort;preis;neu;tag;y\nKöln;1.299,50;ja;16.03.2024;7\n;k.A.;yes;;\n".encode("cp1252"))
    assert rows.frame.to_dicts() == [
        {"preis": 1299.5, "ort": "Köln", "neu": None, "tag": "2024-03-16T00:00:00.000000Z"},
        {"preis": None, "ort": None, "neu": True, "tag": None},
    ]
    assert rows.labels is not None
    assert rows.labels.to_list() == ["7", None]
    assert any("'neu': 1 cell" in warning for warning in rows.warnings)


def test_a_column_without_any_value_of_its_kind_is_refused(read):
    with pytest.raises(InvalidColumnsError, match="'preis' is not numeric"):
        read("later.csv", "preis;ort;neu;tag\nviel;Köln;yes;16.03.2024\n")


def test_an_absent_column_is_reported_with_the_nearest_name(read):
    with pytest.raises(InvalidColumnsError, match=r"lacks 1 column .*'preis'.*'Preis'"):
        read("later.csv", "Preis;ort;neu;tag\n1,5;Köln;yes;16.03.2024\n")


def test_an_optional_column_may_be_absent(read):
    columns = (Column(name="a", kind="numeric"), Column(name="b", kind="numeric", is_optional=True))
    rows = read("later.jsonl", '{"a": 1}\n{"a": 2, "c": 3}\n', columns, unread=("c",))
    assert rows.frame.to_dict(as_series=False) == {"a": [1.0, 2.0], "b": [None, None]}


@pytest.mark.parametrize(("unit", "cell"), [("s", 1710547200), ("ms", 1710547200000), ("yyyymmdd", 20240316)])
def test_numeric_dates_keep_their_numbers(read, unit, cell):
    columns = (Column(name="at", kind="datetime", time_unit=unit), Column(name="x", kind="numeric"))
    assert read("later.csv", f"at,x\n{cell},1\n{cell},2\n", columns).frame["at"].to_list() == [cell, cell]


def test_a_wide_column_keeps_its_digits(read):
    columns = (Column(name="x", kind="numeric", is_wide=True), Column(name="z", kind="numeric"))
    assert read("later.csv", "x,z\n1000000000.25,0.1\n", columns).frame.row(0) == (1000000000.25, 0.1)


def test_a_file_without_a_header_is_read_by_position(read):
    columns = tuple(Column(name=f"column_{number}", kind="numeric") for number in (1, 2))
    assert read("later.csv", "5.5,1.5\n6.5,2.5\n", columns, header="none").frame.rows() == [(5.5, 1.5), (6.5, 2.5)]


def test_one_column_is_enough_if_the_model_reads_one(read):
    columns = (Column(name="message", kind="text"),)
    rows = read("later.csv", "message\nhello, world\nit is; late\n", columns)
    assert rows.frame["message"].to_list() == ["hello, world", "it is; late"]


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16", "cp1251"])
def test_the_encoding_of_train_yaml_is_only_a_hint_for_later_files(read, codec):
    columns = (Column(name="город", kind="categorical"), Column(name="x", kind="numeric"))
    rows = read("later.csv", "город,x\nМосква,1\nТула,2\n".encode(codec), columns, encoding="cp1251")
    assert rows.frame["город"].to_list() == ["Москва", "Тула"]


def test_missing_markers_of_train_yaml_replace_the_default_markers(read):
    columns = (Column(name="country", kind="categorical"), Column(name="x", kind="numeric"))
    frame = read("later.csv", "country,x\nNA,1\n--,-999\n", columns, missing=("--", "-999")).frame
    assert frame.rows() == [("NA", 1.0), (None, None)]


def test_typed_columns_of_a_parquet_file_are_read(read, tmp_path):
    frame = pl.DataFrame({"tag": [None, 0], "preis": [1, None], "ort": ["a", "b"], "neu": [True, None]})
    frame = frame.with_columns(pl.col("tag").cast(pl.Date))
    frame.write_parquet(tmp_path / "frame")
    rows = read("later.parquet", (tmp_path / "frame").read_bytes())
    assert rows.frame["tag"].to_list() == [None, "1970-01-01T00:00:00.000000Z"]
    assert rows.frame["preis"].to_list() == [1.0, None]


EXTRA = {
    "later.csv": "x,note,z,color\n1.5,a,2,red\n2.5,b,3,red\n",
    "later.tsv": "x\tnote\tz\tcolor\n1.5\ta\t2\tred\n2.5\tb\t3\tred\n",
    "later.jsonl": '{"x": 1.5, "note": "a", "z": 2, "color": "red"}\n{"x": 2.5, "note": "b", "z": 3, "color": "red"}\n',
}
NUMBERS = (Column(name="x", kind="numeric"), Column(name="z", kind="numeric"))


@pytest.mark.parametrize("name", EXTRA)
def test_extra_columns_are_refused_with_their_names(read, name):
    with pytest.raises(InvalidColumnsError, match=r"2 columns .*'note', 'color'.*--ignore-extra"):
        read(name, EXTRA[name], NUMBERS)


@pytest.mark.parametrize("name", EXTRA)
def test_extra_columns_are_dropped_if_requested(read, name):
    rows = read(name, EXTRA[name], NUMBERS, ignore_extra=True)
    assert rows.frame.to_dict(as_series=False) == {"x": [1.5, 2.5], "z": [2.0, 3.0]}


@pytest.mark.parametrize(
    ("body", "unread"),
    [
        ("x,z,y\n1,2,3\n2,3,4\n", ()),  # the target is used for scoring
        ("id,x,z\n7,1,2\n9,2,3\n", ("id",)),  # the training file had it too
        (",x,z\n0,1,2\n1,2,3\n", ()),  # row numbers without a column name
        ("x,z,\n1,2,\n2,3,\n", ()),  # a delimiter at the end of each row
    ],
)
def test_the_target_and_unread_training_columns_are_not_extra_columns(read, body, unread):
    assert read("later.csv", body, NUMBERS, unread=unread).frame.rows() == [(1.0, 2.0), (2.0, 3.0)]


def test_the_signature_lists_the_unread_columns_of_the_training_file(drop):
    lines = [f"{n},same,{n % 7}.5,{n % 3 + 1},{n % 5}.25" for n in range(60)]
    table = "\n".join(["id,constant,x,w,y", *lines]) + "\n"
    signature = drop("a.csv", table, spec="target: y\nweight: w\n").dataset.signature
    assert [column.name for column in signature.columns] == ["x"]
    assert set(signature.unread) == {"id", "constant", "w"}
    assert Signature.from_dict(signature.to_dict()) == signature


# Dates


DAY = (Column(name="tag", kind="datetime", day_first=True), Column(name="x", kind="numeric"))
UNORDERED = (Column(name="tag", kind="datetime"), Column(name="x", kind="numeric"))
EPOCHS = {"s": "1710547200", "ms": "1710547200000", "us": "1710547200000000", "yyyymmdd": "20240316"}
ISO = "2024-03-16T00:00:00.000000Z"


def _lines(*days):
    return "tag,x\n" + "".join(f"{day},{number}.5\n" for number, day in enumerate(days))


@pytest.mark.parametrize("unit", EPOCHS)
@pytest.mark.parametrize("text", ["2024-03-16", "2024-03-16T00:00:00Z", "16 Mar 2024"])
def test_text_dates_become_iso_if_the_training_dates_were_numbers(read, unit, text):
    columns = (Column(name="tag", kind="datetime", time_unit=unit), Column(name="x", kind="numeric"))
    assert read("later.csv", _lines(text, ""), columns).frame["tag"].to_list() == [ISO, None]


@pytest.mark.parametrize("unit", EPOCHS)
def test_numeric_dates_among_text_dates_become_iso(read, unit):
    columns = (Column(name="tag", kind="datetime", time_unit=unit), Column(name="x", kind="numeric"))
    body = f'{{"tag": {EPOCHS[unit]}, "x": 1}}\n{{"tag": "2024-03-16", "x": 2}}\n{{"tag": null, "x": 3}}\n'
    assert read("later.jsonl", body, columns).frame["tag"].to_list() == [ISO, ISO, None]


@pytest.mark.parametrize("unit", EPOCHS)
@pytest.mark.parametrize("dtype", [pl.Date, pl.Datetime("ms"), pl.Datetime("ns", "UTC")])
def test_typed_dates_become_iso_if_the_training_dates_were_numbers(read, tmp_path, unit, dtype):
    columns = (Column(name="tag", kind="datetime", time_unit=unit), Column(name="x", kind="numeric"))
    days = pl.Series("tag", ["2024-03-16", None]).str.to_date().cast(dtype)
    pl.DataFrame({"tag": days, "x": [1.5, 2.5]}).write_parquet(tmp_path / "frame")
    assert read("later.parquet", (tmp_path / "frame").read_bytes(), columns).frame["tag"].to_list() == [ISO, None]


def test_a_number_that_is_not_a_date_is_missing_and_the_others_stay_numbers(read):
    columns = (Column(name="tag", kind="datetime", time_unit="yyyymmdd"), Column(name="x", kind="numeric"))
    rows = read("later.csv", _lines("20240316", "20240231"), columns)
    assert rows.frame["tag"].to_list() == [20240316, None]
    assert any("'tag': 1 cell not datetime" in warning for warning in rows.warnings)


@pytest.mark.parametrize("days", [("3/4/2024", "1/31/2024"), ("03-04-24", "12-25-24 10:00"), ("1/31/2024",)])
def test_a_month_first_file_is_refused_if_the_training_file_is_day_first(read, days):
    with pytest.raises(InvalidColumnsError, match="'tag': the day comes first in the training file, but the month"):
        read("later.csv", _lines(*days), DAY)


def test_a_day_first_file_is_refused_if_the_training_file_is_month_first(read):
    columns = (Column(name="tag", kind="datetime", day_first=False), Column(name="x", kind="numeric"))
    with pytest.raises(InvalidColumnsError, match="'tag': the month comes first in the training file, but the day"):
        read("later.csv", _lines("3.4.2024", "31.1.2024"), columns)


@pytest.mark.parametrize(
    ("days", "first"),
    [
        (("3/4/2024", "31/1/2024"), "2024-04-03"),
        (("3/4/2024", "2/4/2024"), "2024-04-03"),
        (("2024-01-31", "2024-12-13"), "2024-01-31"),
        (("Jan 31 2024", "5 Dec 2024"), "2024-01-31"),
        (("3/4/2024", *["31/1/2024"] * 30, "1/31/2024"), "2024-04-03"),
    ],
)
def test_a_file_with_the_training_files_order_of_day_and_month_is_read(read, days, first):
    rows = read("later.csv", _lines(*days), DAY)
    assert rows.frame["tag"][0] == f"{first}T00:00:00.000000Z"


def test_times_with_dots_have_no_order_of_day_and_month(read):
    columns = (
        Column(name="tag", kind="datetime", day_first=False, time_unit="hh.mm.ss"), Column(name="x", kind="numeric"),
    )  # fmt: skip
    rows = read("later.csv", _lines("23.59.59", "18.11.12"), columns)
    assert rows.frame["tag"].to_list() == ["1970-01-01T23:59:59.000000Z", "1970-01-01T18:11:12.000000Z"]


def test_only_unambiguous_dates_are_read_without_a_known_order(read):
    days = ("2024-01-31", "3.4.2024", "3/4/2024", "31/1/2024", "1-2-24", "2/2/2024")
    rows = read("later.csv", _lines(*days), UNORDERED)
    read_days = [day and day[:10] for day in rows.frame["tag"]]
    assert read_days == ["2024-01-31", "2024-04-03", None, "2024-01-31", None, "2024-02-02"]
    (warning,) = [warning for warning in rows.warnings if "'tag'" in warning]
    assert "2 cells not datetime (2 because the training file does not show" in warning
    assert "2024-01-31" in warning


def test_a_file_of_ambiguous_dates_is_refused_without_a_known_order(read):
    with pytest.raises(InvalidColumnsError, match=r"'tag' .* whether the day or the month comes first"):
        read("later.csv", _lines("3/4/2024", "5/6/2024"), UNORDERED)
