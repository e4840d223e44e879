"""predict reads files of every format by the signature of the model."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest

from pipeline.cli.prediction.predict import make_batches
from pipeline.contracts.signature import Column, Signature
from pipeline.parsing.numbers import NumberFormat
from tests.helpers.cli_images import IMAGES, make_png
from tests.unit.cli.conftest import SIGNATURE, Stage

ROW = {"width": 1.5, "colour": "red"}
ROWS = [{**ROW, "note": "x", "kind": "yes"}, {"width": None, "colour": None, "note": "x", "kind": "no"}]
SENT = [ROW, {"width": None, "colour": None}]
CSV = "\ufeffcolour;note;width;kind\nred;x;1.5;yes\n;x; NA ;no\n"
TSV = "colour\tnote\twidth\tkind\nred\tx\t1.5\tyes\n\tx\tNA\tno\n"
LINES = "\n".join(map(json.dumps, ROWS))
NOTED = replace(SIGNATURE, unread=("note",))
PRICES = Signature(
    task="regression",
    target="Preis",
    columns=(
        Column(name="Fläche", kind="numeric", number_format=NumberFormat(decimal=",")),
        Column(name="Datum", kind="datetime", day_first=True),
        Column(name="neu", kind="boolean"),
    ),
    target_format=NumberFormat(decimal=",", group="."),
)


def _parquet(rows: list[dict[str, Any]]) -> bytes:
    file = io.BytesIO()
    pl.DataFrame(rows).write_parquet(file)
    return file.getvalue()


FILES: dict[str, bytes] = {
    "rows.csv": CSV.encode(),
    "rows.csv.gz": gzip.compress(CSV.encode()),
    "rows.tsv": TSV.encode(),
    "rows.txt": TSV.encode(),
    "utf16.csv": CSV.removeprefix("\ufeff").encode("utf-16"),
    "rows.parquet": _parquet(ROWS),
    "rows.jsonl": LINES.encode(),
    "rows.jsonl.gz": gzip.compress(LINES.encode()),
    "rows.json": json.dumps(ROWS).encode(),
    "document.json": json.dumps({"rows": ROWS}).encode(),
    "rows.json.gz": gzip.compress(json.dumps(ROWS).encode()),
    "lines.json": LINES.encode(),
}


@pytest.mark.parametrize("name", FILES)
def test_predict_reads_every_kind_of_table(stage: Stage, tmp_path: Path, name: str) -> None:
    stage.serve(signature=NOTED)
    (tmp_path / name).write_bytes(FILES[name])
    result = stage.run("predict", "m", str(tmp_path / name))
    assert result.exit_code == 0, result.stderr
    assert stage.rows_sent == SENT
    assert "accuracy 0.5000 (1 of 2 rows)" in result.stderr


@pytest.mark.parametrize("body", [CSV, LINES, json.dumps(ROWS), json.dumps({"rows": ROWS}, indent=1)])
def test_predict_reads_delimited_text_and_json_on_stdin(stage: Stage, body: str) -> None:
    stage.serve(signature=NOTED)
    assert stage.run("predict", "m", "-", stdin=body).exit_code == 0
    assert stage.rows_sent == SENT


def test_predict_reads_a_folder_of_part_files_in_their_order(stage: Stage, tmp_path: Path) -> None:
    stage.serve()
    for number, width in ((1, 1.5), (0, 7.0)):
        pl.DataFrame([{"width": width, "colour": "red"}]).write_parquet(tmp_path / f"part-{number}.parquet")
    (tmp_path / "_SUCCESS").touch()
    stage.run("predict", "m", str(tmp_path))
    assert [row["width"] for row in stage.rows_sent] == [7.0, 1.5]


def test_predict_reads_a_spreadsheet(stage: Stage, tmp_path: Path) -> None:
    stage.serve()
    _write_xlsx(tmp_path / "rows.xlsx", [["colour", "width", "kind"], ["red", 1.5, "yes"], ["blue", 2, "no"]])
    result = stage.run("predict", "m", str(tmp_path / "rows.xlsx"))
    assert result.exit_code == 0, result.stderr
    assert stage.rows_sent == [ROW, {"width": 2.0, "colour": "blue"}]


def test_predict_sends_the_dates_of_a_parquet_file_as_iso_texts(stage: Stage, tmp_path: Path) -> None:
    signature = Signature(
        task="classification",
        target="kind",
        columns=(Column(name="sold", kind="datetime"), Column(name="width", kind="numeric")),
        classes=("no", "yes"),
    )
    stage.serve(signature=signature)
    days = [datetime(2024, 3, 16, 10, 30, tzinfo=UTC), None]
    pl.DataFrame({"sold": days, "width": [1, 2]}).write_parquet(tmp_path / "rows.parquet")
    result = stage.run("predict", "m", str(tmp_path / "rows.parquet"))
    assert result.exit_code == 0, result.stderr
    assert [row["sold"] and row["sold"][:19] for row in stage.rows_sent] == ["2024-03-16T10:30:00", None]


def test_predict_reads_numbers_dates_and_target_in_the_format_of_the_training_file(
    stage: Stage, tmp_path: Path
) -> None:
    stage.serve(signature=PRICES)
    answer = {"model": "m", "version": 1, "predictions": [{"value": 1299.99}] * 2}
    stage.answer = lambda body: httpx.Response(200, json=answer)
    (tmp_path / "neu.csv").write_text("Fläche;Datum;neu;Preis\n65,5;3.4.2024;true;1.299,99\n70;04.04.2024;false;n.a.\n")
    result = stage.run("predict", "m", str(tmp_path / "neu.csv"))
    first = stage.rows_sent[0]
    assert (first["Fläche"], first["Datum"][:10], first["neu"]) == (65.5, "2024-04-03", True)
    assert "rmse 0 on 1 rows" in result.stderr


def test_predict_ignores_blanks_around_the_names_of_a_header(stage: Stage, tmp_path: Path) -> None:
    stage.serve()
    (tmp_path / "rows.csv").write_text(" width , colour \n1.5, red\n2,blue \n")
    stage.run("predict", "m", str(tmp_path / "rows.csv"))
    assert stage.rows_sent == [ROW, {"width": 2.0, "colour": "blue"}]


def test_predict_treats_a_non_numeric_cell_as_missing_and_warns_once(stage: Stage, tmp_path: Path) -> None:
    stage.serve()
    (tmp_path / "rows.csv").write_text("width,colour\nwide,red\n2,blue\n")
    result = stage.run("predict", "m", str(tmp_path / "rows.csv"))
    assert [row["width"] for row in stage.rows_sent] == [None, 2.0]
    assert result.stderr.count("'width'") == 1


def test_predict_sends_the_numbers_of_a_file_unchanged(stage: Stage, tmp_path: Path) -> None:
    stage.serve()
    (tmp_path / "rows.csv").write_text("width,colour\n0.1,red\n12.34,blue\n")
    stage.run("predict", "m", str(tmp_path / "rows.csv"))
    assert [row["width"] for row in stage.rows_sent] == [0.1, 12.34]


@pytest.mark.parametrize("name", ["rows.csv", "rows.jsonl", "rows.parquet"])
def test_predict_reads_a_file_with_a_single_column(stage: Stage, tmp_path: Path, name: str) -> None:
    columns = (Column(name="message", kind="text"),)
    stage.serve(signature=Signature(task="classification", target="spam", columns=columns, classes=("no", "yes")))
    frame = pl.DataFrame({"message": ["call me, please", "win a prize"]})
    match name:
        case "rows.csv":
            frame.write_csv(tmp_path / name)
        case "rows.jsonl":
            frame.write_ndjson(tmp_path / name)
        case _:
            frame.write_parquet(tmp_path / name)
    result = stage.run("predict", "m", str(tmp_path / name))
    assert result.exit_code == 0, result.stderr
    assert stage.rows_sent == frame.to_dicts()


def test_predict_names_a_column_that_the_file_lacks(stage: Stage, tmp_path: Path) -> None:
    stage.serve()
    (tmp_path / "rows.csv").write_text("widht,colour\n1,red\n2,blue\n")
    result = stage.run("predict", "m", str(tmp_path / "rows.csv"))
    assert result.exit_code == 1
    assert "'width'" in result.stderr
    assert "did you mean 'widht'" in result.stderr
    assert stage.requests == []


def test_predict_scores_only_rows_with_a_known_target(stage: Stage, tmp_path: Path) -> None:
    stage.serve()
    (tmp_path / "rows.csv").write_text("width,colour,kind\n1,red,yes\n2,red,NA\n3,red,\n")
    result = stage.run("predict", "m", str(tmp_path / "rows.csv"))
    assert "accuracy 1.0000 (1 of 1 rows)" in result.stderr
    assert result.stdout.splitlines()[1] == "1,yes,0.1,0.9,yes"


def test_predict_scores_a_class_whose_name_marks_missing_values(stage: Stage, tmp_path: Path) -> None:
    columns = (Column(name="width", kind="numeric"), Column(name="colour", kind="categorical"))
    signature = Signature(task="classification", target="kind", columns=columns, classes=("None", "yes"))
    stage.serve(signature=signature)
    (tmp_path / "rows.csv").write_text("width,colour,kind\n1,red,None\n2,red,yes\n")
    assert "accuracy 0.5000 (1 of 2 rows)" in stage.run("predict", "m", str(tmp_path / "rows.csv")).stderr


@pytest.mark.parametrize(
    ("truths", "message"),
    [(("3", "NA", "1", "?"), "rmse 1 on 2 rows"), (("NA", "", "nan", "?"), "m version 1\n")],
)
def test_predict_scores_a_regression_where_the_target_is_a_number(
    stage: Stage, tmp_path: Path, truths: tuple[str, ...], message: str
) -> None:
    columns = (Column(name="width", kind="numeric"), Column(name="colour", kind="categorical"))
    stage.serve(signature=Signature(task="regression", target="price", columns=columns))
    answer = {"model": "m", "version": 1, "predictions": [{"value": 2.0}] * len(truths)}
    stage.answer = lambda body: httpx.Response(200, json=answer)
    rows = "".join(f"1,red,{truth}\n" for truth in truths)
    (tmp_path / "rows.csv").write_text(f"width,colour,price\n{rows}")
    result = stage.run("predict", "m", str(tmp_path / "rows.csv"))
    assert result.exit_code == 0, result.stderr
    assert result.stderr.rstrip().endswith(message.rstrip())


def test_predict_sends_a_big_file_in_batches_and_no_more_rows_than_requested(stage: Stage, tmp_path: Path) -> None:
    stage.serve()
    (tmp_path / "rows.csv").write_text("width,colour\n" + "1,red\n" * 30_000)
    document = stage.json("predict", "m", str(tmp_path / "rows.csv"), "--rows", "25000", "--json")
    assert [len(request["rows"]) for request in stage.requests] == [10_000, 10_000, 5_000]
    assert len(document["predictions"]) == 25_000


def test_predict_reports_a_refused_row_by_its_number_in_the_file(stage: Stage, tmp_path: Path) -> None:
    def refuse_the_second_batch(body: dict[str, Any]) -> httpx.Response:
        if len(stage.requests) == 1:
            return stage.say_yes(body)
        return httpx.Response(400, json={"error": "rows[4], column 'width': a number is expected"})

    stage.serve()
    stage.answer = refuse_the_second_batch
    (tmp_path / "rows.csv").write_text("width,colour\n" + "1,red\n" * 12_000)
    result = stage.run("predict", "m", str(tmp_path / "rows.csv"))
    assert result.stderr == "error: row 10,005, column 'width': a number is expected\n"


def test_a_batch_has_at_most_max_bytes() -> None:
    rows = [{"text": "ä" * 1_000}] * 10
    batches = list(make_batches(iter(rows), 100, max_bytes=5_000))
    assert [len(batch) for batch in batches] == [2, 2, 2, 2, 2]
    assert [row for batch in batches for row in batch] == rows


def test_a_row_larger_than_max_bytes_gets_a_separate_batch() -> None:
    rows = [{"text": "a"}, {"text": "b" * 100}, {"text": "c"}]
    assert [len(batch) for batch in make_batches(iter(rows), 100, max_bytes=50)] == [1, 1, 1]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"width,colour\n1,red\n1\n", "line 3"),
        ("a.csv", b"width,colour\n", "no rows"),
        ("a.csv", b"", "'a.csv' is empty"),
        ("a.jsonl", b'{"width": 1, "colour": "red"}\n{"width": \n', "line 2"),
        ("a.jsonl", b"3\n", "line 1"),
        ("a.json", b'{"width": }', "line 1, column 11"),
        ("a.json", b'{"width": "\xff"}', "not text"),
        ("a.json", b"[]", "a list of them"),
        ("a.json", b"[1, 2]", "a list of them"),
        ("a.json.gz", b'{"width": 1}', "not a complete gzip file"),
        ("a.parquet", b"PAR1", "parquet file"),
        ("a.csv.gz", b"width", "not a complete gzip file"),
        ("a.xlsx", b"PK", "not a complete Excel file"),
    ],
)
def test_predict_reports_the_place_of_an_error_in_a_file(
    stage: Stage, tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    stage.serve()
    (tmp_path / name).write_bytes(content)
    result = stage.run("predict", "m", str(tmp_path / name))
    assert result.exit_code == 1
    assert message in result.stderr
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("source", ["nothing.csv", "rows.docx"])
def test_predict_on_a_missing_or_unsupported_file_is_a_usage_error(stage: Stage, tmp_path: Path, source: str) -> None:
    stage.serve()
    (tmp_path / "rows.docx").write_bytes(b"")
    assert stage.run("predict", "m", str(tmp_path / source)).exit_code == 2


@pytest.mark.parametrize(
    ("signature", "name", "content"),
    [
        (IMAGES, "rows.csv", b"a,b\n1,2\n"),
        (PRICES, "a.png", make_png(1)),
        (IMAGES, "a.zip", b"PK"),
        (IMAGES, "b.png", b""),
    ],
)
def test_predict_of_the_wrong_kind_of_data_or_a_damaged_file_fails_with_one_sentence(
    stage: Stage, tmp_path: Path, signature: Signature, name: str, content: bytes
) -> None:
    stage.serve(signature=signature)
    stage.answer = lambda body: httpx.Response(400, json={"error": "rows[0], column 'image': a png is expected"})
    (tmp_path / name).write_bytes(content)
    result = stage.run("predict", "m", str(tmp_path / name))
    assert result.exit_code == 1
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("name", ["rows.csv", "rows.parquet", "rows.json", "rows.jsonl.gz"])
def test_predict_refuses_extra_columns_of_a_file_unless_they_are_ignored(
    stage: Stage, tmp_path: Path, name: str
) -> None:
    stage.serve()
    (tmp_path / name).write_bytes(FILES[name])
    refused = stage.run("predict", "m", str(tmp_path / name))
    assert refused.exit_code == 1
    assert "'note'" in refused.stderr
    assert "--ignore-extra" in refused.stderr
    assert stage.requests == []
    assert stage.run("predict", "m", str(tmp_path / name), "--ignore-extra").exit_code == 0
    assert stage.rows_sent == SENT


def test_predict_sends_extra_columns_of_json_to_the_api(stage: Stage) -> None:
    stage.serve()
    stage.run("predict", "m", json.dumps({**ROW, "note": "x"}))
    stage.run("predict", "m", json.dumps({**ROW, "note": "x"}), "--ignore-extra")
    assert stage.rows_sent == [{**ROW, "note": "x"}] * 2
    assert ["extra=ignore" in request["url"] for request in stage.requests] == [False, True]


def test_predict_names_the_option_that_ignores_extra_columns_of_json(stage: Stage) -> None:
    stage.serve()
    sentence = "rows[0] has 'note', which the model does not read: ...; ?extra=ignore ignores what it does not read"
    stage.answer = lambda body: httpx.Response(400, json={"error": sentence})
    result = stage.run("predict", "m", json.dumps({**ROW, "note": "x"}))
    assert result.stderr == f"error: {sentence.replace('?extra=ignore', '--ignore-extra')}\n"


def test_predict_scores_a_json_row_that_has_the_target(stage: Stage) -> None:
    stage.serve()
    result = stage.run("predict", "m", json.dumps({**ROW, "kind": "yes"}))
    assert "accuracy 1.0000 (1 of 1 rows)" in result.stderr
    assert stage.rows_sent == [ROW]


def _write_xlsx(file: Path, rows: list[list[Any]]) -> None:
    """Write a minimal workbook: one sheet with texts and numbers."""
    cells = "".join(
        f'<row r="{number}">' + "".join(_cell(chr(65 + place) + str(number), value) for place, value in enumerate(row))
        + "</row>"
        for number, row in enumerate(rows, 1)
    )  # fmt: skip
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006"
    kinds = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{package}/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{kinds}.sheet.main+xml"/>'
        f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{kinds}.worksheet+xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{package}/relationships">'
        f'<Relationship Id="r1" Type="{office}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{office}"><sheets>'
        '<sheet name="S" sheetId="1" r:id="r1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{package}/relationships">'
        f'<Relationship Id="r1" Type="{office}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{main}"><sheetData>{cells}</sheetData></worksheet>',
    }
    with zipfile.ZipFile(file, "w") as archive:
        for name, text in parts.items():
            archive.writestr(name, f'<?xml version="1.0" encoding="UTF-8"?>{text}')


def _cell(place: str, value: Any) -> str:
    if isinstance(value, str):
        return f'<c r="{place}" t="inlineStr"><is><t>{value}</t></is></c>'
    return f'<c r="{place}"><v>{value}</v></c>'
