"""Training rows in the encoding that a body reads, for calibration, measurements of importance, and fine-tuning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import onnxruntime
import polars as pl

from pipeline.contracts.records.dataset import Dataset
from pipeline.contracts.signature import Signature
from pipeline.evaluation.sessions import session_options
from pipeline.graphs.encoding import Encoding

__all__ = ["TrainingRows", "predict", "run_in_batches"]

_ROWS_PER_CALL = 1024
_MIXED = 0.15  # fraction of the columns of a mixed row that come from another row

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingRows:
    """Encoded rows of the training split.

    Attributes:
        inputs: Input of a body (graphs.encoding) -> values [rows, ...].
        target: Class numbers int64 [rows], or values float64 [rows]; None if a body can learn only from predictions
            (several targets, clusters, quantiles).
        classes: Number of classes; 0 for regression.
    """

    inputs: Mapping[str, npt.NDArray[Any]]
    target: npt.NDArray[Any] | None
    classes: int

    @classmethod
    def encode(cls, frame: pl.DataFrame, dataset: Dataset, signature: Signature) -> Self:
        """Encode the rows of ``frame``, whose columns are the data set's."""
        inputs = Encoding.of(dataset).encode(frame)
        classes = len(signature.classes)
        if signature.targets or signature.quantiles or signature.task == "clustering":
            return cls(inputs=inputs, target=None, classes=classes)
        target = frame[dataset.target]
        if signature.task == "regression":
            return cls(inputs=inputs, target=target.cast(pl.Float64).to_numpy(), classes=0)
        numbers = target.replace_strict(list(signature.classes), range(classes), return_dtype=pl.Int64)
        return cls(inputs=inputs, target=numbers.to_numpy(), classes=classes)

    def __len__(self) -> int:
        """Return the number of rows."""
        return max((len(values) for values in self.inputs.values()), default=0)

    def read(self, names: Sequence[str], indices: Indices | slice) -> dict[str, npt.NDArray[Any]]:
        """Return some rows of some inputs."""
        return {name: self.inputs[name][indices] for name in names}

    def sample(self, count: int, seed: int = 0) -> Self:
        """Return at most ``count`` rows, drawn at random."""
        if len(self) <= count:
            return self
        return self.take(np.sort(np.random.default_rng(seed).choice(len(self), count, replace=False)))

    def mix(self, seed: int = 0) -> Self:
        """Return as many mixed rows, without a target: some columns of each row come from another row.

        A text is taken as a whole; images are not mixed.
        """
        random = np.random.default_rng(seed)
        partners = random.permutation(len(self))
        mixed = {}
        for name, values in self.inputs.items():
            if len(values) and values.ndim <= 2:
                values = np.where(random.random(values.shape) < _MIXED, values[partners], values)  # noqa: PLW2901
            mixed[name] = values
        return type(self)(inputs=mixed, target=None, classes=self.classes)

    def take(self, indices: Indices) -> Self:
        """Return the rows with these indices."""
        inputs = {name: values[indices] if len(values) else values for name, values in self.inputs.items()}
        target = None if self.target is None else self.target[indices]
        return type(self)(inputs=inputs, target=target, classes=self.classes)


def predict(model: bytes, rows: TrainingRows) -> npt.NDArray[np.floating[Any]]:
    """Return the output of a body, or the probabilities or values of a served file, for all rows."""
    return run_in_batches(model, rows.inputs)


def run_in_batches(model: bytes, inputs: Mapping[str, npt.NDArray[Any]]) -> npt.NDArray[np.floating[Any]]:
    """Return the first numeric output of a graph, by onnxruntime on one thread.

    Args:
        model: The serialized graph.
        inputs: Input -> values [rows, ...]; inputs that the graph does not read are ignored.
    """
    session = onnxruntime.InferenceSession(model, session_options(), providers=["CPUExecutionProvider"])
    names = [value.name for value in session.get_inputs()]
    numbers = [value.name for value in session.get_outputs() if value.type != "tensor(string)"][:1]
    blocks = [
        session.run(numbers, {name: inputs[name][start : start + _ROWS_PER_CALL] for name in names})[0]
        for start in range(0, len(inputs[names[0]]), _ROWS_PER_CALL)
    ]
    return np.concatenate(blocks)
