"""MiniStack with its hooks, served until SIGTERM or SIGINT.

Import this only in the server's process, after setting the environment: MiniStack reads it on import.
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
from pipeline.local.hooks import event_log, unenforced_resources
from pipeline.local.hooks.api_gateway import authorizer_api_keys, rest_api_settings
from pipeline.local.hooks.batch import cloudformation as batch_cloudformation
from pipeline.local.hooks.batch import events as batch_events
from pipeline.local.hooks.batch import jobs as batch_jobs
from pipeline.local.hooks.functions import queue_concurrency
from pipeline.local.hooks.functions import runtime as lambda_runtime
from pipeline.local.hooks.persistence import executions, items, jobs, logs, objects, queues, state_flush
from pipeline.local.hooks.s3 import upload_events, version_ids
from pipeline.local.hooks.step_functions import batch_integration, execution_ends, supported_fields
from pipeline.local.private_names import check
from pipeline.local.storage import Storage
from pipeline.local.store.database import StorageError

__all__ = ["PRIVATE_NAMES", "Emulator"]

_HOOKS = (  # installed in this order, after those with parameters
    batch_cloudformation,
    event_log,
    unenforced_resources,
    execution_ends,
    version_ids,
    rest_api_settings,
    supported_fields,
    queue_concurrency,
    authorizer_api_keys,
)
_STORED = (executions, items, jobs, logs, objects, queues, state_flush, upload_events)
PRIVATE_NAMES = tuple(
    name
    for hook in (*_HOOKS, *_STORED, batch_events, batch_integration, batch_jobs, lambda_runtime)
    for name in hook.PRIVATE_NAMES
)

_TICK_SECONDS = 0.5
_FLUSH_SECONDS = 5.0
_KEEP_ALIVE_SECONDS = 75.0
_GRACE_SECONDS = 1.0

logger = logging.getLogger("modeldrop.local")


class Emulator:
    """The embedded cloud in this process.

    Args:
        home: Folder of the embedded cloud.
        server: Address of the server.

    Raises:
        ConfigurationError: The installed MiniStack is not the expected one, or a state file is damaged.
    """

    def __init__(self, home: Home, server: Server) -> None:
        check(PRIVATE_NAMES)
        state_flush.check_files(home.state)
        self._home = home
        self._was_killed = home.mark_running()
        self._storage = Storage(home)
        self._code = home.run / "code"
        self._functions = Functions(server.endpoint_url, home.run, home.function_logs)
        self._jobs = JobRunner(server.endpoint_url, home.job_logs, write_log=batch_jobs.put_log_line)
        self._requests = 0
        self._install()

    def serve(self, listener: socket.socket) -> None:
        """Serve until SIGTERM or SIGINT, then write the state, end all child processes, and exit."""
        asyncio.run(self._serve(listener))

    def _install(self) -> None:
        self._storage.install()
        lambda_runtime.install(self._functions, self._code)
        batch_jobs.install(self._jobs)
        batch_integration.install(self._jobs)
        for hook in _HOOKS:
            hook.install()

    async def _serve(self, listener: socket.socket) -> None:
        ended = asyncio.Event()
        self._storage.run_in(asyncio.get_running_loop())
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, ended.set)
        threading.Thread(target=self._run_housekeeping, name="housekeeping", daemon=True).start()
        if self._was_killed:
            threading.Thread(target=self._storage.sweep, name="sweep", daemon=True).start()

        async def wait_for_shutdown() -> None:
            await ended.wait()
            await asyncio.to_thread(self._terminate_children)

        await serve(
            self._respond_when_stored, _config(listener), shutdown_trigger=wait_for_shutdown
        )  # writes the state when it ends
        self._storage.close()
        self._home.mark_ended()
        sys.stderr.flush()
        os._exit(0)  # MiniStack's threads would wait forever

    async def _respond_when_stored(self, scope: Any, receive: Any, send: Any) -> None:
        """Respond after the request's changes are on disk."""
        self._requests += 1
        replaced = False

        async def send_confirmed(message: Any) -> None:
            nonlocal replaced
            if message["type"] == "http.response.start":
                failed = self._storage.confirm(scope)
                if failed is not None:
                    replaced = True
                    status, body = failed
                    await send({"type": "http.response.start", "status": status, "headers": []})
                    await send({"type": "http.response.body", "body": body})
            if not replaced:
                await send(message)

        await app(scope, receive, send_confirmed)

    def _terminate_children(self) -> None:
        execution_ends.freeze()
        self._jobs.end()
        self._functions.end()

    def _run_housekeeping(self) -> None:
        """Write the state while it changes, and load functions after a deployment."""
        deployed_at, flushed_at, flushed_requests = time.time(), time.monotonic(), 0
        while True:
            time.sleep(_TICK_SECONDS)
            self._storage.commit()
            self._storage.resend_pending_events()
            execution_ends.emit_interrupted_events()
            deployed = self._home.deployed()
            if deployed is not None and self._home.deployed_at() > deployed_at:
                deployed_at = self._home.deployed_at()
                self._flush()  # the state on disk must not be older than stack.json
                threading.Thread(target=self._warm, args=(deployed.functions,), name="warming", daemon=True).start()
            requests = self._requests
            if requests != flushed_requests and time.monotonic() - flushed_at > _FLUSH_SECONDS:
                self._flush()
                flushed_at, flushed_requests = time.monotonic(), requests

    def _flush(self) -> None:
        try:
            state_flush.flush()
        except StorageError as error:  # the next flush tries again
            self._storage.log(error)

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
