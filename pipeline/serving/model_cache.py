"""Cache of loaded versions."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence

from pipeline.contracts.errors import IntegrityError, ModeldropError
from pipeline.serving.api.model_source import ModelReference
from pipeline.serving.loaded_model import LoadedModel
from pipeline.serving.model_loader import ModelLoader
from pipeline.serving.rollouts.alias_target import AliasTarget
from pipeline.serving.rollouts.counters import RolloutCounters
from pipeline.serving.rollouts.traffic import RolloutTraffic

__all__ = ["MAX_LOADED_BYTES", "ModelCache"]

MAX_LOADED_BYTES = 256 << 20  # total size of loaded files; sessions take more memory; the function has 1,769 MB
_UNHEALTHY_SECONDS = 30.0  # seconds until a damaged file is read again

_Name = tuple[str, str, int]  # tenant, model, version


class ModelCache:
    """ModelSource that loads versions on demand and keeps the most recently used ones. Thread-safe.

    The version used last stays loaded whatever its size.

    Args:
        loader: Loads versions.
        alias_seconds: Maximum seconds until a moved alias is noticed.
        max_models: Maximum number of loaded versions.
        max_bytes: Maximum total size of their files.
        counters: Counters of rollouts. With None, rollouts are ignored: the live version responds to all requests.
        clock: Returns seconds.
    """

    def __init__(  # noqa: PLR0913 - bounds of the cache, all keyword-only
        self,
        loader: ModelLoader,
        *,
        alias_seconds: float,
        counters: RolloutCounters | None = None,
        max_models: int = 200,
        max_bytes: int = MAX_LOADED_BYTES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._loader = loader
        self._traffic = None if counters is None else RolloutTraffic(self.ready, counters)
        self._alias_seconds = alias_seconds
        self._max_models = max_models
        self._max_bytes = max_bytes
        self._clock = clock
        self._aliased: dict[tuple[str, str, str], tuple[float, AliasTarget]] = {}  # -> time of the next read, target
        self._cache: OrderedDict[_Name, LoadedModel] = OrderedDict()
        self._unhealthy: dict[_Name, tuple[float, str | None]] = {}  # -> time of the next attempt, error message
        self._lock = threading.Lock()
        self._loading = threading.Lock()  # load one file at a time, to limit the memory peak

    def find(self, reference: ModelReference) -> LoadedModel:
        """Return the version that a reference names. Raises the same errors as ModelSource.find."""
        tenant, model, version, alias, allow_unready, position = reference
        if version is None:
            target = self._find_alias(tenant, model, alias)
            if target.rollout is None or position is None or self._traffic is None:
                return self.ready(tenant, model, target.version)
            return self._traffic.choose(target, reference)
        if allow_unready:  # not cached: the version may not pass its smoke test
            return self._loader.load(tenant, model, version, allow_unready=True)
        return self.ready(tenant, model, version)

    def prefetch(self, names: Iterable[tuple[str, str]]) -> list[str]:
        """Load live versions before the first request.

        Args:
            names: Tenant and name of each model.

        Returns:
            One sentence per model that could not be loaded. A request for such a model tries again.
        """
        failures = []
        for tenant, model in names:
            try:
                self.find(ModelReference(tenant, model))
            except ModeldropError as error:
                failures.append(f"{tenant}/{model} is not prefetched: {type(error).__name__}")
        return failures

    def versions(self, tenant: str, model: str) -> Sequence[int]:
        """Return the callable versions among a model's newest versions, oldest first."""
        return self._loader.versions(tenant, model)

    def _find_alias(self, tenant: str, model: str, alias: str) -> AliasTarget:
        until, target = self._aliased.get((tenant, model, alias), (0.0, None))
        now = self._clock()
        if target is None or now >= until:
            target = self._loader.find_alias(tenant, model, alias)
            self._aliased[tenant, model, alias] = now + self._alias_seconds, target
        return target

    def ready(self, tenant: str, model: str, version: int) -> LoadedModel:
        """Return a version that has passed its smoke test. Raises the same errors as ModelLoader.load."""
        name = (tenant, model, version)
        if loaded := self._find(name):
            return loaded
        with self._loading:
            loaded = self._find(name) or self._load(name)
            self._evict(name, loaded)
        return loaded

    def _load(self, name: _Name) -> LoadedModel:
        """Load a version; after an IntegrityError, do not read its file again for ``_UNHEALTHY_SECONDS``.

        Raises:
            IntegrityError: The version's file is missing or changed, now or when it was read last.
        """
        until, error = self._unhealthy.get(name, (0.0, None))
        if error is not None and self._clock() < until:
            raise IntegrityError(error)
        try:
            return self._loader.load(*name)
        except IntegrityError as failure:
            self._unhealthy[name] = self._clock() + _UNHEALTHY_SECONDS, failure.message
            raise

    def _find(self, name: _Name) -> LoadedModel | None:
        with self._lock:
            loaded = self._cache.get(name)
            if loaded is not None:
                self._cache.move_to_end(name)
            return loaded

    def _evict(self, name: _Name, model: LoadedModel) -> None:
        with self._lock:
            self._cache[name] = model
            while len(self._cache) > 1 and self._is_full():
                self._cache.popitem(last=False)

    def _is_full(self) -> bool:
        return len(self._cache) > self._max_models or sum(m.file_bytes for m in self._cache.values()) > self._max_bytes
