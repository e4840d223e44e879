"""Models of a registry. After an alias moves, requests get the new version only once it is loaded."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence

from pipeline.contracts.errors import ModeldropError, NotFoundError
from pipeline.server.models.comparison_thread import ComparisonThread
from pipeline.serving.api.model_source import LIVE, ModelReference
from pipeline.serving.loaded_model import LoadedModel
from pipeline.serving.model_cache import ModelCache
from pipeline.serving.model_loader import ModelLoader
from pipeline.serving.rollouts.alias_target import AliasTarget
from pipeline.serving.rollouts.counters import Increment, RolloutCounters
from pipeline.serving.rollouts.traffic import RolloutTraffic

__all__ = ["RegistryModels"]

_MAX_MODELS = 10_000  # loaded versions; in practice max_bytes is the limit

_Alias = tuple[str, str, str]  # tenant, model, alias


class RegistryModels:
    """Models of a registry, each loaded by its first request. Thread-safe.

    Args:
        loader: Loads versions.
        list_models: Returns the names of a tenant's models.
        models: Names of the models to serve; None for all.
        max_bytes: Maximum total size of the loaded files; the file used last stays loaded whatever its size.
        report: Called with a sentence about a version that cannot be loaded.
        increment: Adds to the counters of rollouts in the table. With None there are no rollouts: the live version
            responds to all requests.
    """

    def __init__(  # noqa: PLR0913 - dependencies, all but one keyword-only
        self,
        loader: ModelLoader,
        *,
        list_models: Callable[[str], Sequence[str]],
        models: Sequence[str] | None,
        max_bytes: int,
        report: Callable[[str], None],
        increment: Increment | None = None,
    ) -> None:
        self._loader = loader
        self._cache = ModelCache(loader, alias_seconds=math.inf, max_models=_MAX_MODELS, max_bytes=max_bytes)
        self._list_models = list_models
        self._models = models
        self._report = report
        self._aliases: dict[_Alias, AliasTarget] = {}
        self._counters = None if increment is None else RolloutCounters(increment)
        self._comparisons = ComparisonThread()
        self._traffic = (
            None
            if self._counters is None
            else RolloutTraffic(self._cache.ready, self._counters, self._comparisons.submit)
        )
        self._unloaded: set[tuple[str, str]] = set()  # tenant, model
        self._lock = threading.Lock()

    def find(self, reference: ModelReference) -> LoadedModel:
        """Return the version that a reference names, loaded.

        Raises:
            NotFoundError: The tenant has no such model, version or alias, or the model is not served here.
            ConflictError: The version is archived, or has not passed its smoke test.
            IntegrityError: The version's file is missing or changed.
            TransientError: Storage is busy.
        """
        tenant, model, version, alias, _, position = reference
        if (self._models is not None and model not in self._models) or (tenant, model) in self._unloaded:
            raise NotFoundError(f"there is no live model '{model}'")
        if version is not None:
            return self._cache.ready(tenant, model, version)
        target = self._aliases.get((tenant, model, alias))
        if target is None:
            target = self._loader.find_alias(tenant, model, alias)
            self._cache.ready(tenant, model, target.version)
            with self._lock:
                self._aliases[tenant, model, alias] = target
        if target.rollout is None or position is None or self._traffic is None:
            return self._cache.ready(tenant, model, target.version)
        return self._traffic.choose(target, reference)

    def versions(self, tenant: str, model: str) -> Sequence[int]:
        """Return the callable versions among a model's newest versions, oldest first."""
        return self._loader.versions(tenant, model)

    def names(self, tenant: str) -> Sequence[str]:
        """Return the names of a tenant's models that can be called."""
        return [name for name in self.all_names(tenant) if (tenant, name) not in self._unloaded]

    def all_names(self, tenant: str) -> Sequence[str]:
        """Return the names of all models of a tenant, unloaded ones included."""
        names = self._list_models(tenant)
        return names if self._models is None else [name for name in names if name in self._models]

    def live_version(self, tenant: str, model: str) -> int | None:
        """Return the number of the live version; None for an unknown or unloaded model."""
        if (tenant, model) in self._unloaded:
            return None
        try:
            return (self._aliases.get((tenant, model, LIVE)) or self._loader.find_alias(tenant, model, LIVE)).version
        except NotFoundError:
            return None

    def load(self, tenant: str, model: str) -> None:
        """Load the live version of a model. Raises the same errors as ``find``."""
        self._unloaded.discard((tenant, model))
        self.find(ModelReference(tenant, model))

    def unload(self, tenant: str, model: str) -> None:
        """Refuse a tenant's requests for a model until it is loaded again.

        Raises:
            NotFoundError: There is no such model.
        """
        if model not in self.all_names(tenant):
            raise NotFoundError(f"there is no model '{model}'")
        self._unloaded.add((tenant, model))

    def refresh(self) -> None:
        """Read the aliases in use again, and load new versions before requests get them; write rollout counters."""
        if self._counters is not None:
            self._counters.flush()
        for (tenant, model, alias), old in list(self._aliases.items()):
            try:
                target = self._loader.find_alias(tenant, model, alias)
                if target != old:
                    self._cache.ready(tenant, model, target.version)
                    self._load_rollout(tenant, model, target)
            except NotFoundError:
                with self._lock:
                    self._aliases.pop((tenant, model, alias), None)
                continue
            except ModeldropError as error:
                self._report(str(error))
                continue
            with self._lock:
                self._aliases[tenant, model, alias] = target

    def close(self) -> None:
        """Wait for the comparisons of rollouts, and write the counters of rollouts."""
        self._comparisons.wait()
        if self._counters is not None:
            self._counters.flush()

    def _load_rollout(self, tenant: str, model: str, target: AliasTarget) -> None:
        """Load the new version of a rollout; if that fails, RolloutTraffic counts each of its requests as failed."""
        if target.rollout is None:
            return
        try:
            self._cache.ready(tenant, model, target.rollout.version)
        except ModeldropError as error:
            self._report(str(error))
