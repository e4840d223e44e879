"""A stack that is reached only by its API, with a key and without AWS credentials."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from itertools import islice
from pathlib import Path

from pipeline.cli.client.api_client import ApiClient
from pipeline.cli.client.lookup import hint_at_runs
from pipeline.contracts.errors import NotFoundError
from pipeline.contracts.records.alias_move import AliasMove
from pipeline.contracts.records.model_version import ModelCard, ModelSummary, ModelVersion
from pipeline.contracts.records.run import RejectedUpload, Run
from pipeline.contracts.signature import Signature

__all__ = ["KeyApi"]

_MAX_COMPARED = 100  # newest runs whose names are compared with an unknown name


class KeyApi(ApiClient):
    """Uploads, runs, and the registry of the key's tenant, by the API. Use it as a context manager.

    Every method raises the ModeldropError that the API's status stands for, with the API's message.
    """

    def upload(
        self, file: Path, model: str, *, target: str | None = None, progress: Callable[[int], None] | None = None
    ) -> str | None:
        """Upload a file, in parts if it is large.

        Args:
            file: The file.
            model: Model that the file is for.
            target: Column to predict.
            progress: Called with the number of bytes uploaded since its last call.

        Returns:
            Name of the run that the file starts; None for a companion.
        """
        with self._translated():
            return self._client.upload(file, model=model, target=target, progress=progress)

    def get(self, run: str) -> Run:
        """Return a run.

        Raises:
            NotFoundError: There is no such run that the key may see.
        """
        with self._translated():
            return Run.model_validate(self._client.run(run))

    def runs(self, *, model: str | None = None, limit: int | None = None) -> Iterator[Run]:
        """Yield the tenant's runs, newest first; pages are read as they are needed.

        Args:
            model: Runs of this model; None for all.
            limit: Maximum number of runs; None for all.
        """
        with self._translated():
            for entry in self._client.iterate("runs", model or "", limit=limit):
                yield Run.model_validate(entry)

    def rejected(self) -> Iterator[RejectedUpload]:
        """Yield the tenant's uploads that started no run, newest first."""
        with self._translated():
            for entry in self._client.iterate("rejected"):
                tenant, slash, _ = entry["key"].partition("/")
                yield RejectedUpload.model_validate({"tenant": tenant if slash else "", "bucket": "", **entry})

    def cancel(self, run: str) -> Run:
        """End a run and its jobs, and return the run.

        Raises:
            NotFoundError: There is no such run that the key may see.
            ConflictError: The run has ended, or its version is being promoted.
        """
        with self._translated():
            self._client.cancel(run)
        return self.get(run)

    def find(self, name: str) -> Run:
        """Return the run of that name, or the newest run of the model of that name.

        Raises:
            NotFoundError: There is no run and no model of that name.
        """
        with suppress(NotFoundError):
            return self.get(name)
        with suppress(NotFoundError):
            if newest := list(self.runs(model=name, limit=1)):
                return newest[0]
        raise NotFoundError(f"no run or model '{name}'{hint_at_runs(name, list(self.runs(limit=_MAX_COMPARED)))}")

    def models(
        self, *, task: str | None, tags: Sequence[str], limit: int | None
    ) -> list[tuple[ModelSummary, ModelVersion | None]]:
        """Return the models, sorted by name, each with its live version.

        Args:
            task: Models whose newest version has this task; None for all.
            tags: Models with all these tags.
            limit: Maximum number of models; None for all.
        """
        with self._translated():
            entries = list(self._client.iterate("models", limit=limit, task=task, tag=list(tags) or None))
        listed: list[tuple[ModelSummary, ModelVersion | None]] = []
        for entry in entries:
            live = entry["live_version"]
            version = None if live is None else self.version(entry["model"], live)[0]
            tenant = "" if version is None else version.tenant  # the API does not name the key's tenant
            listed.append((ModelSummary.model_validate({**entry, "tenant": tenant}), version))
        tenants = {summary.tenant for summary, _ in listed} - {""}
        tenant_field = {"tenant": next(iter(tenants), "")}
        return [(summary.model_copy(update=tenant_field), version) for summary, version in listed]

    def version(self, model: str, version: int) -> tuple[ModelVersion, ModelCard]:
        """Return a version and its card.

        Raises:
            NotFoundError: There is no such version that the key may see.
        """
        with self._translated():
            document = self._client.version(model, version)
        fields = {name: value for name, value in document.items() if name in ModelVersion.model_fields}
        signature = Signature.from_dict(document["signature"])
        return (
            ModelVersion.model_validate({**fields, "signature": signature}),
            ModelCard.model_validate(document["card"]),
        )

    def live_version(self, model: str) -> int | None:
        """Return the version that is live; None if none is."""
        moves = self.history(model, alias="live", limit=1)
        return moves[0].version if moves else None

    def newest_version(self, model: str) -> int:
        """Return the newest version of a model.

        Raises:
            NotFoundError: There is no such model, or it has no version.
        """
        with self._translated():
            numbers = [entry["version"] for entry in self._client.iterate("versions", model)]
        if not numbers:
            raise NotFoundError(f"model '{model}' has no version")
        return int(max(numbers))

    def history(
        self, model: str, *, alias: str | None = None, limit: int, before: datetime | None = None
    ) -> Sequence[AliasMove]:
        """Return moves of a model's aliases, newest first.

        Args:
            model: Name of the model.
            alias: Moves of this alias; None for all.
            limit: Maximum number of moves.
            before: Moves before this moment.
        """
        with self._translated():
            entries = self._client.iterate("history", model, alias=alias, limit=limit if before is None else None)
            moves = map(AliasMove.model_validate, entries)
            return list(islice((move for move in moves if before is None or move.at < before), limit))

    def promote(
        self, model: str, version: int, *, alias: str, reason: str, expected: int | None
    ) -> tuple[ModelVersion, int | None]:
        """Point an alias to a version; return that version and the number of the version before, if any.

        Args:
            model: Name of the model.
            version: Number of the version.
            alias: Name of the alias.
            reason: Reason, for the history.
            expected: Version that the alias must point to; None for any.
        """
        with self._translated():
            move = self._client.promote(model, version, alias=alias, reason=reason, expected=expected)
        return self.version(model, version)[0], move["previous"]

    def roll_back(
        self, model: str, *, alias: str, reason: str, expected: int | None
    ) -> tuple[ModelVersion, int | None]:
        """Point an alias to its previous version; return that version and the number of the one before the rollback.

        Args:
            model: Name of the model.
            alias: Name of the alias.
            reason: Reason, for the history.
            expected: Version that the alias must point to; None for any.
        """
        with self._translated():
            move = self._client.rollback(model, alias=alias, reason=reason, expected=expected)
        return self.version(model, move["version"])[0], move["previous"]
