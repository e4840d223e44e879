"""The blend and the student have the same files as other candidates, and the files predict like the models."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from pipeline.compression.verify import VerifyEdgeRows, VerifyExport
from pipeline.contracts.records.decision import ThresholdRule
from pipeline.contracts.records.outcome import EDGES, TrainedCandidate
from pipeline.contracts.records.plan import Candidate
from pipeline.contracts.signature import Signature, Task
from pipeline.ensembling.builder import EnsembleBuilder, Member
from pipeline.evaluation.golden.edge_rows import edge_rows
from pipeline.evaluation.metrics import measure
from pipeline.evaluation.predictions import Predictions
from pipeline.evaluation.ranking import TIE
from pipeline.evaluation.scoring import feeds, truth
from pipeline.training.trainer import Trainer
from tests.fakes.tabular import Table, profiled, table
from tests.fakes.training import CPU, QUICK, Run, TrainIt


def _member(run: Run, name: str, answers: np.ndarray | None = None) -> Member:
    with np.load(run.folder / "reference.npz") as reference:
        stored, edges = reference[reference.files[0]], reference[EDGES]
    trained = run.trained.model_copy(update={"candidate": name})
    return Member(
        trained=trained,
        body=(run.folder / "body.onnx").read_bytes(),
        predictions=stored if answers is None else answers,
        edges=edges,
    )


def _verify(outcome: TrainedCandidate, folder: Path, rows: Table, signature: Signature, scale: float = 1.0) -> None:
    """Compare the file with the stored predictions for the validation rows and for edge rows."""
    reference = dict(np.load(folder / "reference.npz"))
    edges, (key, predicted) = reference.pop(EDGES), *reference.items()
    model = (folder / "model.onnx").read_bytes()
    accuracy = {"tolerance": outcome.tolerance, "scale": scale}
    VerifyExport(signature, feeds(rows.validation, signature), {key: predicted}, **accuracy)(model)
    VerifyEdgeRows(signature, feeds(edge_rows(rows.validation, signature), signature), {key: edges}, **accuracy)(model)


def _ensembling(rows: Table, metric: str, folder: Path) -> EnsembleBuilder:
    trainer = Trainer(dataset=rows.dataset, splits=rows.splits, machine=CPU, seed=0, metric=metric, folds=1)
    return EnsembleBuilder(trainer=trainer, workdir=folder, report=lambda text: None)


@pytest.mark.parametrize(
    ("task", "classes", "metric"),
    [("regression", 0, "rmse"), ("classification", 2, "log_loss"), ("classification", 3, "log_loss")],
)
def test_the_files_of_blend_and_student_predict_like_the_trained_models(
    task: Task, classes: int, metric: str, train: TrainIt, tmp_path: Path
) -> None:
    rows = table(task, classes=classes, rows=800)
    members = [_member(train(name, rows), name) for name in ("random_forest", "linear")]
    rows = _with_truth_between(rows, members)
    outcomes, left_out = _ensembling(rows, metric, tmp_path).make(members)
    assert not left_out
    assert [outcome.candidate for outcome in outcomes] == ["blend", "student"]
    for outcome in outcomes:
        run = Run(table=rows, trained=outcome, folder=tmp_path / outcome.candidate, reports=[])
        scale = float(rows.validation["target"].std()) if task == "regression" else 1.0
        _verify(outcome, run.folder, rows, rows.dataset.signature, scale)
        assert {file.name for file in run.folder.iterdir()} == {
            "model.onnx",
            "body.onnx",
            "reference.npz",
            "trained.json",
        }
    blend, student = outcomes
    signature = rows.dataset.signature
    member_losses = [
        measure(signature, truth(rows.validation, signature), Predictions.of(signature, member.predictions))[metric]
        for member in members
    ]
    assert blend.quality[metric] < min(member_losses)
    assert student.quality[metric] < 1.5 * max(member_losses)


def _with_truth_between(rows: Table, members: list[Member]) -> Table:
    """Give the validation rows a target between the predictions of the members."""
    between = np.mean([member.predictions for member in members], axis=0)
    random = np.random.default_rng(0)
    classes = rows.dataset.classes
    drawn = (
        [classes[random.choice(len(classes), p=odds**2 / (odds**2).sum())] for odds in between] if classes else between
    )
    validation = rows.validation.with_columns(target=pl.Series(drawn))
    return profiled({"train": rows.splits["train"], "validation": validation}, rows.dataset.task)


def test_no_negative_value_is_predicted_if_no_row_has_one(train: TrainIt, tmp_path: Path) -> None:
    size = np.random.default_rng(0).uniform(-1, 1, 800)
    columns = {"size": pl.Series(size, dtype=pl.Float32), "target": pl.Series(np.maximum(0, 5 * size))}
    frame = pl.DataFrame(columns)
    rows = profiled({"train": frame[:600], "validation": frame[600:]}, "regression")
    members = [_member(train(name, rows, metric="rmse"), name) for name in ("random_forest", "linear")]
    rows = _with_truth_between(rows, members)
    outcomes, left_out = _ensembling(rows, "rmse", tmp_path).make(members)
    assert not left_out
    far = pl.DataFrame({"size": pl.Series([-1e6, -3.0, -0.9, -0.1, 0.1, 0.9], dtype=pl.Float32)})
    for outcome in outcomes:
        run = Run(table=rows, trained=outcome, folder=tmp_path / outcome.candidate, reports=[])
        assert run.served(far).values.min() >= 0


def test_a_blend_of_equal_candidates_is_dropped(train: TrainIt, tmp_path: Path) -> None:
    rows = table("regression", rows=200)
    twins = [_member(train("linear", rows), name) for name in ("one", "other")]
    outcomes, (left_out,) = _ensembling(rows, "rmse", tmp_path).make(twins)
    assert not outcomes
    assert left_out.name == "blend"
    assert left_out.reason.startswith("no other candidate improves")


def test_a_single_candidate_has_no_blend(train: TrainIt, tmp_path: Path) -> None:
    rows = table("regression", rows=200)
    outcomes, (left_out,) = _ensembling(rows, "rmse", tmp_path).make([_member(train("linear", rows), "one")])
    assert not outcomes
    assert "a blend needs two candidates" in left_out.reason


def test_blend_and_student_of_bags_have_thresholds_and_the_student_does_not_tie_the_blend(
    tmp_path: Path,
) -> None:
    rows = table("classification", classes=2, rows=600)
    blend, student = outcomes = _ensemble_of_bags(rows, "log_loss", tmp_path, ThresholdRule(is_tuned=True))
    assert blend.decision.threshold is not None
    assert student.decision.threshold is not None
    assert student.quality["log_loss"] > (1 + TIE) * blend.quality["log_loss"]
    for outcome in outcomes:
        signature = rows.dataset.signature_of((), (), outcome.decision)
        _verify(outcome, tmp_path / "ensemble" / outcome.candidate, rows, signature)


def test_a_student_has_no_metric_that_applies_only_to_the_validation_rows(tmp_path: Path) -> None:
    rows = table("regression", rows=400)
    below = rows.splits["train"].with_columns(target=pl.col("target") - pl.col("target").min() - 1)
    rows = profiled({"train": below, "validation": rows.validation}, "regression")
    blend, student = _ensemble_of_bags(rows, "rmse", tmp_path)
    assert blend.quality.keys() == student.quality.keys()
    assert "rmsle" not in student.quality


def _ensemble_of_bags(
    rows: Table, metric: str, folder: Path, threshold_rule: ThresholdRule | None = None
) -> list[TrainedCandidate]:
    """The blend and the student of two bags, whose files are in ``folder``/ensemble."""
    trainer = Trainer(
        dataset=rows.dataset,
        splits=rows.splits,
        machine=CPU,
        seed=0,
        metric=metric,
        threshold_rule=threshold_rule,
        folds=3,
    )
    members = []
    for name in ("random_forest", "linear"):
        candidate = Candidate(name=name, algorithm=name, settings=QUICK[name])
        (workdir := folder / name).mkdir()
        trained = trainer.train(candidate, workdir, lambda text: None)
        member = _member(Run(table=rows, trained=trained, folder=workdir, reports=[]), name)
        members.append(replace(member, out_of_fold=np.load(workdir / "out_of_fold.npz")["answers"]))
    (workdir := folder / "ensemble").mkdir()
    outcomes, left_out = EnsembleBuilder(trainer=trainer, workdir=workdir, report=lambda text: None).make(members)
    assert not left_out
    return outcomes
