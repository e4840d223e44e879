"""Content types of request bodies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from pipeline.contracts.errors import UnsupportedMediaTypeError

__all__ = ["MediaType", "read_media_type"]

# Content types that clients send with JSON: curl's -d sends that of a form, Triton's client sends none.
_JSON = frozenset({"", "application/json", "application/x-www-form-urlencoded", "text/json"})
_CSV = {"text/csv": "", "application/csv": "", "text/tab-separated-values": "\t"}
_PARQUET = frozenset({"application/vnd.apache.parquet", "application/x-parquet", "application/parquet"})
_IMAGES = frozenset({"image/png", "image/jpeg", "image/jpg"})


class MediaType(NamedTuple):
    """Format of a body.

    Attributes:
        form: ``json``, ``csv``, ``parquet``, ``image`` or ``text``.
        delimiter: CSV only: separator of the cells; empty if the content type does not imply one.
        has_header: CSV only: whether the first line has the names of the columns.
    """

    form: str
    delimiter: str = ""
    has_header: bool = True


def read_media_type(headers: Mapping[str, str]) -> MediaType:
    """Return the format that the header ``content-type`` names; JSON by default.

    Args:
        headers: Headers of the request, by name in lower case.

    Raises:
        UnsupportedMediaTypeError: The content type is not supported, or its charset is not UTF-8.
    """
    content_type = headers.get("content-type", "")
    if content_type in ("application/json", ""):
        return _AS_JSON
    name, *parameters = (element.strip().lower() for element in content_type.split(";"))
    values = {key.strip(): value.strip(' "') for key, _, value in (text.partition("=") for text in parameters)}
    if values.get("charset", "utf-8") not in ("utf-8", "utf8", "us-ascii"):
        raise UnsupportedMediaTypeError("content-type: the charset UTF-8 is expected")
    if name in _JSON or name.endswith("+json"):
        return _AS_JSON
    if name in _CSV:
        return MediaType("csv", _CSV[name], values.get("header") != "absent")
    for form, names in (("parquet", _PARQUET), ("image", _IMAGES), ("text", {"text/plain"})):
        if name in names:
            return MediaType(form)
    raise UnsupportedMediaTypeError(
        "content-type: one of application/json, text/csv, application/vnd.apache.parquet, image/png, image/jpeg, "
        "text/plain is expected, or application/octet-stream with the header Inference-Header-Content-Length"
    )


_AS_JSON = MediaType("json")
