"""MiniStack with its hooks, served until it is told to end.

Import it when the environment is set: MiniStack reads it then.
"""

from __future__ import annotations

import asyncio
import contextlib
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
    event_log,
    execution_ends,
    executions_on_disk,
    items_on_disk,
    jobs_on_disk,
    lambda_runtime,
    logs_on_disk,
    nothing_here,
    object_version_ids,
    objects_on_disk,
    queues_on_disk,
    rest_api_settings,
    state_flush,
    state_machine_fields,
    upload_concurrency,
    upload_events,
)
from pipeline.local.private_names import check
from pipeline.local.storage import Storage
from pipeline.local.store.database import StorageError

__all__ = ["PRIVATE_NAMES", "Emulator"]

PRIVATE_NAMES = (
    *api_keys_from_authorizer.PRIVATE_NAMES,
    *batch_cloudformation.PRIVATE_NAMES,
    *batch_events.PRIVATE_NAMES,
    *batch_jobs.PRIVATE_NAMES,
    *batch_states.PRIVATE_NAMES,
    *event_log.PRIVATE_NAMES,
    *execution_ends.PRIVATE_NAMES,
    *executions_on_disk.PRIVATE_NAMES,
    *items_on_disk.PRIVATE_NAMES,
    *jobs_on_disk.PRIVATE_NAMES,
    *lambda_runtime.PRIVATE_NAMES,
    *logs_on_disk.PRIVATE_NAMES,
    *nothing_here.PRIVATE_NAMES,
    *object_version_ids.PRIVATE_NAMES,
    *objects_on_disk.PRIVATE_NAMES,
    *queues_on_disk.PRIVATE_NAMES,
    *rest_api_settings.PRIVATE_NAMES,
    *state_flush.PRIVATE_NAMES,
    *state_machine_fields.PRIVATE_NAMES,
    *upload_concurrency.PRIVATE_NAMES,
    *upload_events.PRIVATE_NAMES,
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
        state_flush.check_files(home.state)
        self._home = home
        self._killed = home.mark_running()
        self._storage = Storage(home)
        self._code = home.run / "code"
        self._functions = Functions(server.endpoint_url, home.run, home.function_logs)
        self._jobs = JobRunner(server.endpoint_url, home.job_logs, tell=batch_jobs.put_log_line)
        self._requests = 0
        self._install()

    def serve(self, listener: socket.socket) -> None:
        """Answer until SIGTERM or SIGINT, then write the state, end all children, and leave the process."""
        asyncio.run(self._serve(listener))

    def _install(self) -> None:
        self._storage.install()
        lambda_runtime.install(self._functions, self._code)
        batch_jobs.install(self._jobs)
        batch_cloudformation.install()
        event_log.install()
        nothing_here.install()
        execution_ends.install()
        batch_states.install(self._jobs)
        object_version_ids.install()
        rest_api_settings.install()
        state_machine_fields.install()
        upload_concurrency.install()
        api_keys_from_authorizer.install()

    async def _serve(self, listener: socket.socket) -> None:
        ended = asyncio.Event()
        self._storage.run_in(asyncio.get_running_loop())
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, ended.set)
        threading.Thread(target=self._keep_house, name="housekeeping", daemon=True).start()
        if self._killed:
            threading.Thread(target=self._storage.sweep, name="sweep", daemon=True).start()

        async def until_told() -> None:
            await ended.wait()
            await asyncio.to_thread(self._end_children)

        await serve(self._confirmed, _config(listener), shutdown_trigger=until_told)  # writes the state at its end
        self._storage.close()
        self._home.mark_ended()
        sys.stderr.flush()
        os._exit(0)  # MiniStack's threads wait for what will not come

    async def _confirmed(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer when what the request changed is on disk."""
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

    def _end_children(self) -> None:
        execution_ends.freeze()
        self._jobs.end()
        self._functions.end()

    def _keep_house(self) -> None:
        """Write the state while there is something to write; load functions that were deployed a moment ago."""
        deployed_at, flushed_at, flushed_requests = time.time(), time.monotonic(), 0
        while True:
            time.sleep(_TICK_SECONDS)
            self._storage.commit()
            self._storage.send_events_left()
            execution_ends.tell_of_interrupted()
            deployed = self._home.deployed()
            if deployed is not None and self._home.deployed_at() > deployed_at:
                deployed_at = self._home.deployed_at()
                self._flush()  # what was deployed is remembered outside: the two must not part
                threading.Thread(target=self._warm, args=(deployed.functions,), name="warming", daemon=True).start()
            requests = self._requests
            if requests != flushed_requests and time.monotonic() - flushed_at > _FLUSH_SECONDS:
                self._flush()
                flushed_at, flushed_requests = time.monotonic(), requests

    def _flush(self) -> None:
        with contextlib.suppress(StorageError):  # it is logged, and tried again
            state_flush.flush()

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
