"""Putting a file where it starts a run, as any S3 client would."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from pipeline.cli.exits import message
from pipeline.cli.views import size
from pipeline.contracts.errors import ObjectNotFoundError
from pipeline.contracts.names import UploadKey, check_model, check_tenant, run_name

if TYPE_CHECKING:
    from pipeline.cli.session import Connection

__all__ = ["drop_file", "model_of"]

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
    if target is not None and not (target.isascii() and target.isprintable()):
        raise typer.BadParameter("object metadata carries ASCII alone: name this column in train.yaml (--spec)")
    if spec is not None:
        connection.uploads.upload(spec, key.sibling("train.yaml"))
    elif key.starts_run and _is_there(key.sibling("train.yaml"), connection):
        message(f"the train.yaml that lies in {tenant}/{model} goes with it", style="yellow")
    where = key.sibling(key.file)
    connection.uploads.upload(file, where, metadata={"target": target} if target is not None else None)
    message(f"{size(file.stat().st_size)} to s3://{connection.uploads.bucket}/{where}", style="dim")
    if not key.starts_run:
        return None
    version_id = connection.uploads.head(where).version_id
    return run_name(tenant, model, connection.uploads.bucket, where, version_id)


def _is_there(key: str, connection: Connection) -> bool:
    try:
        connection.uploads.head(key)
    except ObjectNotFoundError:
        return False
    return True
