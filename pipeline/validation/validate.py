"""An uploaded file -> a Dataset in the artefacts bucket."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import replace
from pathlib import Path

from pipeline.contracts.dataset import Dataset
from pipeline.contracts.errors import DatasetError, UnreadableDatasetError
from pipeline.contracts.job_spec import JobSpec
from pipeline.contracts.names import RunKeys, parse_upload_key
from pipeline.contracts.ports import ObjectStore
from pipeline.contracts.run import Upload
from pipeline.validation.companions.job_spec_file import read_spec
from pipeline.validation.companions.model_code import read_code
from pipeline.validation.companions.test_file import GivenTest
from pipeline.validation.limits import MOST_BYTES, MOST_LARGE_BYTES
from pipeline.validation.prepare import prepare
from pipeline.validation.prepare_streaming import PreparedFiles, prepare_large
from pipeline.validation.readers.formats import format_of
from pipeline.validation.readers.source import Source, fetch, files_of, is_large, read_source
from pipeline.validation.readers.table import read_table
from pipeline.validation.rejected_rows import SetAside

__all__ = ["validate"]


def validate(run: str, upload: Upload, *, uploads: ObjectStore, artifacts: ObjectStore, workdir: Path) -> Dataset:
    """Write spec.json, the splits, set_aside.jsonl when rows were set aside, and last dataset.json.

    Raise InvalidJobSpecError, or DatasetError kin, with ``details["sha256"]`` when the file was downloaded.
    """
    most = MOST_LARGE_BYTES if all(form.streamed for _, _, form in files_of(upload)) else MOST_BYTES
    _check_bytes(parse_upload_key(upload.key).shown, upload.bytes, most)
    spec = read_spec(upload, uploads)
    code = read_code(upload, uploads)
    source = fetch(upload, uploads, workdir)
    aside = SetAside(_set_aside(workdir))
    try:
        prepared = _prepare(source, spec, aside, upload, uploads, workdir)
    except DatasetError as error:
        error.details["sha256"] = source.sha256
        raise
    if aside.path.exists():
        artifacts.upload(aside.path, RunKeys.of(run).set_aside)
    if code is not None:
        artifacts.put(RunKeys.of(run).code, code)
        prepared = replace(
            prepared,
            dataset=prepared.dataset.model_copy(update={"code_sha256": hashlib.sha256(code).hexdigest()}),
        )
    _write(prepared, RunKeys.of(run), artifacts)
    return prepared.dataset


def _set_aside(workdir: Path) -> Path:
    return workdir / "set_aside.jsonl"


def _prepare(  # noqa: PLR0913, PLR0917 - what there is, and where it lies
    source: Source, spec: JobSpec, aside: SetAside, upload: Upload, uploads: ObjectStore, workdir: Path
) -> PreparedFiles:
    if is_large(source):
        room = min(MOST_LARGE_BYTES, shutil.disk_usage(workdir).free // 2)
        given = _given_test(upload, uploads, workdir, image=())
        return prepare_large(source, spec, aside, workdir, given_test=given, most_bytes=room)
    table = read_source(source, aside)
    given = _given_test(upload, uploads, workdir, image=table.image)
    prepared = prepare(table, spec, aside, sha256=source.sha256, given_test=given)
    files = {split: workdir / f"{split}.parquet" for split in prepared.splits}
    for split, frame in prepared.splits.items():
        frame.write_parquet(files[split], compression="snappy")
    return PreparedFiles(dataset=prepared.dataset, splits=files, spec=prepared.spec)


def _check_bytes(name: str, size: int, most: int) -> None:
    if size > most:
        raise UnreadableDatasetError(f"'{name}' has {size:,} bytes: at most {most:,} are expected")


def _given_test(upload: Upload, uploads: ObjectStore, workdir: Path, *, image: tuple[int, ...]) -> GivenTest | None:
    """The file of test rows beside the data; None when there is none."""
    folders = parse_upload_key(upload.key).folders
    found = next((keys for folder in folders if (keys := sorted(uploads.keys(f"{folder}test.")))), [])
    names = [key.rsplit("/", 1)[1] for key in found]
    if not found:
        return None
    if len(found) > 1:
        raise UnreadableDatasetError(f"'{names[0]}' and '{names[1]}' are both there: one file of test rows is expected")
    (key,), (name,) = found, names
    form = format_of(name)
    _check_bytes(name, uploads.head(key).bytes, MOST_BYTES)
    folder = workdir / "test"
    folder.mkdir()
    uploads.download(key, folder / "upload")
    aside = SetAside(_set_aside(workdir), file=name)
    return GivenTest(file=name, table=read_table(name, folder / "upload", form, aside, image=image), aside=aside)


def _write(prepared: PreparedFiles, keys: RunKeys, artifacts: ObjectStore) -> None:
    for split, path in prepared.splits.items():
        artifacts.upload(path, keys.split(split))
    artifacts.put(keys.spec, prepared.spec.to_bytes(), content_type="application/json")
    artifacts.put(keys.dataset, prepared.dataset.to_bytes(), content_type="application/json")
