"""A variant on the model card."""

from __future__ import annotations

from typing import Self

from pipeline.contracts.record import Record
from pipeline.contracts.records.variant import Latency, LeaderboardRow, Status, VariantOutcome

__all__ = ["VariantReport"]


class VariantReport(Record):
    """A variant with its measurements and the reason why it is served or not. Older cards lack some fields.

    Attributes:
        rank: Rank by the metric; None for a variant that is not ok.
        candidate: Name of the candidate.
        algorithm: Algorithm of the candidate.
        precision: Precision of the weights.
        status: ok; rejected by a gate; not_applicable.
        reason: Why it is served or not, with the numbers.
        quality: Metric -> value on out-of-fold predictions or on the validation rows.
        interval: Metric -> 95 % interval.
        agreement: Fraction of rows with the fp32 file's label; regression: correlation with the fp32 file's values.
        latency_us: Median microseconds of one row on one thread.
        bytes: Size of the stored file.
        train_seconds: Duration of the candidate's training in seconds.
        on_front: Whether it is Pareto-optimal in quality, latency and size.
        winner: Whether it is served.
        name: Unique within the run.
        passes: Compression passes, in order.
        onnx_bytes: Size of the ONNX file that the stored file unpacks to.
        latencies: Batch size ("1", "64") -> microseconds of one call.
        load_ms: Milliseconds to unpack the stored file and create its session.
        memory_bytes: Resident memory that the loaded session holds.
        outcome: Category of ``reason``.
        misses: The limits of the JobSpec that it exceeds, one sentence each.
    """

    rank: int | None
    candidate: str
    algorithm: str
    precision: str
    status: Status
    reason: str = ""
    quality: dict[str, float] = {}
    interval: dict[str, tuple[float, float]] = {}
    agreement: float | None = None
    latency_us: float | None = None
    bytes: int | None = None
    train_seconds: float = 0.0
    on_front: bool = False
    winner: bool = False
    name: str = ""
    passes: tuple[str, ...] = ()
    onnx_bytes: int | None = None
    latencies: dict[str, Latency] = {}
    load_ms: float | None = None
    memory_bytes: int | None = None
    outcome: VariantOutcome | None = None
    misses: tuple[str, ...] = ()

    @classmethod
    def of(cls, row: LeaderboardRow) -> Self:
        """Return the report of a leaderboard's row."""
        variant, artifact = row.variant, row.variant.artifact
        shared = {name: value for name, value in {**dict(variant), **dict(row)}.items() if name in cls.model_fields}
        named = {"name": variant.display_name, "reason": row.reason or variant.reason}
        sizes = {"bytes": artifact.bytes, "onnx_bytes": artifact.onnx_bytes} if artifact else {}
        return cls(**{**shared, **named, **sizes})

    @property
    def display_name(self) -> str:
        """Return the name; for an older card, the candidate and the precision."""
        return self.name or f"{self.candidate}/{self.precision}"
