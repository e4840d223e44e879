"""A trained network's answers, by torch itself and as a graph."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
import onnx
import torch
from onnx import compose
from torch import Tensor, nn

from pipeline.graphs.joining import OPSETS
from pipeline.training.inputs import Reads, blocks
from pipeline.training.recipe import Rows

__all__ = ["Answering", "merged"]

_INPUT = "input/"


def merged(answers: Tensor, *, classes: int) -> Tensor:
    """A network's answers [batch, outputs], or [batch, members, outputs] of an ensemble -> what its model says.

    Classification: probabilities [batch, classes], the mean of the members'; else values [batch, outputs].
    """
    found = answers.softmax(dim=-1) if classes else answers
    return found.mean(dim=1) if found.ndim == 3 else found


class Answering(nn.Module):
    """``forward`` takes the network's inputs -> probabilities [batch, classes], or standardised values [batch, 1], or
    with quantiles [batch, 1 + quantiles], which are put in order (Chernozhukov et al. 2010): none crosses another.

    ``reads``: how the inputs are made of rows; their names are those of the body's.
    """

    def __init__(self, network: nn.Module, reads: Reads, *, classes: int) -> None:
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
        """Probabilities [rows, classes], or standardised values [rows], or with quantiles [rows, 1 + quantiles]."""
        with torch.no_grad():
            found = torch.cat([self(*block) for block in blocks(*self._reads(rows).values())])
        return (found if self.classes or found.shape[1] > 1 else found.squeeze(1)).numpy()

    def body(self, example: Rows) -> onnx.ModelProto:
        """The network's inputs, as far as there are such columns, in; the answer out. ``example``: 2 rows or more."""
        given = self._reads(example.take(np.arange(2)))
        batch = torch.export.Dim("batch")
        with _quiet():
            program = torch.onnx.export(
                self.eval(),
                tuple(given.values()),
                dynamo=True,
                opset_version=OPSETS[""],
                input_names=[f"{_INPUT}{name}" for name in given],
                output_names=["answer"],
                dynamic_shapes=(tuple({0: batch} for _ in given),),
                external_data=False,
                verbose=False,
            )
        assert program is not None, "dynamo=True gives a program"
        return _with_its_inputs(program.model_proto)


def _with_its_inputs(model: onnx.ModelProto) -> onnx.ModelProto:
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
