"""Encode texts as TF-IDF of n-grams. onnxruntime tokenizes them, so that training and serving see the same tokens."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.graphs.texts import NgramTable, Unit, token_graph

__all__ = ["Vocabulary", "ngrams", "tokenization_unit", "tokens_of"]

Texts = npt.NDArray[np.object_]

_BLOCK_LETTERS = 1_000_000  # per block that is tokenized at once: letters of the longest text times rows
_BLOCK_ROWS = 1024
_MAX_FITTED_TOKENS = 4_096  # terms are learned from this many first tokens of a text; all tokens count in TF-IDF
_MAX_COUNTED_TERMS = 5_000_000  # terms in memory, about 1 GB
_PROBED_TEXTS = 5_000  # number of texts that determine the unit
_MIN_MEAN_WORDS = 3.0  # with fewer words per text (names, codes, scripts without spaces), tokens are letters


def tokenization_unit(texts: Texts) -> Unit:
    """Return the token unit of a text column [rows]: ``word``, or ``letter`` if the texts have few words."""
    word_counts = [len(text.split()) for text in texts[:_PROBED_TEXTS] if text]
    return "word" if word_counts and np.mean(word_counts) >= _MIN_MEAN_WORDS else "letter"


def tokens_of(texts: Texts, unit: Unit) -> list[list[str]]:
    """Return the tokens of each text [rows]."""
    from pipeline.evaluation.scoring import OnnxModel

    model = OnnxModel(token_graph(unit).SerializeToString())
    order = sorted(range(len(texts)), key=lambda row: len(texts[row]))
    tokens_of_row: list[list[str]] = [[] for _ in texts]
    interned: dict[str, str] = {}  # keeps each distinct token in memory once
    for block in _blocks(order, texts):
        (tokens,) = model.run_raw({"texts": texts[block]})
        for row, row_tokens in zip(block, tokens, strict=True):
            tokens_of_row[row] = [interned.setdefault(token, token) for token in row_tokens if token]
    return tokens_of_row


def _blocks(order: Sequence[int], texts: Texts) -> Iterator[list[int]]:
    """Yield blocks of indices of texts of similar lengths, without empty texts.

    Args:
        order: Indices of the texts, by ascending length.
        texts: Texts [rows].
    """
    block: list[int] = []
    for row in order:
        if not texts[row]:
            continue
        if block and (len(block) == _BLOCK_ROWS or len(texts[row]) * (len(block) + 1) > _BLOCK_LETTERS):
            yield block
            block = []
        block.append(row)
    if block:
        yield block


def ngrams(tokens: Sequence[str], max_ngram: int) -> Iterator[tuple[str, ...]]:
    """Yield the n-grams of 1 to ``max_ngram`` tokens, with repetitions."""
    for size in range(1, max_ngram + 1):
        yield from zip(*(tokens[start:] for start in range(size)), strict=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Vocabulary:
    """The terms of one text column.

    Args:
        unit: Unit of a token.
        max_ngram: Maximum number of tokens of a term.
        index: Index of each term.
        idf: Inverse document frequency of each term [terms], with scikit-learn's smoothing.
    """

    unit: Unit
    max_ngram: int
    index: dict[tuple[str, ...], int]
    idf: npt.NDArray[np.float64] = field(repr=False)

    @classmethod
    def of(
        cls, tokens: Sequence[Sequence[str]], unit: Unit, *, max_ngram: int, min_rows: int, max_terms: int
    ) -> Vocabulary:
        """Learn the most frequent terms.

        Only the first tokens of very long texts are used, and the rarest terms are dropped whenever the counts take too
        much memory.

        Args:
            tokens: Tokens of each text [rows].
            unit: Unit of a token.
            max_ngram: Maximum number of tokens of a term.
            min_rows: Minimum number of rows that a term occurs in; if no term reaches it, all terms are used.
            max_terms: Maximum number of terms.
        """
        rows: Counter[tuple[str, ...]] = Counter()
        for tokens_of_row in tokens:
            rows.update(set(ngrams(tokens_of_row[:_MAX_FITTED_TOKENS], max_ngram)))
            if len(rows) > max(_MAX_COUNTED_TERMS, 2 * max_terms):
                rows = Counter(dict(sorted(rows.items(), key=lambda term: (-term[1], term[0]))[:max_terms]))
        frequent = [(term, count) for term, count in rows.items() if count >= min_rows] or list(rows.items())
        frequent = sorted(frequent, key=lambda term: (-term[1], term[0]))[:max_terms]
        frequent.sort(key=lambda term: (len(term[0]), term[0]))
        document_counts = np.array([count for _, count in frequent], np.float64)
        return cls(
            unit=unit,
            max_ngram=max_ngram,
            index={term: index for index, (term, _) in enumerate(frequent)},
            idf=np.log((1 + len(tokens)) / (1 + document_counts)) + 1,
        )

    def matrix(self, tokens: Sequence[Sequence[str]]) -> Any:
        """Return TF-IDF as a scipy CSR matrix [rows, terms], float32: (1 + log count) * idf, rows of unit length."""
        from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer

        analyzer = partial(ngrams, max_ngram=self.max_ngram)
        counts = CountVectorizer(analyzer=analyzer, vocabulary=self.index, dtype=np.float64).transform(tokens)
        transformer = TfidfTransformer(sublinear_tf=True)
        transformer.idf_ = self.idf
        return transformer.transform(counts).astype(np.float32)

    def terms(self, weights: npt.NDArray[np.floating[Any]]) -> NgramTable:
        """Return the terms with their idf and weights [terms, scores], for the ONNX graph."""
        return NgramTable(
            unit=self.unit,
            grams=list(self.index),
            idf=self.idf.astype(np.float32),
            weights=weights.astype(np.float32),
        )
