"""What an algorithm is, what it is given (a task and a run context), and what it returns. Imports nothing heavy."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
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
_MIN_SIZE_QUANTILE = 0.01  # the quantile of the values' sizes below which a relative error counts as at it


def objective_of(metric: str) -> Objective:
    """Return the loss of values whose minimum is the best value of ``metric``, or near it."""
    if metric == "mape":
        return "relative_error"
    return "absolute_error" if metric in _ABSOLUTE else "squared_error"


def _no_text() -> npt.NDArray[np.object_]:
    return np.empty((0, 0), object)


def _no_image() -> npt.NDArray[np.uint8]:
    return np.empty((0, 0, 0, 0), np.uint8)


@dataclass(frozen=True, kw_only=True, slots=True)
class Rows:
    """``num``, ``cat``, ``text``, ``image`` as graphs.encoding has them (of size 0 where there are none).

    ``target`` [rows]: class numbers, or standardized values; of clustering zeros. ``weight`` [rows], float32 with a
    mean of 1: what the rows, and their classes, count; None: all the same.

    ``group`` [rows], uint64: equal for rows that must be in the same fold, as exact copies and one value of
    ``split.column`` are; None: each row is by itself. ``time`` [rows], float64, grows with time where the rows are
    split by it; else None.
    """

    num: npt.NDArray[np.float32]
    cat: npt.NDArray[np.int64]
    target: npt.NDArray[Any]
    text: npt.NDArray[np.object_] = field(default_factory=_no_text)
    image: npt.NDArray[np.uint8] = field(default_factory=_no_image)
    weight: npt.NDArray[np.float32] | None = None
    group: npt.NDArray[np.uint64] | None = None
    time: npt.NDArray[np.float64] | None = None

    def __len__(self) -> int:
        return len(self.target)

    def joined(self, more: Rows) -> Rows:
        """Append ``more`` rows."""
        return Rows(
            num=np.concatenate([self.num, more.num]),
            cat=np.concatenate([self.cat, more.cat]),
            target=np.concatenate([self.target, more.target]),
            text=np.concatenate([self.text, more.text]) if self.text.size else self.text,
            image=np.concatenate([self.image, more.image]) if self.image.size else self.image,
            weight=_join(self.weight, more.weight),
            group=_join(self.group, more.group),
            time=_join(self.time, more.time),
        )

    def take(self, chosen: npt.NDArray[Any]) -> Rows:
        """Select rows by their indices, or by a mask."""
        return Rows(
            num=self.num[chosen],
            cat=self.cat[chosen],
            target=self.target[chosen],
            text=self.text[chosen] if self.text.size else self.text,
            image=self.image[chosen] if self.image.size else self.image,
            weight=None if self.weight is None else self.weight[chosen],
            group=None if self.group is None else self.group[chosen],
            time=None if self.time is None else self.time[chosen],
        )


def _join(first: npt.NDArray[Any] | None, second: npt.NDArray[Any] | None) -> npt.NDArray[Any] | None:
    return None if first is None or second is None else np.concatenate([first, second])


class Checkpoints(Protocol):
    """Where a candidate's unfinished training is kept, so that a later attempt goes on from it."""

    @property
    def seconds(self) -> float:
        """Between two, at least."""
        ...

    def load(self) -> bytes | None:
        """Return the last state that was saved; None where there is none."""
        ...

    def save(self, state: bytes) -> None:
        """Keep a state instead of the one before."""
        ...


class NoCheckpoints:
    """Nothing is kept."""

    seconds = math.inf

    def load(self) -> bytes | None:
        """Return None."""
        return None

    def save(self, state: bytes) -> None:
        """Forget it."""


def _as_they_are(values: Floats) -> Floats:
    return values


def _ignore_point(point: Mapping[str, float]) -> None:
    """Nobody looks at the learning curve."""


def _ignore_report(text: str) -> None:
    """Nobody follows."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PretrainedModel:
    """A registered network that a training begins from.

    Args:
        version: Its model version, as notes name it.
        weights: Its checkpoint.
        same_answers: Whether it predicts the same classes, or values.
        rows: The rows that it was trained on, without their target.
    """

    version: str
    weights: Path
    same_answers: bool
    rows: Rows


@dataclass(frozen=True, kw_only=True, slots=True)
class RunContext:
    """Where a training runs, and who follows it. The same for every fold: what is learned is in TrainingTask.

    Args:
        device: As torch names it.
        threads: Processors that it may use.
        report: Is told a few words of how far it is.
        deadline: Of ``clock``, after which the best so far is taken.
        clock: Returns seconds that only grow.
        checkpoints: Where the unfinished training is kept.
        watch: Is shown the points of the learning curve (records.training_curves).
        process: Which it is of those that train together (training.distributed).
    """

    device: str = "cpu"
    threads: int = 1
    report: Report = _ignore_report
    deadline: float = math.inf
    clock: Callable[[], float] = time.monotonic
    checkpoints: Checkpoints = field(default_factory=NoCheckpoints)
    watch: Callable[[Mapping[str, float]], None] = _ignore_point
    process: Process = field(default_factory=Process)

    def without_observers(self) -> RunContext:
        """Return the context of a training that nobody follows and that keeps no checkpoints, as of a comparison."""
        return replace(self, report=_ignore_report, watch=_ignore_point, checkpoints=NoCheckpoints())


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingTask:
    """What there is to learn: rows, their target, and what is minimized. Folds replace the rows.

    Args:
        classes: Number of classes; 0 for regression and clustering.
        cardinalities: Number of ids of each categorical column.
        train: Rows to learn from.
        validation: Rows held out: for early stopping, and to compare candidates by.
        seed: Of the algorithm's random numbers.
        kind: Classification, regression or clustering.
        metric: What candidates are compared by.
        code: The user's model.py.
        objective: The loss of a regression; None: the metric's (objective_of).
        denormalize: Turns predictions of a regression into the target's own units.
        learned_values: The same of the rows' targets.
        minimum: Below which no value is predicted.
        positive: Of two classes the number of the one that F1 and average precision are of.
        base: What a network with the setting ``base_model`` begins from.
        tuned: What fold models found by the rows that they held out (FittedModel.tuned): a refit on all rows takes
            it and holds none out; None: ``validation`` is held out.
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
    denormalize: Callable[[Floats], Floats] = _as_they_are
    learned_values: Callable[[Floats], Floats] = _as_they_are
    minimum: float | None = None
    positive: int = 1
    base: PretrainedModel | None = None
    tuned: Mapping[str, float] | None = None

    @property
    def loss(self) -> Objective:
        """The loss that a regression minimizes."""
        return self.objective or objective_of(self.metric)

    def loss_weight(self, rows: Rows) -> npt.NDArray[np.float32] | None:
        """Return what each row's loss counts [rows]: its weight, and for relative errors one over the value's size.

        None: all alike.
        """
        if self.classes or self.loss != "relative_error":
            return rows.weight
        sizes = np.abs(self.learned_values(rows.target))
        weight: Floats = 1 / np.maximum(
            sizes, np.quantile(sizes[sizes > 0], _MIN_SIZE_QUANTILE) if sizes.any() else 1.0
        )
        weight = weight if rows.weight is None else weight * rows.weight
        scaled: npt.NDArray[np.float32] = (weight / weight.mean()).astype(np.float32)
        return scaled

    def built_from(self, config: NetworkConfig) -> Rows:
        """Return the rows that a network's ranges, bins and vocabularies are taken from.

        Where it goes on from a base model these are the base's: it is built alike, so that the weights mean the same.
        """
        return self.base.rows if self.base is not None and config.base_model else self.train


@dataclass(frozen=True, kw_only=True, slots=True)
class FittedModel:
    """A trained model. ``predict``, by the library itself: probabilities [rows, classes] or standardized values [rows].

    ``body`` exports it (graphs.served_graph). ``history``: one record an epoch. ``weights``: what a checkpoint holds.
    ``notes``, ``classes``, ``quantiles``, ``privacy``: as contracts.records.outcome.TrainedCandidate has them.
    ``tuned``: what it found by the rows that it held out, by name: how many trees or epochs, a factor.
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
    """An algorithm: its description, its hyper-parameters, and how it is trained.

    ``no_int8``, ``tolerance``: as TrainedCandidate has them. ``log_links``: its objectives whose predictions are
    logarithms (features.target_transform).
    ``side_by_side``: trains several configs at once, in less time than one after the other; None where these cannot be.
    """

    spec: AlgorithmSpec
    config: type[ConfigT]
    tolerance: float
    train: Callable[[ConfigT, TrainingTask, RunContext], FittedModel]
    no_int8: str = ""
    log_links: tuple[Objective, ...] = ()
    side_by_side: Callable[[Sequence[ConfigT], TrainingTask, RunContext], Sequence[FittedModel] | None] | None = None

    @property
    def name(self) -> str:
        """Name of the algorithm."""
        return self.spec.name

    def configure(self, settings: Mapping[str, Setting]) -> ConfigT:
        """Return the config with these settings and the defaults of the others.

        Raises:
            CandidateFailedError: The algorithm has no such setting, or the setting cannot have the value.
        """
        self.check_names(settings)
        for name, value in settings.items():
            if problem := self.spec.value_error(name, value):
                raise CandidateFailedError(f"{self.name}: {name}: {problem}")
        return self.config.model_validate(dict(settings))

    def check_names(self, names: Iterable[str]) -> None:
        """Check that the algorithm has settings of these names.

        Raises:
            CandidateFailedError: It has not.
        """
        for name in names:
            if self.spec.hyperparameter(name) is None:
                raise CandidateFailedError(
                    f"{self.name} has no setting '{name}': {did_you_mean(name, self.spec.defaults)}"
                )
