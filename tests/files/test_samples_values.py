"""Samples with unusual numbers, dates, missing values, classes and texts, each with its expected outcome."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from pipeline.contracts.errors import DatasetError, InvalidTargetError
from tests.helpers.file_harness import Served, ValidatedFile

Read = Callable[[str], ValidatedFile]
Serve = Callable[[str], Served]

FLAT = {"Datum": "24.06.2023", "Ort": "Köln", "Fläche (m²)": 80.5, "Baujahr": 1990}
COMPANY = {"segment": "SMB", "revenue": 4_000.0, "margin": 10.0, "balance": 500.0}


def test_codes_beyond_float64_are_categories(read_sample: Read) -> None:
    file = read_sample("big_ints")
    assert file.kinds == {"gtin": "categorical", "qty": "numeric"}
    assert len(set(file.values("gtin"))) == 8


@pytest.mark.parametrize("code", [int, str])
def test_codes_that_differ_in_their_last_digit_get_different_predictions(
    serve_sample: Serve, code: Callable[[int], Any]
) -> None:
    served = serve_sample("big_ints")
    assert abs(served.ask({"gtin": code(900719925474099302), "qty": 5}).value - 46) < 3
    assert abs(served.ask({"gtin": code(900719925474099301), "qty": 5}).value - 13) < 3


def test_predictions_follow_small_steps_on_a_large_offset(serve_sample: Serve) -> None:
    served = serve_sample("float32_offset")
    near = {"northing_m": 6_650_001.0, "shift": 1}
    assert served.ask({"counter": 1_000_000_035.0, **near}).label == "alarm"
    assert served.ask({"counter": 1_000_000_004.0, **near}).label == "ok"


def test_predictions_of_tensors_follow_small_steps_on_a_large_offset(serve_sample: Serve) -> None:
    columns = {
        "counter": ("FP64", [1_000_000_035.0, 1_000_000_004.0]),
        "northing_m": ("FP64", [6_650_001.0, 6_650_001.0]),
        "shift": ("INT64", [1, 1]),
    }
    inputs = [
        {"name": name, "datatype": datatype, "shape": [2], "data": data} for name, (datatype, data) in columns.items()
    ]
    reply = serve_sample("float32_offset").post(json.dumps({"inputs": inputs}))
    assert reply.status == 200, reply.error
    assert reply.outputs["label"] == ["alarm", "ok"]


def test_numbers_dates_and_umlauts_of_a_german_export_are_read(read_sample: Read) -> None:
    file = read_sample("german_export")
    assert (file.dataset.task, file.dataset.target, file.rows.height) == ("regression", "Preis (€)", 450)
    assert file.kinds == {"Datum": "datetime", "Ort": "categorical", "Fläche (m²)": "numeric", "Baujahr": "numeric"}
    assert {"Köln", "Nürnberg", "Görlitz"} <= set(file.values("Ort"))
    assert min(file.values("Preis (€)")) > 500
    assert max(file.values("Fläche (m²)")) < 200


def test_the_encoding_of_a_german_export_is_reported(read_sample: Read) -> None:
    assert read_sample("german_export").names_encoding("cp1252", "windows-1252", "iso-8859", "latin-1")


def test_a_request_may_write_a_date_in_german_or_iso_format(serve_sample: Serve) -> None:
    served = serve_sample("german_export")
    reply = served.ask(FLAT)
    assert abs(reply.value - 3588) < 200
    assert served.ask(FLAT | {"Datum": "2023-06-24"}) == reply


def test_a_request_may_write_decimal_commas_like_the_file(serve_sample: Serve) -> None:
    served = serve_sample("german_export")
    assert served.ask(FLAT | {"Fläche (m²)": "80,5"}) == served.ask(FLAT)


def test_a_target_beyond_float32_is_refused_with_its_name_and_the_bound(read_sample: Read) -> None:
    with pytest.raises(InvalidTargetError) as error:
        read_sample("huge_target")
    assert "luminosity_erg_s" in error.value.message
    assert "3.4e38" in error.value.message


def test_late_json_keys_are_columns_and_numbers_in_text_are_numeric(read_sample: Read) -> None:
    file = read_sample("jsonl_late_keys")
    assert file.rows.height == 600
    assert {"a": "numeric", "b": "numeric", "vip": "boolean"}.items() <= file.kinds.items()
    assert file.rows["a"].null_count() > 0
    assert file.rows["b"].null_count() == 0


def test_a_dropped_column_of_objects_is_reported(read_sample: Read) -> None:
    file = read_sample("jsonl_late_keys")
    assert "user" not in file.kinds
    assert file.reports("user")


def test_a_request_may_lack_a_key_that_training_rows_lacked(serve_sample: Serve) -> None:
    served = serve_sample("jsonl_late_keys")
    rest = {name: None for name in served.file.kinds if name not in ("a", "b", "vip")}
    assert served.ask({"a": 0.1, "b": 90, "vip": False, **rest}).label == "keep"
    assert served.ask({"a": 0.1, "b": 90, **rest}).status == 200


def test_amounts_of_money_and_percentages_are_numeric(read_sample: Read) -> None:
    file = read_sample("money_percent")
    assert file.dataset.task == "regression"
    assert file.kinds == {"segment": "categorical", "revenue": "numeric", "margin": "numeric", "balance": "numeric"}
    assert file.values("balance")[0] < 0 < file.values("balance")[-1]
    assert -406.3 in [round(value, 2) for value in file.values("balance")]
    assert max(file.values("margin")) > 1
    assert min(file.values("profit_next_year")) < 0


def test_a_request_may_write_amounts_as_numbers_or_like_the_file(serve_sample: Serve) -> None:
    served = serve_sample("money_percent")
    reply = served.ask(COMPANY)
    assert abs(reply.value - 100) < 300
    assert served.ask(COMPANY | {"revenue": "$4,000.00", "margin": "10.0%", "balance": "$500.00"}) == reply
    assert 500 < reply.value - served.ask(COMPANY | {"balance": -500.0}).value < 1_100
    assert served.ask(COMPANY | {"balance": "($500.00)"}) == served.ask(COMPANY | {"balance": -500.0})


def test_the_country_code_na_is_a_value_or_is_reported_as_missing(read_sample: Read) -> None:
    file = read_sample("namibia")
    assert file.rows.height == 450
    assert "NA" in file.values("country") or file.reports("'NA'", "country", "100")


def test_predictions_follow_a_country_code_that_looks_missing(serve_sample: Serve) -> None:
    served = serve_sample("namibia")
    assert served.ask({"country": "NA", "weight": 40.0, "items": 3}).label == "duty"
    assert served.ask({"country": "ZA", "weight": 40.0, "items": 3}).label == "free"


def test_a_frequent_class_called_none_is_a_class(read_sample: Read) -> None:
    file = read_sample("none_class")
    assert set(file.dataset.classes) == {"None", "Minor", "Severe"}
    assert (file.rows.height, file.rejected) == (450, 0)


def test_a_class_called_none_is_predicted(serve_sample: Serve) -> None:
    (prediction,) = serve_sample("none_class").ask({"speed": 10.0, "belt": 1, "road": "dry"}).predictions
    assert prediction["label"] == "None"
    assert prediction["probabilities"]["None"] > 0.9


def test_nullable_columns_zones_and_dates_of_parquet_are_read(read_sample: Read) -> None:
    file = read_sample("parquet_nullable")
    kinds = {"at": "datetime", "channel": "categorical", "items": "numeric", "member": "boolean", "day": "datetime"}
    assert file.kinds == kinds
    assert set(file.dropped) == {"dur", "raw"}
    assert file.rows["items"].null_count() > 0
    assert file.rows["member"].null_count() > 0


def test_times_have_the_same_time_zone_in_training_and_requests(serve_sample: Serve) -> None:
    served = serve_sample("parquet_nullable")
    evening = {"at": "2024-05-05T19:15:00Z", "channel": "web", "items": 3, "member": False, "day": "2024-05-05"}
    morning = evening | {"at": "2024-05-05T09:15:00Z", "items": None, "member": None}
    assert (served.ask(evening).label, served.ask(morning).label) == ("peak", "base")
    assert served.ask(evening | {"at": "2024-05-05T21:15:00+02:00"}) == served.ask(evening)


def test_integer_ratings_with_the_metric_rmse_are_a_regression(serve_sample: Serve) -> None:
    served = serve_sample("stars_as_numbers")
    assert served.signature.task == "regression"
    assert abs(served.ask({"clean": 9.5, "staff": 9.0, "km": 0.1, "kind": "own"}).value - 5) < 0.6


def test_unknown_labels_of_the_test_file_are_reported(read_sample: Read) -> None:
    try:
        file = read_sample("test_labels_differ")
    except DatasetError as error:
        sentences = [error.message]
    else:
        assert set(file.dataset.classes) == {"<=50K", ">50K"}
        sentences = list(file.dataset.warnings)
    assert any("'<=50K.'" in sentence and "'>50K.'" in sentence for sentence in sentences)


def test_texts_of_many_scripts_are_a_text_column(read_sample: Read) -> None:
    file = read_sample("text_i18n")
    assert file.kinds == {"msg": "text"}
    assert file.rows.height == 400


@pytest.mark.parametrize(("message", "language"), [("أين طلبي اليوم", "ar"), ("荷物が遅れましたか", "ja")])
def test_unseen_texts_are_classified_by_their_script(serve_sample: Serve, message: str, language: str) -> None:
    assert serve_sample("text_i18n").ask({"msg": message}).label == language


@pytest.mark.parametrize("message", ["", "🙃🙃", "where is my order " * 11_000])
def test_empty_emoji_only_and_very_long_texts_are_predicted(serve_sample: Serve, message: str) -> None:
    assert serve_sample("text_i18n").ask({"msg": message}).status == 200


def test_half_a_surrogate_pair_is_predicted_or_refused_with_a_message(serve_sample: Serve) -> None:
    reply = serve_sample("text_i18n").post('{"rows": [{"msg": "\\ud83d"}]}')
    assert reply.status == 200 or (reply.status == 400 and reply.error)
