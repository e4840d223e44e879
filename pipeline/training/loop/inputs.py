"""A network's inputs: tensors made of Rows, in the order and by the names in which ``forward`` takes them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import torch
from torch import Tensor

from pipeline.training.algorithm import Rows

__all__ = ["InputReader", "Inputs", "blocks", "columns"]

Inputs = Mapping[str, Tensor]  # name -> [rows, ...]
InputReader = Callable[[Rows], Inputs]

_MOST_ROWS = 16_384  # that are answered at once
_MOST_NUMBERS = 2**22  # of an input, in the rows that are answered at once: 16 MB as float32


def columns(*names: str) -> InputReader:
    """Those of ``num``, ``cat`` and ``image`` that a network reads, as Rows has them."""

    def read(rows: Rows) -> Inputs:
        return {name: torch.from_numpy(getattr(rows, name)) for name in names}

    return read


def blocks(*tensors: Tensor, most: int = _MOST_ROWS) -> Iterator[tuple[Tensor, ...]]:
    """Parts of all of them, of as many rows as are answered at once, at ``most`` so many."""
    widest = max(max(1, tensor[:1].numel()) for tensor in tensors)
    size = max(1, min(most, _MOST_ROWS, _MOST_NUMBERS // widest))
    return zip(*(torch.split(tensor, size) for tensor in tensors), strict=True)
