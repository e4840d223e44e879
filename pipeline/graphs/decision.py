"""The decision in the graph: calibrated probabilities and the index of the label, by temperature and threshold."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper, numpy_helper

from pipeline.contracts.signature import Signature

__all__ = ["clip_probabilities", "decision_nodes"]

_Part = tuple[list[onnx.NodeProto], list[onnx.TensorProto]]


def decision_nodes(signature: Signature, body_output: str, probabilities: str, label: str, prefix: str) -> _Part:
    """Make the nodes that evaluation.decision.temperature.calibrate and evaluation.predictions.Predictions.of describe.

    Args:
        signature: Its temperature, threshold and positive class.
        body_output: Probabilities of the body, float [batch, classes].
        probabilities: Output: those that are served, float [batch, classes].
        label: Output: the place of each row's label among the classes, int64 [batch].
        prefix: Prefix of the names of inner values.

    Returns:
        Nodes, and their constants.
    """
    nodes, constants = _calibrated(signature.temperature, body_output, probabilities, prefix)
    if signature.threshold is None:
        return [*nodes, helper.make_node("ArgMax", [probabilities], [label], axis=1, keepdims=0)], constants
    positive = signature.positive_index
    constants += [
        numpy_helper.from_array(np.array(positive, np.int64), f"{prefix}positive"),
        numpy_helper.from_array(np.array(1 - positive, np.int64), f"{prefix}negative"),
        numpy_helper.from_array(np.array(signature.threshold, np.float32), f"{prefix}threshold"),
    ]
    nodes += [
        helper.make_node("Gather", [probabilities, f"{prefix}positive"], [f"{prefix}of_positive"], axis=1),
        helper.make_node("GreaterOrEqual", [f"{prefix}of_positive", f"{prefix}threshold"], [f"{prefix}is_positive"]),
        helper.make_node("Where", [f"{prefix}is_positive", f"{prefix}positive", f"{prefix}negative"], [label]),
    ]
    return nodes, constants


def clip_probabilities(sums: str, probabilities: str) -> _Part:
    """Make the node that keeps sums of float32 shares in [0, 1], which rounding may leave by 1e-7; NaN stays NaN.

    Args:
        sums: Its input.
        probabilities: Its output, after which its constants are named.

    Returns:
        The node, and its constants.
    """
    bounds = [
        numpy_helper.from_array(np.array(bound, np.float32), f"{probabilities}_{name}")
        for name, bound in (("low", 0), ("high", 1))
    ]
    return [helper.make_node("Clip", [sums, *(bound.name for bound in bounds)], [probabilities])], bounds


def _calibrated(temperature: float, body_output: str, probabilities: str, prefix: str) -> _Part:
    """Raise probabilities to the power of 1 / temperature and normalize; the largest becomes 1 first."""
    if temperature == 1.0:
        return [helper.make_node("Identity", [body_output], [probabilities])], []
    constants = [
        numpy_helper.from_array(np.array(1 / temperature, np.float32), f"{prefix}power"),
        numpy_helper.from_array(np.array([1], np.int64), f"{prefix}axis"),
    ]
    nodes = [
        helper.make_node("ReduceMax", [body_output, f"{prefix}axis"], [f"{prefix}largest"], keepdims=1),
        helper.make_node("Div", [body_output, f"{prefix}largest"], [f"{prefix}relative"]),
        helper.make_node("Pow", [f"{prefix}relative", f"{prefix}power"], [f"{prefix}scaled"]),
        helper.make_node("ReduceSum", [f"{prefix}scaled", f"{prefix}axis"], [f"{prefix}sum"], keepdims=1),
        helper.make_node("Div", [f"{prefix}scaled", f"{prefix}sum"], [probabilities]),
    ]
    return nodes, constants
