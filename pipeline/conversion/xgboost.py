"""XGBoost's estimators, by onnxmltools."""

from __future__ import annotations

from onnxmltools.convert.xgboost.operator_converters.XGBoost import convert_xgboost
from skl2onnx import update_registered_converter
from skl2onnx.common.shape_calculator import (
    calculate_linear_classifier_output_shapes,
    calculate_linear_regressor_output_shapes,
)
from xgboost import XGBClassifier, XGBRegressor, XGBRFClassifier, XGBRFRegressor

__all__ = ["register_xgboost"]


def register_xgboost() -> None:
    """Tell skl2onnx how the estimators are converted, alone or in a pipeline."""
    for classifier in (XGBClassifier, XGBRFClassifier):
        update_registered_converter(
            classifier,
            classifier.__name__,
            calculate_linear_classifier_output_shapes,
            convert_xgboost,
            options={"nocl": [True, False], "zipmap": [True, False, "columns"]},
        )
    for regressor in (XGBRegressor, XGBRFRegressor):
        update_registered_converter(
            regressor,
            regressor.__name__,
            calculate_linear_regressor_output_shapes,
            convert_xgboost,
            options={"split": None},
        )
