"""The process that reads an uploaded model: ``python -m pipeline.brought.worker FOLDER``.

It has no credentials, and its memory and CPU time are limited. The last line of stdout is a JSON object: empty, or the
error.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from pipeline.brought.limits import CPU_SECONDS, MAX_MEMORY_BYTES
from pipeline.brought.reading import read_model
from pipeline.contracts.errors import InvalidModelError, ModeldropError

__all__ = ["main"]

_STATUS = Path("/proc/self/statm")


def main(folder: Path) -> dict[str, str]:
    """Read the model in ``folder`` within the limits; return the error, or an empty dict."""
    _limit_resources()
    try:
        read_model(folder)
    except MemoryError:
        message = f"the model needs more memory than the predict function has for one ({MAX_MEMORY_BYTES >> 20:,} MB)"
        return {"error": InvalidModelError.__name__, "message": message}
    except ModeldropError as error:
        return {"error": type(error).__name__, "message": error.message}
    return {}


def _limit_resources() -> None:
    """Limit the CPU time, and the memory to what a model may need in addition to the loaded libraries."""
    import resource  # noqa: PLC0415 - missing on Windows

    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if not _STATUS.exists():
        return  # only Linux can limit the memory this way
    loaded = int(_STATUS.read_text().split()[0]) * resource.getpagesize()
    limit = loaded + MAX_MEMORY_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]))))  # noqa: T201
