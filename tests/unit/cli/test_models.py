"""models, promote, predict, keys."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from pipeline.contracts.errors import UnauthenticatedError
from tests.unit.cli.conftest import Stage

ROW = {"width": 1.5, "colour": "red"}


def test_models_as_json_has_the_live_version(stage: Stage) -> None:
    stage.serve()
    stage.serve(live=False)
    (document,) = stage.json("models", "--json")
    assert (document["model"], document["latest_version"], document["live_version"]) == ("m", 2, 1)
    assert document["live"]["precision"] == "int8"


@pytest.mark.parametrize(("variant", "shown"), [("mlp/a+codebook", "mlp/a+codebook"), ("", "mlp/int8")])
def test_the_served_variant_is_named(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variant: str, shown: str
) -> None:
    """An older record has no name of the variant: the algorithm and the precision stand for it."""
    monkeypatch.chdir(tmp_path)
    stage.serve(variant=variant)
    for command in (("models",), ("promote", "m", "1"), ("export", "m")):
        assert shown in stage.run(*command).output, command


def test_models_lists_a_model_without_a_live_version(stage: Stage) -> None:
    stage.serve(live=False)
    assert "none" in stage.run("models").stdout


def test_promote_moves_the_alias_forward_and_back(stage: Stage) -> None:
    stage.serve()
    stage.serve(live=False)
    assert stage.run("promote", "m", "2").exit_code == 0
    assert stage.registry.live("demo", "m").version == 2
    assert stage.run("promote", "m", "1").exit_code == 0
    assert stage.registry.live("demo", "m").version == 1


@pytest.mark.parametrize("version", ["x", "0", "1.5", "²"])
def test_a_version_is_a_whole_number(stage: Stage, version: str) -> None:
    result = stage.run("promote", "m", version)
    assert result.exit_code == 2
    assert f"'{version}' is not a version: a whole number such as" in result.stderr


def test_promote_of_an_unknown_version_fails_with_one_sentence(stage: Stage) -> None:
    stage.serve()
    result = stage.run("promote", "m", "7")
    assert result.exit_code == 1
    assert result.stderr == "error: model 'm' has no version 7: it has version 1\n"


def test_predict_sends_a_json_row_unchanged_and_prints_the_response(stage: Stage) -> None:
    stage.serve()
    document = stage.json("predict", "m", json.dumps(ROW), "--json")
    assert document == {
        "model": "m",
        "version": 1,
        "predictions": [{"label": "yes", "probabilities": {"no": 0.1, "yes": 0.9}}],
    }
    (request,) = stage.requests
    assert request == {"url": "http://127.0.0.1:4566/api/v2/models/m/infer", "key": stage.key, "rows": [ROW]}


def test_predict_sends_an_unknown_column_of_a_json_row_to_the_api(stage: Stage) -> None:
    stage.serve()
    stage.run("predict", "m", '{"widht": 1}')
    assert stage.requests[0]["rows"] == [{"widht": 1}]


def test_predict_looks_up_the_model_in_the_tenant_of_the_key(stage: Stage) -> None:
    stage.serve(tenant="acme")
    key = stage.keys.create("acme")
    assert stage.run("--api-key", key, "predict", "m", json.dumps(ROW)).exit_code == 0
    assert stage.requests[0]["key"] == key
    assert stage.run("predict", "m", json.dumps(ROW)).exit_code == 1


def test_predict_calls_a_shared_model_by_owner_and_name(stage: Stage) -> None:
    stage.serve(tenant="acme")
    result = stage.run("predict", "acme/m", json.dumps(ROW), "--json")
    assert result.exit_code == 0, result.output
    assert stage.requests[0]["url"].endswith("/api/v2/models/acme/m/infer")
    result = stage.run("predict", "acme/other", json.dumps(ROW))
    assert result.exit_code == 1
    assert "none yet" not in result.output


def test_predict_names_the_tenant_of_the_key_when_another_tenant_is_requested(stage: Stage) -> None:
    stage.serve()
    result = stage.run("predict", "m", json.dumps(ROW), "--tenant", "acme")
    assert result.exit_code == 1
    assert "belongs to tenant demo" in result.stderr
    assert stage.requests == []


def test_predict_with_an_empty_key_does_not_fall_back_to_another(stage: Stage) -> None:
    stage.serve()
    assert stage.run("--api-key", "", "predict", "m", json.dumps(ROW)).exit_code == 2
    assert stage.requests == []


def test_predict_on_aws_requires_a_key(stage: Stage) -> None:
    result = stage.run("--stack", "prod", "predict", "m", json.dumps(ROW))
    assert result.exit_code == 1
    assert "MODELDROP_API_KEY" in result.stderr


def test_predict_reports_that_the_api_does_not_respond(stage: Stage) -> None:
    def refuse(body: dict[str, Any]) -> httpx.Response:
        raise httpx.ConnectError("refused")

    stage.serve()
    stage.answer = refuse
    result = stage.run("predict", "m", json.dumps(ROW))
    assert result.exit_code == 1
    assert "did not answer (ConnectError)" in result.stderr


def test_predict_reports_the_status_of_a_response_that_is_not_json(stage: Stage) -> None:
    stage.serve()
    stage.answer = lambda body: httpx.Response(502, text="<html>")
    assert "the API answered 502 Bad Gateway" in stage.run("predict", "m", json.dumps(ROW)).stderr


def test_a_key_is_shown_once_and_listed_by_prefix(stage: Stage) -> None:
    created = stage.json("keys", "create", "acme", "--principal", "ci", "--json")
    assert stage.keys.resolve(created["api_key"]).tenant == "acme"
    listed = stage.run("keys", "list", "--json").stdout
    assert created["api_key"] not in listed
    assert {key["tenant"] for key in json.loads(listed)} == {"acme", "demo"}


def test_a_revoked_key_is_refused(stage: Stage) -> None:
    (listed,) = stage.json("keys", "list", "--json")
    assert stage.run("keys", "revoke", f"{listed['prefix']}…").exit_code == 0
    with pytest.raises(UnauthenticatedError):
        stage.keys.resolve(stage.key)
    assert "revoked" in stage.run("keys", "list").stdout


def test_a_key_for_an_invalid_tenant_name_is_a_usage_error(stage: Stage) -> None:
    assert stage.run("keys", "create", "No_Tenant").exit_code == 2


def test_promote_records_the_caller_and_mentions_manual_promotion(stage: Stage) -> None:
    stage.serve()
    stage.serve()
    result = stage.run("promote", "m", "1")
    move = stage.registry.moves.list("demo", "m")[::-1][-1]
    assert move.is_manual
    assert move.by.startswith("modeldrop promote")
    assert "promote: manual" in result.stderr
