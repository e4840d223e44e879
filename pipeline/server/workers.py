"""Run several server processes on the same ports; the parent process starts, restarts and ends them."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable

__all__ = ["run_workers"]

_MIN_LIFETIME = 1.0  # seconds; a worker that ends sooner is restarted only after a pause
_PAUSE = 1.0


def run_workers(
    count: int, run: Callable[[Callable[[bytes], object]], None], *, on_ready: Callable[[bytes], None]
) -> int:
    """Run ``run`` in ``count`` processes until SIGTERM or SIGINT; each process then gets SIGTERM.

    A process that ends by itself is replaced, unless the processes were never all ready.

    Args:
        count: Number of processes. They are forked, so this process must not have started a thread.
        run: Serves until it gets SIGTERM. Its argument is a function to call once when it is ready, with one line
            without a newline.
        on_ready: Called once when all processes are ready, with the line of the one that was ready first.

    Returns:
        Exit code: 0 after SIGTERM, 1 if the processes could not be started.
    """
    stop_signals: list[int] = []
    readable, writable = os.pipe()
    started: dict[int, float] = {}

    def stop(number: int, frame: object) -> None:
        stop_signals.append(number)
        for process in started:
            os.kill(process, signal.SIGTERM)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    for _ in range(count):
        started[_fork(run, readable, writable)] = time.monotonic()
    os.close(writable)
    with os.fdopen(readable, "rb", closefd=False) as pipe:
        lines = [line for _ in range(count) if (line := pipe.readline()).endswith(b"\n")]
    if is_ready := len(lines) == count:
        on_ready(lines[0].rstrip(b"\n"))
    while started:
        process, _ = os.waitpid(-1, 0)
        lifetime = time.monotonic() - started.pop(process, time.monotonic())
        if stop_signals or not is_ready:
            continue
        if lifetime < _MIN_LIFETIME:
            time.sleep(_PAUSE)
        started[_fork(run, readable, None)] = time.monotonic()
        if stop_signals:  # the signal arrived before the new process was in ``started``
            stop(signal.SIGTERM, None)
    return 0 if stop_signals or is_ready else 1


def _fork(run: Callable[[Callable[[bytes], object]], None], readable: int, writable: int | None) -> int:
    process = os.fork()
    if process:
        return process
    os.close(readable)
    code = 1
    try:
        run(lambda line: os.write(writable, line + b"\n") if writable is not None else None)
        code = 0
    except Exception as error:  # noqa: BLE001 - the outermost edge: the parent decides whether to restart the worker
        print(f"a worker ended: {error}", file=sys.stderr)  # noqa: T201
    finally:
        sys.stderr.flush()
        os._exit(code)
