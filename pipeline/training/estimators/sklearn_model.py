"""Convert a fitted scikit-learn estimator to a FittedModel: predictions and ONNX graph."""

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
    """Convert a fitted estimator to a FittedModel.

    A scikit-learn classifier predicts probabilities only for the classes of its training rows (``classes_``). The
    FittedModel has a probability for each class of the data set: 0 for a class without training rows.

    Args:
        estimator: A classifier if the task has classes, else a regressor; fitted on the features of ``preprocessing``.
        preprocessing: Computes the features of rows.
        task: The task that the estimator was fitted for.
        notes: Notes for the model card.
        body: Exports the model to ONNX; None: skl2onnx converts the estimator.
    """
    classes = task.classes  # the functions below must not keep the task, which has the training rows
    columns = class_columns(estimator, classes)

    def predict(rows: Rows) -> Any:
        features = preprocessing.apply(rows)
        if not classes:
            return estimator.predict(features)
        probabilities = estimator.predict_proba(features)
        return probabilities if columns is None else probabilities @ columns

    def convert() -> onnx.ModelProto:
        from pipeline.training.export.sklearn_to_onnx import place_class_columns, sklearn_body

        converted = sklearn_body(estimator, preprocessing, classifier=classes > 0)
        return converted if columns is None else place_class_columns(converted, columns)

    return FittedModel(predict=predict, body=body or convert, notes=notes)


def class_columns(estimator: Any, classes: int) -> npt.NDArray[np.float32] | None:
    """Return a 0/1 matrix [fitted classes, classes] that maps the estimator's columns to the classes.

    Args:
        estimator: A fitted estimator.
        classes: Number of classes of the data set; 0 for a regression.

    Returns:
        The matrix; None for a regression, or if the estimator was fitted on all classes.
    """
    if not classes or len(estimator.classes_) == classes:
        return None
    columns: npt.NDArray[np.float32] = np.eye(classes, dtype=np.float32)[estimator.classes_]
    return columns
