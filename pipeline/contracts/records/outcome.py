"""Records that a Batch job writes: ``.sync`` reports only States.TaskFailed to the state machine, they say why."""

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
EDGES = "edges"  # in reference.npz: the predictions for edge rows
CHECKPOINT = "checkpoint.pt"  # during training; a later attempt resumes from it
WEIGHTS = "checkpoint.safetensors"  # weights of a network; the format has no code
# Of a bag: ``answers`` are predictions for the training rows, then for the validation rows: probabilities, or values
# with their quantiles; NaN for a row that no fold held out.
OUT_OF_FOLD = "out_of_fold.npz"
UPLOADED = "uploaded.onnx"  # an uploaded model, unchanged
TRAINED = "trained.json"  # uploaded last: a candidate that has it is complete


class CandidateOutcome(Record):
    """The outcome of a candidate: it was trained, was dropped before (``reason``), or failed (``error``)."""

    candidate: str
    status: Literal["trained", "dropped", "failed"]
    error: RunError | None = None
    reason: str = ""
    seconds: float


class Attempts(Record):
    """The seconds of each attempt of a job so far; a lost attempt may lack its last seconds."""

    seconds: tuple[float, ...]


class JobOutcome(Record):
    """The outcome of a job, which writes it last; ``candidates`` is empty if the job trains none."""

    job: str
    status: Literal["SUCCEEDED", "FAILED"]
    error: RunError | None = None
    retryable: bool = False
    device: str  # what really ran: "cpu", "cuda:0 (NVIDIA L4)", "cpu, standing in for the GPU queue"
    seconds: float  # of all its attempts
    attempts: int = 1
    candidates: tuple[CandidateOutcome, ...] = ()


class Trial(Record):
    """One trial of a search.

    Attributes:
        settings: The settings that were tried.
        quality: The plan's metric, the mean over folds if there are several; None: it failed.
        seconds: Duration.
        status: best: used; kept: scored; dropped: pruned, or not promoted by halving; failed.
        rung: Rung of successive halving, from 0.
        reason: Why it was dropped or failed.
    """

    settings: Settings
    quality: float | None
    seconds: float
    status: Literal["best", "kept", "dropped", "failed"]
    rung: int = 0
    reason: str = ""


class TrainedCandidate(Record):
    """A trained candidate: ``trained.json``, beside its other files.

    ``model.onnx`` reads raw columns (contracts.signature), ``body.onnx`` encoded ones. ``reference.npz`` has the
    predictions of the training library for the validation rows, with which another process verifies the export:
    ``probabilities`` float32 [rows, classes], or ``value`` float64 [rows] and ``quantiles`` [rows, quantiles].
    ``no_int8`` is why the weights are not quantized; it is empty if int8 applies.
    """

    candidate: str
    algorithm: str
    device: str
    seconds: float
    quality: dict[str, float]  # metric -> value, out-of-fold over all rows; without ``folds`` on the validation rows
    interval: dict[str, tuple[float, float]] = {}  # 95 %, of a bag
    folds: int = 0  # models of the bag, each measured on rows that it has not learned from; 0: it is one model
    no_int8: str = ""
    tolerance: float  # maximum difference of the export: absolute in probabilities, relative to the target's std
    history: tuple[dict[str, float], ...] = ()  # one record an epoch, for those that have epochs
    settings: Settings = {}
    trials: tuple[Trial, ...] = ()
    notes: tuple[str, ...] = ()  # changes while it trained: a lowered rate, a halved batch, a used-up budget
    classes: tuple[str, ...] = ()  # of a clustering: its clusters
    quantiles: tuple[float, ...] = ()  # of a regression that predicts intervals
    privacy: dict[str, float] = {}  # epsilon spent, delta
    decision: Decision = Decision()  # of a classification: fitted to out-of-fold predictions
    decision_fit: DecisionFit | None = None
    model_sha256: str

    @model_validator(mode="before")
    @classmethod
    def _read_cross_validated(cls, record: Any) -> Any:
        """Read records of versions before the bag, whose out-of-fold metrics stand beside the validation metrics."""
        if not isinstance(record, dict) or "cross_quality" not in record:
            return record
        values = {name: value for name, value in record.items() if not name.startswith("cross_")}
        if not record["cross_quality"]:
            return values
        return {**values, "quality": record["cross_quality"], "interval": record.get("cross_interval", {}), "folds": 5}
