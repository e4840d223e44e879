"""Tensors as JSON arrays, in the row and column formats that TensorFlow Serving and MLflow share."""

from __future__ import annotations

from typing import Any

from pipeline.contracts.errors import InvalidRequestError
from pipeline.serving.cells.errors import json_type
from pipeline.serving.formats.columns import decode_columns
from pipeline.serving.formats.matrices import split_matrix
from pipeline.serving.formats.rows import decode_rows
from pipeline.serving.names import display_name
from pipeline.serving.request_decoder import Feeds, RequestDecoder

__all__ = ["decode_inputs", "decode_instances"]


def decode_instances(instances: Any, decoder: RequestDecoder, *, field: str, ignore_extra: bool = False) -> Feeds:
    """Decode the row format: one object per row; or one array of numbers per row; or one value per row.

    Args:
        instances: The rows.
        decoder: Decoder of the model.
        field: What the request calls the rows, for messages.
        ignore_extra: Ignore columns that the model does not read.

    Raises:
        TooManyRowsError: There are more rows than a response can have.
        InvalidRequestError: The rows do not match the signature.
    """
    if type(instances) is not list:
        raise InvalidRequestError(f"{field}: an array with one element per row is expected, not {json_type(instances)}")
    decoder.check_count(len(instances), field)
    if all(type(instance) is dict for instance in instances):
        name = _matrix_name(instances[0], decoder)
        if name is not None and all(instance.keys() == {name} for instance in instances):
            return _decode_matrix([instance[name] for instance in instances], decoder, field)
        if not (decoder.width == 1 and all(instance.keys() == {"b64"} for instance in instances)):
            return decode_rows(instances, decoder, field=field, ignore_extra=ignore_extra)
    return _decode_unnamed(instances, decoder, field)


def decode_inputs(inputs: Any, decoder: RequestDecoder, *, field: str, ignore_extra: bool = False) -> Feeds:
    """Decode the column format: an object with one array per column; or one matrix, named or not; or one column.

    Args:
        inputs: The columns.
        decoder: Decoder of the model.
        field: What the request calls the columns, for messages.
        ignore_extra: Ignore columns that the model does not read.

    Raises:
        TooManyRowsError: There are more rows than a response can have.
        InvalidRequestError: The columns do not match the signature.
    """
    if type(inputs) is list:
        decoder.check_count(len(inputs), field)
        return _decode_unnamed(inputs, decoder, field)
    if type(inputs) is dict and (name := _matrix_name(inputs, decoder)) is not None:
        return decode_inputs(inputs[name], decoder, field=f"{field}, '{display_name(name)}'")
    if type(inputs) is dict:
        scalar_axis = {name: _drop_last_axis(values, decoder, name) for name, values in inputs.items()}
        return decode_columns(scalar_axis, decoder, field=field, ignore_extra=ignore_extra)
    raise InvalidRequestError(f"{field}: an object with one array per column is expected, not {json_type(inputs)}")


def _matrix_name(names: dict[str, Any], decoder: RequestDecoder) -> str | None:
    """Return the only name if it is not a column's, its value is an array, and the model takes a matrix."""
    if len(names) != 1 or not decoder.takes_matrix:
        return None
    (name,) = names
    return None if decoder.names.find(name) or type(names[name]) is not list else name


def _decode_unnamed(rows: list[Any], decoder: RequestDecoder, field: str) -> Feeds:
    (name, *other_names) = decoder.by_name
    if not other_names and not (decoder.takes_matrix and all(type(row) is list for row in rows)):
        return decode_columns({name: rows}, decoder, field=field)
    if not decoder.takes_matrix:
        raise InvalidRequestError(
            f"{field}: one object per row is expected, since the model has columns that are not numeric"
        )
    return _decode_matrix(rows, decoder, field)


def _decode_matrix(rows: list[Any], decoder: RequestDecoder, field: str) -> Feeds:
    for number, row in enumerate(rows):
        if type(row) is not list:
            raise InvalidRequestError(
                f"{field}[{number}]: an array of {decoder.width} numbers is expected, not {json_type(row)}"
            )
    columns = split_matrix(rows, [len(rows), decoder.width], decoder.width, field)
    return decode_columns(dict(zip(decoder.by_name, columns, strict=True)), decoder, field=field)


def _drop_last_axis(values: Any, decoder: RequestDecoder, spelling: str) -> Any:
    """Reshape a column from [rows, 1] to [rows]; leave columns of images as they are."""
    column = decoder.by_name.get(decoder.names.find(spelling) or "")
    is_nested = type(values) is list and bool(values) and all(type(row) is list and len(row) == 1 for row in values)
    return [row[0] for row in values] if is_nested and column is not None and column.kind != "image" else values
