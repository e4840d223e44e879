"""Build a blend of candidates, and a student distilled from it; both are candidates of the run from then on."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import polars as pl

from pipeline.contracts.errors import CandidateFailedError
from pipeline.contracts.records.decision import Decision
from pipeline.contracts.records.ensemble import NotMade
from pipeline.contracts.records.outcome import BODY, OUT_OF_FOLD, TRAINED, TrainedCandidate
from pipeline.contracts.records.plan import Candidate
from pipeline.contracts.signature import Signature
from pipeline.contracts.spec.metrics import greater_is_better
from pipeline.contracts.spec.sections import Distillation
from pipeline.ensembling.blending import fit_blend
from pipeline.ensembling.distillation import Student, distill, load_teacher
from pipeline.ensembling.evidence import Evidence, Member, average_predictions, take
from pipeline.ensembling.students import STUDENTS
from pipeline.evaluation.decision.fit import decide
from pipeline.evaluation.decision.temperature import calibrate, scale_tolerance
from pipeline.evaluation.metrics import interval, measure
from pipeline.evaluation.predictions import Predictions
from pipeline.evaluation.ranking import TIE
from pipeline.evaluation.scoring import truth
from pipeline.graphs.blending import blend
from pipeline.training.algorithm import Report
from pipeline.training.algorithms import ALGORITHMS
from pipeline.training.export.artifacts import write_artifacts
from pipeline.training.resampling.fold_checkpoints import BagCheckpoints
from pipeline.training.trainer import Trainer

__all__ = ["BLEND", "STUDENT", "EnsembleBuilder", "Member"]

BLEND, STUDENT = "blend", "student"

Floats = npt.NDArray[np.floating[Any]]

_MAX_STUDENT_CLASSES = 10  # a student has one model per class
_MIN_POSITIVES = 5  # minimum positive validation rows to tune a student's threshold on
_MIN_ASSUMED_LOSS = 2 * TIE  # relative to the blend's quality: few rows cannot show that a student loses less


@dataclass(frozen=True, kw_only=True)
class EnsembleBuilder:
    """Builds a blend of candidates, and a student of the blend.

    Attributes:
        trainer: Trainer of the members, with their rows and the metric to compare by.
        workdir: Folder for the files of the blend and the student.
        report: Receives progress messages of a few words.
        distillation: Settings of the rows that the student learns from.
    """

    trainer: Trainer
    workdir: Path
    report: Report
    distillation: Distillation = field(default_factory=Distillation)

    def make(self, members: Sequence[Member]) -> tuple[list[TrainedCandidate], list[NotMade]]:
        """Make the blend and the student, if the blend is better than the best member.

        Files are written to the folders ``blend`` and ``student`` of ``workdir``.

        Args:
            members: The candidates to blend.

        Returns:
            The records of the blend and the student, and the reason why one of them was not made.
        """
        started = time.perf_counter()
        members = [member for member in members if not (member.trained.quantiles or member.trained.classes)]
        if len(members) < 2:
            return [], [NotMade(name=BLEND, reason="a blend needs two candidates whose predictions can be averaged")]
        self.report("blend")
        evidence = self._collect_evidence(members)
        if not evidence.rows.any():
            return [], [NotMade(name=BLEND, reason="no row was held out by all candidates: training time ran out")]
        measured_rows = evidence.truth[evidence.rows], take(evidence.weight, evidence.rows)
        blend_fit = fit_blend(
            {name: predictions[evidence.rows] for name, predictions in evidence.predictions.items()},
            measured_rows[0],
            self._signature,
            self._metric,
            weight=measured_rows[1],
            rule=self.trainer.threshold_rule,
            by_folds=evidence.folds > 0,
        )
        if not blend_fit.beats_best:
            return [], [NotMade(name=BLEND, reason=blend_fit.reason)]
        chosen = [member for name in blend_fit.weights for member in members if member.name == name]
        seconds = time.perf_counter() - started
        measured = self._measure(blend_fit.cross_fitted, *measured_rows, evidence.folds)
        blended = self._blend(chosen, blend_fit.weights, measured, seconds=seconds, notes=(blend_fit.reason,))
        teacher = evidence.average(blend_fit.weights)
        if evidence.folds:
            self._write_out_of_fold(BLEND, teacher)
        body = onnx.load(self.workdir / BLEND / BODY)
        try:
            return [blended, self._student(body, blended, teacher)], []
        except CandidateFailedError as error:
            return [blended], [NotMade(name=STUDENT, reason=error.message)]

    def _collect_evidence(self, members: Sequence[Member]) -> Evidence:
        """Return the evidence on the rows of all folds if every member is a bag, else on the validation rows."""
        frame = pl.concat([self.trainer.splits[name] for name in ("train", "validation")])
        # A member that was trained on a sample of the rows, for lack of memory, has no predictions for the others.
        predictions = {
            member.name: member.out_of_fold
            for member in members
            if member.out_of_fold is not None and len(member.out_of_fold) == frame.height
        }
        all_are_bags = len(predictions) == len(members)
        if not all_are_bags:
            frame = self.trainer.splits["validation"]
            predictions = {member.name: member.held_out(frame.height) for member in members}
        has_prediction = [~np.isnan(array.reshape(len(array), -1)).any(axis=1) for array in predictions.values()]
        return Evidence(
            predictions=predictions,
            truth=truth(frame, self._signature),
            weight=self.trainer.rows.weight_of(frame),
            rows=np.logical_and.reduce(has_prediction),
            folds=min(member.trained.folds for member in members) if all_are_bags else 0,
        )

    def _blend(
        self,
        members: Sequence[Member],
        weights: Mapping[str, float],
        measured: Mapping[str, Any],
        *,
        seconds: float,
        notes: tuple[str, ...],
    ) -> TrainedCandidate:
        """Write the blend's candidate: the weighted mean of the members. Fitting the weights took ``seconds``."""
        member_weights = list(weights.values())
        dataset = self.trainer.dataset
        bodies = [onnx.load_from_string(member.body) for member in members]
        body = blend(bodies, member_weights, classes=len(dataset.classes), width=len(dataset.targets) or None)
        edges = [member.edges for member in members if member.edges is not None]
        return self._write_candidate(
            BLEND,
            body,
            average_predictions([member.predictions for member in members], member_weights),
            measured=measured,
            seconds=sum(member.trained.seconds for member in members) + seconds,
            tolerance=max(member.trained.tolerance for member in members),
            settings=dict(weights),
            notes=notes,
            no_int8="its members have int8 files of their own, where that applies to them",
            edges=average_predictions(edges, member_weights) if len(edges) == len(members) else None,
        )

    def _student(self, teacher: onnx.ModelProto, blended: TrainedCandidate, held_out: Floats) -> TrainedCandidate:
        """Distill the blend into each kind of student, and write the best one.

        Args:
            teacher: The blend's body.
            blended: The blend's record.
            held_out: The blend's predictions by models that have not learned from the rows: for all rows, or for the
                validation rows.

        Raises:
            CandidateFailedError: No student can be trained.
        """
        if self.trainer.dataset.targets:
            raise CandidateFailedError("a student learns only one target")
        candidate = Candidate(name=STUDENT, algorithm="gradient_boosting")
        task, context = self.trainer.make_task(), self.trainer.make_context(candidate, self.report)
        if task.train.text.size or task.train.image.size:
            raise CandidateFailedError("a student learns only from rows of numbers and categories")
        if task.classes > _MAX_STUDENT_CLASSES:
            raise CandidateFailedError(f"{task.classes} classes, a student learns at most {_MAX_STUDENT_CLASSES}")
        if context.is_timed_out:
            raise CandidateFailedError("training time ran out before the blend was distilled")
        started, out_of_fold = time.perf_counter(), held_out if blended.folds else None
        checkpoints = BagCheckpoints(context.checkpoints, context.clock)
        names = list(STUDENTS) if task.classes <= 2 else ["gradient_boosting"]  # with more classes, only the faster one
        predict_teacher = load_teacher(teacher, classes=task.classes, threads=context.threads)
        students: dict[str, Student] = {}
        for number, name in enumerate(names):
            self.report(f"student: {name}")
            of_student = replace(context, checkpoints=checkpoints.of_fold(number))
            students[name] = distill(
                ALGORITHMS[name], STUDENTS[name], task, of_student, predict_teacher, out_of_fold,
                settings=self.distillation,
            )  # fmt: skip
        sign = 1 if greater_is_better(self._metric) else -1
        predictions = {name: student.predict(task.validation) for name, student in students.items()}
        scores = {name: sign * self._quality(predicted)[self._metric] for name, predicted in predictions.items()}
        best = max(scores, key=lambda name: scores[name])
        trained = self._write_candidate(
            STUDENT,
            students[best].body(),
            predictions[best],
            measured=self._estimate_student(blended, predictions[best], held_out[-len(self._truth) :]),
            seconds=time.perf_counter() - started,
            tolerance=ALGORITHMS[best].tolerance * 10,  # its standardized predictions are scaled up to logits or values
            settings={"algorithm": best, **STUDENTS[best].model_dump(exclude_unset=True)},
            notes=(f"{best} that was trained on the blend's predictions, for the training rows and new ones",),
            no_int8=ALGORITHMS[best].no_int8,
            edges=students[best].predict(self.trainer.rows.edges),
        )
        if blended.folds:
            unseen = np.full((len(task.train), *predictions[best].shape[1:]), np.nan)
            self._write_out_of_fold(STUDENT, np.concatenate([unseen, predictions[best]]))
        return trained

    def _write_candidate(  # noqa: PLR0913 - the fields of the record
        self,
        name: str,
        body: onnx.ModelProto,
        predictions: Floats,
        *,
        measured: Mapping[str, Any],
        seconds: float,
        tolerance: float,
        settings: dict[str, Any],
        notes: tuple[str, ...],
        no_int8: str,
        edges: Floats | None,
    ) -> TrainedCandidate:
        folder, signature = self.workdir / name, self._decided(measured.get("decision"))
        folder.mkdir()
        model_sha256 = write_artifacts(
            body, predictions, dataset=self.trainer.dataset, signature=signature, workdir=folder, edges=edges
        )
        trained = TrainedCandidate(
            candidate=name,
            algorithm=name,
            device=self.trainer.machine.description,
            seconds=round(seconds, 3),
            **measured,
            no_int8=no_int8,
            tolerance=scale_tolerance(tolerance, signature.temperature),
            settings=settings,
            notes=notes,
            model_sha256=model_sha256,
        )
        (folder / TRAINED).write_bytes(trained.to_bytes())
        return trained

    def _write_out_of_fold(self, name: str, predictions: Floats) -> None:
        kind = np.float32 if self.trainer.dataset.classes else np.float64
        np.savez(self.workdir / name / OUT_OF_FOLD, answers=predictions.astype(kind))

    def _measure(
        self, predictions: Floats, y_true: npt.NDArray[Any], weight: Floats | None, folds: int
    ) -> dict[str, Any]:
        """Return fields of a TrainedCandidate: quality, folds and decision, and for bags the interval."""
        decoded, rule = Predictions.of(self._signature, predictions), self.trainer.threshold_rule
        decided = decide(self._signature, y_true, decoded, rule, weight, is_bag=folds > 0)
        metric_inputs = self._signature, y_true, decided.predictions
        measured = {"quality": measure(*metric_inputs, weight=weight), "folds": folds, **decided.fields}
        if not folds:
            return measured
        return {**measured, "interval": interval(*metric_inputs, weight=weight, only=self._metric)}

    def _estimate_student(self, blended: TrainedCandidate, predictions: Floats, held_out: Floats) -> dict[str, Any]:
        """Return fields of the student's record: the blend's quality minus the student's loss on the validation rows.

        There are few of these rows: if a student seems better than its teacher, that is by chance, and a small loss is
        assumed. A metric that applies to them but not to all rows, as ``rmsle`` may, is left out.

        Args:
            blended: The blend's record.
            predictions: The student's predictions for the validation rows, which it has not learned from.
            held_out: The blend's out-of-fold predictions for the same rows.
        """
        fields = self._student_decision(blended, predictions)
        decision = fields["decision"]
        if not blended.folds:
            return {"quality": self._quality(predictions, decision=decision), **fields}
        has_prediction = ~np.isnan(held_out.reshape(len(held_out), -1)).any(axis=1)
        if not has_prediction.any():
            raise CandidateFailedError("no validation row was held out by every candidate: training time ran out")
        student_quality = self._quality(predictions, has_prediction, decision)
        blend_quality = self._quality(held_out, has_prediction, blended.decision)
        change = {}
        for name, value in blended.quality.items():
            sign = 1 if greater_is_better(name) else -1
            max_gain = -_MIN_ASSUMED_LOSS * abs(value)
            change[name] = sign * min(sign * (student_quality[name] - blend_quality[name]), max_gain)
        return {
            "quality": {name: value + change[name] for name, value in blended.quality.items()},
            "interval": {key: (low + change[key], high + change[key]) for key, (low, high) in blended.interval.items()},
            "folds": blended.folds,
            **fields,
        }

    def _student_decision(self, blended: TrainedCandidate, predictions: Floats) -> dict[str, Any]:
        """Return the decision fields of the student's record: the blend's, or its own with enough positive rows.

        A student learns log-odds, whose mean is lower than the log-odds of the mean probability. So the blend's
        threshold may be above all of the student's probabilities.
        """
        rule, signature = self.trainer.threshold_rule, self._signature
        positive = int((self._truth == signature.positive).sum()) if signature.positive else 0
        if rule is None or not rule.is_tuned or positive < _MIN_POSITIVES:
            return {"decision": blended.decision, "decision_fit": blended.decision_fit}
        return decide(signature, self._truth, Predictions.of(signature, predictions), rule, self._weight).fields

    def _quality(self, outputs: Floats, rows: Any = slice(None), decision: Decision | None = None) -> dict[str, float]:
        """Measure predictions for the validation rows, or for a selection of them."""
        signature, selected = self._decided(decision), outputs[rows]
        if signature.classes:
            selected = calibrate(selected, signature.temperature)
        return measure(
            signature, self._truth[rows], Predictions.of(signature, selected), weight=take(self._weight, rows)
        )

    @property
    def _metric(self) -> str:
        return self.trainer.metric

    def _decided(self, decision: Decision | None) -> Signature:
        """Return the data set's signature with a decision."""
        return self.trainer.dataset.signature_of((), (), decision)

    @property
    def _signature(self) -> Signature:
        return self.trainer.dataset.signature

    @property
    def _truth(self) -> npt.NDArray[Any]:
        return truth(self.trainer.splits["validation"], self._signature)

    @property
    def _weight(self) -> npt.NDArray[np.float64] | None:
        return self.trainer.rows.weight_of(self.trainer.splits["validation"])
