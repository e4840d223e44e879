"""Measure the import of every Lambda handler, as a ratio to importing the third-party modules that it loads.

    python -m tools.import_times

A cold start includes this import. Both times are CPU time, the minimum of several processes, so that the ratio hardly
depends on the machine and its load. The excess over 1 is modeldrop's own modules and the AWS clients that they create
on import. The ceilings in ``tools/import_times.json`` are 1.3 times the measured ratios.
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
SECOND_ATTEMPTS = 9  # for a handler above its ceiling: on a busy machine all three attempts may be slow

_OWN = frozenset({"app", "pipeline", "__main__"})
# Prints the CPU seconds of the handler's import, and the modules that it loaded.
_IMPORT_HANDLER = """
import json, sys, time
before = set(sys.modules)
began = time.process_time()
import app
seconds = time.process_time() - began
loaded = [name for name in sys.modules if name not in before]
print(json.dumps([seconds, loaded]))
"""
# Reads names of modules, imports those that can be imported directly, and prints the CPU seconds.
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
        handler: Name of the handler's folder.
        seconds: CPU seconds to import the handler.
        third_party_seconds: CPU seconds to import the third-party modules that it loads.
    """

    handler: str
    seconds: float
    third_party_seconds: float

    @property
    def ratio(self) -> float:
        """Return the handler's time divided by the time of its third-party modules."""
        return self.seconds / self.third_party_seconds


def handler_environment(name: str) -> dict[str, str]:
    """Return environment variables to import the handler ``name``, with credentials that AWS would reject."""
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
    """CPU time to import third-party modules, measured once for handlers that load the same modules."""

    def __init__(self) -> None:
        self._seconds: dict[frozenset[str], float] = {}

    def measure(self, modules: Sequence[str], environment: Mapping[str, str], *, attempts: int) -> float:
        """Return the fewest CPU seconds of new and earlier processes that import the same modules.

        Args:
            modules: Names of the modules, in the order of the imports.
            environment: Environment variables of the processes.
            attempts: Number of new processes; if it is at most ``ATTEMPTS``, they only run for modules that were not
                measured before.
        """
        key = frozenset(modules)
        if key not in self._seconds or attempts > ATTEMPTS:
            runs = [json.loads(_run(_IMPORT_MODULES, environment, json.dumps(modules))) for _ in range(attempts)]
            self._seconds[key] = min(self._seconds.get(key, runs[0]), *runs)
        return self._seconds[key]


def measure_import(
    handler: Path, *, attempts: int = ATTEMPTS, third_party: ThirdPartyTimes | None = None, ceiling: float = 0
) -> ImportTime:
    """Measure the import of a handler in separate processes.

    All attempts measure the third-party modules. The handler is imported again only while it exceeds the ceiling: more
    attempts can only lower the ratio, so the result of the comparison is the same.

    Args:
        handler: Path of the handler's app.py.
        attempts: Number of processes per measurement.
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
    """Return a message for each handler that exceeds its ceiling or has none."""
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
    """Measure a handler, and again with more processes if it exceeds its ceiling."""
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
