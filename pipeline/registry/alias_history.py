"""History of a model's aliases: every move, and which version an alias pointed to at any moment."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise

from pipeline.contracts.ports import Item, PutRequest, Table
from pipeline.contracts.records.alias_move import AliasMove
from pipeline.contracts.table_keys import history_prefix
from pipeline.registry.contention import make_item

__all__ = ["LIVE", "TICK", "AliasHistory", "format_time", "put_move"]

LIVE = "live"
TICK = timedelta(microseconds=1)  # resolution of the times of moves
_PAGE = 50  # moves read at once


class AliasHistory:
    """Reads the moves of aliases. All reads are strongly consistent, and read no more pages than they return."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def list(
        self,
        tenant: str,
        model: str,
        *,
        alias: str | None = None,
        limit: int | None = None,
        before: datetime | None = None,
    ) -> list[AliasMove]:
        """Return moves, newest first.

        Args:
            tenant: Tenant of the model.
            model: Name of the model.
            alias: Moves of this alias; of all by default.
            limit: Maximum number of moves.
            before: Only moves before this time.
        """
        moves = (move for move in self._moves(tenant, model, before) if alias in (None, move.alias))
        return list(islice(moves, limit))

    def version_at(self, tenant: str, model: str, moment: datetime, *, alias: str = LIVE) -> int | None:
        """Return the version that an alias pointed to at a moment; None if it did not exist yet."""
        moves = self.list(tenant, model, alias=alias, limit=1, before=moment + TICK)
        return moves[0].version if moves else None

    def replaced_choice(self, tenant: str, model: str, run: str) -> AliasMove | None:
        """Return the manual promotion or rollback that ``run`` replaced; None if it replaced none."""
        moves = (move for move in self._moves(tenant, model, None) if move.alias == LIVE)
        replaced = next((earlier for move, earlier in pairwise(moves) if move.by == run), None)
        return replaced if replaced is not None and replaced.is_manual else None

    def _moves(self, tenant: str, model: str, before: datetime | None) -> Iterator[AliasMove]:
        pk, prefix = history_prefix(tenant, model)
        after = None if before is None else f"{prefix}{format_time(before)}"
        while items := self._table.query(pk, prefix, newest_first=True, limit=_PAGE, after=after):
            yield from map(_parse_move, items)
            if len(items) < _PAGE:
                return
            after = items[-1]["sk"]


def put_move(tenant: str, model: str, move: AliasMove) -> PutRequest:
    """Return the write that adds a move to the history; its condition fails if the move is there."""
    pk, prefix = history_prefix(tenant, model)
    moved_at = format_time(move.at)
    values = {**move.model_dump(exclude={"at"}), "at": moved_at}
    return PutRequest(item=make_item((pk, f"{prefix}{moved_at}#{move.alias}"), **values), only_if_absent=True)


def format_time(moment: datetime) -> str:
    """Format as ISO 8601 in UTC with a fixed length, so that text sorts like time."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def _parse_move(item: Item) -> AliasMove:
    return AliasMove.model_validate({name: item[name] for name in AliasMove.model_fields if name in item})
