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
    """A version as the table holds it: a large signature is a file in the bucket, and None here.

    Immutable but for ``status`` and ``tags``: REGISTERED until its smoke test has passed, then READY; ARCHIVED and
    DELETED as long as a person wants that.
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
    signature_file: Artifact | None = None  # JSON; None where the record holds the signature
    metric: str
    quality: dict[str, float]  # on the test rows
    lineage: Lineage
    card_key: str
    created_at: datetime
    tags: dict[str, str] = {}

    @property
    def variant_name(self) -> str:
        """Return the name of the served variant, or of an older record the algorithm and the precision."""
        return self.variant or f"{self.algorithm}/{self.precision}"

    @property
    def full_name(self) -> str:
        """Return ``tenant/model@version``."""
        return f"{self.tenant}/{self.model}@{self.version}"

    @property
    def files(self) -> tuple[str, ...]:
        """Return the keys of its content-addressed files, which other versions of the tenant may have too."""
        return tuple(file.key for file in (self.artifact, self.signature_file) if file is not None)


class ModelVersion(VersionRecord):
    """A version with its signature, wherever that is kept."""

    signature: Signature


class ModelSummary(Record):
    """A model as it is listed."""

    tenant: str
    model: str
    latest_version: int
    live_version: int | None = None
    aliases: dict[str, int] = {}
    tags: dict[str, str] = {}
    task: str | None = None  # of the newest version; None for one that an older release registered
    rollout: Rollout | None = None  # of a new version beside the live one

    def has_tags(self, words: Sequence[str]) -> bool:
        """Return whether the model has all tags, each given as a name, a value, or ``name=value``."""
        tag_words = {word for name, value in self.tags.items() for word in (name, value, f"{name}={value}")}
        return tag_words.issuperset(words)


class GoldenPredictions(Record):
    """Held-out rows as JSON, and the predictions of the chosen file for them when it was evaluated."""

    rows: tuple[dict[str, Any], ...]
    predictions: tuple[dict[str, Any], ...]  # as the predict function returns them: label and probabilities, or value
    tolerance: float = 1e-4


class ModelCard(Record):
    """Facts about a version: data, splits, what was tried, quality on the test rows, by which nothing was chosen."""

    tenant: str
    model: str
    run: str
    algorithm: str
    precision: str
    task: str
    target: str
    metric: str
    test_quality: dict[str, float]
    test_interval: dict[str, tuple[float, float]]  # 95 % bootstrap
    unweighted_quality: dict[str, float] = {}  # on the test rows, all alike; where weights count in ``test_quality``
    test_rows: int
    validation_quality: dict[str, float]
    by_folds: bool = False  # ``validation_quality`` and ``leaderboard``: as contracts.records.variant.VariantSet has it
    rows: dict[str, int]
    columns: int
    left_out: tuple[dict[str, str], ...]
    leaderboard: tuple[VariantReport, ...]
    tried: tuple[CandidateReport, ...] = ()
    plan_notes: tuple[str, ...] = ()
    devices: dict[str, str]  # job -> the device that really ran
    warnings: tuple[str, ...]
    created_at: datetime
    classes: dict[str, int] = {}  # class -> training rows
    set_aside: int = 0  # rows
    upload_sha256: str = ""
    privacy: dict[str, float] = {}  # of the winner: epsilon spent, delta
    clusters: tuple[Cluster, ...] = ()
    positive_class: str = ""  # of two classes the one that F1, average precision and the threshold are of
    decision: DecisionReport | None = None
    by_class: tuple[ClassQuality, ...] = ()
    by_target: tuple[TargetQuality, ...] = ()  # of several targets
    confusion: Confusion | None = None
    calibration: Calibration | None = None
    coverage: IntervalCoverage | None = None
    importance: tuple[PermutationImportance, ...] = ()  # the greatest first
    segments: tuple[Segment, ...] = ()
    drift: tuple[Drift, ...] = ()
    jobs: tuple[JobCost, ...] = ()
    dollars: float = 0.0  # of all jobs
    prices: str = ""  # which list prices, of when
    against_live: LiveComparison | None = None  # where train.yaml requires a better version
