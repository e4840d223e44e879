"""Records of the registry: versions, models, model cards."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from pipeline.contracts.promotion.live_comparison import LiveComparison
from pipeline.contracts.promotion.rollout import Rollout
from pipeline.contracts.record import Record
from pipeline.contracts.records.evaluation_report import (
    Calibration,
    ClassQuality,
    Cluster,
    Confusion,
    DecisionReport,
    Drift,
    IntervalCoverage,
    JobCost,
    PermutationImportance,
    Segment,
    TargetQuality,
)
from pipeline.contracts.records.variant import Artifact, CandidateReport
from pipeline.contracts.records.variant_report import VariantReport
from pipeline.contracts.signature import Signature

__all__ = ["GoldenPredictions", "Lineage", "ModelCard", "ModelSummary", "ModelVersion", "VersionRecord"]

_EARLIEST = datetime.min.replace(tzinfo=UTC)


class Lineage(Record):
    """Which upload, which settings, which code made a version."""

    run: str
    upload_bucket: str
    upload_key: str
    upload_version_id: str
    upload_sha256: str
    spec_sha256: str
    code_version: str
    uploaded_at: datetime | None = None
    started_at: datetime | None = None

    @property
    def upload_order(self) -> tuple[datetime, datetime]:
        """Sort key of uploads, oldest first: LastModified, then the run's start; None sorts first."""
        return self.uploaded_at or _EARLIEST, self.started_at or _EARLIEST


class VersionRecord(Record):
    """A version as the table stores it; a large signature is stored as a file in the bucket, and is None here.

    Only ``status`` and ``tags`` change. The status is REGISTERED until the smoke test has passed, then READY; ARCHIVED
    and DELETED are set, and can be reverted, by a person.
    """

    tenant: str
    model: str
    version: int
    status: Literal["REGISTERED", "READY", "ARCHIVED", "DELETED"] = "REGISTERED"
    algorithm: str
    precision: str
    variant: str = ""  # name of the served variant, such as mlp/prune_channels+int8; empty in older records
    artifact: Artifact
    signature: Signature | None = None
    signature_file: Artifact | None = None  # JSON file; None if the record contains the signature
    metric: str
    quality: dict[str, float]  # on the test rows
    lineage: Lineage
    card_key: str
    created_at: datetime
    tags: dict[str, str] = {}

    @property
    def variant_name(self) -> str:
        """Return the name of the served variant; for an older record, the algorithm and the precision."""
        return self.variant or f"{self.algorithm}/{self.precision}"

    @property
    def full_name(self) -> str:
        """Return ``tenant/model@version``."""
        return f"{self.tenant}/{self.model}@{self.version}"

    @property
    def files(self) -> tuple[str, ...]:
        """Return the keys of the version's content-addressed files, which other versions of the tenant may share."""
        return tuple(file.key for file in (self.artifact, self.signature_file) if file is not None)


class ModelVersion(VersionRecord):
    """A version with its signature, wherever the signature is stored."""

    signature: Signature


class ModelSummary(Record):
    """A model as it is listed."""

    tenant: str
    model: str
    latest_version: int
    live_version: int | None = None
    aliases: dict[str, int] = {}
    tags: dict[str, str] = {}
    task: str | None = None  # of the newest version; None if an older release registered it
    rollout: Rollout | None = None  # current rollout of a new version

    def has_tags(self, words: Sequence[str]) -> bool:
        """Return whether the model has all tags, each given as a name, a value, or ``name=value``."""
        tag_words = {word for name, value in self.tags.items() for word in (name, value, f"{name}={value}")}
        return tag_words.issuperset(words)


class GoldenPredictions(Record):
    """Held-out rows as JSON, and the winner's predictions for them at the time of its evaluation."""

    rows: tuple[dict[str, Any], ...]
    predictions: tuple[dict[str, Any], ...]  # as the predict function returns them: label and probabilities, or value
    tolerance: float = 1e-4


class ModelCard(Record):
    """Facts about a version: data, splits, tried algorithms, and quality on test rows that no choice depended on."""

    tenant: str
    model: str
    run: str
    algorithm: str
    precision: str
    task: str
    target: str
    metric: str
    test_quality: dict[str, float]
    test_interval: dict[str, tuple[float, float]]  # 95 % bootstrap interval of each metric
    unweighted_quality: dict[str, float] = {}  # on the test rows without weights; empty if the rows have no weights
    test_rows: int
    validation_quality: dict[str, float]
    by_folds: bool = False  # whether ``validation_quality`` and ``leaderboard`` are of out-of-fold predictions
    rows: dict[str, int]
    columns: int
    left_out: tuple[dict[str, str], ...]
    leaderboard: tuple[VariantReport, ...]
    tried: tuple[CandidateReport, ...] = ()
    plan_notes: tuple[str, ...] = ()
    devices: dict[str, str]  # job -> device that it ran on
    warnings: tuple[str, ...]
    created_at: datetime
    classes: dict[str, int] = {}  # class -> number of training rows
    set_aside: int = 0  # number of rejected rows
    upload_sha256: str = ""
    privacy: dict[str, float] = {}  # epsilon spent and delta of the winner
    clusters: tuple[Cluster, ...] = ()
    positive_class: str = ""  # class of two that F1, average precision and the threshold refer to
    decision: DecisionReport | None = None
    by_class: tuple[ClassQuality, ...] = ()
    by_target: tuple[TargetQuality, ...] = ()  # empty for a single target
    confusion: Confusion | None = None
    calibration: Calibration | None = None
    coverage: IntervalCoverage | None = None
    importance: tuple[PermutationImportance, ...] = ()  # largest first
    segments: tuple[Segment, ...] = ()
    drift: tuple[Drift, ...] = ()
    jobs: tuple[JobCost, ...] = ()
    dollars: float = 0.0  # price of all jobs
    prices: str = ""  # region and date of the list prices
    against_live: LiveComparison | None = None  # set if train.yaml requires a better version
