"""Encode texts as the ids of their first tokens, in numpy and as an ONNX graph."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnx

from pipeline.graphs.compose import add_input
from pipeline.graphs.texts import Unit, id_graph
from pipeline.training.features.vocabulary import tokenization_unit, tokens_of

__all__ = ["TOKENS", "TokenIds"]

TOKENS = "tokens"

Ids = npt.NDArray[np.int64]
Texts = npt.NDArray[np.object_]

_LENGTH_QUANTILE = 0.95  # fraction of the training texts that are read completely, if ``max_positions`` allows it
_MIN_ROWS = 2  # minimum number of rows that a token with an id occurs in
_SPECIAL_IDS = 2  # 0: no token, 1: unknown token


@dataclass(frozen=True, kw_only=True, slots=True)
class TokenIds:
    """Encodes texts as the ids of their first tokens.

    Args:
        units: Unit of each column's tokens: words or letters.
        tokens_of_columns: Tokens of each column that have an id.
        length: Number of token positions of a column.
    """

    units: tuple[Unit, ...]
    tokens_of_columns: tuple[tuple[str, ...], ...]
    length: int

    @classmethod
    def of(cls, texts: Texts, *, max_positions: int, max_tokens: int) -> TokenIds:
        """Learn the tokens of training texts.

        Args:
            texts: Texts [rows, columns].
            max_positions: Maximum number of token positions of a row; each column gets an equal part.
            max_tokens: Maximum number of tokens of a column that get an id: the most frequent ones.
        """
        units = tuple(tokenization_unit(column) for column in texts.T)
        tokens = [tokens_of(column, unit) for column, unit in zip(texts.T, units, strict=True)]
        longest = max(int(np.quantile([len(row) for row in rows], _LENGTH_QUANTILE)) for rows in tokens)
        return cls(
            units=units,
            tokens_of_columns=tuple(_frequent_tokens(rows, max_tokens) for rows in tokens),
            length=max(1, min(longest, max_positions // len(units))),
        )

    @property
    def positions(self) -> int:
        """Return the number of token positions of a row."""
        return self.length * len(self.units)

    @property
    def vocabulary(self) -> int:
        """Return the number of ids; columns use the same ids, and are distinguished by position."""
        return _SPECIAL_IDS + max(len(tokens) for tokens in self.tokens_of_columns)

    def apply(self, texts: Texts) -> Ids:
        """Return the ids [rows, positions] of texts [rows, columns]; 0: no token, 1: unknown token."""
        ids = np.zeros((len(texts), self.positions), np.int64)
        for column, (unit, tokens_of_column) in enumerate(zip(self.units, self.tokens_of_columns, strict=True)):
            id_of_token = {token: number for number, token in enumerate(tokens_of_column, start=_SPECIAL_IDS)}
            for row, tokens in enumerate(tokens_of(texts[:, column], unit)):
                first = [id_of_token.get(token, 1) for token in tokens[: self.length]]
                ids[row, column * self.length : column * self.length + len(first)] = first
        return ids

    def prepend_to(self, body: onnx.ModelProto) -> onnx.ModelProto:
        """Prepend the tokenization to a graph that reads ids; the result reads texts."""
        columns = list(zip(self.units, self.tokens_of_columns, strict=True))
        return add_input(body, TOKENS, id_graph(columns, self.length, "token_ids"), prefix="encoder/")


def _frequent_tokens(tokens: Sequence[Sequence[str]], max_tokens: int) -> tuple[str, ...]:
    """Return the tokens that occur in at least two rows, or all if there are none, the most frequent first."""
    rows = Counter(token for row in tokens for token in set(row))
    by_frequency = sorted(rows.items(), key=lambda item: (-item[1], item[0]))
    frequent = [token for token, count in by_frequency if count >= _MIN_ROWS] or [token for token, _ in by_frequency]
    return tuple(frequent[:max_tokens])
