"""Samples with unusual layouts, encodings and column names, each with its expected outcome."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from tests.helpers.file_harness import Served, ValidatedFile

Read = Callable[[str], ValidatedFile]
Serve = Callable[[str], Served]

QUESTION = (
    "How satisfied are you, all in all, with the service (1 = not at all, 10 = fully)? Please answer for the last "
    "12 months. Please answer for the last 12 months. "
)
SURVEY: dict[str, Any] = {
    "distance, km": 0.0, "[bio].[physio]:v1": 0.0, "доход": 0.0, "温度 ℃": 0.0, "for": 0.0, "index": 50,
    'say "hi"': 0.0, "two\nlines": "a", "🙂": "x", QUESTION: 5, "{json: [1]}": 0.0,
}  # fmt: skip


def test_names_after_a_byte_order_mark_and_between_blanks_are_read(read_sample: Read) -> None:
    file = read_sample("bom_and_spaces")
    assert (file.dataset.target, file.rows.height) == ("decision", 400)
    assert list(file.kinds) == ["age", "income", "home town"]
    assert len(set(file.values("home town"))) == 3


def test_a_request_may_use_column_names_with_or_without_their_blanks(serve_sample: Serve) -> None:
    served = serve_sample("bom_and_spaces")
    trimmed = served.ask({"age": 60, "income": 60_000, "home town": "Oslo"})
    written = served.ask({" age": 60, "income ": 60_000, " home town ": " Oslo"})
    assert (trimmed.status, trimmed.label) == (200, "approved")
    assert written == trimmed


def test_two_columns_of_one_name_are_kept_and_the_new_name_is_reported(read_sample: Read) -> None:
    file = read_sample("duplicate_columns")
    assert list(file.kinds) == ["score", "age", "score_2"]
    assert file.reports("'score'", "score_2")


def test_a_column_without_a_name_and_values_is_dropped_and_reported(read_sample: Read) -> None:
    file = read_sample("duplicate_columns")
    assert len(file.dropped) == 1
    assert any(word in reason for word in ("empty", "missing") for reason in file.dropped.values())


def test_predictions_follow_the_second_column_of_a_duplicate_name(serve_sample: Serve) -> None:
    served = serve_sample("duplicate_columns")
    assert served.ask({"score": 0.0, "age": 0.0, "score_2": 2.0}).label == "up"
    assert served.ask({"score": 0.0, "age": 0.0, "score_2": -2.0}).label == "down"


def test_the_sep_line_of_excel_is_not_a_header(read_sample: Read) -> None:
    file = read_sample("excel_sep_line")
    assert (file.dataset.target, file.rows.height) == ("ok", 360)
    assert file.kinds == {"messwert": "numeric", "druck": "numeric", "farbe": "categorical"}


def test_a_model_of_a_file_with_a_sep_line_predicts_requests(serve_sample: Serve) -> None:
    served = serve_sample("excel_sep_line")
    assert served.ask({"messwert": 70.0, "druck": 9.0, "farbe": "blau"}).label == "ja"
    assert served.ask({"messwert": 35.0, "druck": 9.0, "farbe": "grün"}).label == "nein"


def test_a_file_without_a_header_keeps_its_first_row_and_the_names_are_reported(read_sample: Read) -> None:
    file = read_sample("no_header")
    names = ["column_1", "column_2", "column_3", "column_4"]
    assert (list(file.kinds), file.dataset.target, file.rows.height) == (names, "column_5", 300)
    assert file.dataset.classes == ("setosa", "versi", "virg")
    assert file.reports("header")


def test_nul_bytes_are_removed_or_their_rows_are_rejected_with_the_lines(read_sample: Read) -> None:
    file = read_sample("nul_bytes")
    assert set(file.values("colour")) == {"blue", "green", "red"}
    assert file.rows.height in (397, 400)
    assert file.reports("NUL", "17", "102", "333")


def test_a_model_of_a_file_with_nul_bytes_predicts_requests(serve_sample: Serve) -> None:
    served = serve_sample("nul_bytes")
    row = {"colour": "red", "x": 0.0, **({"n": 5} if "n" in served.file.kinds else {})}
    assert served.ask(row).label == "yes"


def test_a_header_below_notes_is_found_and_its_line_is_reported(read_sample: Read) -> None:
    file = read_sample("preamble")
    assert (list(file.kinds), file.rows.height) == (["time", "temp", "humidity", "wind"], 400)
    assert file.kinds["time"] == "datetime"
    assert file.rejected == 0
    assert file.reports("line 6")


def test_a_model_of_a_file_with_notes_predicts_requests(serve_sample: Serve) -> None:
    row = {"time": "2024-02-02 04:00:00", "temp": 4.0, "humidity": 95.0, "wind": 1.0}
    assert serve_sample("preamble").ask(row).label == "fog"


def test_row_numbers_with_and_without_a_name_are_dropped_and_reported(read_sample: Read) -> None:
    file = read_sample("row_numbers_sorted")
    assert list(file.kinds) == ["f1", "f2", "f3"]
    assert len(file.dropped) == 2
    assert "record_id" in file.dropped
    assert all("row number" in reason for reason in file.dropped.values())


def test_a_request_does_not_need_the_row_numbers(serve_sample: Serve) -> None:
    assert serve_sample("row_numbers_sorted").ask({"f1": 2.2, "f2": 0.2, "f3": 0.0}).label == "high"


def test_columns_are_aligned_if_rows_end_with_a_delimiter(read_sample: Read) -> None:
    file = read_sample("trailing_delimiter")
    assert list(file.kinds) == ["bid", "ask", "size"]
    assert (file.dataset.classes, file.rows.height, file.rejected) == (("buy", "hold"), 400, 0)


def test_predictions_follow_the_right_columns_if_rows_end_with_a_delimiter(serve_sample: Serve) -> None:
    served = serve_sample("trailing_delimiter")
    assert served.ask({"bid": 10, "ask": 90, "size": 10}).label == "buy"
    assert served.ask({"bid": 90, "ask": 10, "size": 90}).label == "hold"


def test_a_utf_16_file_with_tabs_is_read_and_its_encoding_is_reported(read_sample: Read) -> None:
    file = read_sample("utf16_tab")
    assert file.kinds == {"ville": "categorical", "surface": "numeric", "étage": "numeric"}
    assert (file.dataset.task, file.rows.height) == ("regression", 420)
    assert {"Besançon", "Évreux", "Orléans", "Nîmes"} & set(file.values("ville"))
    assert not any("�" in town or "Ã" in town for town in file.values("ville"))
    assert file.names_encoding("utf-16")


def test_a_model_of_a_utf_16_file_predicts_requests(serve_sample: Serve) -> None:
    reply = serve_sample("utf16_tab").ask({"ville": "Nîmes", "surface": 50.0, "étage": 2})
    assert abs(reply.value - 927) < 40


def test_unusual_names_and_labels_are_returned_unchanged(serve_sample: Serve) -> None:
    served = serve_sample("weird_names")
    classes = {'yes, "sure"', "line\nbreak", "может быть", "=1+1", "nö"}
    assert set(served.signature.classes) == classes
    assert {name.strip() for name in served.file.kinds} == {name.strip() for name in SURVEY}
    sure, broken = served.ask(SURVEY | {"distance, km": 5.0}), served.ask(SURVEY | {"温度 ℃": 5.0})
    assert (sure.label, broken.label) == ('yes, "sure"', "line\nbreak")
    assert set(sure.predictions[0]["probabilities"]) == classes


def test_columns_with_unusual_names_are_accepted_as_tensors(serve_sample: Serve) -> None:
    def tensor(name: str, value: Any) -> dict[str, Any]:
        return {"name": name, "datatype": "BYTES" if isinstance(value, str) else "FP32", "shape": [1], "data": [value]}

    row = SURVEY | {"доход": 5.0}
    reply = serve_sample("weird_names").post(json.dumps({"inputs": [tensor(*cell) for cell in row.items()]}))
    assert reply.status == 200, reply.error
    assert reply.outputs["label"] == ["может быть"]
