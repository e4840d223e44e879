"""Transforms of a regression's target: the function of the target that models learn, and its inverse."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from pipeline.graphs.compose import make_model
from pipeline.training.algorithm import Objective, Rows, TrainingTask, objective_of

__all__ = ["TargetTransform", "target_transforms"]

Floats = npt.NDArray[np.floating[Any]]
Kind = Literal["identity", "log", "log_link"]

_MIN_ROWS = 50  # minimum number of rows to estimate the skewness from
_MIN_SKEWNESS = 1.0  # a normal distribution has 0, an exponential distribution 2
_MIN_ZEROS = 0.02  # minimum fraction of rows with the value 0 to try Tweedie regression
_MARGIN = 1.0  # standard deviations by which predicted logarithms may exceed the range of the rows
_RATIO_MARGIN = 3.0  # difference by which logarithms of predicted rates may exceed the range of the rows


@dataclass(frozen=True, kw_only=True, slots=True)
class TargetTransform:
    """A standardized function of the target that models learn, and its inverse.

    Args:
        kind: ``identity``: models learn (y - center) / scale. ``log``: they learn (log(y + offset) - center) / scale.
            ``log_link``: they learn y / exp(center), and predict its logarithm (Poisson and Tweedie regression).
        objective: Loss that models minimize.
        center: Mean that standardizes the target, or its logarithm.
        scale: Standard deviation of the target, or its logarithm.
        offset: Added to the target before the logarithm.
        factor: Factor of the inverse of ``log``, since the mean of exponentials is not the exponential of the mean.
        low: Lower bound of predictions before the exponential.
        high: Upper bound of predictions before the exponential.
        minimum: Lower bound of the values, if no row has a lower one; None: there is none.
        is_smeared: Whether ``factor`` is estimated (``smeared``), since the metric measures squared errors.

    References:
        Duan 1983, Smearing Estimate: A Nonparametric Retransformation Method.
    """

    kind: Kind
    objective: Objective
    center: float
    scale: float
    offset: float = 0.0
    factor: float = 1.0
    low: float = -np.inf
    high: float = np.inf
    minimum: float | None = None
    is_smeared: bool = False

    @classmethod
    def of(  # noqa: PLR0913 - the fields of a transform
        cls,
        values: Floats,
        *,
        kind: Kind,
        objective: Objective,
        offset: float = 0.0,
        minimum: float | None = None,
        is_smeared: bool = False,
    ) -> Self:
        """Fit a transform to the values of the training rows [rows]; the other arguments are its fields."""
        low, high = -np.inf, np.inf
        if kind == "identity":
            center, scale = float(values.mean()), float(values.std()) or 1.0
        elif kind == "log_link":
            mean = float(values.mean())
            ratios = values[values > 0] / mean
            center, scale = float(np.log(mean)), 1.0
            low, high = float(np.log(ratios.min()) - _RATIO_MARGIN), float(np.log(ratios.max()) + _RATIO_MARGIN)
        else:
            logarithms = np.log(values + offset)
            center, scale = float(logarithms.mean()), float(logarithms.std()) or 1.0
            low = float((logarithms.min() - center) / scale) - _MARGIN
            high = float((logarithms.max() - center) / scale) + _MARGIN
        return cls(
            kind=kind, objective=objective, center=center, scale=scale, offset=offset, low=low, high=high,
            minimum=minimum, is_smeared=is_smeared,
        )  # fmt: skip

    def forward(self, values: Floats) -> Floats:
        """Transform values [rows] into what models learn."""
        transformed: Floats = (values - self.center) / self.scale
        if self.kind == "log_link":
            transformed = np.maximum(values, 0) / np.exp(self.center)
        elif self.kind == "log":
            min_value = np.exp(self.center + self.scale * self.low)
            transformed = (np.log(np.maximum(values + self.offset, min_value)) - self.center) / self.scale
        return transformed

    def inverse(self, predicted: Floats) -> Floats:
        """Return predictions [rows], or predictions with quantiles [rows, outputs], in the target's own units."""
        values = predicted.astype(np.float64)
        if self.kind == "identity":
            values = values * self.scale + self.center
        else:
            factor = self._factors(values.shape[1]) if values.ndim == 2 else self.factor
            exponents = np.clip(values, self.low, self.high) * self.scale + self.center
            values = np.exp(exponents) * factor - self.offset
        return values if self.minimum is None else np.maximum(values, self.minimum)

    def denormalize_targets(self, targets: Floats) -> Floats:
        """Return the values [rows] that ``forward`` transformed into ``targets``."""
        if self.kind == "log_link":
            values: Floats = targets * np.exp(self.center)
            return values
        return replace(self, factor=1.0).inverse(targets)

    def graph(self, outputs: int = 1) -> onnx.ModelProto:
        """Return the ONNX graph of ``inverse``: predictions [batch, outputs] -> values [batch, outputs]."""
        constants = {"std": np.array(self.scale), "mean": np.array(self.center)}
        nodes, last = [], "scaled"

        def add(operator: str, *inputs: str, output: str) -> str:
            nodes.append(helper.make_node(operator, list(inputs), [output]))
            return output

        if self.kind != "identity":
            constants |= {"low": np.array(self.low), "high": np.array(self.high)}
            last = add("Clip", last, "low", "high", output="clipped")
        last = add("Mul", last, "std", output="spread")
        last = add("Add", last, "mean", output="moved")
        if self.kind != "identity":
            constants |= {"factors": self._factors(outputs), "offset": np.array(self.offset)}
            last = add("Exp", last, output="exponential")
            last = add("Mul", last, "factors", output="smeared")
            last = add("Sub", last, "offset", output="shifted")
        if self.minimum is not None:
            constants["minimum"] = np.array(self.minimum)
            last = add("Max", last, "minimum", output="bounded")
        scaled, value = (
            helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", outputs]) for name in ("scaled", last)
        )
        tensors = [numpy_helper.from_array(array.astype(np.float32), name) for name, array in constants.items()]
        return make_model("target", nodes, [scaled], [value], tensors)

    def smeared(self, predicted: Floats, targets: Floats, weight: Floats | None) -> TargetTransform:
        """Return the transform with Duan's smearing factor, which makes the inverse an unbiased estimate of the mean.

        Args:
            predicted: Predictions for held-out rows [rows], before the inverse.
            targets: Transformed true values of these rows [rows].
            weight: Weight of each row [rows]; None: all count the same.
        """
        if not self.is_smeared:
            return self
        residuals = (targets - np.clip(predicted, self.low, self.high)) * self.scale
        return replace(self, factor=float(np.average(np.exp(residuals), weights=weight)))

    def sensitivity(self, values: Floats) -> float:
        """Return the change of the largest value, in standard deviations, if a prediction changes by 1."""
        if self.kind == "identity":
            return 1.0
        spread = float(values.std()) or 1.0
        return max(1.0, self.scale * self.factor * float(values.max() + self.offset) / spread)

    def apply(self, rows: Rows, values: Floats) -> Rows:
        """Return the rows with the transformed ``values`` as their target."""
        return replace(rows, target=self.forward(values))

    def apply_to_task(self, task: TrainingTask, train: Rows, validation: Rows) -> TrainingTask:
        """Return the task of learning the transformed target; ``apply`` returned the rows."""
        return replace(
            task, train=train, validation=validation, objective=self.objective, denormalize=self.inverse,
            denormalize_targets=self.denormalize_targets, minimum=self.minimum,
        )  # fmt: skip

    @property
    def description(self) -> str:
        """Return a description of the learned target, for notes."""
        if self.kind == "log":
            return "the target's logarithm" + (f" (of it plus {self.offset:.4g})" if self.offset else "")
        return f"{self.objective.title()} regression of the target" if self.kind == "log_link" else "the target"

    def _factors(self, outputs: int) -> Floats:
        """Return the factor of each output; it is 1 for quantiles, since they commute with the logarithm."""
        factors = np.ones(outputs)
        factors[0] = self.factor
        return factors


def target_transforms(
    train: Floats, values: Floats, *, metric: str, log_links: tuple[Objective, ...] = (), logarithms: bool = True
) -> list[TargetTransform]:
    """Return the transforms of a target that are worth comparing; the first is used without a comparison.

    The logarithm is tried for nonnegative, skewed values (skewness above 1), Poisson regression for counts or skewed
    values, and Tweedie regression for skewed amounts that are often 0. For RMSLE, which is the RMSE of logarithms, only
    the logarithm is returned.

    Args:
        train: Values of the training rows [rows], which standardize the untransformed target.
        values: Values of all training and validation rows [rows].
        metric: Metric that candidates are compared by.
        log_links: The algorithm's objectives whose predictions are logarithms.
        logarithms: Whether models may learn the target's logarithm.
    """
    objective = objective_of(metric)
    minimum = 0.0 if values.min() >= 0 else None
    plain = TargetTransform.of(train, kind="identity", objective=objective, minimum=minimum)
    if not logarithms or len(values) < _MIN_ROWS or values.min() == values.max():
        return [plain]
    if metric == "rmsle":
        if values.min() <= -1:
            return [plain]
        return [TargetTransform.of(values, kind="log", objective="squared_error", offset=1.0, minimum=minimum)]
    if minimum is None:
        return [plain]
    is_count, is_skewed = bool((values == np.round(values)).all()), _skewness(values) > _MIN_SKEWNESS
    transforms = [plain]
    if is_skewed:
        offset = 0.0 if values.min() > 0 else float(np.quantile(values[values > 0], 0.05))
        transforms.append(
            TargetTransform.of(
                values, kind="log", objective=_of_logarithms(objective), offset=offset, minimum=minimum,
                is_smeared=objective == "squared_error",
            )
        )  # fmt: skip
    has_zeros = (values == 0).mean() >= _MIN_ZEROS
    applies: dict[str, bool] = {"poisson": is_count or is_skewed, "tweedie": is_skewed and has_zeros and not is_count}
    if objective == "squared_error":
        transforms += [
            TargetTransform.of(values, kind="log_link", objective=link, minimum=minimum)
            for link in log_links
            if applies[link]
        ]
    return transforms


def _of_logarithms(objective: Objective) -> Objective:
    """Return the objective for logarithms: a relative error of values is nearly an absolute error of logarithms."""
    return "absolute_error" if objective == "relative_error" else objective


def _skewness(values: Floats) -> float:
    centered = values - values.mean()
    deviation = float(centered.std())
    return float((centered**3).mean() / deviation**3) if deviation > 0 else 0.0
