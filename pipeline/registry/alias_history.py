"""Names of a model's aliases, the history of their moves, and the writes that accompany a move."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice, pairwise

from pipeline.contracts.clock import format_time
from pipeline.contracts.errors import InputError
from pipeline.contracts.paging.page import Page, make_page
from pipeline.contracts.ports import Item, PutRequest, Table, UpdateRequest
from pipeline.contracts.promotion.rollout import ROLLOUT_MODES
from pipeline.contracts.records.alias_move import AliasMove
from pipeline.contracts.table_keys import alias_key, history_prefix
from pipeline.registry.contention import make_item

__all__ = [
    "ALIAS_STATE",
    "LIVE",
    "MAX_REASON",
    "TICK",
    "AliasHistory",
    "AliasRef",
    "RolloutWrites",
    "check_alias",
    "check_reason",
    "end_of_rollout",
    "put_move",
]

LIVE = "live"
TICK = timedelta(microseconds=1)  # resolution of the times of moves
MAX_REASON = 500  # characters
ALIAS_STATE = ("version", "at", "rollout")  # attributes of an alias that must not have changed since they were read
_ALIAS = re.compile(r"[a-z](?:[a-z0-9_-]{0,30}[a-z0-9])?")
_PAGE = 50  # moves per read


@dataclass(frozen=True, slots=True)
class AliasRef:
    """Name of an alias.

    Attributes:
        tenant: Tenant of the model.
        model: Name of the model.
        alias: Name of the alias within the model.
    """

    tenant: str
    model: str
    alias: str = LIVE

    @property
    def key(self) -> tuple[str, str]:
        """Key of the alias in the table."""
        return alias_key(self.tenant, self.model, self.alias)


def check_alias(name: str) -> str:
    """Return ``name`` if it is a valid name of an alias.

    Raises:
        InputError: The name has other characters or more than 32, or does not begin with a letter.
    """
    if not _ALIAS.fullmatch(name):
        raise InputError(
            "an alias has 1 to 32 lower-case letters, digits and inner '-' or '_', and starts with a letter"
        )
    return name


def check_reason(reason: str) -> str:
    """Return a reason if it is short enough for the history.

    Raises:
        InputError: The reason has more than MAX_REASON characters.
    """
    if len(reason) > MAX_REASON:
        raise InputError(f"a reason has at most {MAX_REASON} characters, not {len(reason):,}")
    return reason


class AliasHistory:
    """Reads the moves of aliases. Reads are strongly consistent, and read no more pages than needed."""

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

    def page(
        self, tenant: str, model: str, *, alias: str | None = None, limit: int, after: str | None = None
    ) -> Page[AliasMove]:
        """Return a page of moves, newest first.

        Args:
            tenant: Tenant of the model.
            model: Name of the model.
            alias: Return only moves of this alias, so that a page may have fewer than ``limit``; None for all aliases.
            limit: Maximum number of moves to read.
            after: Position after which the page begins.
        """
        pk, prefix = history_prefix(tenant, model)
        start = None if after is None else f"{prefix}{after}"
        return make_page(
            self._table.query(pk, prefix, newest_first=True, limit=limit + 1, after=start),
            limit,
            position=lambda item: str(item["sk"]).removeprefix(prefix),
            parse=lambda items: [move for move in map(_parse_move, items) if alias in (None, move.alias)],
        )

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


@dataclass(frozen=True, slots=True)
class RolloutWrites:
    """Writes of a move that concern rollouts: to the alias ``live``, if another alias moves, and to the summary."""

    live: UpdateRequest | None = None
    summary_values: Mapping[str, object] = field(default_factory=dict)
    summary_removals: tuple[str, ...] = ()


def end_of_rollout(table: Table, alias: AliasRef) -> RolloutWrites:
    """Return the writes with which a move ends the rollout that conflicts with it.

    A move of ``live`` replaces the item that holds the rollout. A move of ``canary`` or ``shadow`` ends a rollout
    of that mode.
    """
    if alias.alias == LIVE:
        return RolloutWrites(summary_removals=("rollout",))
    if alias.alias not in ROLLOUT_MODES:
        return RolloutWrites()
    key = alias_key(alias.tenant, alias.model, LIVE)
    live = table.get(*key)
    if live is None or live.get("rollout", {}).get("mode") != alias.alias:
        return RolloutWrites()
    only_if = {name: live.get(name) for name in ALIAS_STATE}
    ended = UpdateRequest(key=key, remove=("rollout", "listing", "listed_at"), only_if=only_if)
    return RolloutWrites(ended, summary_removals=("rollout",))


def put_move(tenant: str, model: str, move: AliasMove) -> PutRequest:
    """Return the write that adds a move to the history; it fails if the history has the move already."""
    pk, prefix = history_prefix(tenant, model)
    moved_at = format_time(move.at)
    values = {**move.model_dump(exclude={"at"}), "at": moved_at}
    return PutRequest(item=make_item((pk, f"{prefix}{moved_at}#{move.alias}"), **values), only_if_absent=True)


def _parse_move(item: Item) -> AliasMove:
    return AliasMove.model_validate({name: item[name] for name in AliasMove.model_fields if name in item})
