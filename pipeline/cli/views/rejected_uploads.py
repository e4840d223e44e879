"""Uploads that started no run, listed together with the runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from rich.text import Text

from pipeline.cli.views.json_documents import address_of
from pipeline.contracts.records.run import RejectedUpload, Run

__all__ = ["merge_newest", "rejected_lines"]


def merge_newest(
    runs: Sequence[Run], rejected: Sequence[RejectedUpload], limit: int
) -> tuple[list[Run | RejectedUpload], list[RejectedUpload]]:
    """Return the newest ``limit`` of both together, newest first; and the rejected ones among them."""
    entries: list[Run | RejectedUpload] = [*runs, *rejected]
    newest = sorted(entries, key=_began, reverse=True)[:limit]
    return newest, [upload for upload in newest if isinstance(upload, RejectedUpload)]


def rejected_lines(rejected: Sequence[RejectedUpload]) -> Iterator[Text]:
    """Yield one line per upload: its key, and why no run was started."""
    for upload in rejected:
        address = "".join(letter if letter.isprintable() else "?" for letter in address_of(upload))
        yield Text(f"rejected {upload.at.astimezone():%m-%d %H:%M} {address}: {upload.reason}", "red")


def _began(shown: Run | RejectedUpload) -> datetime:
    return shown.at if isinstance(shown, RejectedUpload) else shown.started_at
