"""The winner on the test rows, which nothing was chosen by: its card, and the golden rows that it must answer again."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import polars as pl

from pipeline.contracts.dataset import Dataset
from pipeline.contracts.errors import IntegrityError
from pipeline.contracts.model_version import Golden, ModelCard
from pipeline.contracts.names import tenant_of_run
from pipeline.contracts.signature import Signature
from pipeline.contracts.variant import LeaderboardRow, Precision, Selection
from pipeline.evaluation.metrics import interval, measure
from pipeline.evaluation.scoring import Answers, OnnxModel, feeds, pixels, truth

__all__ = ["evaluate"]

_Documents = tuple[dict[str, Any], ...]

_GOLDEN_ROWS = 10
# Another CPU may round one activation of a quantized file the other way, which moves a probability visibly.
_GOLDEN_TOLERANCE: dict[Precision, float] = {"fp32": 1e-4, "int8": 1e-2}


def evaluate(  # noqa: PLR0913 - the doors of a stage, each by its name
    selection: Selection,
    *,
    run: str,
    model: str,
    dataset: Dataset,
    model_bytes: bytes,
    test: pl.DataFrame,
    devices: Mapping[str, str],
    warnings: Sequence[str] = (),
    now: datetime,
) -> tuple[ModelCard, Golden]:
    """Score the winner's served bytes on the test rows, once.

    ``devices``: job -> the device that really ran. ``warnings`` go beside the data set's own. Raise IntegrityError
    when ``model_bytes`` are not what was selected.
    """
    winner = selection.winner
    assert winner.artifact is not None, "a winner was made"
    if hashlib.sha256(model_bytes).hexdigest() != winner.artifact.sha256:
        raise IntegrityError(f"the file of {winner.candidate} ({winner.precision}) is not the one that was selected")
    signature, served = dataset.signature_of(winner.classes, winner.quantiles), OnnxModel(model_bytes)
    answers = served.run(feeds(test, signature))
    wanted = truth(test, signature)
    card = ModelCard(
        tenant=tenant_of_run(run),
        model=model,
        run=run,
        algorithm=winner.algorithm,
        precision=winner.precision,
        task=dataset.task,
        target=dataset.target,
        metric=selection.metric,
        test_quality=measure(signature, wanted, answers),
        test_interval=interval(signature, wanted, answers),
        test_rows=test.height,
        validation_quality=winner.quality,
        rows=dataset.rows.model_dump(),
        columns=len(dataset.columns),
        left_out=tuple({"name": column.name, "reason": column.reason} for column in dataset.left_out),
        leaderboard=tuple(_shown(row) for row in selection.leaderboard),
        tried=tuple(one.model_dump(mode="json") for one in selection.tried),
        plan_notes=selection.notes,
        devices=dict(devices),
        warnings=(*dataset.warnings, *warnings),
        created_at=now,
    )
    rows, predictions = _golden(served, test, signature)
    return card, Golden(rows=rows, predictions=predictions, tolerance=_GOLDEN_TOLERANCE[winner.precision])


def _shown(row: LeaderboardRow) -> dict[str, Any]:
    variant = row.variant
    return {
        "rank": row.rank,
        "candidate": variant.candidate,
        "algorithm": variant.algorithm,
        "precision": variant.precision,
        "status": variant.status,
        "reason": variant.reason,
        "quality": variant.quality,
        "interval": variant.interval,
        "agreement": variant.agreement,
        "latency_us": variant.latency_us,
        "bytes": variant.artifact.bytes if variant.artifact else None,
        "train_seconds": variant.train_seconds,
        "on_front": row.on_front,
        "winner": row.winner,
    }


def _golden(served: OnnxModel, test: pl.DataFrame, signature: Signature) -> tuple[_Documents, _Documents]:
    """Rows and their answers, asked for on their own: a dynamically quantized file scales by what is in the batch."""
    rows = _telling_rows(test.select(column.name for column in signature.columns))
    answers = served.run(feeds(rows, signature))
    return tuple(_raw_rows(rows, signature)), tuple(_predictions(answers, signature))


def _telling_rows(features: pl.DataFrame) -> pl.DataFrame:
    """The first rows; the last of them gives way to one with a missing value when the others have none."""
    head = features.head(_GOLDEN_ROWS)
    gaps = features.filter(pl.any_horizontal(pl.all().is_null()))
    if gaps.is_empty() or sum(head.null_count().row(0)):
        return head
    return pl.concat([head.head(_GOLDEN_ROWS - 1), gaps.head(1)])


def _raw_rows(features: pl.DataFrame, signature: Signature) -> list[dict[str, Any]]:
    """As a user would send them: missing is null, a boolean is true or false, an image nested arrays."""
    booleans = [column.name for column in signature.columns if column.kind == "boolean"]
    rows = features.with_columns(pl.col(booleans).cast(pl.Boolean)).to_dicts()
    for column in signature.columns:
        if column.kind == "image":
            for row, image in zip(rows, pixels(features[column.name], column.shape).tolist(), strict=True):
                row[column.name] = image
    return rows


def _predictions(answers: Answers, signature: Signature) -> list[dict[str, Any]]:
    """In the shape that the predict function answers in."""
    if signature.task == "regression":
        return [{"value": value} for value in answers.values.tolist()]
    return [
        {"label": label, "probabilities": dict(zip(signature.classes, row, strict=True))}
        for label, row in zip(answers.labels.tolist(), answers.probabilities.tolist(), strict=True)
    ]
