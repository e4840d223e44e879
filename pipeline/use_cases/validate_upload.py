"""Use case: an upload becomes a Dataset, or is quarantined."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from pipeline.contracts.errors import InputError, ObjectNotFoundError
from pipeline.contracts.object_keys import CALIBRATION, RunKeys, parse_upload_key
from pipeline.contracts.ports import ObjectStore
from pipeline.contracts.records.outcome import UPLOADED
from pipeline.contracts.records.plan import BROUGHT
from pipeline.contracts.records.run import Learning, Upload
from pipeline.use_cases.run_documents import RunUseCase
from pipeline.validation.companions.job_spec_file import read_spec
from pipeline.validation.limits import MAX_CALIBRATION_BYTES, MAX_MODEL_BYTES, check_bytes
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
            InputError: The file was refused; quarantine has a copy of it and a report.
        """
        upload = self._read(Upload, RunKeys(run).upload)
        try:
            if parse_upload_key(upload.key).is_model:
                self._copy_model(run, upload)
                self.runs.finish_stage(run, "validate")
                return
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

    def _copy_model(self, run: str, upload: Upload) -> None:
        """Copy an uploaded model, its settings and its calibration rows to the run. A job reads the untrusted files.

        Raises:
            InvalidModelError: A file is too large.
            InvalidJobSpecError: train.yaml cannot be read.
        """
        keys, key = RunKeys(run), parse_upload_key(upload.key)
        check_bytes(key.file, upload.bytes, MAX_MODEL_BYTES)
        self._write(read_spec(upload, self.uploads).spec, keys.spec)
        model = keys.candidate(BROUGHT, UPLOADED)
        self.artifacts.copy_from(self.uploads, upload.key, model, version_id=upload.version_id)
        rows = key.sibling(CALIBRATION)
        try:
            info = self.uploads.head(rows)
        except ObjectNotFoundError:
            return
        check_bytes(CALIBRATION, info.bytes, MAX_CALIBRATION_BYTES)
        self.artifacts.copy_from(self.uploads, rows, keys.candidate(BROUGHT, CALIBRATION), version_id=info.version_id)
