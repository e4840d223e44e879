"""Description of an uploaded model: the data set, the settings and the rows that later stages read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from pipeline.brought.inputs import GraphInput
from pipeline.brought.outputs import GraphOutputs
from pipeline.brought.rows import CalibrationFile, to_frame
from pipeline.contracts.errors import InvalidJobSpecError, InvalidModelError
from pipeline.contracts.object_keys import CALIBRATION
from pipeline.contracts.record import Record
from pipeline.contracts.records.dataset import ColumnProfile, Dataset, SplitRows
from pipeline.contracts.signature import Column, Signature, join_targets
from pipeline.contracts.spec.job_spec import JobSpec
from pipeline.contracts.spec.metrics import check_metric

__all__ = ["BroughtTask", "Description", "ModelRows"]

Feeds = Mapping[str, npt.NDArray[Any]]


class BroughtTask(Record):
    """The uploaded model to read.

    Attributes:
        file: Name of the uploaded file.
        spec: Settings of train.yaml.
        has_calibration: Whether calibration.csv was uploaded with the file.
    """

    file: str
    spec: JobSpec
    has_calibration: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelRows:
    """Rows and the uploaded file's predictions for them: labels and probabilities, or values and no labels."""

    feeds: Feeds
    labels: npt.NDArray[Any]
    numbers: npt.NDArray[np.float64]
    truth: npt.NDArray[Any] | None

    def take(self, indices: npt.NDArray[np.int64]) -> ModelRows:
        """Return the rows with these indices."""
        return ModelRows(
            feeds={name: values[indices] for name, values in self.feeds.items()},
            labels=self.labels[indices] if len(self.labels) else self.labels,
            numbers=self.numbers[indices],
            truth=None if self.truth is None else self.truth[indices],
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Description:
    """The task, inputs, outputs and calibration rows of an uploaded file."""

    task: BroughtTask
    inputs: Sequence[GraphInput]
    outputs: GraphOutputs
    calibration: CalibrationFile | None

    @property
    def columns(self) -> tuple[Column, ...]:
        """Columns that the model reads, in the order of its inputs."""
        return tuple(column for graph_input in self.inputs for column in graph_input.columns)

    @property
    def targets(self) -> tuple[str, ...]:
        """Names of several predicted values; empty for a single value and for classification."""
        width = self.outputs.width
        if self.outputs.form != "values" or width == 1:
            return ()
        named = self.task.spec.targets
        return named if len(named) == width else tuple(f"{self.outputs.names[0]}_{index}" for index in range(width))

    @property
    def target(self) -> str:
        """Name of the target, which no column has."""
        if self.targets:
            return join_targets(self.targets)
        name = (self.calibration.target if self.calibration else "") or self.task.spec.target or "prediction"
        used_names = {column.name for column in self.columns}
        while name in used_names:
            name += "_"
        return name

    @property
    def signature(self) -> Signature:
        """Return the signature of the served file."""
        return Signature(
            task=self.outputs.task,
            target=self.target,
            columns=self.columns,
            classes=self.outputs.classes,
            targets=self.targets,
        )

    def truth(self, rows: int) -> npt.NDArray[Any] | None:
        """Return the labels or values in calibration.csv; None if it has none.

        Raises:
            InvalidModelError: A cell is not a class of the model, or not a number.
        """
        if self.calibration is None or not self.calibration.target or self.targets:
            return None
        cells = self.calibration.truth()[:rows]
        where = f"{CALIBRATION}, column '{self.calibration.target}'"
        if self.outputs.task == "classification":
            if unknown := [cell for cell in cells if cell not in self.outputs.classes]:
                raise InvalidModelError(
                    f"{where}: '{unknown[0][:60]}' is not a class of the model: {', '.join(self.outputs.classes[:5])}"
                )
            return np.array(cells, object)
        try:
            return np.array([float(cell) for cell in cells])
        except ValueError as error:
            raise InvalidModelError(f"{where}: {error}") from None

    def frame(self, rows: ModelRows, dataset: Dataset) -> pl.DataFrame:
        """Return rows in the form of a split file; without labels, the target is what the uploaded file predicts."""
        frame = to_frame(rows.feeds, self.columns)
        if self.targets:
            values = [pl.Series(name, rows.numbers[:, index]) for index, name in enumerate(self.targets)]
            return frame.with_columns(values)
        truth = rows.truth
        if truth is None:
            truth = rows.labels if self.outputs.task == "classification" else rows.numbers
        dtype = pl.String if self.outputs.task == "classification" else pl.Float64
        return frame.with_columns(pl.Series(dataset.target, truth.tolist(), dtype=dtype))

    def dataset(self, splits: Mapping[str, ModelRows], sha256: str, *, dropped: int) -> Dataset:
        """Return the record of the data set that the rows form."""
        train = splits["train"]
        counts = Counter((train.labels if train.truth is None else train.truth).tolist())
        return Dataset(
            task=self.outputs.task,
            target=self.target,
            columns=tuple(_profile(column, train.feeds[column.name]) for column in self.columns),
            classes=self.outputs.classes,
            class_rows=tuple(counts.get(label, 0) for label in self.outputs.classes),
            rows=SplitRows(**{name: len(split.numbers) for name, split in splits.items()}),
            set_aside=dropped,
            warnings=tuple(self._warnings(len(train.numbers), is_labeled=train.truth is not None)),
            sha256=sha256,
            targets=self.targets,
        )

    def spec(self, dataset: Dataset) -> JobSpec:
        """Return the settings for later stages; without labels, the metric measures agreement with the uploaded file.

        Raises:
            InvalidJobSpecError: The metric of train.yaml does not measure the task.
        """
        spec = self.task.spec
        changes: dict[str, Any] = {}
        if spec.task is not None and spec.task != dataset.task:
            raise InvalidJobSpecError(
                f"task: {spec.task} is asked for, and {self.task.file} has the output of {dataset.task}"
            )
        is_labeled = bool(self.calibration and self.calibration.target and not self.targets)
        if spec.metric is not None and is_labeled:
            check_metric(spec.metric, dataset.task, dataset.classes)
        elif not is_labeled:
            changes["metric"] = "accuracy" if dataset.task == "classification" else "r2"
        if self.calibration is None:
            changes["compression"] = spec.compression.model_copy(update={"precisions": ("fp32",), "passes": "auto"})
        return spec.model_copy(update={**changes, "target": dataset.target if not self.targets else None})

    def _warnings(self, rows: int, *, is_labeled: bool) -> list[str]:
        file = self.task.file
        sentences = [f"'{file}' was trained elsewhere and is served as it was uploaded"]
        if self.calibration is None:
            sentences.append(
                f"no {CALIBRATION} was uploaded with it: it was tested on generated rows, quality is its agreement "
                "with the uploaded file on them, and int8 and int4 were not tried"
            )
        elif not is_labeled:
            sentences.append(
                f"{CALIBRATION} has no labels (a column that 'target' in train.yaml names): quality is agreement with "
                "the uploaded file, not with the truth"
            )
        if self.outputs.form == "values" and self.outputs.width > 1 and self.task.spec.task is None:
            sentences.append(
                f"the {self.outputs.width} numbers of output '{self.outputs.names[0]}' are served as values, since "
                "they do not add up to 1; if they are logits of classes, 'task: classification' in train.yaml turns "
                "them into probabilities"
            )
        return sentences


def _profile(column: Column, values: npt.NDArray[Any]) -> ColumnProfile:
    profile = partial(ColumnProfile, name=column.name, kind=column.kind, shape=column.shape, is_wide=column.is_wide)
    if column.kind == "image":
        return profile(missing=0, distinct=len(values))
    if column.kind == "text":
        return profile(missing=int((values == "").sum()), distinct=len(set(values.tolist())))
    finite = values[np.isfinite(values)].astype(np.float64)
    profile = partial(profile, missing=len(values) - len(finite), distinct=len(np.unique(finite)))
    if not len(finite):
        return profile()
    return profile(
        mean=float(finite.mean()),
        std=float(finite.std()),
        minimum=float(finite.min()),
        median=float(np.median(finite)),
        maximum=float(finite.max()),
    )
