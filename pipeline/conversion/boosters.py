"""Register the converters of onnxmltools for estimators of LightGBM and XGBoost."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any

from skl2onnx import update_registered_converter
from skl2onnx.common.shape_calculator import (
    calculate_linear_classifier_output_shapes,
    calculate_linear_regressor_output_shapes,
)

__all__ = ["register_boosters"]


def register_boosters() -> None:
    """Register converters in skl2onnx, for estimators also in pipelines, if their libraries are installed."""
    if importlib.util.find_spec("onnxmltools") is None:
        return
    if importlib.util.find_spec("lightgbm") is not None:
        from lightgbm import LGBMClassifier, LGBMRegressor
        from onnxmltools.convert.lightgbm.operator_converters.LightGbm import convert_lightgbm

        _register((LGBMClassifier,), (LGBMRegressor,), convert_lightgbm)
    if importlib.util.find_spec("xgboost") is not None:
        from onnxmltools.convert.xgboost.operator_converters.XGBoost import convert_xgboost
        from xgboost import XGBClassifier, XGBRegressor, XGBRFClassifier, XGBRFRegressor

        _register((XGBClassifier, XGBRFClassifier), (XGBRegressor, XGBRFRegressor), convert_xgboost)


def _register(classifiers: tuple[type, ...], regressors: tuple[type, ...], convert: Callable[..., Any]) -> None:
    for classifier in classifiers:
        options = {"nocl": [True, False], "zipmap": [True, False, "columns"]}
        shapes = calculate_linear_classifier_output_shapes
        update_registered_converter(classifier, classifier.__name__, shapes, convert, options=options)
    for regressor in regressors:
        shapes = calculate_linear_regressor_output_shapes
        update_registered_converter(regressor, regressor.__name__, shapes, convert, options={"split": None})
