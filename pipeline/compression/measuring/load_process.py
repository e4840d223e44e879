"""``python -m pipeline.compression.measuring.load_process``: measures how stored files load in the predict function.

Reads one path per line from stdin and writes one line of JSON for each, ``{"load_ms", "memory_bytes"}``. Each load
happens in a fork of this process, which holds no model and no training library, so that no load speeds up the next.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from pipeline.codec.unpack import unpack
from pipeline.evaluation.sessions import WideSession, session_options

__all__ = ["main"]

_STATUS = Path("/proc/self/status")
_LOADS = 3
_MAX_SECONDS = 0.3  # after so many seconds a file is not loaded again


def main() -> None:
    """Serve until stdin is closed."""
    for line in sys.stdin:
        print(json.dumps(_fastest(Path(line.rstrip("\n")))), flush=True)  # noqa: T201 - the parent reads stdout


def _fastest(path: Path) -> dict[str, Any]:
    started = time.perf_counter()
    fastest = _measure_in_fork(path)
    for _ in range(_LOADS - 1):
        if not fastest or time.perf_counter() - started > _MAX_SECONDS:
            break
        fastest = min(fastest, _measure_in_fork(path), key=lambda load: load.get("load_ms", float("inf")))
    return fastest


def _measure_in_fork(path: Path) -> dict[str, Any]:
    """Load the file in a child process, and return its measurements; empty if that fails."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.write(writer, json.dumps(_measure(path)).encode())
            status = 0
        finally:
            os._exit(status)  # without the parent's buffers and exit handlers
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        document = pipe.read()
    os.waitpid(child, 0)
    measured: dict[str, Any] = json.loads(document or b"{}")
    return measured


def _measure(path: Path) -> dict[str, Any]:
    options = session_options()
    before, started = _anonymous_bytes(), time.perf_counter()
    session = WideSession(unpack(path.read_bytes()), options, providers=["CPUExecutionProvider"])
    load_ms, after = (time.perf_counter() - started) * 1e3, _anonymous_bytes()
    del session
    memory_bytes = None if before is None or after is None else max(0, after - before)
    return {"load_ms": load_ms, "memory_bytes": memory_bytes}


def _anonymous_bytes() -> int | None:
    """Return the resident bytes not backed by a file: code pages that a first load touches are not the model's."""
    if not _STATUS.exists():
        return None
    lines = (line.split() for line in _STATUS.read_text().splitlines())
    return next((int(words[1]) << 10 for words in lines if words[:1] == ["RssAnon:"]), None)


if __name__ == "__main__":
    main()
