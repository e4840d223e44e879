"""A small transformer encoder over token ids, combined with a network over the other columns."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from pipeline.training.networks.tabular_mlp import TabularMLP

__all__ = ["TABULAR_WIDTH", "TextTransformer"]

TABULAR_WIDTH = 64  # number of outputs of the network over the other columns
_INITIAL_STD = 0.02  # standard deviation of the initial embeddings
_MASK = -1e9  # attention score of a position without a token; -inf would yield NaN for a row without tokens


class TextTransformer(nn.Module):
    """A pre-norm transformer encoder with learned positions and mean pooling over the tokens of a row.

    Args:
        vocabulary: Number of token ids.
        positions: Number of token positions of a row.
        width: Width of the embeddings.
        layers: Number of encoder blocks.
        heads: Number of attention heads of a block.
        dropout: Probability that a unit is dropped in training.
        word_dropout: Probability that a token is replaced by the unknown token in training.
        outputs: Number of outputs.
        tabular: Network over the other columns, with TABULAR_WIDTH outputs; None: there are no other columns.

    Shapes:
        ``forward``: ids [batch, positions], 0 for no token, ``num`` and ``cat`` [batch, columns] -> [batch, outputs].

    References:
        Xiong et al., On Layer Normalization in the Transformer Architecture, ICML 2020.
    """

    def __init__(  # noqa: PLR0913 - the network's sizes, keyword-only
        self,
        *,
        vocabulary: int,
        positions: int,
        width: int,
        layers: int,
        heads: int,
        dropout: float,
        word_dropout: float,
        outputs: int,
        tabular: TabularMLP | None,
    ) -> None:
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, width)
        self.places = nn.Parameter(torch.randn(positions, width) * _INITIAL_STD)
        with torch.no_grad():
            self.tokens.weight.mul_(_INITIAL_STD)
        self.layers = nn.ModuleList(_EncoderBlock(width, heads, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)
        self.word_dropout = word_dropout
        self.beside = tabular
        self.head = nn.Linear(width + (TABULAR_WIDTH if tabular is not None else 0), outputs)

    def forward(self, tokens: Tensor, num: Tensor, cat: Tensor) -> Tensor:
        """Return the outputs for a batch."""
        is_token = (tokens > 0).to(self.places.dtype)
        if self.training and self.word_dropout:
            is_kept = torch.rand(tokens.shape, device=tokens.device) >= self.word_dropout
            tokens = torch.where(is_kept | (tokens == 0), tokens, 1)  # 1: unknown token
        hidden = self.dropout(self.tokens(tokens) + self.places)
        attention_mask = ((1 - is_token) * _MASK)[:, None, None, :]
        for layer in self.layers:
            hidden = layer(hidden, attention_mask)
        pooled = (self.norm(hidden) * is_token[:, :, None]).sum(dim=1) / is_token.sum(dim=1, keepdim=True).clamp_min(1)
        features = [self.dropout(pooled)]
        if self.beside is not None:
            features.append(self.beside(num, cat).relu())
        outputs: Tensor = self.head(torch.cat(features, dim=1))
        return outputs


class _EncoderBlock(nn.Module):
    """An encoder block with its own attention: torch's module, once exported, yields NaN for rows without tokens."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.before, self.after = nn.LayerNorm(width), nn.LayerNorm(width)
        self.seen, self.mixed = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.forth, self.back = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, inputs: Tensor, attention_mask: Tensor) -> Tensor:
        """Encode ``inputs`` [batch, positions, width]; ``attention_mask`` [batch, 1, 1, positions] is added."""
        positions, width = inputs.shape[1:]
        projections = self.seen(self.before(inputs)).reshape(-1, positions, 3, self.heads, width // self.heads)
        query, key, value = projections.permute(2, 0, 3, 1, 4).unbind(0)
        scores = (query @ key.transpose(-2, -1)) / math.sqrt(width // self.heads) + attention_mask
        attended = (self.dropout(scores.softmax(dim=-1)) @ value).transpose(1, 2).reshape(-1, positions, width)
        inputs = inputs + self.dropout(self.mixed(attended))
        outputs: Tensor = inputs + self.dropout(self.back(nn.functional.gelu(self.forth(self.after(inputs)))))
        return outputs
