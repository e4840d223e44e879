"""Validate and plan a file locally, as a run would."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pipeline.cli.client.local_store import LocalStore
from pipeline.cli.input.folders import FolderContents, zip_images
from pipeline.cli.views.estimate import estimate_document
from pipeline.contracts.errors import DatasetError, InputError, InvalidModelCodeError
from pipeline.contracts.object_keys import MODEL_CODE, RunKeys
from pipeline.contracts.records.dataset import Dataset
from pipeline.contracts.records.plan import Plan
from pipeline.contracts.records.run import Learning, Part, Upload
from pipeline.contracts.spec.job_spec import JobSpec
from pipeline.planning.plan import plan
from pipeline.validation.companions.model_code import check_code
from pipeline.validation.readers.formats import has_format
from pipeline.validation.validate import validate

__all__ = ["Check", "check_drop", "check_path"]

_MODEL_FOLDER = "local/check"  # prefix of an upload's keys: TENANT/MODEL
_RUN = "local_check_0"
_SETTINGS = ("train.yaml", "train.yml")


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """``report``: how the file was read (validation.data_report); ``plan`` is None for a fine-tuning.

    ``companions``: names of the files that were read with the file.
    """

    name: str
    report: dict[str, Any]
    plan: Plan | None
    learning: Learning
    sha256: str  # hash of the data, as in a version's lineage
    companions: tuple[str, ...] = ()

    def document(self) -> dict[str, Any]:
        """Return what ``modeldrop check --json`` prints."""
        report = {key: value for key, value in self.report.items() if key not in ("run", "file")}
        estimate = self.plan and estimate_document(self.plan.estimate)
        candidates = [candidate.name for candidate in self.plan.candidates] if self.plan else []
        return {**report, "plan": candidates, "estimate": estimate}


@dataclass(frozen=True, kw_only=True, slots=True)
class _Files:
    """Files of an upload by key; ``main`` is the key that starts the run, ``part_keys`` are the keys of part files."""

    name: str
    main: str
    part_keys: tuple[str, ...] = ()
    files: dict[str, Path] = field(default_factory=dict)

    @property
    def companions(self) -> dict[str, Path]:
        return {key: path for key, path in self.files.items() if key != self.main and key not in self.part_keys}

    def without_test(self) -> _Files:
        remaining = {key: path for key, path in self.files.items() if not key.rsplit("/", 1)[1].startswith("test.")}
        return replace(self, files=remaining)


def check_path(path: Path, *, target: str | None, spec: Path | None) -> Check:
    """Read a file or a folder as a run would.

    Args:
        path: A data file; a folder of part files, or of images.
        target: The column to learn; it wins over train.yaml.
        spec: A train.yaml; None for the one beside the file, if there is one.

    Raises:
        InputError: A run would refuse the file, or one beside it.
        typer.BadParameter: The folder holds neither part files nor images, or both.
    """
    with _files_of(path, spec) as files:
        try:
            return _check(files, target)
        except InputError as error:
            fewer = files.without_test()
            if path.is_dir() or fewer.files == files.files or not isinstance(error, DatasetError):
                raise
            # An unrelated file beside this one is no reason to refuse it.
            check = _check(fewer, target)
            warnings = [*check.report["warnings"], f"the file of test rows beside it does not match: {error.message}"]
            return replace(check, report={**check.report, "warnings": warnings})


def check_drop(
    files: Sequence[Path],
    *,
    dataset: str | None,
    companions: Sequence[Path],
    stored: Sequence[Path],
    spec: Path | None,
    target: str | None,
) -> Check:
    """Read an upload as its run will.

    Args:
        files: The data file, or the part files of one data set.
        dataset: The data set's name; None for a data file.
        companions: Companions that are uploaded with them.
        stored: Companions of earlier drops, which lie in the model's folder.
        spec: The train.yaml that is uploaded in place of others.
        target: The column to learn; it wins over train.yaml.

    Raises:
        InputError: The run would refuse it.
    """
    earlier = {f"{_MODEL_FOLDER}/{file.name}": file for file in stored}
    if dataset is None:
        (file,) = files
        uploaded = _of_file(file, [*companions], None)
        folder = _MODEL_FOLDER
    else:
        uploaded = _of_parts(dataset, files, companions, None)
        folder = f"{_MODEL_FOLDER}/{dataset}"
    return _check(replace(uploaded, files=_with_spec(earlier | uploaded.files, folder, spec)), target)


def _check(files: _Files, target: str | None) -> Check:
    with tempfile.TemporaryDirectory(prefix="modeldrop-") as scratch:
        workdir, written = Path(scratch) / "work", Path(scratch) / "written"
        workdir.mkdir()
        written.mkdir()
        artifacts = LocalStore(files={}, folder=written)
        uploads = LocalStore(files=dict(files.files), folder=written)
        dataset = validate(_RUN, _upload(files, target), uploads=uploads, artifacts=artifacts, workdir=workdir)
        keys = RunKeys(_RUN)
        report = json.loads(artifacts.get(keys.report))
        spec = JobSpec.from_bytes(artifacts.get(keys.spec))
    planned = _plan(dataset, spec)
    return Check(
        name=files.name,
        report=report,
        plan=planned,
        learning=Learning(
            target=dataset.target,
            task=dataset.task,
            default_target=dataset.default_target,
            likely_target=dataset.likely_target,
        ),
        sha256=dataset.sha256,
        companions=tuple(key.rsplit("/", 1)[1] for key in files.companions),
    )


def _plan(dataset: Dataset, spec: JobSpec) -> Plan | None:
    """Plan the run; return None for a fine-tuning, whose base model is not looked up here."""
    return None if spec.training.base_model else plan(dataset, spec)


def _upload(files: _Files, target: str | None) -> Upload:
    sizes = {key: files.files[key].stat().st_size for key in files.part_keys or (files.main,)}
    return Upload(
        bucket="local",
        key=files.main,
        version_id="",
        bytes=sum(sizes.values()),
        etag="",
        metadata={"target": target} if target else {},
        parts=tuple(Part(key=key, version_id="", bytes=sizes[key]) for key in files.part_keys),
    )


@contextmanager
def _files_of(path: Path, spec: Path | None) -> Iterator[_Files]:
    if not path.is_dir():
        yield _of_file(path, _find_companions(path), spec)
        return
    contents = FolderContents.of(path)
    contents.check(path)
    if contents.data_files:
        yield _of_parts(path.resolve().name, contents.data_files, contents.companions, spec)
        return
    with zip_images(path, contents.images, path.resolve().name) as packed:
        yield _of_file(packed, contents.companions, spec)


def _of_file(path: Path, companions: list[Path], spec: Path | None) -> _Files:
    main = f"{_MODEL_FOLDER}/{path.name}"
    files = {f"{_MODEL_FOLDER}/{file.name}": file for file in companions}
    return _Files(name=path.name, main=main, files=_with_spec({**files, main: path}, _MODEL_FOLDER, spec))


def _of_parts(dataset: str, files: Sequence[Path], companions: Sequence[Path], spec: Path | None) -> _Files:
    prefix = f"{_MODEL_FOLDER}/{dataset}"
    data_files = {f"{prefix}/{file.name}": file for file in files}
    files_by_key = data_files | {f"{prefix}/{file.name}": file for file in companions}
    return _Files(
        name=f"{dataset}/",
        main=f"{prefix}/_SUCCESS",
        part_keys=tuple(sorted(data_files)),
        files=_with_spec(files_by_key, prefix, spec),
    )


def _with_spec(files: dict[str, Path], prefix: str, spec: Path | None) -> dict[str, Path]:
    if spec is None:
        return files
    remaining = {key: path for key, path in files.items() if key not in {f"{prefix}/{name}" for name in _SETTINGS}}
    return {**remaining, f"{prefix}/train.yaml": spec}


def _find_companions(path: Path) -> list[Path]:
    """Return the companions beside a file: settings, code, and the file of test rows if there is only one."""
    named = [file for name in _SETTINGS if (file := path.parent / name).is_file()]
    if _is_model_code(code := path.parent / MODEL_CODE):
        named.append(code)
    tests = [file for file in path.parent.glob("test.*") if has_format(file.name) and file.is_file()]
    return [*named, *tests] if len(tests) == 1 and not path.name.startswith("test.") else named


def _is_model_code(path: Path) -> bool:
    """Return whether a model.py is an architecture: many folders have one that is something else."""
    try:
        return path.is_file() and check_code(path.read_bytes()) is not None
    except InvalidModelCodeError:
        return False
