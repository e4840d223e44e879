"""Read the job spec: train.yaml beside the file, and the object's metadata."""

from __future__ import annotations

from pipeline.contracts.errors import InvalidJobSpecError, ObjectNotFoundError
from pipeline.contracts.job_spec import JobSpec, parse_job_spec
from pipeline.contracts.names import parse_upload_key
from pipeline.contracts.ports import ObjectStore
from pipeline.contracts.run import Upload
from pipeline.contracts.upload_metadata import read_target
from pipeline.validation.limits import MAX_SPEC_BYTES

__all__ = ["read_spec"]

_NAMES = ("train.yaml", "train.yml")


def read_spec(upload: Upload, uploads: ObjectStore) -> JobSpec:
    """Read the job spec of an upload; its target is that of train.yaml, or else that of the metadata.

    Args:
        upload: The uploaded file.
        uploads: The store that holds it and its companions.

    Raises:
        InvalidJobSpecError: train.yaml is too large, or is not a valid job spec.
    """
    spec = _read_companion(upload, uploads)
    target = read_target(upload.metadata)
    return spec.model_copy(update={"target": target}) if spec.target is None and target else spec


def _read_companion(upload: Upload, uploads: ObjectStore) -> JobSpec:
    for key in (folder + name for folder in parse_upload_key(upload.key).folders for name in _NAMES):
        try:
            size = uploads.head(key).bytes
        except ObjectNotFoundError:
            continue
        if size > MAX_SPEC_BYTES:
            raise InvalidJobSpecError(f"train.yaml has {size:,} bytes: at most {MAX_SPEC_BYTES:,} are expected")
        return parse_job_spec(uploads.get(key))
    return JobSpec()
