"""Parse JSON bodies. Unlike orjson, refuse objects with duplicate keys."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import orjson

from pipeline.contracts.errors import InvalidRequestError
from pipeline.serving.names import display_name

__all__ = ["parse_json"]

_FEW = 1_000  # bytes per key; if there are more, finding one colon after the other is faster than counting them


def parse_json(body: bytes) -> Any:
    """Parse a JSON body.

    Raises:
        InvalidRequestError: The body is not JSON in UTF-8, is nested too deeply, or an object has a duplicate key.
    """
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InvalidRequestError(
            f"the body is not JSON (line {error.lineno}, column {error.colno}): {_problem(error)}"
        ) from error
    # A colon follows every key: if the body has as many colons as the document has keys, no key was a duplicate.
    if type(document) is dict:
        keys = _count_keys(document)
        if not (_has_colons(body, keys) if len(body) > _FEW * keys else body.count(b":") == keys):
            _check_duplicates(body)
    return document


def _has_colons(body: bytes, count: int) -> bool:
    """Return whether a body has exactly ``count`` colons."""
    position = -1
    for _ in range(count):
        position = body.find(b":", position + 1)
        if position < 0:
            return False
    return body.find(b":", position + 1) < 0


def _problem(error: orjson.JSONDecodeError) -> str:
    if str(error.doc)[error.pos :].lstrip("-").startswith(("NaN", "Infinity")):
        return "null is expected for a missing number, not NaN or Infinity"
    if "depth" in error.msg or "ecursion" in error.msg:
        return "arrays and objects are nested too deeply"
    return error.msg


def _count_keys(document: dict[str, Any]) -> int:
    """Count the keys of an object, of its values, and of the rows or tensors in its arrays; ignore deeper objects."""
    keys = len(document)
    for value in document.values():
        if type(value) is dict:
            keys += len(value)
        elif type(value) is list and dict in (types := set(map(type, value))):
            elements = value if len(types) == 1 else [element for element in value if type(element) is dict]
            keys += sum(map(len, elements))
            if "parameters" in elements[0]:
                parameters = [element.get("parameters") for element in elements]
                keys += sum([len(members) for members in parameters if type(members) is dict])
    return keys


def _check_duplicates(body: bytes) -> None:
    try:
        json.loads(body, object_pairs_hook=_check_pairs, parse_float=str, parse_int=str)
    except RecursionError:
        raise InvalidRequestError("the body is not JSON: arrays and objects are nested too deeply") from None


def _check_pairs(pairs: Iterable[tuple[str, Any]]) -> None:
    names = set()
    for name, _ in pairs:
        if name in names:
            raise InvalidRequestError(
                f"an object of the body has the key '{display_name(name)}' twice, once is expected"
            )
        names.add(name)
