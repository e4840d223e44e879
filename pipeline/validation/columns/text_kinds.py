"""Distinguish categories, whose values are features, from free text, whose words are features."""

from __future__ import annotations

import polars as pl

__all__ = ["is_free_text"]

_MAX_REPEATED = 0.9  # maximum distinct values per row of categories
_MIN_SENTENCES = 20  # distinct values; fewer are categories of any length, as in a questionnaire
_SENTENCE_WORDS = 4.0
_MAX_LABEL = 500  # maximum characters of a category's name
_MIN_DISTINCT_FRACTION = 0.02  # minimum distinct sentences per row; fewer are long names of categories
# Scripts without spaces between words; about two characters are a word.
_UNSPACED = r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]"
_CHARACTERS_A_WORD = 2.0


def is_free_text(distinct: pl.Series, rows: int) -> bool:
    """Return whether texts are free text or identify rows, rather than being categories.

    Args:
        distinct: Distinct texts of a column.
        rows: Number of rows with a text.
    """
    distinct_fraction = len(distinct) / rows
    if distinct_fraction > _MAX_REPEATED:
        return True
    if int(distinct.str.len_chars().max() or 0) > _MAX_LABEL:  # type: ignore[arg-type]  # lengths are whole numbers
        return True
    if len(distinct) <= _MIN_SENTENCES or distinct_fraction < _MIN_DISTINCT_FRACTION:
        return False
    return _mean_words(distinct) >= _SENTENCE_WORDS


def _mean_words(values: pl.Series) -> float:
    unspaced = values.str.count_matches(_UNSPACED) / _CHARACTERS_A_WORD
    words = values.str.count_matches(r"\S+")
    mean = (words + unspaced).mean()
    assert isinstance(mean, float), "there are values"
    return mean
