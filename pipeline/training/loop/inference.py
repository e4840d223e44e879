"""A trained network's answers, by torch itself and as a graph."""

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

from pipeline.graphs.compose import OPSETS
from pipeline.graphs.writer import DifferentShapesError, GraphWriter, Value
from pipeline.training.algorithm import Rows
from pipeline.training.loop.inputs import InputReader, Inputs, blocks

__all__ = ["InferenceModule", "WrittenNetwork", "merged"]

_INPUT = "input/"
_TYPES = {torch.float32: TensorProto.FLOAT, torch.int64: TensorProto.INT64, torch.uint8: TensorProto.UINT8}
_CHECKED_ROWS = 256  # on which a reused graph is compared with the network


def merged(answers: Tensor, *, classes: int) -> Tensor:
    """A network's answers [batch, outputs], or [batch, members, outputs] of an ensemble -> what its model says.

    Classification: probabilities [batch, classes], the mean of the members'; else values [batch, outputs].
    """
    found = answers.softmax(dim=-1) if classes else answers
    return found.mean(dim=1) if found.ndim == 3 else found


@runtime_checkable
class WrittenNetwork(Protocol):
    """A network that writes its graph itself, in milliseconds where torch's exporter takes seconds."""

    def write(self, graph: GraphWriter, networks: Sequence[Self]) -> Value | None:
        """Write several networks of this architecture, this one among them, at once.

        The graph's inputs are named as the network's are.

        Returns:
            Their answers [batch, outputs] or [batch, members, outputs]; where the networks differ, stacked. None where
            a network has a layer that is not known here.

        Raises:
            DifferentShapesError: their tensors are not of the same shapes.
        """
        ...


class InferenceModule(nn.Module):
    """``forward`` takes the network's inputs -> probabilities [batch, classes], or standardized values [batch, 1], or
    with quantiles [batch, 1 + quantiles], which are put in order (Chernozhukov et al. 2010): none crosses another.

    ``reads``: how the inputs are made of rows; their names are those of the body's.
    """

    def __init__(self, network: nn.Module, reads: InputReader, *, classes: int) -> None:
        super().__init__()
        self.network = network
        self.classes = classes
        self._reads = reads

    def forward(self, *inputs: Tensor) -> Tensor:
        found = merged(self.network(*inputs), classes=self.classes)
        if self.classes or found.shape[1] == 1:
            return found
        return torch.cat([found[:, :1], found[:, 1:].sort(dim=1).values], dim=1)

    def answers(self, rows: Rows) -> npt.NDArray[np.float32]:
        """Probabilities [rows, classes], or standardized values [rows], or with quantiles [rows, 1 + quantiles]."""
        with torch.no_grad():
            found = torch.cat([self(*block) for block in blocks(*self._reads(rows).values())])
        return (found if self.classes or found.shape[1] > 1 else found.squeeze(1)).numpy()

    def body(self, example: Rows) -> onnx.ModelProto:
        """The network's inputs, as far as there are such columns, in; the answer out. ``example``: 2 rows or more.

        A network that writes its graph does. torch's exporter takes seconds, so that another one, of an architecture
        that was exported before, gets its own weights into that graph. It is exported itself where the graph does not
        give its answers.
        """
        inputs = self._inputs(example)
        written = _write([self], inputs)
        if written is not None:
            return written
        template = _exported_once(_Architecture(key=self._architecture(inputs), answering=self, inputs=inputs))
        model = template.model
        if template.answering is not self:
            reused = _with_weights(model, template.answering, self)
            agrees = reused is not None and _agrees(reused, [self], inputs, prefix=_INPUT)
            model = reused if agrees else _export(self, inputs)
        return _restore_unused_inputs(model)

    def averaged(self, networks: Sequence[InferenceModule], example: Rows) -> onnx.ModelProto | None:
        """The mean of what ``networks``, this one among them, answer; None where they have no common graph."""
        return _write(networks, self._inputs(example))

    def _inputs(self, example: Rows) -> Inputs:
        return self._reads(example.take(np.arange(min(len(example), _CHECKED_ROWS))))

    def _architecture(self, inputs: Mapping[str, Tensor]) -> Hashable:
        weights = tuple((name, tensor.shape, tensor.dtype) for name, tensor in _tensors(self).items())
        shapes = tuple((name, tensor.shape[1:], tensor.dtype) for name, tensor in inputs.items())
        return (repr(self.network), self.classes, weights, shapes)


def _write(modules: Sequence[InferenceModule], inputs: Inputs) -> onnx.ModelProto | None:
    """The graph that the networks write together; None where they write none, or where it answers something else."""
    networks = [module.network for module in modules]
    first, classes = networks[0], modules[0].classes
    written = [network for network in networks if isinstance(network, WrittenNetwork)]
    if len(written) < len(networks) or len({type(network) for network in networks}) > 1:
        return None
    with torch.no_grad():
        ensemble = first(*inputs.values()).ndim == 3
    graph = GraphWriter()
    try:
        answers = written[0].write(graph, written)
    except DifferentShapesError:
        return None
    if answers is None:
        return None
    outputs = modules[0](*inputs.values()).shape[1]
    given = {
        name: helper.make_tensor_value_info(name, _TYPES[tensor.dtype], ["batch", *tensor.shape[1:]])
        for name, tensor in inputs.items()
    }
    output = _write_answer(graph, answers, classes=classes, ensemble=ensemble, outputs=outputs)
    model = graph.model(given, output, kind=TensorProto.FLOAT, shape=["batch", outputs])
    return model if _agrees(model, modules, inputs) else None


def _write_answer(graph: GraphWriter, answers: Value, *, classes: int, ensemble: bool, outputs: int) -> str:
    """What ``InferenceModule.forward`` makes of a network's answers, and the mean of several networks; its name."""
    name, models = answers.name, [0] if answers.stacked else []
    members = [len(models) + 1] if ensemble else []
    if classes:
        return _mean(graph, graph.add("Softmax", name, axis=-1), [*models, *members])
    if outputs == 1:
        return _mean(graph, name, [*models, *members])
    name = _mean(graph, name, members)
    value, quantiles = (f"_answer_{part}" for part in ("value", "quantiles"))
    sizes = graph.constant(np.array([1, outputs - 1], np.int64))
    graph.nodes.append(helper.make_node("Split", [name, sizes], [value, quantiles], axis=-1))
    count = graph.constant(np.array([outputs - 1], np.int64))
    in_order = ["_answer_in_order", "_answer_places"]
    graph.nodes.append(helper.make_node("TopK", [quantiles, count], in_order, axis=-1, largest=0, sorted=1))
    return _mean(graph, graph.add("Concat", value, in_order[0], axis=-1), models)


def _mean(graph: GraphWriter, name: str, axes: Sequence[int]) -> str:
    if not axes:
        return name
    return graph.add("ReduceMean", name, graph.constant(np.array(axes, np.int64)), keepdims=0)


def _agrees(model: onnx.ModelProto, modules: Sequence[InferenceModule], inputs: Inputs, prefix: str = "") -> bool:
    """Whether the graph answers the inputs as the networks do in the mean."""
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    feeds = {f"{prefix}{name}": tensor.numpy() for name, tensor in inputs.items()}
    read = {given.name for given in session.get_inputs()}
    (answers,) = session.run(None, {name: values for name, values in feeds.items() if name in read})
    with torch.no_grad():
        expected = torch.stack([module(*inputs.values()) for module in modules]).mean(0).numpy()
    return answers.shape == expected.shape and np.allclose(answers, expected, rtol=1e-3, atol=1e-4)


@dataclass(frozen=True, kw_only=True)
class _Architecture:
    """A network that may stand for others: equal are those of the same ``key``."""

    key: Hashable
    answering: InferenceModule = field(compare=False)
    inputs: Mapping[str, Tensor] = field(compare=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Exported:
    answering: InferenceModule
    model: onnx.ModelProto


@lru_cache(maxsize=2)  # a job's network and its student, or the network of its refit
def _exported_once(architecture: _Architecture) -> _Exported:
    answering = architecture.answering
    return _Exported(answering=answering, model=_export(answering, architecture.inputs))


def _export(answering: InferenceModule, inputs: Mapping[str, Tensor]) -> onnx.ModelProto:
    batch = torch.export.Dim("batch")
    with _quiet():
        program = torch.onnx.export(
            answering.eval(),
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
    return program.model_proto


def _with_weights(model: onnx.ModelProto, exported: InferenceModule, other: InferenceModule) -> onnx.ModelProto | None:
    """``exported``'s graph with ``other``'s tensors; None where one that differs is not a constant of the graph."""
    before, after = _tensors(exported), _tensors(other)
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
    """Parameters and buffers, by the names that the exporter gives them."""
    return {name: tensor.detach() for name, tensor in (*module.named_parameters(), *module.named_buffers())}


def _restore_unused_inputs(model: onnx.ModelProto) -> onnx.ModelProto:
    """Its own values within get another name, as torch calls one ``cat`` too; an input that nothing reads is gone."""
    model = compose.add_prefix(model, "network/", rename_inputs=False, rename_outputs=False)
    used = {name for node in model.graph.node for name in node.input}
    for given in [given for given in model.graph.input if given.name not in used]:
        model.graph.input.remove(given)
    for node in model.graph.node:
        node.input[:] = [name.removeprefix(_INPUT) for name in node.input]
    for given in model.graph.input:
        given.name = given.name.removeprefix(_INPUT)
    return model


@contextmanager
def _quiet() -> Iterator[None]:
    """The exporter warns of its own deprecated calls, and that torchvision, which we do not use, is not installed."""
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)
