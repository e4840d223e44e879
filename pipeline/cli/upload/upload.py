"""Upload a file or a folder to the uploads bucket, which starts a run."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.cli.input.folders import FolderContents, confirm, large_reasons, name_files, zip_images
from pipeline.cli.terminal.console import err
from pipeline.cli.terminal.exit_codes import message
from pipeline.cli.upload.model_check import precheck_model
from pipeline.cli.upload.precheck import SETTINGS, PlannedUpload, check_companion, precheck
from pipeline.cli.views.tables import size
from pipeline.contracts.object_keys import CALIBRATION, UploadKey, check_model, check_tenant, run_name
from pipeline.contracts.upload_metadata import make_metadata

if TYPE_CHECKING:
    from pipeline.cli.client.session import Connection

__all__ = ["DropOptions", "drop_file", "drop_folder", "model_of", "show_progress"]

_SHOWN_BYTES = 8 << 20  # an upload of at least this size shows a progress bar
_GENERIC_NAMES = frozenset({"train", "training", "data", "dataset"})


def model_of(file: Path) -> str:
    """Return the model's name: the file's, or its folder's if the file has a generic name, such as train."""
    stem = (file.name.split(".", 1)[0] or file.resolve().name).split(".", 1)[0]  # '.' and '..' have no name
    name = file.resolve().parent.name if stem.lower() in _GENERIC_NAMES else stem
    return re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-_")[:32].rstrip("-_")


@dataclass(frozen=True, kw_only=True, slots=True)
class DropOptions:
    """Options of a drop. ``check``: check before the upload; ``watch``: follow the run."""

    tenant: str
    model: str
    target: str | None = None
    spec: Path | None = None
    calibration: Path | None = None
    check: bool = True
    watch: bool = True
    confirmed: bool = False  # confirms large and unusual uploads

    def key(self, file: str) -> UploadKey:
        """Return the object's key.

        Raises:
            InvalidUploadError: The name is invalid.
        """
        return UploadKey(tenant=check_tenant(self.tenant), model=check_model(self.model), file=file)


def drop_file(file: Path, connection: Connection, options: DropOptions) -> str | None:
    """Upload a file, after its settings.

    Args:
        file: A data file or a companion.
        connection: The stack of the upload.
        options: Tenant, model, target, settings.

    Returns:
        The name of the run that the file starts; None for a companion.

    Raises:
        InputError: The name is invalid, or the run would refuse the data.
    """
    key = options.key(file.name)
    confirm(large_reasons([file]), confirmed=options.confirmed)
    if key.is_model:
        precheck_model(file, key, connection, options.spec, options.calibration, check=options.check)
    elif key.starts_run:
        upload = PlannedUpload(key=key, files=[file], spec=options.spec, target=options.target)
        precheck(upload, connection, check=options.check, watch=options.watch)
    elif options.check:
        check_companion(file)
    return _put_file(file, connection, key, options)


def drop_folder(folder: Path, connection: Connection, options: DropOptions, *, now: datetime) -> str | None:
    """Upload a folder as one data set: its part files, or a zip of its folders of images.

    Companions in the folder are uploaded, too; the train.yaml of ``options`` replaces the folder's. Other files are
    ignored, and reported.

    Args:
        folder: Folder of the files.
        connection: The stack of the upload.
        options: Tenant, model, target, settings.
        now: Current time, which names the data set of part files.

    Returns:
        The name of the run that the folder starts.

    Raises:
        typer.BadParameter: The folder holds no data or several kinds of it, or the upload must be confirmed.
        InputError: The run would refuse the data.
    """
    contents = FolderContents.of(folder)
    contents.check(folder)
    replaced = [file for file in contents.companions if options.spec is not None and file.name in SETTINGS]
    companions = [file for file in contents.companions if file not in replaced]
    data = contents.data_files or contents.images
    confirm([*large_reasons(data), *contents.unusual_reasons(folder)], confirmed=options.confirmed)
    if left_out := [*replaced, *contents.other_files]:
        message(f"ignored: {name_files(folder, left_out)}", style="yellow")
    if contents.data_files:
        return _drop_parts(folder, contents.data_files, companions, connection, options, now)
    with zip_images(folder, contents.images, model_of(folder)) as packed:
        key = options.key(packed.name)
        upload = PlannedUpload(key=key, files=[packed], companions=companions, spec=options.spec, target=options.target)
        precheck(upload, connection, check=options.check, watch=options.watch)
        for companion in companions:
            _put_file(
                companion, connection, options.key(companion.name), DropOptions(tenant=key.tenant, model=key.model)
            )
        return _put_file(packed, connection, key, options)


def _drop_parts(  # noqa: PLR0917 - files and their destination
    folder: Path,
    data_files: list[Path],
    companions: list[Path],
    connection: Connection,
    options: DropOptions,
    now: datetime,
) -> str:
    # In a folder of its own, so that it has no parts of an earlier drop.
    dataset = f"{model_of(folder) or 'parts'}-{now:%Y%m%dT%H%M%SZ}"
    key = options.key(f"{dataset}/_SUCCESS")
    metadata = _metadata(options.target)
    upload = PlannedUpload(key=key, files=data_files, companions=companions, spec=options.spec, target=options.target)
    precheck(upload, connection, check=options.check, watch=options.watch)
    if options.spec is not None:
        connection.uploads.upload(options.spec, key.sibling(f"{dataset}/train.yaml"))
    where = f"s3://{connection.uploads.bucket}/{key.sibling(dataset)}/"
    files = [*companions, *data_files]
    for number, file in enumerate(files, 1):
        _upload(file, key.sibling(f"{dataset}/{file.name}"), connection)
        message(f"{file.name}, {size(file.stat().st_size)}, {number} of {len(files)} to {where}", style="dim")
    end = key.sibling(key.file)
    connection.uploads.put(end, b"", metadata=metadata)
    return _run(end, key, connection)


def _put_file(file: Path, connection: Connection, key: UploadKey, options: DropOptions) -> str | None:
    if options.spec is not None:
        connection.uploads.upload(options.spec, key.sibling("train.yaml"))
    if options.calibration is not None:
        connection.uploads.upload(options.calibration, key.sibling(CALIBRATION))
    where = key.sibling(key.file)
    _upload(file, where, connection, _metadata(options.target))
    message(f"{size(file.stat().st_size)} to s3://{connection.uploads.bucket}/{where}", style="dim")
    return _run(where, key, connection) if key.starts_run else None


def _upload(file: Path, key: str, connection: Connection, metadata: dict[str, str] | None = None) -> None:
    with show_progress(file) as progress:
        connection.uploads.upload(file, key, metadata=metadata, progress=progress)


@contextmanager
def show_progress(file: Path) -> Iterator[Callable[[int], None] | None]:
    """Show a progress bar for a large file, and yield the function that advances it; None if there is no bar."""
    console, bytes_ = err(), file.stat().st_size
    if not console.is_terminal or bytes_ < _SHOWN_BYTES:
        yield None
        return
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

    columns = ("{task.description}", BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(file.name, total=bytes_)
        yield lambda more: bar.advance(task, more)


def _metadata(target: str | None) -> dict[str, str] | None:
    return None if target is None else make_metadata(target)


def _run(where: str, key: UploadKey, connection: Connection) -> str:
    """Return the name of the run that the object starts."""
    version_id = connection.uploads.head(where).version_id
    return run_name(key.tenant, key.model, connection.uploads.bucket, where, version_id)
