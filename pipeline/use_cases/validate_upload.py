"""Use case: an upload becomes a Dataset, or is quarantined."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from pipeline.contracts.errors import InputError
from pipeline.contracts.object_keys import RunKeys
from pipeline.contracts.ports import ObjectStore
from pipeline.contracts.records.run import Learning, Upload
from pipeline.use_cases.run_documents import RunUseCase
from pipeline.validation.quarantine import quarantine
from pipeline.validation.validate import validate

__all__ = ["ValidateUpload"]


@dataclass(frozen=True, kw_only=True)
class ValidateUpload(RunUseCase):
    """Validate the upload of a run and write its Dataset.

    Attributes:
        uploads: Bucket of the uploads.
    """

    uploads: ObjectStore

    def __call__(self, run: str) -> None:
        """Validate the upload of ``run``.

        Raises:
            InputError: The file was refused; it is in quarantine, beside a report.
        """
        upload = self._read(Upload, RunKeys.of(run).upload)
        try:
            with tempfile.TemporaryDirectory() as workdir:
                dataset = validate(run, upload, uploads=self.uploads, artifacts=self.artifacts, workdir=Path(workdir))
        except InputError as error:
            quarantine(run, upload, error, uploads=self.uploads, artifacts=self.artifacts)
            raise
        self.runs.record_learning(
            run,
            Learning(
                target=dataset.target,
                task=dataset.task,
                default_target=dataset.default_target,
                likely_target=dataset.likely_target,
                hints=dataset.hints,
            ),
        )
        self.runs.finish_stage(run, "validate")
