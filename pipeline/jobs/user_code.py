"""Train the candidate of a user's model.py in a sandbox process, and check its results."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.contracts.algorithms.hyperparameter import Settings
from pipeline.contracts.object_keys import MODEL_CODE
from pipeline.contracts.records.outcome import CHECKPOINT, TRAINED, TrainedCandidate
from pipeline.contracts.records.plan import Candidate
from pipeline.jobs.runtime.job import JobContext
from pipeline.jobs.sandbox.sandbox import run_isolated
from pipeline.jobs.sandbox.sandbox_main import TASK, Task

if TYPE_CHECKING:
    from pipeline.training.trainer import Trainer

__all__ = ["train_isolated"]

_LONGEST_SECONDS = 7 * 86400.0


def train_isolated(
    context: JobContext, trainer: Trainer, candidate: Candidate, folder: Path, report: Callable[[str], None]
) -> TrainedCandidate:
    """Train as Trainer.train does, in a separate process.

    Raises:
        CandidateFailedError: The code failed.
        IntegrityError: The results are not plain data.
    """
    sandbox_folder = context.workdir / f"{candidate.name}.sandbox"
    sandbox_folder.mkdir()
    context.artifacts.download(context.keys.code, sandbox_folder / MODEL_CODE)
    (sandbox_folder / "dataset.json").write_bytes(trainer.dataset.to_bytes())
    for name, split in trainer.splits.items():
        split.write_parquet(sandbox_folder / f"{name}.parquet")
    checkpoints = trainer.checkpoints(candidate)
    if (state := checkpoints.load()) is not None:
        (sandbox_folder / CHECKPOINT).write_bytes(state)
    task = Task(
        candidate=candidate,
        metric=trainer.metric,
        seed=trainer.seed,
        seconds=max(0.0, min(_LONGEST_SECONDS, trainer.deadline - time.monotonic())),
        class_weights=trainer.class_weights,
        threshold_rule=trainer.threshold_rule,
        device=context.machine.device,
        description=context.machine.description,
        threads=context.machine.threads,
        checkpoint_seconds=min(_LONGEST_SECONDS, checkpoints.seconds),
    )
    (sandbox_folder / TASK).write_bytes(task.to_bytes())
    context.workdir.chmod(0o755)  # the sandbox's user must be able to enter the folder
    trained = run_isolated(
        sandbox_folder,
        isolation=context.isolation,
        environment=context.environment,
        report=report,
        watch=lambda point: trainer.watch(candidate, point),
        keep=checkpoints.save,
        checkpoint_seconds=checkpoints.seconds,
    )
    record = trained.model_copy(
        update={
            "candidate": candidate.name,
            "algorithm": candidate.algorithm,
            "settings": {**candidate.settings, **_list_chosen_settings(candidate, trained)},
            "device": context.machine.description,
        }
    )
    for path in (sandbox_folder / "out").iterdir():
        if path.is_file():
            shutil.move(path, folder / path.name)
    (folder / TRAINED).write_bytes(record.to_bytes())
    return record


def _list_chosen_settings(candidate: Candidate, trained: TrainedCandidate) -> Settings:
    """Return the settings that the search chose."""
    best = next((trial.settings for trial in trained.trials if trial.status == "best"), {})
    return {name: value for name, value in best.items() if candidate.trials and name in candidate.trials.space}
