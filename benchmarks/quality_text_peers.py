"""Peers on texts: TF-IDF with a linear support vector machine, and naive Bayes, on all rows to learn from."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

__all__ = ["TEXT_PEERS", "text_answer_of"]

TEXT_PEERS = ("TF-IDF + LinearSVC", "TF-IDF of pairs + LinearSVC", "naive Bayes")


def text_answer_of(  # noqa: PLR0913 - same as quality_peers.answer_of
    peer: str, learn: pl.DataFrame, test: pl.DataFrame, *, target: str, classes: tuple[str, ...], threads: int
) -> npt.NDArray[np.floating[Any]]:
    """Fit a peer to the only text column, and return probabilities [rows, classes]; for margins, their softmax."""
    from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
    from sklearn.naive_bayes import MultinomialNB
    from sklearn.pipeline import make_pipeline
    from sklearn.svm import LinearSVC

    (column,) = [name for name in test.columns if name != target]
    models = {
        "TF-IDF + LinearSVC": lambda: make_pipeline(TfidfVectorizer(), LinearSVC()),
        "TF-IDF of pairs + LinearSVC": lambda: make_pipeline(
            TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True), LinearSVC()
        ),
        "naive Bayes": lambda: make_pipeline(CountVectorizer(), MultinomialNB()),
    }
    model = models[peer]()
    model.fit(learn[column].fill_null("").to_list(), learn[target].to_numpy().astype(str))
    rows = test[column].fill_null("").to_list()
    if peer == "naive Bayes":
        probabilities = model.predict_proba(rows)
    else:
        odds = np.exp(model.decision_function(rows))
        probabilities = odds / odds.sum(axis=1, keepdims=True)
    order = [list(model.classes_).index(label) for label in classes]
    return probabilities[:, order]
