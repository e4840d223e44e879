"""The hyper-parameters of the linear models that score texts."""

from __future__ import annotations

from typing import Annotated

from pipeline.contracts.algorithms.config import AlgorithmConfig, hyperparameter, search_range, search_values

__all__ = ["TextScoreConfig"]


class TextScoreConfig(AlgorithmConfig):
    """Hyper-parameters of the linear models that score texts."""

    C: Annotated[
        float,
        hyperparameter("Inverse of the L2 penalty of the logistic regression.", gt=0, le=1e10),
        search_range(0.1, 30, log=True),
    ] = 1.0
    alpha: Annotated[
        float, hyperparameter("L2 penalty of the ridge regression.", ge=0, le=1e10), search_range(0.03, 30, log=True)
    ] = 1.0
    smoothing: Annotated[
        float, hyperparameter("Rows that are added to the count of each term (Laplace).", unit="rows", gt=0, le=1e10)
    ] = 0.1
    bayes: Annotated[
        float,
        hyperparameter("Share of naive Bayes in a score (Wang and Manning 2012).", ge=0, le=1),
        search_range(0.0, 0.8),
    ] = 0.3
    words: Annotated[
        int,
        hyperparameter("Longest run of words that is a term.", unit="words", ge=1, le=10),
        search_values(1, 2, 3),
    ] = 2
    letters: Annotated[int, hyperparameter("Longest run of letters that is a term.", unit="letters", ge=1, le=20)] = 4
    least_rows: Annotated[
        int,
        hyperparameter(
            "Minimum rows that a term occurs in; 0: chosen by the number of rows.", unit="rows", ge=0, le=1_000_000_000
        ),
    ] = 0
    most_terms: Annotated[int, hyperparameter("Maximum number of terms.", unit="terms", ge=1, le=10_000_000)] = 200_000
