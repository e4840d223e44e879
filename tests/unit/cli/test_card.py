"""A model card on a terminal and as JSON."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from rich.console import Console

from pipeline.cli.views.card import card_view
from pipeline.contracts.records.evaluation_report import (
    Bin,
    Calibration,
    ClassQuality,
    Cluster,
    Confusion,
    DecisionReport,
    Drift,
    IntervalCoverage,
    JobCost,
    PermutationImportance,
    Segment,
    TargetQuality,
)
from pipeline.contracts.records.model_version import ModelCard
from pipeline.contracts.records.variant_report import VariantReport
from pipeline.contracts.spec.metrics import Metric
from tests.fakes.records import card, model_version
from tests.unit.cli.conftest import Stage

WHOLE = card("demo_m_0").model_copy(
    update={
        "warnings": ("leakage: column 'alive' alone predicts the target",),
        "classes": {"no": 60, "yes": 20},
        "confusion": Confusion(classes=("no", "yes"), counts=((40, 3), (2, 11))),
        "calibration": Calibration(
            bins=(Bin(low=0.9, high=1.0, rows=56, confidence=0.93, accuracy=0.91),), error=0.02, brier=0.15
        ),
        "importance": (
            PermutationImportance(column="age", drop=0.21, spread=0.01),
            PermutationImportance(column="noise", drop=0, spread=0),
        ),
        "segments": (
            Segment(column="city", value="Oslo", rows=31, quality=0.5, interval=(0.33, 0.67), worse=True),
            Segment(column="city", value="Rome", rows=25, quality=1.0, interval=(0.87, 1.0)),
        ),
        "drift": (Drift(column="age", split="test", index=0.42),),
        "jobs": (JobCost(job="cpu", device="cpu", seconds=130, dollars=0.0074),),
        "dollars": 0.0074,
        "prices": "list prices of us-east-1, June 2026",
        "privacy": {"epsilon": 3.2, "delta": 1e-5},
    }
)


def keep(stage: Stage, document: ModelCard) -> None:
    stage.artifacts.put(stage.serve().card_key, document.to_bytes())


def test_a_card_shows_warnings_then_metrics_then_candidates(stage: Stage) -> None:
    keep(stage, WHOLE)
    result = stage.run("card", "m")
    assert result.exit_code == 0, result.stderr
    shown = result.stdout
    assert shown.index("! leakage: column 'alive'") < shown.index("0.86 – 0.9") < shown.index("Candidates")
    for words in (
        "m version 1  live",
        "Confusion",
        "84.6%",
        "confidence",
        "brier_score_loss 0.150",
        "91.0%",
        "Oslo",
        "0.33 – 0.67",
        "age (test, 0.42)",
    ):
        assert words in shown
    for words in ("epsilon 3.2", "2 min 10 s", "$0.0074 in total; list prices of us-east-1, June 2026", "no 75.0%"):
        assert words in shown
    assert "and 1 more with less effect or none" in shown


def test_a_card_without_optional_sections_shows_only_the_recorded_ones(stage: Stage) -> None:
    keep(stage, card("demo_m_0"))
    shown = stage.run("card", "m", "1").stdout
    assert "95 % interval" in shown
    assert "Confusion" not in shown


def row(**changes: Any) -> VariantReport:
    """A leaderboard row as evaluation.card.card writes it."""
    fields = {
        "rank": 1, "candidate": "mlp", "algorithm": "mlp", "precision": "fp32", "status": "ok", "reason": "",
        "quality": {"accuracy": 0.9}, "interval": {"accuracy": (0.86, 0.93)}, "agreement": None, "latency_us": 41.0,
        "bytes": 12_345, "train_seconds": 12.3, "on_front": True, "winner": True,
    }  # fmt: skip
    return VariantReport.model_validate(fields | changes)


def test_a_refit_winner_is_reported_in_one_line(stage: Stage) -> None:
    again = "retrained with the validation rows added; the scores above are from before that"
    for reason in ("", again):
        keep(stage, WHOLE.model_copy(update={"leaderboard": (row(reason=reason),)}))
        shown = " ".join(stage.run("card", "m").stdout.split())
        assert shown.count(f"★ The served model was {again}.") == bool(reason)


def test_the_candidate_table_shows_interval_size_and_verdict_with_the_reasons_below() -> None:
    rows = (
        row(),
        row(candidate="trees", winner=False, quality={"accuracy": 0.89}, bytes=1_200_000),
        row(precision="int8", winner=False, on_front=False, status="rejected", reason="agreement 96.2 %"),
        row(candidate="lost", winner=False, status="rejected", quality={}, interval={}, bytes=None, latency_us=None),
    )
    console = Console(width=120, no_color=True)
    with console.capture() as captured:
        console.print(card_view(model_version(), WHOLE.model_copy(update={"leaderboard": rows}), live=True))
    lines = [line.split() for line in captured.get().splitlines()]
    at = lines.index(["candidate", "precision", "accuracy", "95", "%", "trained", "one", "row", "size"]) + 2
    mlp = ["0.9000", "0.86–0.93", "12.3", "s", "41", "µs", "12.3", "kB"]
    assert lines[at : at + 4] == [
        ["mlp", "fp32", *mlp, "★", "winner"],
        ["trees", "fp32", "0.8900", "0.86–0.93", "12.3", "s", "41", "µs", "1.2", "MB", "●", "front"],
        ["mlp", "int8", *mlp, "rejected"],
        ["lost", "fp32", "12.3", "s", "rejected"],
    ]
    assert ["mlp", "int8:", "rejected:", "agreement", "96.2", "%"] in lines


def test_cross_validated_metrics_are_titled_cross_validation(stage: Stage) -> None:
    for by_folds, title in ((False, "validation"), (True, "cross-validation")):
        keep(stage, WHOLE.model_copy(update={"by_folds": by_folds}))
        (titles,) = (line for line in stage.run("card", "m").stdout.splitlines() if line.startswith(" metric"))
        assert titles.split()[-1] == title


def test_a_card_with_every_metric_fits_80_columns_and_names_the_scikit_learn_functions() -> None:
    quality = dict.fromkeys(get_args(Metric), 123456.789)
    every = {
        "test_quality": quality,
        "validation_quality": quality,
        "unweighted_quality": quality,
        "test_interval": dict.fromkeys(quality, (0.123456, 123456.789)),
        "by_target": tuple(
            TargetQuality(target=f"target_{n}", rows=4000, quality=quality, interval={}) for n in range(3)
        ),
    }
    console = Console(width=80, no_color=True)
    with console.capture() as captured:
        console.print(card_view(model_version(), WHOLE.model_copy(update=every), live=True))
    lines = captured.get().splitlines()
    assert max(map(len, lines)) <= 80
    assert "auc is roc_auc_score" in " ".join(" ".join(lines).split())


def test_a_card_of_many_classes_shows_the_most_frequent_mistakes(stage: Stage) -> None:
    names = tuple(f"digit {n}" for n in range(12))
    counts = tuple(tuple(9 if i == j else int((i, j) == (4, 9)) * 7 for j in range(12)) for i in range(12))
    keep(stage, WHOLE.model_copy(update={"confusion": Confusion(classes=names, counts=counts)}))
    shown = stage.run("card", "m").stdout
    assert "most frequent mistakes" in shown
    assert [line.split() for line in shown.splitlines() if "digit" in line] == [["7", "digit", "4", "digit", "9"]]


def test_the_coverage_of_intervals_is_reported(stage: Stage) -> None:
    coverage = IntervalCoverage(below=((0.1, 0.12), (0.9, 0.88)), wanted=0.8, within=0.76, width=12.5)
    keep(stage, WHOLE.model_copy(update={"coverage": coverage, "confusion": None}))
    assert "76.0% of the rows lie inside, 80% expected" in stage.run("card", "m").stdout


def test_a_card_shows_the_size_and_typical_values_of_each_cluster(stage: Stage) -> None:
    clusters = (Cluster(name="0", rows=30, middle={"x": 9.0, "shop": "d"}), Cluster(name="1", rows=0, middle={}))
    keep(stage, WHOLE.model_copy(update={"clusters": clusters, "confusion": None}))
    shown = stage.run("card", "m").stdout
    lines = [line.split() for line in shown.splitlines()]
    assert ["0", "30", "9", "d"] in lines
    assert ["1", "0"] in lines


def test_a_card_as_json_is_the_whole_record(stage: Stage) -> None:
    keep(stage, WHOLE)
    document = stage.json("card", "m", "--json")
    assert (document["version"], document["live"]) == (1, True)
    assert document["importance"][0] == {"column": "age", "drop": 0.21, "spread": 0.01}


@pytest.mark.parametrize(("arguments", "words"), [(("other",), "no model 'other'"), (("m", "9"), "no version 9")])
def test_card_of_an_unknown_model_or_version_is_an_error(stage: Stage, arguments: tuple[str, ...], words: str) -> None:
    stage.serve(live=False)
    result = stage.run("card", *arguments)
    assert result.exit_code == 1
    assert words in result.stderr


def test_a_card_shows_the_effect_of_threshold_and_temperature() -> None:
    by_class = tuple(
        ClassQuality(label=label, rows=rows, labeled=rows, precision=0.4, recall=0.5, f1=0.4444)
        for label, rows in (("no", 985), ("yes", 15))
    )
    decision = DecisionReport(
        temperature=0.5,
        threshold=0.1234,
        log_loss=(0.06, 0.05),
        calibration_error=(0.02, 0.01),
        by_most_probable=by_class[1].model_copy(update={"f1": 0.1, "precision": 1.0, "recall": 0.05}),
    )
    changes = {"by_class": by_class, "positive_class": "yes", "decision": decision}
    console = Console(width=100, no_color=True)
    with console.capture() as captured:
        console.print(card_view(model_version(), WHOLE.model_copy(update=changes), live=True))
    shown = " ".join(captured.get().split())
    assert "'yes' is the positive class" in shown
    assert "'yes' is predicted at a probability of 0.1234 or more: F1 0.4444, precision 40.0%, recall 50.0%" in shown
    assert "at 0.5 or more it would be F1 0.1000, 100.0%, 5.0%" in shown
    assert "temperature 0.5" in shown
    assert "log loss 0.0600 → 0.0500, expected calibration error 0.0200 → 0.0100 on the test rows" in shown
