"""The interface of an algorithm: it takes a config, a task and a run context, and returns a fitted model.

This module imports neither torch nor onnx at run time.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Literal, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from pipeline.contracts.algorithms.config import AlgorithmConfig
from pipeline.contracts.algorithms.hyperparameter import Setting
from pipeline.contracts.algorithms.network_config import NetworkConfig
from pipeline.contracts.algorithms.spec import AlgorithmSpec
from pipeline.contracts.compute_cluster import Process
from pipeline.contracts.errors import CandidateFailedError
from pipeline.contracts.signature import Task
from pipeline.contracts.suggestions import did_you_mean

if TYPE_CHECKING:
    import onnx
    import torch

__all__ = [
    "Algorithm",
    "AlgorithmSpec",
    "Checkpoints",
    "ConfigT",
    "FittedModel",
    "NoCheckpoints",
    "Objective",
    "Report",
    "Rows",
    "RunContext",
    "TrainingTask",
    "objective_of",
]

Floats = npt.NDArray[np.floating[Any]]
Report = Callable[[str], None]
Objective = Literal["squared_error", "absolute_error", "relative_error", "poisson", "tweedie"]
ConfigT = TypeVar("ConfigT", bound=AlgorithmConfig)


_ABSOLUTE = frozenset({"mae", "median_absolute_error", "d2_absolute_error", "pinball"})
_MIN_SIZE_QUANTILE = 0.01  # quantile of |target|: smaller values weigh as much as it, so that none dominates


def objective_of(metric: str) -> Objective:
    """Return the loss to minimize for a regression metric: its minimizer is the metric's optimum, or near it."""
    if metric == "mape":
        return "relative_error"
    return "absolute_error" if metric in _ABSOLUTE else "squared_error"


@dataclass(frozen=True, kw_only=True, slots=True)
class Rows:
    """Encoded rows of a data set (graphs.encoding); a kind of input that the data set lacks has size 0.

    Args:
        num: Numbers [rows, numeric columns], float32; NaN where a value is missing.
        cat: Ids of the categories [rows, categorical columns], int64.
        target: Class numbers, or standardized values [rows]; zeros for clustering.
        text: Texts [rows, text columns].
        image: Pixels [rows, height, width, channels], uint8.
        weight: Weight of each row and its class [rows], float32, with a mean of 1; None: all count the same.
        group: Group number of each row [rows], uint64. Rows of one group must be in the same fold: exact copies, and
            rows with one value of ``split.column``. None: each row is a group of its own.
        time: Time of each row [rows], float64 of any scale, if rows are split by time; else None.
    """

    num: npt.NDArray[np.float32]
    cat: npt.NDArray[np.int64]
    target: npt.NDArray[Any]
    text: npt.NDArray[np.object_] = field(default_factory=lambda: np.empty((0, 0), object))
    image: npt.NDArray[np.uint8] = field(default_factory=lambda: np.empty((0, 0, 0, 0), np.uint8))
    weight: npt.NDArray[np.float32] | None = None
    group: npt.NDArray[np.uint64] | None = None
    time: npt.NDArray[np.float64] | None = None

    def __len__(self) -> int:
        return len(self.target)

    def concat(self, more: Rows) -> Rows:
        """Return these rows followed by others of the same columns."""
        following = more._arrays()
        arrays: dict[str, Any] = {
            name: None if array is None or following[name] is None else np.concatenate([array, following[name]])
            for name, array in self._arrays().items()
        }
        return Rows(**arrays)

    def take(self, chosen: npt.NDArray[Any]) -> Rows:
        """Return the rows with these indices, or where a mask [rows] is true."""
        arrays: dict[str, Any] = {
            name: array if array is None or len(array) < len(self) else array[chosen]
            for name, array in self._arrays().items()
        }
        return Rows(**arrays)

    def _arrays(self) -> dict[str, Any]:
        return {array.name: getattr(self, array.name) for array in fields(self)}


class Checkpoints(Protocol):
    """Storage of a candidate's unfinished training, from which a later attempt resumes."""

    @property
    def seconds(self) -> float:
        """Return the minimum number of seconds between two checkpoints; 0: one is saved after each epoch."""
        ...

    def load(self) -> bytes | None:
        """Return the state that was saved last; None if there is none."""
        ...

    def save(self, state: bytes) -> None:
        """Replace the state that was saved before."""
        ...


class NoCheckpoints:
    """Checkpoints of a training that saves none."""

    seconds = math.inf

    def load(self) -> bytes | None:
        """Return None: there is never a state to resume from."""
        return None

    def save(self, state: bytes) -> None:
        """Discard the state."""


def _identity(values: Floats) -> Floats:
    return values


def _ignore_point(point: Mapping[str, float]) -> None:
    """Discard a point of the learning curve."""


def _ignore_report(text: str) -> None:
    """Discard a progress message."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PretrainedModel:
    """A registered network whose weights initialize another one.

    Args:
        version: The model version, which notes name.
        weights: File of the registered network's weights (safetensors).
        has_same_outputs: Whether the registered network predicts the same classes, or values, as the new network.
        rows: The rows that the registered network was trained on; their target is 0.
    """

    version: str
    weights: Path
    has_same_outputs: bool
    rows: Rows


@dataclass(frozen=True, kw_only=True, slots=True)
class RunContext:
    """Where a training runs, and its observers. It is the same for all folds, whose rows are in TrainingTask.

    Args:
        device: Name of the torch device, such as ``cuda:0``.
        threads: Number of threads that the training may use.
        report: Receives progress messages of a few words.
        deadline: Time of ``clock`` after which the training stops with the best model so far.
        clock: Returns seconds that never decrease.
        checkpoints: Storage of the unfinished training.
        watch: Receives the points of the learning curve (records.training_curves).
        process: This process among those that train one network (training.distributed).
    """

    device: str = "cpu"
    threads: int = 1
    report: Report = _ignore_report
    deadline: float = math.inf
    clock: Callable[[], float] = time.monotonic
    checkpoints: Checkpoints = field(default_factory=NoCheckpoints)
    watch: Callable[[Mapping[str, float]], None] = _ignore_point
    process: Process = field(default_factory=Process)

    @property
    def is_timed_out(self) -> bool:
        """Return whether the deadline has passed."""
        return self.clock() > self.deadline

    def numbered(self, label: str, fold: int) -> RunContext:
        """Return the context of one of several trainings; its progress messages and points tell which one.

        Args:
            label: Prefix of the progress messages.
            fold: Value of ``fold`` in the points of the learning curve.
        """
        return replace(
            self,
            report=lambda text: self.report(f"{label}, {text}"),
            watch=lambda point: self.watch({"fold": fold, **point}),
        )

    def without_observers(self) -> RunContext:
        """Return this context without progress messages, learning curve and checkpoints, for trainings on a sample."""
        return replace(self, report=_ignore_report, watch=_ignore_point, checkpoints=NoCheckpoints())


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingTask:
    """What a model learns: rows, their target and the objective. Each fold replaces the rows.

    Args:
        classes: Number of classes; 0 for regression and clustering.
        cardinalities: Number of ids of each categorical column.
        train: Rows to learn from.
        validation: Held-out rows, for early stopping and for the comparison of candidates.
        seed: Seed of the algorithm's random numbers.
        kind: Classification, regression or clustering.
        metric: Metric that candidates are compared by.
        code: The user's model.py.
        objective: Loss of a regression; None: the loss that fits the metric (objective_of).
        denormalize: Converts predictions of a regression to the target's own units.
        denormalize_targets: Converts ``Rows.target`` of a regression to the target's own units.
        minimum: Lower bound of the predicted values; None: there is none.
        positive: Number of the positive class of two, which F1 and average precision measure.
        base: Model that initializes a network with the setting ``base_model``.
        tuned: Settings that fold models chose on their held-out rows (FittedModel.tuned), for a refit on all rows,
            which holds none out; None: ``validation`` is held out.
    """

    classes: int
    cardinalities: tuple[int, ...]
    train: Rows
    validation: Rows
    seed: int
    kind: Task = "classification"
    metric: str = "accuracy"
    code: Path | None = None
    objective: Objective | None = None
    denormalize: Callable[[Floats], Floats] = _identity
    denormalize_targets: Callable[[Floats], Floats] = _identity
    minimum: float | None = None
    positive: int = 1
    base: PretrainedModel | None = None
    tuned: Mapping[str, float] | None = None

    @property
    def loss(self) -> Objective:
        """Return the loss that a regression minimizes."""
        return self.objective or objective_of(self.metric)

    def loss_weight(self, rows: Rows) -> npt.NDArray[np.float32] | None:
        """Return the weight of each row's loss: its own weight, and for relative errors also 1 / |target|.

        Returns:
            Weights [rows], float32; None: all count the same.
        """
        if self.classes or self.loss != "relative_error":
            return rows.weight
        sizes = np.abs(self.denormalize_targets(rows.target))
        weight: Floats = 1 / np.maximum(
            sizes, np.quantile(sizes[sizes > 0], _MIN_SIZE_QUANTILE) if sizes.any() else 1.0
        )
        weight = weight if rows.weight is None else weight * rows.weight
        scaled: npt.NDArray[np.float32] = (weight / weight.mean()).astype(np.float32)
        return scaled

    def reference_rows(self, config: NetworkConfig) -> Rows:
        """Return the rows that a network's ranges, bins and vocabularies are computed from.

        With a base model, these are the rows that it was trained on, so that its weights keep their meaning.
        """
        return self.base.rows if self.base is not None and config.base_model else self.train


@dataclass(frozen=True, kw_only=True, slots=True)
class FittedModel:
    """A trained model.

    Args:
        predict: Predicts with the training library: probabilities [rows, classes], standardized values [rows], or a
            value and its quantiles [rows, 1 + quantiles].
        body: Exports the model as a graph over encoded columns (graphs.served_graph).
        history: Learning curve, one point per epoch.
        weights: Weights of a network by name; None: the model is not a network.
        notes: Notes for the model card.
        classes: Names of the clusters; empty: the classes are the data set's.
        quantiles: Quantiles that are predicted besides the value, in ascending order.
        privacy: ``epsilon`` and ``delta`` of a private training.
        tuned: Settings that were chosen on the held-out rows, by name, such as the number of trees or epochs.
    """

    predict: Callable[[Rows], npt.NDArray[np.floating[Any]]]
    body: Callable[[], onnx.ModelProto]
    history: tuple[dict[str, float], ...] = ()
    weights: Mapping[str, torch.Tensor] | None = None
    notes: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    quantiles: tuple[float, ...] = ()
    privacy: Mapping[str, float] = field(default_factory=dict)
    tuned: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Algorithm(Generic[ConfigT]):
    """An algorithm: its description, its hyper-parameters and its training.

    Args:
        spec: Static description, which the planner reads.
        config: Class of its hyper-parameters.
        train: Trains one model. It raises CandidateFailedError if the settings or the rows do not allow it.
        tolerance: Largest difference allowed between predictions of the library and of the ONNX file, which adds the
            same float32 numbers in another order.
        no_int8: Why the model is not quantized to int8; empty: it may be.
        log_links: Objectives whose predictions are logarithms (features.target_transform).
        train_stacked: Trains several configs at once, which takes less time than one after the other; it returns None
            if these configs must be trained one by one. None: the algorithm cannot.
    """

    spec: AlgorithmSpec
    config: type[ConfigT]
    train: Callable[[ConfigT, TrainingTask, RunContext], FittedModel]
    tolerance: float = 1e-4
    no_int8: str = ""
    log_links: tuple[Objective, ...] = ()
    train_stacked: Callable[[Sequence[ConfigT], TrainingTask, RunContext], Sequence[FittedModel] | None] | None = None

    @property
    def name(self) -> str:
        """Return the name of the algorithm in train.yaml and in the catalog."""
        return self.spec.name

    def configure(self, settings: Mapping[str, Setting]) -> ConfigT:
        """Return a config with these settings; the others have their defaults.

        Raises:
            CandidateFailedError: A setting does not exist, or its value is out of its range.
        """
        self.check_names(settings)
        for name, value in settings.items():
            if problem := self.spec.value_error(name, value):
                raise CandidateFailedError(f"{self.name}: {name}: {problem}")
        return self.config.model_validate(dict(settings))

    def check_names(self, names: Iterable[str]) -> None:
        """Check that the algorithm has settings with these names.

        Raises:
            CandidateFailedError: One does not exist; the message names a similar one.
        """
        for name in names:
            if self.spec.hyperparameter(name) is None:
                raise CandidateFailedError(
                    f"{self.name} has no setting '{name}': {did_you_mean(name, self.spec.defaults)}"
                )
