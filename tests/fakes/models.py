"""A ModelSource with one model."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.serving.api.model_source import ModelReference
from pipeline.serving.loaded_model import LoadedModel

__all__ = ["OneModel"]


@dataclass(frozen=True)
class OneModel:
    """Finds the same model for every reference."""

    model: LoadedModel

    def find(self, reference: ModelReference) -> LoadedModel:
        return self.model

    def versions(self, tenant: str, model: str) -> list[int]:
        return [self.model.version]
