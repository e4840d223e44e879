"""Linear models of texts: for ``text_linear``, and to encode texts as numeric scores for algorithms that read tables.

Terms are words and word pairs, or n-grams of letters, weighted by TF-IDF. Each class has a one-vs-rest score: a mix of
naive Bayes and a logistic regression over terms that are scaled by naive Bayes' log-count ratios. For a regression, the
score is a ridge regression. The result is one weight per term and score.

References:
    Wang and Manning 2012, Baselines and Bigrams: Simple, Good Sentiment and Topic Classification (NB-SVM).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper

from pipeline.graphs.compose import add_input, make_model
from pipeline.graphs.encoding import NUM
from pipeline.graphs.texts import Unit, score_graph
from pipeline.parsing.scripts import has_several_scripts
from pipeline.training.algorithm import Rows, RunContext, TrainingTask
from pipeline.training.features.preprocessing import one_vs_rest_targets
from pipeline.training.features.text_score_config import TextScoreConfig
from pipeline.training.features.vocabulary import Vocabulary, tokenization_unit, tokens_of
from pipeline.training.resampling.folds import assign_cross_fitting_folds

__all__ = ["TextLinearModel", "TextTargetEncoding", "cross_fitted", "encode_texts", "every_target", "fit_scores"]

Doubles = npt.NDArray[np.float64]
Texts = npt.NDArray[np.object_]
Targets = Sequence[npt.NDArray[Any]]
_Tokens = list[list[list[str]]]  # [column][row] -> tokens

_FOLDS, _FOLDS_OF_MANY, _MANY_ROWS = 5, 2, 50_000
_MAX_CACHED_ENCODINGS = 10  # five folds of a bag, with every_class true and false


@dataclass(frozen=True, kw_only=True)
class TextLinearModel:
    """A linear model over the terms of texts.

    Args:
        columns: Vocabulary of each text column.
        weights: Weights of each column's terms [terms, scores].
        bias: Bias of each score [scores].
        notes: Notes on the fit, for the model card.
    """

    columns: tuple[Vocabulary, ...]
    weights: tuple[Doubles, ...]
    bias: Doubles
    notes: tuple[str, ...] = ()

    def apply(self, texts: Texts) -> Doubles:
        """Return the scores [rows, scores] of texts [rows, text columns]."""
        return self.score_tokens(
            [tokens_of(texts[:, index], vocabulary.unit) for index, vocabulary in enumerate(self.columns)]
        )

    def score_tokens(self, tokens: _Tokens) -> Doubles:
        """Return the scores [rows, scores] of tokenized texts."""
        columns = zip(self.columns, tokens, self.weights, strict=True)
        scores: Doubles = self.bias + sum(vocabulary.matrix(rows) @ weights for vocabulary, rows, weights in columns)
        return scores

    def scaled(self, factor: float) -> TextLinearModel:
        """Return the model whose scores are multiplied by a factor."""
        return replace(self, weights=tuple(weights * factor for weights in self.weights), bias=self.bias * factor)

    def graph(self) -> onnx.ModelProto:
        """Return the ONNX graph from ``text`` to ``scores``."""
        tables = [
            vocabulary.terms(weights) if vocabulary.index else None
            for vocabulary, weights in zip(self.columns, self.weights, strict=True)
        ]
        return score_graph(tables, self.bias.astype(np.float32))


@dataclass(frozen=True, kw_only=True)
class _TokenizedTexts:
    """The training texts, tokenized once."""

    config: TextScoreConfig
    task: TrainingTask
    context: RunContext
    units: Sequence[Unit]
    tokens: _Tokens

    @classmethod
    def of(cls, config: TextScoreConfig, task: TrainingTask, context: RunContext) -> _TokenizedTexts:
        columns = task.train.text.T
        # Texts in different scripts share no words; n-grams of letters generalize to new words of each script.
        units: list[Unit] = [
            "letter" if has_several_scripts(column) else tokenization_unit(column) for column in columns
        ]
        tokens = [tokens_of(column, unit) for column, unit in zip(columns, units, strict=True)]
        return cls(config=config, task=task, context=context, units=units, tokens=tokens)

    def select(self, rows: npt.NDArray[np.int64]) -> _Tokens:
        return [[column[row] for row in rows] for column in self.tokens]

    def fit(self, targets: Targets, rows: npt.NDArray[np.int64]) -> TextLinearModel:
        """Fit a model on the rows with these indices."""
        from scipy.sparse import hstack

        train_tokens = self.select(rows)
        columns = tuple(self._vocabulary(tokens, unit) for tokens, unit in zip(train_tokens, self.units, strict=True))
        matrix = hstack(
            [column.matrix(tokens) for column, tokens in zip(columns, train_tokens, strict=True)], format="csr"
        )
        row_weights = self.task.train.weight
        weight = None if row_weights is None else row_weights[rows].astype(np.float64)
        scores, timed_out = [], 0
        for target in targets:
            is_timed_out = bool(self.task.classes) and self.context.is_timed_out
            fit = _ridge if not self.task.classes else _naive_bayes if is_timed_out else _one_vs_rest
            scores.append(fit(self.config, matrix, target[rows], weight))
            timed_out += is_timed_out
        note = f"training time ran out: {timed_out} of {len(targets)} scores of texts use naive Bayes only"
        ends = np.cumsum([len(column.index) for column in columns])[:-1]
        return TextLinearModel(
            columns=columns,
            weights=tuple(np.split(np.stack([weights for weights, _ in scores], axis=1), ends)),
            bias=np.array([bias for _, bias in scores]),
            notes=(note,) if timed_out else (),
        )

    def _vocabulary(self, tokens: Sequence[Sequence[str]], unit: Unit) -> Vocabulary:
        rows = len(self.task.train)
        return Vocabulary.of(
            tokens,
            unit,
            max_ngram=self.config.words if unit == "word" else self.config.letters,
            min_rows=self.config.least_rows or (1 if rows <= 20_000 else 2 if rows <= 200_000 else 5),
            max_terms=self.config.most_terms,
        )


def fit_scores(config: TextScoreConfig, task: TrainingTask, targets: Targets, context: RunContext) -> TextLinearModel:
    """Fit a linear model to the texts of the training rows.

    Args:
        config: Hyper-parameters.
        task: The training rows.
        targets: Target of each score [rows]: booleans, or values of a regression.
        context: After its deadline, the remaining scores are fitted by naive Bayes only.
    """
    return _TokenizedTexts.of(config, task, context).fit(targets, np.arange(len(task.train)))


def cross_fitted(
    config: TextScoreConfig, task: TrainingTask, targets: Targets, context: RunContext
) -> tuple[TextLinearModel, Doubles]:
    """Fit a model as ``fit_scores`` does, and compute out-of-fold scores of the training rows.

    Returns:
        The model fitted on all training rows, and their out-of-fold scores [rows, scores].
    """
    texts, rows = _TokenizedTexts.of(config, task, context), len(task.train)
    count = _FOLDS if rows <= _MANY_ROWS else _FOLDS_OF_MANY
    folds = assign_cross_fitting_folds(task.train, task.classes, count, task.seed)
    held_out_scores = np.zeros((rows, len(targets)))
    for number in np.unique(folds):
        train, held = np.flatnonzero(folds != number), np.flatnonzero(folds == number)
        held_out_scores[held] = texts.fit(targets, train).score_tokens(texts.select(held))
    return texts.fit(targets, np.arange(rows)), held_out_scores


def _one_vs_rest(config: TextScoreConfig, matrix: Any, target: Any, weight: Any) -> tuple[Doubles, float]:
    """Fit NB-SVM to a boolean target; return the weight of each term and the bias of the score."""
    from sklearn.linear_model import LogisticRegression

    truth = np.asarray(target, bool)
    if truth.all() or not truth.any():  # the fold's training rows are all or none of this class
        return np.zeros(matrix.shape[1]), _ABSENT_CLASS_SCORE if not truth.any() else -_ABSENT_CLASS_SCORE
    weights_of_rows = np.ones(len(truth)) if weight is None else weight
    ratio = _log_ratio(matrix > 0, weights_of_rows, truth, config.smoothing)
    model = LogisticRegression(C=config.C, solver="liblinear", tol=1e-3, max_iter=100, random_state=0)
    model.fit(matrix.multiply(ratio).tocsr(), truth, sample_weight=weight)
    coefficients = model.coef_[0] * ratio
    bayes = _log_ratio(matrix, weights_of_rows, truth, config.smoothing)
    # Naive Bayes is overconfident, so it is scaled to the variance of the logistic regression.
    bayes *= (matrix @ coefficients).std() / max((matrix @ bayes).std(), 1e-12)
    bayes_fraction = config.bayes
    return (1 - bayes_fraction) * coefficients + bayes_fraction * bayes, float(model.intercept_[0])


def _naive_bayes(config: TextScoreConfig, matrix: Any, target: Any, weight: Any) -> tuple[Doubles, float]:
    """Fit naive Bayes, scaled to variance 1; it takes less time than ``_one_vs_rest``, and has the same result type."""
    truth = np.asarray(target, bool)
    if truth.all() or not truth.any():
        return np.zeros(matrix.shape[1]), _ABSENT_CLASS_SCORE if not truth.any() else -_ABSENT_CLASS_SCORE
    weights_of_rows = np.ones(len(truth)) if weight is None else weight
    ratio = _log_ratio(matrix, weights_of_rows, truth, config.smoothing)
    weights = ratio / max((matrix @ ratio).std(), 1e-12)
    base_rate = np.average(truth, weights=weights_of_rows)
    return weights, float(np.log(base_rate / (1 - base_rate)) - np.average(matrix @ weights, weights=weights_of_rows))


_ABSENT_CLASS_SCORE = -10.0  # score of a class without training rows; negated, of a class with all training rows


def _log_ratio(matrix: Any, row_weights: Doubles, truth: npt.NDArray[np.bool_], smoothing: float) -> Doubles:
    """Return the log-ratio of the terms' frequencies in the texts where ``truth`` is true and in the others."""
    log_fractions = []
    for rows in (truth, ~truth):
        counts = matrix.T @ (row_weights * rows) + smoothing
        log_fractions.append(np.log(counts / counts.sum()))
    ratio: Doubles = log_fractions[0] - log_fractions[1]
    return ratio


def _ridge(config: TextScoreConfig, matrix: Any, target: Any, weight: Any) -> tuple[Doubles, float]:
    from sklearn.linear_model import Ridge

    model = Ridge(alpha=config.alpha, solver="lsqr", tol=1e-5)
    model.fit(matrix.astype(np.float64), target, sample_weight=weight)
    return model.coef_, float(model.intercept_)


@dataclass(frozen=True, kw_only=True)
class TextTargetEncoding:
    """Texts encoded as scores of a linear model.

    Args:
        scores: The linear model.
        numbers: Number of numeric columns without the scores.
        train: The training rows with out-of-fold scores as further numbers, without texts.
        validation: The validation rows with scores as further numbers, without texts.
    """

    scores: TextLinearModel
    numbers: int
    train: Rows
    validation: Rows

    def append_scores(self, rows: Rows) -> Rows:
        """Return the rows with the scores of their texts as further numbers, and without the texts."""
        return _without_texts(rows, self.scores.apply(rows.text))

    def prepend_to(self, body: onnx.ModelProto) -> onnx.ModelProto:
        """Prepend the scores to a graph that reads them as further numbers; the result reads texts and numbers."""
        if NUM not in [graph_input.name for graph_input in body.graph.input]:
            return body
        text_graph = self.scores.graph()
        wide = helper.make_tensor_value_info("wide", TensorProto.FLOAT, ["batch", None])
        inputs, concatenated = list(text_graph.graph.input), ["scores"]
        if self.numbers:
            inputs.append(helper.make_tensor_value_info(NUM, TensorProto.FLOAT, ["batch", self.numbers]))
            concatenated.insert(0, NUM)
        nodes = [*text_graph.graph.node, helper.make_node("Concat", concatenated, ["wide"], axis=1)]
        return add_input(body, NUM, make_model("text_codes", nodes, inputs, [wide]), prefix="table/")


def _without_texts(rows: Rows, scores: Doubles) -> Rows:
    """Replace the texts by their scores, as further numbers."""
    return replace(
        rows, num=np.concatenate([rows.num, scores.astype(np.float32)], axis=1), text=np.empty((0, 0), object)
    )


def encode_texts(
    task: TrainingTask, config: TextScoreConfig, context: RunContext, *, every_class: bool
) -> TextTargetEncoding:
    """Encode texts as scores of a linear model; cached, since the next algorithm encodes the same rows.

    Args:
        task: The training and validation rows.
        config: Hyper-parameters of the linear model.
        context: After its deadline, the remaining scores are fitted by naive Bayes only.
        every_class: Whether each class has a score; else only the most frequent ones.
    """
    return _encode(_CacheKey(task=task, config=config, context=context.without_observers(), every_class=every_class))


@dataclass(frozen=True, kw_only=True, eq=False)
class _CacheKey:
    """Cache key that compares arrays by identity, since comparing their contents would take long."""

    task: TrainingTask
    config: TextScoreConfig
    context: RunContext
    every_class: bool

    @property
    def _identity(self) -> tuple[Any, ...]:
        rows = self.task.train
        arrays = (rows.text, rows.num, rows.target, self.task.validation.text)
        return tuple(map(id, arrays)), self.task.seed, self.every_class, self.config

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _CacheKey) and self._identity == other._identity

    def __hash__(self) -> int:
        return hash(self._identity)


@lru_cache(maxsize=_MAX_CACHED_ENCODINGS)
def _encode(key: _CacheKey) -> TextTargetEncoding:
    task = key.task
    targets = every_target(task) if key.every_class else one_vs_rest_targets(task)
    scores, train_scores = cross_fitted(key.config, task, targets, key.context)
    return TextTargetEncoding(
        scores=scores,
        numbers=task.train.num.shape[1],
        train=_without_texts(task.train, train_scores),
        validation=_without_texts(task.validation, scores.apply(task.validation.text)),
    )


def every_target(task: TrainingTask) -> Targets:
    """Return the targets of the scores: one boolean array per class (one-vs-rest), or the values of a regression."""
    return [task.train.target == label for label in range(task.classes)] or [task.train.target]
