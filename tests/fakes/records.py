"""Small valid records, for tests that need a record but not all of its fields."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

from pipeline.contracts.object_keys import RunKeys, artifact_key
from pipeline.contracts.record import Record
from pipeline.contracts.records.dataset import ColumnProfile, Dataset, SplitRows
from pipeline.contracts.records.model_version import GoldenPredictions, Lineage, ModelCard, ModelVersion
from pipeline.contracts.records.plan import Candidate, Plan, TrainingJob
from pipeline.contracts.records.run import Upload
from pipeline.contracts.records.variant import Artifact, LeaderboardRow, Selection, Variant, VariantSet
from pipeline.contracts.spec.job_spec import JobSpec

__all__ = [
    "MODEL_BYTES",
    "NOW",
    "artifact",
    "card",
    "dataset",
    "documents",
    "golden",
    "model_version",
    "selection",
    "upload",
]

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
MODEL_BYTES = b"onnx"


def artifact(tenant: str = "demo", body: bytes = MODEL_BYTES) -> Artifact:
    sha256 = hashlib.sha256(body).hexdigest()
    return Artifact(key=artifact_key(tenant, sha256), sha256=sha256, bytes=len(body))


def dataset() -> Dataset:
    return Dataset(
        task="classification",
        target="income",
        columns=(
            ColumnProfile(name="age", kind="numeric", missing=0, distinct=60),
            ColumnProfile(name="job", kind="categorical", missing=2, distinct=2, vocabulary=("cook", "clerk")),
        ),
        classes=("high", "low"),
        class_rows=(40, 40),
        rows=SplitRows(train=80, validation=10, test=10),
        sha256="d" * 64,
    )


def upload(metadata: dict[str, str] | None = None) -> Upload:
    return Upload(
        bucket="uploads",
        key="demo/adult/train.csv",
        version_id="v1",
        bytes=9,
        etag="e",
        metadata=metadata or {},
        modified_at=NOW,
        started_at=NOW,
    )


def selection(*, unmet: tuple[str, ...] = (), body: bytes = MODEL_BYTES) -> Selection:
    winner = Variant(
        candidate="mlp",
        algorithm="mlp",
        precision="int8",
        status="ok",
        artifact=artifact(body=body),
        quality={"accuracy": 0.9},
        agreement=0.99,
        latency_us=50.0,
    )
    board = (LeaderboardRow(rank=1, variant=winner, on_front=True, winner=True),)
    return Selection(metric="accuracy", winner=winner, leaderboard=board, reason="the best", unmet=unmet)


def card(run: str) -> ModelCard:
    return ModelCard(
        tenant="demo",
        model="adult",
        run=run,
        algorithm="mlp",
        precision="int8",
        task="classification",
        target="income",
        metric="accuracy",
        test_quality={"accuracy": 0.88},
        test_interval={"accuracy": (0.86, 0.9)},
        test_rows=10,
        validation_quality={"accuracy": 0.9},
        rows={"train": 80, "validation": 10, "test": 10},
        columns=2,
        left_out=(),
        leaderboard=(),
        devices={"cpu": "cpu"},
        warnings=(),
        created_at=NOW,
    )


def golden() -> GoldenPredictions:
    return GoldenPredictions(
        rows=({"age": 30.0, "job": "cook"}, {"age": None, "job": "clerk"}),
        predictions=(
            {"label": "high", "probabilities": {"high": 0.75, "low": 0.25}},
            {"label": "low", "probabilities": {"high": 0.4, "low": 0.6}},
        ),
    )


def model_version(
    run: str = "demo_adult_000000000001",
    model: str = "adult",
    *,
    uploaded_at: datetime = NOW,
    started_at: datetime = NOW,
) -> ModelVersion:
    lineage = Lineage(
        run=run,
        upload_bucket="uploads",
        upload_key=f"demo/{model}/train.csv",
        upload_version_id="v1",
        upload_sha256="d" * 64,
        spec_sha256="e" * 64,
        code_version="test",
        uploaded_at=uploaded_at,
        started_at=started_at,
    )
    return ModelVersion(
        tenant="demo",
        model=model,
        version=0,
        algorithm="mlp",
        precision="int8",
        artifact=artifact(),
        signature=dataset().signature,
        metric="accuracy",
        quality={"accuracy": 0.88},
        lineage=lineage,
        card_key="card.json",
        created_at=NOW,
    )


def _plan() -> Plan:
    """Return a plan of one candidate, on the GPU queue."""
    return Plan(
        metric="accuracy",
        candidates=(Candidate(name="mlp", algorithm="mlp"),),
        jobs=(TrainingJob(name="gpu", queue="gpu", candidates=("mlp",)),),
    )


def documents(run: str) -> dict[str, Record]:
    """Return the records that the stages of a successful run write, by key, except the selection."""
    keys = RunKeys(run)
    return {
        keys.upload: upload(),
        keys.spec: JobSpec(),
        keys.dataset: dataset(),
        keys.plan: _plan(),
        keys.variants: VariantSet(variants=(selection().winner,), cpu="test"),
        keys.card: card(run),
        keys.golden: golden(),
    }
