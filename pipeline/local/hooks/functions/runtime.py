"""Gap: errors of a handler lose their class name (always Runtime.HandlerError), and overlapping calls start processes.

Here handlers run under AWS's runtime client, in a limited pool of instances (pipeline.local.handlers).
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import threading
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ministack.services import lambda_svc

from pipeline.local.handlers.instance import FunctionSpec
from pipeline.local.handlers.pool import Functions
from pipeline.local.handlers.runtime_api import Invocation
from pipeline.local.private_names import private_names

__all__ = ["PRIVATE_NAMES", "install", "warm"]

PRIVATE_NAMES = private_names(
    lambda_svc,
    "_execute_function_warm(func, event, request_id)",
    "_xray_trace_id_for_invocation(config, inbound_trace_header)",
    "_functions",
)

_unpacking = threading.Lock()

Record = Mapping[str, Any]  # MiniStack's record of a function: "config" and "code_zip"


def install(functions: Functions, code: Path) -> None:
    """Route every call to ``functions``; code is unpacked under the folder ``code``."""

    def execute(func: Record, event: Any, request_id: str) -> dict[str, Any]:
        spec = _make_spec(func, code)
        trace = lambda_svc._xray_trace_id_for_invocation(func["config"]) or ""
        response = functions.call(
            spec,
            Invocation(
                request_id=request_id,
                event=json.dumps(event).encode(),
                function_arn=func["config"]["FunctionArn"],
                seconds=spec.seconds,
                trace_id=trace,
            ),
        )
        body = json.loads(response.body or b"null")
        return {"body": body, "log": response.log, **({"error": True} if response.failed else {})}

    lambda_svc._execute_function_warm = execute


def warm(functions: Functions, code: Path, names: Sequence[str]) -> None:
    """Load the handlers one after another, so that a run that starts meanwhile keeps most of the CPU."""
    for name in names:
        functions.warm(_make_spec(lambda_svc._functions[name], code))


def _make_spec(func: Record, code: Path) -> FunctionSpec:
    config = func["config"]
    environment = (config.get("Environment") or {}).get("Variables") or {}
    sha = base64.b64decode(config["CodeSha256"]).hex()
    settings = json.dumps([config["Handler"], config.get("Timeout"), config.get("MemorySize"), environment])
    name = config["FunctionName"]
    return FunctionSpec(
        name=name,
        arn=":".join(config["FunctionArn"].split(":")[:7]),  # without version and alias
        handler=config["Handler"],
        seconds=float(config.get("Timeout", 3)),
        memory_mb=int(config.get("MemorySize", 128)),
        log_group=(config.get("LoggingConfig") or {}).get("LogGroup") or f"/aws/lambda/{name}",
        revision=f"{sha}-{hashlib.sha256(settings.encode()).hexdigest()}",
        code=_unpack(func["code_zip"], code / f"{name}-{sha[:16]}"),
        environment=environment,
    )


def _unpack(content: bytes, folder: Path) -> Path:
    with _unpacking:
        if not folder.exists():
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                archive.extractall(folder)
    return folder
