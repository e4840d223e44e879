"""Begin and end rollouts: one transaction each, of the aliases, their history and the model's summary."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import UTC
from typing import Any

from pipeline.contracts.errors import ConflictError, NotFoundError
from pipeline.contracts.ports import Item
from pipeline.contracts.promotion.rollout import Rollout, RolloutRule
from pipeline.contracts.records.alias_move import AliasMove
from pipeline.contracts.table_keys import rollout_key
from pipeline.registry.aliases import Aliases, AliasRef
from pipeline.registry.contention import RegistryStore
from pipeline.registry.rollouts.statistics import RolloutStatistics
from pipeline.registry.versions import Versions

__all__ = ["LISTING", "Rollouts"]

LISTING = "ROLLOUT"  # aliases with a rollout in the listing index


class Rollouts:
    """Rollouts of new versions beside live ones; a model has at most one.

    A rollout is an attribute of the alias ``live``, so that serving reads both at once, and the alias ``canary`` or
    ``shadow`` points to the new version. Every move of ``live`` ends the rollout.

    Args:
        store: Where the registry is stored.
        versions: Records of versions.
        aliases: Aliases of models.
    """

    def __init__(self, store: RegistryStore, versions: Versions, aliases: Aliases) -> None:
        self._store = store
        self._versions = versions
        self._aliases = aliases

    def start(self, live: AliasRef, version: int, rule: RolloutRule, *, by: str, only_newer: bool = False) -> Rollout:
        """Roll a version out beside the live one. Idempotent; it replaces a rollout of another version.

        Args:
            live: The alias ``live`` of the model.
            version: Number of the version.
            rule: Mode, duration and bounds of the rollout.
            by: Name of the run or of the person, for the history.
            only_newer: Refuse a version of an older upload than one that has been live.

        Returns:
            The rollout; the existing one if the version is being rolled out with the same rule already.

        Raises:
            NotFoundError: There is no such version, or none is live.
            ConflictError: The version is live, archived, or not READY.
            OlderUploadError: ``only_newer``, and a version of a newer upload has been live.
            IntegrityError: The version's artifact is missing or has the wrong size.
            TransientError: Too many writers compete.
        """
        tenant, model = live.tenant, live.model
        self._versions.check_artifact(self._versions.promotable(tenant, model, version).artifact)

        def attempt() -> Rollout | None:
            target = self._versions.promotable(tenant, model, version)
            stored = self._store.table.get(*live.key)
            if stored is None:
                raise NotFoundError(f"no version of '{model}' is live that version {version} could be compared with")
            if stored["version"] == version:
                raise ConflictError(f"version {version} of '{model}' is live already")
            running = _read(stored)
            if running and running.version == version and running.rule == rule:
                return running
            if only_newer:
                self._aliases.check_newer(target, live, stored)
            rollout = Rollout(
                **rule.model_dump(),
                id=secrets.token_hex(8),
                tenant=tenant,
                model=model,
                version=version,
                started_at=self._store.now().astimezone(UTC),
            )
            written = self._aliases.write_rollout(target, rollout, stored, note=(by, rollout.summary))
            return rollout if written else None

        return self._store.retry(attempt)

    def make_live(self, rollout: Rollout, *, reason: str) -> AliasMove | None:
        """End a rollout by making its version live; None if it has ended already. Idempotent."""
        live = AliasRef(rollout.tenant, rollout.model)

        def attempt() -> tuple[AliasMove | None] | None:
            stored = self._store.table.get(*live.key)
            if not _runs(stored, rollout):
                return (None,)
            return self._aliases.write_move(live, rollout.version, stored, (rollout.mode, reason))

        return self._store.retry(attempt)[0]

    def stop(self, rollout: Rollout, *, reason: str) -> AliasMove | None:
        """End a rollout without making its version live; None if it has ended already. Idempotent.

        Afterwards the rollout's alias points to the live version.
        """
        live, named = (AliasRef(rollout.tenant, rollout.model, alias) for alias in ("live", rollout.mode))

        def attempt() -> tuple[AliasMove | None] | None:
            stored = self._store.table.get(*live.key)
            if stored is None or not _runs(stored, rollout):
                return (None,)
            pointing = self._store.table.get(*named.key)
            return self._aliases.write_move(named, stored["version"], pointing, (rollout.mode, reason))

        return self._store.retry(attempt)[0]

    def running(self) -> list[Rollout]:
        """Return the rollouts of all tenants. Eventually consistent."""
        rollouts = map(_read, self._store.table.listing(LISTING))
        return [rollout for rollout in rollouts if rollout is not None]

    def statistics(self, rollout: Rollout) -> RolloutStatistics:
        """Return the measurements so far."""
        item = self._store.table.get(*rollout_key(rollout.tenant, rollout.model, rollout.id)) or {}
        return RolloutStatistics.of({name: item[name] for name in item.keys() - {"pk", "sk", "expires_at"}})

    def increment(self, pk: str, sk: str, amounts: Mapping[str, float], values: Mapping[str, Any]) -> None:
        """Add to counters, for a server that serves the registry; see ``Table.increment``."""
        self._store.table.increment(pk, sk, amounts, values)


def _read(stored: Item) -> Rollout | None:
    return Rollout.model_validate(stored["rollout"]) if "rollout" in stored else None


def _runs(stored: Item | None, rollout: Rollout) -> bool:
    return stored is not None and stored.get("rollout", {}).get("id") == rollout.id
