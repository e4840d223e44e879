"""Putting a file, or a folder, where it starts a run, as any S3 client would."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.cli.consoles import err
from pipeline.cli.exits import message
from pipeline.cli.folders import FolderContents, name_files, zip_pictures
from pipeline.cli.views import size
from pipeline.contracts.errors import ObjectNotFoundError
from pipeline.contracts.names import COMPANIONS, UploadKey, check_model, check_tenant, run_name
from pipeline.contracts.upload_metadata import make_metadata

if TYPE_CHECKING:
    from pipeline.cli.session import Connection

__all__ = ["drop_file", "drop_folder", "model_of"]

_SHOWN_BYTES = 8 << 20  # from which on an upload has a bar
_SAYS_NOTHING = frozenset({"train", "training", "data", "dataset"})
_SETTINGS = COMPANIONS[:2]


def model_of(file: Path) -> str:
    """A name for the model of ``file``: the file's, or its folder's when it is called train or data."""
    stem = (file.name.split(".", 1)[0] or file.resolve().name).split(".", 1)[0]  # '.' and '..' have none of their own
    name = file.resolve().parent.name if stem.lower() in _SAYS_NOTHING else stem
    return re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-_")[:32].rstrip("-_")


def drop_file(
    file: Path, connection: Connection, *, tenant: str, model: str, target: str | None, spec: Path | None
) -> str | None:
    """Put ``file``, its settings first; the name of the run that it starts, None for a companion.

    Raises InvalidUploadError for a name that the pipeline would refuse.
    """
    key = UploadKey(tenant=check_tenant(tenant), model=check_model(model), file=file.name)
    metadata = _metadata(target)
    if spec is not None:
        connection.uploads.upload(spec, key.sibling("train.yaml"))
    elif key.starts_run and _is_there(key.sibling("train.yaml"), connection):
        message(f"the train.yaml that lies in {tenant}/{model} goes with it", style="yellow")
    where = key.sibling(key.file)
    _upload(file, where, connection, metadata)
    message(f"{size(file.stat().st_size)} to s3://{connection.uploads.bucket}/{where}", style="dim")
    return _run(where, key, connection) if key.starts_run else None


def drop_folder(
    folder: Path,
    connection: Connection,
    *,
    tenant: str,
    model: str,
    target: str | None,
    spec: Path | None,
    now: datetime,
) -> str | None:
    """Put what ``folder`` holds as one data set: its part files, or a zip of its folders of pictures.

    Companions in it go with them; ``spec`` is put in place of its own settings. What else is there is left out, and
    named. Raises typer.BadParameter for a folder that is neither, or both.
    """
    found = FolderContents.of(folder)
    found.check(folder)
    replaced = [file for file in found.companions if spec is not None and file.name in _SETTINGS]
    companions = [file for file in found.companions if file not in replaced]
    if left_out := [*replaced, *found.rest]:
        message(f"left out: {name_files(folder, left_out)}", style="yellow")
    if found.parts:
        put = _Parts(folder=folder, parts=found.parts, companions=companions, spec=spec)
        return put.drop(connection, tenant=tenant, model=model, target=target, now=now)
    with zip_pictures(folder, found.pictures, model_of(folder)) as packed:
        for companion in companions:
            drop_file(companion, connection, tenant=tenant, model=model, target=None, spec=None)
        return drop_file(packed, connection, tenant=tenant, model=model, target=target, spec=spec)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Parts:
    """Part files of ``folder``, and what accompanies them."""

    folder: Path
    parts: list[Path]
    companions: list[Path]
    spec: Path | None

    def drop(self, connection: Connection, *, tenant: str, model: str, target: str | None, now: datetime) -> str:
        # In a folder of its own, lest an earlier drop's are among them.
        dataset = f"{model_of(self.folder) or 'parts'}-{now:%Y%m%dT%H%M%SZ}"
        key = UploadKey(tenant=check_tenant(tenant), model=check_model(model), file=f"{dataset}/_SUCCESS")
        metadata = _metadata(target)
        if self.spec is not None:
            connection.uploads.upload(self.spec, key.sibling(f"{dataset}/train.yaml"))
        where = f"s3://{connection.uploads.bucket}/{key.sibling(dataset)}/"
        files = [*self.companions, *self.parts]
        for number, file in enumerate(files, 1):
            _upload(file, key.sibling(f"{dataset}/{file.name}"), connection)
            told = f"{file.name}, {size(file.stat().st_size)}, {number} of {len(files)}"
            message(f"{told} to {where}", style="dim")
        end = key.sibling(key.file)
        connection.uploads.put(end, b"", metadata=metadata)
        return _run(end, key, connection)


def _upload(file: Path, key: str, connection: Connection, metadata: dict[str, str] | None = None) -> None:
    """With a bar, of a file that takes a while."""
    console, bytes_ = err(), file.stat().st_size
    if not console.is_terminal or bytes_ < _SHOWN_BYTES:
        connection.uploads.upload(file, key, metadata=metadata)
        return
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

    columns = ("{task.description}", BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(file.name, total=bytes_)
        connection.uploads.upload(file, key, metadata=metadata, progress=lambda more: bar.advance(task, more))


def _metadata(target: str | None) -> dict[str, str] | None:
    return None if target is None else make_metadata(target)


def _run(where: str, key: UploadKey, connection: Connection) -> str:
    """The name of the run that the object starts."""
    version_id = connection.uploads.head(where).version_id
    return run_name(key.tenant, key.model, connection.uploads.bucket, where, version_id)


def _is_there(key: str, connection: Connection) -> bool:
    try:
        connection.uploads.head(key)
    except ObjectNotFoundError:
        return False
    return True
