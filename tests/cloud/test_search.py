"""A search on the embedded cloud: a grid in five folds, a small budget, and an invalid search space."""

from __future__ import annotations

import json

import pytest

from tests.helpers.cloud_driver import Cloud
from tests.helpers.real_data import as_csv, breast_cancer, wine, without

pytestmark = pytest.mark.cloud

_GRID = b"""
target: cultivar
algorithms: [random_forest]
search:
  method: grid
  space: {random_forest: {n_estimators: [5, 20], max_depth: [1, 4]}}
  cv: 5
"""


def _spec(cloud: Cloud, model: str, text: bytes) -> None:
    cloud.s3.put_object(Bucket=cloud.uploads, Key=f"demo/{model}/train.yaml", Body=text)


def test_a_grid_search_with_five_folds_becomes_a_live_model(cloud: Cloud) -> None:
    _spec(cloud, "grid", _GRID)
    run = cloud.drop_and_end("demo/grid/train.csv", as_csv(wine()))
    assert run.status == "SUCCEEDED", run.error
    selection = cloud.document(run.run, "selection")
    (forest,) = (one for one in selection["tried"] if one["status"] == "trained")
    trials = forest["trials"]
    grid = [{"n_estimators": n, "max_depth": d} for n in (5, 20) for d in (1, 4)]
    assert [one["settings"] for one in trials] == grid
    best = min(trials, key=lambda one: one["quality"])  # of the log loss
    assert (best["status"], best["settings"]["max_depth"]) == ("best", 4)
    assert best["settings"].items() <= forest["settings"].items()
    assert "grid search over n_estimators, max_depth in 5 folds" in forest["reason"]
    low, high = selection["winner"]["interval"]["log_loss"]
    assert low <= selection["winner"]["quality"]["log_loss"] <= high
    key = cloud.get("/registry/models/grid/versions/1").json()["card_key"]
    card = json.loads(cloud.s3.get_object(Bucket=cloud.artifacts, Key=key)["Body"].read())
    assert card["tried"][0]["trials"] == trials
    answer = cloud.post("/v2/models/grid/infer", {"rows": without(wine()[:3], "cultivar")})
    assert answer.status_code == 200, answer.text


def test_a_small_budget_gives_the_best_model_so_far_and_reports_skipped_candidates(cloud: Cloud) -> None:
    _spec(
        cloud, "short",
        b"{target: diagnosis, algorithms: [random_forest, gradient_boosting], limits: {minutes: 0.0001}, blend: false}",
    )  # fmt: skip
    run = cloud.drop_and_end("demo/short/rows.csv", as_csv(breast_cancer()))
    assert run.status == "SUCCEEDED", run.error
    tried = {one["candidate"]: one for one in cloud.document(run.run, "selection")["tried"]}
    assert tried["random_forest"]["status"] == "trained"
    assert "minutes of its job were over" in tried["gradient_boosting"]["reason"]


def test_an_unknown_setting_in_a_search_fails_the_run_with_the_nearest_name(cloud: Cloud) -> None:
    _spec(cloud, "wrong", _GRID.replace(b"max_depth", b"max_deep"))
    run = cloud.drop_and_end("demo/wrong/train.csv", as_csv(wine()))
    assert run.status == "FAILED"
    assert run.error is not None
    assert run.error.type == "InvalidJobSpecError"
    assert "there is no setting 'max_deep': did you mean 'max_depth'?" in run.error.message
