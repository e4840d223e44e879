"""Recipes that read tables, made to read texts beside them. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from pipeline.contracts.algorithm_spec import Allowed
from pipeline.contracts.errors import CandidateFailedError
from pipeline.training.algorithm import FittedModel, Problem, Settings

__all__ = ["TEXT_ALLOWED", "TEXT_SETTINGS", "with_text_features"]

Train = Callable[[Settings, Problem], FittedModel]

# ``words`` and ``letters``: the longest run of them that is a term. ``bayes``: naive Bayes's share of a score.
# ``least_rows``: that a term must be in; 0: by the number of rows.
TEXT_SETTINGS: Settings = {
    "C": 1.0, "alpha": 1.0, "smoothing": 0.1, "bayes": 0.3, "words": 2, "letters": 4, "least_rows": 0,
    "most_terms": 200_000,
}  # fmt: skip
TEXT_ALLOWED = {
    "C": Allowed(above=0, maximum=1e10),
    "alpha": Allowed(minimum=0, maximum=1e10),
    "smoothing": Allowed(above=0, maximum=1e10),
    "bayes": Allowed(minimum=0, maximum=1),
    "words": Allowed(minimum=1, maximum=10, whole=True),
    "letters": Allowed(minimum=1, maximum=20, whole=True),
    "least_rows": Allowed(minimum=0, maximum=1_000_000_000, whole=True),
    "most_terms": Allowed(minimum=1, maximum=10_000_000, whole=True),
}


def with_text_features(train: Train, texts: Settings = TEXT_SETTINGS, *, every_class: bool = False) -> Train:
    """``train`` of a recipe that reads ``num``, made to read ``text`` too: as what a linear model says of it.

    ``texts``: that model's settings. ``every_class``: it scores each class, and not the most frequent few.
    """

    def train_with_texts(settings: Settings, problem: Problem) -> FittedModel:
        if not problem.train.text.size or problem.task == "clustering":
            return train(settings, problem)
        if settings.get("privacy_epsilon"):
            raise CandidateFailedError("what it reads texts by learns from the labels, and is no private training")
        from pipeline.training.features.text_features import encode_texts

        problem.report("reads the texts")
        encoding = encode_texts(problem, texts, every_class=every_class)
        fitted = train(settings, replace(problem, train=encoding.train, validation=encoding.validation))
        return replace(
            fitted,
            predict=lambda rows: fitted.predict(encoding.append_scores(rows)),
            body=lambda: encoding.prepend_to(fitted.body()),
            notes=(*fitted.notes, *encoding.scores.notes),
        )

    return train_with_texts
