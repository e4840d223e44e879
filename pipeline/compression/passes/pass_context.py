"""What passes work with that learn or calibrate: rows, time, and where a state is kept."""

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
    """What belongs to one candidate.

    Attributes:
        read_rows: Reads the training rows; called once, where a pass needs them.
        teacher: The candidate's body as it was trained: fine-tuning learns its predictions.
        columns: Of the table, and where the body reads them.
        several_labels: Whether each output is the probability of a label of its own.
        fine_tuning: What fine-tuning learns beside the predictions for the training rows.
        budget: The time of fine-tuning.
        checkpoints: Where the state of a fine-tuning is kept.
        report: Is told a few words of how far a pass is.
        seed: Of everything that is drawn.
        threads: Of a fine-tuning.
        cache: What one pass computed of the candidate and another one can use.
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
        """The training rows."""
        return self.read_rows()
