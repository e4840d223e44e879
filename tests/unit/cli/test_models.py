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


def test_models_as_json_tell_what_is_live(stage: Stage) -> None:
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


@pytest.mark.parametrize("version", ["x", "0", "1.5", "²"])
def test_a_version_is_a_whole_number(stage: Stage, version: str) -> None:
    result = stage.run("promote", "m", version)
    assert result.exit_code == 2
    assert f"'{version}' is not a version: a whole number such as" in result.stderr


def test_promote_of_an_unknown_version_fails_in_one_sentence(stage: Stage) -> None:
    stage.serve()
    result = stage.run("promote", "m", "7")
    assert result.exit_code == 1
    assert result.stderr == "error: model 'm' has no version 7: it has version 1\n"


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


def test_predict_sends_an_unknown_column_of_a_row_so_that_the_api_can_name_it(stage: Stage) -> None:
    stage.serve()
    stage.run("predict", "m", '{"widht": 1}')
    assert stage.requests[0]["rows"] == [{"widht": 1}]


def test_predict_looks_the_model_up_in_the_keys_tenant(stage: Stage) -> None:
    stage.serve(tenant="acme")
    key = stage.keys.create("acme")
    assert stage.run("--api-key", key, "predict", "m", json.dumps(ROW)).exit_code == 0
    assert stage.requests[0]["key"] == key
    assert stage.run("predict", "m", json.dumps(ROW)).exit_code == 1


def test_predict_calls_a_model_that_another_tenant_shares_by_its_owner(stage: Stage) -> None:
    stage.serve(tenant="acme")
    result = stage.run("predict", "acme/m", json.dumps(ROW), "--json")
    assert result.exit_code == 0, result.output
    assert stage.requests[0]["url"].endswith("/api/v2/models/acme/m/infer")
    result = stage.run("predict", "acme/other", json.dumps(ROW))
    assert result.exit_code == 1
    assert "none yet" not in result.output


def test_predict_for_another_tenant_than_the_keys_says_whose_key_it_is(stage: Stage) -> None:
    stage.serve()
    result = stage.run("predict", "m", json.dumps(ROW), "--tenant", "acme")
    assert result.exit_code == 1
    assert "belongs to tenant demo" in result.stderr
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


def test_a_key_for_a_name_that_is_not_a_tenants_is_wrong_usage(stage: Stage) -> None:
    assert stage.run("keys", "create", "No_Tenant").exit_code == 2


def test_promote_records_who_promoted_and_says_how_it_stays(stage: Stage) -> None:
    stage.serve()
    stage.serve()
    result = stage.run("promote", "m", "1")
    move = stage.registry.moves.list("demo", "m")[::-1][-1]
    assert move.is_manual
    assert move.by.startswith("modeldrop promote")
    assert "promote: manual" in result.stderr
