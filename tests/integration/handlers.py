"""A function's handler as Lambda loads it: its file, under the environment of the moment."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.fakes.lambda_context import FakeLambdaContext
from tests.function_files import load_function

__all__ = ["handler"]


def handler(function: str) -> Callable[[dict[str, Any]], Any]:
    """``functions/<function>/app.py``'s, with a context given to it."""
    module = load_function(function)
    return lambda document: module.handler(document, FakeLambdaContext(function_name=function))
