"""An uploaded file -> a Dataset."""

from __future__ import annotations

from pathlib import Path

from pipeline.contracts.dataset import Dataset
from pipeline.contracts.ports import ObjectStore
from pipeline.contracts.run import Upload

__all__ = ["validate"]


def validate(run: str, upload: Upload, *, uploads: ObjectStore, artifacts: ObjectStore, workdir: Path) -> Dataset:
    """Signature in place; being filled."""
    raise NotImplementedError
