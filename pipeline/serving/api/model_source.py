"""Port: where the prediction API finds its models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from pipeline.serving.loaded_model import LoadedModel

__all__ = ["LIVE", "ModelReference", "ModelSource"]

LIVE = "live"


class ModelReference(NamedTuple):
    """A version of a model, by number or by alias.

    Attributes:
        tenant: Tenant of the model.
        model: Name of the model.
        version: Number of the version; None for the one that ``alias`` points to.
        alias: Name of the alias.
        allow_unready: Also accept a version that has not passed its smoke test.
        position: Place of a prediction request among those of a rollout, as ``api.assignment`` says it; None for
            other requests, to which the live version responds.
    """

    tenant: str
    model: str
    version: int | None = None
    alias: str = LIVE
    allow_unready: bool = False
    position: Callable[[str], float] | None = None


class ModelSource(Protocol):
    """Loaded models: those of a registry, of a folder, or of one file. Thread-safe."""

    def find(self, reference: ModelReference) -> LoadedModel:
        """Return the version that a reference names, loaded.

        Raises:
            NotFoundError: The tenant has no such model, version or alias.
            ConflictError: The version has not passed its smoke test.
            IntegrityError: Its file is missing or changed.
            TransientError: Storage is busy.
        """
        ...

    def versions(self, tenant: str, model: str) -> Sequence[int]:
        """Return versions of a model that can be called, oldest first; empty if the tenant has no such model.

        Of a registry they are among the newest 100.
        """
        ...
