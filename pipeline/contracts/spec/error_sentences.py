"""Sentences for what pydantic finds in train.yaml: the field, what is expected, and the nearest known name."""

from __future__ import annotations

import re
from typing import Any, get_args

from pydantic import (
    BaseModel,
    ValidationError,
)

from pipeline.contracts.algorithms.catalog import catalogue
from pipeline.contracts.algorithms.hyperparameter import Range
from pipeline.contracts.suggestions import did_you_mean

__all__ = ["error_sentences"]

_SCALARS = 3  # kinds at least that a setting's value may be of
_IN_A_UNION = re.compile(r"[\[\]({]|^(constrained-|(int|str|float|bool|Range)$)")  # pydantic's names of its choices


def error_sentences(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """Of the first problems, one a field; a list is not too short beside its wrong items, which is how pydantic counts.

    Of a field that takes several kinds pydantic tells what each of them lacks.
    """
    found = error.errors()
    within = {problem["loc"][:-1] for problem in found}
    told = [one for one in found if not (one["type"] == "too_short" and one["loc"] in within)]
    fields: dict[tuple[str, ...], list[Any]] = {}
    for problem in told:
        fields.setdefault(tuple(_path(problem)), []).append(problem)
    return [_sentence(problems, model) for problems in fields.values()][:3]


def _path(problem: Any) -> list[str]:
    return [part for part in map(str, problem["loc"]) if not _IN_A_UNION.search(part)]


def _sentence(problems: list[Any], model: type[BaseModel]) -> str:
    problem, path = problems[0], _path(problems[0])
    if problem["type"] == "extra_forbidden":
        known = list(Range.model_fields) if "Range" in problem["loc"] else _fields_at(path[:-1], model)
        return f"train.yaml: unknown field '{'.'.join(path)}': {_nearest(path, known, model)}"
    where = f"train.yaml: {'.'.join(path)}: " if path else "train.yaml: "
    if problem["type"] == "value_error":
        return f"{where}{problem['ctx']['error']}"
    if problem["type"] == "literal_error" and isinstance(problem["input"], str):
        known = re.findall(r"'([^']*)'", problem["ctx"]["expected"])
        return f"{where}unknown value '{problem['input'][:60]}': {did_you_mean(problem['input'], known)}"
    if len(problems) >= _SCALARS:
        return f"{where}a number, a word, true or false, or a list of them is expected"
    return where + ", or ".join(dict.fromkeys(map(_expected, problems)))


def _expected(problem: Any) -> str:
    message = re.sub(" or instance of .*|, unable to parse string.*| after validation.*", "", problem["msg"])
    for ours, theirs in (("list", "valid tuple"), ("mapping", "valid dictionary"), ("list", "tuple")):
        message = message.replace(theirs, ours)
    return f"{message[:1].lower()}{message[1:]}"


def _nearest(path: list[str], fields: list[str], model: type[BaseModel]) -> str:
    """What was meant: a field further in, or an algorithm's settings, written where they are not."""
    name = path[-1]
    if len(path) == 1 and name in catalogue():
        return f"did you mean 'settings.{name}'?"
    within = [outer for outer in fields if name in _fields_at([outer], model)] if len(path) == 1 else []
    return f"did you mean '{within[0]}.{name}'?" if within else did_you_mean(name, fields)


def _fields_at(path: list[str], model: type[BaseModel]) -> list[str]:
    """Of the record there; none where the path ends at no record."""
    for part in path:
        if part not in model.model_fields:
            return []
        annotation = model.model_fields[part].annotation
        kinds = [one for one in (annotation, *get_args(annotation)) if isinstance(one, type)]
        records = [one for one in kinds if issubclass(one, BaseModel)]
        if not records:
            return []
        model = records[0]
    return list(model.model_fields)
