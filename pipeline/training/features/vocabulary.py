"""Texts as counted terms: the tokens are onnxruntime's own, so that training reads what serving reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.graphs.texts import MIN_TEXT_NORM, NgramTable, Unit, token_graph

__all__ = ["Vocabulary", "ngram_counts", "tokenization_unit", "tokens_of"]

Texts = npt.NDArray[np.object_]

_BLOCK_LETTERS = 1_000_000  # of the longest text times the rows, of a block that is tokenized at once
_BLOCK_ROWS = 1024
_MAX_LEARNED = 4_096  # tokens of a text that terms are taken from; all of them are counted when it is read
_MAX_COUNTED = 5_000_000  # terms that are counted at once, about 1 GB
_WORDS_LOOK = 5_000  # texts
_WORDS = 3.0  # in the mean; what has fewer is read by its letters: names, codes, scripts without spaces


def tokenization_unit(texts: Texts) -> Unit:
    """How a column [rows] is best read."""
    seen = [len(text.split()) for text in texts[:_WORDS_LOOK] if text]
    return "word" if seen and np.mean(seen) >= _WORDS else "letter"


def tokens_of(texts: Texts, unit: Unit) -> list[list[str]]:
    """Each text's tokens [rows]."""
    from pipeline.evaluation.scoring import OnnxModel

    model = OnnxModel(token_graph(unit).SerializeToString())
    order = sorted(range(len(texts)), key=lambda at: len(texts[at]))
    found: list[list[str]] = [[] for _ in texts]
    same: dict[str, str] = {}  # a token is in memory once, however often it is there
    for block in _blocks(order, texts):
        (tokens,) = model.run_raw({"texts": texts[block]})
        for at, row in zip(block, tokens, strict=True):
            found[at] = [same.setdefault(token, token) for token in row if token]
    return found


def _blocks(order: Sequence[int], texts: Texts) -> Iterator[list[int]]:
    """Texts of alike lengths together; the empty ones have no tokens."""
    block: list[int] = []
    for at in order:
        if not texts[at]:
            continue
        if block and (len(block) == _BLOCK_ROWS or len(texts[at]) * (len(block) + 1) > _BLOCK_LETTERS):
            yield block
            block = []
        block.append(at)
    if block:
        yield block


def ngram_counts(tokens: Sequence[str], longest: int) -> Counter[tuple[str, ...]]:
    """How often each run of 1 to ``longest`` tokens is there."""
    counts: Counter[tuple[str, ...]] = Counter()
    for size in range(1, longest + 1):
        counts.update(zip(*(tokens[start:] for start in range(size)), strict=False))
    return counts


@dataclass(frozen=True, kw_only=True, slots=True)
class Vocabulary:
    """The terms of one column, and their inverse document frequencies, as scikit-learn smooths them."""

    unit: Unit
    longest: int
    places: dict[tuple[str, ...], int]
    idf: npt.NDArray[np.float64] = field(repr=False)

    @classmethod
    def of(cls, tokens: Sequence[Sequence[str]], unit: Unit, *, longest: int, least_rows: int, most: int) -> Vocabulary:
        """The ``most`` frequent terms that ``least_rows`` rows have (all that there are, where none has).

        Of very long texts the first tokens are looked at, and rare terms are forgotten while there are too many.
        """
        rows: Counter[tuple[str, ...]] = Counter()
        for one in tokens:
            rows.update(ngram_counts(one[:_MAX_LEARNED], longest).keys())
            if len(rows) > max(_MAX_COUNTED, 2 * most):
                rows = Counter(dict(sorted(rows.items(), key=lambda term: (-term[1], term[0]))[:most]))
        kept = [(term, count) for term, count in rows.items() if count >= least_rows] or list(rows.items())
        kept = sorted(kept, key=lambda one: (-one[1], one[0]))[:most]
        kept.sort(key=lambda one: (len(one[0]), one[0]))
        seen = np.array([count for _, count in kept], np.float64)
        return cls(
            unit=unit,
            longest=longest,
            places={term: place for place, (term, _) in enumerate(kept)},
            idf=np.log((1 + len(tokens)) / (1 + seen)) + 1,
        )

    def matrix(self, tokens: Sequence[Sequence[str]]) -> Any:
        """scipy.sparse csr [rows, terms], float32: (1 + log count) * idf, each row of unit length."""
        from scipy.sparse import csr_matrix

        places: list[int] = []
        counts: list[int] = []
        ends = [0]
        for one in tokens:
            found = {self.places[term]: n for term, n in ngram_counts(one, self.longest).items() if term in self.places}
            places += found.keys()
            counts += found.values()
            ends.append(len(places))
        columns = np.array(places, np.int64)
        values = (1 + np.log(np.array(counts, np.float64))) * self.idf[columns]
        lengths = (
            np.sqrt(np.add.reduceat(np.append(values**2, 0.0), ends[:-1])) if len(values) else np.zeros(len(tokens))
        )
        rows = np.diff(ends)
        values /= np.repeat(np.maximum(lengths, MIN_TEXT_NORM), rows)
        return csr_matrix((values.astype(np.float32), columns, np.array(ends)), shape=(len(tokens), len(self.places)))

    def terms(self, weights: npt.NDArray[np.floating[Any]]) -> NgramTable:
        """``weights`` [terms, scores]."""
        return NgramTable(
            unit=self.unit,
            grams=list(self.places),
            idf=self.idf.astype(np.float32),
            weights=weights.astype(np.float32),
        )
