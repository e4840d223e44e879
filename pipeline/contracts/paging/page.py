"""One page of a list, and the iteration over all pages."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Generic, TypeVar

__all__ = ["MAX_LISTED", "Page", "collect", "iterate", "make_page"]

MAX_LISTED = 1_000  # entries per page: the response of a Lambda function has at most 6 MB
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of a list.

    Attributes:
        entries: Entries of the page. If the list is filtered, there may be fewer than requested, or none.
        next: Position after which the next page begins; None for the last page.
    """

    entries: Sequence[T]
    next: str | None = None


def make_page(
    items: Sequence[dict[str, Any]],
    limit: int,
    *,
    position: Callable[[dict[str, Any]], str],
    parse: Callable[[Sequence[dict[str, Any]]], Sequence[T]],
) -> Page[T]:
    """Make a page of items that were read with ``limit + 1``; the extra item only shows that there is a next page.

    Args:
        items: Items in the order of the list.
        limit: Maximum number of entries.
        position: Returns the position of an item.
        parse: Returns the entries of items; it may leave some out.
    """
    page_items = items[:limit]
    return Page(parse(page_items), position(page_items[-1]) if len(items) > limit else None)


def iterate(read: Callable[[str | None], Page[T]]) -> Iterator[T]:
    """Yield the entries of all pages; each page is read when it is needed.

    Args:
        read: Returns the page after a position; None for the first page.
    """
    position: str | None = None
    while True:
        page = read(position)
        yield from page.entries
        if page.next is None:
            return
        position = page.next


def collect(read: Callable[[int, str | None], Page[T]], limit: int | None) -> list[T]:
    """Return the first entries of a list, read page by page.

    Args:
        read: Returns the page of at most this many entries after a position; None for the first page.
        limit: Maximum number of entries; None for all.
    """
    page = MAX_LISTED if limit is None else min(limit, MAX_LISTED)
    return list(islice(iterate(lambda after: read(page, after)), limit))
