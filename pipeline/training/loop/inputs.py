"""Convert rows to the tensors that a network's ``forward`` takes, in the order of its arguments."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import torch
from torch import Tensor

from pipeline.training.algorithm import Rows

__all__ = ["InputReader", "Inputs", "columns", "split_blocks"]

Inputs = Mapping[str, Tensor]  # name -> [rows, ...]
InputReader = Callable[[Rows], Inputs]

_MAX_ROWS = 16_384  # rows per block
_MAX_NUMBERS = 2**22  # numbers per input and block: 16 MB as float32


def columns(*names: str) -> InputReader:
    """Return a reader of the fields ``names`` of Rows, such as ``num``, ``cat`` and ``image``."""

    def read(rows: Rows) -> Inputs:
        return {name: torch.from_numpy(getattr(rows, name)) for name in names}

    return read


def split_blocks(*tensors: Tensor, max_rows: int = _MAX_ROWS) -> Iterator[tuple[Tensor, ...]]:
    """Split tensors along their rows into blocks that fit into memory.

    Args:
        tensors: Tensors [rows, ...].
        max_rows: Upper bound of the rows of a block.

    Yields:
        A block of each tensor, with the same rows.
    """
    widest = max(max(1, tensor[:1].numel()) for tensor in tensors)
    size = max(1, min(max_rows, _MAX_ROWS, _MAX_NUMBERS // widest))
    return zip(*(torch.split(tensor, size) for tensor in tensors), strict=True)
