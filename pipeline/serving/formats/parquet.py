"""Decode Parquet bodies, if polars is installed."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from pipeline.contracts.errors import InvalidRequestError, UnsupportedMediaTypeError
from pipeline.serving.formats.columns import decode_columns
from pipeline.serving.request_decoder import Feeds, RequestDecoder

if TYPE_CHECKING:
    import polars as pl

__all__ = ["decode_parquet"]


def decode_parquet(body: bytes, decoder: RequestDecoder, *, ignore_extra: bool = False) -> Feeds:
    """Decode a Parquet file into the feeds of a session.

    Args:
        body: The file.
        decoder: Decoder of the model.
        ignore_extra: Ignore columns that the model does not read.

    Raises:
        UnsupportedMediaTypeError: polars is not installed: it is too large for the layers of the predict function.
        TooManyRowsError: There are more rows than a response can have.
        InvalidRequestError: The body is not Parquet, or its columns do not match the signature.
    """
    try:
        import polars as pl  # noqa: PLC0415 - most deployments lack it
    except ImportError:
        raise UnsupportedMediaTypeError(
            "this deployment lacks polars and cannot read Parquet: JSON or CSV is expected"
        ) from None
    try:
        rows = pl.scan_parquet(io.BytesIO(body)).select(pl.len()).collect().item()
        decoder.check_count(rows, "the Parquet file")
        frame = pl.read_parquet(io.BytesIO(body))
    except (pl.exceptions.PolarsError, OSError):
        raise InvalidRequestError("the body is not a Parquet file, as its content type says") from None
    columns = {column.name: _to_cells(column) for column in frame}
    return decode_columns(columns, decoder, field="the Parquet file", ignore_extra=ignore_extra)


def _to_cells(column: pl.Series) -> list[object]:
    """Return the cells of a column as in a JSON request: dates as text, None for NaN."""
    if column.dtype.is_temporal():
        return column.dt.to_string("iso").to_list()
    if column.dtype.is_float():
        return column.fill_nan(None).to_list()
    return column.to_list()
