"""Find rows of one person or device that a random split would distribute over the splits."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from pipeline.validation.hints.column_words import name_words, yaml_name
from pipeline.validation.hints.target_signal import MAX_ROWS, between_groups, target_scores
from pipeline.validation.schema import Schema
from pipeline.validation.words import counted

__all__ = ["hint_repeated_entities", "names_entity"]

_ENTITIES = frozenset({
    "patient", "subject", "person", "participant", "respondent", "user", "customer", "client", "member", "household",
    "family", "student", "pupil", "employee", "donor", "speaker", "animal", "device", "machine", "sensor",
    "account", "session", "borrower", "player", "driver",
})  # fmt: skip
_IDENTIFIERS = frozenset({"id", "uid", "uuid", "guid", "identifier"})
# Words that make an identifier together with an entity's word, as in "customer no".
_NUMBERS = frozenset({"#", "no", "nr", "number", "num", "key", "code", "name"})
# Words for places and kinds: a model also sees their values in later rows, so they are not entities.
_KINDS = frozenset({
    "zip", "postal", "region", "zone", "country", "state", "county", "city", "location", "area", "district", "category",
    "department", "type", "class", "kind", "model", "brand", "channel", "browser", "system", "language", "status", "of",
    "count", "total", "per",
})  # fmt: skip
_MIN_ENTITIES = 5
_MIN_ROWS_EACH = 1.5  # mean rows per entity
_MIN_FRACTION, _MIN_Z = 0.1, 5.0  # minimum fraction of the target's variance between entities, and its z-score


def hint_repeated_entities(schema: Schema) -> Iterator[str]:
    """Yield a hint for the column whose entities explain the target, if the split is random."""
    values = _find_entities(schema)
    if values is None:
        return
    entities, rows, name = values.drop_nulls().n_unique(), values.count(), values.name
    yield (
        f"column '{name}' has {counted(entities, 'value')} in {rows:,} rows and predicts much of the target: rows of "
        "the same value are in both training and test, so quality on new values will be lower than measured. If the "
        f"model is for new values, add `split: {{by: group, column: {yaml_name(name)}}}` to train.yaml"
    )


def _find_entities(schema: Schema) -> pl.Series | None:
    """Return the cells of the entity column that explains most of the target; None if none explains enough."""
    if schema.spec.split.by != "random":
        return None
    scores = target_scores(schema)
    signals = [(between_groups(scores, values), values) for values in _identifier_columns(schema)]
    significant = [
        (signal.explained, values)
        for signal, values in signals
        if signal.z >= _MIN_Z and signal.explained >= _MIN_FRACTION
    ]
    _, values = max(significant, key=lambda pair: pair[0], default=(0.0, None))
    return values


def _identifier_columns(schema: Schema) -> Iterator[pl.Series]:
    """Yield the sampled cells of columns that have an entity's name and repeated values."""
    for column in schema.columns:
        values = column.values.head(MAX_ROWS).drop_nulls()
        if not names_entity(column.name) or column.column.kind not in ("numeric", "categorical", "text"):
            continue
        if values.dtype.is_float() and not (values == values.floor()).all():
            continue
        # Raw cells are used, since two long numbers may be equal as float32.
        cells = schema.sample[column.name].head(MAX_ROWS)
        if _MIN_ENTITIES <= cells.drop_nulls().n_unique() <= len(values) / _MIN_ROWS_EACH:
            yield cells


def names_entity(name: str) -> bool:
    """Return whether a column's name is that of an entity, such as a person or device, that a row belongs to."""
    words = name_words(name)
    if words & _KINDS:
        return False
    entities = words & _ENTITIES
    if entities and words - entities <= _NUMBERS:
        return True
    return bool(words & _IDENTIFIERS) or any(word.removesuffix("id") in _ENTITIES for word in words - _ENTITIES)
