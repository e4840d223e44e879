"""Candidates on one data set: trained, measured, exported, their own answers kept to verify the export by."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from pipeline.contracts.compute_cluster import Process
from pipeline.contracts.errors import CandidateFailedError
from pipeline.contracts.records.dataset import GROUP, REFIT_FOLDS, TIME, Dataset
from pipeline.contracts.records.outcome import OUT_OF_FOLD, TRAINED, WEIGHTS, TrainedCandidate
from pipeline.contracts.records.plan import Candidate
from pipeline.contracts.signature import Signature
from pipeline.contracts.spec.metrics import greater_is_better
from pipeline.evaluation.metrics import interval, measure
from pipeline.evaluation.predictions import Answers
from pipeline.evaluation.row_weights import row_weights
from pipeline.evaluation.scoring import truth
from pipeline.graphs.encoding import CAT, IMAGE, NUM, TEXT, Encoding
from pipeline.training.algorithm import (
    Base,
    Checkpoints,
    FittedModel,
    NoCheckpoints,
    Problem,
    Recipe,
    Report,
    Rows,
    Settings,
)
from pipeline.training.algorithms import RECIPES
from pipeline.training.distributed.machine import Machine
from pipeline.training.resampling.folds import separate_frequent

if TYPE_CHECKING:
    from pipeline.training.search.search import SearchResult

__all__ = ["Trainer"]

_MAX_COPIES_SHARE = 0.05  # of the rows: exact copies of one row that stay together

Floats = npt.NDArray[np.floating[Any]]


def _no_checkpoints(candidate: Candidate) -> Checkpoints:
    return NoCheckpoints()


def _unwatched(candidate: Candidate, point: Mapping[str, float]) -> None:
    """Nobody looks at the curves."""


@dataclass(frozen=True, kw_only=True)
class Trainer:
    """``splits``: train and validation, as contracts.records.dataset has them. ``metric`` is the plan's.

    ``class_weights``: as job_spec.Training has them. ``deadline``, ``checkpoints``, ``watch``, ``code``, ``base``: as
    in recipe.Problem, the candidate's own. ``notes`` are of every candidate: what is known of the rows.
    """

    dataset: Dataset
    splits: Mapping[str, pl.DataFrame]
    machine: Machine
    seed: int
    metric: str = ""
    class_weights: Literal["balanced"] | Mapping[str, float] | None = None
    deadline: float = math.inf
    checkpoints: Callable[[Candidate], Checkpoints] = _no_checkpoints
    watch: Callable[[Candidate, Mapping[str, float]], None] = _unwatched
    code: Path | None = None
    base: Base | None = None
    process: Process = field(default_factory=Process)
    notes: tuple[str, ...] = ()
    cross_validate: bool | None = None
    all_rows: bool = False

    def train(self, candidate: Candidate, workdir: Path, report: Report) -> TrainedCandidate:
        """Write model.onnx, body.onnx, reference.npz, for a network also checkpoint.safetensors; last trained.json.

        ``report`` is told a few words of how far it is. Raise CandidateFailedError when it cannot be trained so.
        """
        started = time.perf_counter()
        recipe = RECIPES[candidate.algorithm]
        settings = recipe.complete(candidate.settings)
        problem = self.problem(candidate, report)
        report("begins")
        searched = self._search(recipe, candidate, replace(problem, process=Process()))
        if searched is not None:
            settings, problem = searched.settings, replace(problem, checkpoints=searched.checkpoints)
            report("trains with the best settings found")
        fitted = self._fitted(recipe, self._broadcast_settings(settings), problem)
        seconds = time.perf_counter() - started
        predicted = self._denormalize(fitted.predict(problem.validation))
        signature = self.dataset.signature_of(fitted.classes, fitted.quantiles)
        if not np.isfinite(predicted).all():
            raise CandidateFailedError("its predictions on the validation rows are not all finite")
        report("exports")
        model_sha256 = self._export(fitted, predicted, signature, workdir)
        trained = TrainedCandidate(
            candidate=candidate.name,
            algorithm=recipe.name,
            device=self.machine.description,
            seconds=round(seconds, 3),
            quality=self._quality(predicted, signature),
            no_int8=recipe.no_int8,
            tolerance=recipe.tolerance + self._resolution,
            history=fitted.history,
            settings=settings,
            trials=searched.trials if searched else (),
            **self._cross_validated(recipe, settings, problem, workdir),
            notes=(*self.notes, *(searched.notes if searched else ()), *fitted.notes),
            classes=fitted.classes,
            quantiles=fitted.quantiles,
            privacy=dict(fitted.privacy),
            model_sha256=model_sha256,
        )
        (workdir / TRAINED).write_bytes(trained.to_bytes())
        return trained

    def with_all_rows(self) -> Trainer:
        """One that learns from the validation rows too: what it measures there is of rows that it has seen.

        What needs rows to stop by is trained in folds, whose models answer together.
        """
        rows = pl.concat([self.splits["train"], self.splits["validation"]])
        return replace(self, splits={**self.splits, "train": rows}, cross_validate=False, all_rows=True)

    def audition(self, candidates: Sequence[Candidate], rows: int, report: Report) -> Mapping[str, str]:
        """Which of them are hopeless, as far as so many rows can tell: name -> why (search.audition)."""
        from pipeline.training.search.screening import audition

        problem = self.problem(candidates[0], report)
        heard = [(candidate, RECIPES[candidate.algorithm]) for candidate in candidates]
        return audition(heard, problem, rows, self._score_candidate, greater=greater_is_better(self.metric))

    def follow(self, candidate: Candidate) -> None:
        """Take part in a training whose results the main process keeps; it searches for the settings alone."""
        recipe = RECIPES[candidate.algorithm]
        problem = self.problem(candidate, lambda text: None)
        recipe.train(
            self._broadcast_settings(recipe.complete(candidate.settings)), replace(problem, watch=lambda point: None)
        )

    def _fitted(self, recipe: Recipe, settings: Settings, problem: Problem) -> FittedModel:
        if not self.all_rows or recipe.declares.refits != "never":
            return recipe.train(settings, problem)
        from pipeline.training.resampling.bagging import bagged

        return bagged(
            REFIT_FOLDS, problem, lambda fold, number: recipe.train(settings, replace(fold, seed=self.seed + number))
        )

    def _cross_validated(
        self, recipe: Recipe, settings: Settings, problem: Problem, workdir: Path
    ) -> dict[str, dict[str, Any]]:
        """The candidate's cross_quality and cross_interval, its answers written; nothing where rows are many."""
        wanted = self.dataset.few_rows if self.cross_validate is None else self.cross_validate
        if not wanted or not self._can_cross_validate(settings, problem):
            return {}
        from pipeline.training.resampling.cross_validation import all_rows, out_of_fold

        answers = out_of_fold(recipe, settings, problem)
        if answers is None or not np.isfinite(answers).all():
            return {}
        rows = all_rows(problem)
        answered = self._told(answers, rows)
        np.savez(workdir / OUT_OF_FOLD, answers=self._denormalize(answers))
        return {
            "cross_quality": measure(*answered, weight=rows.weight),
            "cross_interval": interval(*answered, weight=rows.weight, only=self.metric or None),
        }

    def _can_cross_validate(self, settings: Settings, problem: Problem) -> bool:
        """Each fold of a private training would spend the whole epsilon."""
        table = self.dataset.task != "clustering" and not problem.train.image.size
        return table and problem.may_be_dealt and self.process.size == 1 and not settings.get("privacy_epsilon")

    def _broadcast_settings(self, settings: Settings) -> Settings:
        """Those of the main process."""
        if self.process.size == 1:
            return settings
        from pipeline.training.distributed.factory import make_strategy

        return make_strategy("ddp", self.process, self.machine.device).from_main(settings)

    @cached_property
    def _scale(self) -> tuple[float, float]:
        """Mean and standard deviation of a regression's target; models learn it standardised."""
        values = truth(self.splits["train"], self.dataset.signature)
        return float(values.mean()), float(values.std()) or 1.0

    @cached_property
    def _resolution(self) -> float:
        """What a float32 of the target's size cannot tell, in units of its standard deviation; 0 for classification."""
        if self.dataset.task != "regression":
            return 0.0
        mean, std = self._scale
        return 2 * float(np.spacing(np.float32(abs(mean) + std))) / std

    @cached_property
    def _rows(self) -> Mapping[str, Rows]:
        encoding = Encoding.of(self.dataset)
        rows, groups = {}, self._groups
        for name in ("train", "validation"):
            encoded = encoding.encode(self.splits[name])
            rows[name] = Rows(
                num=encoded[NUM],
                cat=encoded[CAT],
                text=encoded[TEXT],
                image=encoded[IMAGE],
                target=self._target(self.splits[name]),
                weight=self._weight(self.splits[name]),
                group=groups.get(name),
                time=self._time(self.splits[name]),
            )
        return rows

    @cached_property
    def _groups(self) -> Mapping[str, npt.NDArray[np.uint64]]:
        """Which rows of the splits stay together; empty where it is not known."""
        train, validation = (self._group(self.splits[name]) for name in ("train", "validation"))
        if train is None or validation is None:
            return {}
        both = np.concatenate([train, validation])
        if self.dataset.split_by == "random":
            both = separate_frequent(both, _MAX_COPIES_SHARE)
        return {"train": both[: len(train)], "validation": both[len(train) :]}

    def _group(self, split: pl.DataFrame) -> npt.NDArray[np.uint64] | None:
        """Which rows stay together; split files of an older version tell copies by the rows themselves."""
        if self._has_hidden(split, GROUP):
            return split[GROUP].to_numpy()
        if self.dataset.split_by != "random":
            return None
        return split.drop(self.dataset.weight or [], strict=False).hash_rows().to_numpy()

    def _time(self, split: pl.DataFrame) -> npt.NDArray[np.float64] | None:
        return split[TIME].to_numpy() if self._has_hidden(split, TIME) else None

    @property
    def _has_groups(self) -> bool:
        """Whether it is known which rows stay together."""
        return bool(self._groups)

    def _has_hidden(self, split: pl.DataFrame, name: str) -> bool:
        columns = {self.dataset.target, self.dataset.weight, *(column.name for column in self.dataset.columns)}
        return name in split.columns and name not in columns

    def _weight(self, split: pl.DataFrame) -> npt.NDArray[np.float32] | None:
        """Of the rows times that of their classes, 1 in the mean of the training rows."""
        weight = row_weights(split, self.dataset, self.class_weights)
        return None if weight is None else (weight / self._mean_weight).astype(np.float32)

    @cached_property
    def _mean_weight(self) -> float:
        weight = row_weights(self.splits["train"], self.dataset, self.class_weights)
        return 1.0 if weight is None else float(weight.mean())

    def _target(self, split: pl.DataFrame) -> npt.NDArray[Any]:
        if self.dataset.task == "clustering":
            return np.zeros(split.height, np.int64)
        values = truth(split, self.dataset.signature)
        if self.dataset.task == "regression":
            mean, std = self._scale
            scaled: npt.NDArray[Any] = (values - mean) / std
            return scaled
        number = {label: index for index, label in enumerate(self.dataset.classes)}
        return np.array([number[label] for label in values], np.int64)

    def problem(self, candidate: Candidate, report: Report) -> Problem:
        return Problem(
            task=self.dataset.task,
            metric=self.metric,
            deadline=self.deadline,
            checkpoints=self.checkpoints(candidate),
            watch=partial(self.watch, candidate),
            code=self.code,
            base=self.base,
            process=self.process,
            classes=len(self.dataset.classes),
            cardinalities=Encoding.of(self.dataset).cardinalities,
            train=self._rows["train"],
            validation=self._rows["validation"],
            seed=self.seed,
            device=self.machine.device,
            threads=self.machine.threads,
            report=report,
            may_be_dealt=self.dataset.may_be_dealt and self._has_groups,
            positive=self.dataset.classes.index(self.dataset.positive) if self.dataset.positive else 1,
            unit=self._scale[1] if self.dataset.task == "regression" else 1.0,
        )

    def _search(self, recipe: Recipe, candidate: Candidate, problem: Problem) -> SearchResult | None:
        if candidate.trials is None:
            return None
        from pipeline.training.search.search import search

        return search(recipe, candidate.settings, candidate.trials, problem, self._score)

    def _score(self, fitted: FittedModel, rows: Rows) -> float:
        """The plan's metric of these rows' answers, in the target's own units."""
        return measure(*self._answered(fitted, rows), weight=rows.weight)[self.metric]

    def _score_candidate(self, fitted: FittedModel, rows: Rows) -> tuple[float, tuple[float, float]]:
        """The same, and its 95 % interval."""
        answered = self._answered(fitted, rows)
        spread = interval(*answered, weight=rows.weight, only=self.metric)[self.metric]
        return measure(*answered, weight=rows.weight)[self.metric], spread

    def _answered(self, fitted: FittedModel, rows: Rows) -> tuple[Signature, npt.NDArray[Any], Answers]:
        return self._told(fitted.predict(rows), rows, classes=fitted.classes)

    def _told(
        self, predicted: Floats, rows: Rows, classes: tuple[str, ...] = ()
    ) -> tuple[Signature, npt.NDArray[Any], Answers]:
        """What metrics are measured by."""
        if self.dataset.task == "regression" and predicted.ndim == 2:
            predicted = predicted[:, 0]  # the value; its quantiles follow
        answers = self._denormalize(predicted)
        signature = self.dataset.signature_of(classes)
        if self.dataset.task == "regression":
            wanted: npt.NDArray[Any] = self._denormalize(rows.target)
        else:
            wanted = np.array(self.dataset.classes, object)[rows.target]
        return signature, wanted, Answers.of(signature, answers)

    def _denormalize(self, predicted: Floats) -> Floats:
        if self.dataset.task != "regression":
            return predicted
        mean, std = self._scale
        return predicted.astype(np.float64) * std + mean

    def _quality(self, predicted: Floats, signature: Signature) -> dict[str, float]:
        validation = self.splits["validation"]
        weight = row_weights(validation, self.dataset, self.class_weights)
        return measure(signature, truth(validation, signature), Answers.of(signature, predicted), weight=weight)

    def _export(self, fitted: FittedModel, predicted: Floats, signature: Signature, workdir: Path) -> str:
        """Write the graphs, the answers and the weights; the sha256 of the served file."""
        from pipeline.training.export.artifacts import write_artifacts
        from pipeline.training.export.sklearn_to_onnx import denormalize_outputs

        body = fitted.body()
        if self.dataset.task == "regression":
            mean, std = self._scale
            body = denormalize_outputs(body, mean=mean, std=std, outputs=1 + len(fitted.quantiles))
        model_sha256 = write_artifacts(body, predicted, dataset=self.dataset, signature=signature, workdir=workdir)
        if fitted.weights is not None:
            from safetensors.torch import save_file

            save_file(dict(fitted.weights), workdir / WEIGHTS)
        return model_sha256
