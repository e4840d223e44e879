"""Train the candidates of a run: each as a bag over folds, measured by its out-of-fold predictions, and exported."""

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

from pipeline.contracts.algorithms.config import AlgorithmConfig
from pipeline.contracts.algorithms.network_config import NetworkConfig
from pipeline.contracts.compute_cluster import Process
from pipeline.contracts.errors import CandidateFailedError
from pipeline.contracts.records.dataset import BAG_FOLDS, Dataset, can_bag
from pipeline.contracts.records.decision import ThresholdRule
from pipeline.contracts.records.outcome import TRAINED, WEIGHTS, TrainedCandidate
from pipeline.contracts.records.plan import Candidate
from pipeline.contracts.signature import Signature
from pipeline.contracts.spec.job_spec import Limits
from pipeline.evaluation.decision.temperature import scale_tolerance
from pipeline.graphs.compose import join
from pipeline.graphs.encoding import Encoding
from pipeline.training.algorithm import (
    Algorithm,
    Checkpoints,
    ConfigT,
    FittedModel,
    NoCheckpoints,
    PretrainedModel,
    Report,
    Rows,
    RunContext,
    TrainingTask,
)
from pipeline.training.algorithms import ALGORITHMS
from pipeline.training.candidate_metrics import CandidateMetrics
from pipeline.training.distributed.machine import Machine, limit_blas_threads
from pipeline.training.learning_rows import LearningRows
from pipeline.training.resampling.bagging import Bag, Train, average_models, refit, train_bag
from pipeline.training.resampling.folds import Fold, make_folds

if TYPE_CHECKING:
    from pipeline.training.search.search import SearchResult

__all__ = ["Trainer"]

Floats = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True, kw_only=True)
class Trainer:
    """Trains the candidates of one run.

    Args:
        dataset: Data set record: columns, target and classes of the splits.
        splits: The frames ``train`` and ``validation`` (contracts.records.dataset).
        machine: Device and threads.
        seed: Seed of every candidate.
        metric: Metric that the plan compares candidates by.
        class_weights: Weights of the classes (job_spec.Training).
        threshold_rule: Chooses the threshold of a classification; None: there is none, and probabilities are not
            calibrated.
        deadline: time.monotonic() after which trainings stop with the best model so far.
        checkpoints: Returns the storage of a candidate's unfinished training.
        watch: Receives a candidate and each point of its learning curve.
        code: The user's model.py.
        base: Model that initializes networks with the setting ``base_model``.
        process: This process among those that train one network.
        notes: Notes on the rows, for the model card of every candidate.
        folds: Number of folds of a bag; 1: one model, measured on the validation rows.
        serve: ``bag``: serve the mean of the fold models; ``single``: serve one model refit on all rows.
        limits: Limits of the served file; one refit model replaces a bag that exceeds them.
        learning_rows: The encoded rows of the splits; None: they are encoded when they are first used.
    """

    dataset: Dataset
    splits: Mapping[str, pl.DataFrame]
    machine: Machine
    seed: int
    metric: str = ""
    class_weights: Literal["balanced"] | Mapping[str, float] | None = None
    threshold_rule: ThresholdRule | None = None
    deadline: float = math.inf
    checkpoints: Callable[[Candidate], Checkpoints] = lambda candidate: NoCheckpoints()
    watch: Callable[[Candidate, Mapping[str, float]], None] = lambda candidate, point: None
    code: Path | None = None
    base: PretrainedModel | None = None
    process: Process = field(default_factory=Process)
    notes: tuple[str, ...] = ()
    folds: int = BAG_FOLDS
    serve: Literal["bag", "single"] = "bag"
    limits: Limits = field(default_factory=Limits)
    learning_rows: LearningRows | None = None
    _folds: dict[int, Sequence[Fold]] = field(default_factory=dict, init=False, compare=False)  # by number of folds
    _texts_of_folds: dict[int, tuple[Fold, Rows, Rows]] = field(default_factory=dict, init=False, compare=False)

    def train(self, candidate: Candidate, workdir: Path, report: Report) -> TrainedCandidate:
        """Train a candidate: a bag of fold models over all rows, or one model if there can be no bag.

        Writes model.onnx, body.onnx and reference.npz; also out_of_fold.npz for a bag, and checkpoint.safetensors for
        a network. trained.json is written last.

        Args:
            candidate: Algorithm, settings and search to train.
            workdir: An empty folder for its files.
            report: Receives progress messages of a few words.

        Returns:
            The record of the trained candidate, the content of trained.json.

        Raises:
            CandidateFailedError: The settings or the rows do not allow this training, it diverged, or a prediction is
                not finite.
        """
        started = time.perf_counter()
        algorithm = ALGORITHMS[candidate.algorithm]
        limit_blas_threads(self.machine.threads)
        config: AlgorithmConfig = algorithm.configure(candidate.settings)
        task, context = self.make_task(), self.make_context(candidate, report)
        report("begins")
        searched = self._search(algorithm, candidate, task, replace(context, process=Process()))
        if searched is not None:
            config, context = searched.config, replace(context, checkpoints=searched.checkpoints)
            report("trains with the best settings found")
        config = self._broadcast(config)
        learner, target_notes = self._select_target(algorithm, config, task, context)
        task = learner.rows.apply_target(task)
        train = partial(algorithm.train, config)
        bag = learner._train_bag(train, learner._bag_folds(config), task, context)
        fitted = learner._choose_served(bag, train, task, context) if bag else train(task, context)
        seconds = time.perf_counter() - started
        outputs = fitted.predict(task.validation)
        learner = replace(learner, learning_rows=learner.rows.smear(bag.out_of_fold if bag else None, outputs))
        predicted = learner.rows.denormalize(outputs)
        if not np.isfinite(predicted).all():
            raise CandidateFailedError("its predictions on the validation rows are not all finite")
        measured = (
            learner.metrics.measure_bag(bag, workdir, is_served=not self._refits)
            if bag
            else learner.metrics.measure_validation(fitted, predicted)
        )
        signature = self.dataset.signature_of(fitted.classes, fitted.quantiles, measured.get("decision"))
        report("exports")
        model_sha256 = learner._export(fitted, predicted, learner._predict_edges(fitted), signature, workdir)
        trained = TrainedCandidate(
            candidate=candidate.name,
            algorithm=algorithm.name,
            device=self.machine.description,
            seconds=round(seconds, 3),
            **measured,
            no_int8=algorithm.no_int8,
            tolerance=scale_tolerance(algorithm.tolerance * learner.rows.sensitivity, signature.temperature)
            + self.rows.resolution,
            history=fitted.history,
            settings=config.model_dump(),
            trials=searched.trials if searched else (),
            notes=(
                *(*self.notes, *(searched.notes if searched else ()), *target_notes),
                *(*fitted.notes, *(bag.notes if bag else ())),
            ),
            classes=fitted.classes,
            quantiles=fitted.quantiles,
            privacy=dict(fitted.privacy),
            model_sha256=model_sha256,
        )
        (workdir / TRAINED).write_bytes(trained.to_bytes())
        return trained

    def screen(self, candidates: Sequence[Candidate], rows: int, report: Report) -> Mapping[str, str]:
        """Train all candidates on a sample of the rows, and reject those that are far behind the best.

        Args:
            candidates: The candidates, at least one.
            rows: Number of training rows, and of validation rows, of the sample.
            report: Receives progress messages.

        Returns:
            The reason for the rejection of each rejected candidate, by name.
        """
        from pipeline.training.search.screening import screen_candidates

        task, context = self.make_task(), self.make_context(candidates[0], report)
        pairs = [(candidate, ALGORITHMS[candidate.algorithm]) for candidate in candidates]
        return screen_candidates(pairs, task, context, rows, self.metrics.score_with_interval)

    def follow(self, candidate: Candidate) -> None:
        """Take part in ``train`` of the main process; only the main process searches settings and writes results.

        Raises:
            CandidateFailedError: The training fails, here and in the main process.
        """
        algorithm = ALGORITHMS[candidate.algorithm]
        context = self.make_context(candidate, lambda text: None)
        config = self._broadcast(algorithm.configure(candidate.settings))
        algorithm.train(config, self.make_task(), replace(context, watch=lambda point: None))

    @cached_property
    def rows(self) -> LearningRows:
        """Return the encoded rows of the splits."""
        return self.learning_rows or LearningRows(
            dataset=self.dataset, splits=self.splits, class_weights=self.class_weights, metric=self.metric
        )

    @property
    def metrics(self) -> CandidateMetrics:
        """Return what measures the candidates."""
        return CandidateMetrics(rows=self.rows, metric=self.metric, threshold_rule=self.threshold_rule)

    def make_task(self) -> TrainingTask:
        """Return the task of learning from the training rows, with the validation rows held out."""
        task = TrainingTask(
            kind=self.dataset.task,
            metric=self.metric,
            code=self.code,
            base=self.base,
            classes=len(self.dataset.classes),
            cardinalities=Encoding.of(self.dataset).cardinalities,
            train=self.rows.encoded["train"],
            validation=self.rows.encoded["validation"],
            seed=self.seed,
            positive=self.dataset.classes.index(self.dataset.positive) if self.dataset.positive else 1,
        )
        return self.rows.apply_target(task)

    def make_context(self, candidate: Candidate, report: Report) -> RunContext:
        """Return the run context of a candidate."""
        return RunContext(
            device=self.machine.device,
            threads=self.machine.threads,
            report=report,
            deadline=self.deadline,
            checkpoints=self.checkpoints(candidate),
            watch=partial(self.watch, candidate),
            process=self.process,
        )

    def _select_target(
        self, algorithm: Algorithm[ConfigT], config: ConfigT, task: TrainingTask, context: RunContext
    ) -> tuple[Trainer, tuple[str, ...]]:
        """Return a trainer with the target transform that the algorithm learns best, and notes on the comparison.

        A candidate that is never a bag learns the target untransformed: a private training, for example, would spend
        epsilon on the comparison.
        """
        if self._is_one_model(config):
            return self, ()
        rows, notes = self.rows.select_transform(algorithm, config, task, context)
        return replace(self, learning_rows=rows), notes

    def _choose_served(self, bag: Bag, train: Train, task: TrainingTask, context: RunContext) -> FittedModel:
        """Return the bag's average, or one model refit on all rows if ``serve`` or ``limits`` require it.

        If rows are split by time, the model is refit, since no fold model has learned from the latest rows.
        """
        if not self._refits:
            from pipeline.training.export.served_limits import is_within_limits

            average = average_models(bag.members, task.classes)
            if is_within_limits(average, self.limits, self.dataset, self.splits["validation"]):
                return average
            context.report("the bag exceeds the limits")
        return refit(bag, replace(task, train=self.rows.all), context, train)

    @property
    def _refits(self) -> bool:
        return self.serve == "single" or self.dataset.split_by == "time"

    def _train_bag(self, train: Train, folds: Sequence[Fold], task: TrainingTask, context: RunContext) -> Bag | None:
        """Train a bag over all rows; return None if the candidate is one model, trained on the training rows."""
        if len(folds) < 2:
            return None
        all_rows_task = replace(task, train=self.rows.all)
        take = self._take_texts if self.rows.all.text.size else None
        return train_bag(folds, all_rows_task, context, train, take, is_refit=self._refits)

    def _is_one_model(self, config: AlgorithmConfig) -> bool:
        """Return whether a candidate with this config is one model, never a bag.

        Each fold of a private training would spend epsilon again; a base model or the user's code is one network;
        several processes train one model together.
        """
        is_alone = isinstance(config, NetworkConfig) and config.trains_one_model
        return is_alone or self.code is not None or self.process.size > 1

    def _bag_folds(self, config: AlgorithmConfig) -> Sequence[Fold]:
        """Return the folds of a candidate with this config; none if it cannot be a bag."""
        count = config.bag_folds or self.folds
        if self._is_one_model(config) or count < 2 or not (can_bag(self.dataset) and self.rows.can_fold):
            return ()
        if count not in self._folds:
            self._folds[count] = make_folds(self.rows.all, len(self.dataset.classes), count, self.seed)
        return self._folds[count]

    def _take_texts(self, fold: Fold) -> tuple[Rows, Rows]:
        """Return training and held-out rows of a fold: always the same arrays, whose ids are the text cache's keys."""
        if id(fold) not in self._texts_of_folds:
            self._texts_of_folds[id(fold)] = fold, self.rows.all.take(fold.train), self.rows.all.take(fold.held)
        return self._texts_of_folds[id(fold)][1:]

    def _broadcast(self, config: AlgorithmConfig) -> AlgorithmConfig:
        """Return the config of the main process."""
        if self.process.size == 1:
            return config
        from pipeline.training.distributed.factory import make_strategy

        return make_strategy("ddp", self.process, self.machine.device).broadcast(config)

    def _search(
        self, algorithm: Algorithm[Any], candidate: Candidate, task: TrainingTask, context: RunContext
    ) -> SearchResult | None:
        if candidate.trials is None:
            return None
        from pipeline.training.search.search import search

        return search(algorithm, candidate.settings, candidate.trials, task, context, self.metrics.score)

    def _predict_edges(self, fitted: FittedModel) -> Floats | None:
        """Return the predictions for edge rows; None for the user's code, which may not accept missing values."""
        return None if self.code is not None else self.rows.denormalize(fitted.predict(self.rows.edges))

    def _export(
        self, fitted: FittedModel, predicted: Floats, edges: Floats | None, signature: Signature, workdir: Path
    ) -> str:
        """Write the graphs, the reference predictions and a network's weights; return the sha256 of model.onnx."""
        from pipeline.training.export.artifacts import write_artifacts

        body = fitted.body()
        if self.dataset.task == "regression":
            body = join(body, self.rows.target.graph(outputs=1 + len(fitted.quantiles)), prefix="target/")
        model_sha256 = write_artifacts(
            body, predicted, dataset=self.dataset, signature=signature, workdir=workdir, edges=edges
        )
        if fitted.weights is not None:
            from safetensors.torch import save_file

            save_file(dict(fitted.weights), workdir / WEIGHTS)
        return model_sha256
