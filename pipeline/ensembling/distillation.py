"""Distillation: train a student, a small model that learns a larger one's predictions (Hinton, Vinyals and Dean 2015).

The student learns from the training rows and from synthetic rows (ensembling.new_rows).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper
from scipy.special import softmax

from pipeline.contracts.spec.sections import Distillation
from pipeline.ensembling.new_rows import add_new_rows
from pipeline.evaluation.scoring import OnnxModel
from pipeline.graphs.blending import concat_outputs
from pipeline.graphs.compose import join, make_model
from pipeline.graphs.encoding import CAT, NUM
from pipeline.training.algorithm import Algorithm, ConfigT, Rows, RunContext, TrainingTask
from pipeline.training.algorithms.gradient_boosting import GradientBoostingConfig
from pipeline.training.features.target_transform import TargetTransform

__all__ = ["Student", "distill", "load_teacher"]

Floats = npt.NDArray[np.floating[Any]]

_MIN_PROBABILITY = 1e-4  # a logit of -9.2: the student need not learn when the teacher is more confident


@dataclass(frozen=True, kw_only=True, slots=True)
class Student:
    """A distilled model.

    Args:
        predict: Predicts probabilities [rows, classes], or values [rows] in the target's own units.
        body: Exports these predictions as a graph over encoded columns.
    """

    predict: Callable[[Rows], Floats]
    body: Callable[[], onnx.ModelProto]


def distill(  # noqa: PLR0913, PLR0917 - algorithm, task and teacher
    algorithm: Algorithm[ConfigT],
    config: ConfigT,
    task: TrainingTask,
    context: RunContext,
    teacher: Callable[[Rows], Floats],
    out_of_fold: Floats | None = None,
    *,
    settings: Distillation | None = None,
) -> Student:
    """Train a student by regression of its teacher's logits: one model for a value or two classes, else one per class.

    Args:
        algorithm: Trains the student.
        config: Hyper-parameters of the algorithm.
        task: The task that the teacher was trained for.
        context: Run context of the student's training.
        teacher: Returns the teacher's predictions in the form of ``Student.predict``.
        out_of_fold: Out-of-fold predictions of the teacher's models for the training rows, then the validation rows;
            NaN for rows without one. None, or NaN: ``teacher`` predicts the rows.
        settings: Settings of the rows that the student learns from; None: the defaults.
    """
    augmented, source_rows = add_new_rows(task.train, settings or Distillation(), seed=task.seed)
    train_predictions, validation_predictions = teacher(augmented), teacher(task.validation)
    if out_of_fold is not None:
        train_predictions[: len(source_rows)] = _fill(out_of_fold[source_rows], train_predictions[: len(source_rows)])
        validation_predictions = _fill(out_of_fold[-len(task.validation) :], validation_predictions)
    train_scores, validation_scores = (
        _to_scores(predictions, task.classes) for predictions in (train_predictions, validation_predictions)
    )
    mean, std = train_scores.mean(axis=0), np.maximum(train_scores.std(axis=0), 1e-12)
    if train_scores.shape[1] > 1 and isinstance(config, GradientBoostingConfig):
        # The search for rotated pairs, once per model, would take longer than the trees.
        config = config.model_copy(update={"turn": False})
    fitted = [
        algorithm.train(
            config,
            replace(
                task,
                kind="regression",
                classes=0,
                metric="rmse",
                objective="squared_error",
                denormalize=_identity,
                denormalize_targets=_identity,
                train=replace(augmented, target=(train_scores[:, column] - mean[column]) / std[column]),
                validation=replace(task.validation, target=(validation_scores[:, column] - mean[column]) / std[column]),
            ),
            context,
        )
        for column in range(train_scores.shape[1])
    ]

    def predict(rows: Rows) -> Floats:
        raw = [model.predict(rows) * std[index] + mean[index] for index, model in enumerate(fitted)]
        predictions = _to_predictions(np.stack(raw, axis=1), task.classes)
        return predictions if task.minimum is None else np.maximum(predictions, task.minimum)

    def body() -> onnx.ModelProto:
        plain = TargetTransform(kind="identity", objective="squared_error", center=0.0, scale=1.0, minimum=task.minimum)
        bodies = []
        for model, center, scale in zip(fitted, mean, std, strict=True):
            transform = replace(plain, center=float(center), scale=float(scale))
            bodies.append(join(model.body(), transform.graph(), prefix="target/"))
        return _join_scores(bodies, classes=task.classes) if task.classes else bodies[0]

    return Student(predict=predict, body=body)


def load_teacher(body: onnx.ModelProto, *, classes: int, threads: int) -> Callable[[Rows], Floats]:
    """Return a function that predicts rows with an ONNX body, which reads numbers and categories.

    Args:
        body: Graph that predicts probabilities [rows, classes], or values [rows, 1].
        classes: Number of classes; 0 for a regression.
        threads: Number of threads of the session.
    """
    input_names = {graph_input.name for graph_input in body.graph.input}
    model = OnnxModel(body.SerializeToString(), threads=threads)

    def predict(rows: Rows) -> Floats:
        columns = {name: values for name, values in ((NUM, rows.num), (CAT, rows.cat)) if name in input_names}
        (outputs,) = model.run_raw(columns)
        return outputs if classes else outputs.reshape(-1)

    return predict


def _identity(values: Floats) -> Floats:
    return values


def _fill(out_of_fold: Floats, fallback: Floats) -> Floats:
    return np.where(np.isnan(out_of_fold), fallback, out_of_fold)


def _to_scores(predictions: Floats, classes: int) -> Floats:
    """Return the student's targets [rows, models]: values, the second class's logit, or centered log-probabilities."""
    if not classes:
        return predictions.reshape(-1, 1).astype(np.float64)
    logarithms = np.log(np.clip(predictions.astype(np.float64), _MIN_PROBABILITY, 1))
    if classes == 2:
        return logarithms[:, 1:] - logarithms[:, :1]
    centered: Floats = logarithms - logarithms.mean(axis=1, keepdims=True)
    return centered


def _to_predictions(scores: Floats, classes: int) -> Floats:
    """Convert scores, as ``_to_scores`` returns them, back to predictions."""
    if not classes:
        return scores[:, 0]
    logits = np.concatenate([np.zeros_like(scores), scores], axis=1) if classes == 2 else scores
    probabilities: Floats = softmax(logits, axis=1)
    return probabilities


def _join_scores(models: Sequence[onnx.ModelProto], *, classes: int) -> onnx.ModelProto:
    """Join the graphs of models that each predict one score to a graph that predicts probabilities."""
    scores = concat_outputs(models)
    graph_input = helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", len(models)])
    graph_output = helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", classes])
    nodes = [
        helper.make_node("Sub", ["scores", "scores"], ["zero"]),
        helper.make_node("Concat", ["zero", "scores"], ["logits"], axis=1),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    if classes > 2:
        nodes = [helper.make_node("Softmax", ["scores"], ["probabilities"], axis=1)]
    return join(scores, make_model("to_probabilities", nodes, [graph_input], [graph_output]), prefix="student/")
