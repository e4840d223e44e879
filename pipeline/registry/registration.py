"""Build a version from a run's winner."""

from __future__ import annotations

import hashlib
from datetime import datetime

from pipeline.contracts.object_keys import RunKeys
from pipeline.contracts.records.dataset import Dataset
from pipeline.contracts.records.model_version import Lineage, ModelCard, ModelVersion
from pipeline.contracts.records.run import Upload
from pipeline.contracts.records.variant import Selection
from pipeline.contracts.signature import Signature

__all__ = ["build_lineage", "draft_version"]


def build_lineage(run: str, *, upload: Upload, dataset: Dataset, spec: bytes, code_version: str) -> Lineage:
    """Build the lineage of a version.

    Args:
        run: Name of the run.
        upload: Object that started the run.
        dataset: Data set that was trained on.
        spec: JSON document of the JobSpec with its defaults.
        code_version: Version of modeldrop.
    """
    return Lineage(
        run=run,
        upload_bucket=upload.bucket,
        upload_key=upload.key,
        upload_version_id=upload.version_id,
        upload_sha256=dataset.sha256,
        spec_sha256=hashlib.sha256(spec).hexdigest(),
        code_version=code_version,
        uploaded_at=upload.modified_at,
        started_at=upload.started_at,
    )


def draft_version(
    card: ModelCard, selection: Selection, *, signature: Signature, lineage: Lineage, now: datetime
) -> ModelVersion:
    """Build a ModelVersion without a number (0)."""
    winner = selection.winner
    assert winner.artifact is not None, "a winner has an artifact"
    return ModelVersion(
        tenant=card.tenant,
        model=card.model,
        version=0,
        algorithm=winner.algorithm,
        precision=winner.precision,
        variant=winner.display_name,
        artifact=winner.artifact,
        signature=signature,
        metric=selection.metric,
        quality=card.test_quality,
        lineage=lineage,
        card_key=RunKeys(lineage.run).card,
        created_at=now,
    )
