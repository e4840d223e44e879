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
from torch import Tensor, nn

from pipeline.graphs.encoding import CAT, NUM
from pipeline.graphs.joining import OPSETS
from pipeline.training.network import Network
from pipeline.training.recipe import Rows

__all__ = ["Answering"]

_BLOCK = 16_384  # rows that are answered at once


class Answering(nn.Module):
    """``forward(num, cat)`` -> probabilities [batch, classes], or standardised values [batch, 1]."""

    def __init__(self, network: Network, *, classes: int) -> None:
        super().__init__()
        self.network = network
        self.classes = classes

    def forward(self, num: Tensor, cat: Tensor) -> Tensor:
        answer: Tensor = self.network(num, cat)
        return answer.softmax(dim=1) if self.classes else answer

    def answers(self, rows: Rows) -> npt.NDArray[np.float32]:
        """Probabilities [rows, classes], or standardised values [rows]."""
        blocks = zip(*(torch.split(torch.from_numpy(part), _BLOCK) for part in (rows.num, rows.cat)), strict=True)
        with torch.no_grad():
            found = torch.cat([self(num, cat) for num, cat in blocks])
        return (found if self.classes else found.squeeze(1)).numpy()

    def body(self, example: Rows) -> onnx.ModelProto:
        """``num`` and ``cat``, as far as there are such columns, in; the answer out."""
        batch = torch.export.Dim("batch")
        with _quiet():
            program = torch.onnx.export(
                self.eval(),
                (torch.from_numpy(example.num[:2]), torch.from_numpy(example.cat[:2])),
                dynamo=True,
                opset_version=OPSETS[""],
                input_names=[NUM, CAT],
                output_names=["answer"],
                dynamic_shapes=({0: batch}, {0: batch}),
                external_data=False,
                verbose=False,
            )
        assert program is not None, "dynamo=True gives a program"
        return _without_unused_inputs(program.model_proto)


def _without_unused_inputs(model: onnx.ModelProto) -> onnx.ModelProto:
    """Of no columns, ``num`` or ``cat`` is nothing that a body has."""
    used = {name for node in model.graph.node for name in node.input}
    for given in [given for given in model.graph.input if given.name not in used]:
        model.graph.input.remove(given)
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
