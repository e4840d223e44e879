"""Instances of all functions: limited per function, reused, replaced when the function changes."""

from __future__ import annotations

import itertools
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from pipeline.local.handlers.instance import FunctionSpec, Instance
from pipeline.local.handlers.runtime_api import Invocation, RuntimeResponse

__all__ = ["Functions"]

_MAX_INSTANCES = max(4, os.cpu_count() or 1)  # more would only compete for the same CPUs


class Functions:
    """Calls functions.

    Args:
        endpoint_url: Endpoint that functions call.
        run: Folder for code and output; emptied at the start and the end of the server.
        logs: Folder for <name>.log.
    """

    def __init__(self, endpoint_url: str, run: Path, logs: Path) -> None:
        self._endpoint_url = endpoint_url
        self._run = run
        self._logs = logs
        self._pools: dict[str, _Pool] = {}
        self._lock = threading.Lock()
        shutil.rmtree(run, ignore_errors=True)  # left by a killed server
        run.mkdir(parents=True)

    def call(self, spec: FunctionSpec, invocation: Invocation) -> RuntimeResponse:
        """Call a function.

        If all instances of the function are busy, wait for one for at most the timeout of the call. After that, the
        response is the error Lambda.TooManyRequestsException.
        """
        with self._pool(spec).instance(invocation.seconds) as instance:
            if instance is None:
                text = f"all {_MAX_INSTANCES} instances of {spec.name} are busy"
                return RuntimeResponse.error("Lambda.TooManyRequestsException", text)
            response = replace(instance.invoke(invocation), log=instance.take_output())
        self._append_log(spec.name, response.log)
        return response

    def warm(self, spec: FunctionSpec) -> None:
        """Load the handler in advance; a call that arrives meanwhile uses the same instance."""
        with self._pool(spec).instance(0) as instance:
            pass
        if instance is not None:
            instance.wait_until_loaded()

    def end(self) -> None:
        """End all instances."""
        with self._lock:
            pools, self._pools = list(self._pools.values()), {}
        for pool in pools:
            pool.retire()
        shutil.rmtree(self._run, ignore_errors=True)

    def _pool(self, spec: FunctionSpec) -> _Pool:
        with self._lock:
            pool = self._pools.get(spec.arn)
            if pool is None or pool.spec.revision != spec.revision:
                if pool is not None:
                    pool.retire()
                pool = self._pools[spec.arn] = _Pool(spec, self._endpoint_url, self._run)
            return pool

    def _append_log(self, name: str, log: str) -> None:
        if log:
            with (self._logs / f"{name}.log").open("a") as file:
                file.write(log)


class _Pool:
    """Instances of one revision of a function."""

    _numbers = itertools.count(1)

    def __init__(self, spec: FunctionSpec, endpoint_url: str, run: Path) -> None:
        self.spec = spec
        self._endpoint_url = endpoint_url
        self._run = run
        self._idle: list[Instance] = []
        self._busy = 0
        self._retired = False
        self._changed = threading.Condition()

    @contextmanager
    def instance(self, seconds: float) -> Iterator[Instance | None]:
        """Yield the idle instance used last, else a new one; None if none is free in time."""
        acquired = self._acquire(seconds)
        if acquired is None:
            yield None
            return
        try:
            yield acquired
        finally:
            self._release(acquired)

    def retire(self) -> None:
        """End idle instances now, and busy ones after their call."""
        with self._changed:
            self._retired = True
            idle, self._idle = self._idle, []
        for instance in idle:
            instance.end()

    def _acquire(self, seconds: float) -> Instance | None:
        with self._changed:
            if not self._changed.wait_for(lambda: self._idle or self._busy < _MAX_INSTANCES, seconds):
                return None
            self._busy += 1
            while self._idle:
                instance = self._idle.pop()
                if instance.alive:
                    return instance
                instance.end()
            return Instance(self.spec, self._endpoint_url, self._run / f"{self.spec.name}-{next(self._numbers)}")

    def _release(self, instance: Instance) -> None:
        with self._changed:
            self._busy -= 1
            is_reused = instance.alive and not self._retired
            if is_reused:
                self._idle.append(instance)
            self._changed.notify()
        if not is_reused:
            instance.end()
