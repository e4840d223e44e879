"""Sheets of workbooks become csv files, whose tables are detected like those of any csv file."""

from __future__ import annotations

import csv
import datetime as dt
import io
import zipfile

import openpyxl
import pytest

from pipeline.contracts.errors import UnreadableDatasetError
from pipeline.contracts.signature import Column, Signature
from pipeline.validation.known_rows import read_known_rows
from pipeline.validation.readers.dialects.detect import detect_dialect
from pipeline.validation.readers.options import ReadOptions
from pipeline.validation.readers.spreadsheet import convert_spreadsheet

TABLE = [["n", "x", "k"], *([number, number / 8, "ab"[number % 2]] for number in range(40))]


def _workbook(**sheets):
    workbook = openpyxl.Workbook()
    workbook.remove(workbook.active)
    for name, rows in sheets.items():
        sheet = workbook.create_sheet(name)
        for row in rows:
            sheet.append(row)
    return workbook


def _bytes(workbook):
    file = io.BytesIO()
    workbook.save(file)
    return file.getvalue()


@pytest.fixture
def convert(tmp_path):
    def convert(workbook, sheet=""):
        path = tmp_path / "a.xlsx"
        path.write_bytes(workbook if isinstance(workbook, bytes) else _bytes(workbook))
        return convert_spreadsheet("a.xlsx", path, tmp_path, sheet=sheet)

    return convert


def _rows(converted):
    path, _ = converted
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def test_cells_are_written_as_text_that_keeps_their_values(convert):
    rows = [
        ["whole", "float", "truth", "day", "moment", "time", "text", "none"],
        [1.0, 0.1, True, dt.date(2024, 3, 1), dt.datetime(2024, 3, 1, 8, 30), dt.time(7, 5), 'a, "b"\nc é', None],
        [12345678901, 1 / 3, False, dt.date(1999, 12, 31), dt.datetime(2024, 3, 1, 8, 30, 15), dt.time(7), "007", ""],
    ]
    assert [row[:7] for row in _rows(convert(_workbook(Data=rows)))[1:]] == [
        ["1", "0.1", "true", "2024-03-01", "2024-03-01 08:30:00", "07:05:00", 'a, "b"\nc é'],
        ["12345678901", "0.3333333333333333", "false", "1999-12-31", "2024-03-01 08:30:15", "07:00:00", "007"],
    ]


def test_a_single_sheet_is_read_without_a_warning(convert):
    converted = convert(_workbook(Data=TABLE))
    assert converted[1] == ()
    assert len(_rows(converted)) == 41


@pytest.mark.parametrize("cover", [[["Report"]], [["Report"], ["Author", "Tom"], ["Date", "May"]], []])
def test_a_cover_sheet_is_skipped_and_reported(convert, cover):
    converted = convert(_workbook(Cover=cover, Data=TABLE, More=TABLE[:5]))
    assert _rows(converted)[0] == ["n", "x", "k"]
    assert [word for word in ("'Data'", "'Cover'", "'More'") if word not in converted[1][0]] == []


def test_a_hidden_sheet_comes_last(convert):
    workbook = _workbook(Lookup=TABLE, Data=TABLE[:20])
    workbook["Lookup"].sheet_state = "hidden"
    assert len(_rows(convert(workbook))) == 41  # the only sheet with enough rows
    workbook = _workbook(Lookup=[["key", "value"], *TABLE[1:]], Data=TABLE)
    workbook["Lookup"].sheet_state = "hidden"
    assert _rows(convert(workbook))[0] == ["n", "x", "k"]


def test_a_sheet_is_chosen_by_its_name(convert):
    workbook = _workbook(First=TABLE, Second=[["a", "b"], [1, 2]])
    converted = convert(workbook, sheet="Second")
    assert (_rows(converted), converted[1]) == ([["a", "b"], ["1", "2"]], ())
    with pytest.raises(UnreadableDatasetError, match=r"'third'.*'First', 'Second'"):
        convert(workbook, sheet="third")


def test_blank_rows_and_columns_around_the_table_are_dropped(convert):
    rows = [[], [], *([None, None, *row, None] for row in TABLE), []]
    assert _rows(convert(_workbook(Data=rows))) == _rows(convert(_workbook(Data=TABLE)))


def test_titles_above_and_totals_below_a_table_are_found_as_in_a_csv_file(convert):
    rows = [["Sales of May"], [None, "by us"], [], *TABLE, [], ["Total", 780, None]]
    workbook = _workbook(Data=rows)
    workbook["Data"].merge_cells("A1:C1")
    converted = convert(workbook)
    dialect = detect_dialect("a.xlsx", converted[0], 0, delimiter=",", options=ReadOptions())
    assert (dialect.fields, dialect.header_line) == (("n", "x", "k"), 4)
    assert converted[0].read_bytes()[dialect.start : dialect.end].strip().count(b"\n") == 39


def _grouped(ranges, rows):
    workbook = _workbook(Data=rows)
    for cells in ranges:
        workbook["Data"].merge_cells(cells)
    return workbook


def test_a_label_merged_over_rows_is_copied_to_each_row(convert):
    rows = [["region", "n", "k"], *([f"r{n // 50}" if n % 50 == 0 else None, n, "ab"[n % 2]] for n in range(300))]
    converted = convert(_grouped([f"A{2 + 50 * group}:A{51 + 50 * group}" for group in range(6)], rows))
    assert [row[0] for row in _rows(converted)[1:]] == [f"r{n // 50}" for n in range(300)]
    assert "294 cells" in converted[1][0]


def test_merged_cells_are_filled_in_a_table_that_starts_further_down_and_right(convert):
    table = [
        ["n", "shop", "city"],
        *([n, "s" if n % 10 == 0 else None, "c" if n % 20 == 0 else None] for n in range(40)),
    ]
    rows = [["Report"], [], *([None, None, *row] for row in table)]
    ranges = ["A1:E1", *(f"D{4 + start}:D{13 + start}" for start in (0, 10, 20, 30)), "E4:E23", "E24:E43"]
    converted = convert(_grouped(ranges, rows))
    written = [row for row in _rows(converted) if len(row) > 4 and row[2].isdecimal()]
    assert {(row[3], row[4]) for row in written} == {("s", "c")}
    assert len(written) == 40


def test_merged_titles_names_and_empty_rows_are_not_filled(convert):
    rows = [["Sales of May"], ["n", "x", None], [None, "mean", "sum"], *TABLE[1:], [], [None, "a note", None]]
    converted = convert(_grouped(["A1:C1", "A2:A3", "B2:C2", "A44:A46"], rows))
    assert _rows(converted)[:3] == [["Sales of May", "", ""], ["n", "x", ""], ["", "mean", "sum"]]
    assert converted[1] == ()


def test_empty_cells_that_are_not_merged_stay_empty(convert):
    rows = [["g", "x"], ["north", 1], [None, 2], [None, 3]]
    assert [row[0] for row in _rows(convert(_workbook(Data=rows)))] == ["g", "north", "", ""]


@pytest.mark.parametrize("rows", [[["x"], [1], [2.5]], [[], ["x"], ["a"]]])
def test_a_later_workbook_may_have_one_column(tmp_path, rows):
    (tmp_path / "later.xlsx").write_bytes(_bytes(_workbook(Data=rows)))
    columns = (Column(name="x", kind="text" if rows[-1] == ["a"] else "numeric"),)
    signature = Signature(task="regression", target="y", columns=columns)
    known_rows = read_known_rows("later.xlsx", tmp_path / "later.xlsx", signature, tmp_path)
    assert known_rows.frame["x"].to_list() == [row[0] for row in rows if row and row != ["x"]]


def _zip_of(name, body):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as packed:
        packed.writestr(name, body)
    return file.getvalue()


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"a,b\n1,2\n", ["a.xlsx", "not a complete Excel file"]),
        (b"", ["not a complete Excel file"]),
        (_zip_of("x", "y"), ["not a complete Excel file"]),
        (_bytes(_workbook(Data=TABLE))[:-300], ["not a complete Excel file"]),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, ["not a complete Excel file"]),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600 + "EncryptedPackage".encode("utf-16-le"), ["password"]),
        (_bytes(_workbook(Data=[["a title alone"]])), ["no table"]),
        (_bytes(_workbook(Data=[])), ["no table"]),
    ],
)
def test_files_that_are_not_workbooks_with_a_table_are_refused(convert, body, words):
    with pytest.raises(UnreadableDatasetError) as refused:
        convert(body)
    assert [word for word in words if word not in str(refused.value)] == []


def test_a_cell_far_from_the_table_is_refused_before_the_cells_between_are_allocated(convert):
    workbook = _workbook(Data=TABLE)
    workbook["Data"]["XFD1048576"] = 1
    with pytest.raises(UnreadableDatasetError, match="cells"):
        convert(workbook)
