"""What a linear model says of texts: the text_linear recipe's own, and numbers for the recipes that read tables.

Words in ones and twos, or letters in ones to fours, weighted by TF-IDF. Classes are told one against the rest by
logistic regressions over terms scaled by naive Bayes's log-count ratios (NB-SVM: Wang & Manning, "Baselines and
Bigrams", ACL 2012), with a share of naive Bayes's own word; values by ridge regression. All of it folds into one
weight a term and score.
"""

from __future__ import annotations

import time
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
from pipeline.training.algorithm import Problem, Rows, Settings
from pipeline.training.features.vocabulary import Vocabulary, tokenization_unit, tokens_of
from pipeline.training.resampling.folds import assign_cross_fitting_folds

__all__ = ["TextLinearModel", "TextTargetEncoding", "cross_fitted", "encode_texts", "every_target", "fit_scores"]

Doubles = npt.NDArray[np.float64]
Texts = npt.NDArray[np.object_]
Targets = Sequence[npt.NDArray[Any]]
_Tokens = list[list[list[str]]]  # by column, by row

_FOLDS, _FOLDS_OF_MANY, _MANY_ROWS = 5, 2, 50_000
_KEPT = 10  # encodings: of the folds of a bag, for each kind of target
_CONTRASTS = 5  # of how many classes, each against the rest, a text's score is a number for a table's model


@dataclass(frozen=True, kw_only=True)
class TextLinearModel:
    """``weights``: of each column [terms, scores]; ``bias`` [scores]. ``notes``: what the record says of its fit."""

    columns: tuple[Vocabulary, ...]
    weights: tuple[Doubles, ...]
    bias: Doubles
    notes: tuple[str, ...] = ()

    def apply(self, texts: Texts) -> Doubles:
        """[rows, text columns] -> scores [rows, scores]."""
        return self.of_tokens([tokens_of(texts[:, at], one.unit) for at, one in enumerate(self.columns)])

    def of_tokens(self, tokens: _Tokens) -> Doubles:
        parts = zip(self.columns, tokens, self.weights, strict=True)
        scores: Doubles = self.bias + sum(one.matrix(rows) @ weights for one, rows, weights in parts)
        return scores

    def scaled(self, factor: float) -> TextLinearModel:
        return replace(self, weights=tuple(one * factor for one in self.weights), bias=self.bias * factor)

    def graph(self) -> onnx.ModelProto:
        """``text`` -> ``scores``."""
        read = [
            one.terms(weights) if one.places else None for one, weights in zip(self.columns, self.weights, strict=True)
        ]
        return score_graph(read, self.bias.astype(np.float32))


@dataclass(frozen=True, kw_only=True)
class _TokenizedTexts:
    """The training texts, tokenized once."""

    settings: Settings
    problem: Problem
    units: Sequence[Unit]
    tokens: _Tokens

    @classmethod
    def of(cls, settings: Settings, problem: Problem) -> _TokenizedTexts:
        columns = problem.train.text.T
        # Texts in several scripts share no words; their letters tell new words of each.
        units: list[Unit] = [
            "letter" if has_several_scripts(column) else tokenization_unit(column) for column in columns
        ]
        tokens = [tokens_of(column, unit) for column, unit in zip(columns, units, strict=True)]
        return cls(settings=settings, problem=problem, units=units, tokens=tokens)

    def part(self, rows: npt.NDArray[np.int64]) -> _Tokens:
        return [[column[at] for at in rows] for column in self.tokens]

    def fit(self, targets: Targets, rows: npt.NDArray[np.int64]) -> TextLinearModel:
        """On some of the rows, by their places."""
        from scipy.sparse import hstack

        learnt = self.part(rows)
        columns = tuple(self._vocabulary(one, unit) for one, unit in zip(learnt, self.units, strict=True))
        matrix = hstack([column.matrix(one) for column, one in zip(columns, learnt, strict=True)], format="csr")
        given = self.problem.train.weight
        weight = None if given is None else given[rows].astype(np.float64)
        scores, late = [], 0
        for target in targets:
            is_late = bool(self.problem.classes) and time.monotonic() > self.problem.deadline
            fit = _value if not self.problem.classes else _naive_bayes if is_late else _one_vs_rest
            scores.append(fit(self.settings, matrix, target[rows], weight))
            late += is_late
        note = f"training time ran out: {late} of {len(targets)} scores of texts are naive Bayes'"
        ends = np.cumsum([len(column.places) for column in columns])[:-1]
        return TextLinearModel(
            columns=columns,
            weights=tuple(np.split(np.stack([weights for weights, _ in scores], axis=1), ends)),
            bias=np.array([bias for _, bias in scores]),
            notes=(note,) if late else (),
        )

    def _vocabulary(self, tokens: Sequence[Sequence[str]], unit: Unit) -> Vocabulary:
        rows = len(self.problem.train)
        return Vocabulary.of(
            tokens,
            unit,
            longest=self.settings["words"] if unit == "word" else self.settings["letters"],
            least_rows=self.settings["least_rows"] or (1 if rows <= 20_000 else 2 if rows <= 200_000 else 5),
            most=self.settings["most_terms"],
        )


def fit_scores(settings: Settings, problem: Problem, targets: Targets) -> TextLinearModel:
    """One score for each of ``targets`` [rows]: truth values, or numbers."""
    return _TokenizedTexts.of(settings, problem).fit(targets, np.arange(len(problem.train)))


def cross_fitted(settings: Settings, problem: Problem, targets: Targets) -> tuple[TextLinearModel, Doubles]:
    """And the training rows' own scores [rows, scores], each said by a model that has not seen the row."""
    read, rows = _TokenizedTexts.of(settings, problem), len(problem.train)
    count = _FOLDS if rows <= _MANY_ROWS else _FOLDS_OF_MANY
    folds = assign_cross_fitting_folds(problem.train, problem.classes, count, problem.seed)
    own = np.zeros((rows, len(targets)))
    for number in np.unique(folds):
        seen, unseen = np.flatnonzero(folds != number), np.flatnonzero(folds == number)
        own[unseen] = read.fit(targets, seen).of_tokens(read.part(unseen))
    return read.fit(targets, np.arange(rows)), own


def _one_vs_rest(settings: Settings, matrix: Any, target: Any, weight: Any) -> tuple[Doubles, float]:
    """A term's weight, and the bias, of a score that grows with the odds that ``target`` is true."""
    from sklearn.linear_model import LogisticRegression

    truth = np.asarray(target, bool)
    if truth.all() or not truth.any():  # of a class that this fold lacks
        return np.zeros(matrix.shape[1]), _NEVER if not truth.any() else -_NEVER
    each = np.ones(len(truth)) if weight is None else weight
    ratio = _log_ratio(matrix > 0, each, truth, settings["smoothing"])
    model = LogisticRegression(C=settings["C"], solver="liblinear", tol=1e-3, max_iter=100, random_state=0)
    model.fit(matrix.multiply(ratio).tocsr(), truth, sample_weight=weight)
    learnt = model.coef_[0] * ratio
    bayes = _log_ratio(matrix, each, truth, settings["smoothing"])
    # A share of naive Bayes, on the scale of what is learnt: alone it is too sure of itself.
    bayes *= (matrix @ learnt).std() / max((matrix @ bayes).std(), 1e-12)
    share = settings["bayes"]
    return (1 - share) * learnt + share * bayes, float(model.intercept_[0])


def _naive_bayes(settings: Settings, matrix: Any, target: Any, weight: Any) -> tuple[Doubles, float]:
    """The score of ``_one_vs_rest`` in closed form, for want of time; of variance 1, since alone it is too sure."""
    truth = np.asarray(target, bool)
    if truth.all() or not truth.any():
        return np.zeros(matrix.shape[1]), _NEVER if not truth.any() else -_NEVER
    each = np.ones(len(truth)) if weight is None else weight
    ratio = _log_ratio(matrix, each, truth, settings["smoothing"])
    weights = ratio / max((matrix @ ratio).std(), 1e-12)
    share = np.average(truth, weights=each)
    return weights, float(np.log(share / (1 - share)) - np.average(matrix @ weights, weights=each))


_NEVER = -10.0  # the score of a class that was never there


def _log_ratio(matrix: Any, each: Doubles, truth: npt.NDArray[np.bool_], smoothing: float) -> Doubles:
    """Of the terms' shares in the texts for which it is true, and in the others."""
    shares = []
    for rows in (truth, ~truth):
        found = matrix.T @ (each * rows) + smoothing
        shares.append(np.log(found / found.sum()))
    ratio: Doubles = shares[0] - shares[1]
    return ratio


def _value(settings: Settings, matrix: Any, target: Any, weight: Any) -> tuple[Doubles, float]:
    from sklearn.linear_model import Ridge

    model = Ridge(alpha=settings["alpha"], solver="lsqr", tol=1e-5)
    model.fit(matrix.astype(np.float64), target, sample_weight=weight)
    return model.coef_, float(model.intercept_)


@dataclass(frozen=True, kw_only=True)
class TextTargetEncoding:
    """``train`` and ``validation``: with the texts' scores among the numbers; the former's are cross-fitted."""

    scores: TextLinearModel
    numbers: int  # of the rows as they were
    train: Rows
    validation: Rows

    def widened(self, rows: Rows) -> Rows:
        return _without_texts(rows, self.scores.apply(rows.text))

    def before(self, body: onnx.ModelProto) -> onnx.ModelProto:
        """``body`` reads the widened numbers; what comes back reads the texts and the numbers."""
        if NUM not in [given.name for given in body.graph.input]:
            return body
        texts = self.scores.graph()
        wide = helper.make_tensor_value_info("wide", TensorProto.FLOAT, ["batch", None])
        inputs, parts = list(texts.graph.input), ["scores"]
        if self.numbers:
            inputs.append(helper.make_tensor_value_info(NUM, TensorProto.FLOAT, ["batch", self.numbers]))
            parts.insert(0, NUM)
        nodes = [*texts.graph.node, helper.make_node("Concat", parts, ["wide"], axis=1)]
        return add_input(body, NUM, make_model("text_codes", nodes, inputs, [wide]), prefix="table/")


def _without_texts(rows: Rows, scores: Doubles) -> Rows:
    """Their scores are numbers among the others instead."""
    return replace(
        rows, num=np.concatenate([rows.num, scores.astype(np.float32)], axis=1), text=np.empty((0, 0), object)
    )


def encode_texts(problem: Problem, settings: Settings, *, every_class: bool) -> TextTargetEncoding:
    """``every_class``: a score of each, and not of the most frequent few. Kept for the next algorithm's same rows."""
    return _codes(_CacheKey(problem=problem, settings=settings, every_class=every_class))


@dataclass(frozen=True, kw_only=True, eq=False)
class _CacheKey:
    """Equal for the very same rows: that their contents are equal would take long to find out."""

    problem: Problem
    settings: Settings
    every_class: bool

    @property
    def _parts(self) -> tuple[Any, ...]:
        rows = self.problem.train
        arrays = (rows.text, rows.num, rows.target, self.problem.validation.text)
        return tuple(map(id, arrays)), self.problem.seed, self.every_class, tuple(self.settings.items())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _CacheKey) and self._parts == other._parts

    def __hash__(self) -> int:
        return hash(self._parts)


@lru_cache(maxsize=_KEPT)
def _codes(given: _CacheKey) -> TextTargetEncoding:
    problem = given.problem
    targets = every_target(problem) if given.every_class else _contrasts(problem)
    scores, own = cross_fitted(given.settings, problem, targets)
    return TextTargetEncoding(
        scores=scores,
        numbers=problem.train.num.shape[1],
        train=_without_texts(problem.train, own),
        validation=_without_texts(problem.validation, scores.apply(problem.validation.text)),
    )


def every_target(problem: Problem) -> Targets:
    """Each class against the rest, or the values."""
    return [problem.train.target == label for label in range(problem.classes)] or [problem.train.target]


def _contrasts(problem: Problem) -> Targets:
    """What a text is summed up by: the target, the second of two classes, or the most frequent ones."""
    target = problem.train.target
    if not problem.classes:
        return [target]
    classes = [1] if problem.classes == 2 else np.argsort(-np.bincount(target), kind="stable")[:_CONTRASTS]
    return [target == label for label in classes]
