"""Check a trained model before its upload."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.cli.terminal.console import err
from pipeline.cli.terminal.exit_codes import message
from pipeline.cli.upload.precheck import SETTINGS, not_uploaded
from pipeline.contracts.errors import InputError, ObjectNotFoundError
from pipeline.contracts.object_keys import CALIBRATION, UploadKey
from pipeline.contracts.records.dataset import Dataset
from pipeline.contracts.records.outcome import UPLOADED
from pipeline.contracts.spec.job_spec import JobSpec, parse_job_spec

if TYPE_CHECKING:
    from pipeline.cli.client.session import Connection

__all__ = ["check_model_file", "precheck_model", "read_model_file"]


def precheck_model(
    file: Path, key: UploadKey, connection: Connection, spec: Path | None, calibration: Path | None, *, check: bool
) -> None:
    """Print which companions of earlier drops are used, and stop an upload that its run would refuse.

    Args:
        file: An .onnx file.
        key: Key of the upload.
        connection: The stack of the upload.
        spec: The train.yaml that is uploaded with the model; None for the one of an earlier drop, if there is one.
        calibration: Rows that are uploaded with the model; None for those of an earlier drop, if there are any.
        check: Whether to read the model as the run will.

    Raises:
        InvalidModelError: The run would refuse the model.
        InvalidJobSpecError: The settings cannot be read, or do not fit the model.
    """
    with tempfile.TemporaryDirectory(prefix="modeldrop-") as scratch:
        folder = Path(scratch)
        settings = spec or _fetch(SETTINGS, key, connection, folder)
        rows = calibration or _fetch((CALIBRATION,), key, connection, folder)
        check_model_file(file, settings, rows, check=check)


def check_model_file(file: Path, settings: Path | None, rows: Path | None, *, check: bool) -> None:
    """Check a model as its run will.

    Args:
        file: An .onnx file.
        settings: The model's train.yaml, if there is one.
        rows: The model's calibration.csv, if there is one.
        check: Whether to check at all.

    Raises:
        InvalidModelError: The run would refuse the model.
        InvalidJobSpecError: The settings cannot be read, or do not fit the model.
    """
    if not check:
        return
    with (
        tempfile.TemporaryDirectory(prefix="modeldrop-") as scratch,
        err().status(f"checking {file.name}"),  # prints nothing without a terminal
    ):
        try:
            parsed = parse_job_spec(settings.read_bytes()) if settings else JobSpec()
            _read(file, parsed, rows, Path(scratch))
        except InputError as error:
            raise not_uploaded(error) from error


def _fetch(names: tuple[str, ...], key: UploadKey, connection: Connection, folder: Path) -> Path | None:
    for name in names:
        try:
            connection.uploads.download(key.sibling(name), folder / name)
        except ObjectNotFoundError:
            continue
        message(f"using {name} from your earlier drop", style="yellow")
        return folder / name
    return None


def read_model_file(file: Path, settings: Path | None) -> Dataset:
    """Read a model as its run will, with the calibration.csv beside it; return the Dataset of its columns.

    Args:
        file: An .onnx file.
        settings: The model's train.yaml; None for the one beside the model, if there is one.

    Raises:
        InvalidModelError: The run would refuse the model.
        InvalidJobSpecError: The settings cannot be read, or do not fit the model.
    """
    from pipeline.brought.reading import DATASET

    candidates = [settings] if settings else [file.parent / name for name in SETTINGS if (file.parent / name).is_file()]
    spec = parse_job_spec(candidates[0].read_bytes()) if candidates else JobSpec()
    rows = file.parent / CALIBRATION
    with tempfile.TemporaryDirectory(prefix="modeldrop-") as scratch:
        _read(file, spec, rows if rows.is_file() else None, Path(scratch))
        return Dataset.from_bytes((Path(scratch) / "out" / DATASET).read_bytes())


def _read(file: Path, spec: JobSpec, rows: Path | None, folder: Path) -> None:
    from pipeline.brought.description import BroughtTask
    from pipeline.brought.process import read_in_subprocess
    from pipeline.brought.reading import TASK
    from pipeline.validation.limits import MAX_CALIBRATION_BYTES, MAX_MODEL_BYTES, check_bytes

    check_bytes(file.name, file.stat().st_size, MAX_MODEL_BYTES)
    shutil.copyfile(file, folder / UPLOADED)
    if rows is not None:
        check_bytes(CALIBRATION, rows.stat().st_size, MAX_CALIBRATION_BYTES)
        shutil.copyfile(rows, folder / CALIBRATION)
    task = BroughtTask(file=file.name, spec=spec, has_calibration=rows is not None)
    (folder / TASK).write_bytes(task.to_bytes())
    read_in_subprocess(folder, file.name)
