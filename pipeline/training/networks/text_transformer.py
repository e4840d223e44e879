"""A small transformer encoder over token ids, and what stands beside the texts."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from pipeline.training.networks.tabular_mlp import TabularMLP

__all__ = ["TextTransformer"]

_TABULAR_WIDTH = 64  # numbers that the columns beside the texts are summed up in
_START = 0.02  # the deviation of embeddings at the beginning
_LEAST = -1e9  # of a place that is not looked at: not minus infinity, since of a row of none that would be NaN


class TextTransformer(nn.Module):
    """``forward(tokens, num, cat)``: ids [batch, places], 0 for no token -> [batch, outputs].

    Embeddings with learnt places, ``layers`` of attention and a feed-forward (normalized before: Xiong et al., ICML
    2020), the mean of the places that hold a token (zeros where none does); ``beside`` reads the other columns.
    """

    def __init__(  # noqa: PLR0913 - a network's shape, each by its name
        self,
        *,
        vocabulary: int,
        places: int,
        width: int,
        layers: int,
        heads: int,
        dropout: float,
        word_dropout: float,
        outputs: int,
        beside: TabularMLP | None,
    ) -> None:
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, width)
        self.places = nn.Parameter(torch.randn(places, width) * _START)
        with torch.no_grad():
            self.tokens.weight.mul_(_START)
        self.layers = nn.ModuleList(_EncoderBlock(width, heads, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)
        self.word_dropout = word_dropout
        self.beside = beside
        self.head = nn.Linear(width + (_TABULAR_WIDTH if beside is not None else 0), outputs)

    @staticmethod
    def beside_width() -> int:
        """How many outputs ``beside`` has."""
        return _TABULAR_WIDTH

    def forward(self, tokens: Tensor, num: Tensor, cat: Tensor) -> Tensor:
        there = (tokens > 0).to(self.places.dtype)
        if self.training and self.word_dropout:
            kept = torch.rand(tokens.shape, device=tokens.device) >= self.word_dropout
            tokens = torch.where(kept | (tokens == 0), tokens, 1)  # as if unknown
        found = self.dropout(self.tokens(tokens) + self.places)
        unseen = ((1 - there) * _LEAST)[:, None, None, :]
        for layer in self.layers:
            found = layer(found, unseen)
        summed = (self.norm(found) * there[:, :, None]).sum(dim=1) / there.sum(dim=1, keepdim=True).clamp_min(1)
        parts = [self.dropout(summed)]
        if self.beside is not None:
            parts.append(self.beside(num, cat).relu())
        answer: Tensor = self.head(torch.cat(parts, dim=1))
        return answer


class _EncoderBlock(nn.Module):
    """Attention by hand: torch's own module gives NaN for a row without tokens, once it is exported."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.before, self.after = nn.LayerNorm(width), nn.LayerNorm(width)
        self.seen, self.mixed = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.forth, self.back = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, given: Tensor, unseen: Tensor) -> Tensor:
        """``given`` [batch, places, width]; ``unseen`` [batch, 1, 1, places] is added to what is looked at."""
        places, width = given.shape[1:]
        parts = self.seen(self.before(given)).reshape(-1, places, 3, self.heads, width // self.heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4).unbind(0)
        looked = (query @ key.transpose(-2, -1)) / math.sqrt(width // self.heads) + unseen
        told = (self.dropout(looked.softmax(dim=-1)) @ value).transpose(1, 2).reshape(-1, places, width)
        given = given + self.dropout(self.mixed(told))
        answer: Tensor = given + self.dropout(self.back(nn.functional.gelu(self.forth(self.after(given)))))
        return answer
