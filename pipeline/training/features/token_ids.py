"""Texts as the ids of their first tokens: made once from the training rows, in numpy and as a graph."""

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

_SHARE = 0.95  # of the training texts that are read whole, if ``most_places`` allows
_LEAST_ROWS = 2  # that a known token is in
_SPECIAL = 2  # ids: none, unknown


@dataclass(frozen=True, kw_only=True, slots=True)
class TokenIds:
    """``length``: the places of a column."""

    units: tuple[Unit, ...]
    known: tuple[tuple[str, ...], ...]
    length: int

    @classmethod
    def of(cls, texts: Texts, *, most_places: int, most_tokens: int) -> TokenIds:
        """``texts`` [rows, columns]; the columns share the places evenly."""
        units = tuple(tokenization_unit(column) for column in texts.T)
        tokens = [tokens_of(column, unit) for column, unit in zip(texts.T, units, strict=True)]
        longest = max(int(np.quantile([len(row) for row in rows], _SHARE)) for rows in tokens)
        return cls(
            units=units,
            known=tuple(_known(rows, most_tokens) for rows in tokens),
            length=max(1, min(longest, most_places // len(units))),
        )

    @property
    def places(self) -> int:
        return self.length * len(self.units)

    @property
    def vocabulary(self) -> int:
        """How many ids there are; the columns use the same ones, and are told apart by their places."""
        return _SPECIAL + max(len(known) for known in self.known)

    def apply(self, texts: Texts) -> Ids:
        """[rows, columns] -> [rows, places]; 0 is no token, 1 an unknown one."""
        found = np.zeros((len(texts), self.places), np.int64)
        for at, (unit, known) in enumerate(zip(self.units, self.known, strict=True)):
            ids = {token: number for number, token in enumerate(known, start=_SPECIAL)}
            for row, tokens in enumerate(tokens_of(texts[:, at], unit)):
                first = [ids.get(token, 1) for token in tokens[: self.length]]
                found[row, at * self.length : at * self.length + len(first)] = first
        return found

    def before(self, body: onnx.ModelProto) -> onnx.ModelProto:
        """``body`` reads the ids; what comes back reads the texts."""
        columns = list(zip(self.units, self.known, strict=True))
        return add_input(body, TOKENS, id_graph(columns, self.length, "token_ids"), prefix="encoder/")


def _known(tokens: Sequence[Sequence[str]], most: int) -> tuple[str, ...]:
    """The most frequent first; where none is in enough rows, all that there are."""
    rows = Counter(token for row in tokens for token in set(row))
    often = sorted(rows.items(), key=lambda one: (-one[1], one[0]))
    kept = [token for token, count in often if count >= _LEAST_ROWS] or [token for token, _ in often]
    return tuple(kept[:most])
