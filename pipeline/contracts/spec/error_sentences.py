"""Sentences for pydantic's errors in train.yaml: the field, what is expected, and the nearest known name."""

from __future__ import annotations

import re
from typing import Any, get_args

from pydantic import (
    BaseModel,
    ValidationError,
)

from pipeline.contracts.algorithms.catalog import catalog
from pipeline.contracts.algorithms.hyperparameter import Range
from pipeline.contracts.suggestions import did_you_mean

__all__ = ["error_sentences"]

_SCALARS = 3  # a field with at least so many errors accepts a setting of any scalar type
_IN_A_UNION = re.compile(r"[\[\]({]|^(constrained-|(int|str|float|bool|Range)$)")  # pydantic's names of union members


def error_sentences(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """Return a sentence for each of the first three fields with a problem.

    Args:
        error: Error that pydantic raised. It reports a list with wrong items also as too short: that problem is
            ignored. For a field of several types it reports a problem for each type.
        model: Class of the validated model.
    """
    reported = error.errors()
    parents = {problem["loc"][:-1] for problem in reported}
    problems = [problem for problem in reported if not (problem["type"] == "too_short" and problem["loc"] in parents)]
    fields: dict[tuple[str, ...], list[Any]] = {}
    for problem in problems:
        fields.setdefault(tuple(_path(problem)), []).append(problem)
    return [_sentence(of_field, model) for of_field in fields.values()][:3]


def _path(problem: Any) -> list[str]:
    return [name for name in map(str, problem["loc"]) if not _IN_A_UNION.search(name)]


def _sentence(problems: list[Any], model: type[BaseModel]) -> str:
    problem, path = problems[0], _path(problems[0])
    if problem["type"] == "extra_forbidden":
        names = list(Range.model_fields) if "Range" in problem["loc"] else _fields_at(path[:-1], model)
        return f"train.yaml: unknown field '{'.'.join(path)}': {_nearest(path, names, model)}"
    where = f"train.yaml: {'.'.join(path)}: " if path else "train.yaml: "
    if problem["type"] == "value_error":
        return f"{where}{problem['ctx']['error']}"
    if problem["type"] == "literal_error" and isinstance(problem["input"], str):
        choices = re.findall(r"'([^']*)'", problem["ctx"]["expected"])
        return f"{where}unknown value '{problem['input'][:60]}': {did_you_mean(problem['input'], choices)}"
    if len(problems) >= _SCALARS:
        return f"{where}a number, a word, true or false, or a list of them is expected"
    return where + ", or ".join(dict.fromkeys(map(_expected, problems)))


def _expected(problem: Any) -> str:
    message = re.sub(" or instance of .*|, unable to parse string.*| after validation.*", "", problem["msg"])
    for ours, theirs in (("list", "valid tuple"), ("mapping", "valid dictionary"), ("list", "tuple")):
        message = message.replace(theirs, ours)
    return f"{message[:1].lower()}{message[1:]}"


def _nearest(path: list[str], fields: list[str], model: type[BaseModel]) -> str:
    """Return which field was meant: a field of a section, an algorithm under ``settings``, or the nearest name."""
    name = path[-1]
    if len(path) == 1 and name in catalog():
        return f"did you mean 'settings.{name}'?"
    sections = [outer for outer in fields if name in _fields_at([outer], model)] if len(path) == 1 else []
    return f"did you mean '{sections[0]}.{name}'?" if sections else did_you_mean(name, fields)


def _fields_at(path: list[str], model: type[BaseModel]) -> list[str]:
    """Return the names of the fields of the record at a path; none where there is no record."""
    for name in path:
        if name not in model.model_fields:
            return []
        annotation = model.model_fields[name].annotation
        kinds = [kind for kind in (annotation, *get_args(annotation)) if isinstance(kind, type)]
        records = [kind for kind in kinds if issubclass(kind, BaseModel)]
        if not records:
            return []
        model = records[0]
    return list(model.model_fields)
