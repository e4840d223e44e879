"""Predict many rows by the API, in batches."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pipeline.cli.client.lookup import find_live
from pipeline.cli.client.model_api import ModelApi
from pipeline.cli.terminal.exit_codes import message
from pipeline.contracts.errors import ForbiddenError, InvalidRequestError, NotFoundError
from pipeline.registry.sign_in.callers import is_token
from pipeline.serving.responses import max_response_rows

if TYPE_CHECKING:
    from pipeline.cli.client.session import Connection, Session
    from pipeline.cli.input.request_rows import Row
    from pipeline.cli.input.rows import RowSource
    from pipeline.contracts.signature import Signature

__all__ = ["PredictedRows", "make_batches", "predict_rows"]

_MAX_CELLS = 50_000  # cells per request, so that a slow model stays within API Gateway's timeout
_MAX_BYTES = 3_500_000  # bytes of JSON per request: Lambda accepts 6 MB, and API Gateway sends the body as base64
_ROW_LOCATION = re.compile(r"\brows\[(\d+)\]")


@dataclass(kw_only=True, slots=True)
class PredictedRows:
    """Predictions by row. ``truths`` has the target of each row or None; empty if none is known."""

    model: str
    signature: Signature
    version: int = 0
    predictions: list[dict[str, Any]] = field(default_factory=list)
    truths: list[Any] = field(default_factory=list)

    def document(self) -> dict[str, Any]:
        """Return what ``modeldrop predict --json`` prints: the API's form, with all batches joined."""
        return {"model": self.model, "version": self.version, "predictions": self.predictions}


def predict_rows(
    source: RowSource,
    session: Session,
    connection: Connection | None = None,
    *,
    model: str,
    tenant: str | None,
    limit: int | None = None,
    ignore_extra: bool = False,
) -> PredictedRows:
    """Predict with the live version in batches.

    Args:
        source: Where the rows come from.
        session: Session with the options for the address and the API key.
        connection: Stack that serves the model; None for the session's.
        model: Name of the model, or ``owner/name`` of one that another tenant shares.
        tenant: Tenant that owns the model; None for the key's.
        limit: Maximum number of rows; None for all.
        ignore_extra: Ignore columns that the model does not read.

    Raises:
        ForbiddenError: The key is another tenant's.
        DatasetError: The file does not match the model's signature.
        InvalidRequestError: There are no rows, or the API refuses one.
    """
    with ExitStack() as stack:
        api, model, signature = _find_served(stack, session, connection, model, tenant)
        rows = source.read(signature, limit=limit, ignore_extra=ignore_extra)
        for warning in rows.warnings:
            message(f"! {warning}", style="yellow")
        predicted = PredictedRows(model=model, signature=signature, truths=list(rows.truths))
        for batch in make_batches(rows.rows, _batch_rows(signature)):
            try:
                response = api.infer(model, batch, ignore_extra=ignore_extra)
            except InvalidRequestError as error:
                text = error.message.replace("?extra=ignore", "--ignore-extra")
                if not rows.verbatim:
                    text = _name_rows(text, len(predicted.predictions))
                raise InvalidRequestError(text) from error
            predicted.version = response["version"]
            predicted.predictions += response["predictions"]
    if not predicted.predictions:
        raise InvalidRequestError("there are no rows to predict: at least one is expected")
    return predicted


def _find_served(
    stack: ExitStack, session: Session, connection: Connection | None, model: str, tenant: str | None
) -> tuple[ModelApi, str, Signature]:
    """Return the API that serves a model, the model's name in the API, and the signature of the live version.

    The registry knows the tenant of an API key. Only the API knows the tenant of a token, so the signature is then read
    from the API.
    """
    address = session.chosen_api() if connection is None else None
    if address is None:
        connection = connection or session.connection()
        address = connection.status.api_url or "", session.api_key(connection)
        if not is_token(address[1]):
            api = stack.enter_context(ModelApi(*address, transport=session.dependencies.transport))
            return api, model, _find_signature(connection, address[1], model, tenant)
    name = model if tenant is None or "/" in model else f"{tenant}/{model}"
    api = stack.enter_context(ModelApi(*address, transport=session.dependencies.transport))
    try:
        return api, name, api.signature(name)
    except NotFoundError as error:
        if "/" not in name:
            raise
        raise NotFoundError(
            f"the API does not describe '{name}' ({error.message}): modeldrop.Client().predict sends rows "
            "and files to shared models by a key alone, or use this command with the embedded cloud or --stack"
        ) from error


def _find_signature(connection: Connection, key: str, model: str, tenant: str | None) -> Signature:
    """Return the signature of a model that the key's tenant owns, or that is shared with it."""
    holder = connection.keys.resolve(key).tenant
    if tenant not in (None, holder):
        raise ForbiddenError(
            f"the API key belongs to tenant {holder}: one of {tenant} is expected (--api-key KEY; "
            f"'modeldrop keys create {tenant}' makes one)"
        )
    owner, _, name = model.rpartition("/")
    return find_live(connection, owner or holder, name).signature


def make_batches(rows: Iterator[Row], max_rows: int, max_bytes: int = _MAX_BYTES) -> Iterator[list[Row]]:
    """Split rows into batches that each fit into one request, by rows and bytes of JSON."""
    batch: list[Row] = []
    size = 0
    for row in rows:
        bytes_ = len(json.dumps(row, ensure_ascii=False).encode()) + 1
        if batch and (len(batch) == max_rows or size + bytes_ > max_bytes):
            yield batch
            batch, size = [], 0
        batch.append(row)
        size += bytes_
    if batch:
        yield batch


def _batch_rows(signature: Signature) -> int:
    cells = sum(math.prod(column.shape) for column in signature.columns)  # a column without a shape has 1
    return max(1, min(max_response_rows(signature), _MAX_CELLS // max(1, cells)))


def _name_rows(text: str, before: int) -> str:
    """Renumber the rows in an API message, from 1 over the whole file."""
    return _ROW_LOCATION.sub(lambda match: f"row {int(match[1]) + before + 1:,}", text)
