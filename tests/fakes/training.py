"""Quick settings for tests of training, and the result of a training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from pipeline.contracts.records.outcome import TrainedCandidate
from pipeline.evaluation.scoring import OnnxModel, Predictions, feeds
from pipeline.training.distributed.machine import Machine
from tests.fakes.tabular import Table

__all__ = ["CPU", "QUICK", "Run", "TrainIt"]

CPU = Machine(device="cpu", description="cpu", threads=1)
QUICK: dict[str, dict[str, Any]] = {
    "linear": {},
    "text_linear": {},
    "transformer": {
        "hidden": (16,),
        "width": 16,
        "layers": 1,
        "heads": 2,
        "places": 32,
        "epochs": 20,
        "batch_size": 16,
        "learning_rate": 0.01,
        "dropout": 0.0,
        "word_dropout": 0.0,
    },
    "k_means": {},
    "gaussian_mixture": {},
    "kernel_ridge": {},
    "random_forest": {"n_estimators": 20},
    "extra_trees": {"n_estimators": 20},
    "gradient_boosting": {"n_estimators": 60, "learning_rate": 0.1},
    "tabm": {"members": 4, "hidden": (16,), "bins": 8, "epochs": 12, "batch_size": 32, "learning_rate": 0.01},
    "resnet_mlp": {"hidden": (16, 16), "epochs": 12, "batch_size": 32, "learning_rate": 0.01},
    "mlp": {"hidden": (16,), "epochs": 15, "batch_size": 64, "learning_rate": 0.01},
    "cnn": {"hidden": (8, 16), "epochs": 12, "batch_size": 32, "learning_rate": 0.01, "dropout": 0.1},
    "resnet": {"hidden": (8, 16), "epochs": 12, "batch_size": 32, "learning_rate": 0.01},
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """A trained candidate, and its files."""

    table: Table
    trained: TrainedCandidate
    folder: Path
    reports: list[str]

    def served(self, frame: pl.DataFrame) -> Predictions:
        return OnnxModel(self.folder / "model.onnx").run(feeds(frame, self.table.dataset.signature))

    def difference(self) -> float:
        """Return the largest difference between the served file's and the trained model's predictions.

        It is a difference of probabilities, or of values in standard deviations of the target.
        """
        answers = self.served(self.table.validation)
        with np.load(self.folder / "reference.npz") as reference:
            if self.table.dataset.task != "regression":
                return float(np.abs(answers.probabilities - reference["probabilities"]).max())
            spread = np.std(self.table.splits["train"][self.table.dataset.target].to_numpy())
            return float(np.abs(answers.values - reference["value"]).max() / spread)


TrainIt = Callable[..., Run]
