"""Call a Lambda function of the API with replaced components, and read its log and metrics."""

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
    """The output of a call: ``lines`` of the log, ``records`` of metrics, and ``text`` of both."""

    lines: list[dict[str, Any]]
    records: list[dict[str, Any]]
    text: str


class Api:
    """A Lambda function; a test replaces the components that bootstrap made, by ``give``."""

    def __init__(self, function: str, capsys: pytest.CaptureFixture[str]) -> None:
        self._module = _load(function)
        self._context = FakeLambdaContext(function_name=f"modeldrop-{function}")
        self._capsys = capsys

    def give(self, **parts: Any) -> None:
        """Replace module-level names of the function's file by these values."""
        vars(self._module).update(parts)

    def call(self, document: dict[str, Any]) -> dict[str, Any]:
        answer: dict[str, Any] = self._module.handler(document, self._context)
        return answer

    def ask(self, document: dict[str, Any]) -> tuple[int, Any]:
        """Call the function; return the status code, and the parsed JSON body."""
        answer = self.call(document)
        return answer["statusCode"], json.loads(answer["body"])

    def said(self, document: dict[str, Any]) -> Said:
        """Call the function; return what it writes to its log."""
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
    """Return an event with top-level fields and fields of ``authorizer`` replaced."""
    document = event(name)
    document["requestContext"].setdefault("authorizer", {}).update(authorizer or {})
    return document | changes


@cache
def _load(function: str) -> ModuleType:
    """Load a function's file, once: the AWS clients that it creates take longer than all tests together."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in _ENVIRON.items():
            patch.setenv(name, value)
        return load_function(function)
