"""Helpers that make a registry and register READY versions."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from pipeline.contracts.ports import Table
from pipeline.registry.aliases import AliasRef
from pipeline.registry.model_registry import ModelRegistry
from tests.fakes.clock import FakeClock
from tests.fakes.objects import FakeObjectStore
from tests.fakes.records import MODEL_BYTES, NOW, artifact, model_version

__all__ = ["LIVE", "make_registry", "register_ready"]

LIVE = AliasRef("demo", "adult")


def make_registry(
    table: Table, clock: FakeClock | None = None, sleep: Callable[[float], None] = lambda seconds: None
) -> ModelRegistry:
    """Return a registry whose artifacts bucket has the file of all versions."""
    store = FakeObjectStore("artifacts")
    store.put(artifact().key, MODEL_BYTES)
    return ModelRegistry(table, store, now=clock or FakeClock(), sleep=sleep)


def register_ready(registry: ModelRegistry, count: int, model: str = "adult") -> None:
    """Register versions 1 to ``count``, each from a newer upload."""
    for number in range(1, count + 1):
        uploaded_at = NOW + timedelta(seconds=number)
        draft = model_version(f"demo_{model}_{number:012x}", model, uploaded_at=uploaded_at)
        registry.ready("demo", model, registry.register(draft).version)
