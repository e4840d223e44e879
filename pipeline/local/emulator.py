"""MiniStack with its hooks, served until it is told to end.

Import it when the environment is set: MiniStack reads it then.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Sequence
from typing import Any

from hypercorn.asyncio import serve
from hypercorn.config import Config
from ministack.app import app

from pipeline.local.batch.runner import JobRunner
from pipeline.local.handlers.pool import Functions
from pipeline.local.home import Home, Server
from pipeline.local.hooks import (
    api_keys_from_authorizer,
    batch_cloudformation,
    batch_events,
    batch_jobs,
    batch_states,
    execution_ends,
    lambda_runtime,
    nothing_here,
    object_version_ids,
    rest_api_settings,
    state_flush,
    upload_concurrency,
)
from pipeline.local.private_names import check

__all__ = ["PRIVATE_NAMES", "Emulator"]

PRIVATE_NAMES = (
    *api_keys_from_authorizer.PRIVATE_NAMES,
    *batch_cloudformation.PRIVATE_NAMES,
    *batch_events.PRIVATE_NAMES,
    *batch_jobs.PRIVATE_NAMES,
    *batch_states.PRIVATE_NAMES,
    *execution_ends.PRIVATE_NAMES,
    *lambda_runtime.PRIVATE_NAMES,
    *nothing_here.PRIVATE_NAMES,
    *object_version_ids.PRIVATE_NAMES,
    *rest_api_settings.PRIVATE_NAMES,
    *state_flush.PRIVATE_NAMES,
    *upload_concurrency.PRIVATE_NAMES,
)

_TICK_SECONDS = 0.5
_FLUSH_SECONDS = 5.0
_KEEP_ALIVE_SECONDS = 75.0
_GRACE_SECONDS = 1.0

logger = logging.getLogger("modeldrop.local")


class Emulator:
    """The embedded cloud in this process. Raises ConfigurationError when MiniStack is not the one that is expected."""

    def __init__(self, home: Home, server: Server) -> None:
        check(PRIVATE_NAMES)
        self._home = home
        self._code = home.run / "code"
        self._functions = Functions(server.endpoint_url, home.run, home.function_logs)
        self._jobs = JobRunner(server.endpoint_url, home.job_logs, tell=batch_jobs.put_log_line)
        self._requests = 0
        self._install()

    def serve(self, listener: socket.socket) -> None:
        """Answer until SIGTERM or SIGINT, then write the state, end all children, and leave the process."""
        asyncio.run(self._serve(listener))

    def _install(self) -> None:
        lambda_runtime.install(self._functions, self._code)
        batch_jobs.install(self._jobs)
        batch_cloudformation.install()
        nothing_here.install()
        execution_ends.install()
        batch_states.install(self._jobs)
        object_version_ids.install()
        rest_api_settings.install()
        upload_concurrency.install()
        api_keys_from_authorizer.install()

    async def _serve(self, listener: socket.socket) -> None:
        ended = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, ended.set)
        threading.Thread(target=self._keep_house, name="housekeeping", daemon=True).start()

        async def until_told() -> None:
            await ended.wait()
            await asyncio.to_thread(self._end_children)

        await serve(self._counted, _config(listener), shutdown_trigger=until_told)  # writes the state at its end
        sys.stderr.flush()
        os._exit(0)  # MiniStack's threads wait for what will not come

    async def _counted(self, scope: Any, receive: Any, send: Any) -> None:
        self._requests += 1
        await app(scope, receive, send)

    def _end_children(self) -> None:
        execution_ends.freeze()
        self._jobs.end()
        self._functions.end()

    def _keep_house(self) -> None:
        """Write the state while there is something to write; load functions that were deployed a moment ago."""
        deployed_at, flushed_at, flushed_requests = time.time(), time.monotonic(), 0
        while True:
            time.sleep(_TICK_SECONDS)
            execution_ends.tell_of_interrupted()
            deployed = self._home.deployed()
            if deployed is not None and self._home.deployed_at() > deployed_at:
                deployed_at = self._home.deployed_at()
                state_flush.flush()  # what was deployed is remembered outside: the two must not part
                threading.Thread(target=self._warm, args=(deployed.functions,), name="warming", daemon=True).start()
            requests = self._requests
            if requests != flushed_requests and time.monotonic() - flushed_at > _FLUSH_SECONDS:
                state_flush.flush()
                flushed_at, flushed_requests = time.monotonic(), requests

    def _warm(self, names: Sequence[str]) -> None:
        lambda_runtime.warm(self._functions, self._code, names)


def _config(listener: socket.socket) -> Config:
    config = Config()
    config.bind = [f"fd://{listener.detach()}"]
    config.keep_alive_timeout = _KEEP_ALIVE_SECONDS
    config.graceful_timeout = _GRACE_SECONDS
    config.shutdown_timeout = _GRACE_SECONDS
    config.loglevel = "WARNING"
    return config
