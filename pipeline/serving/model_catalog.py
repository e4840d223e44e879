"""Metadata of models: the Open Inference Protocol's, and the registry's lists. Needs no onnxruntime."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import Any, Protocol

from pipeline.contracts.errors import ConflictError, NotFoundError
from pipeline.contracts.paging.page import MAX_LISTED, Page
from pipeline.contracts.paging.token import PageQuery, next_token
from pipeline.contracts.ports import ObjectStore
from pipeline.contracts.records.alias_move import AliasMove
from pipeline.contracts.records.model_version import ModelSummary, ModelVersion, VersionRecord
from pipeline.contracts.records.run import RejectedUpload, Run
from pipeline.serving.api.openapi import openapi_document
from pipeline.serving.api.routes import split_alias
from pipeline.serving.metadata import MAX_NAMED_VERSIONS, model_metadata

__all__ = ["ModelCatalog"]

_MODELS = _VERSIONS = MAX_LISTED  # entries of a page where the caller does not say how many
_MOVES = 100
_RUNS = 50
_FIRST_PAGE = PageQuery()
_SHOWN_OF_VERSION = {"version", "status", "algorithm", "precision", "metric", "quality", "created_at"}

Document = dict[str, Any]


class _Moves(Protocol):
    def page(
        self, tenant: str, model: str, *, alias: str | None = None, limit: int, after: str | None = None
    ) -> Page[AliasMove]: ...


class _Versions(Protocol):
    def page(self, tenant: str, model: str, *, limit: int, after: str | None = None) -> Page[VersionRecord]: ...
    def newest_ready(self, tenant: str, model: str, *, limit: int) -> Sequence[int]: ...


class _Registry(Protocol):
    @property
    def moves(self) -> _Moves: ...
    @property
    def versions(self) -> _Versions: ...
    def summary(self, tenant: str, model: str) -> ModelSummary | None: ...
    def models_page(
        self,
        tenant: str | None = None,
        *,
        task: str | None = None,
        tags: Sequence[str] = (),
        limit: int,
        after: str | None = None,
    ) -> Page[ModelSummary]: ...
    def get(self, tenant: str, model: str, version: int) -> ModelVersion: ...
    def live(self, tenant: str, model: str, *, alias: str = ...) -> ModelVersion: ...


class _Runs(Protocol):
    def page(
        self, *, tenant: str | None = None, models: Collection[str] = (), limit: int = 50, after: str | None = None
    ) -> Page[Run]: ...
    def get(self, run: str) -> Run: ...
    def rejected_page(
        self, *, tenant: str | None = None, limit: int = 50, after: str | None = None
    ) -> Page[RejectedUpload]: ...


class ModelCatalog:
    """Models of one tenant per call. Methods raise NotFoundError for what the tenant does not have.

    Lists come in pages: a response has ``next``, the token of the page after it, unless it is the last one. Their
    methods raise InvalidRequestError for a limit out of range and for a token of another list.
    """

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
        ready = self._registry.versions.newest_ready(tenant, name, limit=MAX_NAMED_VERSIONS)
        return model_metadata(name, ready, chosen.signature)

    def openapi(self, tenant: str, model: str, *, owner: str = "") -> Document:
        """Return the OpenAPI document with the rows of a model as examples.

        Args:
            tenant: Tenant of the model.
            model: Name of the model, or ``model@alias``.
            owner: The tenant, where the caller's paths name it because it shares the model.
        """
        return openapi_document(split_alias(model)[0], self._find(tenant, model, None).signature, owner=owner)

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
        self,
        tenant: str,
        *,
        only: Collection[str] = (),
        task: str | None = None,
        tags: Sequence[str] = (),
        page: PageQuery = _FIRST_PAGE,
    ) -> Document:
        """Return the models of a tenant, sorted by name.

        Args:
            tenant: Tenant that owns them.
            only: Names of models; empty for all.
            task: Models whose newest version has this task. With a filter a page may have fewer models, or none.
            tags: Models with all these tags, each a name, a value, or ``name=value``.
            page: Which page.
        """
        scope = ("models", tenant, task or "", *sorted(tags), "", *sorted(only))
        limit, position = page.parse(_MODELS, *scope)
        if only:
            names = [name for name in sorted(only) if position is None or name > position]
            summaries = [self._registry.summary(tenant, name) for name in names[:limit]]
            chosen = [summary for summary in summaries if summary and _is_chosen(summary, task, tags)]
            listed = Page(chosen, names[limit - 1] if len(names) > limit else None)
        else:
            listed = self._registry.models_page(tenant, task=task, tags=tags, limit=limit, after=position)
        shown = [summary.model_dump(mode="json", exclude={"tenant"}) for summary in listed.entries]
        return {"models": shown, **next_token(listed, *scope)}

    def history(self, tenant: str, model: str, *, alias: str | None = None, page: PageQuery = _FIRST_PAGE) -> Document:
        """Return the moves of a model's aliases, newest first.

        Args:
            tenant: Tenant that owns the model.
            model: Name of the model.
            alias: Moves of this alias, in a page that may have fewer; of all by default.
            page: Which page.

        Raises:
            NotFoundError: The tenant has no such model.
        """
        self._summary(tenant, model)
        scope = ("history", tenant, model, alias or "")
        limit, after = page.parse(_MOVES, *scope)
        moves = self._registry.moves.page(tenant, model, alias=alias, limit=limit, after=after)
        shown = [move.model_dump(mode="json") for move in moves.entries]
        return {"model": model, "moves": shown, **next_token(moves, *scope)}

    def model(self, tenant: str, model: str, *, page: PageQuery = _FIRST_PAGE) -> Document:
        """Return the versions of a model, oldest first, and which one is live.

        Raises:
            NotFoundError: There is no such model.
        """
        summary = self._summary(tenant, model)
        scope = ("versions", tenant, model)
        limit, after = page.parse(_VERSIONS, *scope)
        versions = self._registry.versions.page(tenant, model, limit=limit, after=after)
        return {
            "model": model,
            "live_version": summary.live_version,
            "aliases": summary.aliases,
            "tags": summary.tags,
            "versions": [record.model_dump(mode="json", include=_SHOWN_OF_VERSION) for record in versions.entries],
            **next_token(versions, *scope),
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

    def runs(self, tenant: str, only: Collection[str] = (), *, page: PageQuery = _FIRST_PAGE) -> Document:
        """Return a tenant's runs, newest first.

        Args:
            tenant: Tenant that owns them.
            only: Runs of these models, in a page that may have fewer if there are several; of all by default.
            page: Which page.
        """
        scope = ("runs", tenant, *sorted(only))
        limit, after = page.parse(_RUNS, *scope)
        runs = self._runs.page(tenant=tenant, models=only, limit=limit, after=after)
        shown = [run.model_dump(mode="json", exclude={"events"}) for run in runs.entries]
        return {"runs": shown, **next_token(runs, *scope)}

    def run(self, tenant: str, name: str, only: Collection[str] = ()) -> Document:
        """Return a run of a tenant; with ``only`` one of these models.

        Raises:
            NotFoundError: There is no such run.
        """
        run = self._runs.get(name) if name.startswith(f"{tenant}_") else None
        if run is None or (only and run.model not in only):
            raise NotFoundError("there is no such run")
        return run.model_dump(mode="json")

    def rejected(self, tenant: str, *, page: PageQuery = _FIRST_PAGE) -> Document:
        """Return a tenant's uploads that started no run, newest first, with their reasons."""
        scope = ("rejected", tenant)
        limit, after = page.parse(_RUNS, *scope)
        uploads = self._runs.rejected_page(tenant=tenant, limit=limit, after=after)
        shown = [upload.model_dump(mode="json", include={"key", "reason", "at"}) for upload in uploads.entries]
        return {"rejected": shown, **next_token(uploads, *scope)}

    def _summary(self, tenant: str, model: str) -> ModelSummary:
        summary = self._registry.summary(tenant, model)
        if summary is None:
            raise NotFoundError(f"there is no model '{model}'")
        return summary

    def _find(self, tenant: str, model: str, version: str | None) -> ModelVersion:
        model, alias = split_alias(model)
        if version is None:
            return self._registry.live(tenant, model, alias=alias)
        if not (version.isascii() and version.isdigit() and len(version) <= 6):
            raise NotFoundError(f"model '{model}' has no such version: a number is expected")
        return self._registry.get(tenant, model, int(version))


def _is_chosen(summary: ModelSummary, task: str | None, tags: Sequence[str]) -> bool:
    return task in (None, summary.task) and summary.has_tags(tags)
