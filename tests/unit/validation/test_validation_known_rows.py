"""Later files of a known model are read as its training file was."""

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


def test_cells_become_what_a_request_has(read):
    rows = read("later.csv", "ort;preis;neu;tag;y\nKöln;1.299,50;ja;16.03.2024;7\n;k.A.;yes;;\n".encode("cp1252"))
    assert rows.frame.to_dicts() == [
        {"preis": 1299.5, "ort": "Köln", "neu": None, "tag": "2024-03-16T00:00:00.000000Z"},
        {"preis": None, "ort": None, "neu": True, "tag": None},
    ]
    assert rows.labels is not None
    assert rows.labels.to_list() == ["7", None]
    assert any("'neu': 1 cell" in warning for warning in rows.warnings)


def test_a_column_that_is_never_of_its_kind_is_refused(read):
    with pytest.raises(InvalidColumnsError, match="'preis' is not numeric"):
        read("later.csv", "preis;ort;neu;tag\nviel;Köln;yes;16.03.2024\n")


def test_an_absent_column_is_named_with_the_nearest(read):
    with pytest.raises(InvalidColumnsError, match=r"lacks 1 column .*'preis'.*'Preis'"):
        read("later.csv", "Preis;ort;neu;tag\n1,5;Köln;yes;16.03.2024\n")


def test_an_optional_column_may_be_absent(read):
    columns = (Column(name="a", kind="numeric"), Column(name="b", kind="numeric", is_optional=True))
    rows = read("later.jsonl", '{"a": 1}\n{"a": 2, "c": 3}\n', columns, unread=("c",))
    assert rows.frame.to_dict(as_series=False) == {"a": [1.0, 2.0], "b": [None, None]}


@pytest.mark.parametrize(("unit", "cell"), [("s", 1710547200), ("ms", 1710547200000), ("yyyymmdd", 20240316)])
def test_numbers_of_a_date_stay_the_files_own(read, unit, cell):
    columns = (Column(name="at", kind="datetime", time_unit=unit), Column(name="x", kind="numeric"))
    assert read("later.csv", f"at,x\n{cell},1\n{cell},2\n", columns).frame["at"].to_list() == [cell, cell]


def test_a_wide_column_keeps_its_digits(read):
    columns = (Column(name="x", kind="numeric", is_wide=True), Column(name="z", kind="numeric"))
    assert read("later.csv", "x,z\n1000000000.25,0.1\n", columns).frame.row(0) == (1000000000.25, 0.1)


def test_a_file_without_a_header_is_read_by_position(read):
    columns = tuple(Column(name=f"column_{number}", kind="numeric") for number in (1, 2))
    assert read("later.csv", "5.5,1.5\n6.5,2.5\n", columns, header="none").frame.rows() == [(5.5, 1.5), (6.5, 2.5)]


def test_one_column_is_enough_where_the_model_reads_one(read):
    columns = (Column(name="message", kind="text"),)
    rows = read("later.csv", "message\nhello, world\nit is; late\n", columns)
    assert rows.frame["message"].to_list() == ["hello, world", "it is; late"]


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16", "cp1251"])
def test_an_encoding_of_train_yaml_is_a_hint_for_later_files(read, codec):
    columns = (Column(name="город", kind="categorical"), Column(name="x", kind="numeric"))
    rows = read("later.csv", "город,x\nМосква,1\nТула,2\n".encode(codec), columns, encoding="cp1251")
    assert rows.frame["город"].to_list() == ["Москва", "Тула"]


def test_markers_of_train_yaml_replace_the_usual_ones(read):
    columns = (Column(name="country", kind="categorical"), Column(name="x", kind="numeric"))
    frame = read("later.csv", "country,x\nNA,1\n--,-999\n", columns, missing=("--", "-999")).frame
    assert frame.rows() == [("NA", 1.0), (None, None)]


def test_types_of_a_parquet_file_are_read(read, tmp_path):
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
def test_columns_that_the_model_does_not_read_are_refused_with_their_names(read, name):
    with pytest.raises(InvalidColumnsError, match=r"2 columns .*'note', 'color'.*--ignore-extra"):
        read(name, EXTRA[name], NUMBERS)


@pytest.mark.parametrize("name", EXTRA)
def test_columns_that_the_model_does_not_read_are_left_out_where_that_is_asked_for(read, name):
    rows = read(name, EXTRA[name], NUMBERS, ignore_extra=True)
    assert rows.frame.to_dict(as_series=False) == {"x": [1.5, 2.5], "z": [2.0, 3.0]}


@pytest.mark.parametrize(
    ("body", "unread"),
    [
        ("x,z,y\n1,2,3\n2,3,4\n", ()),  # the target, which is scored
        ("id,x,z\n7,1,2\n9,2,3\n", ("id",)),  # the training file had it too
        (",x,z\n0,1,2\n1,2,3\n", ()),  # row numbers that have no name
        ("x,z,\n1,2,\n2,3,\n", ()),  # a delimiter at the end of each row
    ],
)
def test_the_target_and_what_the_training_file_had_too_are_not_extra(read, body, unread):
    assert read("later.csv", body, NUMBERS, unread=unread).frame.rows() == [(1.0, 2.0), (2.0, 3.0)]


def test_what_no_model_reads_of_the_training_file_is_in_its_signature(drop):
    lines = [f"{n},same,{n % 7}.5,{n % 3 + 1},{n % 5}.25" for n in range(60)]
    table = "\n".join(["id,constant,x,w,y", *lines]) + "\n"
    signature = drop("a.csv", table, spec="target: y\nweight: w\n").dataset.signature
    assert [column.name for column in signature.columns] == ["x"]
    assert set(signature.unread) == {"id", "constant", "w"}
    assert Signature.from_dict(signature.to_dict()) == signature
