"""Measure the import of every Lambda handler, as a ratio to importing the third-party modules that it loads.

    python -m tools.import_times

A cold start pays for this import. Both sides are CPU time, the least of several processes, so that the ratio depends
little on the machine and its load. It exceeds 1 by our own modules and by the AWS clients that are created on import.
The ceilings in ``tools/import_times.json`` are 1.3 times what was measured.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = [
    "CEILINGS",
    "HANDLERS",
    "ImportTime",
    "ThirdPartyTimes",
    "find_slow",
    "handler_environment",
    "main",
    "measure_import",
]

ROOT = Path(__file__).resolve().parents[1]
HANDLERS = sorted((ROOT / "functions").glob("*/app.py"))
CEILINGS = Path(__file__).with_suffix(".json")
ATTEMPTS = 3  # processes per measurement; the least CPU time counts
SECOND_ATTEMPTS = 9  # for a handler above its ceiling: on a busy machine three may all be slow

_OWN = frozenset({"app", "pipeline", "__main__"})
# Prints the CPU seconds of the import, and the modules that it loaded.
_IMPORT_HANDLER = """
import json, sys, time
before = set(sys.modules)
began = time.process_time()
import app
seconds = time.process_time() - began
loaded = [name for name in sys.modules if name not in before]
print(json.dumps([seconds, loaded]))
"""
# Reads names of modules, imports those that can be imported by themselves, and prints the CPU seconds.
_IMPORT_MODULES = """
import contextlib, importlib, json, sys, time
names = json.load(sys.stdin)
began = time.process_time()
for name in names:
    with contextlib.suppress(ImportError, AttributeError):
        importlib.import_module(name)
print(json.dumps(time.process_time() - began))
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class ImportTime:
    """CPU time of one handler's import.

    Attributes:
        handler: Name of its folder.
        seconds: Import of the handler.
        third_party_seconds: Import of the modules that it loads and that are not ours.
    """

    handler: str
    seconds: float
    third_party_seconds: float

    @property
    def ratio(self) -> float:
        """Return the handler's time by the third-party modules' time."""
        return self.seconds / self.third_party_seconds


def handler_environment(name: str) -> dict[str, str]:
    """Return environment variables with which the handler ``name`` can be imported; no call reaches AWS."""
    return {
        "PATH": "/usr/bin:/bin",
        "PYTHONPATH": str(ROOT),
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "POWERTOOLS_SERVICE_NAME": name,
        "POWERTOOLS_METRICS_NAMESPACE": "modeldrop",
        "TABLE_NAME": "table",
        "UPLOADS_BUCKET": "uploads",
        "ARTIFACTS_BUCKET": "artifacts",
        "STATE_MACHINE_ARN": "arn:aws:states:us-east-1:000000000000:stateMachine:pipeline",
        "PREDICT_FUNCTION": "predict",
        "CODE_VERSION": "test",
    }


class ThirdPartyTimes:
    """CPU time of importing third-party modules, measured once for handlers that load the same ones."""

    def __init__(self) -> None:
        self._seconds: dict[frozenset[str], float] = {}

    def measure(self, modules: Sequence[str], environment: Mapping[str, str], *, attempts: int) -> float:
        """Return the least seconds of these processes and of earlier ones that imported the same modules.

        Args:
            modules: Their names, in the order of the imports.
            environment: Environment variables of the processes.
            attempts: Processes to run if these modules were not measured before, or with more than ``ATTEMPTS``.
        """
        key = frozenset(modules)
        if key not in self._seconds or attempts > ATTEMPTS:
            runs = [json.loads(_run(_IMPORT_MODULES, environment, json.dumps(modules))) for _ in range(attempts)]
            self._seconds[key] = min(self._seconds.get(key, runs[0]), *runs)
        return self._seconds[key]


def measure_import(
    handler: Path, *, attempts: int = ATTEMPTS, third_party: ThirdPartyTimes | None = None, ceiling: float = 0
) -> ImportTime:
    """Measure the import of a handler in processes of their own.

    The third-party modules are measured by all attempts. The handler is imported again only while it exceeds the
    ceiling: further attempts can only lower the ratio, so the verdict is that of all attempts.

    Args:
        handler: Path of its app.py.
        attempts: Processes per measurement.
        third_party: Times of modules that were measured for other handlers.
        ceiling: Ratio at which no further attempt is needed.

    Raises:
        subprocess.CalledProcessError: The handler cannot be imported.
    """
    environment = handler_environment(handler.parent.name)
    environment["PYTHONPATH"] += f":{handler.parent}"
    seconds, loaded = json.loads(_run(_IMPORT_HANDLER, environment))
    modules = [name for name in loaded if name.partition(".")[0] not in _OWN]
    module_seconds = (third_party or ThirdPartyTimes()).measure(modules, environment, attempts=attempts)
    for _ in range(attempts - 1):
        if seconds <= ceiling * module_seconds:
            break
        seconds = min(seconds, json.loads(_run(_IMPORT_HANDLER, environment))[0])
    return ImportTime(handler=handler.parent.name, seconds=seconds, third_party_seconds=module_seconds)


def find_slow(times: Sequence[ImportTime], ceilings: Mapping[str, float]) -> list[str]:
    """Return a message for each handler above its ceiling; one without a ceiling is above it."""
    return [
        f"{time.handler}: the import takes {time.ratio:.2f} times that of its third-party modules, "
        f"at most {ceilings.get(time.handler, 0):.2f} is expected"
        for time in times
        if time.ratio > ceilings.get(time.handler, 0)
    ]


def main() -> int:
    """Print the import times; return 1 if a handler exceeds its ceiling."""
    ceilings = json.loads(CEILINGS.read_text())
    third_party = ThirdPartyTimes()
    times = [_measure_within(ceilings, handler, third_party) for handler in HANDLERS]
    for time in times:
        print(f"{time.handler:20} {1e3 * time.seconds:6.0f} ms of CPU, {time.ratio:.2f} times its third-party modules")  # noqa: T201
    messages = find_slow(times, ceilings)
    for message in messages:
        print(message)  # noqa: T201
    return 1 if messages else 0


def _measure_within(ceilings: Mapping[str, float], handler: Path, third_party: ThirdPartyTimes) -> ImportTime:
    """Measure a handler, and once more with more processes if it exceeds its ceiling."""
    ceiling = ceilings.get(handler.parent.name, 0)
    time = measure_import(handler, third_party=third_party, ceiling=ceiling)
    if find_slow([time], ceilings):
        return measure_import(handler, attempts=SECOND_ATTEMPTS, third_party=third_party, ceiling=ceiling)
    return time


def _run(script: str, environment: Mapping[str, str], text: str = "") -> str:
    command = [sys.executable, "-c", script]
    return subprocess.run(command, env=environment, input=text, capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    sys.exit(main())
