"""Records that a Batch job writes, with the reason of a failure: ``.sync`` reports only States.TaskFailed."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import model_validator

from pipeline.contracts.algorithms.hyperparameter import Settings
from pipeline.contracts.record import Record
from pipeline.contracts.records.decision import Decision, DecisionFit
from pipeline.contracts.records.run import RunError

__all__ = [
    "BODY",
    "CHECKPOINT",
    "EDGES",
    "MODEL",
    "OUT_OF_FOLD",
    "REFERENCE",
    "TRAINED",
    "UPLOADED",
    "WEIGHTS",
    "Attempts",
    "CandidateOutcome",
    "JobOutcome",
    "TrainedCandidate",
    "Trial",
]

# A candidate's files (object_keys.RunKeys.candidate); TrainedCandidate describes their contents.
MODEL, BODY, REFERENCE = "model.onnx", "body.onnx", "reference.npz"
EDGES = "edges"  # array in reference.npz: predictions for edge rows
CHECKPOINT = "checkpoint.pt"  # exists during training; a later attempt resumes from it
WEIGHTS = "checkpoint.safetensors"  # weights of a network, in a format that cannot contain code
# File of a bag. Its array ``answers`` has out-of-fold predictions for the training rows, then for the validation rows:
# probabilities, or values and their quantiles; NaN for a row that no fold held out.
OUT_OF_FOLD = "out_of_fold.npz"
UPLOADED = "uploaded.onnx"  # an uploaded model, unchanged
TRAINED = "trained.json"  # uploaded last: a candidate with this file is complete


class CandidateOutcome(Record):
    """The outcome of a candidate: it was trained, was dropped before training (``reason``), or failed (``error``)."""

    candidate: str
    status: Literal["trained", "dropped", "failed"]
    error: RunError | None = None
    reason: str = ""
    seconds: float


class Attempts(Record):
    """The seconds of each attempt of a job so far; a lost attempt may lack its last seconds."""

    seconds: tuple[float, ...]


class JobOutcome(Record):
    """The outcome of a job, written as its last step; ``candidates`` is empty if the job trains none."""

    job: str
    status: Literal["SUCCEEDED", "FAILED"]
    error: RunError | None = None
    retryable: bool = False
    device: str  # device that it ran on: "cpu", "cuda:0 (NVIDIA L4)", "cpu, in place of a GPU"
    seconds: float  # duration of all attempts
    attempts: int = 1
    candidates: tuple[CandidateOutcome, ...] = ()


class Trial(Record):
    """One trial of a search.

    Attributes:
        settings: The settings that were tried.
        quality: Value of the plan's metric, the mean over folds if there are several; None: the trial failed.
        seconds: Duration in seconds.
        status: best: its settings are used; kept: it was scored; dropped: it was pruned, or halving did not promote it;
            failed.
        rung: Rung of successive halving, from 0.
        reason: Why the trial was dropped or failed.
    """

    settings: Settings
    quality: float | None
    seconds: float
    status: Literal["best", "kept", "dropped", "failed"]
    rung: int = 0
    reason: str = ""


class TrainedCandidate(Record):
    """A trained candidate: the content of its file ``trained.json``.

    The candidate's file ``model.onnx`` reads raw columns (contracts.signature), ``body.onnx`` encoded ones.
    ``reference.npz`` has the predictions of the training library for the validation rows, with which another process
    verifies the export: ``probabilities`` float32 [rows, classes], or ``value`` float64 [rows] and ``quantiles`` [rows,
    quantiles]. ``no_int8`` is the reason why the weights are not quantized; it is empty if int8 applies.
    """

    candidate: str
    algorithm: str
    device: str
    seconds: float
    quality: dict[str, float]  # metric -> value on out-of-fold predictions; if ``folds`` is 0, on the validation rows
    interval: dict[str, tuple[float, float]] = {}  # metric -> 95 % interval; empty unless it is a bag
    folds: int = 0  # number of models of the bag, each measured on its held-out rows; 0: it is one model
    no_int8: str = ""
    tolerance: float  # maximum difference of the export: absolute in probabilities, relative to the target's std
    history: tuple[dict[str, float], ...] = ()  # one record per epoch; empty for an algorithm without epochs
    settings: Settings = {}
    trials: tuple[Trial, ...] = ()
    notes: tuple[str, ...] = ()  # changes during training: a lowered learning rate, a halved batch, a spent time budget
    classes: tuple[str, ...] = ()  # clustering only: names of the clusters
    quantiles: tuple[float, ...] = ()  # quantiles that a regression predicts for intervals
    privacy: dict[str, float] = {}  # epsilon spent, delta
    decision: Decision = Decision()  # classification only: fitted to out-of-fold predictions
    decision_fit: DecisionFit | None = None
    model_sha256: str

    @model_validator(mode="before")
    @classmethod
    def _read_cross_validated(cls, record: Any) -> Any:
        """Read records of older releases, which have out-of-fold metrics in separate fields (``cross_quality``)."""
        if not isinstance(record, dict) or "cross_quality" not in record:
            return record
        values = {name: value for name, value in record.items() if not name.startswith("cross_")}
        if not record["cross_quality"]:
            return values
        return {**values, "quality": record["cross_quality"], "interval": record.get("cross_interval", {}), "folds": 5}
