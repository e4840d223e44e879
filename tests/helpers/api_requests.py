"""A function of the API as Lambda loads it, with what it is composed of replaced, and what it said."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from functools import cache
from io import StringIO
from types import ModuleType
from typing import Any

import pytest

from pipeline.lambda_handlers import logger
from tests.fakes.lambda_context import FakeLambdaContext
from tests.helpers.function_files import event, load_function

__all__ = ["Api", "Said", "authorized"]

_ENVIRON = {
    "AWS_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "TABLE_NAME": "modeldrop-table",
    "UPLOADS_BUCKET": "modeldrop-uploads",
    "ARTIFACTS_BUCKET": "modeldrop-artifacts",
    "STATE_MACHINE_ARN": "arn:aws:states:us-east-1:123456789012:stateMachine:modeldrop-pipeline",
}


@dataclass(frozen=True)
class Said:
    """``lines`` of the log, ``records`` of metrics, ``text``: all of both."""

    lines: list[dict[str, Any]]
    records: list[dict[str, Any]]
    text: str


class Api:
    """One function; what bootstrap composed for it is what a test ``gives`` instead."""

    def __init__(self, function: str, capsys: pytest.CaptureFixture[str]) -> None:
        self._module = _load(function)
        self._context = FakeLambdaContext(function_name=f"modeldrop-{function}")
        self._capsys = capsys

    def give(self, **parts: Any) -> None:
        """Module-level names of the function's file, and what they are from now on."""
        vars(self._module).update(parts)

    def call(self, document: dict[str, Any]) -> dict[str, Any]:
        answer: dict[str, Any] = self._module.handler(document, self._context)
        return answer

    def ask(self, document: dict[str, Any]) -> tuple[int, Any]:
        """The status, and the body as JSON."""
        answer = self.call(document)
        return answer["statusCode"], json.loads(answer["body"])

    def said(self, document: dict[str, Any]) -> Said:
        """What one call leaves in the function's log."""
        handler = logger.registered_handler
        assert isinstance(handler, logging.StreamHandler)
        log = StringIO()
        stdout = handler.setStream(log)
        self._capsys.readouterr()
        try:
            self.call(document)
        finally:
            handler.setStream(stdout)
        records = self._capsys.readouterr().out
        text = log.getvalue() + records
        documents = [json.loads(line) for line in text.splitlines()]
        return Said(
            lines=[document for document in documents if "_aws" not in document],
            records=[document for document in documents if "_aws" in document],
            text=text,
        )


def authorized(name: str, authorizer: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """An event whose ``authorizer`` has these parts replaced too."""
    document = event(name)
    document["requestContext"].setdefault("authorizer", {}).update(authorizer or {})
    return document | changes


@cache
def _load(function: str) -> ModuleType:
    """Once: the clients that the file makes take longer than all tests together."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in _ENVIRON.items():
            patch.setenv(name, value)
        return load_function(function)
