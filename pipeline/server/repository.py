"""Port: a repository of models that a server serves and refreshes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from pipeline.serving.api.model_source import ModelSource

__all__ = ["ModelRepository"]


class ModelRepository(ModelSource, Protocol):
    """Models that can be listed, loaded, unloaded and refreshed. Thread-safe."""

    def names(self, tenant: str) -> Sequence[str]:
        """Return the names of a tenant's models that can be called."""
        ...

    def all_names(self, tenant: str) -> Sequence[str]:
        """Return the names of all models of a tenant, unloaded ones included."""
        ...

    def live_version(self, tenant: str, model: str) -> int | None:
        """Return the number of the live version; None for an unknown or unloaded model."""
        ...

    def load(self, tenant: str, model: str) -> None:
        """Load the live version of a model.

        Raises:
            NotFoundError: There is no such model.
            IntegrityError: The model's file is damaged.
        """
        ...

    def unload(self, tenant: str, model: str) -> None:
        """Refuse requests for a model until it is loaded again.

        Raises:
            NotFoundError: There is no such model.
        """
        ...

    def close(self) -> None:
        """Finish background work; called once, after the last request."""
        ...

    def refresh(self) -> None:
        """Check for new versions, and load those that replace loaded versions; requests do not wait."""
        ...
