"""``python -m pipeline.jobs.sandbox.sandbox_main FOLDER TOKEN``: the process that a user's model.py runs in.

``FOLDER`` holds task.json, dataset.json, model.py, the splits, and the checkpoint of an earlier attempt; the results
are written to ``FOLDER/out``. The process has no access to buckets, tables or credentials. It prints a JSON line for
progress, for a point of the curve, for a written checkpoint and for an error. Each line begins with ``TOKEN``, since
model.py may print other lines.
"""

from __future__ import annotations

import json
import sys
import time
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Literal

from pipeline.contracts.errors import ModeldropError
from pipeline.contracts.object_keys import MODEL_CODE
from pipeline.contracts.record import Record
from pipeline.contracts.records.dataset import Dataset
from pipeline.contracts.records.decision import ThresholdRule
from pipeline.contracts.records.outcome import CHECKPOINT
from pipeline.contracts.records.plan import Candidate

__all__ = ["TASK", "Task", "main"]

TASK = "task.json"
_MAX_FRAMES, _MAX_LINE_CHARS = 50, 200  # limits of a reported traceback: the reader splits a line that is too long

_Emit = Callable[..., None]


class Task(Record):
    """A training task. ``seconds``: time until the deadline; finite, since JSON has no infinity."""

    candidate: Candidate
    metric: str
    seed: int
    seconds: float
    class_weights: Literal["balanced"] | dict[str, float] | None
    threshold_rule: ThresholdRule | None = None
    device: str
    description: str
    threads: int
    checkpoint_seconds: float


class _Checkpoints:
    """Checkpoints (training.algorithm) as files, which the parent process uploads."""

    def __init__(self, folder: Path, seconds: float, emit: _Emit) -> None:
        self._emit = emit
        self.seconds, self._earlier, self._kept = seconds, folder / CHECKPOINT, folder / "out" / CHECKPOINT

    def load(self) -> bytes | None:
        return self._earlier.read_bytes() if self._earlier.exists() else None

    def save(self, state: bytes) -> None:
        written = self._kept.with_suffix(".part")
        written.write_bytes(state)
        written.replace(self._kept)
        self._emit(checkpoint=True)


def main(folder: Path, token: str) -> int:
    """Train, and return the exit code; report a failure with its traceback."""
    emit = partial(_emit, token)
    try:
        _train(folder, emit)
    except ModeldropError as error:
        emit(error=error.message)
        return 1
    except BaseException as error:  # noqa: BLE001 - the outermost edge: it reports whatever a user's code raises
        frames = traceback.extract_tb(error.__traceback__)
        lines = [f"{frame.filename}, line {frame.lineno}, in {frame.name}" for frame in frames]
        number = next((frame.lineno for frame in reversed(frames) if frame.filename == MODEL_CODE), None)
        excerpt = [*lines[-_MAX_FRAMES:], *traceback.format_exception_only(error)[-_MAX_FRAMES:]]
        emit(traceback=[line[:_MAX_LINE_CHARS] for line in excerpt])
        where = f" (line {number})" if number else ""
        emit(error=f"{MODEL_CODE}{where} raised {type(error).__name__}: the log of this job has its traceback")
        return 1
    return 0


def _train(folder: Path, emit: _Emit) -> None:
    import polars as pl

    from pipeline.training.distributed.machine import Machine
    from pipeline.training.trainer import Trainer

    task = Task.from_bytes((folder / TASK).read_bytes())
    trainer = Trainer(
        dataset=Dataset.from_bytes((folder / "dataset.json").read_bytes()),
        splits={name: pl.read_parquet(folder / f"{name}.parquet") for name in ("train", "validation")},
        machine=Machine(device=task.device, description=task.description, threads=task.threads),
        seed=task.seed,
        metric=task.metric,
        class_weights=task.class_weights,
        threshold_rule=task.threshold_rule,
        deadline=time.monotonic() + task.seconds,
        checkpoints=lambda candidate: _Checkpoints(folder, task.checkpoint_seconds, emit),
        watch=lambda candidate, point: emit(point=dict(point)),
        code=folder / MODEL_CODE,
    )
    trainer.train(task.candidate, folder / "out", lambda text: emit(report=text))


def _emit(token: str, **document: Any) -> None:
    sys.stdout.write(f"\n{token}{json.dumps(document)}\n")  # what was printed before may not have ended its line
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2]))
