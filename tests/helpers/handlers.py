"""Load a Lambda function's handler from its file, and check its calls against the template's permissions."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from tempfile import NamedTemporaryFile
from typing import Any
from unittest.mock import patch

from tests.fakes.lambda_context import FakeLambdaContext
from tests.helpers.function_files import load_function
from tests.helpers.permissions import permitted_to, tenant_role_environ

__all__ = ["handler", "role_of"]


def handler(function: str) -> Callable[[dict[str, Any]], Any]:
    """Return the handler of ``functions/<function>/app.py``; it fails for AWS calls that the template does not permit.

    Credentials are in a file instead of environment variables, so that predict uses botocore, too: moto does not see
    the requests that predict signs itself.
    """
    with patch.dict(os.environ, tenant_role_environ(role_of(function))), _credentials_file():
        module = load_function(function)

    def call(document: dict[str, Any]) -> Any:
        with permitted_to(role_of(function)):
            return module.handler(document, FakeLambdaContext(function_name=function))

    return call


@contextmanager
def _credentials_file() -> Iterator[None]:
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    with NamedTemporaryFile("w", suffix=".ini") as file, patch.dict(os.environ):
        file.write("[default]\n" + "".join(f"{name.lower()} = test\n" for name in names))
        file.flush()
        os.environ["AWS_SHARED_CREDENTIALS_FILE"] = file.name
        for name in names:
            os.environ.pop(name, None)
        yield


def role_of(function: str) -> str:
    """Return the function's name in the template: StartRunFunction for start_run."""
    return "".join(word.capitalize() for word in function.split("_")) + "Function"
