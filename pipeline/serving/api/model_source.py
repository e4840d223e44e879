"""Port: source of the models that the prediction API serves."""

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
        position: Returns the position of a prediction request in [0, 1), which decides its version during a rollout
            (``api.assignment``); None for other requests, to which the live version responds.
    """

    tenant: str
    model: str
    version: int | None = None
    alias: str = LIVE
    allow_unready: bool = False
    position: Callable[[str], float] | None = None


class ModelSource(Protocol):
    """Models of a registry, of a folder, or of one file. Thread-safe."""

    def find(self, reference: ModelReference) -> LoadedModel:
        """Return the version that a reference names, loaded.

        Raises:
            NotFoundError: The tenant has no such model, version or alias.
            ConflictError: The version has not passed its smoke test.
            IntegrityError: The version's file is missing or changed.
            TransientError: Storage is busy.
        """
        ...

    def versions(self, tenant: str, model: str) -> Sequence[int]:
        """Return the callable versions of a model, oldest first; empty if the tenant has no such model.

        A registry considers only the 100 newest versions.
        """
        ...
