"""Linear models over the TF-IDF of texts: hard to beat without a pretrained language model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline.contracts.algorithms.spec import AlgorithmSpec, Cost
from pipeline.training.algorithm import Algorithm, FittedModel, Rows, RunContext, TrainingTask
from pipeline.training.algorithms import linear
from pipeline.training.features.text_inputs import with_text_features
from pipeline.training.features.text_score_config import TextScoreConfig

if TYPE_CHECKING:
    import onnx

    from pipeline.training.features.text_features import TextLinearModel

__all__ = ["ALGORITHM"]


def _train(config: TextScoreConfig, task: TrainingTask, context: RunContext) -> FittedModel:
    """Fit linear models to texts; if there are other columns, fit a linear model to them and the texts' scores."""
    from scipy.special import softmax

    from pipeline.training.features.text_features import every_target, fit_scores

    if task.train.num.shape[1] or task.cardinalities:
        linear_config = linear.LinearConfig(C=config.C, alpha=config.alpha)
        return with_text_features(linear.ALGORITHM.train, config, every_class=True)(linear_config, task, context)
    scores = fit_scores(config, task, every_target(task), context)
    inverse_temperature = 1.0
    if task.classes:
        tuned = task.tuned
        inverse_temperature = _fit_inverse_temperature(scores, task) if tuned is None else tuned["inverse_temperature"]
        scores = scores.scaled(inverse_temperature)

    def predict(rows: Rows) -> Any:
        outputs = scores.apply(rows.text)
        return softmax(outputs, axis=1) if task.classes else outputs[:, 0]

    return FittedModel(
        predict=predict,
        body=lambda: _body(scores, classes=task.classes),
        notes=scores.notes,
        tuned={"inverse_temperature": inverse_temperature},
    )


def _fit_inverse_temperature(model: TextLinearModel, task: TrainingTask) -> float:
    """Return the inverse temperature: the factor of the scores with the lowest cross-entropy on the held-out rows.

    References:
        Guo et al. 2017, On Calibration of Modern Neural Networks.
    """
    import numpy as np
    from scipy.special import softmax

    scores, target = model.apply(task.validation.text), task.validation.target
    rows = np.arange(len(target))
    factors = np.geomspace(0.05, 20, 80)
    losses = [-np.log(np.maximum(softmax(scores * factor, axis=1)[rows, target], 1e-12)).mean() for factor in factors]
    return float(factors[int(np.argmin(losses))])


def _body(scores: TextLinearModel, *, classes: int) -> onnx.ModelProto:
    from onnx import TensorProto, helper

    from pipeline.graphs.compose import join, make_model

    if not classes:
        return scores.graph()
    inputs, outputs = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", classes]) for name in ("odds", "shares")
    )
    softmax = make_model("shares", [helper.make_node("Softmax", ["odds"], ["shares"], axis=1)], [inputs], [outputs])
    return join(scores.graph(), softmax, prefix="shares/")


ALGORITHM = Algorithm(
    config=TextScoreConfig,
    spec=AlgorithmSpec(
        name="text_linear",
        supported_inputs=("text", "num", "cat"),
        strengths="texts: words and word pairs, letter n-grams; small, fast, hard to beat with few texts",
        hyperparameters=TextScoreConfig.describe(),
        cost=Cost(
            measured="2026-11-24, one thread of a 2-core EPYC, 6,000 texts of 40 words",
            seconds=1,
            seconds_per_million_cells=250,
            each_class=True,
            bytes=100_000,
            bytes_per_row=1_000,
            most_bytes=8_000_000,
            latency_us=300,
        ),
        min_rows=20,
        max_classes=100,
        max_rows=1_000_000,
        required_inputs=("text",),
        training_order=15,
    ),
    no_int8="a linear model over words is one small matrix, and integers would add more than they save",
    train=_train,
)
