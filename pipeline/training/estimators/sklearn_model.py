"""A fitted scikit-learn estimator as an algorithm's result: its predictions and its ONNX graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pipeline.training.algorithm import FittedModel, Rows, TrainingTask

if TYPE_CHECKING:
    import onnx

    from pipeline.training.features.preprocessing import Preprocessing

__all__ = ["class_columns", "fitted_model"]


def fitted_model(
    estimator: Any,
    preprocessing: Preprocessing,
    task: TrainingTask,
    *,
    notes: tuple[str, ...] = (),
    body: Callable[[], onnx.ModelProto] | None = None,
) -> FittedModel:
    """Make the result of a fitted estimator.

    An estimator has a probability only for the classes of the rows that it was fitted on (its ``classes_``). The
    result has one for each class of the data set: 0 for a class that no training row has.

    Args:
        estimator: A classifier where the task has classes, else a regressor; it was fitted on the features.
        preprocessing: Makes the features of rows.
        task: The task that it was fitted for.
        notes: Notes for the model card.
        body: Exports it; None: skl2onnx does.
    """
    if not task.classes:
        return FittedModel(
            predict=lambda rows: estimator.predict(preprocessing.apply(rows)),
            body=body or (lambda: _graph(estimator, preprocessing, columns=None)),
            notes=notes,
        )
    columns = class_columns(estimator.classes_, task.classes)

    def predict(rows: Rows) -> Any:
        probabilities = estimator.predict_proba(preprocessing.apply(rows))
        return probabilities if columns is None else probabilities @ columns

    return FittedModel(
        predict=predict,
        body=body or (lambda: _graph(estimator, preprocessing, columns=columns, classifier=True)),
        notes=notes,
    )


def class_columns(fitted: npt.NDArray[np.int64], classes: int) -> npt.NDArray[np.float32] | None:
    """Return a 0/1 matrix [fitted classes, classes] that moves each column to its class; None if all are present."""
    if len(fitted) == classes:
        return None
    columns = np.zeros((len(fitted), classes), np.float32)
    columns[np.arange(len(fitted)), fitted] = 1
    return columns


def _graph(
    estimator: Any,
    preprocessing: Preprocessing,
    *,
    columns: npt.NDArray[np.float32] | None,
    classifier: bool = False,
) -> onnx.ModelProto:
    from pipeline.training.export.sklearn_to_onnx import place_class_columns, sklearn_body

    body = sklearn_body(estimator, preprocessing, classifier=classifier)
    return body if columns is None else place_class_columns(body, columns)
