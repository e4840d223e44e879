"""The rows that models learn from, encoded for the algorithms: features, target, weight, and which stay together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from pipeline.contracts.records.dataset import GROUP, TIME, Dataset
from pipeline.evaluation.row_weights import ClassWeights, row_weights
from pipeline.evaluation.scoring import truth
from pipeline.graphs.encoding import CAT, IMAGE, NUM, TEXT, Encoding
from pipeline.training.algorithm import Rows
from pipeline.training.resampling.folds import separate_frequent

__all__ = ["LearningRows"]

Floats = npt.NDArray[np.floating[Any]]

_MAX_COPIES_SHARE = 0.05  # of the rows: exact copies of one row that stay together


@dataclass(frozen=True, kw_only=True)
class LearningRows:
    """The rows of the training and validation splits.

    Args:
        dataset: How the splits are read.
        splits: ``train`` and ``validation``, as contracts.records.dataset has them.
        class_weights: What rows of a class count; ``balanced``: each class as much as another.
    """

    dataset: Dataset
    splits: Mapping[str, pl.DataFrame]
    class_weights: ClassWeights = None

    @cached_property
    def scale(self) -> tuple[float, float]:
        """Mean and standard deviation of a regression's target in the training rows; models learn it standardized."""
        values = truth(self.splits["train"], self.dataset.signature)
        return float(values.mean()), float(values.std()) or 1.0

    @cached_property
    def resolution(self) -> float:
        """What a float32 of the target's size cannot tell, in units of its standard deviation; 0 for classification."""
        if self.dataset.task != "regression":
            return 0.0
        mean, std = self.scale
        return 2 * float(np.spacing(np.float32(abs(mean) + std))) / std

    def denormalize(self, predicted: Floats) -> Floats:
        """Return a regression's predictions in the target's own units; probabilities as they are."""
        if self.dataset.task != "regression":
            return predicted
        mean, std = self.scale
        return predicted.astype(np.float64) * std + mean

    @cached_property
    def encoded(self) -> Mapping[str, Rows]:
        """The rows of both splits, by name."""
        encoding = Encoding.of(self.dataset)
        rows = {}
        for name in ("train", "validation"):
            encoded = encoding.encode(self.splits[name])
            rows[name] = Rows(
                num=encoded[NUM],
                cat=encoded[CAT],
                text=encoded[TEXT],
                image=encoded[IMAGE],
                target=self._target(self.splits[name]),
                weight=self._weight(self.splits[name]),
                group=self._groups.get(name),
                time=self._time(self.splits[name]),
            )
        return rows

    @cached_property
    def all(self) -> Rows:
        """The rows that train, then those that validate."""
        return self.encoded["train"].joined(self.encoded["validation"])

    @property
    def can_fold(self) -> bool:
        """Whether it is known which rows stay together, or their times where the rows are split by time."""
        if self.dataset.split_by == "time":
            return self.encoded["train"].time is not None
        return bool(self._groups)

    def _target(self, split: pl.DataFrame) -> npt.NDArray[Any]:
        if self.dataset.task == "clustering":
            return np.zeros(split.height, np.int64)
        values = truth(split, self.dataset.signature)
        if self.dataset.task == "regression":
            mean, std = self.scale
            scaled: npt.NDArray[Any] = (values - mean) / std
            return scaled
        number = {label: index for index, label in enumerate(self.dataset.classes)}
        return np.array([number[label] for label in values], np.int64)

    def weight_of(self, split: pl.DataFrame) -> npt.NDArray[np.float64] | None:
        """What each row counts in a metric, its class included; None: all alike."""
        return row_weights(split, self.dataset, self.class_weights)

    def _weight(self, split: pl.DataFrame) -> npt.NDArray[np.float32] | None:
        """What each row counts in training, 1 in the mean of the training rows."""
        weight = self.weight_of(split)
        return None if weight is None else (weight / self._mean_weight).astype(np.float32)

    @cached_property
    def _mean_weight(self) -> float:
        weight = self.weight_of(self.splits["train"])
        return 1.0 if weight is None else float(weight.mean())

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

    def _has_hidden(self, split: pl.DataFrame, name: str) -> bool:
        columns = {self.dataset.target, self.dataset.weight, *(column.name for column in self.dataset.columns)}
        return name in split.columns and name not in columns
