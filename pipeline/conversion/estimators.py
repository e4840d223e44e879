"""Convert estimators of scikit-learn, and of libraries that follow its interface."""

from __future__ import annotations

import importlib.util
import re
from typing import Any

import numpy as np
import onnx
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from skl2onnx.common.exceptions import MissingConverter, MissingShapeCalculator
from sklearn.compose import ColumnTransformer

from pipeline.contracts.errors import InvalidModelError
from pipeline.conversion.boosters import register_boosters
from pipeline.conversion.model import ConvertedModel, predict_original
from pipeline.conversion.raw_columns import name_outputs, read_columns
from pipeline.conversion.sample import Sample
from pipeline.graphs.compose import OPSETS

__all__ = ["convert_estimator"]

_OPSETS = {"": OPSETS[""], "ai.onnx.ml": 3}  # the newest versions that the converters write
_MATRIX = "x"
_CLASS = re.compile(r"(\w+)'>")  # converters name a class as <class 'xgboost.sklearn.XGBRanker'>


def convert_estimator(estimator: Any, sample: Sample) -> ConvertedModel:
    """Convert a fitted estimator, or a pipeline.

    Args:
        estimator: An estimator of scikit-learn, LightGBM, XGBoost or CatBoost.
        sample: Rows of its features.

    Raises:
        InvalidModelError: The estimator is not fitted, has no converter or no probabilities, reads other columns, or
            predicts several targets.
    """
    names = getattr(estimator, "feature_names_in_", None)
    width = getattr(estimator, "n_features_in_", None)
    if width is None:
        raise InvalidModelError(f"{type(estimator).__name__} is not fitted, or does not know how many columns it reads")
    sample = sample.select([str(name) for name in names]) if names is not None else sample.expect_width(int(width))
    rows = _frame(sample) if names is not None else sample.matrix()
    classes = list(estimator.classes_) if hasattr(estimator, "predict_proba") else None
    if classes is None and hasattr(estimator, "classes_"):
        raise InvalidModelError(
            f"{type(estimator).__name__} has no probabilities (predict_proba), which a served file needs"
        )
    expected = predict_original(estimator, rows, is_classifier=classes is not None)
    return ConvertedModel(
        model=name_outputs(read_columns(_convert(estimator, sample), sample), classes),
        sample=sample,
        expected=expected,
        kind=type(estimator).__name__,
    )


def _reads_columns(estimator: Any) -> bool:
    """Return whether the estimator selects columns by name: its first step is a ColumnTransformer."""
    steps = getattr(estimator, "steps", None)
    first = steps[0][1] if steps else estimator
    return isinstance(first, ColumnTransformer)


def _frame(sample: Sample) -> Any:
    """Return the rows as the pandas frame that the estimator was fitted on.

    Raises:
        InvalidModelError: pandas is not installed.
    """
    try:
        import pandas as pd
    except ImportError:
        raise InvalidModelError("the estimator was fitted on a pandas frame: pip install pandas") from None
    frame: dict[str, Any] = {}
    for column in sample.columns:
        values = sample.frame[column]
        frame[column] = values.to_list() if sample.is_text(column) else values.to_numpy().astype(np.float32)
    return pd.DataFrame(frame)


def _convert(estimator: Any, sample: Sample) -> onnx.ModelProto:
    register_boosters()
    if _reads_columns(estimator):
        types = [
            (name, (StringTensorType if sample.is_text(name) else FloatTensorType)([None, 1]))
            for name in sample.columns
        ]
    else:
        types = [(_MATRIX, FloatTensorType([None, len(sample.columns)]))]
    is_classifier = hasattr(estimator, "predict_proba")
    try:
        model: onnx.ModelProto = to_onnx(
            estimator,
            initial_types=types,
            target_opset=_OPSETS,
            options={id(estimator): {"zipmap": False}} if is_classifier else None,
        )
    except (MissingConverter, MissingShapeCalculator) as error:
        named = _CLASS.search(str(error))
        name = named[1] if named else type(estimator).__name__
        has_more = importlib.util.find_spec("onnxmltools") is None
        hint = "; onnxmltools has more: pip install 'modeldrop[convert]'" if has_more else ""
        raise InvalidModelError(f"{name} has no converter to ONNX in skl2onnx{hint}") from None
    except (RuntimeError, ValueError, TypeError, NotImplementedError, LookupError, AttributeError) as error:
        reason = str(error).partition("\n")[0]
        if booster := getattr(estimator, "booster", None):  # the converter of XGBoost only reads trees
            reason = f"its booster is '{booster}', and gbtree is expected ({reason})"
        raise InvalidModelError(f"{type(estimator).__name__} cannot be converted to ONNX: {reason}") from None
    return model
