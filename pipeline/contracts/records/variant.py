"""Variants of the trained candidates, and the selected one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pipeline.contracts.algorithms.hyperparameter import Settings
from pipeline.contracts.record import Record
from pipeline.contracts.records.decision import Decision, DecisionFit
from pipeline.contracts.records.outcome import Trial

__all__ = [
    "PRECISION_OF_PASS",
    "Acceptance",
    "Artifact",
    "CandidateReport",
    "Latency",
    "LeaderboardRow",
    "PassName",
    "Precision",
    "Selection",
    "Status",
    "Variant",
    "VariantOutcome",
    "VariantSet",
]

Precision = Literal["fp32", "fp16", "bf16", "int8", "int4", "codebook"]
PassName = Literal[
    "prune_columns",
    "prune_channels",
    "prune_magnitude",
    "prune_magnitude_per_layer",
    "prune_random",
    "prune_taylor",
    "prune_movement",
    "fine_tune",
    "prune_trees",
    "prune_trees_evenly",
    "prune_trees_first",
    "prune_leaves",
    "distill_trees",
    "share_weights",
    "quantize_trees",
    "fp16",
    "bf16",
    "dynamic_int8",
    "static_int8",
    "static_int8_percentile",
    "static_int8_entropy",
    "mixed_int8",
    "quantization_aware_training",
    "weights_int8",
    "weights_int4",
]
# Passes that set the precision. They are applied last: no later pass can prune or fine-tune the model.
PRECISION_OF_PASS: Mapping[PassName, Precision] = {
    "share_weights": "codebook",
    "quantize_trees": "codebook",
    "fp16": "fp16",
    "bf16": "bf16",
    "dynamic_int8": "int8",
    "static_int8": "int8",
    "static_int8_percentile": "int8",
    "static_int8_entropy": "int8",
    "mixed_int8": "int8",
    "quantization_aware_training": "int8",
    "weights_int8": "int8",
    "weights_int4": "int4",
}
Status = Literal["ok", "rejected", "not_applicable"]
# Why a variant is served or not. A variant with the status ok: is the winner; misses a limit of the JobSpec; is not
# better than another variant in quality, latency or size; is of a worse candidate; or limits.prefer selects another.
VariantOutcome = Literal[
    "winner", "misses_limits", "dominated", "worse_candidate", "less_preferred", "rejected", "not_applicable"
]


class Artifact(Record):
    """An immutable file in the artifacts bucket, packed by pipeline.codec.

    Attributes:
        key: Key of the file (object_keys.artifact_key).
        sha256: Hash of the stored file.
        bytes: Size of the stored file.
        onnx_bytes: Size of the ONNX file that it unpacks to.
    """

    key: str
    sha256: str
    bytes: int
    onnx_bytes: int | None = None


class Latency(Record):
    """Microseconds of one call of a served file on one thread: the median and the 99th percentile."""

    p50: float
    p99: float | None  # None if only the median was measured


class Variant(Record):
    """One candidate after some compression passes; the file to be served is measured on the validation rows.

    ``status``: ok; rejected (it failed the gate that ``reason`` names); not_applicable (``reason`` says why).
    """

    name: str = ""  # unique within a run: candidate, passes and precision, such as mlp/prune_channels+int8
    candidate: str
    algorithm: str
    passes: tuple[PassName, ...] = ()  # passes that were applied to the candidate's graph, in order
    precision: Precision
    status: Status
    reason: str = ""
    artifact: Artifact | None = None
    quality: dict[str, float] = {}
    interval: dict[str, tuple[float, float]] = {}  # plan's metric -> 95 % interval
    agreement: float | None = None  # fraction of rows with the fp32 file's label; regression: correlation with fp32
    latency_us: float | None = None  # median microseconds of one row on one thread
    train_seconds: float = 0.0
    classes: tuple[str, ...] = ()  # clustering only: names of the clusters
    quantiles: tuple[float, ...] = ()  # quantiles that a regression predicts for intervals
    decision: Decision = Decision()  # temperature and threshold that the file applies
    decision_fit: DecisionFit | None = None
    latencies: dict[str, Latency] = {}  # batch size ("1", "64") -> latency; ``latency_us`` is the p50 of batch size 1
    load_ms: float | None = None  # milliseconds to unpack the stored file and create its session
    memory_bytes: int | None = None  # resident memory that the loaded session holds
    pruned_columns: tuple[str, ...] = ()  # columns that the file does not read; a request may still have them

    @property
    def display_name(self) -> str:
        """Return the name; for a record of an older release, the candidate and the precision."""
        return self.name or f"{self.candidate}/{self.precision}"


class VariantSet(Record):
    """The variants among which selection chooses. ``by_folds``: quality is measured on out-of-fold predictions."""

    variants: tuple[Variant, ...]
    cpu: str  # the machine that measured latency
    by_folds: bool = False


class LeaderboardRow(Record):
    """A row of the leaderboard.

    Attributes:
        rank: Rank by the metric; None for a variant that is not ok.
        variant: Record of the variant, with its measurements.
        on_front: Whether it is Pareto-optimal in quality, latency and size.
        winner: Whether it is served.
        outcome: Why it is served or not; None in records of older releases.
        reason: Explanation of the outcome in words and numbers.
        misses: The limits of the JobSpec that it exceeds, one sentence each.
    """

    rank: int | None
    variant: Variant
    on_front: bool = False
    winner: bool = False
    outcome: VariantOutcome | None = None
    reason: str = ""
    misses: tuple[str, ...] = ()


class Acceptance(Record):
    """A person's decision to serve a variant of an earlier run.

    Attributes:
        run: The earlier run.
        variant: Name of the variant.
        by: Name of the person.
    """

    run: str
    variant: str
    by: str


class CandidateReport(Record):
    """An algorithm that was considered. ``reason``: why it was trained, or why not.

    ``trials``, ``notes`` and ``settings`` are those of TrainedCandidate.
    """

    candidate: str
    algorithm: str
    status: Literal["trained", "dropped", "failed", "skipped"]
    reason: str
    seconds: float = 0.0
    settings: Settings = {}
    trials: tuple[Trial, ...] = ()
    notes: tuple[str, ...] = ()


class Selection(Record):
    """The selection of the variant that is served.

    Attributes:
        metric: Metric that variants are compared by.
        quality_metric: Metric of ``limits.min_quality``; empty: ``metric``.
        by_folds: Whether quality is measured on out-of-fold predictions.
        winner: The selected variant.
        leaderboard: All variants.
        reason: Why the winner is selected.
        unmet: Limits of the job spec that even the winner misses; the run then waits for a person's decision.
        nearest: Names of the variants that miss the limits by least, nearest first; empty if a variant keeps them.
        prefer: ``limits.prefer``; empty in records of older releases.
        accepted: A person's decision that replaces the rule; None: there is none.
        tried: The algorithms that were considered.
        notes: Effects of the limits on the plan.
    """

    metric: str
    quality_metric: str = ""
    by_folds: bool = False
    winner: Variant
    leaderboard: tuple[LeaderboardRow, ...]
    reason: str
    unmet: tuple[str, ...] = ()
    nearest: tuple[str, ...] = ()
    prefer: str = ""
    accepted: Acceptance | None = None
    tried: tuple[CandidateReport, ...] = ()
    notes: tuple[str, ...] = ()
