"""A stack that is reached by its API alone, with a key and no AWS credentials."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from pipeline.cli.client.api_client import ApiClient
from pipeline.cli.client.lookup import hint_at_runs
from pipeline.contracts.errors import NotFoundError
from pipeline.contracts.records.run import RejectedUpload, Run

__all__ = ["KeyApi"]

_MAX_COMPARED = 100  # runs whose names an unknown one is compared with


class KeyApi(ApiClient):
    """The API with a key alone: uploads and runs. Use it as a context manager."""

    def upload(
        self, file: Path, model: str, *, target: str | None = None, progress: Callable[[int], None] | None = None
    ) -> str | None:
        """Upload a file, in parts if it is large.

        Args:
            file: The file.
            model: Model that it is for.
            target: Column to predict.
            progress: Called with the number of bytes uploaded since its last call.

        Returns:
            Name of the run that it starts; None for a companion.

        Raises:
            ModeldropError: The API refused the request; the class depends on the status.
        """
        with self._translated():
            return self._client.upload(file, model=model, target=target, progress=progress)

    def get(self, run: str) -> Run:
        """Return a run.

        Raises:
            NotFoundError: There is none of this name that the key may see.
            ModeldropError: The API refused the request; the class depends on the status.
        """
        with self._translated():
            return Run.model_validate(self._client.run(run))

    def runs(self, *, model: str | None = None, limit: int | None = None) -> Iterator[Run]:
        """Yield the tenant's runs, newest first; pages are read as they are needed.

        Args:
            model: Runs of this model; None for all.
            limit: Maximum number of runs; None for all.

        Raises:
            ModeldropError: The API refused the request; the class depends on the status.
        """
        with self._translated():
            for entry in self._client.iterate("runs", model or "", limit=limit):
                yield Run.model_validate(entry)

    def rejected(self) -> Iterator[RejectedUpload]:
        """Yield the tenant's uploads that started no run, newest first.

        Raises:
            ModeldropError: The API refused the request; the class depends on the status.
        """
        with self._translated():
            for entry in self._client.iterate("rejected"):
                tenant, slash, _ = entry["key"].partition("/")
                yield RejectedUpload.model_validate({"tenant": tenant if slash else "", "bucket": "", **entry})

    def cancel(self, run: str) -> Run:
        """End a run and its jobs, and return it.

        Raises:
            NotFoundError: There is none of this name that the key may see.
            ConflictError: It has ended, or its version is being promoted.
            ModeldropError: Of the class that the API's status stands for, in its words.
        """
        with self._translated():
            self._client.cancel(run)
        return self.get(run)

    def find(self, name: str) -> Run:
        """Return the run of that name, or the newest run of the model of that name.

        Raises:
            NotFoundError: There is neither.
        """
        with suppress(NotFoundError):
            return self.get(name)
        with suppress(NotFoundError):
            if newest := list(self.runs(model=name, limit=1)):
                return newest[0]
        raise NotFoundError(f"no run or model '{name}'{hint_at_runs(name, list(self.runs(limit=_MAX_COMPARED)))}")
