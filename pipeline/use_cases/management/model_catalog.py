"""Metadata of models: the Open Inference Protocol's, and the registry's lists. Needs no onnxruntime."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from functools import partial
from typing import Any, Protocol, TypeVar

from pipeline.contracts.errors import ConflictError, NotFoundError
from pipeline.contracts.paging.page import MAX_LISTED, Page
from pipeline.contracts.paging.token import PageQuery, next_token
from pipeline.contracts.ports import ObjectStore
from pipeline.contracts.record import Record
from pipeline.contracts.records.model_version import ModelSummary, ModelVersion
from pipeline.intake.run_log import RunLog
from pipeline.registry.model_registry import ModelRegistry
from pipeline.serving.api.openapi import openapi_document
from pipeline.serving.api.routes import split_alias
from pipeline.serving.metadata import MAX_NAMED_VERSIONS, model_metadata

__all__ = ["ModelCatalog"]

_MOVES, _RUNS = 100, 50  # entries per page if the caller gives no limit
_FIRST_PAGE = PageQuery()
_SHOWN_OF_VERSION = {"version", "status", "algorithm", "precision", "metric", "quality", "created_at"}

Document = dict[str, Any]
_Entry = TypeVar("_Entry", bound=Record)


class _ReadPage(Protocol[_Entry]):
    def __call__(self, *, limit: int, after: str | None) -> Page[_Entry]: ...


class ModelCatalog:
    """Reads the metadata of one tenant's models per call. Methods raise NotFoundError for what the tenant lacks.

    Lists come in pages: a response has ``next``, the token of the page after it, unless it is the last one. Methods
    that list raise InvalidRequestError for a limit out of range and for a token of another list.
    """

    def __init__(self, registry: ModelRegistry, artifacts: ObjectStore, runs: RunLog) -> None:
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
            owner: Name of the tenant for the document's paths if the tenant shares the model with the caller; else
                empty.
        """
        return openapi_document(split_alias(model)[0], self._find(tenant, model, None).signature, owner=owner)

    def ready(self, tenant: str, model: str, version: str | None = None) -> Document:
        """Return that a version is ready.

        Raises:
            ConflictError: The version has not passed its smoke test.
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

        def read(*, limit: int, after: str | None) -> Page[ModelSummary]:
            if not only:
                return self._registry.models_page(tenant, task=task, tags=tags, limit=limit, after=after)
            names = [name for name in sorted(only) if after is None or name > after]
            summaries = [self._registry.summary(tenant, name) for name in names[:limit]]
            chosen = [summary for summary in summaries if summary and _is_chosen(summary, task, tags)]
            return Page(chosen, names[limit - 1] if len(names) > limit else None)

        return _list("models", read, page, MAX_LISTED, scope, exclude={"tenant"})

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
        read = partial(self._registry.moves.page, tenant, model, alias=alias)
        return {"model": model, **_list("moves", read, page, _MOVES, scope)}

    def model(self, tenant: str, model: str, *, page: PageQuery = _FIRST_PAGE) -> Document:
        """Return the versions of a model, oldest first, and which one is live.

        Raises:
            NotFoundError: There is no such model.
        """
        summary = self._summary(tenant, model)
        scope = ("versions", tenant, model)
        read = partial(self._registry.versions.page, tenant, model)
        return {
            "model": model,
            "live_version": summary.live_version,
            "aliases": summary.aliases,
            "tags": summary.tags,
            **_list("versions", read, page, MAX_LISTED, scope, include=_SHOWN_OF_VERSION),
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
        read = partial(self._runs.page, tenant=tenant, models=only)
        return _list("runs", read, page, _RUNS, scope, exclude={"events"})

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
        read = partial(self._runs.rejected_page, tenant=tenant)
        return _list("rejected", read, page, _RUNS, ("rejected", tenant), include={"key", "reason", "at"})

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


def _list(
    field: str, read: _ReadPage[_Entry], query: PageQuery, default: int, scope: Sequence[str], **shown: set[str]
) -> Document:
    """Return the entries of one page under the name ``field``, with the token of the page after it.

    Args:
        field: Name of the entries.
        read: Reads a page.
        query: Which page.
        default: Number of entries if the query has no limit.
        scope: Scope of the list, as for ``encode_token``.
        shown: Fields of an entry to ``include`` or to ``exclude``.
    """
    limit, after = query.parse(default, *scope)
    page = read(limit=limit, after=after)
    entries = [entry.model_dump(mode="json", **shown) for entry in page.entries]  # type: ignore[arg-type]  # two sets
    return {field: entries, **next_token(page, *scope)}


def _is_chosen(summary: ModelSummary, task: str | None, tags: Sequence[str]) -> bool:
    return task in (None, summary.task) and summary.has_tags(tags)
