"""One instance of a function: a process that handles one call at a time."""

from __future__ import annotations

import os
import queue
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.local.handlers.runtime_api import Invocation, RuntimeApi, RuntimeResponse
from pipeline.local.processes import child_environment

__all__ = ["FunctionSpec", "Instance"]

_INIT_SECONDS = 60.0  # Lambda allows 10; a busy laptop imports more slowly
_POLL_SECONDS = 0.05


@dataclass(frozen=True, kw_only=True, slots=True)
class FunctionSpec:
    """Deployed function.

    Attributes:
        name: Name of the function.
        arn: ARN without version or alias.
        handler: ``module.function``.
        seconds: Timeout of a call, in seconds.
        memory_mb: Configured memory, in MB.
        log_group: Name of the log group.
        revision: Hash of the code and the configuration.
        code: Folder with the code.
        environment: Environment variables.
    """

    name: str
    arn: str
    handler: str
    seconds: float
    memory_mb: int
    log_group: str
    revision: str
    code: Path
    environment: Mapping[str, str] = field(default_factory=dict)


class Instance:
    """Process that loads the handler when it starts; the first call waits until it is loaded.

    Args:
        spec: The function.
        endpoint_url: Endpoint that the function calls.
        folder: Folder of this instance; deleted when the instance ends.
    """

    def __init__(self, spec: FunctionSpec, endpoint_url: str, folder: Path) -> None:
        self._api = RuntimeApi()
        self._folder = folder
        temporary = folder / "tmp"
        temporary.mkdir(parents=True)
        self._output = (folder / "output").open("ab+")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "pipeline.local.handlers", spec.handler, str(os.getpid())],
            cwd=spec.code,
            env=_environment(spec, endpoint_url, self._api.address) | {"TMPDIR": str(temporary)},
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    @property
    def alive(self) -> bool:
        """Return whether the process is running."""
        return self._process.poll() is None

    def invoke(self, invocation: Invocation) -> RuntimeResponse:
        """Call the handler.

        Returns:
            The response. A timeout, an exit, and a handler that cannot be loaded are error responses, and end the
                instance.
        """
        response = self._wait_for_init(invocation.request_id)
        if response is None:
            self._api.submit(invocation)
            response = self._wait_for_response(invocation)
        return response

    def wait_until_loaded(self) -> None:
        """Wait until the handler is loaded or has failed to load."""
        end = time.monotonic() + _INIT_SECONDS
        while not self._api.ready.wait(_POLL_SECONDS) and self.alive and time.monotonic() < end:
            pass

    def take_output(self) -> str:
        """Return what the process has written since the last call."""
        self._output.seek(0)
        written = self._output.read()
        if written:
            self._output.truncate(0)
        return written.decode(errors="replace")

    def end(self) -> None:
        """Kill the process and delete its folder."""
        self._process.kill()
        self._process.wait()
        self._api.close()
        self._output.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _wait_for_init(self, request_id: str) -> RuntimeResponse | None:
        """Wait until the handler is loaded; return the error response if it cannot be loaded."""
        self.wait_until_loaded()
        if self._api.ready.is_set():
            return None
        try:
            return self._api.responses.get_nowait()
        except queue.Empty:
            return self._exit_error(request_id) if not self.alive else self._timeout_error(request_id, _INIT_SECONDS)

    def _wait_for_response(self, invocation: Invocation) -> RuntimeResponse:
        end = time.monotonic() + invocation.seconds
        while True:
            alive = self.alive  # read before the queue: a response followed by an exit is a response
            try:
                return self._api.responses.get(timeout=_POLL_SECONDS)
            except queue.Empty:
                if not alive:
                    return self._exit_error(invocation.request_id)
                if time.monotonic() > end:
                    return self._timeout_error(invocation.request_id, invocation.seconds)

    def _exit_error(self, request_id: str) -> RuntimeResponse:
        code = self._process.wait()
        how = f"exit status {code}" if code >= 0 else f"signal: {-code}"
        return RuntimeResponse.error(
            "Runtime.ExitError", f"RequestId: {request_id} Error: Runtime exited with error: {how}"
        )

    def _timeout_error(self, request_id: str, seconds: float) -> RuntimeResponse:
        self._process.kill()
        self._process.wait()
        text = f"RequestId: {request_id} Error: Task timed out after {seconds:.2f} seconds"
        return RuntimeResponse.error("Sandbox.Timedout", text)


def _environment(spec: FunctionSpec, endpoint_url: str, runtime_api: str) -> dict[str, str]:
    variables = {
        **spec.environment,
        "AWS_LAMBDA_RUNTIME_API": runtime_api,
        "AWS_LAMBDA_FUNCTION_NAME": spec.name,
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(spec.memory_mb),
        "AWS_LAMBDA_LOG_GROUP_NAME": spec.log_group,
        "AWS_LAMBDA_LOG_STREAM_NAME": "local",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "LAMBDA_TASK_ROOT": str(spec.code),
        "_HANDLER": spec.handler,
        "TZ": ":UTC",
    }
    return child_environment(endpoint_url, variables, path=str(spec.code))
