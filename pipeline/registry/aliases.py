"""Aliases of a model: names such as ``live`` that point to one version and move atomically."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Literal

from pipeline.contracts.clock import format_time
from pipeline.contracts.errors import AliasMovedError, ConflictError, NotFoundError, OlderUploadError
from pipeline.contracts.ports import CheckRequest, Item, PutRequest, TableWrite, UpdateRequest
from pipeline.contracts.promotion.rollout import Rollout
from pipeline.contracts.records.alias_move import AliasMove
from pipeline.contracts.records.model_version import VersionRecord
from pipeline.contracts.table_keys import alias_key, alias_prefix, model_key, version_key
from pipeline.registry.alias_history import (
    ALIAS_STATE,
    LIVE,
    MAX_REASON,
    TICK,
    AliasHistory,
    AliasRef,
    RolloutWrites,
    check_alias,
    check_reason,
    end_of_rollout,
    put_move,
)
from pipeline.registry.contention import RegistryStore, make_item
from pipeline.registry.versions import Versions

__all__ = ["ANY_VERSION", "MAX_REASON", "AliasRef", "Aliases", "Expected", "check_alias", "check_reason"]

ANY_VERSION: Literal["any"] = "any"
Expected = int | None | Literal["any"]  # None: the alias must not exist

_MAX_ROLLBACKS = 20  # earlier versions that an alias remembers


class Aliases:
    """Moves aliases atomically.

    A move is one transaction of four items: the alias, its entry in the history, the model's summary, and a check that
    the version is neither archived nor deleted. Each is conditional on what was read before; a move is retried if
    another writer was first. The summary has all aliases of its model, so that a version cannot be archived while an
    alias moves to it.

    Args:
        store: Where the registry is stored.
        versions: Records of versions.
    """

    def __init__(self, store: RegistryStore, versions: Versions) -> None:
        self._store = store
        self._versions = versions
        self._history = AliasHistory(store.table)

    def move(
        self, alias: AliasRef, version: int, *, by: str, reason: str = "", expected: Expected = ANY_VERSION
    ) -> AliasMove | None:
        """Point an alias to a version, newer or older. Idempotent.

        Args:
            alias: Alias to move; it is created if it does not exist.
            version: Number of the version.
            by: Name of the run or of the person, for the history.
            reason: Reason, for the history.
            expected: Version that the alias must point to; None if it must not exist.

        Returns:
            The move; None if the alias points to the version already.

        Raises:
            InputError: The alias's name or the reason is invalid.
            AliasMovedError: The alias is not at ``expected``.
            NotFoundError: The tenant has no such version.
            ConflictError: The version is archived, or not READY.
            IntegrityError: The version's artifact is missing or has the wrong size.
            TransientError: Too many writers compete.
        """
        check_alias(alias.alias)
        check_reason(reason)
        self._check_artifact(alias, version)

        def attempt() -> tuple[AliasMove | None] | None:
            target = self._versions.promotable(alias.tenant, alias.model, version)
            stored = self._store.table.get(*alias.key)
            _check_expected(alias, stored, expected)
            if _version_of(stored) == version:
                return (None,)
            return self._write(target, alias, stored, self._earlier_after_move(alias, stored), (by, reason))

        return self._store.retry(attempt)[0]

    def move_to_newer(self, alias: AliasRef, version: int, *, run: str) -> AliasMove | None:
        """Point an alias to a run's version unless it has ever pointed to one from a newer upload. Idempotent.

        Args:
            alias: Alias to move.
            version: Number of the version.
            run: Name of the run.

        Returns:
            The move; None if the alias points to the version already.

        Raises:
            OlderUploadError: The alias has pointed to a version from a newer upload; it stays.
            NotFoundError: The tenant has no such version.
            ConflictError: The version is archived, or not READY.
            IntegrityError: The version's artifact is missing or has the wrong size.
            TransientError: Too many writers compete.
        """
        self._check_artifact(alias, version)

        def attempt() -> tuple[AliasMove | None] | None:
            target = self._versions.promotable(alias.tenant, alias.model, version)
            stored = self._store.table.get(*alias.key)
            if _version_of(stored) == version:
                return (None,)
            self.check_newer(target, alias, stored)
            return self._write(target, alias, stored, self._earlier_after_move(alias, stored), (run, ""))

        return self._store.retry(attempt)[0]

    def check_newer(self, target: VersionRecord, alias: AliasRef, stored: Item | None) -> None:
        """Check that a version is of the newest upload among all that an alias has pointed to.

        Args:
            target: The version.
            alias: The alias.
            stored: Item of the alias; None if the alias does not exist.

        Raises:
            OlderUploadError: The alias has pointed to a version from a newer upload.
        """
        newest = self._newest(target, stored)
        if newest.version != target.version:
            raise OlderUploadError(
                f"version {target.version} was not promoted: its upload is older than that of version "
                f"{newest.version}, which has been {alias.alias}"
            )

    def write_rollout(self, target: VersionRecord, rollout: Rollout, live: Item, *, note: tuple[str, str]) -> bool:
        """Begin a rollout in one transaction; return False if another writer was first.

        Args:
            target: Version to roll out.
            rollout: The rollout.
            live: Item of the alias ``live``.
            note: Name of who begins it, and the reason.
        """
        named = AliasRef(target.tenant, target.model, rollout.mode)
        stored = self._store.table.get(*named.key)
        document = rollout.model_dump(mode="json")
        writes = RolloutWrites(
            UpdateRequest(
                key=alias_key(target.tenant, target.model, LIVE),
                values={"rollout": document, "listing": "ROLLOUT", "listed_at": document["started_at"]},
                only_if={name: live.get(name) for name in ALIAS_STATE},
            ),
            summary_values={"rollout": document},
        )
        earlier = self._earlier_after_move(named, stored) or [live["version"]]  # a rollback to the live one ends it
        return self._write(target, named, stored, earlier, note, rollout=writes) is not None

    def write_move(
        self, alias: AliasRef, version: int, stored: Item | None, note: tuple[str, str]
    ) -> tuple[AliasMove] | None:
        """Move an alias and end the conflicting rollout in one transaction; None if another writer was first.

        Args:
            alias: The alias.
            version: Number of the version.
            stored: Item of the alias as it was read.
            note: Name of who moves the alias, and the reason.

        Raises:
            NotFoundError: The tenant has no such version.
            ConflictError: The version is archived, or not READY.
        """
        target = self._versions.promotable(alias.tenant, alias.model, version)
        return self._write(target, alias, stored, self._earlier_after_move(alias, stored), note)

    def roll_back(self, alias: AliasRef, *, by: str, reason: str = "", expected: Expected = ANY_VERSION) -> AliasMove:
        """Point an alias to the version that it pointed to before.

        Each call goes back one more version: after promotions of 1, 2 and 3, two rollbacks lead to 1. Idempotent only
        with ``expected``.

        Args:
            alias: Alias to move.
            by: Name of the person, for the history.
            reason: Reason, for the history.
            expected: Version that the alias must point to.

        Raises:
            InputError: The reason is too long.
            AliasMovedError: The alias is not at ``expected``.
            NotFoundError: The alias does not exist, or the previous version is deleted.
            ConflictError: There is no previous version, or it is archived.
            IntegrityError: The artifact of the previous version is missing or has the wrong size.
            TransientError: Too many writers compete.
        """
        check_reason(reason)

        def attempt() -> tuple[AliasMove] | None:
            stored = self._store.table.get(*alias.key)
            if stored is None:
                raise NotFoundError(f"model '{alias.model}' has no alias '{alias.alias}'")
            _check_expected(alias, stored, expected)
            earlier = self._earlier_versions(alias, stored)
            if not earlier:
                raise ConflictError(
                    f"the alias '{alias.alias}' of '{alias.model}' has only ever pointed to version "
                    f"{stored['version']}: there is no version to return to"
                )
            self._check_artifact(alias, earlier[0])
            target = self._versions.promotable(alias.tenant, alias.model, earlier[0])
            return self._write(target, alias, stored, earlier[1:], (by, reason))

        return self._store.retry(attempt)[0]

    def version(self, alias: AliasRef) -> int | None:
        """Return the version that an alias points to; None if it does not exist. Strongly consistent."""
        return _version_of(self._store.table.get(*alias.key))

    def names(self, tenant: str, model: str, summary: Item) -> Mapping[str, int]:
        """Return the version number by alias.

        Args:
            tenant: Tenant of the model.
            model: Name of the model.
            summary: Item of the model. If an older release wrote it, it lacks the aliases, and they are read from the
                table.
        """
        if (names := summary.get("aliases")) is not None:
            return dict(names)
        pk, prefix = alias_prefix(tenant, model)
        return {item["sk"].removeprefix(prefix): item["version"] for item in self._store.table.query(pk, prefix)}

    def _check_artifact(self, alias: AliasRef, version: int) -> None:
        self._versions.check_artifact(self._versions.promotable(alias.tenant, alias.model, version).artifact)

    def _write(  # noqa: PLR0913 - all parts of a move
        self,
        target: VersionRecord,
        alias: AliasRef,
        stored: Item | None,
        earlier: Sequence[int],
        note: tuple[str, str],
        *,
        rollout: RolloutWrites | None = None,
    ) -> tuple[AliasMove] | None:
        """Write a move; None if another writer was first.

        Args:
            target: Version to point to.
            alias: Alias to move.
            stored: Item of the alias as it was read; None if the alias does not exist.
            earlier: Versions to which rollbacks lead, the next one first.
            note: Name of who moves the alias, and the reason.
            rollout: Writes that begin a rollout; by default, writes that end a conflicting rollout.
        """
        by, reason = note
        rollout = rollout or end_of_rollout(self._store.table, alias)
        move = AliasMove(
            at=self._time_after(stored),
            alias=alias.alias,
            version=target.version,
            previous=_version_of(stored),
            by=by,
            reason=reason,
        )
        tenant, model = alias.tenant, alias.model
        summary = self._store.table.get(*model_key(tenant, model))
        assert summary is not None, "a registered version has a summary"
        values: dict[str, object] = {"aliases": {**self.names(tenant, model, summary), alias.alias: target.version}}
        if alias.alias == LIVE:
            values |= {"live_version": target.version}
        values |= rollout.summary_values
        only_if = {"aliases": summary.get("aliases")}
        writes: list[TableWrite] = [
            _put_alias(alias, move, stored, earlier=earlier, newest=self._newest(target, stored).version),
            put_move(tenant, model, move),
            UpdateRequest(
                key=model_key(tenant, model), values=values, remove=rollout.summary_removals, only_if=only_if
            ),
            *([rollout.live] if rollout.live else []),
            CheckRequest(
                key=version_key(tenant, model, target.version), only_if={"archived_at": None, "deleted_at": None}
            ),
        ]
        return (move,) if self._store.table.write_all(writes) else None

    def _time_after(self, stored: Item | None) -> datetime:
        """Return the current time, or the first time after the alias's last move if a clock was ahead."""
        now = self._store.now().astimezone(UTC)
        return now if stored is None or "at" not in stored else max(now, datetime.fromisoformat(stored["at"]) + TICK)

    def _newest(self, target: VersionRecord, stored: Item | None) -> VersionRecord:
        """Return the version of the newest upload among ``target`` and all versions that the alias has pointed to."""
        if stored is None:
            return target
        number = stored["newest"] if "newest" in stored else stored["version"]
        try:
            newest = self._versions.record(target.tenant, target.model, number)
        except NotFoundError:  # the version was deleted since
            return target
        return max(target, newest, key=lambda version: version.lineage.upload_order)

    def _earlier_after_move(self, alias: AliasRef, stored: Item | None) -> list[int]:
        return [] if stored is None else [stored["version"], *self._earlier_versions(alias, stored)]

    def _earlier_versions(self, alias: AliasRef, stored: Item) -> list[int]:
        """Return the versions to which rollbacks lead, the next one first."""
        if "earlier" in stored:
            return list(stored["earlier"])
        # The alias was last moved by an older release.
        moves = self._history.list(alias.tenant, alias.model, alias=alias.alias, limit=1)
        return [moves[0].previous] if moves and moves[0].previous else []


def _version_of(stored: Item | None) -> int | None:
    return None if stored is None else int(stored["version"])


def _check_expected(alias: AliasRef, stored: Item | None, expected: Expected) -> None:
    current = _version_of(stored)
    if expected in (ANY_VERSION, current):
        return
    points_to, expected_text = (
        "no version" if number is None else f"version {number}" for number in (current, expected)
    )
    raise AliasMovedError(
        f"the alias '{alias.alias}' of '{alias.model}' points to {points_to}, not to {expected_text} as expected",
        current=current,
    )


def _put_alias(
    alias: AliasRef, move: AliasMove, stored: Item | None, *, earlier: Sequence[int], newest: int
) -> PutRequest:
    item = make_item(
        alias.key,
        version=move.version,
        newest=newest,
        at=format_time(move.at),
        earlier=list(earlier[:_MAX_ROLLBACKS]),
    )
    if stored is None:
        return PutRequest(item=item, only_if_absent=True)
    return PutRequest(item=item, only_if={name: stored.get(name) for name in ALIAS_STATE})
