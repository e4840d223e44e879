"""Find tables that look like survival analysis or ranking, which are not supported."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from pipeline.validation.columns.inferred import InferredColumn
from pipeline.validation.hints.column_words import name_words, yaml_name
from pipeline.validation.schema import Schema

__all__ = ["hint_ranking", "hint_survival"]

_EVENTS = frozenset({"event", "censored", "censor", "censoring", "cens", "dead", "death", "died", "deceased", "fustat"})
_EVENTS_WITH_TIME = _EVENTS | {"status", "observed", "failed", "failure", "relapse", "recurrence"}
_DURATIONS = frozenset({"time", "survival", "duration", "futime", "stime", "followup", "lifetime", "os", "pfs", "tte"})
_UNITS = frozenset({"days", "weeks", "months", "years", "hours", "follow", "up", "to", "in", "until", "event", "time"})
_QUERIES = frozenset({"qid", "query", "queryid", "srch", "search", "impression", "request"})
_GRADES = frozenset({"relevance", "rel", "grade", "relevant", "rank", "label", "gain"})
_MAX_GRADES = 10
_MIN_ROWS_EACH = 2.0  # mean rows per query


def hint_survival(schema: Schema) -> Iterator[str]:
    """Warn that censored durations are learned as if all of them had ended."""
    name, values = schema.target.name, schema.target_values
    if schema.task == "regression" and _is_duration(name, values):
        events = [column.name for column in schema.columns if _is_event(column.name, column.values, name)]
        duration = name
    elif schema.task == "classification" and _is_event(name, values, "") and name_words(name) & _EVENTS:
        events = [name]
        duration = next((column.name for column in schema.columns if _is_time_column(column)), "")
    else:
        return
    if not events or not duration:
        return
    event = events[0]
    target, leaking = (duration, event) if name == duration else (event, duration)
    yield (
        f"columns '{duration}' and '{event}' look like survival data (a duration, and whether it ended with the event "
        f"or was censored): survival models are not supported. '{target}' is learned as a {schema.task} that ignores "
        f"censoring, and '{leaking}', which is not known before the end, is a feature: add "
        f"`drop: [{yaml_name(leaking)}]` to train.yaml"
    )


def hint_ranking(schema: Schema) -> Iterator[str]:
    """Warn that relevance grades are learned row by row, and that rows of a query belong in one split."""
    values = schema.target_values
    is_graded = name_words(schema.target.name) & _GRADES and values.n_unique() <= _MAX_GRADES and _are_integers(values)
    queries = [column.name for column in _query_columns(schema)] if is_graded else []
    queries += [schema.spec.split.column] if is_graded and _is_split_by_query(schema) else []  # type: ignore[list-item]
    if not queries:
        return
    split = f"`split: {{by: group, column: {yaml_name(queries[0])}}}` in train.yaml keeps the rows of a query together"
    together = "" if schema.spec.split.by == "group" else f"; {split}"
    order = "" if schema.task == "regression" else "; `task: regression` keeps the order of the grades"
    yield (
        f"columns '{queries[0]}' and '{schema.target.name}' look like a ranking (results of a query, with a grade): "
        f"ranking is not supported, and each row is learned by itself as a {schema.task}: sort the results of a query "
        f"by the prediction{order}{together}"
    )


def _query_columns(schema: Schema) -> Iterator[InferredColumn]:
    """Yield columns that name the query of a row."""
    for column in schema.columns:
        values = column.values.drop_nulls()
        if name_words(column.name) & _QUERIES and 2 <= values.n_unique() <= len(values) / _MIN_ROWS_EACH:
            yield column


def _is_split_by_query(schema: Schema) -> bool:
    column = schema.spec.split.column
    return schema.spec.split.by == "group" and column is not None and bool(name_words(column) & _QUERIES)


def _is_duration(name: str, values: pl.Series) -> bool:
    words = name_words(name)
    named = bool(words & _DURATIONS) or (bool(words) and words <= _UNITS)
    return named and bool((values.drop_nulls() >= 0).all())


def _is_time_column(column: InferredColumn) -> bool:
    words = name_words(column.name)
    if column.column.kind != "numeric" or not words & (_DURATIONS | {"follow"}) or not words <= _DURATIONS | _UNITS:
        return False
    return _is_duration(column.name, column.values) and column.values.n_unique() > _MAX_GRADES


def _is_event(name: str, values: pl.Series, duration: str) -> bool:
    """Return whether a column of two values flags an event; ``duration`` is the column of its time; empty: none."""
    words = name_words(name)
    events = _EVENTS_WITH_TIME if name_words(duration) & _DURATIONS else _EVENTS
    return bool(words & events) and values.drop_nulls().n_unique() == 2


def _are_integers(values: pl.Series) -> bool:
    numbers = values.drop_nulls().cast(pl.Float64, strict=False)
    return numbers.null_count() == 0 and bool((numbers == numbers.floor()).all())
