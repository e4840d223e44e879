"""Versions, loaded when they are first asked for, and kept."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from pipeline.serving.loaded_model import LoadedModel
from pipeline.serving.model_loader import ModelLoader

__all__ = ["KEEP_BYTES", "ModelCache"]

KEEP_BYTES = 256 << 20  # of files; a session takes more than its file, and the function has 1,769 MB

_Name = tuple[str, str, int]  # tenant, model, version


class ModelCache:
    """What one process serves. Safe among threads.

    The versions that were asked for last stay loaded: at most ``keep``, whose files have ``keep_bytes`` together, and
    the last one whatever it has.
    An alias that moves may go unnoticed for ``alias_seconds``.
    """

    def __init__(
        self,
        loader: ModelLoader,
        *,
        alias_seconds: float,
        keep: int = 8,
        keep_bytes: int = KEEP_BYTES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._loader = loader
        self._alias_seconds = alias_seconds
        self._keep = keep
        self._keep_bytes = keep_bytes
        self._clock = clock
        self._live: dict[tuple[str, str], tuple[float, int]] = {}  # -> when to look again, version
        self._kept: OrderedDict[_Name, LoadedModel] = OrderedDict()
        self._keeping = threading.Lock()
        self._loading = threading.Lock()  # one at a time, so that memory's peak is one file's

    def live(self, tenant: str, model: str) -> LoadedModel:
        """The version under the alias live; raise NotFoundError when the tenant has no such model, or none is live."""
        until, version = self._live.get((tenant, model), (0.0, 0))
        now = self._clock()
        if not version or now >= until:
            version = self._loader.live_version(tenant, model)
            self._live[tenant, model] = now + self._alias_seconds, version
        return self.ready(tenant, model, version)

    def ready(self, tenant: str, model: str, version: int) -> LoadedModel:
        """A version that has passed its smoke test; raise what ModelLoader.load raises."""
        name = (tenant, model, version)
        if loaded := self._find(name):
            return loaded
        with self._loading:
            loaded = self._find(name) or self._loader.load(*name)
            self._evict(name, loaded)
        return loaded

    def unproven(self, tenant: str, model: str, version: int) -> LoadedModel:
        """A version that may not have passed its smoke test: it is loaded for this once, and not kept."""
        return self._loader.load(tenant, model, version, unproven=True)

    def _find(self, name: _Name) -> LoadedModel | None:
        with self._keeping:
            loaded = self._kept.get(name)
            if loaded is not None:
                self._kept.move_to_end(name)
            return loaded

    def _evict(self, name: _Name, model: LoadedModel) -> None:
        with self._keeping:
            self._kept[name] = model
            while len(self._kept) > 1 and self._are_too_many():
                self._kept.popitem(last=False)

    def _are_too_many(self) -> bool:
        return len(self._kept) > self._keep or sum(m.file_bytes for m in self._kept.values()) > self._keep_bytes
