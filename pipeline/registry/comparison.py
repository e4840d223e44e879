"""Compare two versions of a model: data, settings, metrics, size, latency."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.contracts.errors import ObjectNotFoundError
from pipeline.contracts.object_keys import RunKeys
from pipeline.contracts.ports import ObjectStore
from pipeline.contracts.records.model_version import ModelCard, ModelVersion
from pipeline.contracts.records.variant import Selection

__all__ = ["VersionFacts", "compare_versions", "read_facts"]

Document = dict[str, Any]
_ABSENT = object()


@dataclass(frozen=True, kw_only=True, slots=True)
class VersionFacts:
    """Facts about a version for a comparison. A field is empty if the document that it is read from was deleted.

    Attributes:
        version: Record with its signature.
        card: Model card.
        spec: Settings of the run as JSON, defaults included.
        latency_us: Median time for one row on one thread, in microseconds, measured for the selection.
    """

    version: ModelVersion
    card: ModelCard | None
    spec: Document
    latency_us: float | None


def read_facts(version: ModelVersion, artifacts: ObjectStore) -> VersionFacts:
    """Read what a comparison needs from the artifacts bucket."""
    keys = RunKeys(version.lineage.run)
    card, spec, selection = (_read(artifacts, key) for key in (version.card_key, keys.spec, keys.selection))
    return VersionFacts(
        version=version,
        card=ModelCard.from_bytes(card) if card else None,
        spec=json.loads(spec) if spec else {},
        latency_us=Selection.from_bytes(selection).winner.latency_us if selection else None,
    )


def compare_versions(before: VersionFacts, after: VersionFacts) -> Document:
    """Return the differences between two versions.

    Args:
        before: First version.
        after: Second version.

    Returns:
        ``model``, ``versions``, and the sections ``data``, ``spec``, ``metrics``, ``size`` and ``latency``. A section
        maps a name to ``{"before", "after"}``. ``data`` and ``spec`` have only the values that differ, the other
        sections all values. A value that a version lacks is None.
    """
    first, second = before.version, after.version
    return {
        "model": first.model,
        "versions": [first.version, second.version],
        "data": _differences(_data(before), _data(after)),
        "spec": _differences(_settings(before), _settings(after)),
        "metrics": _pairs(first.quality, second.quality),
        "size": _pairs({"bytes": first.artifact.bytes}, {"bytes": second.artifact.bytes}),
        "latency": _pairs({"latency_us": before.latency_us}, {"latency_us": after.latency_us}),
    }


def _read(artifacts: ObjectStore, key: str) -> bytes:
    try:
        return artifacts.get(key)
    except ObjectNotFoundError:
        return b""


def _data(facts: VersionFacts) -> Document:
    version = facts.version
    columns = {f"columns.{column.name}": column.kind for column in version.signature.columns}
    rows = {f"rows.{name}": count for name, count in (facts.card.rows if facts.card else {}).items()}
    return {
        "upload": version.lineage.upload_key,
        "sha256": version.lineage.upload_sha256,
        "target": version.signature.target,
        "task": version.signature.task,
        **rows,
        **columns,
    }


def _settings(facts: VersionFacts) -> Document:
    version = facts.version
    chosen = {
        "algorithm": version.algorithm,
        "precision": version.precision,
        "code_version": version.lineage.code_version,
    }
    return {**chosen, **dict(_flatten(facts.spec))}


def _flatten(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in settings.items():
        if isinstance(value, Mapping) and value:
            yield from _flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _differences(before: Document, after: Document) -> Document:
    return {
        name: {"before": before.get(name), "after": after.get(name)}
        for name in dict.fromkeys([*before, *after])
        if before.get(name, _ABSENT) != after.get(name, _ABSENT)
    }


def _pairs(before: Mapping[str, Any], after: Mapping[str, Any]) -> Document:
    names = dict.fromkeys([*before, *after])
    return {name: {"before": before.get(name), "after": after.get(name)} for name in names}
