"""Evaluate the winner on the test rows, which no earlier choice has used, and make its model card."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import polars as pl

from pipeline.contracts.errors import IntegrityError
from pipeline.contracts.object_keys import tenant_of_run
from pipeline.contracts.records.dataset import Dataset
from pipeline.contracts.records.evaluation_report import JobCost
from pipeline.contracts.records.model_version import GoldenPredictions, ModelCard
from pipeline.contracts.records.plan import BROUGHT
from pipeline.contracts.records.variant import Selection, Variant
from pipeline.contracts.records.variant_report import VariantReport
from pipeline.evaluation.card.against_live import LiveModel, compare_with_live
from pipeline.evaluation.card.by_target import quality_by_target
from pipeline.evaluation.card.calibration import calibration, coverage
from pipeline.evaluation.card.card_warnings import find_warnings, shared_rows
from pipeline.evaluation.card.confusion import class_quality, confusion
from pipeline.evaluation.card.decision import report_decision
from pipeline.evaluation.card.drift import drift
from pipeline.evaluation.card.importance import importance
from pipeline.evaluation.card.leakage import find_leaky_columns
from pipeline.evaluation.card.segments import choose_columns, segments
from pipeline.evaluation.clusters import summarize_clusters
from pipeline.evaluation.golden.golden_rows import make_golden_predictions
from pipeline.evaluation.holdout import HoldoutEvaluation
from pipeline.evaluation.row_weights import ClassWeights, row_weights
from pipeline.evaluation.scoring import OnnxModel
from pipeline.evaluation.stored_models import unpack_model

__all__ = ["MAX_LISTED", "EvaluationContext", "evaluate"]

_IMPORTANCE_SECONDS = 30.0
_LEAKAGE_SECONDS = 20.0  # for all targets together, if there are several
MAX_LISTED = 500  # maximum length of each list of columns on a card

_Document = dict[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class EvaluationContext:
    """The data for a model card besides the winner and the test rows.

    Args:
        splits: The frames ``train`` (or a sample of it) and ``validation``; None: no comparison with the test rows.
        class_weights: Weights of the classes (job_spec.Training).
        privacy: Privacy that the winner spent.
        segments: Columns that the job spec names for segments.
        jobs: Costs of the run's jobs.
        prices: Price list that these costs are computed with.
        warnings: Warnings besides those of the data set.
        live: Live version to compare the winner with; None: there is none.
    """

    splits: Mapping[str, pl.DataFrame] | None = None
    privacy: Mapping[str, float] = field(default_factory=dict)
    segments: tuple[str, ...] = ()
    jobs: tuple[JobCost, ...] = ()
    prices: str = ""
    warnings: Sequence[str] = ()
    class_weights: ClassWeights = None
    live: LiveModel | None = None


def evaluate(  # noqa: PLR0913 - the inputs of a stage, keyword-only
    selection: Selection,
    *,
    run: str,
    model: str,
    dataset: Dataset,
    stored: bytes,
    test: pl.DataFrame,
    background: EvaluationContext,
    now: datetime,
) -> tuple[ModelCard, GoldenPredictions]:
    """Evaluate the winner's served file on the test rows; return the model card and the golden predictions.

    Args:
        selection: The selection with the winner.
        run: Id of the run.
        model: Name of the model.
        dataset: Data set record of the run.
        stored: Content of the winner's artifact.
        test: The test rows.
        background: Further data for the card.
        now: Time of creation on the card.

    Raises:
        IntegrityError: ``stored`` is not the selected artifact, or it is damaged.
    """
    winner = selection.winner
    assert winner.artifact is not None, "a winner was made"
    file = f"the file of {winner.candidate} ({winner.precision})"
    if hashlib.sha256(stored).hexdigest() != winner.artifact.sha256:
        raise IntegrityError(f"{file} is not the one that was selected")
    served = OnnxModel(unpack_model(stored, file))
    signature = dataset.signature_of(winner.classes, winner.quantiles, winner.decision, winner.pruned_columns)
    weight = row_weights(test, dataset, background.class_weights)
    evaluation = HoldoutEvaluation(
        signature=signature, metric=selection.metric, served=served, test=test, weight=weight
    )
    findings = _findings(evaluation, dataset, background, winner)
    test_warnings = find_warnings(
        evaluation,
        dataset,
        selection=selection,
        drifts=findings["drift"],
        segments=findings["segments"],
    )
    card = ModelCard(
        tenant=tenant_of_run(run),
        model=model,
        run=run,
        algorithm=winner.algorithm,
        precision=winner.precision,
        metric=selection.metric,
        test_quality=evaluation.quality,
        test_interval=evaluation.bounds,
        unweighted_quality=evaluation.unweighted_quality,
        test_rows=test.height,
        validation_quality=winner.quality,
        by_folds=selection.by_folds,
        tried=selection.tried,
        plan_notes=selection.notes,
        leaderboard=tuple(map(VariantReport.of, selection.leaderboard)),
        warnings=(
            *dataset.warnings,
            *background.warnings,
            *_split_warnings(evaluation, dataset, background),
            *test_warnings,
        ),
        created_at=now,
        against_live=None if background.live is None else compare_with_live(evaluation, background.live),
        **_dataset_fields(dataset),
        **_training_fields(background),
        **findings,
    )
    has_edges = winner.algorithm != BROUGHT
    return card, make_golden_predictions(served, test, signature, winner.precision, has_edges=has_edges)


def _findings(
    evaluation: HoldoutEvaluation, dataset: Dataset, background: EvaluationContext, winner: Variant
) -> _Document:
    """Return the fields of the card that depend on the task."""
    fields: _Document = {"segments": (), "importance": (), "drift": ()}
    predicted = evaluation.signature, evaluation.truth, evaluation.predictions
    if dataset.task == "clustering":
        fields["clusters"] = summarize_clusters(
            evaluation.test, evaluation.signature, evaluation.predictions.labels, max_columns=MAX_LISTED
        )
    if dataset.targets:
        fields["by_target"] = quality_by_target(evaluation, dataset)
    elif dataset.task == "classification":
        fields |= {
            "confusion": confusion(*predicted),
            "by_class": class_quality(*predicted, evaluation.weight)[:MAX_LISTED],
            "positive_class": dataset.positive,
            "decision": report_decision(evaluation, winner.decision_fit),
            "calibration": calibration(*predicted, evaluation.weight),
        }
    if evaluation.signature.quantiles:
        fields["coverage"] = coverage(
            evaluation.signature.quantiles, evaluation.truth, evaluation.predictions.quantiles, evaluation.weight
        )
    if background.splits is not None:
        other_splits = {"validation": background.splits["validation"], "test": evaluation.test}
        fields["drift"] = drift(dataset, background.splits["train"], other_splits)
    if dataset.task != "clustering":  # clusters have no truth to compare predictions with
        fields["importance"] = importance(evaluation, seconds=_IMPORTANCE_SECONDS)
        fields["segments"] = segments(evaluation, choose_columns(dataset, background.segments, fields["importance"]))
        fields["importance"] = fields["importance"][:MAX_LISTED]
    return fields


def _split_warnings(evaluation: HoldoutEvaluation, dataset: Dataset, background: EvaluationContext) -> Iterator[str]:
    usable = {column.name for column in dataset.columns}
    if (longest := max(len(dataset.columns), len(dataset.left_out))) > MAX_LISTED:
        yield f"of {longest:,} columns, each list on this card shows at most {MAX_LISTED}"
    for name in background.segments:
        if name not in usable:
            yield f"segments: the model does not read column '{name}', so its segments are not measured"
    if background.splits is not None:
        yield from _leaky_columns(dataset, background.splits["train"])
        other_splits = {"validation": background.splits["validation"], "test": evaluation.test}
        yield from shared_rows(background.splits["train"], other_splits)


def _leaky_columns(dataset: Dataset, train: pl.DataFrame) -> Iterator[str]:
    """Yield warnings on columns that leak the target, or one of several targets."""
    if not dataset.targets:
        yield from find_leaky_columns(dataset, train)
    for number in range(len(dataset.targets)):
        seconds = _LEAKAGE_SECONDS / len(dataset.targets)
        yield from find_leaky_columns(dataset.of_target(number), train, seconds=seconds)


def _dataset_fields(dataset: Dataset) -> _Document:
    return {
        "task": dataset.task,
        "target": dataset.target,
        "rows": dataset.rows.model_dump(),
        "columns": len(dataset.columns),
        "left_out": tuple({"name": column.name, "reason": column.reason} for column in dataset.left_out[:MAX_LISTED]),
        "classes": dict(zip(dataset.classes, dataset.class_rows, strict=False)),
        "set_aside": dataset.set_aside,
        "upload_sha256": dataset.sha256,
    }


def _training_fields(background: EvaluationContext) -> _Document:
    return {
        "devices": {job.job: job.device for job in background.jobs},
        "jobs": background.jobs,
        "dollars": round(sum(job.dollars or 0 for job in background.jobs), 4),
        "prices": background.prices,
        "privacy": dict(background.privacy),
    }
