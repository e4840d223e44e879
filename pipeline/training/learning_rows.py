"""The training and validation rows, encoded for the algorithms: inputs, target, weight, group and time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from pipeline.contracts.algorithms.network_config import NetworkConfig
from pipeline.contracts.records.dataset import GROUP, TIME, Dataset
from pipeline.evaluation.golden.edge_rows import edge_rows
from pipeline.evaluation.metrics import measure
from pipeline.evaluation.predictions import Predictions, class_numbers
from pipeline.evaluation.row_weights import ClassWeights, row_weights
from pipeline.evaluation.scoring import truth
from pipeline.graphs.encoding import Encoding
from pipeline.training.algorithm import Algorithm, ConfigT, Objective, Rows, RunContext, TrainingTask
from pipeline.training.features.target_transform import TargetTransform, target_transforms
from pipeline.training.resampling.folds import separate_frequent

__all__ = ["LearningRows"]

Floats = npt.NDArray[np.floating[Any]]

_MAX_COPIES_FRACTION = 0.05  # fraction of the rows up to which all copies of one row stay in one fold


@dataclass(frozen=True, kw_only=True)
class LearningRows:
    """The rows of the training and validation splits.

    Args:
        dataset: Data set record: columns, target and classes of the splits.
        splits: The frames ``train`` and ``validation`` (contracts.records.dataset).
        class_weights: Weight of each class; ``balanced``: all classes have the same total weight.
        metric: Metric that candidates are compared by; the transforms of a regression's target depend on it.
        transform: Transform of a regression's target; None: the first of ``transforms``.
        source: The same rows with another transform, whose encoding is reused.
    """

    dataset: Dataset
    splits: Mapping[str, pl.DataFrame]
    class_weights: ClassWeights = None
    metric: str = ""
    transform: TargetTransform | None = None
    source: LearningRows | None = None

    @cached_property
    def values(self) -> Mapping[str, Floats]:
        """Return a regression's target in its own units [rows], by split."""
        return {name: truth(self.splits[name], self.dataset.signature) for name in ("train", "validation")}

    @cached_property
    def target(self) -> TargetTransform:
        """Return the transform of a regression's target."""
        return self.transform or self.transforms()[0]

    def transforms(self, log_links: tuple[Objective, ...] = (), *, logarithms: bool = False) -> list[TargetTransform]:
        """Return the transforms of a regression's target that are worth comparing.

        Args:
            log_links: The algorithm's objectives whose predictions are logarithms.
            logarithms: Whether models may learn the target's logarithm.
        """
        train, validation = self.values["train"], self.values["validation"]
        every = np.concatenate([train, validation])
        return target_transforms(train, every, metric=self.metric, log_links=log_links, logarithms=logarithms)

    def with_transform(self, transform: TargetTransform) -> LearningRows:
        """Return these rows with another transform of their target."""
        return self if transform == self.target else replace(self, transform=transform, source=self)

    def select_transform(
        self, algorithm: Algorithm[ConfigT], config: ConfigT, task: TrainingTask, context: RunContext
    ) -> tuple[LearningRows, tuple[str, ...]]:
        """Compare transforms of a regression's target; classes, and targets of images, are not transformed.

        Args:
            algorithm: Trains with each transform.
            config: Hyper-parameters of the candidate.
            task: Task with the first transform.
            context: Context of the candidate; the comparison uses a fraction of the time until its deadline.

        Returns:
            The rows with the transform that the algorithm learns best, and notes on the comparison.
        """
        if self.dataset.task != "regression" or not self.metric or task.train.image.size:
            return self, ()
        from pipeline.training.search.target_selection import select_target_transform

        # A loss or quantiles of train.yaml apply to the target or its logarithm, and exclude log-link objectives.
        has_loss = isinstance(config, NetworkConfig) and bool(config.loss or config.quantiles)
        log_links = () if has_loss else algorithm.log_links
        signature = self.dataset.signature
        transform, note = select_target_transform(
            algorithm,
            config,
            replace(task, train=self.all),
            context,
            self.transforms(log_links, logarithms=True),
            lambda values, y_true, weight: measure(
                signature, y_true, Predictions.of(signature, values), weight=weight, only=self.metric
            )[self.metric],
        )
        return self.with_transform(transform), (note,) if note else ()

    def smear(self, out_of_fold: Floats | None, validation: Floats) -> LearningRows:
        """Return the rows with a target transform whose smearing factor fits held-out predictions (TargetTransform).

        Args:
            out_of_fold: Out-of-fold predictions for all rows, NaN for rows that no fold held out; None: there are none.
            validation: Predictions for the validation rows.
        """
        if self.dataset.task != "regression" or not self.target.is_smeared:
            return self
        rows = self.encoded["validation"] if out_of_fold is None else self.all
        outputs = validation if out_of_fold is None else out_of_fold
        predicted = outputs[:, 0] if outputs.ndim == 2 else outputs
        held = np.flatnonzero(np.isfinite(predicted))
        weight = None if rows.weight is None else rows.weight[held]
        return self.with_transform(self.target.smeared(predicted[held], rows.target[held], weight))

    @property
    def sensitivity(self) -> float:
        """Return the change of the target's largest value, in standard deviations, if a prediction changes by 1."""
        return self.target.sensitivity(self.values["train"]) if self.dataset.task == "regression" else 1.0

    @cached_property
    def resolution(self) -> float:
        """Return the rounding error of float32 at the target's size, in standard deviations; 0 for classification."""
        if self.dataset.task != "regression":
            return 0.0
        mean, std = float(self.values["train"].mean()), float(self.values["train"].std()) or 1.0
        return 2 * float(np.spacing(np.float32(abs(mean) + std))) / std

    def denormalize(self, predicted: Floats) -> Floats:
        """Return a regression's predictions in the target's own units; probabilities are unchanged."""
        if self.dataset.task != "regression":
            return predicted
        return self.target.inverse(predicted)

    def apply_target(self, task: TrainingTask) -> TrainingTask:
        """Return ``task`` with these rows, and the objective and units of their target."""
        train, validation = self.encoded["train"], self.encoded["validation"]
        if self.dataset.task != "regression":
            return replace(task, train=train, validation=validation)
        return self.target.apply_to_task(task, train, validation)

    @cached_property
    def encoded(self) -> Mapping[str, Rows]:
        """Return the encoded rows, by split."""
        if self.source is not None:
            return {name: self.target.apply(rows, self.values[name]) for name, rows in self.source.encoded.items()}
        encoding = Encoding.of(self.dataset)
        return {
            name: Rows(
                **encoding.encode(split),
                target=self._target(split),
                weight=self._weight(split),
                group=self._groups.get(name),
                time=self._time(split),
            )
            for name, split in ((name, self.splits[name]) for name in ("train", "validation"))
        }

    @cached_property
    def all(self) -> Rows:
        """Return the training rows followed by the validation rows."""
        return self.encoded["train"].concat(self.encoded["validation"])

    @cached_property
    def edges(self) -> Rows:
        """Return encoded edge rows (evaluation.golden.edge_rows) made from the validation rows; their target is 0."""
        signature = self.dataset.signature
        frame = edge_rows(self.splits["validation"], signature)
        target = np.zeros(frame.height, self.encoded["validation"].target.dtype)
        return Rows(**Encoding.of(self.dataset).encode(frame), target=target)

    @property
    def can_fold(self) -> bool:
        """Return whether folds can be made: the groups of the rows are known, or their times for a split by time."""
        if self.dataset.split_by == "time":
            return self.encoded["train"].time is not None
        return bool(self._groups)

    def _target(self, split: pl.DataFrame) -> npt.NDArray[Any]:
        if self.dataset.task == "clustering":
            return np.zeros(split.height, np.int64)
        values = truth(split, self.dataset.signature)
        if self.dataset.task == "regression":
            return self.target.forward(values)
        return class_numbers(values, self.dataset.classes)

    def weight_of(self, split: pl.DataFrame) -> npt.NDArray[np.float64] | None:
        """Return the weight of each row and its class in metrics [rows]; None: all count the same."""
        return row_weights(split, self.dataset, self.class_weights)

    def _weight(self, split: pl.DataFrame) -> npt.NDArray[np.float32] | None:
        """Return the weight of each row in training [rows]; the mean over the training rows is 1."""
        weight = self.weight_of(split)
        return None if weight is None else (weight / self._mean_weight).astype(np.float32)

    @cached_property
    def _mean_weight(self) -> float:
        weight = self.weight_of(self.splits["train"])
        return 1.0 if weight is None else float(weight.mean())

    @cached_property
    def _groups(self) -> Mapping[str, npt.NDArray[np.uint64]]:
        """Return the group of each row, by split; empty if groups are unknown."""
        train, validation = (self._group(self.splits[name]) for name in ("train", "validation"))
        if train is None or validation is None:
            return {}
        groups = np.concatenate([train, validation])
        if self.dataset.split_by == "random":
            groups = separate_frequent(groups, _MAX_COPIES_FRACTION)
        return {"train": groups[: len(train)], "validation": groups[len(train) :]}

    def _group(self, split: pl.DataFrame) -> npt.NDArray[np.uint64] | None:
        """Return the group of each row; for split files of older versions, equal rows are a group."""
        if self._has_hidden(split, GROUP):
            return split[GROUP].to_numpy()
        if self.dataset.split_by != "random":
            return None
        return split.drop(self.dataset.weight or [], strict=False).hash_rows().to_numpy()

    def _time(self, split: pl.DataFrame) -> npt.NDArray[np.float64] | None:
        return split[TIME].to_numpy() if self._has_hidden(split, TIME) else None

    def _has_hidden(self, split: pl.DataFrame, name: str) -> bool:
        columns = {self.dataset.target, self.dataset.weight, *(column.name for column in self.dataset.columns)}
        return name in split.columns and name not in columns
