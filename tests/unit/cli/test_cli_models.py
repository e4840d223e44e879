"""models, promote, predict, keys."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import polars as pl
import pytest
from PIL import Image

from pipeline.contracts.errors import UnauthenticatedError
from pipeline.contracts.signature import Column, Signature
from tests.unit.cli.conftest import Stage

ROW = {"width": 1.5, "colour": "red"}


def test_models_as_json_tell_what_is_live(stage: Stage) -> None:
    stage.serve()
    stage.serve(live=False)
    (document,) = stage.json("models", "--json")
    assert (document["model"], document["latest_version"], document["live_version"]) == ("m", 2, 1)
    assert document["live"]["precision"] == "int8"


def test_models_show_one_that_nobody_has_promoted(stage: Stage) -> None:
    stage.serve(live=False)
    assert "none" in stage.run("models").stdout


def test_promote_moves_the_alias_forward_and_back(stage: Stage) -> None:
    stage.serve()
    stage.serve(live=False)
    assert stage.run("promote", "m", "2").exit_code == 0
    assert stage.registry.live("demo", "m").version == 2
    assert stage.run("promote", "m", "1").exit_code == 0
    assert stage.registry.live("demo", "m").version == 1


def test_promote_of_an_unknown_version_fails_in_one_sentence(stage: Stage) -> None:
    result = stage.run("promote", "m", "7")
    assert result.exit_code == 1
    assert result.stderr == "error: model 'm' has no version 7\n"


def test_predict_sends_a_row_of_json_as_it_is_and_prints_the_apis_answer(stage: Stage) -> None:
    stage.serve()
    document = stage.json("predict", "m", json.dumps(ROW), "--json")
    assert document == {
        "model": "m",
        "version": 1,
        "predictions": [{"label": "yes", "probabilities": {"no": 0.1, "yes": 0.9}}],
    }
    (request,) = stage.requests
    assert request == {"url": "http://127.0.0.1:4566/api/v2/models/m/infer", "key": stage.key, "rows": [ROW]}


CSV = "\ufeffcolour;note;width;kind\nred;x;1.5;yes\n;x; NA ;no\n"


@pytest.mark.parametrize("form", ["csv", "csv.gz", "parquet", "jsonl", "json", "stdin"])
def test_predict_reads_every_kind_of_file_by_the_models_signature(stage: Stage, tmp_path: Path, form: str) -> None:
    stage.serve()
    rows = [{**ROW, "note": "x", "kind": "yes"}, {"width": float("nan"), "colour": None, "note": "x", "kind": "no"}]
    source, stdin = _written(tmp_path, form, rows)
    stage.run("predict", "m", source, stdin=stdin)
    assert stage.requests[0]["rows"] == [ROW, {"width": None, "colour": None}]


def _written(folder: Path, form: str, rows: list[dict[str, Any]]) -> tuple[str, str | None]:
    import gzip

    file = folder / f"rows.{form}"
    lines = "\n".join(json.dumps(row | {"width": row["width"] if row["colour"] else None}) for row in rows)
    match form:
        case "csv":
            file.write_text(CSV)
        case "csv.gz":
            file.write_bytes(gzip.compress(CSV.encode()))
        case "parquet":
            pl.DataFrame(rows).write_parquet(file)
        case "json":
            file.write_text(f"[{lines.replace(chr(10), ',')}]")
        case "jsonl":
            file.write_text(lines)
        case "stdin":
            return "-", lines
    return str(file), None


def test_predict_sends_an_unknown_column_of_a_row_so_that_the_api_can_name_it(stage: Stage) -> None:
    stage.serve()
    stage.run("predict", "m", '{"widht": 1}')
    assert stage.requests[0]["rows"] == [{"widht": 1}]


def test_predict_leaves_a_number_that_is_none_to_the_api_to_refuse(stage: Stage, tmp_path: Path) -> None:
    stage.serve()
    stage.answer = lambda body: httpx.Response(400, json={"error": "column 'width' of row 0: a number is expected"})
    file = tmp_path / "rows.csv"
    file.write_text("width,colour\nwide,red\n")
    result = stage.run("predict", "m", str(file))
    assert stage.requests[0]["rows"] == [{"width": "wide", "colour": "red"}]
    assert result.exit_code == 1
    assert result.stderr == "error: column 'width' of row 0: a number is expected\n"


def test_predict_scores_a_file_that_holds_the_target(stage: Stage, tmp_path: Path) -> None:
    stage.serve()
    file = tmp_path / "rows.csv"
    file.write_text(CSV)
    output = stage.run("predict", "m", str(file)).stdout
    assert "accuracy 0.5000: 1 of 2 rows" in output
    assert "✓" in output
    assert "✗" in output


def test_predict_scores_the_rows_whose_target_is_known(stage: Stage, tmp_path: Path) -> None:
    stage.serve()
    file = tmp_path / "rows.csv"
    file.write_text("width,colour,kind\n1,red,yes\n2,red,NA\n3,red,\n")
    assert "accuracy 1.0000: 1 of 1 rows" in stage.run("predict", "m", str(file)).stdout


@pytest.mark.parametrize(
    ("truths", "said"),
    [(("3", "NA", "1", "unknown"), "root mean squared error 1 on 2 rows"), (("NA", "", "nan", "?"), "m version 1\n")],
)
def test_predict_scores_a_regression_where_the_target_is_a_number(
    stage: Stage, tmp_path: Path, truths: tuple[str, ...], said: str
) -> None:
    stage.serve(signature=Signature(task="regression", target="price", columns=(Column(name="width", kind="numeric"),)))
    answer = {"model": "m", "version": 1, "predictions": [{"value": 2.0}] * len(truths)}
    stage.answer = lambda body: httpx.Response(200, json=answer)
    file = tmp_path / "rows.csv"
    file.write_text("width,price\n" + "".join(f"1,{truth}\n" for truth in truths))
    result = stage.run("predict", "m", str(file))
    assert result.exit_code == 0
    assert result.stdout.rstrip().endswith(said.rstrip())


def test_predict_sends_a_big_file_in_batches_and_no_more_rows_than_asked_for(stage: Stage, tmp_path: Path) -> None:
    stage.serve()
    file = tmp_path / "rows.csv"
    file.write_text("width,colour\n" + "1,red\n" * 30_000)
    document = stage.json("predict", "m", str(file), "--rows", "25000", "--json")
    assert [len(request["rows"]) for request in stage.requests] == [10_000, 10_000, 5_000]
    assert len(document["predictions"]) == 25_000


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", b"width,colour\n1,red\n1\n", "line 3 has 1 values where the header names 2 columns"),
        ("a.csv", b"width,colour\n1,\xff\n", "not text"),
        ("a.csv", b"width,colour\n", "no rows"),
        ("a.jsonl", b'{"width": 1}\n{"width": \n', "line 2"),
        ("a.jsonl", b"3\n", "line 1 is not an object"),
        ("a.json", b'{"width": }', "line 1, column 11"),
        ("a.json", b'{"width": "\xff"}', "not text"),
        ("a.parquet", b"PAR1", "not a parquet file"),
        ("a.csv.gz", b"width", "not gzip"),
    ],
)
def test_predict_says_where_a_file_is_broken(
    stage: Stage, tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    stage.serve()
    file = tmp_path / name
    file.write_bytes(content)
    result = stage.run("predict", "m", str(file))
    assert result.exit_code == 1
    assert said in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("source", ["nothing.csv", "rows.xlsx"])
def test_predict_on_what_is_no_data_is_wrong_usage(stage: Stage, tmp_path: Path, source: str) -> None:
    (tmp_path / "rows.xlsx").write_bytes(b"")
    assert stage.run("predict", "m", str(tmp_path / source)).exit_code == 2


def test_predict_looks_the_model_up_in_the_keys_tenant(stage: Stage) -> None:
    stage.serve(tenant="acme")
    key = stage.keys.create("acme")
    assert stage.run("--api-key", key, "predict", "m", json.dumps(ROW)).exit_code == 0
    assert stage.requests[0]["key"] == key
    assert stage.run("predict", "m", json.dumps(ROW)).exit_code == 1


def test_predict_for_another_tenant_than_the_keys_says_whose_key_it_is(stage: Stage) -> None:
    stage.serve()
    result = stage.run("predict", "m", json.dumps(ROW), "--tenant", "acme")
    assert result.exit_code == 1
    assert "tenant demo's" in result.stderr
    assert stage.requests == []


def test_predict_with_an_empty_key_does_not_fall_back_to_another(stage: Stage) -> None:
    stage.serve()
    assert stage.run("--api-key", "", "predict", "m", json.dumps(ROW)).exit_code == 2
    assert stage.requests == []


def test_predict_on_aws_asks_for_a_key(stage: Stage) -> None:
    result = stage.run("--stack", "prod", "predict", "m", json.dumps(ROW))
    assert result.exit_code == 1
    assert "MODELDROP_API_KEY" in result.stderr


def test_predict_says_that_the_api_does_not_answer(stage: Stage) -> None:
    def refuse(body: dict[str, Any]) -> httpx.Response:
        raise httpx.ConnectError("refused")

    stage.serve()
    stage.answer = refuse
    result = stage.run("predict", "m", json.dumps(ROW))
    assert result.exit_code == 1
    assert "did not answer (ConnectError)" in result.stderr


def test_predict_repeats_an_error_that_is_not_the_apis_own(stage: Stage) -> None:
    stage.serve()
    stage.answer = lambda body: httpx.Response(502, text="<html>")
    assert "the API answered 502 Bad Gateway" in stage.run("predict", "m", json.dumps(ROW)).stderr


def test_a_key_is_shown_once_and_listed_by_its_start(stage: Stage) -> None:
    created = stage.json("keys", "create", "acme", "--principal", "ci", "--json")
    assert stage.keys.resolve(created["api_key"]).tenant == "acme"
    listed = stage.run("keys", "list", "--json").stdout
    assert created["api_key"] not in listed
    assert {key["tenant"] for key in json.loads(listed)} == {"acme", "demo"}


def test_a_revoked_key_is_refused_from_then_on(stage: Stage) -> None:
    (listed,) = stage.json("keys", "list", "--json")
    assert stage.run("keys", "revoke", f"{listed['prefix']}…").exit_code == 0
    with pytest.raises(UnauthenticatedError):
        stage.keys.resolve(stage.key)
    assert "revoked" in stage.run("keys", "list").stdout


def test_a_key_for_a_name_that_is_no_tenants_is_wrong_usage(stage: Stage) -> None:
    assert stage.run("keys", "create", "No_Tenant").exit_code == 2


IMAGES = Signature(
    task="classification",
    target="label",
    columns=(Column(name="image", kind="image", shape=(4, 5, 1)),),
    classes=("no", "yes"),
)


def test_predict_sends_a_picture_as_base64(stage: Stage, tmp_path: Path) -> None:
    stage.serve(signature=IMAGES)
    file = tmp_path / "seven.PNG"
    Image.new("L", (5, 4), 7).save(file)
    stage.run("predict", "m", str(file))
    (row,) = stage.requests[0]["rows"]
    assert base64.b64decode(row["image"]["b64"]) == file.read_bytes()


def test_predict_scores_the_images_of_an_npz_file(stage: Stage, tmp_path: Path) -> None:
    stage.serve(signature=IMAGES)
    images = np.arange(60, dtype=np.uint8).reshape(3, 4, 5)
    np.savez(tmp_path / "test.npz", images=images, labels=["yes", "no", "yes"])
    output = stage.run("predict", "m", str(tmp_path / "test.npz")).stdout
    assert [np.array(row["image"]).reshape(4, 5).tolist() for row in stage.requests[0]["rows"]] == images.tolist()
    assert "2 of 3 rows" in output
