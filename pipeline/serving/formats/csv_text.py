"""Read and write CSV bodies.

References:
    RFC 4180: ``header=absent`` in the content type says that the first line is a row.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

from pipeline.contracts.errors import InvalidRequestError
from pipeline.contracts.signature import Signature
from pipeline.serving.formats.columns import decode_columns
from pipeline.serving.names import display_name
from pipeline.serving.request_decoder import Feeds, RequestDecoder
from pipeline.serving.responses import Prediction

__all__ = ["decode_csv", "write_csv"]

_DELIMITERS = ",;\t"


def decode_csv(
    body: bytes, decoder: RequestDecoder, *, has_header: bool = True, delimiter: str = "", ignore_extra: bool = False
) -> Feeds:
    """Decode CSV into the feeds of a session; cells are read by the same rules as those of the training file.

    Args:
        body: CSV in UTF-8.
        decoder: Decoder of the model.
        has_header: Whether the first line has the names of the columns; otherwise they are in the signature's order.
        delimiter: Separator of the cells; empty for the first of ``, ; tab`` that occurs in the first line.
        ignore_extra: Ignore columns that the model does not read.

    Raises:
        TooManyRowsError: There are more rows than a response can have.
        InvalidRequestError: The body is not CSV in UTF-8, a line has another number of cells, or the columns do not
            match the signature.
    """
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidRequestError(f"the body is not UTF-8 (byte {error.start}), which is expected of CSV") from None
    first_line = text.partition("\n")[0]
    delimiter = delimiter or next((letter for letter in _DELIMITERS if letter in first_line), ",")
    names: Sequence[str] = () if has_header else decoder.names.all
    rows: list[list[str]] = []
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        for cells in reader:
            if not names:
                names = _check_header(cells)
            elif cells or len(names) == 1:
                rows.append(_check_width(cells or [""], names, reader.line_num))
    except csv.Error as error:
        raise InvalidRequestError(f"the body is not CSV (line {reader.line_num}): {error}") from None
    decoder.check_count(len(rows), "the CSV")
    columns = dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))
    return decode_columns(columns, decoder, field="the CSV", ignore_extra=ignore_extra)


def write_csv(predictions: Sequence[Prediction], signature: Signature) -> bytes:
    """Write predictions as CSV, one line per row.

    The columns are ``prediction`` and ``probability_CLASS`` or ``quantile_NUMBER``; for several targets
    ``prediction_TARGET``. A missing number is empty.
    """
    rows = [_flatten(prediction, signature) for prediction in predictions]
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(rows[0])
    writer.writerows([["" if cell != cell else cell for cell in row.values()] for row in rows])  # noqa: PLR0124 - NaN
    return text.getvalue().encode()


def _check_header(cells: list[str]) -> list[str]:
    twice = [name for name in cells if cells.count(name) > 1]
    if twice:
        raise InvalidRequestError(f"the CSV has the column '{display_name(twice[0])}' twice, once is expected")
    return cells


def _check_width(cells: list[str], names: Sequence[str], line: int) -> list[str]:
    if len(cells) != len(names):
        raise InvalidRequestError(
            f"the CSV, line {line}: {len(names)} cells are expected, one per column, there are {len(cells)}"
        )
    return cells


def _flatten(prediction: Prediction, signature: Signature) -> dict[str, Any]:
    if "label" in prediction:
        label = prediction["label"]
        probabilities = prediction["probabilities"]
        return {
            "prediction": signature.separator.join(label) if type(label) is list else label,
            **{f"probability_{name}": probability for name, probability in probabilities.items()},
        }
    value = prediction["value"]
    if type(value) is dict:
        return {f"prediction_{name}": number for name, number in value.items()}
    quantiles = prediction.get("quantiles", {})
    return {"prediction": value, **{f"quantile_{name}": number for name, number in quantiles.items()}}
