"""Run a user's code in a process that gets only a folder; the results are read as data.

In the container the job runs as root, and the process as another user without access to credentials: its environment
has none, it cannot read the memory of root's process, and the machine blocks that user from the metadata addresses. A
laptop has no such isolation: there the code runs only if the embedded cloud was started with ``--allow-code``.
"""

from __future__ import annotations

import json
import logging
import math
import os
import secrets
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Literal

from pipeline.contracts.errors import CandidateFailedError, ConfigurationError, IntegrityError
from pipeline.contracts.records.outcome import (
    BODY,
    CHECKPOINT,
    MODEL,
    OUT_OF_FOLD,
    REFERENCE,
    TRAINED,
    WEIGHTS,
    TrainedCandidate,
)
from pipeline.planning.rules import CODE_REFUSED

__all__ = ["Isolation", "run_isolated"]

Isolation = Literal["user", "none", "refused"]

_log = logging.getLogger(__name__)

_USER, _GROUP = 65534, 65534  # nobody; template.yaml blocks this user from the metadata addresses
_MAX_BYTES = {
    **dict.fromkeys((MODEL, BODY, REFERENCE, OUT_OF_FOLD), 2 << 30), TRAINED: 16 << 20, WEIGHTS: 4 << 30,
}  # fmt: skip
_MAX_LINE_BYTES, _MAX_TRACEBACK_LINES = 150_000, 100
_MAX_POINT_VALUES, _MAX_NAME_CHARS = 20, 40  # numbers of a point, and letters of a name
_MAX_TRACEBACK_CHARS = 500  # letters of a line of a traceback
_CHECKPOINT_INTERVAL_TOLERANCE = 0.5  # fraction of the time between two checkpoints: the process has its own clock
_PASSED_ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PYTHONPATH", "CUBLAS_WORKSPACE_CONFIG")
_PASSED_PREFIXES = ("CUDA_", "NVIDIA_", "OMP_")


def run_isolated(  # noqa: PLR0913 - the process's environment, and its listeners
    folder: Path,
    *,
    isolation: Isolation,
    environment: Mapping[str, str],
    report: Callable[[str], None],
    watch: Callable[[Mapping[str, float]], None],
    keep: Callable[[bytes], None],
    checkpoint_seconds: float,
) -> TrainedCandidate:
    """Train in a separate process, and check its results.

    Args:
        folder: Input of the process (see jobs.sandbox.sandbox_main); the results are in ``folder/out``.
        isolation: How the process is isolated.
        environment: Environment variables, some of which the process gets.
        report: Shows a short text.
        watch: Called with each point of the training curve.
        keep: Called with each checkpoint. Its bytes are untrusted: only such a process may read them.
        checkpoint_seconds: Minimum seconds between two checkpoints; checkpoints that come much sooner are ignored.

    Raises:
        CandidateFailedError: The code failed, with the message of its process; or ``isolation`` is ``refused``.
        ConfigurationError: The job is not root, so it cannot isolate the process.
        IntegrityError: The results are not plain data.
    """
    if isolation == "refused":
        raise CandidateFailedError(CODE_REFUSED)
    out = folder / "out"
    out.mkdir()
    token = secrets.token_hex(16)
    command = [sys.executable, "-m", "pipeline.jobs.sandbox.sandbox_main", str(folder), token]
    checkpoint = _Checkpoint(path=out / CHECKPOINT, seconds=checkpoint_seconds, keep=keep)
    reader = _ProtocolReader(token=token, report=report, watch=watch, checkpoint=checkpoint)
    with subprocess.Popen(
        command, cwd=out, env=_environment(environment, out), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, errors="replace", start_new_session=True, **_user_options(isolation, out),
    ) as process:  # fmt: skip
        assert process.stdout is not None, "it is piped"
        try:
            error = reader.read_all(process.stdout)
        except BaseException:
            process.kill()
            raise
    if error is not None or process.returncode != 0:
        raise CandidateFailedError(error or f"model.py: its process ended with exit code {process.returncode}")
    return _check_results(out)


def _user_options(isolation: Isolation, out: Path) -> dict[str, Any]:
    if isolation == "none":
        return {}
    if os.geteuid() != 0:
        raise ConfigurationError("the job that runs model.py is not root, so it cannot run model.py as a separate user")
    os.chown(out, _USER, _GROUP)
    return {"user": _USER, "group": _GROUP, "extra_groups": [], "umask": 0o022}


def _environment(environment: Mapping[str, str], home: Path) -> dict[str, str]:
    """Return the environment without credentials, endpoints and settings of the deployment."""
    passed = {
        name: value
        for name, value in environment.items()
        if name in _PASSED_ENVIRONMENT or name.startswith(_PASSED_PREFIXES)
    }
    return {**passed, "HOME": str(home), "TMPDIR": str(home), "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1"}


@dataclass(kw_only=True)
class _ProtocolReader:
    """Reads the messages of the process, which begin with ``token``.

    The user's code may have read the token, so only messages of the expected form are accepted. Other lines may contain
    users' data: they are only counted.
    """

    token: str
    report: Callable[[str], None]
    watch: Callable[[Mapping[str, float]], None]
    checkpoint: Callable[[], None]
    _error: str | None = None
    _printed: int = 0

    def read_all(self, lines: IO[str]) -> str | None:
        """Read lines until the process ends; return the message that it failed with."""
        while line := lines.readline(_MAX_LINE_BYTES):
            _, separator, document = line.partition(self.token)
            if not (separator and self._handle(_parse_json(document))):
                self._printed += bool(line.strip())
        if self._printed:
            _log.info("model.py printed lines, which are not kept", extra={"lines": self._printed})
        return self._error

    def _handle(self, document: object) -> bool:
        match document:
            case {"report": str(text)}:
                self.report(text[:200])
            case {"point": dict(point)}:
                numbers = [(name, value) for name, value in point.items() if isinstance(value, float)]
                self.watch({name[:_MAX_NAME_CHARS]: value for name, value in numbers[:_MAX_POINT_VALUES]})
            case {"checkpoint": True}:
                self.checkpoint()
            case {"traceback": [*lines]}:
                cut = [str(line)[:_MAX_TRACEBACK_CHARS] for line in lines]
                _log.error("model.py raised", extra={"traceback": cut[-_MAX_TRACEBACK_LINES:]})
            case {"error": str(text)}:
                self._error = text[:500]
            case _:
                return False
        return True


@dataclass(kw_only=True)
class _Checkpoint:
    """Reads the checkpoint at ``path`` when the process announces one."""

    path: Path
    seconds: float
    keep: Callable[[bytes], None]
    clock: Callable[[], float] = field(default=time.monotonic)
    _last: float = -math.inf

    def __call__(self) -> None:
        now = self.clock()
        if now - self._last < _CHECKPOINT_INTERVAL_TOLERANCE * self.seconds:
            return
        state = _plain_file(self.path)
        if state is None:
            _log.warning("model.py: an announced checkpoint is missing")
            return
        self._last = now
        self.keep(state)


def _plain_file(path: Path) -> bytes | None:
    """Read a file that untrusted code wrote: links and pipes are refused. Return None if there is no file.

    Raise IntegrityError if it is not a regular file, is larger than expected, or grows while it is read.
    """
    try:
        opened = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise IntegrityError(f"model.py: its {path.name} cannot be read") from error
    with os.fdopen(opened, "rb") as file:
        status = os.fstat(opened)
        plain = stat.S_ISREG(status.st_mode) and status.st_nlink <= 1 and status.st_size <= _MAX_BYTES[WEIGHTS]
        state = file.read(status.st_size + 1) if plain else b""
    if not plain or len(state) > status.st_size:
        raise IntegrityError(f"model.py: its {path.name} is not a file of an expected size")
    return state


def _parse_json(text: str) -> object:
    """Parse JSON, with all numbers as floats; None if the text is not JSON."""
    try:
        return json.loads(text, parse_int=float)
    except (ValueError, RecursionError):
        return None


def _check_results(out: Path) -> TrainedCandidate:
    """Check that all expected files are plain and readable as data; remove all others."""
    for path in list(out.iterdir()):
        if path.name not in _MAX_BYTES or not stat.S_ISREG(path.lstat().st_mode):
            if path.is_dir() and not path.is_symlink():
                continue
            path.unlink()
        elif path.stat().st_size > _MAX_BYTES[path.name] or path.stat().st_nlink > 1:
            raise IntegrityError(f"model.py: its {path.name} is not a file of an expected size")
    for name in (MODEL, REFERENCE, TRAINED):
        if not (out / name).exists():
            raise CandidateFailedError(f"model.py: its process ended without {name}")
    for name in (MODEL, BODY):
        if (out / name).exists():
            _check_graph(out / name)
    return TrainedCandidate.from_bytes((out / TRAINED).read_bytes())


def _check_graph(path: Path) -> None:
    """Check that a graph contains all of its weights and only operators of known domains."""
    import onnx

    try:
        model = onnx.load_from_string(path.read_bytes())
        onnx.checker.check_model(model)
    except Exception as error:  # protobuf and the checker have errors of their own, without a common base
        raise IntegrityError(f"model.py: its {path.name} is not a well-formed ONNX graph") from error
    outside = [tensor for tensor in model.graph.initializer if tensor.data_location == onnx.TensorProto.EXTERNAL]
    domains = {node.domain for node in model.graph.node} - {"", "ai.onnx.ml", "com.microsoft"}
    if outside or domains or model.functions:
        raise IntegrityError(f"model.py: its {path.name} refers to external weights or operators")
