"""Metadata of models: the Open Inference Protocol's, and the registry's lists. Needs no onnxruntime."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import Any, Protocol

from pipeline.contracts.errors import ConflictError, InvalidRequestError, NotFoundError
from pipeline.contracts.ports import ObjectStore
from pipeline.contracts.records.alias_move import AliasMove
from pipeline.contracts.records.model_version import ModelSummary, ModelVersion, VersionRecord
from pipeline.contracts.records.run import RejectedUpload, Run
from pipeline.serving.api.openapi import openapi_document
from pipeline.serving.api.routes import split_alias
from pipeline.serving.metadata import model_metadata

__all__ = ["MAX_LISTED", "ModelCatalog"]

MAX_LISTED = 1_000  # models of one response, which has at most 6 MB

Document = dict[str, Any]


class _Moves(Protocol):
    def list(
        self, tenant: str, model: str, *, alias: str | None = None, limit: int | None = None
    ) -> Sequence[AliasMove]: ...


class _Registry(Protocol):
    @property
    def moves(self) -> _Moves: ...
    def summary(self, tenant: str, model: str) -> ModelSummary | None: ...
    def models(
        self, tenant: str | None = None, *, limit: int | None = None, after: str | None = None
    ) -> Sequence[ModelSummary]: ...
    def versions(self, tenant: str, model: str) -> Sequence[VersionRecord]: ...
    def get(self, tenant: str, model: str, version: int) -> ModelVersion: ...
    def live(self, tenant: str, model: str, *, alias: str = ...) -> ModelVersion: ...


class _Runs(Protocol):
    def list(self, *, tenant: str | None = None) -> Sequence[Run]: ...
    def get(self, run: str) -> Run: ...
    def rejected(self, *, tenant: str | None = None, limit: int = 50) -> Sequence[RejectedUpload]: ...


class ModelCatalog:
    """Models of one tenant per call. Methods raise NotFoundError for what the tenant does not have."""

    def __init__(self, registry: _Registry, artifacts: ObjectStore, runs: _Runs) -> None:
        self._registry = registry
        self._artifacts = artifacts
        self._runs = runs

    def metadata(self, tenant: str, model: str, version: str | None = None) -> Document:
        """Return the Open Inference Protocol's metadata of a version.

        Args:
            tenant: Tenant of the model.
            model: Name of the model, or ``model@alias``.
            version: Number of the version; by default the one that the alias, or ``live``, points to.
        """
        chosen = self._find(tenant, model, version)
        name, _ = split_alias(model)
        ready = [record.version for record in self._registry.versions(tenant, name) if record.status == "READY"]
        return model_metadata(name, ready, chosen.signature)

    def openapi(self, tenant: str, model: str) -> Document:
        """Return the OpenAPI document with the rows of a model as examples."""
        return openapi_document(split_alias(model)[0], self._find(tenant, model, None).signature)

    def ready(self, tenant: str, model: str, version: str | None = None) -> Document:
        """Return that a version is ready.

        Raises:
            ConflictError: It has not passed its smoke test.
        """
        chosen = self._find(tenant, model, version)
        if chosen.status != "READY":
            raise ConflictError(f"version {chosen.version} of '{model}' has not passed its smoke test")
        return {"name": chosen.model, "ready": True}

    def models(
        self, tenant: str, *, only: Collection[str] = (), limit: int = MAX_LISTED, after: str | None = None
    ) -> Document:
        """Return the models of a tenant, sorted by name.

        Args:
            tenant: Tenant that owns them.
            only: Names of models; empty for all.
            limit: Maximum number of models, at most MAX_LISTED.
            after: Only models whose name follows this one.

        Returns:
            ``models``, and ``next`` where there may be more: the name to continue after.

        Raises:
            InvalidRequestError: ``limit`` is out of range.
        """
        if not 1 <= limit <= MAX_LISTED:
            raise InvalidRequestError(f"limit: a number from 1 to {MAX_LISTED:,} is expected")
        if only:
            summaries = [self._registry.summary(tenant, model) for model in sorted(only)]
            return {"models": [_show_summary(summary) for summary in summaries if summary]}
        page = self._registry.models(tenant, limit=limit, after=after)
        following = {"next": page[-1].model} if len(page) == limit else {}
        return {"models": [_show_summary(summary) for summary in page], **following}

    def history(self, tenant: str, model: str, *, alias: str | None = None, limit: int = 100) -> Document:
        """Return the moves of a model's aliases, newest first.

        Args:
            tenant: Tenant that owns the model.
            model: Name of the model.
            alias: Moves of this alias; of all by default.
            limit: Maximum number of moves.

        Raises:
            NotFoundError: The tenant has no such model.
        """
        if self._registry.summary(tenant, model) is None:
            raise NotFoundError(f"there is no model '{model}'")
        moves = self._registry.moves.list(tenant, model, alias=alias, limit=limit)
        return {"model": model, "moves": [move.model_dump(mode="json") for move in moves]}

    def model(self, tenant: str, model: str) -> Document:
        """Return all versions of a model, oldest first, and which one is live.

        Raises:
            NotFoundError: There is no such model.
        """
        summary = self._registry.summary(tenant, model)
        if summary is None:
            raise NotFoundError(f"there is no model '{model}'")
        versions = self._registry.versions(tenant, model)
        shown = {"version", "status", "algorithm", "precision", "metric", "quality", "created_at"}
        return {
            "model": model,
            "live_version": summary.live_version,
            "aliases": summary.aliases,
            "tags": summary.tags,
            "versions": [record.model_dump(mode="json", include=shown) for record in versions],
        }

    def version(self, tenant: str, model: str, version: str) -> Document:
        """Return the record and the card of a version."""
        chosen = self._find(tenant, model, version)
        record = chosen.model_dump(mode="json", exclude={"signature", "signature_file"})
        return {
            **record,
            "signature": chosen.signature.to_dict(),
            "card": json.loads(self._artifacts.get(chosen.card_key)),
        }

    def runs(self, tenant: str, only: Collection[str] = ()) -> Document:
        """Return a tenant's runs, newest first; with ``only`` those of these models."""
        runs = [run for run in self._runs.list(tenant=tenant) if not only or run.model in only]
        return {"runs": [run.model_dump(mode="json", exclude={"events"}) for run in runs]}

    def run(self, tenant: str, name: str, only: Collection[str] = ()) -> Document:
        """Return a run of a tenant; with ``only`` one of these models.

        Raises:
            NotFoundError: There is no such run.
        """
        run = self._runs.get(name) if name.startswith(f"{tenant}_") else None
        if run is None or (only and run.model not in only):
            raise NotFoundError("there is no such run")
        return run.model_dump(mode="json")

    def rejected(self, tenant: str) -> Document:
        """Return a tenant's uploads that started no run, newest first, with their reasons."""
        uploads = self._runs.rejected(tenant=tenant)
        return {"rejected": [upload.model_dump(mode="json", include={"key", "reason", "at"}) for upload in uploads]}

    def _find(self, tenant: str, model: str, version: str | None) -> ModelVersion:
        model, alias = split_alias(model)
        if version is None:
            return self._registry.live(tenant, model, alias=alias)
        if not (version.isascii() and version.isdigit() and len(version) <= 6):
            raise NotFoundError(f"model '{model}' has no such version: a number is expected")
        return self._registry.get(tenant, model, int(version))


def _show_summary(summary: ModelSummary) -> Document:
    return summary.model_dump(mode="json", exclude={"tenant"})
