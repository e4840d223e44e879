"""Find all hints that apply to a data set."""

from __future__ import annotations

from pipeline.validation.hints.identifiers import hint_identifiers
from pipeline.validation.hints.repeated_entities import hint_repeated_entities
from pipeline.validation.hints.time_order import hint_time_order
from pipeline.validation.hints.unsupported_kinds import hint_ranking, hint_survival
from pipeline.validation.schema import Schema

__all__ = ["find_hints"]


def find_hints(schema: Schema) -> tuple[str, ...]:
    """Find hints about the rows; for clustering and images, only hints about identifiers.

    Args:
        schema: Schema of the rows, with the sample that it was inferred from.

    Returns:
        One sentence per hint, with the line to add to train.yaml.
    """
    if schema.task == "clustering" or any(column.column.kind == "image" for column in schema.columns):
        return tuple(hint_identifiers(schema))
    if schema.several:
        labels = schema.several.warnings
        return (*labels, *hint_time_order(schema), *hint_repeated_entities(schema), *hint_identifiers(schema))
    ranking = tuple(hint_ranking(schema))
    entities = () if ranking else hint_repeated_entities(schema)  # a query is not an entity
    return (*hint_survival(schema), *ranking, *hint_time_order(schema), *entities, *hint_identifiers(schema))
