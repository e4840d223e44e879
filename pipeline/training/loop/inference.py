"""Predictions of a trained network, computed by torch or exported as an ONNX graph."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Protocol, Self, runtime_checkable

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import torch
from onnx import TensorProto, compose, helper, numpy_helper
from torch import Tensor, nn

from pipeline.graphs.compose import OPSETS, normalize
from pipeline.graphs.writer import CannotWriteError, GraphWriter, Value
from pipeline.training.algorithm import Rows
from pipeline.training.loop.inputs import InputReader, Inputs, split_blocks

__all__ = ["InferenceModule", "WrittenNetwork", "to_predictions"]

_INPUT = "input/"
_TYPES = {torch.float32: TensorProto.FLOAT, torch.int64: TensorProto.INT64, torch.uint8: TensorProto.UINT8}


def to_predictions(outputs: Tensor, *, classes: int) -> Tensor:
    """Convert a network's outputs to predictions; an ensemble predicts the mean over its members.

    Args:
        outputs: Outputs [batch, outputs], or [batch, members, outputs] of an ensemble.
        classes: Number of classes; 0 for a regression.

    Returns:
        Probabilities [batch, classes], or values [batch, outputs].
    """
    predictions = outputs.softmax(dim=-1) if classes else outputs
    return predictions.mean(dim=1) if predictions.ndim == 3 else predictions


@runtime_checkable
class WrittenNetwork(Protocol):
    """A network that writes its own ONNX graph, in milliseconds; torch's exporter takes seconds."""

    def write(self, graph: GraphWriter, networks: Sequence[Self]) -> Value:
        """Write several networks of one architecture, including this one, to one graph.

        The inputs of the graph have the names of the network's inputs.

        Returns:
            The outputs [batch, outputs] or [batch, members, outputs]; stacked along a leading dimension if the networks
            differ (graphs.writer.Value).

        Raises:
            CannotWriteError: The networks' tensors differ in shape, or a layer cannot be written.
        """
        ...


class InferenceModule(nn.Module):
    """A network, followed by the conversion of its outputs to predictions.

    Args:
        network: The trained network.
        reads: Converts rows to the network's inputs by name; the graph's inputs have the same names.
        classes: Number of classes; 0 for a regression.

    Shapes:
        ``forward``: inputs [batch, ...] -> probabilities [batch, classes], standardized values [batch, 1], or with
        quantiles [batch, 1 + quantiles], sorted so that none crosses another.

    References:
        Chernozhukov et al. 2010, Quantile and Probability Curves Without Crossing.
    """

    def __init__(self, network: nn.Module, reads: InputReader, *, classes: int) -> None:
        super().__init__()
        self.network = network
        self.classes = classes
        self._reads = reads

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return the predictions for a batch."""
        predictions = to_predictions(self.network(*inputs), classes=self.classes)
        if self.classes or predictions.shape[1] == 1:
            return predictions
        return torch.cat([predictions[:, :1], predictions[:, 1:].sort(dim=1).values], dim=1)

    def predict(self, rows: Rows) -> npt.NDArray[np.float32]:
        """Return probabilities [rows, classes], standardized values [rows], or with quantiles [rows, 1 + quantiles]."""
        with torch.no_grad():
            predictions = torch.cat([self(*block) for block in split_blocks(*self._reads(rows).values())])
        return (predictions if self.classes or predictions.shape[1] > 1 else predictions.squeeze(1)).numpy()

    def to_onnx(self, example: Rows) -> onnx.ModelProto:
        """Return the graph from the network's inputs to its predictions.

        A WrittenNetwork writes its own graph. For other networks, torch's exporter takes seconds; so the graph of an
        earlier network of the same architecture is reused with this network's weights, if its predictions agree.

        Args:
            example: At least two rows, on which the graph is compared with the network.
        """
        inputs = self._reads(example)
        written = _write([self], inputs)
        if written is not None:
            return written
        exported, model = _exported_once(_Architecture(key=self._architecture(inputs), module=self, inputs=inputs))
        if exported is not self:
            reused = _with_weights(model, exported, self)
            agrees = reused is not None and _agrees(reused, [self], inputs, prefix=_INPUT)
            model = reused if agrees else _export(self, inputs)
        return _rename_values(model)

    def average_to_onnx(self, modules: Sequence[InferenceModule], example: Rows) -> onnx.ModelProto | None:
        """Return the graph of the mean prediction of several networks, including this one.

        Args:
            modules: The networks.
            example: At least two rows, on which the graph is compared with the networks.

        Returns:
            The graph; None if the networks cannot be written to a common graph.
        """
        return _write(modules, self._reads(example))

    def _architecture(self, inputs: Mapping[str, Tensor]) -> Hashable:
        weights = tuple((name, tensor.shape, tensor.dtype) for name, tensor in _tensors(self).items())
        shapes = tuple((name, tensor.shape[1:], tensor.dtype) for name, tensor in inputs.items())
        return (repr(self.network), self.classes, weights, shapes)


def _write(modules: Sequence[InferenceModule], inputs: Inputs) -> onnx.ModelProto | None:
    """Return the graph that the networks write; None if they cannot, or if its predictions do not agree with theirs."""
    networks = [module.network for module in modules]
    first, classes = networks[0], modules[0].classes
    written = [network for network in networks if isinstance(network, WrittenNetwork)]
    if len(written) < len(networks) or len({type(network) for network in networks}) > 1:
        return None
    with torch.no_grad():
        ensemble = first(*inputs.values()).ndim == 3
    graph = GraphWriter()
    try:
        value = written[0].write(graph, written)
    except CannotWriteError:
        return None
    outputs = modules[0](*inputs.values()).shape[1]
    graph_inputs = {
        name: helper.make_tensor_value_info(name, _TYPES[tensor.dtype], ["batch", *tensor.shape[1:]])
        for name, tensor in inputs.items()
    }
    output = _write_predictions(graph, value, classes=classes, ensemble=ensemble, outputs=outputs)
    model = graph.model(graph_inputs, output, kind=TensorProto.FLOAT, shape=["batch", outputs])
    return model if _agrees(model, modules, inputs) else None


def _write_predictions(graph: GraphWriter, value: Value, *, classes: int, ensemble: bool, outputs: int) -> str:
    """Write the operations of ``InferenceModule.forward`` and the networks' mean; return the output's name."""
    name, models = value.name, [0] if value.stacked else []
    members = [len(models) + 1] if ensemble else []
    if classes:
        return _mean(graph, graph.add("Softmax", name, axis=-1), [*models, *members])
    if outputs == 1:
        return _mean(graph, name, [*models, *members])
    name = _mean(graph, name, members)
    center, quantiles = "_answer_value", "_answer_quantiles"
    sizes = graph.constant(np.array([1, outputs - 1], np.int64))
    graph.nodes.append(helper.make_node("Split", [name, sizes], [center, quantiles], axis=-1))
    count = graph.constant(np.array([outputs - 1], np.int64))
    in_order = ["_answer_in_order", "_answer_places"]
    graph.nodes.append(helper.make_node("TopK", [quantiles, count], in_order, axis=-1, largest=0, sorted=1))
    return _mean(graph, graph.add("Concat", center, in_order[0], axis=-1), models)


def _mean(graph: GraphWriter, name: str, axes: Sequence[int]) -> str:
    if not axes:
        return name
    return graph.add("ReduceMean", name, graph.constant(np.array(axes, np.int64)), keepdims=0)


def _agrees(model: onnx.ModelProto, modules: Sequence[InferenceModule], inputs: Inputs, prefix: str = "") -> bool:
    """Return whether the graph's predictions agree with the mean of the networks' predictions."""
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    feeds = {f"{prefix}{name}": tensor.numpy() for name, tensor in inputs.items()}
    names = {graph_input.name for graph_input in session.get_inputs()}
    (predicted,) = session.run(None, {name: values for name, values in feeds.items() if name in names})
    with torch.no_grad():
        expected = torch.stack([module(*inputs.values()) for module in modules]).mean(0).numpy()
    return predicted.shape == expected.shape and np.allclose(predicted, expected, rtol=1e-3, atol=1e-4)


@dataclass(frozen=True, kw_only=True)
class _Architecture:
    """A network whose graph may be reused for other networks: instances with equal ``key`` are equal."""

    key: Hashable
    module: InferenceModule = field(compare=False)
    inputs: Mapping[str, Tensor] = field(compare=False)


@lru_cache(maxsize=2)  # a job's network and its student, or the network of its refit
def _exported_once(architecture: _Architecture) -> tuple[InferenceModule, onnx.ModelProto]:
    """Return the first network of an architecture, and its graph."""
    return architecture.module, _export(architecture.module, architecture.inputs)


def _export(module: InferenceModule, inputs: Mapping[str, Tensor]) -> onnx.ModelProto:
    batch = torch.export.Dim("batch")
    with _suppress_exporter_warnings():
        program = torch.onnx.export(
            module.eval(),
            tuple(tensor[:2] for tensor in inputs.values()),
            dynamo=True,
            opset_version=OPSETS[""],
            input_names=[f"{_INPUT}{name}" for name in inputs],
            output_names=["answer"],
            dynamic_shapes=(tuple({0: batch} for _ in inputs),),
            external_data=False,
            verbose=False,
        )
    assert program is not None, "dynamo=True gives a program"
    return normalize(program.model_proto)


def _with_weights(model: onnx.ModelProto, exported: InferenceModule, module: InferenceModule) -> onnx.ModelProto | None:
    """Return the graph of ``exported`` with the tensors of ``module``; None if one is not a constant."""
    before, after = _tensors(exported), _tensors(module)
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    constants = {constant.name: constant for constant in copy.graph.initializer}
    for name in (name for name in before if not torch.equal(before[name], after[name])):
        constant = constants.get(name)
        if constant is None or not np.array_equal(numpy_helper.to_array(constant), before[name].numpy()):
            return None
        constant.CopyFrom(numpy_helper.from_array(after[name].numpy(), name))
    return copy


def _tensors(module: nn.Module) -> dict[str, Tensor]:
    """Return parameters and buffers, by the names that the exporter gives them."""
    return {name: tensor.detach() for name, tensor in (*module.named_parameters(), *module.named_buffers())}


def _rename_values(model: onnx.ModelProto) -> onnx.ModelProto:
    """Prefix inner values, since torch may name one like an input (``cat``), and drop inputs that no node reads."""
    model = compose.add_prefix(model, "network/", rename_inputs=False, rename_outputs=False)
    used = {name for node in model.graph.node for name in node.input}
    for unused_input in [graph_input for graph_input in model.graph.input if graph_input.name not in used]:
        model.graph.input.remove(unused_input)
    for node in model.graph.node:
        node.input[:] = [name.removeprefix(_INPUT) for name in node.input]
    for graph_input in model.graph.input:
        graph_input.name = graph_input.name.removeprefix(_INPUT)
    return model


@contextmanager
def _suppress_exporter_warnings() -> Iterator[None]:
    """Suppress the exporter's warnings about its own deprecated calls and about torchvision, which is not needed."""
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        log.setLevel(level)
