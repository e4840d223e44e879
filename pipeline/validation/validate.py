"""Validate an uploaded file and write its data set to the artifacts bucket."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

from pipeline.contracts.errors import DatasetError, UnreadableDatasetError
from pipeline.contracts.object_keys import RunKeys, parse_upload_key
from pipeline.contracts.ports import ObjectStore
from pipeline.contracts.records.dataset import Dataset
from pipeline.contracts.records.run import Upload
from pipeline.contracts.spec.job_spec import JobSpec
from pipeline.contracts.upload_metadata import check_bytes, check_sha256
from pipeline.validation.companions.job_spec_file import read_spec
from pipeline.validation.companions.model_code import read_code
from pipeline.validation.companions.test_file import CompanionTest
from pipeline.validation.data_report import describe
from pipeline.validation.known_rows import first_options, later_options
from pipeline.validation.limits import MAX_BYTES, MAX_LARGE_BYTES
from pipeline.validation.prepare import PreparedFiles, prepare
from pipeline.validation.readers.batches import TableRows, open_rows
from pipeline.validation.readers.formats import find_format
from pipeline.validation.readers.source import Source, fetch, hash_files, is_large, list_files
from pipeline.validation.rejected_rows import RejectedRows

__all__ = ["validate"]

_REJECTED = "set_aside.jsonl"


def validate(run: str, upload: Upload, *, uploads: ObjectStore, artifacts: ObjectStore, workdir: Path) -> Dataset:
    """Read, type and split an uploaded file.

    Writes spec.json, the splits, set_aside.jsonl if rows were rejected, report.json, and as the last file dataset.json.

    Args:
        run: The run's id.
        upload: The uploaded file.
        uploads: The store that holds the file and its companions.
        artifacts: The store that gets the results.
        workdir: An empty folder.

    Raises:
        InvalidJobSpecError: train.yaml cannot be read, or does not fit the file.
        DatasetError: The file cannot be used; the subclass says why. ``details["sha256"]`` is set if the file was
            downloaded.
    """
    named = parse_upload_key(upload.key)
    check_bytes(named.display_name, upload.metadata, upload.bytes)
    max_bytes = MAX_LARGE_BYTES if all(form.streamed for _, _, form in list_files(upload)) else MAX_BYTES
    _check_bytes(named.display_name, upload.bytes, max_bytes)
    requested = read_spec(upload, uploads)
    code = read_code(upload, uploads)
    source = fetch(upload, uploads, workdir)
    rejected = RejectedRows(workdir / _REJECTED)
    try:
        check_sha256(named.display_name, upload.metadata, lambda: source.sha256)
        rows, prepared = _prepare(source, requested.spec, rejected, upload, uploads, workdir)
    except DatasetError as error:
        error.details["sha256"] = source.sha256
        raise
    keys = RunKeys(run)
    if rejected.path.exists():
        artifacts.upload(rejected.path, keys.set_aside)
    dataset = prepared.dataset
    additions: dict[str, object] = {"warnings": (*requested.warnings, *dataset.warnings)}
    if code is not None:
        artifacts.put(keys.code, code)
        additions["code_sha256"] = hashlib.sha256(code).hexdigest()
    prepared = replace(prepared, dataset=dataset.model_copy(update=additions))
    report = {"run": run, "file": source.name, **describe(rows, prepared, rejected.path)}
    artifacts.put(keys.report, json.dumps(report, indent=1).encode(), content_type="application/json")
    _write(prepared, keys, artifacts)
    return prepared.dataset


def _prepare(  # noqa: PLR0913, PLR0917 - the inputs of a run
    source: Source, spec: JobSpec, rejected: RejectedRows, upload: Upload, uploads: ObjectStore, workdir: Path
) -> tuple[TableRows, PreparedFiles]:
    large = is_large(source)
    max_bytes = min(MAX_LARGE_BYTES, shutil.disk_usage(workdir).free // 2) if large else MAX_BYTES
    rows = open_rows(source, workdir, first_options(spec), rejected, is_large=large, max_bytes=max_bytes)
    test = _open_test(upload, uploads, workdir, spec, rows)
    return rows, prepare(rows, spec, rejected, workdir, sha256=source.sha256, test=test)


def _check_bytes(name: str, size: int, max_bytes: int) -> None:
    if size > max_bytes:
        raise UnreadableDatasetError(f"'{name}' has {size:,} bytes: at most {max_bytes:,} are expected")


def _open_test(
    upload: Upload, uploads: ObjectStore, workdir: Path, spec: JobSpec, rows: TableRows
) -> CompanionTest | None:
    """Open the user's file of test rows; None if there is none."""
    folders = parse_upload_key(upload.key).folders
    keys = next((keys for folder in folders if (keys := sorted(uploads.keys(f"{folder}test.")))), [])
    if not keys:
        return None
    name, *extra = (key.rsplit("/", 1)[1] for key in keys)
    if extra:
        raise UnreadableDatasetError(f"'{name}' and '{extra[0]}' are both present: one file of test rows is expected")
    form = find_format(name)
    info = uploads.head(keys[0])
    check_bytes(name, info.metadata, info.bytes)
    _check_bytes(name, info.bytes, MAX_BYTES)
    folder = workdir / "test"
    folder.mkdir()
    uploads.download(keys[0], folder / "upload")
    check_sha256(name, info.metadata, lambda: hash_files({name: folder / "upload"}, several=False))
    rejected = RejectedRows(workdir / _REJECTED, file=name)
    source = Source.of_file(name, folder / "upload", form)
    test_rows = open_rows(source, folder, later_options(spec, rows), rejected, image=rows.image)
    return CompanionTest(name=name, rows=test_rows, rejected=rejected)


def _write(prepared: PreparedFiles, keys: RunKeys, artifacts: ObjectStore) -> None:
    for split, path in prepared.splits.items():
        artifacts.upload(path, keys.split(split))
    artifacts.put(keys.spec, prepared.spec.to_bytes(), content_type="application/json")
    artifacts.put(keys.dataset, prepared.dataset.to_bytes(), content_type="application/json")
