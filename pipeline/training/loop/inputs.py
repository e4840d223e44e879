"""Read rows into the tensors that a network's ``forward`` takes, in its order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import torch
from torch import Tensor

from pipeline.training.algorithm import Rows

__all__ = ["InputReader", "Inputs", "columns", "split_blocks"]

Inputs = Mapping[str, Tensor]  # name -> [rows, ...]
InputReader = Callable[[Rows], Inputs]

_MAX_ROWS = 16_384  # of a block
_MAX_NUMBERS = 2**22  # of an input in a block: 16 MB as float32


def columns(*names: str) -> InputReader:
    """Return a reader of the fields ``names`` of Rows: ``num``, ``cat``, ``image``."""

    def read(rows: Rows) -> Inputs:
        return {name: torch.from_numpy(getattr(rows, name)) for name in names}

    return read


def split_blocks(*tensors: Tensor, max_rows: int = _MAX_ROWS) -> Iterator[tuple[Tensor, ...]]:
    """Split tensors of the same rows into blocks that fit into memory.

    Args:
        tensors: Tensors [rows, ...].
        max_rows: Upper bound of the rows of a block.

    Yields:
        The same rows of each tensor.
    """
    widest = max(max(1, tensor[:1].numel()) for tensor in tensors)
    size = max(1, min(max_rows, _MAX_ROWS, _MAX_NUMBERS // widest))
    return zip(*(torch.split(tensor, size) for tensor in tensors), strict=True)
