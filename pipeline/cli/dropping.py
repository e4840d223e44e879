"""Putting a file, or a folder, where it starts a run, as any S3 client would."""

from __future__ import annotations

import re
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from pipeline.cli.consoles import err
from pipeline.cli.exits import message
from pipeline.cli.views import size
from pipeline.contracts.errors import ObjectNotFoundError
from pipeline.contracts.names import COMPANIONS, MOST_PARTS, UploadKey, check_model, check_tenant, run_name

if TYPE_CHECKING:
    from pipeline.cli.session import Connection

__all__ = ["drop_file", "drop_folder", "model_of"]

_SHOWN_BYTES = 8 << 20  # from which on an upload has a bar
_SAYS_NOTHING = frozenset({"train", "training", "data", "dataset"})


def model_of(file: Path) -> str:
    """A name for the model of ``file``: the file's, or its folder's when it is called train or data."""
    stem = file.name.split(".", 1)[0]
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

    Companions in it go with them. Raises typer.BadParameter for a folder that is neither.
    """
    files = sorted(file for file in folder.iterdir() if file.is_file() and not file.name.startswith((".", "_")))
    parts = [file for file in files if UploadKey.is_data(file.name)]
    if not parts:
        with _zipped(folder) as pictures:
            for companion in files:
                drop_file(companion, connection, tenant=tenant, model=model, target=None, spec=None)
            return drop_file(pictures, connection, tenant=tenant, model=model, target=target, spec=spec)
    if len(parts) > MOST_PARTS:
        raise typer.BadParameter(f"{folder} holds {len(parts):,} files: {MOST_PARTS:,} are the most of one data set")
    dataset = f"{model_of(folder) or 'parts'}-{now:%Y%m%dT%H%M%SZ}"  # of its own, lest an earlier drop's are among them
    key = UploadKey(tenant=check_tenant(tenant), model=check_model(model), file=f"{dataset}/_SUCCESS")
    metadata = _metadata(target)
    companions = [file for file in files if file not in parts]
    if spec is not None:
        companions = [file for file in companions if file.name not in COMPANIONS[:2]]
        connection.uploads.upload(spec, key.sibling(f"{dataset}/train.yaml"))
    where = f"s3://{connection.uploads.bucket}/{key.sibling(dataset)}/"
    for number, file in enumerate([*companions, *parts], 1):
        _upload(file, key.sibling(f"{dataset}/{file.name}"), connection)
        told = f"{file.name}, {size(file.stat().st_size)}, {number} of {len(files)}"
        message(f"{told} to {where}", style="dim")
    end = key.sibling(key.file)
    connection.uploads.put(end, b"", metadata=metadata)
    return _run(end, key, connection)


@contextmanager
def _zipped(folder: Path) -> Iterator[Path]:
    """Its pictures in a zip, as long as it is needed."""
    from pipeline.contracts.pictures import PICTURE_ENDINGS

    pictures = sorted(file for file in folder.rglob("*") if file.name.lower().endswith(PICTURE_ENDINGS))
    if not pictures:
        raise typer.BadParameter(
            f"{folder} holds neither data files (csv, parquet, ...) nor folders of pictures (png or jpg), one a class"
        )
    message(f"{len(pictures):,} pictures into a zip", style="dim")
    with tempfile.TemporaryDirectory() as scratch:
        packed = Path(scratch) / f"{model_of(folder) or 'pictures'}.zip"
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:  # png and jpg are compressed already
            for file in pictures:
                archive.write(file, file.relative_to(folder))
        yield packed


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
    if target is not None and not (target.isascii() and target.isprintable()):
        raise typer.BadParameter("object metadata carries ASCII alone: name this column in train.yaml (--spec)")
    return {"target": target} if target is not None else None


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
