"""Many rows through the API, and the answers beside the truth where the rows hold it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pipeline.cli.model_api import ModelApi
from pipeline.contracts.errors import ForbiddenError, InvalidRequestError
from pipeline.parsing.missing import MISSING
from pipeline.serving.answers import most_rows

if TYPE_CHECKING:
    from pipeline.cli.rows import Row, Rows
    from pipeline.cli.session import Connection, Session
    from pipeline.contracts.signature import Signature

__all__ = ["Answers", "predict_rows", "request_rows"]

_CELLS = 50_000  # of one request: well below Lambda's 6 MB, however wide the rows are


@dataclass(kw_only=True, slots=True)
class Answers:
    """What the model said, row by row. ``truths`` has the target or None a row; empty when none is known."""

    model: str
    signature: Signature
    version: int = 0
    predictions: list[dict[str, Any]] = field(default_factory=list)
    truths: list[Any] = field(default_factory=list)

    def document(self) -> dict[str, Any]:
        """What ``modeldrop predict --json`` prints: the API's own form, all batches in one."""
        return {"model": self.model, "version": self.version, "predictions": self.predictions}


def predict_rows(rows: Rows, session: Session, connection: Connection, *, model: str, tenant: str | None) -> Answers:
    """Ask the live version in batches; raise ForbiddenError when the key is not ``tenant``'s, and what the API says."""
    key = session.api_key(connection)
    holder = connection.keys.resolve(key).tenant
    if tenant not in (None, holder):
        raise ForbiddenError(
            f"the API key is tenant {holder}'s: one of {tenant}'s is expected (--api-key KEY; "
            f"'modeldrop keys create {tenant}' makes one)"
        )
    live = connection.registry.live(holder, model)
    answers = Answers(model=model, signature=live.signature)
    with ModelApi(connection.status.api_url or "", key, transport=session.world.transport) as api:
        for batch in rows.batches(_batch_rows(live.signature)):
            request = batch if rows.verbatim else request_rows(batch, live.signature, typed=rows.typed)
            answer = api.infer(model, request)
            answers.version = answer["version"]
            answers.predictions += answer["predictions"]
            answers.truths += [_truth(row.get(live.signature.target), live.signature.task) for row in batch]
    if all(truth is None for truth in answers.truths):
        answers.truths = []
    if not answers.predictions:
        raise InvalidRequestError("there are no rows to predict on: at least one is expected")
    return answers


def _batch_rows(signature: Signature) -> int:
    cells = sum(math.prod(column.shape) for column in signature.columns)  # of no shape: 1
    return max(1, min(most_rows(signature), _CELLS // cells))


def request_rows(batch: list[Row], signature: Signature, *, typed: bool) -> list[Row]:
    """The columns that the model reads, each value as it means; what cannot be read so goes as it is, to be refused."""
    return [dict(_request_row(row, signature, typed=typed)) for row in batch]


def _request_row(row: Row, signature: Signature, *, typed: bool) -> Iterator[tuple[str, Any]]:
    for column in signature.columns:
        if column.name in row:
            value = row[column.name]
            yield column.name, _present(value) if typed else _meant(value, column.kind)


def _present(value: Any) -> Any:
    """JSON has no NaN: it is a missing value."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _meant(text: str, kind: str) -> float | str | None:
    if text.strip() in MISSING:
        return None
    if kind != "numeric":
        return text
    try:
        number = float(text)
    except ValueError:
        return text
    return number if math.isfinite(number) else None


def _truth(value: Any, task: str) -> Any:
    """None when it is missing, or no finite number where one is expected."""
    if value is None or (isinstance(value, str) and value.strip() in MISSING):
        return None
    if task == "classification":
        return value
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None
