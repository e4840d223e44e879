"""Page tokens: a position in one list, which callers send back unchanged.

A token is not signed: it contains only a position, and the caller's tenant determines which partition is read.
"""

from __future__ import annotations

import base64
import hashlib
import json
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from pipeline.contracts.errors import InvalidRequestError
from pipeline.contracts.paging.page import MAX_LISTED, Page

__all__ = ["PageQuery", "decode_token", "encode_token", "next_token"]

_MAX_TOKEN = 512  # characters
_MAX_POSITION = 256  # characters; a sort key has at most 1,024 bytes


@dataclass(frozen=True, slots=True)
class PageQuery:
    """Page that a caller requests by query parameters.

    Attributes:
        limit: Maximum number of entries; None for the list's default.
        next: Token from the previous page; None for the first page.
        after: The same token from callers of older releases, or a position that they know, such as a model's name.
    """

    limit: str | None = None
    next: str | None = None
    after: str | None = None

    def parse(self, default: int, *scope: str) -> tuple[int, str | None]:
        """Return the limit and the position after which the page begins.

        Args:
            default: Limit if the query has none.
            scope: Scope of the list, as for ``encode_token``.

        Raises:
            InvalidRequestError: The limit is out of range, or the token belongs to another list.
        """
        position = self._position(*scope)
        limit = self.limit if self.limit is not None else str(default)
        if not (limit.isascii() and limit.isdecimal() and len(limit) <= 6 and 1 <= int(limit) <= MAX_LISTED):
            raise InvalidRequestError(f"limit: a number from 1 to {MAX_LISTED:,} is expected")
        return int(limit), position

    def _position(self, *scope: str) -> str | None:
        if self.next is not None:
            return decode_token(self.next, *scope)
        with suppress(InvalidRequestError):
            return decode_token(self.after or "", *scope)
        if self.after is not None and not _is_position(self.after):
            raise InvalidRequestError("after: the token of the page before, or a name, is expected")
        return self.after


def next_token(page: Page[Any], *scope: str) -> dict[str, str]:
    """Return the field ``next`` of a response; the last page has none."""
    return {} if page.next is None else {"next": encode_token(page.next, *scope)}


def encode_token(position: str, *scope: str) -> str:
    """Return the token of a position.

    Args:
        position: Position in the list.
        scope: Scope of the list: its route, tenant, and filters.
    """
    document = json.dumps([_digest(scope), position], separators=(",", ":"))
    return base64.urlsafe_b64encode(document.encode()).decode().rstrip("=")


def decode_token(token: str, *scope: str) -> str:
    """Return the position of a token.

    Args:
        token: Text that a caller sent back.
        scope: Scope of the list, as for ``encode_token``.

    Raises:
        InvalidRequestError: ``token`` is not a token, or belongs to another list.
    """
    with suppress(ValueError):
        document = base64.b64decode(token[:_MAX_TOKEN] + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        match json.loads(document):
            case [digest, str(position)] if digest == _digest(scope) and _is_position(position):
                return position
    raise InvalidRequestError("next: the token of the page before is expected, from the same list")


def _is_position(text: str) -> bool:
    return text.isascii() and text.isprintable() and len(text) <= _MAX_POSITION


def _digest(scope: tuple[str, ...]) -> str:
    return hashlib.sha256(json.dumps(scope).encode()).hexdigest()[:12]
