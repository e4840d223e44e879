"""Train a candidate for several targets: one model per target, as scikit-learn's ``MultiOutput`` estimators do.

The bodies are joined to one graph over the same encoded columns, and the predictions to a matrix [rows, targets], so
that later stages see one candidate.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from pipeline.contracts.records.outcome import BODY, EDGES, OUT_OF_FOLD, REFERENCE, TRAINED, TrainedCandidate
from pipeline.evaluation.metrics import interval, measure
from pipeline.evaluation.predictions import Predictions
from pipeline.evaluation.row_weights import row_weights
from pipeline.evaluation.scoring import truth

if TYPE_CHECKING:
    from pipeline.contracts.records.plan import Candidate
    from pipeline.training.algorithm import Report
    from pipeline.training.trainer import Trainer

__all__ = ["follow_each_target", "train_each_target"]

_OF_ONE_LABEL = {"f1_macro": "f1", "f1_micro": "f1"}  # metric over all labels -> metric of one label
Floats = npt.NDArray[np.floating[Any]]


def train_each_target(trainer: Trainer, candidate: Candidate, workdir: Path, report: Report) -> TrainedCandidate:
    """Train a candidate for each target; each has an equal share of the remaining time.

    Writes the files of a candidate (records.outcome.TrainedCandidate) to ``workdir``, except for weights of networks.
    The files of target n are in the folder ``<workdir>_target_<n>``.

    Args:
        trainer: Trainer of the run.
        candidate: Algorithm and settings, which all targets share.
        workdir: An empty folder for its files.
        report: Receives progress messages.

    Returns:
        The record of the joined candidate.

    Raises:
        CandidateFailedError: Training fails for one of the targets.
    """
    started = time.perf_counter()
    folders, outcomes = [], []
    for target_trainer, target_candidate, number in _each_target(trainer, candidate):
        folder = workdir.with_name(f"{workdir.name}_target_{number}")
        folder.mkdir(exist_ok=True)
        folders.append(folder)
        name = trainer.dataset.targets[number]
        target_report = partial(_report_target, report, name)
        outcomes.append(target_trainer.train(target_candidate, folder, target_report))
    report("joins the targets")
    trained = _join(trainer, candidate, outcomes, folders, workdir)
    trained = trained.model_copy(update={"seconds": round(time.perf_counter() - started, 3)})
    (workdir / TRAINED).write_bytes(trained.to_bytes())
    return trained


def _report_target(report: Report, target: str, text: str) -> None:
    report(f"{target}: {text}")


def follow_each_target(trainer: Trainer, candidate: Candidate) -> None:
    """Take part in ``train_each_target`` of the main process, which writes the results."""
    for target_trainer, target_candidate, _ in _each_target(trainer, candidate):
        target_trainer.follow(target_candidate)


def _each_target(trainer: Trainer, candidate: Candidate) -> Iterator[tuple[Trainer, Candidate, int]]:
    """Yield the trainer of each target, the candidate renamed (for its checkpoints), and the target's number."""
    dataset = trainer.dataset
    count = len(dataset.targets)
    for number in range(count):
        now = time.monotonic()
        target_trainer = replace(
            trainer,
            dataset=dataset.of_target(number),
            class_weights=_class_weights(trainer, number),
            threshold_rule=None,  # no threshold and no calibration for labels
            metric=_OF_ONE_LABEL.get(trainer.metric, trainer.metric),
            deadline=now + (trainer.deadline - now) / (count - number),
            watch=lambda _, point: trainer.watch(candidate, point),  # the targets share one learning curve
        )
        yield target_trainer, candidate.of_target(number), number


def _class_weights(trainer: Trainer, number: int) -> Literal["balanced"] | Mapping[str, float] | None:
    """Return the class weights of a label: the configured weight applies to rows that have the label."""
    weights = trainer.class_weights
    if weights is None or isinstance(weights, str):
        return weights
    return {"yes": weights.get(trainer.dataset.classes[number], 1.0)}


def _join(
    trainer: Trainer, candidate: Candidate, outcomes: Sequence[TrainedCandidate], folders: Sequence[Path], workdir: Path
) -> TrainedCandidate:
    """Join the files of all targets into ``workdir``; return the record of the candidate, without writing it."""
    import onnx

    from pipeline.graphs.several_targets import join_bodies
    from pipeline.training.export.artifacts import write_artifacts

    dataset = trainer.dataset
    signature = dataset.signature
    predicted = np.stack([_predictions(folder / REFERENCE) for folder in folders], axis=1)
    body = join_bodies([onnx.load(folder / BODY) for folder in folders], signature)
    edges = np.stack([_predictions(folder / REFERENCE, edges=True) for folder in folders], axis=1)
    model_sha256 = write_artifacts(body, predicted, dataset=dataset, signature=signature, workdir=workdir, edges=edges)
    y_true = truth(trainer.splits["validation"], signature)
    weight = row_weights(trainer.splits["validation"], dataset)
    privacy = {
        name: sum(outcome.privacy.get(name, 0.0) for outcome in outcomes)
        for name in dict.fromkeys(k for p in outcomes for k in p.privacy)
    }
    return outcomes[0].model_copy(
        update={
            "candidate": candidate.name,
            "quality": measure(signature, y_true, Predictions.of(signature, predicted), weight=weight),
            "no_int8": next((outcome.no_int8 for outcome in outcomes if outcome.no_int8), ""),
            "tolerance": max(outcome.tolerance for outcome in outcomes),
            "history": (),
            "trials": tuple(trial for outcome in outcomes for trial in outcome.trials),
            "notes": tuple(dict.fromkeys(_notes(dataset.targets, outcomes))),
            "privacy": privacy,
            "model_sha256": model_sha256,
            **_out_of_fold(trainer, outcomes, folders, workdir),
        }
    )


def _notes(targets: Sequence[str], outcomes: Sequence[TrainedCandidate]) -> Iterator[str]:
    """Yield the notes; a note that not all targets have begins with the target's name."""
    shared = set.intersection(*(set(outcome.notes) for outcome in outcomes))
    for name, outcome in zip(targets, outcomes, strict=True):
        yield from (note if note in shared else f"{name}: {note}" for note in outcome.notes)


def _out_of_fold(
    trainer: Trainer, outcomes: Sequence[TrainedCandidate], folders: Sequence[Path], workdir: Path
) -> dict[str, Any]:
    """Write the joined out-of-fold predictions, if each target has a bag; return a bag's fields of the record."""
    if not all(outcome.folds for outcome in outcomes):
        return {"folds": 0, "interval": {}}
    signature = trainer.dataset.signature
    predictions = np.stack([_last(np.load(folder / OUT_OF_FOLD)["answers"]) for folder in folders], axis=1)
    np.savez(workdir / OUT_OF_FOLD, answers=predictions)
    held = np.flatnonzero(~np.isnan(predictions).any(axis=1))
    frame = pl.concat([trainer.splits[name] for name in ("train", "validation")])[held]
    weight = row_weights(frame, trainer.dataset)
    metric_inputs = signature, truth(frame, signature), Predictions.of(signature, predictions[held])
    return {
        "quality": measure(*metric_inputs, weight=weight),
        "interval": interval(*metric_inputs, weight=weight, only=trainer.metric or None),
        "folds": min(outcome.folds for outcome in outcomes),
    }


def _predictions(file: Path, *, edges: bool = False) -> Floats:
    """Return the predictions of a target's model for validation or edge rows [rows]: values, or P(yes)."""
    reference = np.load(file)
    if edges:
        return _last(reference[EDGES])
    return _last(reference["probabilities"] if "probabilities" in reference.files else reference["value"])


def _last(outputs: Floats) -> Floats:
    return outputs[:, -1] if outputs.ndim == 2 else outputs
