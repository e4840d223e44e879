"""The rows, the time and the checkpoints of passes that calibrate or fine-tune."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from pipeline.compression.fine_tuning.budget import Budget, FineTuningCheckpoints, NoFineTuningCheckpoints
from pipeline.compression.passes.input_columns import InputColumn
from pipeline.compression.training_rows import TrainingRows
from pipeline.contracts.spec.sections import FineTuning

__all__ = ["PassContext"]


@dataclass(frozen=True, kw_only=True)
class PassContext:
    """The context of one candidate's passes.

    Attributes:
        read_rows: Reads the training rows; called once, by the first pass that needs them.
        teacher: The candidate's body, whose predictions fine-tuning learns.
        columns: Columns of the table, and their indices in the body's inputs.
        several_labels: Whether each output is the probability of its own label (multi-label classification).
        fine_tuning: Mixup and hints (sections.FineTuning).
        budget: Time of fine-tuning.
        checkpoints: Storage of the state of a fine-tuning.
        report: Receives progress messages of a few words.
        seed: Seed of all random numbers.
        threads: Threads of a fine-tuning.
        cache: Results of one pass that another pass can use.
    """

    read_rows: Callable[[], TrainingRows]
    teacher: bytes
    columns: tuple[InputColumn, ...] = ()
    several_labels: bool = False
    fine_tuning: FineTuning = field(default_factory=FineTuning)
    budget: Budget = field(default_factory=lambda: Budget.start(0.0))
    checkpoints: FineTuningCheckpoints = field(default_factory=NoFineTuningCheckpoints)
    report: Callable[[str], None] = lambda text: None
    seed: int = 0
    threads: int = 1
    cache: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def rows(self) -> TrainingRows:
        """Return the training rows."""
        return self.read_rows()
