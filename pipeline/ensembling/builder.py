"""What candidates are together: their blend, and a student of it; candidates like any other from then on."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import polars as pl

from pipeline.contracts.errors import CandidateFailedError
from pipeline.contracts.records.outcome import BODY, TRAINED, TrainedCandidate
from pipeline.contracts.records.plan import Candidate
from pipeline.contracts.spec.metrics import greater_is_better
from pipeline.ensembling.blending import fit_blend
from pipeline.ensembling.distillation import Student, distill
from pipeline.evaluation.metrics import interval, measure
from pipeline.evaluation.predictions import Answers
from pipeline.evaluation.row_weights import row_weights
from pipeline.evaluation.scoring import OnnxModel, truth
from pipeline.graphs.blending import blend
from pipeline.graphs.encoding import CAT, NUM
from pipeline.training.algorithm import Problem, Report, Rows
from pipeline.training.algorithms import RECIPES
from pipeline.training.export.artifacts import write_artifacts
from pipeline.training.trainer import Trainer

__all__ = ["BLEND", "STUDENT", "EnsembleBuilder", "LeftOut", "Member"]

BLEND, STUDENT = "blend", "student"

Floats = npt.NDArray[np.floating[Any]]

_MOST_STUDENT_CLASSES = 10  # a model each
_LOST = 1e-3  # of the blend's quality, at least, by a student of few rows
# A student is to be small: of boosting a few trees, of a network one narrow layer after another.
_STUDENTS: dict[str, dict[str, Any]] = {
    "gradient_boosting": {"n_estimators": 300, "learning_rate": 0.1, "num_leaves": 31, "feature_fraction": 0.8,
                          "early_stopping_rounds": 20, "folds": 1},
    "mlp": {"hidden": (64, 64), "dropout": 0.0, "epochs": 15, "batch_size": 256, "learning_rate": 2e-3,
            "early_stopping": 3},
}  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Member:
    """A trained candidate. ``body``: body.onnx. ``answers``: reference.npz's, of the trained model itself.

    ``out_of_fold``: of few rows, its answers to all of them (contracts.records.outcome.OUT_OF_FOLD).
    """

    trained: TrainedCandidate
    body: bytes
    answers: Floats
    out_of_fold: Floats | None = None

    @property
    def name(self) -> str:
        return self.trained.candidate


@dataclass(frozen=True, kw_only=True, slots=True)
class LeftOut:
    """Which of blend and student there is not, and why."""

    name: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class EnsembleBuilder:
    """``trainer``: as the members' own; its metric chooses."""

    trainer: Trainer
    workdir: Path
    report: Report

    def make(self, members: Sequence[Member]) -> tuple[list[TrainedCandidate], list[LeftOut]]:
        """The blend and the student that are worth it, each with its files in a folder of its name in ``workdir``."""
        started = time.perf_counter()
        members = [one for one in members if not (one.trained.quantiles or one.trained.classes)]
        if len(members) < 2:
            return [], [LeftOut(name=BLEND, reason="a blend needs two candidates whose predictions can be averaged")]
        self.report("blend")
        known = {one.name: one.out_of_fold for one in members if one.out_of_fold is not None}
        if crossed := len(known) == len(members):  # all rows tell more than the validation rows
            found = fit_blend(
                known, self._all_truth, self._signature, self._metric, weight=self._all_weight, by_folds=True
            )
        else:
            answers = {one.name: one.answers for one in members}
            found = fit_blend(answers, self._truth, self._signature, self._metric, weight=self._weight)
        if not found.better:
            return [], [LeftOut(name=BLEND, reason=found.why)]
        chosen = [one for name in found.weights for one in members if one.name == name]
        cross = self._measured(found.cross_fitted) if crossed else {}
        seconds = time.perf_counter() - started
        blended = self.blended(BLEND, chosen, found.weights, seconds=seconds, notes=(found.why,), cross=cross)
        body = onnx.load(self.workdir / BLEND / BODY)
        try:
            return [blended, self._student(body, blended)], []
        except CandidateFailedError as error:
            return [blended], [LeftOut(name=STUDENT, reason=error.message)]

    def blended(  # noqa: PLR0913 - what is blended, and what is said of it
        self,
        name: str,
        members: Sequence[Member],
        weights: Mapping[str, float],
        *,
        seconds: float = 0.0,
        notes: tuple[str, ...] = (),
        cross: Mapping[str, Any] = MappingProxyType({}),
    ) -> TrainedCandidate:
        """The mean of the members' answers with these ``weights``, in their order; its files in a folder ``name``.

        ``seconds`` that it took to find them.
        """
        shares = list(weights.values())
        body = blend(
            [onnx.load_from_string(one.body) for one in members], shares, classes=len(self.trainer.dataset.classes)
        )
        answers = [share * one.answers.astype(np.float64) for share, one in zip(shares, members, strict=True)]
        return self._keep(
            name,
            BLEND,
            body,
            np.sum(answers, axis=0),
            cross=cross,
            seconds=sum(one.trained.seconds for one in members) + seconds,
            tolerance=max(one.trained.tolerance for one in members),
            settings=dict(weights),
            notes=notes,
            no_int8="its members have int8 files of their own, where that applies to them",
        )

    def _student(self, teacher: onnx.ModelProto, blended: TrainedCandidate) -> TrainedCandidate:
        """The best of those that were tried. Raise CandidateFailedError where there is none."""
        problem = self.trainer.problem(Candidate(name=STUDENT, algorithm="gradient_boosting"), self.report)
        if problem.train.text.size or problem.train.image.size:
            raise CandidateFailedError("a student learns from rows of numbers and categories alone")
        if problem.classes > _MOST_STUDENT_CLASSES:
            raise CandidateFailedError(f"{problem.classes} classes, {_MOST_STUDENT_CLASSES} are a student's most")
        started = time.perf_counter()
        tried = {name: self._distill(name, teacher, problem) for name in self._algorithms(problem)}
        sign = 1 if greater_is_better(self._metric) else -1
        answers = {name: one.predict(problem.validation) for name, one in tried.items()}
        scores = {name: sign * self._quality(given)[self._metric] for name, given in answers.items()}
        best = max(scores, key=lambda name: scores[name])
        return self._keep(
            STUDENT,
            STUDENT,
            tried[best].body(),
            answers[best],
            cross=self._beside(blended, answers[best]),
            seconds=time.perf_counter() - started,
            tolerance=RECIPES[best].tolerance * 10,  # a logit's or a spread's worth of it
            settings={"algorithm": best, **_STUDENTS[best]},
            notes=(f"{best} that learnt what the blend answers, to the training rows and to as many new ones",),
            no_int8=RECIPES[best].no_int8,
        )

    def _distill(self, algorithm: str, teacher: onnx.ModelProto, problem: Problem) -> Student:
        self.report(f"student: {algorithm}")
        reads = {given.name for given in teacher.graph.input}
        model = OnnxModel(teacher.SerializeToString(), threads=problem.threads)

        def answer(rows: Rows) -> Floats:
            (given,) = model.run_raw({name: part for name, part in ((NUM, rows.num), (CAT, rows.cat)) if name in reads})
            return given if problem.classes else given.reshape(-1)

        return distill(RECIPES[algorithm], _STUDENTS[algorithm], problem, answer)

    @staticmethod
    def _algorithms(problem: Problem) -> list[str]:
        """Of many classes trees alone, which are quick."""
        return list(_STUDENTS) if problem.classes <= 2 else ["gradient_boosting"]

    def _keep(  # noqa: PLR0913 - the record's fields
        self,
        name: str,
        algorithm: str,
        body: onnx.ModelProto,
        answers: Floats,
        *,
        cross: Mapping[str, Any],
        seconds: float,
        tolerance: float,
        settings: dict[str, Any],
        notes: tuple[str, ...],
        no_int8: str,
    ) -> TrainedCandidate:
        folder = self.workdir / name
        folder.mkdir()
        model_sha256 = write_artifacts(
            body, answers, dataset=self.trainer.dataset, signature=self._signature, workdir=folder
        )
        trained = TrainedCandidate(
            candidate=name,
            algorithm=algorithm,
            device=self.trainer.machine.description,
            seconds=round(seconds, 3),
            quality=self._quality(answers),
            **cross,
            no_int8=no_int8,
            tolerance=tolerance,
            settings=settings,
            notes=notes,
            model_sha256=model_sha256,
        )
        (folder / TRAINED).write_bytes(trained.to_bytes())
        return trained

    def _measured(self, answers: Floats) -> dict[str, Any]:
        """A candidate's cross_quality and cross_interval, of its answers to all rows."""
        measured = self._signature, self._all_truth, Answers.of(self._signature, answers)
        return {
            "cross_quality": measure(*measured, weight=self._all_weight),
            "cross_interval": interval(*measured, weight=self._all_weight, only=self._metric),
        }

    def _beside(self, blended: TrainedCandidate, answers: Floats) -> dict[str, Any]:
        """What the student's would be: the blend's, less what it loses to it on the validation rows.

        These are few: where it seems as good as what it learnt from, or better, that is chance.
        """
        if not blended.cross_quality:
            return {}
        own = self._quality(answers)
        lost = {}
        for name, value in own.items():
            sign = 1 if greater_is_better(name) else -1
            lost[name] = min(sign * (value - blended.quality[name]), -_LOST * abs(blended.quality[name])) * sign
        return {
            "cross_quality": {name: value + lost[name] for name, value in blended.cross_quality.items()},
            "cross_interval": {
                name: (low + lost[name], high + lost[name]) for name, (low, high) in blended.cross_interval.items()
            },
        }

    def _quality(self, answers: Floats) -> dict[str, float]:
        return measure(self._signature, self._truth, Answers.of(self._signature, answers), weight=self._weight)

    @property
    def _metric(self) -> str:
        return self.trainer.metric

    @property
    def _signature(self) -> Any:
        return self.trainer.dataset.signature

    @property
    def _all_truth(self) -> npt.NDArray[Any]:
        """Of the rows that train, then of those that validate."""
        return np.concatenate([truth(self.trainer.splits[name], self._signature) for name in ("train", "validation")])

    @property
    def _truth(self) -> npt.NDArray[Any]:
        return truth(self.trainer.splits["validation"], self._signature)

    @property
    def _all_weight(self) -> npt.NDArray[np.float64] | None:
        """Of the rows that train, then of those that validate."""
        rows = pl.concat([self.trainer.splits[name] for name in ("train", "validation")])
        return row_weights(rows, self.trainer.dataset, self.trainer.class_weights)

    @property
    def _weight(self) -> npt.NDArray[np.float64] | None:
        return row_weights(self.trainer.splits["validation"], self.trainer.dataset, self.trainer.class_weights)
