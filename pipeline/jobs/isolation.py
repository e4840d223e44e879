"""A user's code in a process of its own, which gets a folder and nothing else, and whose results are read as data.

In the container the job is root and the process is not: it sees no credentials (its environment has none, the root
process's memory is closed to it, and the machine lets no process of that user reach the metadata addresses). On a
laptop there is no such wall: there it runs only when the embedded cloud was started with ``--allow-code``.
"""

from __future__ import annotations

import json
import logging
import os
import stat
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any, Literal

from pipeline.contracts.errors import CandidateFailedError, ConfigurationError, IntegrityError
from pipeline.contracts.outcome import (
    BODY,
    CHECKPOINT,
    MODEL,
    OUT_OF_FOLD,
    REFERENCE,
    TRAINED,
    WEIGHTS,
    TrainedCandidate,
)

__all__ = ["Isolation", "run_isolated"]

Isolation = Literal["user", "none", "refused"]

_log = logging.getLogger(__name__)

_USER, _GROUP = 65534, 65534  # nobody; template.yaml closes the metadata addresses to this user
_MOST_BYTES = {
    **dict.fromkeys((MODEL, BODY, REFERENCE, OUT_OF_FOLD), 2 << 30), TRAINED: 16 << 20, WEIGHTS: 4 << 30,
}  # fmt: skip
_MOST_LINE, _MOST_TRACEBACK = 10_000, 100
_KEPT = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PYTHONPATH", "CUBLAS_WORKSPACE_CONFIG")
_KEPT_OF = ("CUDA_", "NVIDIA_", "OMP_")


def _not_kept(state: bytes) -> None:
    """Nobody goes on from it."""


def run_isolated(  # noqa: PLR0913 - the process's surroundings, and who hears of it
    folder: Path,
    *,
    isolation: Isolation,
    environment: Mapping[str, str],
    report: Callable[[str], None],
    watch: Callable[[Mapping[str, float]], None],
    keep: Callable[[bytes], None] = _not_kept,
) -> TrainedCandidate:
    """Train what ``folder`` holds (jobs.isolated says what), and check what comes back in ``folder/out``.

    ``keep`` is given each checkpoint: bytes that nobody but such a process may read.

    Raise CandidateFailedError with what the code said when it failed, ConfigurationError where it may not run,
    IntegrityError for what is no plain data.
    """
    if isolation == "refused":
        raise CandidateFailedError(
            "model.py is code, and this embedded cloud runs none: start it with 'modeldrop up --allow-code'"
        )
    out = folder / "out"
    out.mkdir()
    command = [sys.executable, "-m", "pipeline.jobs.isolated", str(folder)]
    with subprocess.Popen(
        command, cwd=out, env=_environment(environment, out), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, errors="replace", start_new_session=True, **_another_user(isolation, out),
    ) as process:  # fmt: skip
        assert process.stdout is not None, "it is piped"
        try:
            error = _listen(process.stdout, report, watch, lambda: keep(_plain_file(out / CHECKPOINT)))
        except BaseException:
            process.kill()
            raise
    if error is not None or process.returncode != 0:
        raise CandidateFailedError(error or f"model.py: its process ended with exit code {process.returncode}")
    return _checked(out)


def _another_user(isolation: Isolation, out: Path) -> dict[str, Any]:
    if isolation == "none":
        return {}
    if os.geteuid() != 0:
        raise ConfigurationError("the job that runs model.py is not root: it could not give it a user of its own")
    os.chown(out, _USER, _GROUP)
    return {"user": _USER, "group": _GROUP, "extra_groups": [], "umask": 0o022}


def _environment(given: Mapping[str, str], home: Path) -> dict[str, str]:
    """No credential, endpoint or name of ours."""
    kept = {name: value for name, value in given.items() if name in _KEPT or name.startswith(_KEPT_OF)}
    return {**kept, "HOME": str(home), "TMPDIR": str(home), "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1"}


def _listen(
    lines: IO[str],
    report: Callable[[str], None],
    watch: Callable[[Mapping[str, float]], None],
    checkpoint: Callable[[], None],
) -> str | None:
    """Until it ends: its progress on, its traceback to the log; the sentence that it failed with."""
    error = None
    while line := lines.readline(_MOST_LINE):
        said = _message(line)
        if "report" in said:
            report(str(said["report"])[:200])
        elif "point" in said:
            watch({str(name)[:40]: float(value) for name, value in list(said["point"].items())[:20]})
        elif "checkpoint" in said:
            checkpoint()
        elif "traceback" in said:
            _log.error(
                "model.py raised", extra={"traceback": [str(one)[:500] for one in said["traceback"]][-_MOST_TRACEBACK:]}
            )
        elif "error" in said:
            error = str(said["error"])[:500]
    return error


def _plain_file(path: Path) -> bytes:
    """Its bytes, whatever was put there meanwhile: no link is followed, and none is waited for."""
    try:
        opened = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise IntegrityError(f"model.py: its {path.name} is no file that can be read") from error
    with os.fdopen(opened, "rb") as file:
        told = os.fstat(opened)
        if not stat.S_ISREG(told.st_mode) or told.st_nlink > 1 or told.st_size > _MOST_BYTES[WEIGHTS]:
            raise IntegrityError(f"model.py: its {path.name} is not a file of an expected size")
        return file.read()


def _message(line: str) -> dict[str, Any]:
    """What it prints itself is not ours to read."""
    try:
        said = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) and isinstance(said.get("point", {}), dict) else {}


def _checked(out: Path) -> TrainedCandidate:
    """Whole, plain files of the expected names, each readable as data; what else is there is removed."""
    for path in list(out.iterdir()):
        if path.name not in _MOST_BYTES or not stat.S_ISREG(path.lstat().st_mode):
            if path.is_dir() and not path.is_symlink():
                continue
            path.unlink()
        elif path.stat().st_size > _MOST_BYTES[path.name] or path.stat().st_nlink > 1:
            raise IntegrityError(f"model.py: its {path.name} is not a file of an expected size")
    for name in (MODEL, REFERENCE, TRAINED):
        if not (out / name).exists():
            raise CandidateFailedError(f"model.py: its process ended without {name}")
    for name in (MODEL, BODY):
        if (out / name).exists():
            _check_graph(out / name)
    return TrainedCandidate.from_bytes((out / TRAINED).read_bytes())


def _check_graph(path: Path) -> None:
    """ONNX that holds all its weights itself and uses operators of the known domains alone."""
    import onnx

    try:
        model = onnx.load_from_string(path.read_bytes())
        onnx.checker.check_model(model)
    except Exception as error:  # protobuf and the checker have errors of their own, without a common base
        raise IntegrityError(f"model.py: its {path.name} is not a well-formed ONNX graph") from error
    outside = [tensor for tensor in model.graph.initializer if tensor.data_location == onnx.TensorProto.EXTERNAL]
    domains = {node.domain for node in model.graph.node} - {"", "ai.onnx.ml", "com.microsoft"}
    if outside or domains or model.functions:
        raise IntegrityError(f"model.py: its {path.name} refers to weights or operators outside itself")
